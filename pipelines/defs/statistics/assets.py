"""What a board's scores say together: summaries, correlations, components, clusters, scaling, density."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from pipelines.defs.statistics import scaling as scaling_tables
from pipelines.defs.statistics import tables as statistics_tables
from pipelines.lib.contract_assets import makes, spec, write, written
from pipelines.lib.resources import Home
from warehouse.contracts import Table
from warehouse.contracts import scaling as scaling_contracts
from warehouse.contracts import statistics as tables
from warehouse.contracts.leaderboards import NON_EMBEDDING_SCORES


def _table_specs(inputs: Sequence[Table], *outputs: Table) -> dict[str, Any]:
    return makes(*(spec(table, inputs, kinds={"polars", "numpy", "scipy"}) for table in outputs))


@dg.multi_asset(name="statistics", **_table_specs(statistics_tables.INPUTS, *statistics_tables.STATISTICS))
def statistics(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Benchmarks by themselves and together."""
    statistics_tables.write_statistics(skyline.lake)
    yield from (written(skyline.lake, table) for table in statistics_tables.STATISTICS)


@dg.multi_asset(
    name="clusters", **_table_specs(statistics_tables.SIZED_INPUTS, tables.CLUSTER_CHOICES, tables.MODEL_CLUSTERS)
)
def clusters(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Which entries are alike, and whether any are."""
    choices, members = statistics_tables.clusters(statistics_tables.newest_boards(skyline.lake))
    yield write(skyline.lake, tables.CLUSTER_CHOICES, choices)
    yield write(skyline.lake, tables.MODEL_CLUSTERS, members)


@dg.multi_asset(name="scaling", **_table_specs(statistics_tables.SIZED_INPUTS, *scaling_tables.SCALING))
def scaling(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Score against size, and how the size of a score shrank."""
    results = scaling_tables.scaling(statistics_tables.newest_boards(skyline.lake))
    for table, rows in zip(scaling_tables.SCALING, results, strict=True):
        yield write(skyline.lake, table, rows)


@dg.multi_asset(
    name="non_embedding_trend",
    **makes(spec(scaling_contracts.NON_EMBEDDING_TREND, [NON_EMBEDDING_SCORES], kinds={"polars", "numpy"})),
)
def non_embedding_trend(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """The published table of chat models against their parameters without embeddings."""
    published = skyline.lake.read(NON_EMBEDDING_SCORES)
    yield write(skyline.lake, scaling_contracts.NON_EMBEDDING_TREND, scaling_tables.non_embedding_trend(published))
