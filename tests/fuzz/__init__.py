"""Hostile and broken input: whatever the bytes, a reader gives rows, rejected rows or one error of its own kind."""
