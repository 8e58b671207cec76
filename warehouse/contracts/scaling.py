"""Contracts of what size buys: fits of scores against parameters, who is above them, returns, density.

They hold the newest whole snapshot of each board, as they rest on resampling.
"""

import polars as pl

from warehouse.contracts.common import (
    BY_FAMILY,
    ENTRY,
    MEASURE,
    NEWEST,
    SNAPSHOT,
    ends,
    entries,
    flag,
    parameters,
    points,
    positive,
    score,
    share,
)
from warehouse.contracts.table import Column, Table, columns_of

SIZE_BASES = ("parameters_total", "parameters_active", "parameters_non_embedding")
METHODS = ("ordinary_least_squares", "quantile_50", "quantile_90", "quantile_95", "quantile_99")
_BASIS = Column("size_basis", pl.String, "Which count of parameters.", required=True, allowed=SIZE_BASES)

SCALING_FITS = Table(
    "marts.scaling_fits",
    "Score against log2 of the parameters: points per doubling on average (every benchmark) and of the lines that 50,"
    " 90, 95 and 99 % of entries stay below (average only; without interval against active parameters, which are the"
    " total ones but in mixtures of experts)." + NEWEST,
    columns_of(
        SNAPSHOT,
        MEASURE,
        _BASIS,
        Column("method", pl.String, "What the line is.", required=True, allowed=METHODS),
        points("points_per_doubling", "Slope.", required=True),
        *ends("points_per_doubling", "points"),
        points("intercept", "Value of the line at 10⁹ parameters.", required=True),
        share("r_squared", "Share of variance, or of absolute weighted deviation for a quantile.", required=True),
        entries(),
        Column("families", pl.Int64, "Families, models of unknown family each for itself.", required=True, minimum=1),
        parameters("smallest_parameters", "Least size in the fit."),
        parameters("largest_parameters", "Greatest size in the fit."),
    ),
    ("snapshot_id", "measure", "size_basis", "method"),
    "statistics",
)

SCALING_RESIDUALS = Table(
    "marts.scaling_residuals",
    "How far the average of each entry is above what its parameters lead one to expect: which models exceed their size."
    " By size in GiB: marts.efficiency." + NEWEST,
    columns_of(
        SNAPSHOT,
        ENTRY,
        _BASIS,
        parameters("parameters", "That count.", required=True),
        score("average", "Its average.", required=True),
        points("expected_score", "Of the least-squares line.", required=True),
        points("residual", "Average minus expected.", required=True),
        positive("standard_error", "Of the average; null where unknown.", "points"),
        Column(
            "residual_rank",
            pl.Int64,
            "1 is the most above expectation; null below 0.75 · 10⁹, where scores rest on chance.",
            minimum=1,
        ),
        Column(
            "quantile_passed_pct",
            pl.Int64,
            "Highest of the 50, 90, 95 and 99 % lines it lies on or above; 0 below all.",
            unit="%",
            required=True,
            minimum=0,
            maximum=99,
        ),
    ),
    ("snapshot_id", "entry_id", "size_basis"),
    "statistics",
)

SCALING_SHAPE = Table(
    "marts.scaling_shape",
    "Whether the average bends over log2 of the parameters. Per 10⁹ parameters returns diminish wherever points per"
    " doubling stay the same; what this asks is whether points per doubling fall too. A knee is stated only with the"
    " share of bootstraps that find one." + NEWEST,
    columns_of(
        SNAPSHOT,
        _BASIS,
        entries(),
        Column("curvature", pl.Float64, "Change of points per doubling with each doubling.", unit="points"),
        *ends("curvature", "points"),
        Column(
            "points_per_doubling_are",
            pl.String,
            "falling or rising where zero lies outside the interval of the curvature, else steady.",
            required=True,
            allowed=("falling", "rising", "steady"),
        ),
        share("knee_share", "Share of bootstraps in which a line bent down beats a straight one (BIC).", required=True),
        share("knee_share_linear_axis", "The same over parameters themselves, where any logarithm bends."),
        positive("knee_at_parameters", "Median place of the knees found; null where none is.", "parameters"),
        positive("knee_at_parameters_lower", "2.5 % of the knees found lie below.", "parameters"),
        positive("knee_at_parameters_upper", "97.5 % of the knees found lie below.", "parameters"),
    ),
    ("snapshot_id", "size_basis"),
    "statistics",
)


