"""What an engine makes of the kernels of a pass: likely time, the interval that holds 80 %, and on what that rests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.effects import ANSWERING_S, LOADED_EFFECTS, setting_of
from profiling.engines.fit import Parameters, exponent, factors
from profiling.engines.table import Engine, device_class
from profiling.reference_files import FOLDER
from profiling.roofline.workload import Precision

Array = npt.NDArray[np.float64]
FILE = FOLDER / "engines.json"
COMMAND = "skyline accuracy FILE… --fit profiling/reference/engines.json"
PER_TOKEN, FIRST_TOKEN = "time per token under load", "first token under load"
"""Stages that tell of the steps of serving, and of what comes before a first token."""
ENOUGH_OWN_ROWS = 8
"""Measured passes of an engine on a device from which on it counts as measured."""
_ENOUGH_UNITS = 3
"""Devices, or models, below which an answer says that its interval rests on few."""
_WIDEST = (0.3, 4.0)
_UNMEASURED_SHARE = 0.7


def power_groups(device: Accelerator, metered: str) -> tuple[str, ...]:
    """Groups that a device shares its draw of power with, the widest first; the last is its own."""
    kind = device_class(device)
    return (metered, f"{metered}|{kind}", f"{metered}|{kind}|{device.name}")


def power_share_of(fitted: Mapping[str, Any], device: Accelerator, metered: str) -> float:
    """Share of the stated power drawn under load, of the narrowest group that was metered."""
    share = float(fitted.get("all", _UNMEASURED_SHARE))
    for group in power_groups(device, metered):
        share = float(fitted.get(group, share))
    return share


@dataclass(frozen=True, slots=True)
class Residuals:
    """Measured over predicted times of rows that were left out of the fit."""

    rows: int
    devices: int
    models: int
    mdape_pct: float
    low: float
    """Tenth percentile of measured over predicted."""
    high: float
    """Ninetieth percentile."""
    inside_pct: float | None = None
    """Share of the rows that lie in the interval which the rows of the other folds alone give; None: they give none."""
    shipped_pct: float | None = None
    """Share of them in the interval that ships, which rests on these rows too, though no time was fitted to them."""
    by_unit_pct: float | None = None
    """As `inside_pct`, with every device (or model) counting once however many rows it has."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a predicted time rests on."""

    engine: str
    stage: str
    scope: str
    """`device`: measured rows of this engine on this device, tested on models left out; `class`: rows of the engine on
    other devices, tested on devices left out; `all engines`: the engine has too few rows of its own."""
    device_class: str
    own_rows: int
    """Measured rows of this engine on this device, at any stage."""
    class_rows: int
    """Measured rows of this engine on devices of the class."""
    held_out: Residuals
    median_month: str = ""
    """When the middle one of these rows was measured: engines get faster, and no older row knows of it."""

    def __str__(self) -> str:
        """One line."""
        since = f", median {self.median_month}" if self.median_month else ""
        where = {
            "device": f"{self.own_rows:,} rows of {self.engine} on this device{since}",
            "class": f"{self.class_rows:,} rows of {self.engine} on other devices of its class "
            f"({self.device_class}{since})"
            if self.class_rows
            else f"rows of {self.engine} on devices of other classes: none is known of its own ({self.device_class})",
            "all engines": f"rows of all engines; {self.engine} on a {self.device_class} device has too few",
        }[self.scope]
        error = self.held_out
        units, word = (error.models, "model") if self.scope == "device" else (error.devices, "device")
        of = "" if not units else f" of one {word}" if units == 1 else f" of {units} {word}s"
        few = f": so few {word}s that the interval is wider" if 0 < units < _ENOUGH_UNITS else ""
        return f"{where}; held-out error {error.mdape_pct:.0f} % ({error.rows:,} rows{of}{few})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a first token under load waits for beside the engine's steps, priced as those between tokens."""

    answering_s: float
    """Outside of the steps."""
    steps: float
    """Until a new request is looked at."""
    prompts: float
    """Others' prompts, over the time in which they are read."""
    factor: float
    """First tokens over the sum of all that they wait for."""
    high: float
    """The same at the slow end of the interval, where steps are as slow as theirs."""


