"""The account of every retrieved file: where it is from, what of it was loaded, and what was set aside and why."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from warehouse.contracts import REJECTED_TABLES, SNAPSHOT_TABLES, Table
from warehouse.contracts.sources import REJECTED_ROWS, SNAPSHOTS
from warehouse.lake import Lake


@dg.multi_asset(name="accounts", **makes(spec(SNAPSHOTS, SNAPSHOT_TABLES), spec(REJECTED_ROWS, REJECTED_TABLES)))
def accounts(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Join what the capabilities say of their files."""
    yield write(skyline.lake, SNAPSHOTS, _joined(skyline.lake, SNAPSHOTS, SNAPSHOT_TABLES))
    rejected = _joined(skyline.lake, REJECTED_ROWS, REJECTED_TABLES)
    yield write(skyline.lake, REJECTED_ROWS, rejected, files=rejected["uri"].n_unique())


def _joined(lake: Lake, table: Table, parts: Sequence[Table]) -> pl.DataFrame:
    """Rows of the parts; a column that a capability does not have is null in its rows."""
    return pl.concat([table.empty(), *(lake.read(part) for part in parts)], how="diagonal")
