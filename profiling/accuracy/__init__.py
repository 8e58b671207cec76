"""Predictions held against measurements of whole passes by others."""
