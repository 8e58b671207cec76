"""Contracts of what a board's scores say together: summaries, correlations, components, clusters, scaling, density.

Tables that are cheap hold every whole snapshot. Those that rest on resampling hold the newest whole snapshot of each
board, and say so.
"""

from typing import Any

import polars as pl

from warehouse.contracts.common import AS_OF_DATE, BOARD, ENTRY_ID, MODEL_ID, SNAPSHOT_ID, flag, positive, score
from warehouse.contracts.table import Column, Table, columns_of

SIZE_BASES = ("parameters_total", "parameters_active", "parameters_non_embedding")
METHODS = ("ordinary_least_squares", "quantile_50", "quantile_90", "quantile_95", "quantile_99")
GROUPINGS = (
    "all",
    "model_type",
    "precision",
    "family",
    "size_band",
    "quarter",
    "is_moe",
    "is_merged",
    "is_official_provider",
)
_NEWEST = " Newest whole snapshot of each board."
_EVERY = " Every whole snapshot."
_BY_FAMILY = "95 %, bootstrap over families"
_SNAPSHOT = (SNAPSHOT_ID, BOARD, AS_OF_DATE)
_MEASURE = Column("measure", pl.String, "`average`, or a benchmark in the board's spelling.", required=True)
_BASIS = Column("size_basis", pl.String, "Which count of parameters.", required=True, allowed=SIZE_BASES)


def _points(name: str, meaning: str, **options: Any) -> Column:
    return Column(name, pl.Float64, meaning, unit="points", **options)


def _entries(meaning: str = "Entries it rests on.") -> Column:
    return Column("entries", pl.Int64, meaning, required=True, minimum=1)


def _ends(name: str, unit: str = "", basis: str = _BY_FAMILY) -> tuple[Column, Column]:
    return (
        Column(f"{name}_lower", pl.Float64, f"Lower end: {basis}.", unit=unit),
        Column(f"{name}_upper", pl.Float64, f"Upper end: {basis}.", unit=unit),
    )


def _share(name: str, meaning: str, **options: Any) -> Column:
    return Column(name, pl.Float64, meaning, minimum=-1e-9, maximum=1 + 1e-9, **options)


def _correlation(name: str, meaning: str, **options: Any) -> Column:
    return Column(name, pl.Float64, meaning, minimum=-1, maximum=1, **options)


BENCHMARK_STATISTICS = Table(
    "marts",
    "benchmark_statistics",
    "Location and spread of each benchmark and the average, over the board and within each group of five entries or"
    " more; flagged entries left out." + _EVERY,
    columns_of(
        _SNAPSHOT,
        Column("group_by", pl.String, "What the groups are.", required=True, allowed=GROUPINGS),
        Column("group", pl.String, "Value of that column; `all` for the board.", required=True),
        _MEASURE,
        _entries("Entries with a score."),
        _points("mean", "Mean.", required=True),
        *_ends("mean", "points", "95 %, Student's, entries taken as independent"),
        positive("standard_deviation", "Spread of the entries.", "points"),
        _points("minimum", "Least."),
        _points("lower_quartile", "A quarter lies below."),
        _points("median", "Half lie below."),
        _points("upper_quartile", "A quarter lies above."),
        _points("maximum", "Greatest."),
    ),
    ("snapshot_id", "group_by", "group", "measure"),
    "statistics",
    by_snapshot=True,
)

Z_SCORES = Table(
    "marts",
    "z_scores",
    "How many standard deviations each score is above the mean: of the board, of its size band, of its quarter of"
    " submission. Null within fewer than five entries." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        ENTRY_ID,
        MODEL_ID,
        _MEASURE,
        score("score", "The score.", required=True),
        Column("size_band", pl.String, "Band of its parameters, each band a doubling."),
        Column("quarter", pl.String, "Quarter of its submission, as `2024Q3`."),
        Column("z_in_board", pl.Float64, "Within the board.", unit="standard deviations"),
        Column("z_in_size_band", pl.Float64, "Within its size band.", unit="standard deviations"),
        Column("z_in_quarter", pl.Float64, "Within its quarter.", unit="standard deviations"),
    ),
    ("snapshot_id", "entry_id", "measure"),
    "statistics",
    by_snapshot=True,
)

