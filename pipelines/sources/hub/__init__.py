"""Reading the hub."""
