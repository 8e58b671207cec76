"""Running the SQL of a derived table over the lake, in memory; one file of `sql/` is one table."""

from collections.abc import Sequence
from importlib import resources

import polars as pl

from warehouse.contracts import Table
from warehouse.database import connect
from warehouse.lake import Lake


def derive(lake: Lake, table: Table, inputs: Sequence[Table]) -> pl.DataFrame:
    """Rows of the table, as its SQL file makes them from the inputs.

    Args:
        lake: Where the inputs are.
        table: Table whose file `sql/<schema>/<name>.sql` is run.
        inputs: Tables that the SQL may name.

    Raises:
        MissingTable: an input has not been written yet.
        duckdb.Error: the SQL is wrong.
    """
    sql = resources.files("warehouse").joinpath("sql", table.schema, f"{table.name}.sql").read_text("utf-8")
    with connect(memory_limit="512MB") as connection:
        for source in inputs:
            lake.scan(source)  # says what to do when the table is missing
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {source.schema}")
            connection.execute(f"CREATE VIEW {source.relation} AS SELECT * FROM {lake.sql(source)}")
        frame: pl.DataFrame = connection.sql(sql).pl()
        return frame
