"""The page roofline."""
