"""Rows of published arena boards by their declared layout, and what had to be set aside with the reason.

Names, licences and levels stay as published; what they mean is for analytics. Votes are read in `votes`.
"""

import datetime as dt
import re
from dataclasses import dataclass

import polars as pl

from pipelines.sources.accounts import rejected_cells, unread_columns
from pipelines.sources.arena.layouts import (
    ARENAS,
    CATEGORY_ALIASES,
    KINDS,
    MISSING,
    ROW_ORDER_SINCE,
    BoardLayout,
    recognise_board,
)
from pipelines.sources.dates import WrongDate, date_in_name, iso_day
from pipelines.sources.tables import ROW, numbered, read_as_text
from warehouse.contracts.arena import ARENA_BOARD
from warehouse.contracts.violations import value_rules

_ARENA = re.compile(r"_(text|vision|image)(?=\.)|(?:^|/)([a-z_]+?)(_style_control)?/(?:latest|full)-\d{5}-of-\d{5}\.")
_INTERVAL = r"^\+(\d+(?:\.\d+)?)/-(\d+(?:\.\d+)?)$"
# Required, and missed in words of their own.
_OWN_REASONS = frozenset({"model", "as_of_date"})
_SAME_ROW = ("as_of_date", "arena", "category", "style_control", "_identity")


class UnnamedBoard(ValueError):
    """Neither the columns nor the name of a file say which date or which arena it speaks of."""


@dataclass(frozen=True)
class ParsedBoard:
    """What one file says.

    Attributes:
        rows: Rows of `core.arena_board`.
        rejected: Rows of `meta.rejected_rows`.
        rows_read: Rows in the file.
        layout: How it was read.
        as_of: Latest date it speaks of.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    rows_read: int
    layout: BoardLayout
    as_of: dt.date


@dataclass(frozen=True)
class BoardFile:
    """What a file of boards is, told from its header and name.

    Attributes:
        layout: How it is read.
        as_of: Latest date it speaks of.
        arena: Arena that its name says; None where the layout or a column does.
        style_control: Whether its name says that style was controlled for.
    """

    layout: BoardLayout
    as_of: dt.date
    arena: str | None
    style_control: bool


def identify_board(payload: bytes, suffix: str, uri: str) -> BoardFile:
    """Tell what a file of boards is, without reading its rows as a board.

    Args:
        payload: Bytes of the file.
        suffix: `.csv` or `.parquet`.
        uri: Its name or address: date and arena are there where no column has them.

    Raises:
        UnknownBoardLayout: its columns are those of no known board.
        UnnamedBoard: it does not say of which date or arena it is.
        UnreadableFile: the bytes are not what the suffix says.
    """
    return _identified(read_as_text(payload, suffix, uri), uri)


def parse_board(payload: bytes, suffix: str, uri: str, snapshot_id: str) -> ParsedBoard:
    """Read a file of boards.

    Args:
        payload: Bytes of the file.
        suffix: `.csv` or `.parquet`.
        uri: Its name or address.
        snapshot_id: Name of the stored file, kept in every row.

    Raises:
        UnknownBoardLayout, UnnamedBoard, UnreadableFile: as in `identify_board`.
    """
    text = read_as_text(payload, suffix, uri)
    board = _identified(text, uri)
    text = numbered(text)
    typed = _typed(text, board, snapshot_id)
    bad = pl.concat([_wrong_cells(text, board.layout), _wrong_rows(typed)])
    valid_rows = typed.join(bad, on=ROW, how="anti")
    surplus = set(text.columns) - board.layout.columns - {ROW}
    return ParsedBoard(
        ARENA_BOARD.conform(valid_rows.select(ARENA_BOARD.column_names)),
        pl.concat([unread_columns(surplus, snapshot_id, uri), rejected_cells(text, bad, snapshot_id, uri)]),
        text.height,
        board.layout,
        board.as_of,
    )


def _identified(text: pl.DataFrame, uri: str) -> BoardFile:
    layout = recognise_board(text.columns)
    match = _ARENA.search(uri)
    named = (match[1] or match[2]) if match else None
    if layout.arena is None and "arena" not in layout.values and named is None:
        raise UnnamedBoard(
            f"{uri} does not state its arena; put it into the name, as 2025-07-27_lmarena_text.csv or"
            " text/latest-00000-of-00001.parquet."
        )
    if layout.dates is None:
        try:
            as_of = date_in_name(uri)
        except WrongDate as error:
            raise UnnamedBoard(str(error)) from error
    else:
        latest = text.select(_date(layout.dates).max()).item()
        as_of = latest if isinstance(latest, dt.date) else None
    if as_of is None:
        raise UnnamedBoard(f"{uri} does not state its date; put it into the name, as 2025-07-27_text.csv.")
    return BoardFile(layout, as_of, layout.arena or named, bool(match and match[3]))


def _typed(text: pl.DataFrame, board: BoardFile, snapshot_id: str) -> pl.DataFrame:
    """Every column of the contract, with what cannot be read as null, and `_identity`, a model's key or name."""
    layout = board.layout
    absent = {
        "category": pl.lit("overall"),
        "arena": pl.lit(board.arena),
        "style_control": pl.lit(board.style_control),
    }
    columns = {
        name: _read(layout.values[name], name) if name in layout.values else absent.get(name, pl.lit(None))
        for name in KINDS
    }
    date = _date(layout.dates) if layout.dates else pl.lit(board.as_of)
    lower, upper = _bounds(layout, columns["rating"])
    typed = text.select(
        ROW,
        pl.lit(snapshot_id).alias("snapshot_id"),
        pl.lit(layout.publication).alias("publication"),
        date.alias("as_of_date"),
        *(expression.alias(name) for name, expression in columns.items()),
        lower.alias("rating_lower"),
        upper.alias("rating_upper"),
    ).with_columns(
        pl.col("arena").str.to_lowercase().replace(ARENAS),
        pl.col("category").str.to_lowercase().replace(CATEGORY_ALIASES),
        pl.coalesce(pl.col("model_key").cast(pl.String), "model").alias("_identity"),
    )
    if "rank_style_control" in layout.values and board.as_of >= ROW_ORDER_SINCE:
        typed = typed.with_columns(
            pl.col("rank_style_control").alias("rank"), pl.lit(None, pl.Int64).alias("rank_style_control")
        )
    return typed


