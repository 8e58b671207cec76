"""Rows of the tables on score against size: fits, residuals, bends, returns, density, and the sixteen chat models."""

from typing import Any

import numpy as np
import polars as pl

from analytics.fronts.efficiency import TooFewSizes
from analytics.statistics.density import densities, trend
from analytics.statistics.resampling import Families, Floats
from analytics.statistics.scaling import FEWEST, Line, Shape, fitted_lines, influence, returns, shape
from analytics.statistics.summaries import SIZE_BANDS
from pipelines.defs.statistics.tables import SNAPSHOT, Boards, drawn, values_of
from warehouse.contracts import scaling as tables

_BILLION = 1e9
LEAST = 750_000_000
"""Parameters below which scores rest on chance, and neither residual nor density says anything."""
_OUTLIER = 2.0
_VARIANT = r"\(.+\)$"


SCALING = (
    tables.SCALING_FITS, tables.SCALING_RESIDUALS, tables.SCALING_SHAPE, tables.DIMINISHING_RETURNS,
    tables.CAPABILITY_DENSITY, tables.CAPABILITY_DENSITY_TREND,
)  # fmt: skip
"""Tables of score against size."""


def scaling(of: Boards) -> tuple[pl.DataFrame, ...]:
    """Rows of each of SCALING, of the newest whole snapshot of each board."""
    fits: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    trends: list[dict[str, Any]] = []
    residuals: list[pl.DataFrame] = []
    bands: list[pl.DataFrame] = []
    dense: list[pl.DataFrame] = []
    for named, entries, benchmarks in of.each(newest=True):
        averaged = entries.filter(pl.col("average").is_not_null())
        for basis in tables.SIZE_BASES:
            sized = averaged.filter(pl.col(basis) > 0)
            if sized.height < FEWEST:
                continue
            size, score, families = values_of(sized, [basis])[:, 0] / _BILLION, _scores(sized), drawn(sized)
            about = {**named, "size_basis": basis, "families": families.count}
            try:
                # Total and active parameters are the same but for mixtures of experts: one set of intervals tells both.
                lines = fitted_lines(size, score, families, intervals=basis != "parameters_active")
            except TooFewSizes:
                continue
            fits += [_fit_row(about, sized, "average", line) for line in lines]
            fits += _benchmark_fits(about, sized, benchmarks, families)
            residuals.append(_residuals(sized, basis, size, lines))
            shapes.append({**named, **_shape_row(basis, sized.height, shape(size, score, families))})
        sized = averaged.filter(pl.col("parameters_total") > 0)
        if sized.height >= FEWEST:
            families = drawn(sized)
            bands.append(_returns(named, sized, families))
            density, growth = _density(named, sized, families)
            dense.append(density)
            trends += growth
    return (
        tables.SCALING_FITS.frame(fits),
        tables.SCALING_RESIDUALS.concat(residuals),
        tables.SCALING_SHAPE.frame(shapes),
        tables.DIMINISHING_RETURNS.concat(bands),
        tables.CAPABILITY_DENSITY.concat(dense),
        tables.CAPABILITY_DENSITY_TREND.frame(trends),
    )


def _scores(sized: pl.DataFrame) -> Floats:
    return values_of(sized, ["average"])[:, 0]


def _fit_row(about: dict[str, Any], sized: pl.DataFrame, measure: str, line: Line) -> dict[str, Any]:
    sizes = sized[about["size_basis"]]
    return {
        **about,
        "measure": measure,
        "method": line.method,
        "points_per_doubling": line.points_per_doubling,
        "points_per_doubling_lower": line.lower,
        "points_per_doubling_upper": line.upper,
        "intercept": line.intercept,
        "r_squared": line.r_squared,
        "entries": sized.height,
        "smallest_parameters": sizes.min(),
        "largest_parameters": sizes.max(),
    }


def _benchmark_fits(
    about: dict[str, Any], sized: pl.DataFrame, benchmarks: list[str], drawn_before: Families
) -> list[dict[str, Any]]:
    rows = []
    for benchmark in benchmarks:
        scored = sized.filter(pl.col(benchmark).is_not_null())
        size = values_of(scored, [about["size_basis"]])[:, 0] / _BILLION
        families = drawn_before if scored.height == sized.height else drawn(scored)
        try:
            lines = fitted_lines(size, values_of(scored, [benchmark])[:, 0], families, quantiles=False)
        except TooFewSizes:
            continue
        rows += [_fit_row({**about, "families": families.count}, scored, benchmark, line) for line in lines]
    return rows


def _residuals(sized: pl.DataFrame, basis: str, size: Floats, lines: list[Line]) -> pl.DataFrame:
    score, logarithm = _scores(sized), np.log2(size)
    mean, *quantiles = lines
    expected = mean.intercept + mean.points_per_doubling * logarithm
    passed = np.zeros(len(score), dtype=np.int64)
    for line in quantiles:
        # The line goes through two entries, which lie on it but for rounding.
        reached = score >= line.intercept + line.points_per_doubling * logarithm - 1e-9
        passed = np.where(reached, int(line.method.removeprefix("quantile_")), passed)
    frame = sized.select(
        *SNAPSHOT,
        "entry_id",
        "model_id",
        pl.lit(basis).alias("size_basis"),
        pl.col(basis).alias("parameters"),
        "average",
        pl.Series("expected_score", expected),
        pl.Series("residual", score - expected),
        pl.col("average_standard_error").alias("standard_error"),
        pl.Series("quantile_passed_pct", passed),
    ).with_columns(
        pl.when(pl.col("parameters") >= LEAST)
        .then("residual")
        .rank("min", descending=True)
        .cast(pl.Int64)
        .alias("residual_rank")
    )
    return frame.select(tables.SCALING_RESIDUALS.column_names)


