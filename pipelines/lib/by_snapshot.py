"""Making tables of snapshots part by part: what was made of the same before, by the same code, stays as it is.

Raw files never change, so that one snapshot on top of a hundred costs what it costs on top of none.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.runs.fingerprint import code
from warehouse.contracts import Table
from warehouse.lake import REST, Lake, MissingTable, Part


@dataclass(frozen=True)
class Rows:
    """Rows of one part of a table, and what is noted of them for those who need not read them then."""

    frame: pl.DataFrame
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Wanted:
    """A snapshot of which several tables shall have the rows.

    Attributes:
        name: Of the snapshot.
        made_from: What decides its rows, besides the code; told apart by how it is written.
        make: Makes the rows of each table, one after the other; None where there is nothing to make them from.
    """

    name: str
    made_from: Hashable
    make: Callable[[], Iterable[Rows] | None]


def write_parts(
    lake: Lake,
    tables: Sequence[Table],
    wanted: Iterable[Wanted],
    rest: Callable[[], Sequence[pl.DataFrame]] | None = None,
    threads: int = 1,
) -> list[list[Part]]:
    """Make the tables of the wanted snapshots, in their order, and of nothing else.

    Args:
        lake: Where the tables are.
        tables: All are kept by snapshot.
        wanted: What is made, unless every table has it already, made of the same by the same code.
        rest: Makes the rows of all other snapshots, after these; None: there are none.
        threads: How many snapshots are made at once.

    Returns:
        Parts of each table, that of the rest being the last.

    Raises:
        ContractBroken: rows are not what a table promises; the tables stay as they were.
    """
    before = [_parts_before(lake, table) for table in tables]

    def part(snapshot: Wanted) -> list[Part]:
        made_from = _digest(snapshot.made_from)
        if same := _made_before(lake, tables, before, snapshot.name, made_from):
            return same
        return [
            lake.add_part(table, snapshot.name, rows.frame.select(table.column_names), made_from, rows.facts)
            for table, rows in zip(tables, snapshot.make() or (), strict=False)
        ]

    with ThreadPoolExecutor(threads) as pool:
        part_lists = [parts for parts in pool.map(part, wanted) if parts]
    others = rest() if rest else [table.empty() for table in tables]
    part_lists.append([lake.add_part(table, REST, frame) for table, frame in zip(tables, others, strict=True)])
    by_table = [list(parts) for parts in zip(*part_lists, strict=True)]
    for table, parts in zip(tables, by_table, strict=True):
        lake.list_parts(table, parts)
    return by_table


def not_made(lake: Lake, tables: Sequence[Table], made_from: Mapping[str, Hashable]) -> list[str]:
    """Names of the snapshots of which not every table has the rows, made of the same by the same code.

    Args:
        lake: Where the tables are.
        tables: All are kept by snapshot.
        made_from: What decides the rows of each snapshot, as in `Wanted`.
    """
    before = [_parts_before(lake, table) for table in tables]
    return [name for name, state in made_from.items() if not _made_before(lake, tables, before, name, _digest(state))]


def _digest(made_from: Hashable) -> str:
    return hashlib.sha256(f"{code()} {made_from!r}".encode()).hexdigest()


def _made_before(
    lake: Lake, tables: Sequence[Table], before: Sequence[Mapping[str, Part]], name: str, made_from: str
) -> list[Part]:
    """The snapshot's part of each table; none if any table lacks it."""
    found = [(table, parts.get(name)) for table, parts in zip(tables, before, strict=True)]
    same = [part for table, part in found if part and part.made_from == made_from and lake.is_intact(table, part)]
    return same if len(same) == len(tables) else []


def _parts_before(lake: Lake, table: Table) -> dict[str, Part]:
    try:
        return {part.name: part for part in lake.parts(table)}
    except MissingTable:
        return {}


class Snapshots:
    """Rows that other tables have of a snapshot, read only when they are asked for."""

    def __init__(self, lake: Lake, tables: Sequence[Table]) -> None:
        """Look up what parts the tables have.

        Raises:
            MissingTable: a table has not been written yet.
        """
        self._lake = lake
        self._parts = [(table, {part.name: part.sha256 for part in lake.parts(table)}) for table in tables]

    def made_from(self, name: str) -> tuple[str, ...]:
        """Digests of the files that hold its rows."""
        return tuple(parts.get(name, parts.get(REST, "")) for _, parts in self._parts)

    def rows(self, name: str) -> list[pl.DataFrame]:
        """Its rows in each table."""
        return [
            self._lake.read_part(table, name)
            if name in parts
            else self._lake.read_part(table, REST).filter(pl.col("snapshot_id") == name)
            for table, parts in self._parts
        ]
