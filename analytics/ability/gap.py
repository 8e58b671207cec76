"""How far the best open model stands behind the best proprietary one in ability, on any day, and what is not known.

A day knows the models released by then, all judged by today's results: later results move earlier days too. Models of
which nobody says whether their weights are open stand on neither side; what the gap would be with all of them on one
side is stated beside it, so that an unknown licence widens the answer instead of removing it.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

import polars as pl

from analytics.statistics.normal import TWO_SIDED_90, TWO_SIDED_95
from analytics.units import DAYS_PER_MONTH

_WIDER = TWO_SIDED_95 / TWO_SIDED_90
OPEN, PROPRIETARY, UNKNOWN = "open", "proprietary", "unknown"


class _Model(NamedTuple):
    name: str
    ability: float
    low: float
    high: float
    release_date: dt.date | None
    openness: str


_COLUMNS = ("model_id", "ability", "ability_low", "ability_high", "release_date", "openness")


def ability_gaps(models: pl.DataFrame, today: dt.date) -> pl.DataFrame:
    """The gap on each day on which a best model of either side was released, and today.

    The interval of the gap is of 95 %, as wherever two models are compared. It joins those of 90 % of the two estimates
    by the MOVER rule (Zou & Donner 2008), widened as those of a normal distribution, as if their errors were
    independent; both share the errors of the benchmarks, so it is rather too wide than too narrow. That the best of
    many is chosen by its estimate is not corrected for.

    Args:
        models: One row per model of one domain: `model_id, ability, ability_low, ability_high, release_date` (null:
            counts today only), `openness` (open, proprietary or unknown).
        today: Day of the newest result; models released later are left out.

    Returns:
        `on_date, best_open_model, open_ability, open_low, open_high`, the same of proprietary, `gap_points, gap_low,
        gap_high, gap_least, gap_most` (with every unknown model open, and with every one proprietary),
        `unknown_models, unknown_above` (of these, names above the best open one), `lag_months, lag_model`. No row
        where a side has no model.
    """
    dated = models.filter(pl.col("release_date") <= today).sort("release_date", "ability", descending=[False, True])
    known = [_Model(*row) for row in dated.select(_COLUMNS).iter_rows()]
    undated = [_Model(*row) for row in models.filter(pl.col("release_date").is_null()).select(_COLUMNS).iter_rows()]
    dates = dated["release_date"].to_list()
    days = [day for day in _moves(dated) if day < today]
    rows = [row for day in days if (row := _on(day, known[: bisect_right(dates, day)]))]
    last = _on(today, [*known, *undated])
    gaps = [*rows, *([last] if last else [])]
    return pl.DataFrame(gaps, schema=_SCHEMA)


_SCHEMA = {
    "on_date": pl.Date,
    **{
        f"{side}_{name}": pl.String if name == "model" else pl.Float64
        for side in (OPEN, PROPRIETARY)
        for name in ("model", "ability", "low", "high")
    },
    **dict.fromkeys(("gap_points", "gap_low", "gap_high", "gap_least", "gap_most"), pl.Float64),
    "unknown_models": pl.Int64,
    "unknown_above": pl.String,
    "lag_months": pl.Float64,
    "lag_model": pl.String,
}


def _moves(dated: pl.DataFrame) -> list[dt.date]:
    """Days on which the best of a side was released."""
    best = dated.filter(pl.col("openness") != UNKNOWN).with_columns(
        pl.col("ability").cum_max().over("openness").alias("so_far")
    )
    before = pl.col("so_far").shift().over("openness")
    moved = best.filter((pl.col("ability") > before).fill_null(value=True))
    days: list[dt.date] = moved["release_date"].unique().sort().to_list()
    return days


def _on(day: dt.date, models: Sequence[_Model]) -> dict[str, object] | None:
    sides: dict[str, list[_Model]] = {OPEN: [], PROPRIETARY: [], UNKNOWN: []}
    for model in models:
        sides[model.openness].append(model)
    if not sides[OPEN] or not sides[PROPRIETARY]:
        return None
    # Of equals the first by name.
    ours, theirs = (min(sides[side], key=lambda model: (-model.ability, model.name)) for side in (OPEN, PROPRIETARY))
    unknown = sorted(sides[UNKNOWN], key=lambda model: -model.ability)
    above = [model.name for model in unknown if model.ability > ours.ability]
    highest = unknown[0].ability if unknown else ours.ability
    reached = [
        (model.release_date, model.name)
        for model in sides[PROPRIETARY]
        if model.ability >= ours.ability and model.release_date is not None
    ]
    first = min(reached, default=None)
    gap = theirs.ability - ours.ability
    return {
        "on_date": day,
        **{
            f"{side}_{name}": value
            for side, leader in ((OPEN, ours), (PROPRIETARY, theirs))
            for name, value in (
                ("model", leader.name),
                ("ability", leader.ability),
                ("low", leader.low),
                ("high", leader.high),
            )
        },
        "gap_points": gap,
        "gap_low": gap - _WIDER * hypot(theirs.ability - theirs.low, ours.high - ours.ability),
        "gap_high": gap + _WIDER * hypot(theirs.high - theirs.ability, ours.ability - ours.low),
        "gap_least": theirs.ability - max(ours.ability, highest),
        "gap_most": max(theirs.ability, highest) - ours.ability,
        "unknown_models": len(unknown),
        "unknown_above": ", ".join(above[:8]) or None,
        "lag_months": None if first is None else (day - first[0]).days / DAYS_PER_MONTH,
        "lag_model": None if first is None else first[1],
    }
