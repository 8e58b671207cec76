"""Ratings from paired comparisons: pure mathematics, no files and no orchestration."""
