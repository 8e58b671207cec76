"""Homes that older versions wrote."""
