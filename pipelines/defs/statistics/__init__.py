"""The capability statistics: assets, tables and checks."""
