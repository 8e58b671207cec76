"""Pages that ask the published warehouse."""
