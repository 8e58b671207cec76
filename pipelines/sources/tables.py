"""Reading a foreign table whole, as text, without guessing types."""

import codecs
import csv
import io

import polars as pl

from profiling.foreign_parquet import promise_of, read_parquet

ROW = "row_number"
"""Column that counts the rows of a file from 1."""
MOST_COLUMNS = 2_000
MOST_CELLS = 50_000_000
"""A few hundred bytes of Parquet can promise billions of cells; no board, list or set of kernels has this many."""
MOST_TEXT_BYTES = 1 << 30
"""One long text in a dictionary can stand in every row of a small file."""

INDEX_NAMES = frozenset({"", "_duplicated_0", "Unnamed: 0", "index", "level_0"})
"""Names under which a row number comes along that pandas or a spreadsheet wrote."""
DELIMITERS = (",", ";", "\t", "|")
_DECIMAL_COMMA = r"^(\s*-?\d+),(\d+\s*%?\s*)$"

# What polars says of bytes that are no table; on some it panics, which is no Exception.
NO_TABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


class UnreadableFile(ValueError):
    """The bytes are not the CSV, Parquet or JSON that their name says, or more than can be read."""


def read_as_text(payload: bytes, suffix: str, name: str, *, nested: bool = False) -> pl.DataFrame:
    """Every column of a CSV or Parquet file as text, the byte-order mark and an unnamed index column dropped.

    Args:
        payload: Bytes of the file.
        suffix: `.csv` or `.parquet`.
        name: Name of the file, for messages.
        nested: Whether fields of records become columns, under the path to them.

    Raises:
        UnreadableFile: the bytes are not such a file, it has no header, or it is beyond all bounds.
    """
    try:
        if suffix == ".parquet":
            require_bounded(payload, name)
            table = read_parquet(payload)
            frame = _as_text(_unnested(table, name) if nested else table)
        else:
            _first_record(payload, name)
            frame = _read_csv(payload)
        return _without_index(_readable(frame, name))
    except NO_TABLE as error:
        raise _unreadable(name, suffix, error, payload) from error


def header_of(payload: bytes, suffix: str, name: str, *, nested: bool = False) -> list[str]:
    """Column names of a CSV or Parquet file, reading no further than needed; `nested` as in `read_as_text`.

    Raises:
        UnreadableFile: the bytes are not such a file.
    """
    try:
        if suffix == ".parquet":
            promised = promise_of(payload)
            return list(promised.fields if nested else promised.columns)
        line = io.StringIO(newline="")
        csv.writer(line).writerow(_first_record(payload, name))
        frame = pl.read_csv(io.BytesIO(line.getvalue().encode()), infer_schema=False, encoding="utf8")
        return _without_index(frame).columns
    except NO_TABLE as error:
        raise _unreadable(name, suffix, error) from error


