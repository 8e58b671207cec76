"""The lake: Parquet by contract, one file per table or, of a table of snapshots, per snapshot; replaced atomically."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from warehouse.contracts import ContractBroken, Table
from warehouse.contracts.table import SNAPSHOT
from warehouse.contracts.violations import violations
from warehouse.files import ordinary, remove, replacing, sha256_of, sql_path, write_text

REST = ""
"""Name of the part that holds the rows of all snapshots that have no part of their own."""
_NAMED = 32


class MissingTable(LookupError):
    """A table was asked for that no run has written yet."""


@dataclass(frozen=True)
class Part:
    """The rows of one snapshot in a table that is kept by snapshot; its file never changes.

    Attributes:
        name: The snapshot, or REST.
        sha256: Of the file, which is named by it.
        rows: How many.
        state: Size and time of the file when it was written.
        made_from: Digest of what it was made from and by what; empty where nobody will ask.
        violations: What breaks the table's contract, and in how many rows.
        facts: What its maker noted of it, for those who need not read the rows then.
    """

    name: str
    sha256: str
    rows: int
    state: tuple[int, int]
    made_from: str = ""
    violations: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.sha256[:_NAMED]}.parquet"


@dataclass(frozen=True)
class Lake:
    """The folder of Parquet files below a Skyline home.

    A table is a file, or, where its contract keeps it by snapshot, a list of parts beside a folder of their files. A
    part lies there under its digest before the list names it, and until the list does not.
    """

    folder: Path

    def path(self, table: Table) -> Path:
        """Where the table's Parquet file stands, or the list of its parts."""
        return self.folder / table.schema / f"{table.name}.{'parts.json' if table.by_snapshot else 'parquet'}"

    def has(self, table: Table) -> bool:
        """Whether the table has been written."""
        return self.path(table).exists()

    def parts(self, table: Table) -> list[Part]:
        """Parts of a table that is kept by snapshot, in the order of its rows.

        Raises:
            MissingTable: it has not been written yet, or what was written cannot be read.
        """
        path = self._existing_path(table)
        try:
            return [
                Part(**{**part, "state": tuple(part["state"])})
                for part in json.loads(ordinary(path).read_text("utf-8"))
            ]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise MissingTable(f"{path} cannot be read ({error}); run `skyline rebuild`.") from error

    def file(self, table: Table, part: Part) -> Path:
        """Where a part stands."""
        return self._folder(table) / part.file

    def files(self, table: Table, snapshots: Sequence[str] | None = None) -> list[Path]:
        """Its Parquet files, in the order of its rows; or only those that can hold rows of the snapshots.

        Raises:
            MissingTable: it has not been written yet.
        """
        if not table.by_snapshot:
            return [self._existing_path(table)]
        parts = self.parts(table)
        wanted = None if snapshots is None else {REST, *snapshots}
        return [self.file(table, part) for part in parts if wanted is None or part.name in wanted]

    def sql(self, table: Table, snapshots: Sequence[str] | None = None) -> str:
        """As `files`, as a relation in SQL."""
        return f"read_parquet([{', '.join(map(sql_path, self.files(table, snapshots)))}])"

    def size_bytes(self, table: Table) -> int:
        """Of its files; 0 where it has not been written."""
        if not self.has(table):
            return 0
        if table.by_snapshot:
            return sum(part.state[0] for part in self.parts(table))
        return self.path(table).stat().st_size

    def rows(self, table: Table) -> int:
        """How many there are; 0 where it has not been written."""
        if not self.has(table):
            return 0
        if table.by_snapshot:
            return sum(part.rows for part in self.parts(table))
        return int(self.scan(table).select(pl.len()).collect().item())

    def sha256(self, table: Table) -> str:
        """Digest of its files; `nothing` where it has not been written."""
        if not self.has(table):
            return "nothing"
        if table.by_snapshot:
            return hashlib.sha256(" ".join(part.sha256 for part in self.parts(table)).encode()).hexdigest()
        return sha256_of(self.path(table))

    def read(self, table: Table, columns: list[str] | None = None) -> pl.DataFrame:
        """The table, or the named columns of it.

        Raises:
            MissingTable: it has not been written yet.
        """
        return self.scan(table).select(columns or table.column_names).collect()

    def scan(self, table: Table) -> pl.LazyFrame:
        """The table, lazily.

        Raises:
            MissingTable: it has not been written yet.
        """
        return pl.scan_parquet(self.files(table), glob=False)

    def read_part(self, table: Table, name: str) -> pl.DataFrame:
        """Rows of one part; none where there is no such part."""
        of = [self.file(table, part) for part in self.parts(table) if part.name == name]
        frame = pl.read_parquet(of[0], glob=False) if of else table.empty()
        return frame.select(table.column_names)

    def write(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        """Replace the table by the frame, by contract, and return what was written.

        Raises:
            ContractBroken: columns or types differ from the contract; the table stays as it was.
        """
        conforming = table.conform(frame)
        if table.by_snapshot:
            self.list_parts(table, [self.add_part(table, REST, conforming)])
            return conforming
        with replacing(self.path(table)) as temporary:
            _write(conforming, temporary)
        return conforming

    def add_part(
        self, table: Table, name: str, frame: pl.DataFrame, made_from: str = "", facts: Mapping[str, Any] | None = None
    ) -> Part:
        """Write the rows of one snapshot beside the others; the table has them once `list_parts` names them.

        Raises:
            ContractBroken: columns or types differ from the contract, or rows are of another snapshot.
        """
        conforming = table.conform(frame)
        if name != REST and conforming[SNAPSHOT].ne_missing(name).any():
            raise ContractBroken(f"{table.relation}: rows of other snapshots among those of {name}.")
        contents = io.BytesIO()
        _write(conforming, contents)
        sha256 = hashlib.sha256(contents.getbuffer()).hexdigest()
        target = self._folder(table) / Part(name, sha256, 0, (0, 0)).file
        if not target.is_file() or sha256_of(target) != sha256:
            with replacing(target) as temporary:
                temporary.write_bytes(contents.getbuffer())
        return Part(
            name, sha256, conforming.height, _state(target), made_from, violations(table, conforming), facts or {}
        )

    def is_intact(self, table: Table, part: Part) -> bool:
        """Whether the file of a part is there as it was written, told by its size and time."""
        try:
            return _state(self.file(table, part)) == part.state
        except OSError:
            return False

    def list_parts(self, table: Table, parts: Iterable[Part]) -> None:
        """Replace the table by parts that were added, or stood in it before; files of others are removed."""
        listed = list(parts)
        write_text(self.path(table), json.dumps([asdict(part) for part in listed]))
        named = {part.file for part in listed}
        for file in self._folder(table).iterdir():
            if file.name not in named:
                remove(file)
        # What was one file before its contract kept it by snapshot.
        remove(self._folder(table).with_suffix(".parquet"))

    def _folder(self, table: Table) -> Path:
        return self.folder / table.schema / table.name

    def _existing_path(self, table: Table) -> Path:
        path = self.path(table)
        if not path.exists():
            raise MissingTable(f"{table.relation} is not in {self.folder}; run `skyline refresh` first.")
        return path


def read_cached(path: Path) -> pl.DataFrame | None:
    """A frame that was kept beside the tables; None where it is lost or damaged, for it can be made again."""
    try:
        return pl.read_parquet(ordinary(path), glob=False)
    except (OSError, pl.exceptions.PolarsError):
        return None


def _write(frame: pl.DataFrame, target: Path | io.BytesIO) -> None:
    frame.write_parquet(target, compression="zstd", statistics=True)


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
