"""SQL that pages run: one file, one question, named parameters."""
