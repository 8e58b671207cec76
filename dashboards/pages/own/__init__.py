"""The page of files of one's own."""
