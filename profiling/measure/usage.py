"""How busy a device was while a prompt was answered, and the energy it took, where a counter tells."""

from __future__ import annotations

import threading
import time
from statistics import fmean
from typing import Any

from profiling.measure.telemetry.energy import OF_PACKAGES, processor_energy
from profiling.measure.telemetry.nvml import NoNvml, Nvml
from profiling.measure.telemetry.readings import Reading, energy_between

_EVERY_S = 0.05
_OF_GPU = "the whole GPU, whatever ran on it; the machine around it is not counted"


class Usage:
    """Counters around a block of work, and samples of a GPU within it."""

    def __init__(self, device: str, threads: int) -> None:
        """Prepare.

        Args:
            device: As torch calls it.
            threads: Cores that the work may use, where it runs on the processor.
        """
        self._threads = threads
        self._gpu: Any = None
        self._why = ""
        self._shares: list[float] = []
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        if device.startswith("cuda"):
            try:
                from profiling.measure.environment import cuda_uuid  # noqa: PLC0415 - needs torch

                self._gpu = Nvml().device(cuda_uuid(device))
            except NoNvml as error:
                self._why = str(error)
        self._on_device = device.startswith("cuda")
        self._counter = processor_energy()

    def __enter__(self) -> Usage:
        """Begin."""
        self._energy = self._read()
        self._began, self._used = time.monotonic(), time.process_time()
        if self._gpu is not None:
            self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._elapsed, self._used = time.monotonic() - self._began, time.process_time() - self._used
        self._energy_after = self._read()
        self._done.set()
        if self._sampler.is_alive():
            self._sampler.join()

    def row(self, tokens: int) -> dict[str, Any]:
        """Share of the device in use, joules of the whole and of a token; null with the reason where nothing tells."""
        row: dict[str, Any] = {"utilisation_share": self._share()}
        if row["utilisation_share"] is None:
            row["utilisation_share_why"] = self._why or "it took less time than the driver needs to report it"
        method = "nvml counter" if self._on_device else self._counter.method
        wraps = None if self._on_device else self._counter.wraps_at_j()
        window = energy_between(self._energy, self._energy_after, self._elapsed, method, wraps)
        row |= {
            "energy_j": window.joules,
            "joules_per_token": None if window.joules is None else window.joules / tokens,
        }
        if window.joules is None:
            row["energy_why"] = self._energy.why or window.why
        else:
            row["energy_of"] = _OF_GPU if self._on_device else OF_PACKAGES
        return row

    def _share(self) -> float | None:
        if self._on_device:
            return fmean(self._shares) if self._shares else None
        return min(self._used / (self._elapsed * self._threads), 1.0)

    def _read(self) -> Reading:
        if self._gpu is not None:
            reading: Reading = self._gpu.energy_j()
            return reading
        return Reading(None, self._why) if self._on_device else self._counter.energy_j()

    def _sample(self) -> None:
        while not self._done.wait(_EVERY_S):
            share = self._gpu.sample()["utilisation_share"].value
            if share is not None:
                self._shares.append(float(share))
