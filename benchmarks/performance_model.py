"""Configurations per second of the performance model, beside a loop over configurations in Python.

The loop is a stand-in for LLM-Viewer's `analyze()`: the same 15 operators per layer and head, the same arithmetic
per operator and the same sums over prefill and decode, written anew, because that project cannot be installed
from an index. It does less than the original (no config or hardware look-up by name, no text of figures), so it is
faster: where it made 73,400 stage configurations a second of one processor, the original at its commit 472f71f made
29,800 (14,900 calls of `analyze`, each prefill and decode), and the grid 2,170,000, 73 times as many.

    python benchmarks/performance_model.py [--rows 5000000] [--format table|json]
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from profiling.devices.accelerators import find, table
from profiling.models.load import load
from profiling.roofline.grid import Grid, evaluate
from profiling.roofline.workload import Precision

MODELS = (
    "meta-llama/Llama-2-7b-hf", "meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-70B", "Qwen/Qwen2-7B",
    "mistralai/Mixtral-8x7B-v0.1", "google/gemma-2-9b", "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V3",
)  # fmt: skip


def stand_in_analyze(batch: int, length: int, peak: float, bandwidth: float) -> dict[str, dict[str, float]]:
    """Prefill and decode of Llama-2-7B in 16 bits, one operator after the other."""
    hidden, heads, kv_heads, width, vocabulary, layers, number = 4096, 32, 32, 11008, 32000, 32, 2.0
    dim = hidden // heads
    linears = {"q": (hidden, hidden), "k": (hidden, dim * kv_heads), "v": (hidden, dim * kv_heads),
               "out": (hidden, hidden), "gate": (hidden, width), "up": (hidden, width),
               "down": (width, hidden)}  # fmt: skip
    totals: dict[str, dict[str, float]] = {}
    for stage in ("prefill", "decode"):
        new = length if stage == "prefill" else 1
        rows: dict[str, dict[str, float]] = {}

        def record(name: str, ops: float, weight: float, read: float, write: float, kv: float) -> None:
            moved = weight + read + write + kv
            intensity = ops / moved
            reached = intensity * bandwidth if intensity < peak / bandwidth else peak
            rows[name] = {  # noqa: B023 - called within this turn of the loop only
                "ops": ops, "bytes": moved, "weight": weight, "read": read, "write": write, "kv": kv,
                "intensity": intensity, "performance": reached, "time": ops / reached,
            }  # fmt: skip

        for name, (inputs, outputs) in linears.items():
            written = outputs * batch * new * number
            cached = written if name in "kv" else 0.0
            record(name, 2 * inputs * outputs * batch * new, inputs * outputs * number,
                   inputs * batch * new * number, written - cached, cached)  # fmt: skip
        products = 2 * new * length * dim * heads * batch
        scores = new * length * batch * heads * number
        cache = length * dim * kv_heads * batch * number
        record("qk", products, 0.0, new * dim * batch * heads * number, scores, cache)
        record("sv", products, 0.0, scores, new * dim * batch * heads * number, cache)
        record("softmax", 5 * batch * heads * length * new, 0.0, scores, scores, 0.0)
        plain = batch * new * hidden * number
        pointwise = {"attn_norm": 7, "mlp_norm": 7, "attn_add": 1, "mlp_add": 1, "mlp_act": 2}
        for name, operations in pointwise.items():
            record(name, operations * batch * new * hidden, 0.0, plain, plain, 0.0)
        total = {key: layers * sum(row[key] for row in rows.values())
                 for key in ("ops", "bytes", "weight", "read", "write", "kv", "time")}  # fmt: skip
        record("head", batch * hidden * vocabulary, hidden * vocabulary * number, hidden * number,
               vocabulary * number, 0.0)  # fmt: skip
        for key in total:
            total[key] += rows["head"][key]
        totals[stage] = total
    return totals


def measure_stand_in(seconds: float = 1.5) -> float:
    """Stage configurations per second of CPU time."""
    card = find("RTX-A6000")
    peak, bandwidth = card.peak("fp16"), card.bandwidth_bytes_per_s
    calls = 0
    started = time.process_time()
    while time.process_time() - started < seconds:
        stand_in_analyze(1 + calls % 64, 128 + calls % 4096, peak, bandwidth)
        calls += 1
    return 2 * calls / (time.process_time() - started)


def grid_of(rows: int) -> Grid:
    """About so many configurations over models, the grid's accelerators, stages, kernels and three precisions."""
    # Those of the warehouse's grid: with every device ever added, few lengths of each would be left.
    devices = [device for device in table().values() if device.in_grid and device.peaks]
    per_context = len(MODELS) * len(devices) * 2 * 2 * 3 * 10
    contexts = max(1, round(rows / per_context))
    return Grid(
        models=[load(name) for name in MODELS],
        accelerators=devices,
        batches=[2**power for power in range(10)],
        contexts=[128 * (index + 1) for index in range(contexts)],
        precisions=[Precision(), Precision(weight_bits=4.15625, embedding_bits=16),
                    Precision(weight_bits=8, activation_bits=8, kv_bits=8)],
        kernels=("flash", "naive"),
    )  # fmt: skip


def measure_grid(rows: int, threads: int) -> dict[str, float]:
    """Rates of the grid, written block by block to Parquet as the warehouse would take it."""
    grid = grid_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu, made, writing = time.perf_counter(), time.process_time(), 0, 0.0
        for index, frame in enumerate(evaluate(grid, threads)):
            made += frame.height
            before = time.perf_counter()
            frame.write_parquet(Path(folder) / f"{index}.parquet", compression="zstd")
            writing += time.perf_counter() - before
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"configurations": made, "wall_s": wall, "writing_s": writing, "cpu_s": cpu,
            "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}  # fmt: skip


def measure_totals(rows: int, threads: int) -> dict[str, float]:
    """Rates of the totals alone: bound, prediction, memory verdict and throughput of every configuration."""
    grid = grid_of(rows)
    wall, cpu = time.perf_counter(), time.process_time()
    made = sum(frame.height for frame in evaluate(grid, threads))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"configurations": made, "per_s": made / wall, "per_cpu_s": made / cpu}


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    measure_totals(100_000, options.threads)
    totals = measure_totals(options.rows, options.threads)
    stand_in = measure_stand_in()
    grid = measure_grid(options.rows, options.threads)
    result: dict[str, Any] = {
        "totals_per_s": totals["per_s"],
        "totals_per_cpu_s": totals["per_cpu_s"],
        "python_loop_per_cpu_s": stand_in,
        "times_faster_per_cpu_s": totals["per_cpu_s"] / stand_in,
        "rows_written": grid["configurations"],
        "seconds_with_writing": grid["wall_s"],
        "peak_memory_gib": grid["peak_memory_gib"],
    }
    if options.format == "json":
        print(json.dumps(result, indent=1))
    else:
        for name, value in result.items():
            print(f"{name:28} {value:>16,.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
