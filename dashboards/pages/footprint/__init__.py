"""The page footprint."""
