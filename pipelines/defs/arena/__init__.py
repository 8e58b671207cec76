"""The capability arena: assets, tables and checks."""
