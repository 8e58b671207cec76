"""Tables that ship in reference/, each figure with its source, as frames."""

from pathlib import Path
from typing import Any

import polars as pl

FOLDER = Path(__file__).parent / "reference"


def reference_table(name: str, folder: Path = FOLDER, *, typed: bool = False, **options: Any) -> pl.DataFrame:
    """Rows of a list that ships.

    Args:
        name: Of the file, without `.csv`.
        folder: Where it lies.
        typed: Whether columns have the types that all their cells suggest; else every cell is text.
        options: Further ones of `polars.read_csv`.
    """
    inferred: dict[str, Any] = {"infer_schema_length": None} if typed else {"infer_schema": False}
    return pl.read_csv(folder / f"{name}.csv", glob=False, **inferred, **options)