def _cell(column: str) -> pl.Expr:
    """Text of a cell without surrounding blanks, null where it says nothing."""
    text = pl.col(column).str.strip_chars()
    return pl.when(~text.str.to_lowercase().is_in(list(MISSING))).then(text)


def _read(column: str, name: str) -> pl.Expr:
    match KINDS[name]:
        case "number":
            return _finite(_cell(column))
        case "whole":
            return _cell(column).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
        case "flag":
            return _cell(column).str.to_lowercase() == "true"
        case _:
            return _cell(column)


def _finite(cell: pl.Expr) -> pl.Expr:
    """A number; null where the text is none, or one beyond all numbers."""
    value = cell.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _date(column: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    return pl.coalesce(iso_day(text), text.str.to_date("%Y%m%d", strict=False))


def _bounds(layout: BoardLayout, rating: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    match layout.interval:
        case "text":
            below = _cell(layout.interval_columns[0]).str.extract(_INTERVAL, 2).cast(pl.Float64)
            above = _cell(layout.interval_columns[0]).str.extract(_INTERVAL, 1).cast(pl.Float64)
            return rating - below, rating + above
        case "half":
            half_width = _finite(_cell(layout.interval_columns[0]))
            return rating - half_width, rating + half_width
        case "bounds":
            lower, upper = layout.interval_columns
            return _finite(_cell(lower)), _finite(_cell(upper))
        case _:
            return pl.lit(None, pl.Float64), pl.lit(None, pl.Float64)


def _wrong_cells(text: pl.DataFrame, layout: BoardLayout) -> pl.DataFrame:
    """Rows with a cell that says something we cannot read, and what."""
    checks: list[tuple[str, pl.Expr, str]] = [
        (column, _read(column, name).is_null(), "a number")
        for name, column in layout.values.items()
        if KINDS[name] in {"number", "whole"}
    ]
    checks += [
        (column, ~_cell(column).str.to_lowercase().is_in(["true", "false"]), "true or false")
        for name, column in layout.values.items()
        if KINDS[name] == "flag"
    ]
    if layout.interval == "text":
        column = layout.interval_columns[0]
        checks.append((column, ~_cell(column).str.contains(_INTERVAL), "an interval as +5/-4"))
    else:
        checks += [(column, _finite(_cell(column)).is_null(), "a number") for column in layout.interval_columns]
    if layout.dates:
        checks.append((layout.dates, _date(layout.dates).is_null(), "a date"))
    return pl.concat(
        text.filter(_cell(column).is_not_null() & wrong).select(
            ROW, pl.format(f"{column}: '{{}}' is not {expected}", pl.col(column).str.slice(0, 80)).alias("reason")
        )
        for column, wrong, expected in checks
    )


def _wrong_rows(typed: pl.DataFrame) -> pl.DataFrame:
    """Rows that name no model or date, contradict themselves, or repeat an earlier row."""
    outside = (pl.col("rating") < pl.col("rating_lower")) | (pl.col("rating") > pl.col("rating_upper"))
    rules = [
        (pl.col("model").is_null(), pl.lit("no model name")),
        (pl.col("as_of_date").is_null(), pl.lit("no date")),
        (outside, pl.lit("the rating is outside its own interval")),
        *(
            (pl.col(c.name).is_null(), pl.lit(f"no {c.name}"))
            for c in ARENA_BOARD.columns
            if c.required and c.name not in _OWN_REASONS
        ),
        *((wrong, pl.lit(why)) for why, wrong in value_rules(ARENA_BOARD).items()),
    ]
    # Before any filter: the first row of a pair is not among the repeated ones.
    typed = typed.with_columns(
        _first=pl.col(ROW).min().over(_SAME_ROW),
        _differs=pl.col("rating").ne_missing(pl.col("rating").first().over(_SAME_ROW, order_by=ROW)),
    )
    repeated = (pl.col(ROW) != pl.col("_first")) & pl.col("_identity").is_not_null()
    detail = pl.when("_differs").then(pl.lit(", with another rating")).otherwise(pl.lit(""))
    rules.append((repeated, pl.format("repeats the model of row {} on the same board{}", "_first", detail)))
    return pl.concat(typed.filter(wrong).select(ROW, why.alias("reason")) for wrong, why in rules)
