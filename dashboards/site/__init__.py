"""A read-only copy of the pages for any static host: HTML with charts, and the data as Parquet and CSV."""
