"""Boards of several publications as one continuous series of ratings, each link with its error and each break marked.

Publications differ in anchor and method, and one may move its levels from one board to the next. Ratings say only how
models stand to each other, so two successive boards are joined by the models on both: by the median of their
differences. The newest board keeps its published level; what lies before is moved onto it.
"""

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from analytics.statistics.normal import TWO_SIDED_95

SERIES = ["arena", "category", "series"]
PLAIN, CONTROLLED, AS_SHOWN = "style not controlled", "style controlled", "as shown"
CONTROLLED_SINCE = dt.date(2025, 5, 16)
"""Since when the arena shows ratings with style controlled for."""
FEWEST_COMMON = 5
"""Models that two boards must share to be joined."""
MOVED_POINTS = 2.5
"""Median move within one publication from which on its levels are taken to have moved, not its models."""
_MEDIAN_OVER_MEAN = 1.2533
"""Standard error of a median over that of a mean, for a normal distribution: √(π / 2)."""
_SCALED_MAD = 1.4826
_LINK_SCHEMA = {
    **dict.fromkeys(("arena", "category", "series"), pl.String),
    "before_publication": pl.String, "before_style_control": pl.Boolean, "before_date": pl.Date,
    "after_publication": pl.String, "after_style_control": pl.Boolean, "after_date": pl.Date,
    "common_models": pl.Int64, "shift_points": pl.Float64, "shift_standard_error": pl.Float64,
    "is_break": pl.Boolean, "reason": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Joined:
    """Series of boards on one level each.

    Attributes:
        ratings: The rows of the chosen boards with `offset_points` (added to what is published), its
            `offset_standard_error`, `joined_rating`, `joined_lower`, `joined_upper`, and `segment` (0 is the newest;
            boards of different segments share too few models to be joined).
        links: One row per pair of successive boards.
    """

    ratings: pl.DataFrame
    links: pl.DataFrame


def joined_series(boards: pl.DataFrame) -> Joined:
    """Three series per arena and category, each up to its newest board: without style control, with it, and as shown.

    As shown: without style control before the arena made it the default, with it since, and the other where only that
    was published. Of several boards of one day that of most models counts. Within one publication levels are left alone
    unless the common models moved together by 2.5 points or more in the median.

    Args:
        boards: Rows with `publication, as_of_date, arena, category, style_control, identity` (one per model, across
            publications), `rating`, `rating_lower` and `rating_upper` (may be null).
    """
    rated = boards.filter(pl.col("rating").is_not_null()).sort("rating", descending=True)
    key = ["arena", "category", "style_control", "publication", "as_of_date", "identity"]
    rated = _in_series(rated.unique(key, keep="first", maintain_order=True))
    ratings, links = [], []
    for named, rows in rated.group_by(SERIES, maintain_order=True):
        of_series = _boards(rows)
        linked = [_link(before, after) for before, after in pairwise(of_series)]
        ratings += _moved(of_series, linked)
        links += [dict(zip(SERIES, named, strict=True)) | link for link in linked]
    empty = _placed(rated.clear(), 0.0, 0.0, 0)
    return Joined(pl.concat([empty, *ratings]), pl.DataFrame(links, schema=_LINK_SCHEMA))


def _in_series(rated: pl.DataFrame) -> pl.DataFrame:
    controlled = pl.col("style_control")
    wanted = controlled == (pl.col("as_of_date") >= CONTROLLED_SINCE)
    shown = rated.filter(wanted | ~wanted.any().over("arena", "category", "as_of_date"))
    named = pl.when(controlled).then(pl.lit(CONTROLLED)).otherwise(pl.lit(PLAIN))
    return pl.concat([rated.with_columns(named.alias("series")), shown.with_columns(pl.lit(AS_SHOWN).alias("series"))])


def _boards(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """One board a day, in order of time: that of most models."""
    sizes = rows.group_by("as_of_date", "publication").len()
    chosen = sizes.sort("as_of_date", "len", "publication", descending=[False, True, False]).unique(
        "as_of_date", keep="first", maintain_order=True
    )
    return [
        rows.filter(pl.col("as_of_date") == day, pl.col("publication") == publication)
        for day, publication in chosen.select("as_of_date", "publication").iter_rows()
    ]


def _link(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, object]:
    both = before.select("identity", "rating").join(after.select("identity", "rating"), on="identity", suffix="_after")
    moved = both["rating_after"] - both["rating"]
    publications = before["publication"][0], after["publication"][0]
    styles = before["style_control"][0], after["style_control"][0]
    link: dict[str, object] = {
        "before_publication": publications[0], "before_style_control": styles[0],
        "before_date": before["as_of_date"][0],
        "after_publication": publications[1], "after_style_control": styles[1], "after_date": after["as_of_date"][0],
        "common_models": both.height, "shift_points": None, "shift_standard_error": None,
    }  # fmt: skip
    if both.height < FEWEST_COMMON:
        return link | {"is_break": True, "reason": "too few models in common"}
    shift = float(moved.median() or 0.0)  # type: ignore[arg-type]
    spread = _SCALED_MAD * float((moved - shift).abs().median() or 0.0)  # type: ignore[arg-type]
    error = _MEDIAN_OVER_MEAN * spread / both.height**0.5
    link |= {"shift_points": shift, "shift_standard_error": error}
    if styles[0] != styles[1]:
        return link | {"is_break": True, "reason": "style control"}
    if publications[0] != publications[1]:
        return link | {"is_break": True, "reason": "another publication"}
    levels_moved = abs(shift) >= MOVED_POINTS
    return link | {"is_break": levels_moved, "reason": "levels moved as a whole" if levels_moved else "none"}


def _moved(boards: list[pl.DataFrame], links: list[dict[str, object]]) -> list[pl.DataFrame]:
    """From the newest board back: each on the level of the one after it."""
    offset, variance, segment = 0.0, 0.0, 0
    placed = [_placed(boards[-1], 0.0, 0.0, 0)] if boards else []
    for board, link in zip(reversed(boards[:-1]), reversed(links), strict=True):
        if link["shift_points"] is None:
            offset, variance, segment = 0.0, 0.0, segment + 1
        elif link["is_break"]:
            offset += float(str(link["shift_points"]))
            variance += float(str(link["shift_standard_error"])) ** 2
        placed.append(_placed(board, offset, variance**0.5, segment))
    return placed


def _placed(board: pl.DataFrame, offset: float, error: float, segment: int) -> pl.DataFrame:
    rating = pl.col("rating")
    joined = rating + offset
    margin = (TWO_SIDED_95 * error) ** 2
    return board.with_columns(
        pl.lit(offset).alias("offset_points"),
        pl.lit(error).alias("offset_standard_error"),
        joined.alias("joined_rating"),
        (joined - ((rating - pl.col("rating_lower")) ** 2 + margin).sqrt()).alias("joined_lower"),
        (joined + ((pl.col("rating_upper") - rating) ** 2 + margin).sqrt()).alias("joined_upper"),
        pl.lit(segment, pl.Int64).alias("segment"),
    )
