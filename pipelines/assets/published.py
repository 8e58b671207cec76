"""The published warehouse: every table in one database that readers can trust to be whole."""

import dagster as dg

from pipelines.assets.tables import FRESHNESS
from pipelines.fingerprint import fingerprint
from pipelines.progress import announce
from pipelines.resources import Home
from warehouse.contracts import TABLES, VIEWS
from warehouse.publish import publish

PUBLISHED = ("published", "warehouse")


@dg.asset(
    key=list(PUBLISHED),
    deps=[list(table.asset_key) for table in TABLES if table.schema != "raw"],
    group_name="published",
    owners=["team:warehouse"],
    kinds={"duckdb"},
    tags={"layer": "published"},
    freshness_policy=FRESHNESS,
    description="One DuckDB file of every table, built aside, verified, and made current at once.",
    pool="publish",
)
def warehouse(skyline: Home) -> dg.MaterializeResult[None]:
    """Build and flip; a failing blocking check upstream keeps this from running."""
    settings = skyline.settings
    release = publish(skyline.lake, TABLES, settings.published, fingerprint(settings), settings.keep_releases, VIEWS)
    announce(f"published {release.path.name}")
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(release.path)),
            "size": dg.MetadataValue.int(release.path.stat().st_size),
            "tables": sum(table.schema != "raw" for table in TABLES),
            "fingerprint": release.fingerprint,
        }
    )
