"""Files of every source as retrieved, and the account of what each capability loaded and set aside."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl
from pydantic import Field

from pipelines.assets.tables import FRESHNESS, makes, spec, write
from pipelines.resources import Home
from pipelines.sources.collect import NothingFound, collect
from pipelines.sources.raw_store import RawStore
from warehouse.contracts import REJECTED_TABLES, SNAPSHOT_TABLES, Table
from warehouse.contracts.sources import REJECTED_ROWS, SNAPSHOTS
from warehouse.lake import Lake

RAW_FILES = ("raw", "files")


class SourcesConfig(dg.Config):
    """Where to look for new files before reading what is stored.

    Attributes:
        sources: `bundled`, `online`, `online:ORG/MODEL`, or paths; none reads only what is stored.
    """

    sources: list[str] = Field(default_factory=list)


@dg.asset(
    key=list(RAW_FILES),
    group_name="sources",
    owners=["team:sources"],
    kinds={"file"},
    tags={"layer": "raw"},
    freshness_policy=FRESHNESS,
    description="Files of every source as retrieved: immutable, one per state of a source.",
    retry_policy=dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.FULL),
)
def raw_files(context: dg.AssetExecutionContext, config: SourcesConfig, skyline: Home) -> dg.MaterializeResult[None]:
    """Bring new files into the raw store, and say what it holds."""
    settings = skyline.settings
    set_aside: list[str] = []
    unreachable: list[str] = []
    for source in config.sources:
        try:
            found = collect([source], settings, context.log.info)
            set_aside += [f"{uri}: {reason}" for uri, reason in found.set_aside]
            unreachable += [f"{dataset}: {reason}" for dataset, reason in found.unreachable]
        except NothingFound as error:
            # A file that nobody can read must not keep what was read before from being served.
            context.log.warning(str(error))
            set_aside.append(str(error))
    for line in unreachable:
        context.log.warning(f"not reached {line}")
    store = RawStore(settings.raw)
    stored = {source: store.snapshots(source) for source in store.sources()}
    return dg.MaterializeResult(
        metadata={
            **{source: len(snapshots) for source, snapshots in stored.items()},
            "set_aside_now": dg.MetadataValue.md("\n".join(f"- {line}" for line in set_aside) or "none"),
            "unreachable": dg.MetadataValue.md("\n".join(f"- {line}" for line in unreachable) or "none"),
            "newest": max((str(s.manifest.as_of) for group in stored.values() for s in group), default="none"),
        }
    )


@dg.multi_asset(name="accounts", **makes(spec(SNAPSHOTS, SNAPSHOT_TABLES), spec(REJECTED_ROWS, REJECTED_TABLES)))
def accounts(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Join what the capabilities say of their files."""
    yield write(skyline.lake, SNAPSHOTS, _joined(skyline.lake, SNAPSHOTS, SNAPSHOT_TABLES))
    rejected = _joined(skyline.lake, REJECTED_ROWS, REJECTED_TABLES)
    yield write(skyline.lake, REJECTED_ROWS, rejected, files=rejected["uri"].n_unique())


def _joined(lake: Lake, table: Table, parts: Sequence[Table]) -> pl.DataFrame:
    """Rows of the parts; a column that a capability does not have is null in its rows."""
    return pl.concat([table.empty(), *(lake.read(part) for part in parts)], how="diagonal")
