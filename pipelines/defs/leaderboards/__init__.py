"""The capability leaderboards: assets, tables and checks."""
