"""Reading published Arena boards."""
