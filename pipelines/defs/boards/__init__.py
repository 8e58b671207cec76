"""The capability boards: assets, tables and checks."""
