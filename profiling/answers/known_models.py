"""Models of the catalogue that can be asked about, made once a process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from profiling.models.load import load
from profiling.models.sources import catalogue, same_shapes


def architecture(name: str) -> Architecture:
    """The architecture of a model of the catalogue, or of one with the shapes of such a model.

    Raises:
        UnsupportedModelType: The operators of its family are not known.
    """
    return load(name)


@cache
def models() -> Mapping[str, Architecture]:
    """Architectures of the catalogue whose operators are known, by name (see `left_out`)."""
    by_name = {}
    for name in catalogue():
        try:
            by_name[name] = architecture(name)
        except ProfilingError:
            continue
    return by_name


def left_out() -> list[str]:
    """Models of the catalogue that cannot be timed, because the operators of their family are not known."""
    return [name for name in catalogue() if name not in models()]


def model_choices(kind: str | None = None) -> list[str]:
    """Models that can be asked about, those with the shapes of another among them, in alphabetical order."""
    alike = {name: models()[base] for name, (base, _) in same_shapes().items() if base in models()}
    by_name = {**alike, **models()}
    return sorted((name for name, model in by_name.items() if kind in (None, model.kind)), key=str.casefold)
