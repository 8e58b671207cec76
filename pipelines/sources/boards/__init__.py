"""Living boards: one folder per declared source, and the readers that need nothing but the declaration."""
