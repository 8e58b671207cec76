"""Deployment: the files that containers and clusters read, and the same services without them."""
