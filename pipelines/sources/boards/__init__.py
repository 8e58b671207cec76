"""Living boards: one folder per declared source, and the readers that need nothing but the declaration."""

USER_FOLDER = "boards"
"""Of a home: declarations of its user's own."""
