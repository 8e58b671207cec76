"""Which of several stored formats: the widest that fits and is fast enough, looked for with as few questions as needed.

Quality is given up only for what the machine cannot do. Where an engine opens weights before a product, a narrower
format takes less memory and less time, so that what the narrowest cannot do none can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from profiling.answers.candidate import Candidate
from profiling.errors import ProfilingError, UnsupportedPrecision

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tried(Generic[T]):
    """A format whose memory is known, and what its time is asked with."""

    candidate: Candidate
    fits: bool
    inputs: T
    where: str = ""
    """What the memory is of, for reading."""


def widest(
    formats: Sequence[str | None],
    look: Callable[[str | None], Tried[T]],
    timed: Callable[[Tried[T]], Candidate | None],
    least_tokens_per_s: float,
    *,
    narrower_is_better: bool,
) -> Candidate:
    """The widest format that fits and is fast enough, else the narrowest as slow, or as too large.

    Args:
        formats: From the widest to the narrowest.
        look: Memory of one of them.
        timed: The candidate with its times; None: the device cannot compute in its format.
        least_tokens_per_s: What is fast enough, for each user.
        narrower_is_better: Whether a narrower format never takes more memory or time.

    Raises:
        UnsupportedPrecision: None of the formats can be used.
    """
    looked, ruled_out = _looked_at(formats, look, narrower_is_better=narrower_is_better)
    if not looked:
        raise UnsupportedPrecision(f"none of the formats {', '.join(map(str, formats))} can be used")
    fitting = [place for place, trial in sorted(looked.items()) if trial.fits]
    slow: Candidate | None = None
    narrowest: Candidate | None = None
    for place in _ends_first(fitting) if narrower_is_better else fitting:
        candidate = timed(looked[place])
        name, is_last = looked[place].candidate.weight_format, place == fitting[-1]
        if candidate is None:
            ruled_out[place] = f"{name}: the device cannot compute in it"
        elif candidate.rate < least_tokens_per_s:
            ruled_out[place] = f"{name} is too slow"
            slow = candidate
            if is_last:
                break
        elif is_last:
            narrowest = candidate
        else:
            return _running(candidate, ruled_out, place)
    if narrowest is not None:
        return _running(narrowest, ruled_out, fitting[-1])
    if slow is not None:
        reason = f"slower than {least_tokens_per_s:g} tokens/s in every format that fits"
        return replace(slow, verdict="slow", reason=reason)
    smallest = looked[max(looked)].candidate
    return replace(smallest, verdict="needs more memory", reason=ruled_out[max(ruled_out)] if ruled_out else "")


def _looked_at(
    formats: Sequence[str | None], look: Callable[[str | None], Tried[T]], *, narrower_is_better: bool
) -> tuple[dict[int, Tried[T]], dict[int, str]]:
    """Memory by place, and why places were ruled out; the narrowest alone where even that does not fit."""
    last = len(formats) - 1
    looked: dict[int, Tried[T]] = {}
    ruled_out: dict[int, str] = {}
    for place in [last, *range(last)] if narrower_is_better else range(len(formats)):
        try:
            looked[place] = trial = look(formats[place])
        except ProfilingError as error:
            ruled_out[place] = f"{formats[place]}: {error}"
            continue
        if trial.fits:
            continue
        candidate = trial.candidate
        need, budget = candidate.memory_gib[1], candidate.budget_gib
        ruled_out[place] = f"{candidate.weight_format} needs {need:.1f} of {budget:.1f} GiB{trial.where}"
        if place == last and narrower_is_better:
            break
    return looked, ruled_out


def _running(candidate: Candidate, ruled_out: dict[int, str], place: int) -> Candidate:
    wider = [why for at, why in sorted(ruled_out.items()) if at < place]
    return replace(candidate, verdict="runs", reason="; ".join(wider))


def _ends_first(places: list[int]) -> list[int]:
    """The widest and the narrowest before those between."""
    return [*places[:1], *places[-1:], *places[1:-1]] if len(places) > 1 else places
