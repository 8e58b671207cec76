"""Frames of ratings as rows of dots with intervals: by rating, by rank, by category, with and without style. Pure."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from analytics.units import decimal
from dashboards.charts import ratings_classes as classes
from dashboards.charts.ratings import Rows
from dashboards.parts import formats, theme
from dashboards.parts.benchmarks import category
from dashboards.parts.declared_table import interval

_SCHEMA = {
    "row": pl.Float64, "x": pl.Float64, "low": pl.Float64, "high": pl.Float64, "colour": pl.String,
    "mark": pl.String, "fill": pl.Float64, "name": pl.String, "first": pl.String, "second": pl.String,
}  # fmt: skip
_SPREAD = 0.56
_SOLID = 0.9


def ratings(models: pl.DataFrame) -> Rows:
    """Rating and interval of each model, in the order given."""
    return Rows(models["model"].to_list(), _marks(models, "rating", "rating_lower", "rating_upper"), "Rating (points)")


def ranks(models: pl.DataFrame) -> Rows:
    """Best and worst rank that the interval of each model supports; models without interval are left out."""
    ranked_models = models.filter(pl.col("rank_best").is_not_null())
    marks = _marks(ranked_models, "rank_best", "rank_best", "rank_worst")
    return Rows(
        ranked_models["model"].to_list(), marks, "Rank, from the best to the worst that the interval supports", least=0
    )


def _marks(models: pl.DataFrame, x: str, low: str, high: str) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for place, row in enumerate(classes.styled(models).iter_rows(named=True)):
        rank = "" if row["rank_best"] is None else f"; rank {row['rank_best']} to {row['rank_worst']}"
        ends = interval(row["rating_lower"], row["rating_upper"], "95 %: ", 0)
        votes = "" if row["votes"] is None else f", {formats.count(row['votes'])} votes"
        maker = row["organization"] or "maker unknown"
        rows.append(
            {
                "row": place, "x": row[x], "low": row[low], "high": row[high], "colour": row["colour"],
                "mark": row["mark"], "fill": _SOLID, "name": row["model"],
                "first": f"{row['rating']:,.0f} points{ends}{rank}",
                "second": f"{maker}, {classes.WORDS[row['licence_class'] or classes.UNKNOWN]}{votes}",
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema=_SCHEMA)


def deltas(frame: pl.DataFrame, models: Sequence[str]) -> Rows:
    """How each model's rating in every category differs from its overall one, one row per category.

    Args:
        frame: Result of the query `arena_categories` or `arena_votes_categories`.
        models: Models to draw, each in a colour and at a height of its own.
    """
    styles = theme.palette(list(models))
    chosen = frame.filter(pl.col("model").is_in(list(models)))
    # Categories in which the chosen models differ most come first.
    spread = chosen.group_by("category").agg(spread=pl.col("delta_points").abs().max())
    order = spread.sort("spread", "category", descending=[True, False])["category"].to_list()
    rows: list[dict[str, Any]] = []
    for row in chosen.iter_rows(named=True):
        place = models.index(row["model"])
        step = 0.0 if len(models) == 1 else (place / (len(models) - 1) - 0.5) * _SPREAD
        half = row["half_interval_points"]
        rows.append(
            {
                "row": order.index(row["category"]) + step, "x": row["delta_points"],
                "low": None if half is None else row["delta_points"] - half,
                "high": None if half is None else row["delta_points"] + half,
                "colour": styles[row["model"]][0], "mark": styles[row["model"]][1], "fill": _SOLID,
                "name": row["model"],
                "first": f"{category(row['category'])}: {decimal(row['delta_points'], signed=True)} points against the "
                "median model",
                "second": f"{row['rating']:,.0f} here, {row['overall_rating']:,.0f} overall"
                f" ({decimal(row['raw_delta_points'], signed=True)})",
            }
        )  # fmt: skip
    axis = "Category minus overall (points)"
    marks, row_px = pl.DataFrame(rows, schema=_SCHEMA), max(21, 9 + 8 * len(models))
    return Rows([category(name) for name in order], marks, axis, zero=0.0, row_px=row_px)


def styles(frame: pl.DataFrame, models: pl.DataFrame) -> Rows:
    """Rank of each model without (hollow) and with (solid) style controlled for.

    Args:
        frame: Result of the query `arena_styles` or `arena_votes_styles`.
        models: Columns model, licence_class: the models to draw, in order.
    """
    order = models.select("model", "licence_class").join(frame, on="model", maintain_order="left")
    rows: list[dict[str, Any]] = []
    for place, row in enumerate(classes.styled(order).iter_rows(named=True)):
        before, after = row["rank_plain"], row["rank_controlled"]
        steps = abs(after - before)
        moved = "stays" if not steps else f"{'rises' if after < before else 'falls'} by {steps}"
        for rank, fill in ((before, 0.0), (after, _SOLID)):
            rows.append(
                {
                    "row": place, "x": rank, "low": min(before, after), "high": max(before, after),
                    "colour": row["colour"], "mark": row["mark"], "fill": fill, "name": row["model"],
                    "first": f"rank {before} without, {after} with style control: {moved}",
                    "second": classes.WORDS[row["licence_class"] or classes.UNKNOWN],
                }
            )  # fmt: skip
    marks = pl.DataFrame(rows, schema=_SCHEMA)
    return Rows(order["model"].to_list(), marks, "Rank by interval (1 is best)", least=0)


def organisations(frame: pl.DataFrame) -> Rows:
    """How far the best model of each maker stands behind the leader.

    Args:
        frame: Result of the query `open_organisations`.
    """
    rows = [
        {
            "row": place, "x": row["gap_points"], "low": row["gap_points_lower"], "high": row["gap_points_upper"],
            "colour": row["colour"], "mark": row["mark"], "fill": _SOLID, "name": row["organization"],
            "first": f"{row['best_model']}: {row['rating']:,.0f} points,"
            f" {classes.WORDS[row['licence_class'] or classes.UNKNOWN]}",
            "second": f"{row['gap_points']:,.0f} points behind"
            f"{interval(row['gap_points_lower'], row['gap_points_upper'], '95 %: ', 0)}",
        }
        for place, row in enumerate(classes.styled(frame).iter_rows(named=True))
    ]  # fmt: skip
    return Rows(
        frame["organization"].to_list(), pl.DataFrame(rows, schema=_SCHEMA), "Behind the leader (points)", zero=0.0
    )
