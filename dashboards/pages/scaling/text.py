"""What the charts of the scaling page say, in sentences made from their tables."""

from typing import Any

import polars as pl

from analytics.units import decimal
from dashboards.parts import formats
from dashboards.parts.templates import block

FITS = (
    "Intervals: 95 %, families resampled; those of quantile lines are given for total and non-embedding parameters. "
    "A straight line on the logarithmic axis flattens on the linear one."
)
DENSITY = (
    "Density: parameters that the board's ordinary model (its least-squares line) needs for the same average, over "
    "the model's own (after Xiao et al. 2024). From 0.75 billion parameters on; below, scores rest on chance. "
    "Released: upload to the hub for official providers, else submission to the board."
)
RETURNS = (
    "Gain of each band of sizes over the one before it, each band a doubling; bars: 95 %, families resampled. "
    "Left as a logarithmic axis shows it, right as a linear one does."
)
_POPULATIONS = {"all": "all models", "official_providers": "official providers' models"}


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f" (95 %: {decimal(low, 2)} to {decimal(high, 2)})"


def slopes(fits: pl.DataFrame) -> str:
    """Points per doubling of the mean line and of the best tenth."""
    rows = {row["method"]: row for row in fits.iter_rows(named=True)}
    mean = rows["ordinary_least_squares"]
    text = f"{decimal(mean['points_per_doubling'], 2)} points per doubling on average" + _ends(mean)
    if upper := rows.get("quantile_90"):
        text += f"; {decimal(upper['points_per_doubling'], 2)} along the line that 90 % lie below" + _ends(upper)
    return f"{text}. Size explains {100 * mean['r_squared']:.0f} % of the variance; {mean['families']} families."


def _ends(row: dict[str, Any]) -> str:
    return _range(row["points_per_doubling_lower"], row["points_per_doubling_upper"])


def ranking(residuals: pl.DataFrame) -> str:
    """Who is furthest above expectation."""
    best = residuals.row(0, named=True)
    above = int((residuals["quantile_passed_pct"] >= 99).sum())
    size = formats.significant(best["parameters_billion"])
    return block(
        "counts",
        f"{best['model_id']} is furthest above: {best['average']:.2f} points at {size} billion parameters, "
        f"{decimal(best['residual'], 2, signed=True)} over the mean line. Entries on or above the 99 % line: "
        f"{above}. Models below 0.75 billion, whose scores rest on chance, are not ranked.",
    )


def density(trends: pl.DataFrame) -> str:
    """How fast the record doubles."""
    sentences = []
    for row in trends.iter_rows(named=True):
        who = _POPULATIONS[row["population"]]
        if row["doubling_months"] is None:
            sentences.append(f"the record of {who} does not rise")
            continue
        ends = _range(row["doubling_months_lower"], row["doubling_months_upper"])
        if not ends:
            ends = " (a standstill cannot be ruled out)"
        sentences.append(
            f"the record of {who} doubles every {row['doubling_months']:.1f} months{ends}, "
            f"{row['records']} records from {row['from_date']} to {row['to_date']}"
        )
    text = "; ".join(sentences) or "too few dated records for a trend"
    return text[:1].upper() + text[1:] + "."


def returns(shapes: pl.DataFrame) -> str:
    """The honest reading: per parameter they do, per doubling they need not."""
    if shapes.is_empty():
        return "Too few sizes to tell."
    row = shapes.row(0, named=True)
    readings = {
        "falling": "per doubling they fall as well",
        "rising": "per doubling they even rise",
        "steady": "per doubling no change can be distinguished from noise",
    }
    curvature = _range(row["curvature_lower"], row["curvature_upper"])
    at = row["knee_at_parameters"]
    place = f", at {formats.parameters(at)}" if at is not None and round(100 * row["knee_share"]) else ""
    return (
        f"Per billion parameters returns diminish; {readings[row['points_per_doubling_are']]}: points per doubling "
        f"change by {decimal(row['curvature'], 2, signed=True)} with each doubling{curvature}. A knee is found in "
        f"{100 * row['knee_share']:.0f} % of bootstraps on the logarithmic axis{place}; on the linear axis, where "
        f"every logarithm bends, in {100 * row['knee_share_linear_axis']:.0f} %."
    )


def chat_models(rows: pl.DataFrame) -> str:
    """The trend of the sixteen, which is none, and who lies off it."""
    first = rows.row(0, named=True)
    ends = _range(first["points_per_doubling_lower"], first["points_per_doubling_upper"])
    outliers = rows.filter("is_outlier").select("label", "residual").rows()
    named = ", ".join(f"{label} ({decimal(residual, 1, signed=True)} points)" for label, residual in outliers) or "none"
    return (
        f"R² = {first['r_squared']:.3f}: size explains next to nothing here. "
        f"{decimal(first['points_per_doubling'], 2, signed=True)} points per doubling{ends}. Off the line: {named}."
    )