BENCHMARK_CORRELATIONS = Table(
    "marts",
    "benchmark_correlations",
    "How two benchmarks, or a score and log2 of the parameters, go together; each pair once, complete entries only."
    " Intervals that take entries as independent are too narrow on a board of fine-tunes; those by family are not."
    + _EVERY,
    columns_of(
        _SNAPSHOT,
        _MEASURE,
        Column("other_measure", pl.String, "A benchmark, or `log2_parameters_total`.", required=True),
        _entries(),
        Column("families", pl.Int64, "Families, models of unknown family each for itself.", required=True, minimum=1),
        _correlation("pearson", "Product-moment correlation.", required=True),
        *_ends("pearson", basis="95 %, Fisher's, entries taken as independent"),
        _correlation("pearson_lower_by_family", f"Lower end: {_BY_FAMILY}."),
        _correlation("pearson_upper_by_family", f"Upper end: {_BY_FAMILY}."),
        _correlation("spearman", "Rank correlation.", required=True),
        *_ends("spearman", basis="95 %, Bonett and Wright's, entries taken as independent"),
        _correlation("spearman_lower_by_family", f"Lower end: {_BY_FAMILY}."),
        _correlation("spearman_upper_by_family", f"Upper end: {_BY_FAMILY}."),
    ),
    ("snapshot_id", "measure", "other_measure"),
    "statistics",
    by_snapshot=True,
)

CAPABILITY_LOADINGS = Table(
    "marts",
    "capability_loadings",
    "Principal components of the standardised benchmarks (Ruan et al. 2024): what each benchmark weighs in each, and"
    " how much of the variance it carries." + _EVERY,
    columns_of(
        _SNAPSHOT,
        Column("component", pl.Int64, "1 is general capability, the direction of most variance.", minimum=1),
        Column("benchmark", pl.String, "Benchmark.", required=True),
        _correlation("loading", "Weight of the benchmark; the squares of a component add to 1.", required=True),
        *_ends("loading"),
        _share("explained_variance", "Share of the variance along the component.", required=True),
        *_ends("explained_variance"),
        _entries(),
    ),
    ("snapshot_id", "component", "benchmark"),
    "statistics",
    by_snapshot=True,
)

CAPABILITY_SCORES = Table(
    "marts",
    "capability_scores",
    "Place of each entry along the first three principal components, in standardised units; 0 is the board's mean."
    + _NEWEST,
    columns_of(
        _SNAPSHOT,
        ENTRY_ID,
        MODEL_ID,
        Column("component_1", pl.Float64, "General capability.", required=True),
        Column("component_2", pl.Float64, "Second direction; see the loadings.", required=True),
        Column("component_3", pl.Float64, "Third direction.", required=True),
    ),
    ("snapshot_id", "entry_id"),
    "statistics",
    by_snapshot=True,
)

CLUSTER_CHOICES = Table(
    "marts",
    "cluster_choices",
    "k-means of the standardised benchmarks for each number of clusters: is there any structure, and how firm? A k is"
    " valid if its silhouette is 0.25 or more and beyond that of one normal cloud, and every cluster is found"
    " again (Jaccard 0.75) in bootstrap samples. Judged on at most 300 entries." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        Column("clusters", pl.Int64, "Number of clusters.", required=True, minimum=2),
        _correlation("silhouette", "Mean silhouette width.", required=True),
        _correlation(
            "null_silhouette", "What one normal cloud reaches: mean of 19 samples plus three deviations.", required=True
        ),
        _share("stability", "Least mean Jaccard similarity of a cluster over bootstrap samples.", required=True),
        flag("is_valid", "Whether it passes all three thresholds."),
        flag("is_chosen", "The valid one of greatest silhouette; none where there is no structure."),
        Column("verdict", pl.String, "Of the board: no, weak, reasonable or strong structure.", required=True),
        _entries("Entries it was judged on."),
    ),
    ("snapshot_id", "clusters"),
    "statistics",
)

MODEL_CLUSTERS = Table(
    "marts",
    "model_clusters",
    "Cluster of each entry by its profile of standardised benchmarks; all 1 where there is no structure." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        ENTRY_ID,
        MODEL_ID,
        Column("cluster", pl.Int64, "Number of the cluster, 1 scores highest.", required=True, minimum=1),
        _correlation("silhouette_width", "How much nearer its own cluster than the next; null with one cluster."),
    ),
    ("snapshot_id", "entry_id"),
    "statistics",
)

