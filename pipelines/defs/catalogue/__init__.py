"""The capability catalogue: assets, tables and checks."""
