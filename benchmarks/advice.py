"""Processor time of an Advisor change over every model of the catalogue, beside asking the same one by one.

A change of the Advisor looks at every decoder of the catalogue in every format of the engine on one device: memory of
all, time of what fits and may be shown. The stand-in for evidence orders models by size, so that the large ones are
looked at and ruled out before those that run. The peer asks the one door for each model and format that was looked at.
Descriptions are timed on every config that ships.

    python benchmarks/advice.py [--format table|json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import polars as pl

from profiling.answers.advise import advise
from profiling.answers.candidate import Need
from profiling.answers.describe import describe
from profiling.answers.door import Door, shipped_door
from profiling.answers.evidence import Evidence
from profiling.answers.known_models import models
from profiling.answers.question import Question
from profiling.devices.names import resolve_device
from profiling.engines.formats import FORMATS, SERVED_FORMATS
from profiling.errors import ProfilingError
from profiling.memory.engines import default_engine
from profiling.models.sources import model_configs

MACHINES = ("4090", "3060 12gb", "m3 max 64gb", "2x3090", "cpu server with 128 gb", "3090 + 3060", "8xH100")
DESCRIBED = 200
ASKED = 60


def evidence_by_size() -> Evidence:
    """Abilities that rise with the number of parameters: a stand-in, as no boards are read here."""
    rows = [
        {
            "model_id": name, "mode": "", "domain": "overall", "ability": model.parameters_total / 1e9,
            "ability_low": 0.0, "ability_high": 0.0, "results": 1, "evidence_class": "measured", "sources": "",
            "is_headline": True,
        }
        for name, model in models().items()
        if model.kind == "decoder"
    ]  # fmt: skip
    return Evidence(pl.DataFrame(rows))


def need_of(machine: str, context: int) -> Need:
    """What is asked for on a machine."""
    fleet = resolve_device(machine).fleet
    device, devices = fleet.parts[0]
    return Need(
        accelerator=device.name, devices=devices, context=context, fleet=fleet if fleet.is_mixed else None
    )  # fmt: skip


def cpu_s(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    began = time.process_time()
    work()
    return time.process_time() - began


def one_by_one(door: Door, machine: str) -> float:
    """Seconds of processor time per model and format, asked one after the other."""
    device = resolve_device(machine).fleet.devices[0]
    formats = FORMATS.get(default_engine(device), SERVED_FORMATS)
    names = [name for name, model in models().items() if model.kind == "decoder"]
    asked = [(name, form) for name in names[:: len(names) * len(formats) // ASKED or 1] for form in formats][:ASKED]

    def ask() -> None:
        for name, form in asked:
            try:
                door.answer(Question(model=name, accelerator=device.name, weight_format=form, context=24_576))
            except ProfilingError:
                continue

    return cpu_s(ask) / len(asked)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    door, evidence = shipped_door(), evidence_by_size()
    result: dict[str, Any] = {"models": evidence.abilities.height}
    first = cpu_s(lambda: advise(door, evidence, need_of(MACHINES[0], 32_768)))
    result["first_answer_ms"] = 1000 * first
    for machine in MACHINES:
        advise(door, evidence, need_of(machine, 32_768))
        changes = [
            cpu_s(lambda context=context, name=machine: advise(door, evidence, need_of(name, context)))  # type: ignore[misc]
            for context in (8192, 16_384, 24_576)
        ]
        result[f"change_ms {machine}"] = 1000 * min(changes)
    formats = len(FORMATS["llama.cpp"])
    each = one_by_one(door, MACHINES[0])
    result["one_by_one_ms"] = 1000 * each * evidence.abilities.height * formats
    result["times_faster_than_one_by_one"] = result["one_by_one_ms"] / result[f"change_ms {MACHINES[0]}"]
    names = (list(model_configs()) * 2)[:DESCRIBED]
    result[f"describe_{DESCRIBED}_s"] = cpu_s(lambda: [describe(name) for name in names])
    if options.format == "json":
        print(json.dumps(result, indent=1))
    else:
        for name, value in result.items():
            print(f"{name:40} {value:>12,.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
