"""Contracts of what was retrieved: every file with its origin, and every row that could not be loaded.

Each capability accounts for its own files in tables of `raw`, with the columns declared here; `meta` joins them.
"""

from dataclasses import replace

import polars as pl

from warehouse.contracts.common import AS_OF_DATE, COVERAGES, METRIC_VERSION, SNAPSHOT_ID, flag, positive
from warehouse.contracts.table import Column, Table, columns_of

LAYOUT = Column("layout", pl.String, "Declared layout by which the file was read.", required=True)
COVERAGE = Column(
    "coverage",
    pl.String,
    "full: the whole board; top_n: cut off below; reference: chosen published figures; run: raw"
    " result files of single evaluations.",
    required=True,
    allowed=COVERAGES,
)
SCORE_RESOLUTION = positive(
    "score_resolution", "Last digit of scores as printed; 0 where printed in full.", "points", required=True
)
FILE_COLUMNS = (
    Column("source", pl.String, "Reader of the file: a world of sources, or one declared board.", required=True),
    flag(
        "is_dated", "Whether the source states its date; otherwise as_of_date is the day of retrieval.", required=True
    ),
    Column("uri", pl.String, "Address or file name from which it was read.", required=True),
    Column("revision", pl.String, "Commit of the source at which it was read, where there is one."),
    Column("licence", pl.String, "Licence that the source states; null where it states none."),
    Column("sha256", pl.String, "Digest of the bytes.", required=True),
    Column("size_bytes", pl.Int64, "Length of the file.", unit="bytes", required=True, minimum=0),
    Column("retrieved_at", pl.Datetime("us", "UTC"), "When it entered the lake.", required=True),
    Column("rows_read", pl.Int64, "Rows in the file.", unit="rows", required=True, minimum=0),
    Column("rows_loaded", pl.Int64, "Rows accepted.", unit="rows", required=True, minimum=0),
    Column("rows_rejected", pl.Int64, "Rows set aside.", unit="rows", required=True, minimum=0),
)
"""What every stored file has, whatever it holds."""

SNAPSHOTS = Table(
    "meta.snapshots",
    "One immutable state of a source as retrieved: where it came from, and how many of its rows were loaded.",
    columns_of(
        SNAPSHOT_ID,
        Column("board", pl.String, "Leaderboard, or arena, arena_votes or release_dates.", required=True),
        AS_OF_DATE,
        replace(METRIC_VERSION, required=False),
        LAYOUT,
        COVERAGE,
        replace(SCORE_RESOLUTION, required=False),
        FILE_COLUMNS,
    ),
    ("snapshot_id",),
    "accounts",
)


def rejected_rows(relation: str, capability: str, *, by_snapshot: bool = False) -> Table:
    """A table of rows that could not be loaded."""
    return Table(
        relation,
        "Rows, and whole files, that could not be loaded, each with the reason.",
        (
            Column("snapshot_id", pl.String, "Snapshot of the row; null when the whole file was set aside."),
            Column("uri", pl.String, "File or address.", required=True),
            Column("row_number", pl.Int64, "Row in the file, counted from 1 without header.", minimum=1),
            Column("reason", pl.String, "Why it was not loaded.", required=True),
            Column("content", pl.String, "The row as JSON, cut at 2,000 characters."),
        ),
        (),
        capability,
        by_snapshot,
    )


REJECTED_ROWS = rejected_rows("meta.rejected_rows", "accounts")