SCALING_FITS = Table(
    "marts",
    "scaling_fits",
    "Score against log2 of the parameters: points per doubling on average (every benchmark) and of the lines that 50,"
    " 90, 95 and 99 % of entries stay below (average only; without interval against active parameters, which are the"
    " total ones but in mixtures of experts). Fits against size in GiB: marts.size_fits." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        _MEASURE,
        _BASIS,
        Column("method", pl.String, "What the line is.", required=True, allowed=METHODS),
        _points("points_per_doubling", "Slope.", required=True),
        *_ends("points_per_doubling", "points"),
        _points("intercept", "Value of the line at 10⁹ parameters.", required=True),
        _share("r_squared", "Share of variance, or of absolute weighted deviation for a quantile.", required=True),
        _entries(),
        Column("families", pl.Int64, "Families, models of unknown family each for itself.", required=True, minimum=1),
        Column("smallest_parameters", pl.Int64, "Least size in the fit.", unit="parameters", minimum=1),
        Column("largest_parameters", pl.Int64, "Greatest size in the fit.", unit="parameters", minimum=1),
    ),
    ("snapshot_id", "measure", "size_basis", "method"),
    "statistics",
)

SCALING_RESIDUALS = Table(
    "marts",
    "scaling_residuals",
    "How far the average of each entry is above what its parameters lead one to expect: who punches above its size."
    " By size in GiB: marts.efficiency." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        ENTRY_ID,
        MODEL_ID,
        _BASIS,
        Column("parameters", pl.Int64, "That count.", unit="parameters", required=True, minimum=1),
        score("average", "Its average.", required=True),
        _points("expected_score", "Of the least-squares line.", required=True),
        _points("residual", "Average minus expected.", required=True),
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
    "marts",
    "scaling_shape",
    "Whether the average bends over log2 of the parameters. Per 10⁹ parameters returns diminish wherever points per"
    " doubling stay the same; what this asks is whether points per doubling fall too. A knee is told only with the"
    " share of bootstraps that find one." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        _BASIS,
        _entries(),
        Column("curvature", pl.Float64, "Change of points per doubling with each doubling.", unit="points"),
        *_ends("curvature", "points"),
        Column(
            "points_per_doubling_are",
            pl.String,
            "falling or rising where zero lies outside the interval of the curvature, else steady.",
            required=True,
            allowed=("falling", "rising", "steady"),
        ),
        _share(
            "knee_share", "Share of bootstraps in which a line bent down beats a straight one (BIC).", required=True
        ),
        _share("knee_share_linear_axis", "The same over parameters themselves, where any logarithm bends."),
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
        *_ends(name, "points"),
        _points(f"{name}_gain", "Over the band before; null for the first."),
        *_ends(f"{name}_gain", "points"),
        _points(f"{name}_gain_per_doubling", "The gain on a logarithmic axis."),
        Column(
            f"{name}_gain_per_billion", pl.Float64, "The gain on a linear axis.", unit="points / billion parameters"
        ),
    )


DIMINISHING_RETURNS = Table(
    "marts",
    "diminishing_returns",
    "What the next band of sizes brings, for the median and the best tenth: per doubling, and per 10⁹ parameters."
    " Bands of ten entries or more; sizes are total parameters." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        Column("size_band", pl.String, "Band of parameters.", required=True),
        Column("band_order", pl.Int64, "1 is the smallest band with enough entries.", required=True, minimum=1),
        _entries("Entries in the band."),
        positive("parameters_geometric_mean", "Typical size in the band.", "parameters", required=True),
        *_return_columns("median", "Median"),
        *_return_columns("upper_decile", "90th percentile"),
    ),
    ("snapshot_id", "size_band"),
    "statistics",
)

