"""Processor time of a plan over every kind of device, for the mixtures that have most layouts and for dense models.

A plan tries every layout of a model on every device of the published grids, finds what each needs by its steady state
and confirms the best by simulation. Its limit is two seconds of processor time once the program has started. The peer
times the steps of the same layouts one after the other.

    python benchmarks/planning.py [--every] [--format table|json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from profiling.answers.door import Door, shipped_door
from profiling.answers.known_models import models
from profiling.answers.question import stored_precision
from profiling.errors import ProfilingError
from profiling.serving.layouts import layouts
from profiling.serving.plan import Promise, plans
from profiling.serving.replica import Options
from profiling.serving.simulate import Traffic
from profiling.serving.steps import step_times

LIMIT_S = 2.0
ASKED = (
    ("deepseek-ai/DeepSeek-V3.1", 500), ("moonshotai/Kimi-K2-Instruct", 500), ("Qwen/Qwen3-235B-A22B", 200),
    ("openai/gpt-oss-120b", 200), ("openai/gpt-oss-20b", 500), ("openai/gpt-oss-20b", 2000),
    ("meta-llama/Llama-3.3-70B-Instruct", 50), ("Qwen/Qwen3-8B", 1000),
)  # fmt: skip
ARRIVING = (("deepseek-ai/DeepSeek-R1", 20.0), ("Qwen/Qwen3-8B", 10.0))
"""Requests per second that come by themselves."""
EVERY_USERS = 500


def cpu_s(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    began = time.process_time()
    work()
    return time.process_time() - began


def planned(door: Door, model: str, users: int | None, requests_per_s: float | None = None) -> float:
    """Seconds of processor time of one plan; 0 of a model that no device can serve so."""
    traffic = Traffic(input_tokens=2000, output_tokens=500, users=users, requests_per_s=requests_per_s)
    promise = Promise(traffic=traffic, time_to_first_token_s=2, time_per_output_token_s=0.05)

    with suppress(ProfilingError):
        return cpu_s(lambda: plans(door, model, promise, Options()))
    return 0.0


def times_faster_together(door: Door, name: str) -> float:
    """How many times faster the steps of all layouts are timed at once than one after the other."""
    model = door.model(name)
    devices = [
        device
        for device in door.devices.values()
        if device.in_grid and device.kind == "gpu" and device.link_bytes_per_s
    ]
    precision, splits = stored_precision(model, None, kv_bits=16), layouts(model, Options())

    def timed(*groups: list[object]) -> float:
        return cpu_s(lambda: [step_times(model, devices, precision, some, "vllm-v1", door.fitted) for some in groups])  # type: ignore[arg-type]

    timed(list(splits))
    return timed(*([split] for split in splits)) / timed(list(splits))


def main() -> int:
    """Measures and prints; 1 where a plan takes longer than its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", action="store_true", help="every decoder of the catalogue, with 500 users")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    door = shipped_door()
    asked = [(name, EVERY_USERS) for name, model in models().items() if model.kind == "decoder"]
    result = {"measurements_loaded_s": cpu_s(lambda: door.fitted)}
    taken = {
        f"{name}, {users} users": planned(door, name, users) for name, users in (asked if options.every else ASKED)
    }
    if not options.every:
        taken |= {f"{name}, {rate:g} arrivals/s": planned(door, name, None, rate) for name, rate in ARRIVING}
    result["slowest_s"] = max(taken.values())
    result |= {f"plan_s {name}": seconds for name, seconds in taken.items() if not options.every}
    if options.every:
        slowest = sorted(taken, key=lambda name: -taken[name])[:10]
        result |= {f"plan_s {name}": taken[name] for name in slowest}
    result["steps_times_faster_together"] = times_faster_together(door, ASKED[0][0])
    if options.format == "json":
        print(json.dumps(result, indent=1))
    else:
        for name, value in result.items():
            print(f"{name:60} {value:>8,.2f}")
    return int(result["slowest_s"] > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
