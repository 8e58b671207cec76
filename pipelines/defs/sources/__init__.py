"""The capability sources: assets, tables and checks."""
