"""The tables of ability, computed once per state of the results and kept: most refreshes change nothing."""

import hashlib
from pathlib import Path

import polars as pl
from filelock import FileLock

from pipelines.defs.ability.tables import Abilities, abilities
from pipelines.runs.fingerprint import digest_of
from warehouse.contracts.boards import BENCHMARK_RESULTS, MODEL_FACTS
from warehouse.files import remove, replacing
from warehouse.lake import Lake, read_cached

_CODE = (
    "analytics/ability",
    "pipelines/defs/ability",
    "pipelines/sources/boards/names.py",
    "warehouse/contracts/ability.py",
)
_TABLES = ("ability", "benchmarks", "error", "changes")
_STATE_FILE = "state.parquet"


def stored_abilities(lake: Lake) -> Abilities:
    """The abilities of the results in the lake, computed if nobody has yet.

    Args:
        lake: Where the results lie, and where what was computed is kept.
    """
    results, facts = lake.read(BENCHMARK_RESULTS), lake.read(MODEL_FACTS)
    state = hashlib.sha256(digest_of(*_CODE).encode())
    for frame in (results.drop("retrieved_at", "snapshot_id"), facts):
        state.update(frame.hash_rows(seed=0).sort().to_numpy().tobytes())
    folder = lake.folder / "kept" / "ability"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        state_folder = folder / state.hexdigest()[:16]
        summary, frames = (
            read_cached(state_folder / _STATE_FILE),
            [read_cached(state_folder / f"{name}.parquet") for name in _TABLES],
        )
        if summary is None or any(frame is None for frame in frames):
            for outdated in folder.glob(f"*/{_STATE_FILE}"):
                remove(outdated.parent)
            computed: Abilities = abilities(results, facts)
            _store(state_folder, computed)
            return computed
    ability, benchmarks, error, changes = (frame for frame in frames if frame is not None)
    remarks: list[str] = summary["remark"].drop_nulls().to_list()
    return Abilities(
        ability, benchmarks, error, changes, summary["unconnected"].drop_nulls().to_list(), "".join(remarks)
    )


def _store(folder: Path, abilities: Abilities) -> None:
    folder.mkdir(exist_ok=True)
    summary = pl.DataFrame(
        {
            "unconnected": [*abilities.unconnected, None],
            "remark": [*(None for _ in abilities.unconnected), abilities.remark or None],
        },
        schema={"unconnected": pl.String, "remark": pl.String},
    )
    # The state is written last: where it stands, the tables do too.
    for name, frame in (*((name, getattr(abilities, name)) for name in _TABLES), ("state", summary)):
        with replacing(folder / f"{name}.parquet") as temporary:
            frame.write_parquet(temporary, compression="lz4")
