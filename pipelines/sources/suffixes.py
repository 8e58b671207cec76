"""Which files are looked at, by their suffix; what one holds is told from its content."""

SUFFIX_FORMS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".yml": "yaml",
    ".yaml": "yaml",
    ".toml": "toml",
    ".parquet": "parquet",
    ".md": "markdown",
    ".zip": "zip",
}
"""Suffixes that board files may have, and the form that each stands for."""
SUFFIXES = frozenset(SUFFIX_FORMS)
PROSE = frozenset({".md", ".toml", ".yml", ".yaml", ".zip", ".jsonl", ".ndjson"})
"""Suffixes that mostly are no data: what no board declares is passed over, unless it was named itself."""
