"""End-to-end measurements: what people's benchmark tools write, as rows of one table."""
