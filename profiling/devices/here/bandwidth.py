"""Bandwidth of the memory at hand, measured in seconds: reading arrays that no cache holds, with every processor."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

_BUFFER_BYTES = 256 << 20
"""Per thread; several times the largest last-level cache of one processor's share."""


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes per second that were read, the median of the rounds."""

    median_bytes_per_s: float
    threads: int
    rounds: int


def read_bandwidth(seconds: float = 3.0, threads: int | None = None, buffer_bytes: int = _BUFFER_BYTES) -> Bandwidth:
    """Read bandwidth of main memory: the sum over an array, as the weights of a model are read once per token.

    Args:
        seconds: Time to spend; at least three rounds are made.
        threads: Threads that read at once; every processor that this process may use where None.
        buffer_bytes: Size of each thread's array.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = threads or available
    buffers = [np.ones(buffer_bytes // 8, dtype=np.int64) for _ in range(workers)]
    rates: list[float] = []
    end = time.perf_counter() + seconds
    with ThreadPoolExecutor(workers) as pool:
        # NumPy lets go of the interpreter while it reduces, so that threads read at once.
        list(pool.map(np.bitwise_or.reduce, buffers))
        while len(rates) < 3 or time.perf_counter() < end:
            begun = time.perf_counter()
            list(pool.map(np.bitwise_or.reduce, buffers))
            rates.append(workers * buffer_bytes / (time.perf_counter() - begun))
    return Bandwidth(float(np.median(rates)), workers, len(rates))


def cuda_read_bandwidth(seconds: float = 1.0) -> Bandwidth | None:
    """The same of the first CUDA or ROCm device, by torch; None where there is no torch or no such device."""
    try:
        import torch  # noqa: PLC0415 - optional
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    size = min(2 << 30, torch.cuda.mem_get_info()[0] // 4)
    buffer = torch.ones(size // 4, dtype=torch.float32, device="cuda")
    buffer.sum().item()
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while len(rates) < 10 or time.perf_counter() < end:
        torch.cuda.synchronize()
        begun = time.perf_counter()
        buffer.sum()
        torch.cuda.synchronize()
        rates.append(size / (time.perf_counter() - begun))
    return Bandwidth(float(np.median(rates)), 1, len(rates))
