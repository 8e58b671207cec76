"""The page sql."""
