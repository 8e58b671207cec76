"""The page which gpu."""
