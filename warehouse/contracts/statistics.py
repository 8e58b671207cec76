"""Contracts of what a board's scores say together: summaries, correlations, components, clusters, saturation.

Tables that are cheap hold every whole snapshot. Those that rest on resampling hold the newest whole snapshot of each
board, and say so.
"""

from typing import Any

import polars as pl

from warehouse.contracts.common import (
    BY_FAMILY,
    ENTRY,
    EVERY,
    MEASURE,
    NEWEST,
    SNAPSHOT,
    ends,
    entries,
    flag,
    points,
    positive,
    score,
    share,
)
from warehouse.contracts.table import Column, Table, columns_of

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


def _correlation(name: str, meaning: str, **options: Any) -> Column:
    return Column(name, pl.Float64, meaning, minimum=-1, maximum=1, **options)


BENCHMARK_STATISTICS = Table(
    "marts.benchmark_statistics",
    "Location and spread of each benchmark and the average, over the board and within each group of five entries or"
    " more; flagged entries left out." + EVERY,
    columns_of(
        SNAPSHOT,
        Column("group_by", pl.String, "What the groups are.", required=True, allowed=GROUPINGS),
        Column("group", pl.String, "Value of that column; `all` for the board.", required=True),
        MEASURE,
        entries("Entries with a score."),
        points("mean", "Mean.", required=True),
        *ends("mean", "points", "95 %, Student's, entries taken as independent"),
        positive("standard_deviation", "Spread of the entries.", "points"),
        points("minimum", "Least."),
        points("lower_quartile", "A quarter lies below."),
        points("median", "Half lie below."),
        points("upper_quartile", "A quarter lies above."),
        points("maximum", "Greatest."),
    ),
    ("snapshot_id", "group_by", "group", "measure"),
    "statistics",
    by_snapshot=True,
)

Z_SCORES = Table(
    "marts.z_scores",
    "How many standard deviations each score is above the mean: of the board, of its size band, of its quarter of"
    " submission. Null within fewer than five entries." + NEWEST,
    columns_of(
        SNAPSHOT,
        ENTRY,
        MEASURE,
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
    "marts.benchmark_correlations",
    "Correlation of two benchmarks, or of a score with log2 of the parameters; each pair once, complete entries only."
    " Intervals that take entries as independent are too narrow on a board of fine-tunes; those by family are not."
    + EVERY,
    columns_of(
        SNAPSHOT,
        MEASURE,
        Column("other_measure", pl.String, "A benchmark, or `log2_parameters_total`.", required=True),
        entries(),
        Column("families", pl.Int64, "Families, models of unknown family each for itself.", required=True, minimum=1),
        _correlation("pearson", "Product-moment correlation.", required=True),
        *ends("pearson", basis="95 %, Fisher's, entries taken as independent"),
        _correlation("pearson_lower_by_family", f"Lower end: {BY_FAMILY}."),
        _correlation("pearson_upper_by_family", f"Upper end: {BY_FAMILY}."),
        _correlation("spearman", "Rank correlation.", required=True),
        *ends("spearman", basis="95 %, Bonett and Wright's, entries taken as independent"),
        _correlation("spearman_lower_by_family", f"Lower end: {BY_FAMILY}."),
        _correlation("spearman_upper_by_family", f"Upper end: {BY_FAMILY}."),
    ),
    ("snapshot_id", "measure", "other_measure"),
    "statistics",
    by_snapshot=True,
)

CAPABILITY_LOADINGS = Table(
    "marts.capability_loadings",
    "Principal components of the standardised benchmarks (Ruan et al. 2024): what each benchmark weighs in each, and"
    " how much of the variance it carries." + EVERY,
    columns_of(
        SNAPSHOT,
        Column("component", pl.Int64, "1 is general capability, the direction of most variance.", minimum=1),
        Column("benchmark", pl.String, "Benchmark.", required=True),
        _correlation("loading", "Weight of the benchmark; the squares of a component add to 1.", required=True),
        *ends("loading"),
        share("explained_variance", "Share of the variance along the component.", required=True),
        *ends("explained_variance"),
        entries(),
    ),
    ("snapshot_id", "component", "benchmark"),
    "statistics",
    by_snapshot=True,
)

CAPABILITY_SCORES = Table(
    "marts.capability_scores",
    "Place of each entry along the first three principal components, in standardised units; 0 is the board's mean."
    + NEWEST,
    columns_of(
        SNAPSHOT,
        ENTRY,
        Column("component_1", pl.Float64, "General capability.", required=True),
        Column("component_2", pl.Float64, "Second direction; see the loadings.", required=True),
        Column("component_3", pl.Float64, "Third direction.", required=True),
    ),
    ("snapshot_id", "entry_id"),
    "statistics",
    by_snapshot=True,
)

CLUSTER_CHOICES = Table(
    "marts.cluster_choices",
    "k-means of the standardised benchmarks for each number of clusters: is there any structure, and how clear? A k is"
    " valid if its silhouette is 0.25 or more and beyond that of one normal cloud, and every cluster is found"
    " again (Jaccard 0.75) in bootstrap samples. Judged on at most 300 entries." + NEWEST,
    columns_of(
        SNAPSHOT,
        Column("clusters", pl.Int64, "Number of clusters.", required=True, minimum=2),
        _correlation("silhouette", "Mean silhouette width.", required=True),
        _correlation(
            "null_silhouette", "What one normal cloud reaches: mean of 19 samples plus three deviations.", required=True
        ),
        share("stability", "Least mean Jaccard similarity of a cluster over bootstrap samples.", required=True),
        flag("is_valid", "Whether it passes all three thresholds."),
        flag("is_chosen", "The valid one of greatest silhouette; none where there is no structure."),
        Column("verdict", pl.String, "Of the board: no, weak, reasonable or strong structure.", required=True),
        entries("Entries it was judged on."),
    ),
    ("snapshot_id", "clusters"),
    "statistics",
)

MODEL_CLUSTERS = Table(
    "marts.model_clusters",
    "Cluster of each entry by its profile of standardised benchmarks; all 1 where there is no structure." + NEWEST,
    columns_of(
        SNAPSHOT,
        ENTRY,
        Column("cluster", pl.Int64, "Number of the cluster, 1 scores highest.", required=True, minimum=1),
        _correlation("silhouette_width", "How much nearer its own cluster than the next; null with one cluster."),
    ),
    ("snapshot_id", "entry_id"),
    "statistics",
)

BENCHMARK_SATURATION = Table(
    "marts.benchmark_saturation",
    "How well a benchmark still separates models at its top. The ceiling is 100, which mislabelled questions put out of"
    " reach; flagged entries left out." + EVERY,
    columns_of(
        SNAPSHOT,
        Column("benchmark", pl.String, "Benchmark.", required=True),
        entries("Entries with a score."),
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
        share("floor_share", "Entries at 0, no better than chance.", required=True),
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
