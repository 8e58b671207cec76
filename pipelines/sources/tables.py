"""Reading a foreign table whole, as text, without guessing types."""

import csv
import io

import polars as pl


class UnreadableFile(ValueError):
    """The bytes are not the CSV, Parquet or JSON that their name says."""


def read_as_text(payload: bytes, suffix: str, name: str) -> pl.DataFrame:
    """Every column of a CSV or Parquet file as text, the byte-order mark and an unnamed index column dropped.

    Args:
        payload: Bytes of the file.
        suffix: `.csv` or `.parquet`.
        name: Name of the file, for messages.

    Raises:
        UnreadableFile: the bytes are not such a file, or it has no header.
    """
    try:
        if suffix == ".parquet":
            frame = pl.read_parquet(io.BytesIO(payload)).select(pl.all().cast(pl.String, strict=False))
        else:
            frame = pl.read_csv(io.BytesIO(payload), infer_schema=False, encoding="utf8")
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnreadableFile(f"{name} cannot be read as {suffix.removeprefix('.')}: {reason}") from error
    frame = frame.rename({column: column.removeprefix("\ufeff") for column in frame.columns})
    return frame.drop([column for column in frame.columns if column in {"", "_duplicated_0"}])


def header_of(payload: bytes, suffix: str, name: str) -> list[str]:
    """Column names of a CSV or Parquet file, reading no further than needed.

    Raises:
        UnreadableFile: the bytes are not such a file.
    """
    if suffix == ".parquet":
        try:
            return list(pl.read_parquet_schema(io.BytesIO(payload)))
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise UnreadableFile(f"{name} cannot be read as parquet: {error}") from error
    # By record, not by line: a quoted cell may hold line breaks.
    start = io.StringIO(payload[: 1 << 20].decode("utf-8", errors="replace"), newline="")
    try:
        header = next(csv.reader(start), [])
    except csv.Error as error:
        raise UnreadableFile(f"{name} cannot be read as csv: {error}") from error
    line = io.StringIO(newline="")
    csv.writer(line).writerow(header)
    return read_as_text(line.getvalue().encode(), suffix, name).columns


def read_columns_as_text(payload: bytes, suffix: str, name: str, columns: list[str]) -> pl.DataFrame:
    """Some columns of a CSV or Parquet file as text, the rest unread.

    Raises:
        UnreadableFile: the bytes are not such a file, or lack a column.
    """
    try:
        if suffix == ".parquet":
            return pl.read_parquet(io.BytesIO(payload), columns=columns).select(pl.all().cast(pl.String, strict=False))
        return pl.read_csv(io.BytesIO(payload), columns=columns, infer_schema=False, encoding="utf8")
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise UnreadableFile(f"{name} cannot be read as {suffix.removeprefix('.')}: {error}") from error