def _return_columns(name: str, what: str) -> tuple[Column, ...]:
    return (
        score(name, f"{what} of the averages in the band.", required=True),
        *ends(name, "points"),
        points(f"{name}_gain", "Over the band before; null for the first."),
        *ends(f"{name}_gain", "points"),
        points(f"{name}_gain_per_doubling", "The gain on a logarithmic axis."),
        Column(
            f"{name}_gain_per_billion", pl.Float64, "The gain on a linear axis.", unit="points / billion parameters"
        ),
    )


DIMINISHING_RETURNS = Table(
    "marts.diminishing_returns",
    "What the next band of sizes brings, for the median and the best tenth: per doubling, and per 10⁹ parameters."
    " Bands of ten entries or more; sizes are total parameters." + NEWEST,
    columns_of(
        SNAPSHOT,
        Column("size_band", pl.String, "Band of parameters.", required=True),
        Column("band_order", pl.Int64, "1 is the smallest band with enough entries.", required=True, minimum=1),
        entries("Entries in the band."),
        positive("parameters_geometric_mean", "Typical size in the band.", "parameters", required=True),
        *_return_columns("median", "Median"),
        *_return_columns("upper_decile", "90th percentile"),
    ),
    ("snapshot_id", "size_band"),
    "statistics",
)

CAPABILITY_DENSITY = Table(
    "marts.capability_density",
    "Effective over actual parameters (Xiao et al. 2024): 2 means that the board's ordinary model needs twice the"
    " parameters for the same average. The reference is the least-squares line of the snapshot's entries, not a family"
    " trained for it: densities compare within one board only." + NEWEST,
    columns_of(
        SNAPSHOT,
        ENTRY,
        Column(
            "released_on", pl.Date, "Upload to the hub by an official provider; for others submission to the board."
        ),
        flag("is_official_provider", "Submitted by an official provider; null where the board does not say."),
        score("average", "Its average.", required=True),
        parameters("parameters_total", "Its parameters.", required=True),
        positive("effective_parameters", "Size at which the line has its average.", "parameters", required=True),
        positive("density", "Effective over actual parameters.", "1", required=True),
        *ends("density", "1", f"{BY_FAMILY}, with the score's standard error"),
        flag("is_extrapolated", "Effective parameters lie beyond the sizes of the board."),
        flag(
            "is_record",
            "Denser than all released before; null where undated, and below 0.75 · 10⁹ parameters: chance.",
        ),
    ),
    ("snapshot_id", "entry_id"),
    "statistics",
)

CAPABILITY_DENSITY_TREND = Table(
    "marts.capability_density_trend",
    "How fast the record density doubles over release dates, from 0.75 · 10⁹ parameters on; four records or more."
    + NEWEST,
    columns_of(
        SNAPSHOT,
        Column("population", pl.String, "Whose records.", required=True, allowed=("all", "official_providers")),
        positive("doubling_months", "Months to double; null where the record does not rise.", "months"),
        positive("doubling_months_lower", f"Lower end: {BY_FAMILY}; the line is refitted too.", "months"),
        positive("doubling_months_upper", "Upper end; null where no growth at all cannot be ruled out.", "months"),
        Column("r_squared", pl.Float64, "Of log2 of the record over time.", maximum=1),
        Column("records", pl.Int64, "Models that set a record.", required=True, minimum=4),
        entries("Entries with a date."),
        Column("from_date", pl.Date, "First record.", required=True),
        Column("to_date", pl.Date, "Last record.", required=True),
    ),
    ("snapshot_id", "population"),
    "statistics",
)

NON_EMBEDDING_TREND = Table(
    "marts.non_embedding_trend",
    "Sixteen chat models of one publication (two rows more are variants of one of them): average of seven tasks against"
    " non-embedding parameters, the least-squares line through the sixteen, and who lies off it.",
    columns_of(
        Column("label", pl.String, "Label in the published figure.", required=True),
        Column("model_id", pl.String, "Model on the hub; null where it was never published there."),
        parameters("parameters_non_embedding", "As published.", required=True),
        score("average", "Mean of the seven tasks as published.", required=True),
        flag("is_in_fit", "False for variants of a model that is in it."),
        points("expected_average", "Of the line at its size.", required=True),
        points("residual", "Average minus expected.", required=True),
        Column("studentised_residual", pl.Float64, "Residual over its error without the row itself; null off the fit."),
        positive("cooks_distance", "How far the line moves without it; null off the fit.", "1"),
        flag("is_outlier", "Studentised residual beyond 2, or Cook's distance beyond 4 / n."),
        points("points_per_doubling", "Slope of the line, the same in every row.", required=True),
        *ends("points_per_doubling", "points", "95 %, Student's"),
        share("r_squared", "Share of the variance that size explains, the same in every row.", required=True),
    ),
    ("label",),
    "statistics",
)
