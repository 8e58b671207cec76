"""What was made of one state of its inputs, kept beside the lake: raw files never change, so most of it is made once.

A hundred snapshots and one more cost what one costs: the hundred are read from here.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

import polars as pl

from warehouse.files import replacing
from warehouse.lake import Lake

_FOLDER = "kept"


class Kept:
    """Frames made of inputs by code, of one capability; what was not asked for again is swept.

    Used as a context: at its end, what the lake keeps for the name is what was asked for within.
    """

    def __init__(self, lake: Lake, name: str, code: str) -> None:
        """Open what is kept.

        Args:
            lake: Beside which it is kept.
            name: Of what is made.
            code: Digest of the code that makes it, and of the libraries it uses.
        """
        self._folder: Path = lake.folder / _FOLDER / name
        self._code = code
        self._asked: set[str] = set()

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None and self._folder.is_dir():
            for file in self._folder.iterdir():
                if file.name.partition(".")[0] not in self._asked:
                    file.unlink()

    def frames(
        self, state: Sequence[Hashable], inputs: Sequence[pl.DataFrame], make: Callable[[], Mapping[str, pl.DataFrame]]
    ) -> dict[str, pl.DataFrame]:
        """The frames, by name, that `make` makes, or made before of the same state and inputs by the same code.

        Args:
            state: What else than the inputs decides what is made; told apart by how it is written.
            inputs: Frames of which it is made, row by row.
            make: Makes them.
        """
        total = hashlib.sha256(f"{self._code} {state!r}".encode())
        for frame in inputs:
            total.update(f"{frame.schema}".encode())
            total.update(frame.hash_rows(seed=0).to_numpy().tobytes())
        key = total.hexdigest()[:32]
        self._asked.add(key)
        index = self._folder / f"{key}.names.parquet"
        if index.exists():
            names = pl.read_parquet(index, glob=False)["name"]
            files = {name: self._folder / f"{key}.{name}.parquet" for name in names}
            # Who sweeps, or throws the lake away, may be killed between two files.
            if all(file.exists() for file in files.values()):
                return {name: pl.read_parquet(file, glob=False) for name, file in files.items()}
        self._folder.mkdir(parents=True, exist_ok=True)
        made = make()
        # The index comes last: a run that is killed while it writes leaves none.
        for name, frame in (*made.items(), ("names", pl.DataFrame({"name": list(made)}))):
            with replacing(self._folder / f"{key}.{name}.parquet") as temporary:
                frame.write_parquet(temporary, compression="lz4")
        return dict(made)


def by_snapshot(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Rows of each snapshot, in their order; none is copied where those of one stand together, as the lake has them."""
    runs = frame["snapshot_id"].rle().struct.unnest()
    if runs["value"].is_duplicated().any():
        return {
            str(name): rows
            for (name,), rows in frame.partition_by("snapshot_id", as_dict=True, maintain_order=True).items()
        }
    ends = runs["len"].cum_sum()
    return {
        name: frame.slice(end - length, length)
        for name, length, end in zip(runs["value"], runs["len"], ends, strict=True)
    }
