"""The Dagster graph, run on real files."""
