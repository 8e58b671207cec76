"""The side process of a sweep: samples a device at a steady rate into a file, on the monotonic clock.

A process of its own, so that sampling neither waits for the measured program's interpreter nor delays it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from profiling.measure.telemetry.nvml import NoNvml, Nvml
from profiling.measure.telemetry.processor import Processor
from profiling.measure.telemetry.readings import Source, flat

GPU_INTERVAL_S = 0.05
PROCESSOR_INTERVAL_S = 0.5


def open_source(uuid: str | None) -> tuple[Source, str]:
    """The device of the UUID, or the processor; and the name under which it is sampled."""
    if uuid is None:
        return Processor(), "cpu"
    return Nvml().device(uuid), uuid


def sample_until_stopped(out: Path, uuid: str | None, interval_s: float) -> None:
    """Write one line per sample until SIGTERM, or until the parent is gone; reasons are written once, not per line."""
    going = True

    def stop(*_: Any) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        source, name = open_source(uuid)
    except NoNvml as error:
        out.write_text(json.dumps({"device": uuid, "why": str(error)}) + "\n", "utf-8")
        return
    parent = os.getppid()
    reason_keys: set[str] = set()
    due = time.monotonic()
    with out.open("a", encoding="utf-8", buffering=1) as stream:
        while going and os.getppid() == parent:
            row: dict[str, Any] = {"t_ns": time.monotonic_ns(), "device": name, **flat(source.sample())}
            row = {key: value for key, value in row.items() if not (key.endswith("_why") and key in reason_keys)}
            reason_keys |= {key for key in row if key.endswith("_why")}
            stream.write(json.dumps(row, allow_nan=False) + "\n")
            due = max(due + interval_s, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
