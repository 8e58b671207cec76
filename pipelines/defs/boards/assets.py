"""From stored files of living boards to their results, models and standing."""

from collections.abc import Iterator

import dagster as dg

from pipelines.defs.boards.tables import read_boards
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from warehouse.contracts import boards as tables

_TABLES = (
    tables.SNAPSHOTS, tables.REJECTED_ROWS, tables.BENCHMARK_RESULTS, tables.MODEL_ALIASES, tables.MODEL_FACTS,
    tables.REDEFINITIONS, tables.BOARD_SOURCES,
)  # fmt: skip


@dg.multi_asset(name="boards", **makes(*(spec(table, [RAW_FILES]) for table in _TABLES)))
def boards(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read every stored board by its declaration, resolve names, split what was redefined."""
    read = read_boards(skyline.settings.home)
    yield write(skyline.lake, tables.SNAPSHOTS, read.snapshots)
    yield write(skyline.lake, tables.REJECTED_ROWS, read.rejected)
    newest = str(read.results["snapshot_date"].max()) if read.results.height else "none"
    yield write(skyline.lake, tables.BENCHMARK_RESULTS, read.results, newest=newest)
    unmapped = int(read.aliases["model_id"].null_count())
    yield write(skyline.lake, tables.MODEL_ALIASES, read.aliases, unmapped_names=unmapped)
    yield write(skyline.lake, tables.MODEL_FACTS, read.facts)
    yield write(skyline.lake, tables.REDEFINITIONS, read.redefinitions)
    late = read.sources.filter(read.sources["freshness"] == "late")["source"].to_list()
    yield write(skyline.lake, tables.BOARD_SOURCES, read.sources, late=", ".join(late) or "none")
