"""The ways a question to the performance model can be wrong, each with a message that says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache


class ProfilingError(ValueError):
    """A question that has no answer as it was asked; the message names the nearest valid choice."""


class UnsupportedModelType(ProfilingError):
    """A `config.json` of a family whose operators are not known here."""


class InvalidConfig(ProfilingError):
    """A model description that lacks a field, or holds one that cannot be."""


class UnknownModel(ProfilingError):
    """A model that is neither in the catalogue nor a path."""


class UnknownAccelerator(ProfilingError):
    """An accelerator that is not in the table."""


class InvalidAccelerator(ProfilingError):
    """An accelerator whose figures contradict each other: sparse peaks, binary units, negative values."""


class UnsupportedPrecision(ProfilingError):
    """A number format that the accelerator does not compute in, or that does not exist."""


class IllegalParallelism(ProfilingError):
    """A split of the model that its shapes do not allow."""


class InvalidWorkload(ProfilingError):
    """Batch, lengths or options that cannot be."""


class DoesNotFit(ProfilingError):
    """A configuration that needs more memory than the accelerators have."""


def nearest(name: str, choices: Iterable[str], count: int = 3) -> str:
    """The choices spelled most like `name`, as text for a message; upper and lower case are one."""
    return _nearest(name.casefold(), tuple(choices), count)


@lru_cache(maxsize=4096)  # spellings are compared letter by letter, and the same few names are unknown every time
def _nearest(folded: str, choices: tuple[str, ...], count: int) -> str:
    by_folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(folded, by_folded, n=count, cutoff=0.4)
    close += [name for name in by_folded if folded in name and name not in close]
    return ", ".join(by_folded[match] for match in close[:count])
