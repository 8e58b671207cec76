"""Files as tools write them, and rows in brief, for tests of readers of measurements."""

import json
from pathlib import Path

import polars as pl


def file_of(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def brief_of(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return frame.select("stage", "metric", "value", "input_tokens", "output_tokens", "context_depth").rows()
