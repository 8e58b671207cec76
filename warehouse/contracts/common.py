"""Columns that mean the same wherever they stand, and the vocabularies they draw from."""

from typing import Any

import polars as pl

from warehouse.contracts.table import Column

BOARDS = ("open_llm_v1", "open_llm_v2")
COVERAGES = ("full", "top_n", "reference", "run")
PRECISIONS = ("float32", "float16", "bfloat16", "8bit", "4bit", "GPTQ")
MODEL_TYPES = (
    "pretrained",
    "continuously_pretrained",
    "fine_tuned",
    "chat",
    "merge",
    "multimodal",
    "instruction_tuned",
    "reinforcement_tuned",
    "other",
)

SNAPSHOT_ID = Column("snapshot_id", pl.String, "One retrieved state of one source: board, date, digest.", required=True)
BOARD = Column("board", pl.String, "The leaderboard.", required=True, allowed=BOARDS)
AS_OF_DATE = Column("as_of_date", pl.Date, "Date of this statement of the source.", required=True)
METRIC_VERSION = Column(
    "metric_version",
    pl.String,
    "Definition of the scores that applies; scores compare only within one version.",
    required=True,
)
ENTRY_ID = Column(
    "entry_id", pl.String, "One evaluated configuration on a board, stable over snapshots.", required=True
)
MODEL_ID = Column("model_id", pl.String, "Model as the hub spells it, `org/name`.", required=True)
SOURCE = Column("source", pl.String, "Source of the figure.", required=True)
MEASURE = Column("measure", pl.String, "`average`, or a benchmark in the board's spelling.", required=True)
NEWEST = " Newest whole snapshot of each board."
EVERY = " Every whole snapshot."
BY_FAMILY = "95 %, bootstrap over families"
SNAPSHOT = (SNAPSHOT_ID, BOARD, AS_OF_DATE)
ENTRY = (ENTRY_ID, MODEL_ID)


def score(name: str, meaning: str, **options: Any) -> Column:
    """A score column in points from 0 to 100."""
    return Column(name, pl.Float64, meaning, unit="points", minimum=0, maximum=100, **options)


def positive(name: str, meaning: str, unit: str, **options: Any) -> Column:
    """A float column that is never negative."""
    return Column(name, pl.Float64, meaning, unit=unit, minimum=0, **options)


def flag(name: str, meaning: str, **options: Any) -> Column:
    """A yes-or-no column; unless it is required, null where the source does not say."""
    return Column(name, pl.Boolean, meaning, **options)


def parameters(name: str, meaning: str, **options: Any) -> Column:
    """A number of parameters of a model."""
    return Column(name, pl.Int64, meaning, unit="parameters", minimum=1, **options)


def points(name: str, meaning: str, **options: Any) -> Column:
    """A column in points of a score that may lie outside of 0 to 100: a difference, a slope, a line."""
    return Column(name, pl.Float64, meaning, unit="points", **options)


def index_points(name: str, meaning: str, **options: Any) -> Column:
    """A column in points of the ability index."""
    return Column(name, pl.Float64, meaning, unit="index points", **options)


def entries(meaning: str = "Number of entries behind it.") -> Column:
    """How many entries a row rests on."""
    return Column("entries", pl.Int64, meaning, required=True, minimum=1)


def ends(name: str, unit: str = "", basis: str = BY_FAMILY) -> tuple[Column, Column]:
    """Both ends of the interval of a column."""
    return (
        Column(f"{name}_lower", pl.Float64, f"Lower end: {basis}.", unit=unit),
        Column(f"{name}_upper", pl.Float64, f"Upper end: {basis}.", unit=unit),
    )


def share(name: str, meaning: str, **options: Any) -> Column:
    """A share from 0 to 1, but for rounding."""
    return Column(name, pl.Float64, meaning, minimum=-1e-9, maximum=1 + 1e-9, **options)
