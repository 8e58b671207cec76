"""The lake, the contracts of its tables, and the published database."""