def read_columns_as_text(
    payload: bytes, suffix: str, name: str, columns: list[str], rows: int | None = None
) -> pl.DataFrame:
    """Some columns of a CSV or Parquet file as text, of its first rows or of all, the rest unread.

    Raises:
        UnreadableFile: the bytes are not such a file, lack a column, or are beyond all bounds.
    """
    try:
        if suffix != ".parquet":
            frame = _read_csv(payload, columns, rows)
            return _readable(frame, name)
        if rows is None:
            require_bounded(payload, name, columns=len(columns))
        return _readable(_as_text(read_parquet(payload, columns, rows)), name)
    except NO_TABLE as error:
        raise _unreadable(name, suffix, error) from error


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of a file with `row_number` before their columns."""
    return frame.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64))


def require_bounded(payload: bytes, name: str, columns: int | None = None) -> None:
    """Stop before a Parquet file is read that promises more than fits.

    Args:
        payload: Bytes of the file.
        name: Name of the file, for messages.
        columns: How many are to be read; None for all.

    Raises:
        UnreadableFile: it promises too many columns or cells.
        UnreadableParquet: it is no Parquet.
    """
    promised = promise_of(payload)
    column_count, rows = len(promised.columns), promised.rows
    if column_count > MOST_COLUMNS or (columns or column_count) * rows > MOST_CELLS:
        raise UnreadableFile(
            f"{name} has {column_count:,} columns and {rows:,} rows; the most are {MOST_COLUMNS:,} columns and"
            f" {MOST_CELLS:,} cells."
        )


def delimiter_of(text: str) -> str:
    """What separates the cells of a text: a comma, or what splits its first record into more of them."""
    fields = dict.fromkeys(DELIMITERS, 0)
    for delimiter in DELIMITERS:
        try:
            first = next(
                (record for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if record), []
            )
        except csv.Error:
            continue
        fields[delimiter] = len(first)
    return max(fields, key=lambda delimiter: (fields[delimiter], delimiter == ","))


def _beginning(payload: bytes) -> str:
    return as_utf8(payload[: 1 << 20]).decode("utf-8", errors="replace")


def refuse_web_page(payload: bytes, name: str) -> None:
    """Say of a web page that it is one; a link to a file mostly leads to the page that shows it.

    Raises:
        UnreadableFile: the bytes begin as a page does.
    """
    if payload[:1024].lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:9].lower().startswith((b"<!doctype", b"<html")):
        raise UnreadableFile(f"{name} is a web page and no table; save the file that it shows or links to.")


_UNMARKED = 32
"""Bytes by which UTF-16 without a mark is recognised."""


def as_utf8(payload: bytes) -> bytes:
    """Text in UTF-16, as spreadsheets save "Unicode", as UTF-8: by its mark, or by every other byte being zero."""
    if payload[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return payload.decode("utf-16", errors="replace").encode()
    first, second = set(payload[:_UNMARKED:2]), set(payload[1:_UNMARKED:2])
    if (first == {0}) != (second == {0}):
        # No other text holds zeros, and Latin letters, digits and separators have none but there.
        return payload.decode("utf-16-be" if first == {0} else "utf-16-le", errors="replace").encode()
    return payload


def _read_csv(payload: bytes, columns: list[str] | None = None, rows: int | None = None) -> pl.DataFrame:
    """Cells as text; where semicolons separate them, decimal commas become points."""
    payload = as_utf8(payload)
    delimiter = delimiter_of(_beginning(payload))
    if b"\n" not in payload:  # lines end as they did on old Macintoshes
        payload = payload.replace(b"\r", b"\n")
    frame = pl.read_csv(
        io.BytesIO(payload), columns=columns, n_rows=rows, infer_schema=False, encoding="utf8", separator=delimiter
    )
    return frame.with_columns(pl.all().str.replace(_DECIMAL_COMMA, "${1}.${2}")) if delimiter == ";" else frame


def _first_record(payload: bytes, name: str) -> list[str]:
    """By record, not by line: a quoted cell may hold line breaks."""
    text = _beginning(payload)
    try:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text)), [])
    except csv.Error as error:
        raise UnreadableFile(f"{name} cannot be read as csv: {error}") from error
    if len(header) > MOST_COLUMNS:
        raise UnreadableFile(f"{name} has more than {MOST_COLUMNS:,} columns.")
    return header


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Every column as text; lists and records, of which no layout knows, say nothing."""
    return frame.select(
        pl.lit(None, pl.String).alias(name) if dtype.is_nested() else pl.col(name).cast(pl.String, strict=False)
        for name, dtype in frame.schema.items()
    )


def _unnested(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Fields of records as columns of their own, `outer.inner`."""
    while records := [column for column, dtype in frame.schema.items() if isinstance(dtype, pl.Struct)]:
        within = {column: [field.name for field in frame.schema[column].fields] for column in records}  # type: ignore[attr-defined]
        if frame.width + sum(map(len, within.values())) > MOST_COLUMNS:
            raise UnreadableFile(f"{name} has more than {MOST_COLUMNS:,} columns.")
        frame = frame.select(
            field
            for column in frame.columns
            for field in (
                [pl.col(column).struct.field(each).alias(f"{column}.{each}") for each in within[column]]
                if column in within
                else [pl.col(column)]
            )
        )
    return frame


def _without_index(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.rename({column: column.removeprefix("\ufeff") for column in frame.columns})
    return frame.drop([column for column in frame.columns if column in INDEX_NAMES])


def _readable(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    size = sum(int(column.str.len_bytes().sum()) for column in frame)
    if size > MOST_TEXT_BYTES:
        raise UnreadableFile(f"{name} holds {size:,} bytes of text; the most are {MOST_TEXT_BYTES:,}.")
    return frame


def ragged_line(payload: bytes, *, may_be_short: bool = True) -> str:
    """Which line of a CSV first has other cells than its header, in words; empty where none has.

    Args:
        payload: The file.
        may_be_short: Whether cells may be missing at the end of a line.
    """
    text = as_utf8(payload).decode("utf-8", errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(_beginning(payload)), strict=True)
    begins = 1
    try:
        width = len(next(reader, []))
        begins = reader.line_num + 1
        for record in reader:
            if len(record) > width or (record and len(record) < width and not may_be_short):
                return f"line {begins} has {len(record)} cell{'s' if len(record) > 1 else ''}, the header {width}"
            begins = reader.line_num + 1
    except csv.Error as error:
        return f"a quote opens on line {begins} and does not close" if "end of data" in str(error) else ""
    return ""


def _foreign_letters(payload: bytes) -> str:
    """Which line is not UTF-8, in words; empty where all are."""
    text = as_utf8(payload)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = 1 + text[: error.start].count(b"\n")
        return f"line {line} is not UTF-8 text; save it as UTF-8"
    return ""


def _unreadable(name: str, suffix: str, error: BaseException, payload: bytes = b"") -> UnreadableFile:
    if isinstance(error, UnreadableFile):
        return error
    if suffix != ".parquet" and (where := _foreign_letters(payload) or ragged_line(payload)):
        return UnreadableFile(f"{name} cannot be read as {suffix.removeprefix('.')}: {where}")
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return UnreadableFile(f"{name} cannot be read as {suffix.removeprefix('.')}: {reason}")
