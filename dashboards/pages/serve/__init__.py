"""The page serve."""