CAPABILITY_DENSITY = Table(
    "marts",
    "capability_density",
    "Effective over actual parameters (Xiao et al. 2024): 2 means that the board's ordinary model needs twice the"
    " parameters for the same average. The reference is the least-squares line of the snapshot's entries, not a family"
    " trained for it: densities compare within one board only." + _NEWEST,
    columns_of(
        _SNAPSHOT,
        ENTRY_ID,
        MODEL_ID,
        Column(
            "released_on", pl.Date, "Upload to the hub by an official provider; for others submission to the board."
        ),
        flag("is_official_provider", "Submitted by an official provider; null where the board does not say."),
        score("average", "Its average.", required=True),
        Column("parameters_total", pl.Int64, "Its parameters.", unit="parameters", required=True, minimum=1),
        positive("effective_parameters", "Size at which the line has its average.", "parameters", required=True),
        positive("density", "Effective over actual parameters.", "1", required=True),
        *_ends("density", "1", f"{_BY_FAMILY}, with the score's standard error"),
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
    "marts",
    "capability_density_trend",
    "How fast the record density doubles over release dates, from 0.75 · 10⁹ parameters on; four records or more."
    + _NEWEST,
    columns_of(
        _SNAPSHOT,
        Column("population", pl.String, "Whose records.", required=True, allowed=("all", "official_providers")),
        positive("doubling_months", "Months to double; null where the record does not rise.", "months"),
        positive("doubling_months_lower", f"Lower end: {_BY_FAMILY}; the line drawn anew too.", "months"),
        positive("doubling_months_upper", "Upper end; null where a standstill cannot be ruled out.", "months"),
        Column("r_squared", pl.Float64, "Of log2 of the record over time.", maximum=1),
        Column("records", pl.Int64, "Models that set a record.", required=True, minimum=4),
        _entries("Entries with a date."),
        Column("from_date", pl.Date, "First record.", required=True),
        Column("to_date", pl.Date, "Last record.", required=True),
    ),
    ("snapshot_id", "population"),
    "statistics",
)

BENCHMARK_SATURATION = Table(
    "marts",
    "benchmark_saturation",
    "How much a benchmark can still tell apart at its top. The ceiling is 100, which mislabelled questions put out of"
    " reach; flagged entries left out." + _EVERY,
    columns_of(
        _SNAPSHOT,
        Column("benchmark", pl.String, "Benchmark.", required=True),
        _entries("Entries with a score."),
        score("best_score", "The best.", required=True),
        positive("best_standard_error", "Of the best.", "points"),
        score("headroom", "100 minus the best.", required=True),
        positive("tenth_best_gap", "The best minus the tenth best.", "points"),
        Column(
            "within_noise_of_best",
            pl.Int64,
            "Other entries less than 1.96 standard errors of the difference below the best, taken as independent.",
            required=True,
            minimum=0,
        ),
        _share("floor_share", "Entries at 0, no better than chance.", required=True),
        positive(
            "top_tenth_signal_to_noise",
            "Spread of the best tenth over its standard errors; below 1 their order is mostly noise.",
            "1",
        ),
        Column(
            "saturation",
            pl.String,
            "saturated: within 5 points of the ceiling; crowded: ten or more within noise of the best; else open.",
            required=True,
            allowed=("saturated", "crowded", "open"),
        ),
    ),
    ("snapshot_id", "benchmark"),
    "statistics",
    by_snapshot=True,
)

NON_EMBEDDING_TREND = Table(
    "marts",
    "non_embedding_trend",
    "Sixteen chat models of one publication (two rows more are variants of one of them): average of seven tasks against"
    " non-embedding parameters, the least-squares line through the sixteen, and who lies off it.",
    columns_of(
        Column("label", pl.String, "Label in the published figure.", required=True),
        Column("model_id", pl.String, "Model on the hub; null where it was never published there."),
        Column("parameters_non_embedding", pl.Int64, "As published.", unit="parameters", required=True, minimum=1),
        score("average", "Mean of the seven tasks as published.", required=True),
        flag("is_in_fit", "False for variants of a model that is in it."),
        _points("expected_average", "Of the line at its size.", required=True),
        _points("residual", "Average minus expected.", required=True),
        Column("studentised_residual", pl.Float64, "Residual over its error without the row itself; null off the fit."),
        positive("cooks_distance", "How far the line moves without it; null off the fit.", "1"),
        flag("is_outlier", "Studentised residual beyond 2, or Cook's distance beyond 4 / n."),
        _points("points_per_doubling", "Slope of the line, the same in every row.", required=True),
        *_ends("points_per_doubling", "points", "95 %, Student's"),
        _share("r_squared", "Share of the variance that size explains, the same in every row.", required=True),
    ),
    ("label",),
    "statistics",
)

TABLES = (
    BENCHMARK_STATISTICS,
    Z_SCORES,
    BENCHMARK_CORRELATIONS,
    CAPABILITY_LOADINGS,
    CAPABILITY_SCORES,
    CLUSTER_CHOICES,
    MODEL_CLUSTERS,
    SCALING_FITS,
    SCALING_RESIDUALS,
    SCALING_SHAPE,
    DIMINISHING_RETURNS,
    CAPABILITY_DENSITY,
    CAPABILITY_DENSITY_TREND,
    BENCHMARK_SATURATION,
    NON_EMBEDDING_TREND,
)
