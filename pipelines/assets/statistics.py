"""What a board's scores say together: summaries, correlations, components, clusters, scaling, density."""

from collections.abc import Iterator

import dagster as dg

from pipelines import scaling_tables, statistics_tables
from pipelines.assets.tables import makes, spec, write
from pipelines.beside import beside
from pipelines.resources import Home
from warehouse.contracts import statistics as tables
from warehouse.contracts.leaderboards import NON_EMBEDDING_SCORES

_OF_BOARDS = (
    tables.BENCHMARK_STATISTICS,
    tables.Z_SCORES,
    tables.BENCHMARK_CORRELATIONS,
    tables.BENCHMARK_SATURATION,
    tables.CAPABILITY_LOADINGS,
    tables.CAPABILITY_SCORES,
    tables.CLUSTER_CHOICES,
    tables.MODEL_CLUSTERS,
    tables.SCALING_FITS,
    tables.SCALING_RESIDUALS,
    tables.SCALING_SHAPE,
    tables.DIMINISHING_RETURNS,
    tables.CAPABILITY_DENSITY,
    tables.CAPABILITY_DENSITY_TREND,
)


@dg.multi_asset(
    name="statistics",
    **makes(*(spec(table, statistics_tables.INPUTS, kinds={"polars", "numpy", "scipy"}) for table in _OF_BOARDS)),
)
def statistics(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Benchmarks by themselves and together, and score against size."""
    grouped = beside(statistics_tables.clusters_of, skyline.lake)
    sized = beside(scaling_tables.scaling_of, skyline.lake)
    of = statistics_tables.boards_of(skyline.lake)
    yield write(skyline.lake, tables.BENCHMARK_STATISTICS, statistics_tables.benchmark_statistics(of))
    yield write(skyline.lake, tables.Z_SCORES, statistics_tables.z_scores(of))
    yield write(skyline.lake, tables.BENCHMARK_CORRELATIONS, statistics_tables.benchmark_correlations(of))
    yield write(skyline.lake, tables.BENCHMARK_SATURATION, statistics_tables.benchmark_saturation(of))
    loadings, scores = statistics_tables.capabilities(of)
    yield write(skyline.lake, tables.CAPABILITY_LOADINGS, loadings)
    yield write(skyline.lake, tables.CAPABILITY_SCORES, scores)
    choices, members = grouped()
    yield write(skyline.lake, tables.CLUSTER_CHOICES, choices)
    yield write(skyline.lake, tables.MODEL_CLUSTERS, members)
    found = sized()
    yield write(skyline.lake, tables.SCALING_FITS, found.fits)
    yield write(skyline.lake, tables.SCALING_RESIDUALS, found.residuals)
    yield write(skyline.lake, tables.SCALING_SHAPE, found.shapes)
    yield write(skyline.lake, tables.DIMINISHING_RETURNS, found.returns)
    yield write(skyline.lake, tables.CAPABILITY_DENSITY, found.density)
    yield write(skyline.lake, tables.CAPABILITY_DENSITY_TREND, found.density_trend)


@dg.multi_asset(
    name="non_embedding_trend",
    **makes(spec(tables.NON_EMBEDDING_TREND, [NON_EMBEDDING_SCORES], kinds={"polars", "numpy"})),
)
def non_embedding_trend(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """The published table of chat models against their parameters without embeddings."""
    published = skyline.lake.read(NON_EMBEDDING_SCORES)
    yield write(skyline.lake, tables.NON_EMBEDDING_TREND, scaling_tables.non_embedding_trend(published))
