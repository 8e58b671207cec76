"""Names in measurements: which model, device and engine of ours they mean; each name is looked up once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from profiling.devices.accelerators import Accelerator, find
from profiling.devices.names import resolve_device
from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from profiling.models.load import load
from profiling.models.names import resolve_model

Found = TypeVar("Found")


class _Once(Generic[Found]):
    """A lookup that remembers what it found, and what it did not."""

    def __init__(self, lookup: Callable[[str], Found]) -> None:
        self._lookup = lookup
        self._known: dict[str, Found | ProfilingError] = {}

    def __call__(self, name: str) -> Found:
        if name not in self._known:
            try:
                self._known[name] = self._lookup(name)
            except ProfilingError as error:
                self._known[name] = error
        answer = self._known[name]
        if isinstance(answer, ProfilingError):
            raise answer
        return answer


class Names:
    """Models of the catalogue, and accelerators of the table and of the user."""

    def __init__(self, devices: Mapping[str, Accelerator]) -> None:
        self.model: Callable[[str], Architecture] = _Once(model_named)
        self.device: Callable[[str], Accelerator] = _Once(lambda name: device_named(name, devices))


def device_named(name: str, devices: Mapping[str, Accelerator]) -> Accelerator:
    """The device a published name means; where variants of equal bandwidth share it, the largest of them.

    Raises:
        UnknownAccelerator: No device has that name, or devices that differ in bandwidth.
    """
    answer = resolve_device(name, devices)
    if not answer.devices:
        variants = [devices[each] for each in answer.candidates if each in devices]
        if (
            variants
            and max(variant.bandwidth_bytes_per_s for variant in variants)
            < 1.01 * min(variant.bandwidth_bytes_per_s for variant in variants)
            and answer.note.startswith(repr(name))
        ):
            return max(variants, key=lambda variant: (max(variant.peaks.values(), default=0.0), variant.memory_bytes))
    return find(name, devices)


def model_named(name: str) -> Architecture:
    """The architecture a published name means; a tuned or quantised copy has that of its base model.

    Raises:
        UnknownModel: The catalogue has no model of that architecture.
    """
    model = resolve_model(name)
    if model.catalogue_id is None and (undated := _DATE.sub("", name)) != name:
        # A release of another month has the shapes of the model whose name has no month.
        model = resolve_model(undated)
    return load(model.require())


_DATE = re.compile(r"-\d{4}(?=-|$)")
