"""Two small tables to publish and read."""

import polars as pl

from warehouse.contracts import Column, Table
from warehouse.contracts.ability import ABILITY
from warehouse.contracts.choices import CHOICES
from warehouse.contracts.frontier import PARETO_FRONT_HISTORY
from warehouse.lake import Lake

VERSIONS = Table(
    "marts.versions",
    "One row per row of one 'version'.",
    (
        Column("row", pl.Int64, "Number of the row.", required=True),
        Column("version", pl.Int64, "Which version wrote it.", unit="versions", required=True, minimum=0),
    ),
    ("row",),
    "test",
)
POINTS = Table(
    "core.points",
    "Points in a plane.",
    (
        Column("name", pl.String, "Name.", required=True),
        Column("size", pl.Float64, "Cost.", unit="GiB", minimum=0),
        Column("score", pl.Float64, "Quality.", unit="points", minimum=0, maximum=100),
        Column("kind", pl.String, "Vocabulary.", allowed=("a", "b")),
    ),
    ("name",),
    "test",
)


# The macros of every release read the history of fronts, the choices and ability; here they are empty.
TABLES = (VERSIONS, POINTS, PARETO_FRONT_HISTORY, CHOICES, ABILITY)


def write_version(lake: Lake, version: int, rows: int = 1000) -> None:
    lake.write(VERSIONS, pl.DataFrame({"row": range(rows), "version": [version] * rows}))
