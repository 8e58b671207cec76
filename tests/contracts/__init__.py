"""Table contracts."""
