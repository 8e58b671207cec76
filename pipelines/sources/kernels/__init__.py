"""Reading kernel tables."""
