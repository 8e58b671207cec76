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
AS_OF_DATE = Column("as_of_date", pl.Date, "Date at which the source said this.", required=True)
METRIC_VERSION = Column(
    "metric_version",
    pl.String,
    "Which definition of the scores holds; scores compare only within one version.",
    required=True,
)
ENTRY_ID = Column(
    "entry_id", pl.String, "One evaluated configuration on a board, stable over snapshots.", required=True
)
MODEL_ID = Column("model_id", pl.String, "Model as the hub spells it, `org/name`.", required=True)
SOURCE = Column("source", pl.String, "Where the figure comes from.", required=True)


def score(name: str, meaning: str, **options: Any) -> Column:
    """A score column in points from 0 to 100."""
    return Column(name, pl.Float64, meaning, unit="points", minimum=0, maximum=100, **options)


def positive(name: str, meaning: str, unit: str, **options: Any) -> Column:
    """A float column that is never negative."""
    return Column(name, pl.Float64, meaning, unit=unit, minimum=0, **options)


def flag(name: str, meaning: str) -> Column:
    """A yes-or-no column; null where the source does not say."""
    return Column(name, pl.Boolean, meaning)
