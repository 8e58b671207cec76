"""What a table promises: names, types, units and meaning of its columns, and the key of its rows.

The schema of the Parquet files, the checks that guard publishing, the SELECT lists, the table and column
comments in DuckDB and the data dictionary all come from here. No data and no I/O belongs in this module.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

SNAPSHOT = "snapshot_id"
"""Column that names the snapshot of a row."""


class ContractBroken(ValueError):
    """A frame does not have the columns or types that the contract of its table promises."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Name in full, with the unit at its end where it has one.
        dtype: Polars type; DuckDB's follows from it.
        meaning: One sentence for the dictionary.
        unit: Unit as printed (`GiB`, `points`, `kg`), empty where there is none.
        required: Whether a null breaks the contract.
        minimum: Least value allowed.
        maximum: Greatest value allowed.
        allowed: The only values allowed; empty for any.
    """

    name: str
    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    unit: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the warehouse.

    Attributes:
        relation: Qualified name in SQL, `schema.name`; tables of `raw` stay in the lake and are not published.
        meaning: What one row is, and what the table is for.
        columns: Columns in the order of the published table.
        key: Columns whose values name a row; no two rows share them.
        capability: Group in the lineage: `leaderboards`, `frontier`, ...
        by_snapshot: Whether the lake keeps the rows of each snapshot in a file of their own, so that one more snapshot
            costs what it brings.
    """

    relation: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    capability: str
    by_snapshot: bool = False
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({column.name: column for column in self.columns})
        if len(self._by_name) != len(self.columns):
            raise ContractBroken(f"{self.relation} names a column twice.")
        if unknown := [name for name in self.key if name not in self._by_name]:
            raise ContractBroken(f"The key of {self.relation} names no column of it: {', '.join(unknown)}.")
        if self.by_snapshot and SNAPSHOT not in self._by_name:
            raise ContractBroken(f"{self.relation} is kept by snapshot and has no column {SNAPSHOT}.")

    @property
    def schema(self) -> str:
        """`raw`, `meta`, `core` or `marts`."""
        return self.relation.partition(".")[0]

    @property
    def name(self) -> str:
        """Name within the schema."""
        return self.relation.partition(".")[2]

    @property
    def asset_key(self) -> list[str]:
        """Key of the asset that makes the table."""
        return [self.schema, self.name]

    @property
    def column_names(self) -> list[str]:
        """Names in published order."""
        return list(self._by_name)

    @property
    def polars_schema(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Polars type of each column, in published order."""
        return {column.name: column.dtype for column in self.columns}

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: the table has no such column.
        """
        return self._by_name[name]

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with exactly the contract's columns, by name, in the contract's order and types.

        Raises:
            ContractBroken: a column is missing, is not in the contract, or holds a value that its type
                cannot represent.
        """
        missing = [name for name in self._by_name if name not in frame.columns]
        surplus = [name for name in frame.columns if name not in self._by_name]
        if missing or surplus:
            raise ContractBroken(f"{self.relation}: missing columns {missing}, columns outside the contract {surplus}.")
        try:
            return frame.select(pl.col(name).cast(dtype, strict=True) for name, dtype in self.polars_schema.items())
        except pl.exceptions.PolarsError as error:
            raise ContractBroken(f"{self.relation}: {error}") from error

    def filled(self, frame: pl.DataFrame) -> pl.DataFrame:
        """As `conform`, of a frame that may have other columns too; what it lacks is null.

        Raises:
            ContractBroken: a value is one that its type cannot represent.
        """
        absent = [pl.lit(None, column.dtype).alias(name) for name, column in self._by_name.items() if name not in frame]
        return self.conform(frame.with_columns(absent).select(self.column_names))

    def empty(self) -> pl.DataFrame:
        """A frame of the contract's columns without rows."""
        return pl.DataFrame(schema=self.polars_schema)

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
        """Rows by name as a frame of the contract's columns; what a row lacks is null, what else it has is dropped."""
        return pl.DataFrame(list(rows), schema=self.polars_schema)

    def concat(self, frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
        """Frames that have the contract's columns, and perhaps others, below one another; no rows without any frame."""
        return pl.concat([self.empty(), *(frame.select(self.column_names) for frame in frames)])


def columns_of(*groups: Column | Iterable[Column]) -> tuple[Column, ...]:
    """Columns and groups of columns as one flat tuple, so that tables can share what they share."""
    flat: list[Column] = []
    for group in groups:
        flat.extend([group] if isinstance(group, Column) else group)
    return tuple(flat)