def _shape_row(basis: str, entries: int, shape: Shape) -> dict[str, Any]:
    def parameters(billions: float | None) -> float | None:
        return None if billions is None else billions * _BILLION

    return {
        "size_basis": basis,
        "entries": entries,
        "curvature": shape.curvature,
        "curvature_lower": shape.curvature_lower,
        "curvature_upper": shape.curvature_upper,
        "points_per_doubling_are": shape.reading,
        "knee_share": shape.knee_share,
        "knee_share_linear_axis": shape.knee_share_linear_axis,
        "knee_at_parameters": parameters(shape.knee_at),
        "knee_at_parameters_lower": parameters(shape.knee_at_lower),
        "knee_at_parameters_upper": parameters(shape.knee_at_upper),
    }


def _returns(named: dict[str, Any], sized: pl.DataFrame, families: Families) -> pl.DataFrame:
    size = values_of(sized, ["parameters_total"])[:, 0] / _BILLION
    result = returns(size, _scores(sized), sized["size_band"], SIZE_BANDS, families)
    rows = [
        {
            **named,
            **row,
            "size_band": row["band"],
            "band_order": place,
            "parameters_geometric_mean": row["geometric_mean_size"] * _BILLION,
        }
        for place, row in enumerate(result.iter_rows(named=True), start=1)
    ]
    return tables.DIMINISHING_RETURNS.frame(rows)


def _density(
    named: dict[str, Any], sized: pl.DataFrame, families: Families
) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    """Density of every entry, and how the record grows among all and among official providers' models."""
    error = sized["average_standard_error"].fill_null(0.0).to_numpy()
    try:
        result = densities(values_of(sized, ["parameters_total"])[:, 0], _scores(sized), error, families)
    except ValueError:  # no line, or one that does not rise: then there is no density to speak of
        return tables.CAPABILITY_DENSITY.empty(), []
    official = pl.col("is_official_provider").fill_null(value=False)
    # A repository is often older than the weights in it; that of an official provider is not.
    released = pl.when(official).then(pl.coalesce("uploaded_on", "submitted_on")).otherwise("submitted_on")
    facts = sized.select(released.alias("day"), official.alias("official"), large=pl.col("parameters_total") >= LEAST)
    rows, records = [], np.empty(0, dtype=np.int64)
    for population, wanted in (("all", pl.lit(value=True)), ("official_providers", pl.col("official"))):
        dated = facts.with_row_index("row").filter(wanted & pl.col("large") & pl.col("day").is_not_null())
        members = dated["row"].to_numpy().astype(np.int64)
        growth = trend(dated["day"].to_physical().to_numpy(), result.part(members), _among(families, members))
        if growth is None:
            continue
        days = dated["day"].gather(growth.records)
        records = members[growth.records] if population == "all" else records
        rows.append(
            {
                **named,
                "population": population,
                "doubling_months": growth.doubling_months,
                "doubling_months_lower": growth.lower,
                "doubling_months_upper": growth.upper,
                "r_squared": growth.r_squared,
                "records": len(growth.records),
                "entries": len(members),
                "from_date": days.min(),
                "to_date": days.max(),
            }
        )
    is_usable = facts["day"].is_not_null() & facts["large"]
    frame = sized.with_columns(
        facts["day"].alias("released_on"),
        pl.Series("effective_parameters", result.effective_size),
        pl.Series("density", result.density),
        pl.Series("density_lower", result.density_lower).fill_nan(None),
        pl.Series("density_upper", result.density_upper).fill_nan(None),
        pl.Series("is_extrapolated", result.is_extrapolated),
        pl.when(is_usable).then(pl.Series(np.isin(np.arange(sized.height), records))).alias("is_record"),
    )
    return frame.select(tables.CAPABILITY_DENSITY.column_names), rows


def _among(families: Families, rows: np.ndarray) -> Families:
    return Families(families.of_entry[rows], families.draws)


def non_embedding_trend(published: pl.DataFrame) -> pl.DataFrame:
    """The line through the published models, variants of one left out, and who lies off it."""
    is_in = ~published["label"].str.contains(_VARIANT)
    size = published["parameters_non_embedding"].to_numpy() / _BILLION
    score = published["average"].to_numpy()
    fitted = np.flatnonzero(is_in.to_numpy())
    line = influence(size[fitted], score[fitted])
    expected = line.intercept + line.points_per_doubling * np.log2(size)
    residual, distance = np.full(len(size), np.nan), np.full(len(size), np.nan)
    residual[fitted], distance[fitted] = line.studentised_residual, line.cooks_distance
    outlier = (np.abs(residual) > _OUTLIER) | (distance > 4 / len(fitted))
    return published.select("label", "model_id", "parameters_non_embedding", "average").with_columns(
        is_in.alias("is_in_fit"),
        pl.Series("expected_average", expected),
        pl.Series("residual", score - expected),
        pl.Series("studentised_residual", residual).fill_nan(None),
        pl.Series("cooks_distance", distance).fill_nan(None),
        pl.when(is_in).then(pl.Series(outlier)).alias("is_outlier"),
        pl.lit(line.points_per_doubling).alias("points_per_doubling"),
        pl.lit(line.lower).alias("points_per_doubling_lower"),
        pl.lit(line.upper).alias("points_per_doubling_upper"),
        pl.lit(line.r_squared).alias("r_squared"),
    )
