"""The race over time: newest boards of living sources, boards as one series, GPUs of the frontier's models."""

import polars as pl

from analytics.identity.arena_identities import identify
from analytics.identity.licences import identified, normalised
from analytics.ratings.series import joined_series
from analytics.units import GIB
from pipelines.defs.ability.evidence import keyed, model_facts
from pipelines.sources.arena.layouts import CATEGORY_ALIASES
from profiling.answers.door import Door
from profiling.answers.sizing import DEVICE, Shapes, Sizing, shapes_of, sizing
from profiling.errors import ProfilingError
from profiling.memory.need import rule_of_thumb_bytes, rule_of_thumb_gpus
from warehouse.contracts import arena as contracts
from warehouse.contracts import arena_race

LIVING = "living_boards"
"""Publication of boards that come from a declared source instead of an arena file."""
SOURCE = "lmarena"
_BENCHMARK = r"^Arena (text|webdev|vision)(?:: (.+))?$"
_ARENAS = {"text": "text", "webdev": "code", "vision": "vision"}


def living_boards(results: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Rows of `core.arena_board` from results of the arena as a declared source.

    The source states no licences: `open` and `proprietary` are what sources of models state, or that a hub id is known.

    Args:
        results: `core.benchmark_results`.
        facts: `core.model_facts`.
    """
    rows = results.filter(pl.col("source") == SOURCE, pl.col("unit") == "elo")
    named = pl.col("benchmark").str.extract_groups(_BENCHMARK)
    makers = model_facts(facts).select("model_key", "is_open_weights", "organization")
    joined = keyed(rows, facts).join(makers, on="model_key", how="left")
    is_open = pl.coalesce("is_open_weights", pl.when(pl.col("model_id").is_not_null()).then(pl.lit(value=True)))
    half = pl.col("ci_high") - pl.col("ci_low")
    board = joined.with_columns(
        named.struct[0].replace_strict(_ARENAS, default=None, return_dtype=pl.String).alias("arena"),
        named.struct[1].fill_null("overall").replace(CATEGORY_ALIASES).alias("category"),
        pl.col("benchmark_version").str.starts_with("style control").alias("style_control"),
        pl.lit(LIVING).alias("publication"), pl.col("snapshot_date").alias("as_of_date"),
        pl.col("name_in_source").alias("model"), pl.col("name_in_source").alias("model_key"),
        pl.when(is_open).then(pl.lit("open")).when(~is_open).then(pl.lit("proprietary")).alias("licence"),
        pl.col("score").alias("rating"),
        pl.when(half > 0).then("ci_low").alias("rating_lower"), pl.when(half > 0).then("ci_high").alias("rating_upper"),
        pl.col("n_items").alias("votes"),
    ).filter(pl.col("arena").is_not_null())  # fmt: skip
    # Of a board in several precisions of print, that with intervals counts.
    board = (
        board.sort(pl.col("rating_lower").is_null(), "snapshot_id", "model", maintain_order=True)
        .unique([*contracts.BOARD_KEY, "model"], keep="first", maintain_order=True)
        .sort(*contracts.BOARD_KEY, "rating", descending=[*[False] * len(contracts.BOARD_KEY), True])
        .with_columns(pl.int_range(1, pl.len() + 1).over(contracts.BOARD_KEY).cast(pl.Int64).alias("row_number"))
    )
    return contracts.ARENA_BOARD.filled(board)


def series(board: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of `marts.arena_series` and of `marts.arena_series_links`.

    Args:
        board: `core.arena_board`.
    """
    joined = joined_series(identified(board))
    ratings = joined.ratings.drop("rank").rename(
        {"rating": "published_rating", "rating_lower": "published_lower", "rating_upper": "published_upper"}
    )
    moved = {"joined_rating": "rating", "joined_lower": "rating_lower", "joined_upper": "rating_upper"}
    return (
        arena_race.ARENA_SERIES.conform(ratings.rename(moved).select(arena_race.ARENA_SERIES.column_names)),
        arena_race.ARENA_SERIES_LINKS.conform(joined.links.select(arena_race.ARENA_SERIES_LINKS.column_names)),
    )


def identities(names: pl.Series, catalogue: pl.Series, declared: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """`model, model_id, architecture_id` of names of the arena, by the rules of `core.arena_identities`.

    Args:
        names: As boards show them.
        catalogue: Models whose shapes are known.
        declared: Identities that ship.
        aliases: `core.model_aliases`, for names that these rules do not know.
    """
    nobody = pl.DataFrame(schema={"model_id": pl.String, "organisation": pl.String, "is_official_provider": pl.Boolean})
    matches = identify(names, nobody, catalogue, declared).select("model", "model_id", "architecture_id")
    alias_rows = (
        aliases.filter(pl.col("source") == SOURCE, pl.col("model_id").is_not_null())
        .select(pl.col("name_in_source").alias("model"), pl.col("model_id").alias("alias"))
        .unique("model", keep="first", maintain_order=True)
    )
    named = matches.join(alias_rows, on="model", how="left", maintain_order="left")
    return named.select("model", pl.coalesce("model_id", "alias").alias("model_id"), "architecture_id")


def gpu_demand(progress: pl.DataFrame, names: pl.DataFrame, stated: pl.DataFrame, door: Door) -> pl.DataFrame:
    """Rows of `marts.frontier_gpu_demand`: sizes of the frontier's open models through the one door.

    Args:
        progress: `marts.arena_progress`.
        names: From `identities`.
        stated: `name` (normalised), `parameters_total, published_bits` as makers state them, for the rule of thumb
            where no shapes are known.
        door: What sizes them.
    """
    moved = progress.filter(pl.col("is_open") & pl.col("moved_frontier"))
    if moved.is_empty():
        return arena_race.FRONTIER_GPU_DEMAND.empty()
    models = moved.select("model").unique().join(names, on="model", how="left").sort("model")
    models = models.with_columns(normalised(pl.col("model")).alias("name")).join(
        stated.rename({"parameters_total": "stated_total", "published_bits": "stated_bits"}), on="name", how="left"
    )
    device = door.device(DEVICE)
    rows = []
    for row in models.iter_rows(named=True):
        size = _sized(door, row["model_id"], row["architecture_id"]) if row["model_id"] else None
        total, bits = row["stated_total"], row["stated_bits"]
        if size is not None:
            rows.append(
                {
                    "model": row["model"], "model_id": row["model_id"], "parameters_total": size.parameters_total,
                    "parameters_basis": "counted from its shapes", "weight_format": size.weight_format,
                    "published_bits": size.weight_bits, "weights_gib": size.weights_gib,
                    "serving_memory_low_gib": size.memory_gib[0] if size.memory_gib else None,
                    "serving_memory_gib": size.memory_gib[1] if size.memory_gib else None,
                    "gpus_needed": size.devices, "rule_of_thumb_gib": size.rule_of_thumb_gib,
                    "rule_of_thumb_gpus": size.rule_of_thumb_devices,
                }
            )  # fmt: skip
        else:
            sized = total is not None and bits is not None
            rows.append(
                {
                    "model": row["model"], "model_id": row["model_id"], "parameters_total": total,
                    "parameters_basis": "stated by its maker" if total else None,
                    "published_bits": None if bits is None else float(bits),
                    "rule_of_thumb_gib": rule_of_thumb_bytes(total, bits) / GIB if sized else None,
                    "rule_of_thumb_gpus": rule_of_thumb_gpus(total, bits, device) if sized else None,
                }
            )  # fmt: skip
    schema = {name: dtype for name, dtype in arena_race.FRONTIER_GPU_DEMAND.polars_schema.items() if name in _SIZED}
    sizes = pl.DataFrame(rows, schema=schema)
    return arena_race.FRONTIER_GPU_DEMAND.conform(
        moved.join(sizes, on="model", how="left")
        .with_columns(pl.lit(device.memory_bytes / 1e9).alias("gpu_memory_gb"))
        .select(arena_race.FRONTIER_GPU_DEMAND.column_names)
    )


_SIZED = (
    "model", "model_id", "parameters_total", "parameters_basis", "weight_format", "published_bits", "weights_gib",
    "serving_memory_low_gib", "serving_memory_gib", "gpus_needed", "rule_of_thumb_gib", "rule_of_thumb_gpus",
)  # fmt: skip


def _sized(door: Door, model_id: str, architecture_id: str | None) -> Sizing | None:
    shapes: Shapes | None = shapes_of(door, model_id, architecture_id)
    if shapes is None:
        return None
    try:
        return sizing(door, shapes)
    except ProfilingError:
        return None
