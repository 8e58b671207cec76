"""How far off predictions such as a plan's were, on measurements that they never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from profiling.accuracy.simulated import STAGES, shipped_simulation_errors
from profiling.devices.accelerators import Accelerator
from profiling.engines.table import engine_of
from profiling.engines.time import Basis, shipped_times
from profiling.errors import ProfilingError

PER_TOKEN, FIRST = STAGES
"""Stages of the accuracy tables that a plan rests on: time per token and first token, both under load."""
SCOPES: Mapping[str, str] = {
    "device": "this device, with models left out", "class": "devices left out", "all engines": "all engines together",
}  # fmt: skip
"""Whose rows a held-out error is of; see `profiling.engines.time.Basis`."""
GROUPS_RUNS, GROUPS_PER_TOKEN_PCT, GROUPS_FIRST_PCT = 47, 15, 41
"""Published runs of mixtures with data-parallel attention (TensorRT-LLM on H200 and B200, ai-dynamo/aiconfigurator
@095f58a) and the median error of the simulation on them. They are among the rows that engines are fitted to."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """On what a plan rests.

    Attributes:
        per_token: Held-out error of the engine's time per token under load.
        first: Likewise of its first token under load.
    """

    per_token: Basis
    first: Basis

    def row(self) -> dict[str, object]:
        """As columns of a plan."""
        return {
            "time_per_output_token_error_pct": self.per_token.held_out.mdape_pct,
            "time_per_output_token_measurements": self.per_token.held_out.rows,
            "time_to_first_token_error_pct": self.first.held_out.mdape_pct,
            "time_to_first_token_measurements": self.first.held_out.rows,
            "errors_of": f"{self.per_token.engine} on {SCOPES[self.per_token.scope]}",
        }

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"The engine model's time per token and time to first token under load are off by a median of "
            f"{self.per_token.held_out.mdape_pct:.0f} % and {self.first.held_out.mdape_pct:.0f} % for "
            f"{self.per_token.engine} on {SCOPES[self.per_token.scope]} ({self.per_token.held_out.rows:,} and "
            f"{self.first.held_out.rows:,} measurements)."
        )


def notes_of(device: Accelerator, engine: str, *, groups: bool = False) -> list[str]:
    """What a plan for an engine on a device rests on, in sentences; none where the engine has no model."""
    based = evidence_of(device, engine)
    return [] if based is None else [str(based), simulation_error(based.per_token.engine, groups=groups)]


NO_ROW: Mapping[str, object] = dict.fromkeys((
    "time_per_output_token_error_pct", "time_per_output_token_measurements", "time_to_first_token_error_pct",
    "time_to_first_token_measurements", "errors_of",
))  # fmt: skip
"""The columns of `Evidence.row` where the engine has no model."""


def evidence_of(device: Accelerator, engine: str) -> Evidence | None:
    """What plans for an engine on a device rest on; None where the engine has no model."""
    try:
        timed = engine_of(engine, device)
    except ProfilingError:
        return None
    return Evidence(*(shipped_times().basis(timed, device, [stage]) for stage in STAGES))


def simulation_error(engine: str, *, groups: bool = False) -> str:
    """How far the simulation of plans was off on measured serving: of this engine where it was measured, else of all.

    Args:
        engine: The product's name.
        groups: Whether a plan has data-parallel attention, which was measured apart.
    """
    errors = shipped_simulation_errors()
    own = errors.filter(pl.col("engine") == engine)
    chosen = own if own.height else errors

    def span(stage: str) -> str:
        off = [round(value) for value in chosen.filter(pl.col("stage") == stage)["mdape_pct"].to_list()]
        low, high = min(off), max(off)
        return f"{low}" if low == high else f"{low} to {high}"

    whose = engine if own.height else f"{', '.join(errors['engine'].unique().sort())}, by engine"
    text = (
        f"Compared with measured serving, the simulation of the plan is {span(FIRST)} % off for first tokens and "
        f"{span(PER_TOKEN)} % for time per token ({whose}; {chosen['rows'].sum():,} measurements)."
    )
    if groups:
        text += (
            f" With data-parallel attention it is {GROUPS_FIRST_PCT} % and {GROUPS_PER_TOKEN_PCT} % off "
            f"({GROUPS_RUNS} published runs of TensorRT-LLM, among those that engines are fitted to)."
        )
    return text
