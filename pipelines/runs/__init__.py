"""Runs: a refresh from start to end, its lock and its progress."""
