"""Living boards: declarations, readers, names, fetching."""
