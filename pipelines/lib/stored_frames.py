"""Frames that follow from code, facts and a few tables alone: made once per state of these, and kept beside the lake.

No snapshot changes them, so most refreshes take them from here.
"""

import hashlib
from collections.abc import Callable

import polars as pl

from pipelines.runs.fingerprint import digest_of
from warehouse.files import replacing
from warehouse.lake import Lake, read_cached


def stored_frame(
    lake: Lake, name: str, made_from: tuple[str, ...], state: str, make: Callable[[], pl.DataFrame]
) -> pl.DataFrame:
    """The frame, made if nobody has made it in this state yet.

    Args:
        lake: Beside which it is kept.
        name: What it is called there; no two frames have one name.
        made_from: Code and facts that it follows from, as `digest_of` takes them.
        state: Names the state of what else it follows from.
        make: Makes it.
    """
    digest = hashlib.sha256(f"{digest_of(*made_from)}{state}".encode()).hexdigest()[:16]
    folder = lake.folder / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{digest}.parquet"
    frame = read_cached(path)
    if frame is None:
        for outdated in folder.glob(f"{name}-*.parquet"):
            outdated.unlink()
        frame = make()
        with replacing(path) as temporary:
            frame.write_parquet(temporary, compression="lz4")
    return frame


def digest_of_rows(frame: pl.DataFrame) -> str:
    """Names the rows of a frame, in whatever order."""
    return hashlib.sha256(frame.hash_rows(seed=0).sort().to_numpy().tobytes()).hexdigest()
