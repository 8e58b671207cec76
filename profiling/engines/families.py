"""Which engine reads which family of models: reference/engine_families.csv, from the lists that engines keep."""

from __future__ import annotations

from functools import cache
from typing import Literal

from profiling.memory.engines import runs_on
from profiling.models.architecture import Architecture
from profiling.reference_files import reference_rows

Reads = Literal["yes", "no", "unknown"]
_COLUMNS = {"llama.cpp": "llama.cpp", "vllm-v1": "vllm", "vllm-v0": "vllm", "sglang": "sglang",
            "transformers": "transformers", "transformers-4bit": "transformers"}  # fmt: skip
"""Columns of the table by the engine that computes. Of the others no list is at hand, and nothing is said."""
_DESCRIBED = "custom"


@cache
def _families() -> dict[str, dict[str, str]]:
    return {row["model_type"]: dict(row) for row in reference_rows("engine_families.csv")}


def reads(engine: str, model: Architecture) -> Reads:
    """Whether an engine reads the model's family: the whole checkpoint's, else that of its decoder.

    Raises:
        InvalidWorkload: No such engine.
    """
    column = _COLUMNS.get(runs_on(engine))
    if column is None or model.model_type == _DESCRIBED:
        return "yes"
    row = _families().get(model.checkpoint_type) or _families().get(model.model_type, {})
    entry = row.get(column, "")
    return "yes" if entry == "yes" else "no" if entry == "no" else "unknown"


def not_read(engine: str, model: Architecture) -> str:
    """Why no command is named, a sentence without its stop; empty where the engine is known to read the family.

    Raises:
        InvalidWorkload: No such engine.
    """
    verdict, family = reads(engine, model), model.checkpoint_type or model.model_type
    if verdict == "yes":
        return ""
    reason = (
        f"{engine} does not read {family}" if verdict == "no" else f"no list here says that {engine} reads {family}"
    )
    has_code = runs_on(engine) != "transformers" and reads("transformers", model) == "yes"
    return f"{reason}; Transformers has its code" if has_code else reason
