"""The lake: one Parquet file per table, replaced atomically, read and written by contract."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from warehouse.contracts import Table
from warehouse.files import replacing


class MissingTable(LookupError):
    """A table was asked for that no run has written yet."""


@dataclass(frozen=True)
class Lake:
    """The folder of Parquet files below a Skyline home."""

    folder: Path

    def path(self, table: Table) -> Path:
        """Where the table's Parquet file stands."""
        return self.folder / table.schema / f"{table.name}.parquet"

    def has(self, table: Table) -> bool:
        """Whether the table has been written."""
        return self.path(table).exists()

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
        path = self.path(table)
        if not path.exists():
            raise MissingTable(f"{table.relation} is not in {self.folder}; run `skyline refresh` first.")
        return pl.scan_parquet(path, glob=False)

    def write(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        """Replace the table by the frame, by contract, and return what was written.

        Raises:
            ContractBroken: columns or types differ from the contract; the table stays as it was.
        """
        conforming = table.conform(frame)
        with replacing(self.path(table)) as temporary:
            conforming.write_parquet(temporary, compression="zstd", statistics=True)
        return conforming
