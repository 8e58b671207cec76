"""Which layer may import which."""
