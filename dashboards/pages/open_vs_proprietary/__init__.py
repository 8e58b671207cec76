"""The page open vs proprietary."""
