"""Pure mathematics on columns: no files, no network, no orchestration."""
