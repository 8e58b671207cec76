"""The page choices."""
