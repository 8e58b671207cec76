"""From results of boards to the ability of every judged model."""

from collections.abc import Iterator

import dagster as dg

from pipelines.defs.ability import models
from pipelines.defs.ability.stored import stored_abilities
from pipelines.defs.ability.stored_sizes import DOOR_TABLES, stored_sizes
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from warehouse.contracts import ability as tables
from warehouse.contracts import ability_models as more
from warehouse.contracts.boards import BENCHMARK_RESULTS, MODEL_ALIASES, MODEL_FACTS
from warehouse.contracts.catalogue import ARCHITECTURES, MODEL_ARCHITECTURES
from warehouse.contracts.leaderboards import MODELS

_FROM = (BENCHMARK_RESULTS, MODEL_FACTS)


@dg.multi_asset(
    name="ability",
    **makes(*(spec(table, _FROM, kinds={"polars", "numpy", "scipy"}) for table in tables.TABLES)),
)
def ability(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """One scale for all: fit, bootstrap, hold out, compare with the state before."""
    abilities = stored_abilities(skyline.lake)
    unconnected = ", ".join(abilities.unconnected) or "none"
    remark = abilities.remark or "fitted"
    yield write(skyline.lake, tables.ABILITY, abilities.ability, unconnected_models=unconnected, remark=remark)
    yield write(skyline.lake, tables.ABILITY_BENCHMARKS, abilities.benchmarks)
    yield write(skyline.lake, tables.ABILITY_ERROR, abilities.error)
    yield write(skyline.lake, tables.ABILITY_CHANGES, abilities.changes)


_FACTS = (MODEL_ALIASES, MODEL_FACTS, ARCHITECTURES, MODELS)


@dg.multi_asset(
    name="ability_models",
    **makes(
        spec(more.ABILITY_MODELS, [tables.ABILITY, *_FACTS, MODEL_ARCHITECTURES, *DOOR_TABLES]),
        *(
            spec(table, [tables.ABILITY, more.ABILITY_MODELS])
            for table in (more.ABILITY_FRONTS, more.ABILITY_GAP, more.ABILITY_GROWTH)
        ),
    ),
)
def ability_models(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """What each judged model is and takes; fronts on every date, the gap to proprietary models, and growth."""
    lake = skyline.lake
    ability = lake.read(tables.ABILITY)
    facts = models.Facts(*(lake.read(table) for table in _FACTS))
    rows = models.ability_models(ability, facts, stored_sizes(lake, ability["model_id"]))
    yield write(lake, more.ABILITY_MODELS, rows, unknown_openness=int((rows["openness"] == "unknown").sum()))
    yield write(lake, more.ABILITY_FRONTS, models.ability_fronts(ability, rows))
    yield write(lake, more.ABILITY_GAP, models.ability_gap(ability, rows))
    yield write(lake, more.ABILITY_GROWTH, models.ability_growth(ability, rows))
