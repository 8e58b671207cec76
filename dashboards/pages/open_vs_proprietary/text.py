"""Sentences of the page of open against proprietary models, each computed from rows of the warehouse. Pure."""

from typing import Any

import polars as pl

from analytics.units import counted, decimal
from dashboards.parts import formats
from dashboards.parts.benchmarks import arena, category


def headline(row: dict[str, Any], subject: str = "") -> str:
    """The state of the race on one board.

    Args:
        row: A row of the query `open_boards` that has a gap.
        subject: What is rated, where that is not text overall.
    """
    gap, low, high = row["gap_points"], row["gap_points_lower"], row["gap_points_upper"]
    bounds = "" if low is None else f" (95 %: {decimal(low)} to {decimal(high)})"
    where = f"On {row['as_of_date']}{subject or ','} the best open model, {row['best_open_model']},"
    rival = f"the best proprietary one, {row['best_proprietary_model']}"
    share = f"wins {100 * row['open_win_probability']:.0f} % of the votes that decide between the two"
    if gap == 0:
        return f"{where} is level with {rival}."
    if gap < 0:
        bounds = "" if low is None else f" (95 %: {decimal(-high)} to {decimal(-low)})"
        return f"{where} leads {rival} by {counted(round(-gap), 'point')}{bounds} and {share}."
    return f"{where} is {counted(round(gap), 'point')}{bounds} behind {rival}, {share}, and {_lag(row)}."


def unknown(row: dict[str, Any]) -> str:
    """What the gap would be if models of unknown licence were open, or none of them; empty without such models."""
    if row["unknown_above"] is None:
        return ""
    return (
        f"The licence of some models above it is not known: if all of them were open, the gap would be "
        f"{decimal(row['gap_least'])} points; if none were, {decimal(row['gap_most'])}."
    )


def _lag(row: dict[str, Any]) -> str:
    if row["lag_months"] is None:
        return "no proprietary model with a known release date was as good earlier"
    least = "at least " if row["lag_is_lower_bound"] else ""
    return f"lags by {least}{row['lag_months']:.1f} months: {row['lag_model']} was already as good then"


def subject(arena_name: str, name: str, *, style_control: bool) -> str:
    """What a board rates, as it stands in the headline; empty for text overall."""
    parts = [] if arena_name == "text" else [formats.running(arena(arena_name))]
    parts += [] if name == "overall" else [formats.running(category(name))]
    parts += ["style controlled for"] if style_control else []
    return f", {', '.join(parts)}," if parts else ""


def undecided(frame: pl.DataFrame) -> pl.DataFrame:
    """Boards without a gap, and a sentence why: columns as_of_date, models.

    Args:
        frame: Result of the query `open_undecided`.
    """
    rows = [(row["as_of_date"], why(row)) for row in frame.iter_rows(named=True)]
    return pl.DataFrame(rows, schema={"as_of_date": pl.Date, "models": pl.String}, orient="row")


def one_sided(gaps: pl.DataFrame) -> pl.DataFrame:
    """Boards of the one series without a gap, with the reason, as `undecided` gives it.

    Args:
        gaps: Result of the query `open_series`.
    """
    reason = pl.lit("One side has no rated model of known licence.").alias("models")
    return gaps.filter(pl.col("gap_points").is_null()).select("as_of_date", reason)


def why(row: dict[str, Any]) -> str:
    """Why a board has no gap."""
    if not row["open_models"]:
        return "No model with a known open licence is rated."
    if not row["proprietary_models"]:
        return "No model with a known proprietary licence is rated."
    return "The best open model cannot be determined."


def trends(models: pl.DataFrame) -> str:
    """Points per year of both sides, by the straight lines through them."""
    parts = []
    for is_open, side in ((True, "open"), (False, "proprietary")):
        slopes = models.filter(pl.col("is_open") == is_open)["trend_points_per_year"].drop_nulls()
        if not slopes.is_empty():
            parts.append(f"{side} {decimal(slopes[0], signed=True)}")
    return f"Trend in points per year of release: {', '.join(parts)}." if parts else ""
