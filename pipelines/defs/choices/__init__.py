"""The capability choices: assets, tables and checks."""
