"""Functions on their own."""
