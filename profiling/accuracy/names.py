"""Names in measurements: which model, device and engine of ours they mean; each name is looked up once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from profiling.answers.known_models import models
from profiling.devices.accelerators import Accelerator, find
from profiling.devices.names import resolve_device
from profiling.errors import ProfilingError, UnknownModel
from profiling.models.architecture import Architecture
from profiling.models.load import load
from profiling.models.names import resolve_model
from profiling.models.other_kinds import ANSWERED, other_work
from profiling.models.sources import catalogue

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
    if label := _LABEL.fullmatch(name):
        return _labelled(name, label["architecture"], label["billions"])
    model = resolve_model(name, suggest=False)
    if model.catalogue_id is None and (undated := _DATE.sub("", name)) != name:
        # A release of another month has the shapes of the model whose name has no month.
        model = resolve_model(undated, suggest=False)
    if model.catalogue_id is None and not model.evidence:
        # Rows come by the thousand: to look for names that are spelled alike takes longer than all their predictions.
        does = other_work(model.model_id or name)
        why = f"{does}; {ANSWERED}" if does else f"is not among the {len(catalogue())} models known here"
        raise UnknownModel(
            f"{name!r} {why}; --online asks the hub" if model.model_id and not does else f"{name!r} {why}"
        )
    return load(model.require())


_DATE = re.compile(r"-\d{4}(?=-|$)")
_LABEL = re.compile(r"(?P<architecture>[\w.-]+)(?: [^(]*)? ?\((?P<billions>[\d.]+) B parameters\)")
"""What llama.cpp calls a model: `qwen3moe 30B.A3B (30.53 B parameters)`."""


def _labelled(name: str, architecture: str, billions: str) -> Architecture:
    """The model of so many parameters; where several have them, those of the architecture that llama.cpp names.

    Raises:
        UnknownModel: No model has that number, or models of different shapes have.
    """
    error = 1.01e9 * 0.5 * 10.0 ** -len(billions.partition(".")[2])
    near = [
        model
        for model in models().values()
        if any(abs(total - 1e9 * float(billions)) <= error for total in _totals(model))
    ]
    same = [model for model in near if _plain(model.model_type) == _plain(architecture)]
    shapes: dict[tuple[str, float], list[Architecture]] = {}
    for model in same or near:
        # A few rows of a vocabulary more or less change no time.
        shapes.setdefault((f"{model.parameters_active:.3g}", model.kv_bytes_per_token()), []).append(model)
    if len(shapes) == 1:
        return min(next(iter(shapes.values())), key=lambda model: (len(model.name), model.name))
    several = ", ".join(sorted(alike[0].name for alike in shapes.values()))
    found = f"models of different shapes have that many: {several}" if shapes else "no model known here has that many"
    raise UnknownModel(f"{name!r} is all that was printed, and {found}; state it with --model")


def _totals(model: Architecture) -> tuple[int, int]:
    """Parameters of its files without and with the layers that predict ahead."""
    ahead = sum(part.parameters or 0 for part in model.not_counted if part.mtp_layers)
    return model.parameters_total, model.parameters_total + ahead


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]|_text$", "", word.casefold())
