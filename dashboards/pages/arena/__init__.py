"""The page arena."""
