"""The capability published: assets, tables and checks."""
