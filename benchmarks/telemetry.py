"""What sampling a device from the side costs the steps that are measured meanwhile.

    python benchmarks/telemetry.py [--pairs 200] [--block-s 0.5]

The sampler of a sweep runs, and is stopped and let go on in turns, so that neighbouring blocks of steps differ by
nothing else; which comes first changes from pair to pair. Printed are the median over pairs of the ratio of their
median steps with its 95 % interval, and the share of one processor that the sampler itself takes.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import torch

from profiling.measure.timing import Clock, CudaClock, ProcessorClock, median_interval

_WIDTH = {"cuda": 8192, "cpu": 1024}


def block(clock: Clock, device: str, seconds: float) -> float:
    """Median seconds of a product of two square matrices, repeated for so long."""
    width = _WIDTH[device]
    left, right = (torch.randn(width, width, device=device) for _ in range(2))
    found: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        found += clock.run(lambda: left @ right, 4)[0]
    return statistics.median(found)


def main() -> None:
    """Print what it costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--block-s", type=float, default=0.5)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    clock: Clock = CudaClock() if device == "cuda" else ProcessorClock()
    uuid = ["--uuid", f"GPU-{torch.cuda.get_device_properties(0).uuid}"] if device == "cuda" else []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "telemetry.jsonl"
        sampler = subprocess.Popen(
            [sys.executable, "-m", "profiling.measure", "telemetry", "--out", str(out), *uuid],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
        try:
            while not (out.exists() and out.stat().st_size):
                time.sleep(0.1)
            ratios = []
            spent, ran_s = 0.0, 0.0
            process = psutil.Process(sampler.pid)
            for pair in range(options.pairs):
                medians = {}
                for sampled in (True, False) if pair % 2 else (False, True):
                    sampler.send_signal(signal.SIGCONT if sampled else signal.SIGSTOP)
                    before, started = sum(process.cpu_times()[:2]), time.perf_counter()
                    medians[sampled] = block(clock, device, options.block_s)
                    if sampled:
                        spent += sum(process.cpu_times()[:2]) - before
                        ran_s += time.perf_counter() - started
                ratios.append(medians[True] / medians[False])
        finally:
            sampler.kill()
            sampler.wait()
    low, high = median_interval(ratios)
    print(
        f"{device}: steps take {100 * (statistics.median(ratios) - 1):+.2f} % ({100 * (low - 1):+.2f} to "
        f"{100 * (high - 1):+.2f}) with sampling, over {len(ratios)} pairs; "
        f"the sampler takes {100 * spent / ran_s:.2f} % of a processor"
    )


if __name__ == "__main__":
    main()
