"""What serving each model takes, computed once per model and state of the performance model, and kept."""

import hashlib
from collections.abc import Iterable, Sequence

import polars as pl
from filelock import FileLock

from pipelines.defs.ability.models import SIZE_SCHEMA, sizes
from pipelines.runs.fingerprint import digest_of
from profiling.answers.door import Door
from warehouse.contracts import BY_RELATION, Table
from warehouse.contracts.catalogue import (
    ACCELERATORS,
    ARCHITECTURES,
    GRID_CARBON_INTENSITY,
    HUB_MODELS,
    MODEL_ARCHITECTURES,
)
from warehouse.contracts.performance import CALIBRATIONS
from warehouse.contracts.prices import ACCELERATOR_PRICES
from warehouse.files import remove, replacing
from warehouse.lake import Lake, read_cached

DOOR_TABLES: Sequence[Table] = (ACCELERATORS, CALIBRATIONS, HUB_MODELS, ACCELERATOR_PRICES, GRID_CARBON_INTENSITY)
"""What the one door answers from."""
_CODE = ("profiling", "pipelines/defs/ability/models.py")


def door_of(lake: Lake) -> Door:
    """The one door with the facts of the lake."""
    return Door.from_tables(lambda relation: lake.read(BY_RELATION[relation]))


def stored_sizes(lake: Lake, names: Iterable[str]) -> pl.DataFrame:
    """Rows of `models.sizes` of these models; those of models that nobody asked for before are computed now.

    Args:
        lake: Where the facts lie, and where what was computed is kept.
        names: Models.
    """
    links = lake.read(MODEL_ARCHITECTURES, ["model_id", "architecture_id"])
    folder = lake.folder / "kept" / "ability_models"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        path = folder / f"{_state(lake)}.parquet"
        known = read_cached(path)
        if known is None:
            known = pl.DataFrame(schema={"asked": pl.String, **SIZE_SCHEMA})
        wanted = pl.DataFrame({"asked": sorted(set(names))}, schema={"asked": pl.String})
        new = wanted.filter(~pl.col("asked").is_in(known["asked"].implode()))
        if not new.is_empty():
            new_sizes = sizes(new["asked"], dict(links.iter_rows()), door_of(lake))
            rows = new.join(new_sizes.with_columns(pl.col("model_id").alias("asked")), on="asked", how="left")
            known = pl.concat([known, rows.select(known.columns)])
            for outdated in folder.glob("*.parquet"):
                if outdated != path:
                    remove(outdated)
            with replacing(path) as temporary:
                known.write_parquet(temporary, compression="lz4")
    return known.filter(pl.col("model_id").is_in(wanted["asked"].implode())).drop("asked")


def _state(lake: Lake) -> str:
    """Digest of what decides the answers."""
    state = hashlib.sha256(digest_of(*_CODE).encode())
    for table in (*DOOR_TABLES, ARCHITECTURES, MODEL_ARCHITECTURES):
        frame = lake.read(table)
        times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
        state.update(frame.drop(times).hash_rows(seed=0).sort().to_numpy().tobytes())
    return state.hexdigest()[:16]
