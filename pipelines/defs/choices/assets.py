"""Who is who across sources, and how good each model is; the choice itself is a view over this and the predictions."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from analytics.identity.arena_identities import identify
from pipelines.defs.ability.stored_sizes import DOOR_TABLES, door_of
from pipelines.defs.choices.tables import ability_by_precision
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from pipelines.sources.arena.reference import declared_identities
from profiling.answers.evidence import Evidence
from warehouse.contracts import BY_RELATION
from warehouse.contracts import choices as tables
from warehouse.contracts.ability import ABILITY, ABILITY_BENCHMARKS
from warehouse.contracts.ability_models import ABILITY_MODELS
from warehouse.contracts.arena import ARENA_BOARD, RATING_REFERENCE
from warehouse.contracts.catalogue import ARCHITECTURES, MODEL_ARCHITECTURES
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, MODELS, SNAPSHOTS
from warehouse.contracts.quantisation import QUANTISATION_ERRORS, QUANTISATION_MEASUREMENTS, QUANTISATION_PAIRS
from warehouse.derive import derive

_NAMED = (ARENA_BOARD, RATING_REFERENCE, MODELS, LEADERBOARD_ENTRIES, ARCHITECTURES)
_RATED = (
    SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES, MODELS, ARENA_BOARD, RATING_REFERENCE,
    tables.ARENA_IDENTITIES, tables.ABILITY_BY_PRECISION, ABILITY, ABILITY_MODELS, MODEL_ARCHITECTURES, ARCHITECTURES,
)  # fmt: skip
_ABLE = (ABILITY, ABILITY_BENCHMARKS, QUANTISATION_MEASUREMENTS, QUANTISATION_ERRORS, QUANTISATION_PAIRS, *DOOR_TABLES)
_COUNTED = (tables.MODEL_QUALITY, tables.ARENA_IDENTITIES, ARENA_BOARD, RATING_REFERENCE, MODELS, ARCHITECTURES)


@dg.multi_asset(
    name="choices",
    **makes(
        spec(tables.ARENA_IDENTITIES, _NAMED),
        spec(tables.ABILITY_BY_PRECISION, _ABLE, kinds={"polars"}),
        spec(tables.MODEL_QUALITY, _RATED, kinds={"duckdb", "sql"}),
        spec(tables.CHOICE_COVERAGE, _COUNTED, kinds={"duckdb", "sql"}),
    ),
)
def choices(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Name the models of the arenas, put what boards say of a model into one row, and count what did not join."""
    lake = skyline.lake
    shown = lake.scan(ARENA_BOARD).filter(arena="text", category="overall").select("model").unique().collect()
    names = [*shown["model"], *lake.read(RATING_REFERENCE, ["model"])["model"]]
    official = (
        lake.read(LEADERBOARD_ENTRIES, ["model_id", "is_official_provider"])
        .group_by("model_id")
        .agg(pl.col("is_official_provider").any())
    )
    models = lake.read(MODELS, ["model_id", "organisation"]).join(official, on="model_id", how="left")
    catalogue = lake.read(ARCHITECTURES, ["model_id"])["model_id"]
    yield write(lake, tables.ARENA_IDENTITIES, identify(names, models, catalogue, declared_identities()))
    evidence = Evidence.of(lambda relation: lake.read(BY_RELATION[relation]))
    yield write(lake, tables.ABILITY_BY_PRECISION, ability_by_precision(evidence, door_of(lake)))
    yield write(lake, tables.MODEL_QUALITY, derive(lake, tables.MODEL_QUALITY, _RATED))
    yield write(lake, tables.CHOICE_COVERAGE, derive(lake, tables.CHOICE_COVERAGE, _COUNTED))
