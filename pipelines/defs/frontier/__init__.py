"""The capability frontier: assets, tables and checks."""
