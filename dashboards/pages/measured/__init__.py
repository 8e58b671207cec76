"""The page measured."""
