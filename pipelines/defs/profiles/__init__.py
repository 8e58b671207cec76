"""The capability profiles: assets, tables and checks."""
