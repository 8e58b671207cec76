"""The page Processors."""
