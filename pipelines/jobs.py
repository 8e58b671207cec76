"""Jobs: the whole warehouse, and one per capability with what it needs upstream."""

import dagster as dg

from pipelines.assets.published import PUBLISHED
from warehouse.contracts import TABLES

REFRESH = dg.define_asset_job(
    "refresh", selection=dg.AssetSelection.all(), description="Read every source, derive every table, publish."
)


def _capability_job(capability: str) -> "dg.UnresolvedAssetJobDefinition":
    # One step may make several tables; it cannot make only some of them.
    selected = dg.AssetSelection.groups(capability).upstream().required_multi_asset_neighbors()
    return dg.define_asset_job(
        f"derive_{capability}",
        selection=selected - dg.AssetSelection.assets(dg.AssetKey(list(PUBLISHED))),
        description=f"Derive the tables of {capability} and what they need; does not publish.",
    )


JOBS = [REFRESH, *(_capability_job(capability) for capability in dict.fromkeys(t.capability for t in TABLES))]
