"""Deployment: what is written down for containers is valid, and the same services run without them."""
