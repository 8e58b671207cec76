"""The capability performance: assets, tables and checks."""
