"""A quantity is a value or the reason why there is none; never zero for unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Reading:
    """One quantity at one moment."""

    value: float | int | str | None
    why: str | None = None
    """Why there is no value."""


class Source(Protocol):
    """A device that can be read."""

    def sample(self) -> Mapping[str, Reading]:
        """Every quantity now."""


def flat(readings: Mapping[str, Reading]) -> dict[str, Any]:
    """Values by name, and under `NAME_why` the reasons of those that have none."""
    row: dict[str, Any] = {}
    for name, reading in readings.items():
        row[name] = reading.value
        if reading.value is None:
            row[f"{name}_why"] = reading.why or "unknown"
    return row


@dataclass(frozen=True)
class EnergyWindow:
    """Energy used over a window, by a counter that only grows."""

    joules: float | None
    why: str | None
    window_s: float
    method: str | None


def energy_between(
    before: Reading, after: Reading, window_s: float, method: str, wraps_at: float | None = None
) -> EnergyWindow:
    """Energy from two readings of a counter in joules.

    A counter that did not move says that the window was shorter than its update, not that nothing was used; one that
    went back was reset, unless it wraps.
    """
    if before.value is None or after.value is None:
        return EnergyWindow(None, before.why or after.why, window_s, None)
    used = float(after.value) - float(before.value)
    if used < 0 and wraps_at is not None:
        used += wraps_at
    if used < 0:
        return EnergyWindow(None, "the counter was reset within the window", window_s, None)
    if used == 0:
        return EnergyWindow(None, "the window is shorter than the counter's update", window_s, None)
    return EnergyWindow(used, None, window_s, method)


def attempt(read: Callable[[], float | int | str], explain: Callable[[Exception], str | None]) -> Reading:
    """Read, or say why that failed; errors that `explain` does not know are raised."""
    try:
        return Reading(read())
    except Exception as error:
        why = explain(error)
        if why is None:
            raise
        return Reading(None, why)
