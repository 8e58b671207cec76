"""The published warehouse: every table in one database that readers can trust to be whole."""

from collections.abc import Iterator

import dagster as dg

from pipelines.lib.resources import Home
from pipelines.runs.fingerprint import fingerprint
from pipelines.runs.progress import announce
from warehouse.contracts import TABLES, VIEWS
from warehouse.database import connect
from warehouse.ducklake import publish_elsewhere
from warehouse.publish import Release, current, publish
from warehouse.versions import fault

PUBLISHED = dg.AssetKey(["published", "warehouse"])
WHOLE = "release_is_whole"


@dg.asset(
    key=PUBLISHED,
    deps=[table.asset_key for table in TABLES if table.schema != "raw"],
    group_name="published",
    kinds={"duckdb"},
    tags={"layer": "published"},
    description=(
        "What pages, commands, the HTTP interface and any DuckDB client read: every table in one file, built under a"
        " new name, verified, and made current in one step. Readers never see half of it."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            WHOLE,
            asset=PUBLISHED,
            description="Readers open this release, every table in it can be read, and none lost a row on the way.",
        )
    ],
)
def warehouse(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Build and flip; a failing blocking check upstream keeps this from running."""
    settings = skyline.settings
    # First, for a refresh that finds nothing new ends before it comes here: one that failed there must come again.
    if snapshot := publish_elsewhere(settings):
        announce(f"published in the DuckLake: {snapshot}")
    release = publish(skyline.lake, TABLES, settings.published, fingerprint(settings), settings.keep_releases, VIEWS)
    announce(f"published {release.path.name}")
    faults = list(found_wrong(skyline, release))
    yield dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(check_name=WHOLE, passed=not faults, description="; ".join(faults[:5]) or None)
        ],
        metadata={
            "path": dg.MetadataValue.path(str(release.path)),
            "size": dg.MetadataValue.int(release.path.stat().st_size),
            "tables": sum(table.schema != "raw" for table in TABLES),
            "fingerprint": release.fingerprint,
        },
    )


def found_wrong(skyline: Home, release: Release) -> Iterator[str]:
    """What is not as it should be of a release that was just published, in words."""
    published = skyline.settings.published
    if (read := current(published).path) != release.path:
        yield f"readers open {read.name}, not {release.path.name}"
    if reason := fault(release.path, thorough=False):
        yield reason
        return
    with connect(release.path, read_only=True) as connection:
        for table in TABLES:
            if table.schema == "raw":
                continue
            ((rows,),) = connection.execute(f"SELECT count(*) FROM {table.relation}").fetchall()
            if rows != (stored := skyline.lake.rows(table)):
                yield f"{table.relation} has {rows} rows of {stored}"
