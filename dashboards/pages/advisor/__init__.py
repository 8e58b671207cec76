"""The page advisor."""
