"""What the machine says of itself while it is measured; every quantity is a value, or null with the reason."""
