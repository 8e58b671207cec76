"""Files of declared boards as they publish them: one partition per source, so that one that is down fails alone."""

import dagster as dg

from pipelines.lib.contract_assets import FRESHNESS
from pipelines.lib.resources import Home
from pipelines.sources.boards.declaration import declared
from pipelines.sources.collect import BOARD, collect

SOURCES = dg.DynamicPartitionsDefinition(name="board_sources")
BOARD_FILES = dg.AssetKey(["raw", "board_files"])


@dg.asset(
    key=BOARD_FILES,
    partitions_def=SOURCES,
    group_name="boards",
    kinds={"file"},
    tags={"layer": "raw"},
    freshness_policy=FRESHNESS,
    description="Newest state of one declared board, fetched from its published address and kept permanently.",
)
def board_files(context: dg.AssetExecutionContext, skyline: Home) -> dg.MaterializeResult[None]:
    """Fetch one source. What it published before stays, whatever becomes of this.

    Raises:
        SourceDown: it did not answer; the run fails and says why.
    """
    collection = collect([f"{BOARD}{context.partition_key}"], skyline.settings, context.log.info)
    for uri, reason in collection.set_aside:
        context.log.warning(f"set aside {uri}: {reason}")
    newest = max((str(stored.manifest.as_of) for stored in collection.new), default="unchanged")
    return dg.MaterializeResult(metadata={"new": len(collection.new), "unchanged": collection.known, "newest": newest})


def online_sources(home: Home) -> list[str]:
    """Declared sources that have an address."""
    boards = declared(home.settings.home)
    return [name for name, board in boards.items() if any(file.address for file in board.board.files)]
