"""The page patterns."""
