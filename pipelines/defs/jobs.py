"""Jobs: the whole warehouse, and one per capability with what it needs upstream."""

import dagster as dg

from pipelines.defs.boards.fetched import BOARD_FILES
from pipelines.defs.profiles.assets import LOCAL_SWEEP, RAW_BUNDLES
from pipelines.defs.profiles.shards import SWEPT_SHARDS
from pipelines.defs.published.assets import PUBLISHED
from warehouse.contracts import TABLES

# Asked for by name only: a sweep keeps the machine busy, and bundles and boards are named by their partitions.
_ON_DEMAND = dg.AssetSelection.assets(LOCAL_SWEEP, RAW_BUNDLES, SWEPT_SHARDS, BOARD_FILES)
REFRESH = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all() - _ON_DEMAND,
    description="Read every source, derive every table, publish.",
)
LOAD_BUNDLE = dg.define_asset_job(
    "load_profile_bundle",
    selection=dg.AssetSelection.assets(RAW_BUNDLES),
    description="Store a bundle of measurements from the inbox.",
)
FETCH_BOARD = dg.define_asset_job(
    "fetch_board",
    selection=dg.AssetSelection.assets(BOARD_FILES),
    description="Fetch the newest state of one declared board; a board that is down fails alone.",
)
MEASURE_HERE = dg.define_asset_job(
    "measure_here",
    selection=dg.AssetSelection.assets(LOCAL_SWEEP),
    description="Run a sweep on this machine's device; the bundle goes to the inbox.",
)
MEASURE_SHARDS = dg.define_asset_job(
    "measure_shards",
    selection=dg.AssetSelection.assets(SWEPT_SHARDS),
    description="Measure shards of a plan on a Ray cluster; the bundles go to the inbox.",
)


def _capability_job(capability: str) -> "dg.UnresolvedAssetJobDefinition":
    # One step may make several tables; it cannot make only some of them.
    selected = dg.AssetSelection.groups(capability).upstream().required_multi_asset_neighbors()
    return dg.define_asset_job(
        f"derive_{capability}",
        selection=selected - _ON_DEMAND - dg.AssetSelection.assets(PUBLISHED),
        description=f"Derive the tables of {capability} and what they need; does not publish.",
    )


JOBS = [
    REFRESH,
    LOAD_BUNDLE,
    FETCH_BOARD,
    MEASURE_HERE,
    MEASURE_SHARDS,
    *(_capability_job(capability) for capability in dict.fromkeys(t.capability for t in TABLES)),
]