@dataclass(frozen=True)
class EngineTimes:
    """Fitted effects of engines with their held-out errors."""

    effects: Parameters
    errors: Mapping[str, Residuals]
    """By `stage|scope|` for all engines, `stage|scope|engine`, and `stage|device|engine|class` with models left out."""
    measured: Mapping[str, int]
    """Rows by `engine|device`."""
    classes: Mapping[str, int]
    """Rows by `engine|class`."""
    median_months: Mapping[str, str] = field(default_factory=dict)
    """When the middle row was measured, by `engine|device` and `engine|class`."""
    source: str = ""
    energy: Mapping[str, Any] = field(default_factory=dict)
    """Share of the stated power drawn under load, by `metered|class|device`, `metered|class`, `metered` and for all."""

    def __post_init__(self) -> None:
        """Remember the factors of settings: grids ask for the same again and again."""
        object.__setattr__(self, "_factors", lru_cache(4096)(self._factors_of))
        object.__setattr__(self, "_waits", lru_cache(4096)(self._waiting_of))

    def factors(
        self, engine: Engine, device: Accelerator, precision: Precision, attention: str = "flash",
        stage: str = "decode",
    ) -> Array:  # fmt: skip
        """What each of `parts.PARTS` is multiplied by."""
        return self._factors(engine, _Hashed(device), precision, attention, stage)  # type: ignore[attr-defined, no-any-return]

    def _factors_of(
        self, engine: Engine, device: _Hashed, precision: Precision, attention: str, stage: str
    ) -> Array:  # fmt: skip
        return factors(self.effects, setting_of(engine, device.device, precision, attention, stage))

    def waiting(
        self, engine: Engine, device: Accelerator, precision: Precision, attention: str, arrival: str,
        *, groups: bool = False,
    ) -> Waiting:  # fmt: skip
        """What the first tokens of requests that arrive so wait for beside the engine's steps."""
        return self._waits(engine, _Hashed(device), precision, attention, arrival, groups)  # type: ignore[attr-defined, no-any-return]

    def _waiting_of(
        self, engine: Engine, device: _Hashed, precision: Precision, attention: str, arrival: str, groups: bool
    ) -> Waiting:  # fmt: skip
        def effect(part: str, stage: str) -> float:
            word = stage.split(" ", maxsplit=1)[0]
            setting = setting_of(engine, device.device, precision, attention, word, arrival, groups=groups)
            return exp(exponent(self.effects, LOADED_EFFECTS, part, setting))

        first, token = (self.basis(engine, device.device, (stage,)).held_out for stage in (FIRST_TOKEN, PER_TOKEN))
        factor = effect("whole", FIRST_TOKEN) / effect("whole", PER_TOKEN)
        return Waiting(
            answering_s=ANSWERING_S * effect("answering", FIRST_TOKEN), steps=effect("steps", FIRST_TOKEN),
            prompts=effect("prompts_before", FIRST_TOKEN), factor=factor, high=factor * first.high / token.high,
        )  # fmt: skip

    def basis(self, engine: Engine, device: Accelerator, stages: Sequence[str]) -> Basis:
        """On what a time rests.

        Args:
            engine: The engine.
            device: The device.
            stages: Stages of `profiling.accuracy.cases.STAGES` that say how far such times are off, the best first:
                the first that the engine has rows of counts.
        """
        kind = device_class(device)
        own = self.measured.get(f"{engine.name}|{device.name}", 0)
        scope = "device" if own >= ENOUGH_OWN_ROWS else "class"
        of_class = self.classes.get(f"{engine.name}|{kind}", 0)
        month = self.median_months.get(f"{engine.name}|{device.name if scope == 'device' else kind}", "")
        for stage in stages:
            of_engine = f"{stage}|{scope}|{engine.name}"
            error = self.errors.get(f"{of_engine}|{kind}") or self.errors.get(of_engine)
            if error is not None:
                return Basis(engine.name, stage, scope, kind, own, of_class, error, month)
        of_all = next((self.errors[name] for stage in stages if (name := f"{stage}|class|") in self.errors), None)
        held_out = of_all or Residuals(0, 0, 0, float("nan"), *_WIDEST)
        return Basis(engine.name, stages[0], "all engines", kind, own, of_class, held_out)

    def power_share(self, device: Accelerator, metered: str = "device") -> float:
        """Share of its stated power that a device draws under load: its own, else of its class, else of all devices.

        Args:
            device: The device.
            metered: What the power is of: the `device` alone, or the whole `machine` at the wall.
        """
        return power_share_of(self.energy, device, metered)

    def to_json(self) -> str:
        """The content of the file that ships."""
        document = {
            "made_by": COMMAND,
            "source": self.source,
            "measured": self.measured,
            "classes": self.classes,
            "median_months": self.median_months,
            "errors": {name: _rounded(vars_of(each)) for name, each in self.errors.items()},
            "energy": self.energy,
            "effects": _rounded(self.effects),
        }
        lines = [f" {json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in document.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> EngineTimes:
        """The inverse of `to_json`."""
        document = json.loads(text)
        return cls(
            effects=document["effects"],
            errors={name: Residuals(**row) for name, row in document["errors"].items()},
            measured=document["measured"], classes=document["classes"], median_months=document["median_months"],
            source=document["source"], energy=document["energy"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Hashed:
    """A device, told apart by its name and figures that effects depend on."""

    device: Accelerator

    @property
    def key(self) -> tuple[object, ...]:
        return (self.device.name, self.device.kind, self.device.vendor, tuple(sorted(self.device.peaks.items())))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and self.key == other.key


def vars_of(residuals: Residuals) -> dict[str, Any]:
    """The fields by name."""
    return {name: getattr(residuals, name) for name in Residuals.__slots__}


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: item for key, each in value.items() if (item := _rounded(each)) not in ({}, 0.0) or key == "rows"}
    return round(value, 4) if isinstance(value, float) else value


@cache
def shipped_times() -> EngineTimes:
    """The fitted effects that ship."""
    return EngineTimes.from_json(FILE.read_text("utf-8"))
