"""Lake, publishing and reading."""
