"""How what a visitor brought is told from what is published, wherever it stands."""

MARK = "yours: "
"""Before the name of a set, a source or an entry."""
COVERAGE = "with your file"
"""What part of a board a snapshot holds that has a visitor's entries among the published ones."""
