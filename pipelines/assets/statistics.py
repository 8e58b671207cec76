"""What a board's scores say together: summaries, correlations, components, clusters, scaling, density."""

from collections.abc import Iterator

import dagster as dg

from pipelines.assets.tables import makes, spec, write
from pipelines.resources import Home
from pipelines.scaling_tables import non_embedding_trend, scaling
from pipelines.statistics_tables import (
    Boards,
    benchmark_correlations,
    benchmark_saturation,
    benchmark_statistics,
    boards,
    capabilities,
    clusters,
    z_scores,
)
from warehouse.contracts import statistics as tables
from warehouse.contracts.leaderboards import (
    BENCHMARK_SCORES,
    LEADERBOARD_ENTRIES,
    MODELS,
    NON_EMBEDDING_SCORES,
    SNAPSHOTS,
)
from warehouse.lake import Lake

_INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES, MODELS)
_ENTRY_COLUMNS = [
    "snapshot_id", "board", "as_of_date", "entry_id", "model_id", "model_type", "precision", "family", "is_moe",
    "is_merged", "is_flagged", "is_official_provider", "submitted_on", "uploaded_on", "average",
    "average_standard_error", "parameters_total", "parameters_active",
]  # fmt: skip
_SCORE_COLUMNS = ["snapshot_id", "board", "as_of_date", "entry_id", "benchmark", "score", "standard_error"]


def _boards(lake: Lake) -> Boards:
    return boards(
        lake.read(SNAPSHOTS),
        lake.read(LEADERBOARD_ENTRIES, _ENTRY_COLUMNS),
        lake.read(BENCHMARK_SCORES, _SCORE_COLUMNS),
        lake.read(MODELS, ["model_id", "parameters_non_embedding"]),
    )


@dg.multi_asset(
    name="benchmark_statistics",
    **makes(
        *(
            spec(table, _INPUTS, kinds={"polars", "numpy", "scipy"})
            for table in (
                tables.BENCHMARK_STATISTICS,
                tables.Z_SCORES,
                tables.BENCHMARK_CORRELATIONS,
                tables.BENCHMARK_SATURATION,
                tables.CAPABILITY_LOADINGS,
                tables.CAPABILITY_SCORES,
                tables.CLUSTER_CHOICES,
                tables.MODEL_CLUSTERS,
            )
        )
    ),
)
def statistics_of_benchmarks(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Benchmarks by themselves and together."""
    of = _boards(skyline.lake)
    yield write(skyline.lake, tables.BENCHMARK_STATISTICS, benchmark_statistics(of))
    yield write(skyline.lake, tables.Z_SCORES, z_scores(of))
    yield write(skyline.lake, tables.BENCHMARK_CORRELATIONS, benchmark_correlations(of))
    yield write(skyline.lake, tables.BENCHMARK_SATURATION, benchmark_saturation(of))
    loadings, scores = capabilities(of)
    yield write(skyline.lake, tables.CAPABILITY_LOADINGS, loadings)
    yield write(skyline.lake, tables.CAPABILITY_SCORES, scores)
    choices, members = clusters(of)
    yield write(skyline.lake, tables.CLUSTER_CHOICES, choices)
    yield write(skyline.lake, tables.MODEL_CLUSTERS, members)


@dg.multi_asset(
    name="scaling",
    **makes(
        *(
            spec(table, _INPUTS, kinds={"polars", "numpy"})
            for table in (
                tables.SCALING_FITS,
                tables.SCALING_RESIDUALS,
                tables.SCALING_SHAPE,
                tables.DIMINISHING_RETURNS,
                tables.CAPABILITY_DENSITY,
                tables.CAPABILITY_DENSITY_TREND,
            )
        ),
        spec(tables.NON_EMBEDDING_TREND, [NON_EMBEDDING_SCORES], kinds={"polars", "numpy"}),
    ),
)
def score_against_size(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Score against size, on boards and in the published table of chat models."""
    found = scaling(_boards(skyline.lake))
    yield write(skyline.lake, tables.SCALING_FITS, found.fits)
    yield write(skyline.lake, tables.SCALING_RESIDUALS, found.residuals)
    yield write(skyline.lake, tables.SCALING_SHAPE, found.shapes)
    yield write(skyline.lake, tables.DIMINISHING_RETURNS, found.returns)
    yield write(skyline.lake, tables.CAPABILITY_DENSITY, found.density)
    yield write(skyline.lake, tables.CAPABILITY_DENSITY_TREND, found.density_trend)
    yield write(skyline.lake, tables.NON_EMBEDDING_TREND, non_embedding_trend(skyline.lake.read(NON_EMBEDDING_SCORES)))
