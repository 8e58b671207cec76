"""The capability efficiency: assets, tables and checks."""
