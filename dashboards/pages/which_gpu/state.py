"""Choices of the page Which GPU?, and which models they mean."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import param

from dashboards.parts import engine_options
from dashboards.parts.engine_options import EngineOptions
from profiling.answers.door import Door
from profiling.answers.question import ENGINE, Question, weight_choices
from profiling.memory.engines import PROFILES
from profiling.models.format_names import kv_format

# One of each kind that people ask about: sizes from 3 B to 671 B, dense and mixtures, of several makers.
USUAL_MODELS = (
    "meta-llama/Llama-3.2-3B-Instruct", "meta-llama/Meta-Llama-3.1-8B-Instruct", "Qwen/Qwen3-14B", "Qwen/Qwen3-32B",
    "meta-llama/Llama-3.3-70B-Instruct", "mistralai/Mixtral-8x7B-Instruct-v0.1", "openai/gpt-oss-120b",
    "deepseek-ai/DeepSeek-V3",
)  # fmt: skip
USUAL_ACCELERATORS = (
    "RTX-4090", "L40S", "A100-SXM4-80GB", "H100-SXM5-80GB", "H200-SXM-141GB", "B200-SXM-180GB", "MI300X-192GB",
)  # fmt: skip
USUAL_WEIGHTS = ("bf16", "fp8", "awq-4bit-g128")
MOST_MODELS = 20
METRICS = {
    "GPUs needed": "devices", "Tokens per second": "tokens", "USD per million tokens": "usd",
    "g CO₂e per million tokens": "grams", "Largest batch": "max_batch", "USD to buy": "buy",
}  # fmt: skip


class WhichGpuState(EngineOptions):
    """Choices of the page."""

    show: Any = param.Selector(default="devices", objects=dict(METRICS), doc="What cells say first.")
    context: Any = param.Integer(default=4096, bounds=(1, 4_194_304), doc="Tokens of context of each sequence.")
    concurrency: Any = param.Integer(default=16, bounds=(1, 65_536), doc="Sequences served at once: the batch.")
    weights: Any = param.ListSelector(default=[], objects=[])
    kv: Any = param.Selector(objects=[])
    engine: Any = param.Selector(objects=[])
    family: Any = param.ListSelector(default=[], objects=[])
    size: Any = param.Range(default=(-4.0, 11.0), bounds=(-4.0, 11.0), doc="log2 of billions of parameters.")
    models: Any = param.ListSelector(default=[], objects=[])
    accelerators: Any = param.ListSelector(default=[], objects=[])
    prices: Any = param.Selector(default="on_demand", objects=["on_demand", "spot"])
    grid: Any = param.Selector(objects=[])
    cell: Any = param.String(default="", doc="Cell whose details are open: model, weights, accelerator.")

    def offer_all(self, door: Door) -> list[str]:
        """Offer every choice; notes where what was asked is none."""
        families = Counter(family(name) for name in door.model_choices("decoder"))
        labels = {f"{name} ({count})": name for name, count in sorted(families.items(), key=lambda item: -item[1])}
        notes = self.offer_with_default("family", labels, [])
        notes += self.offer_with_default("models", door.model_choices("decoder"), [])
        notes += self.offer_with_default("accelerators", list(door.devices), list(USUAL_ACCELERATORS))
        notes += self.offer_with_default("weights", weight_choices(), list(USUAL_WEIGHTS))
        notes += engine_options.offer_cache(self)
        notes += self.offer_with_default("engine", list(PROFILES), ENGINE)
        return notes + self.offer_with_default("grid", grids(door), "WLD")

    @property
    def formats(self) -> tuple[str, ...]:
        """Weight formats shown."""
        return tuple(self.weights or USUAL_WEIGHTS)

    @property
    def question(self) -> Question:
        """What every cell is asked; each has its own model, device, format and split."""
        return Question(
            model="", accelerator="", batch=self.concurrency, context=self.context, kv_bits=kv_format(self.kv),
            engine=self.engine, country=self.grid, spot=self.prices == "spot", **engine_options.chosen(self),
        )  # fmt: skip


def grids(door: Door) -> Mapping[str, str]:
    """Names and codes of the grids whose intensity CodeCarbon states."""
    rows = [row for row in door.grids if row["codecarbon_g_co2e_per_kwh"]]
    rows.sort(key=lambda row: (row["country_code"] != "WLD", row["country"]))
    return {
        f"{row['country']} · {float(row['codecarbon_g_co2e_per_kwh']):.0f} g/kWh": row["country_code"] for row in rows
    }


def family(model: str) -> str:
    """The family that a model's name begins with: `Meta-Llama-3.1-8B` is a Llama."""
    name = model.rsplit("/", maxsplit=1)[-1].removeprefix("Meta-")
    letters = re.match(r"[A-Za-z]+", name)
    return letters.group().casefold() if letters else name.casefold()


@dataclass(frozen=True, slots=True)
class Choice:
    """Models to show.

    Attributes:
        models: Their names, from the smallest.
        alike: How many others have the same shape, by model.
        beyond: How many more there would be.
    """

    models: tuple[str, ...]
    alike: Mapping[str, int]
    beyond: int


def chosen(state: WhichGpuState, door: Door) -> Choice:
    """The models named; else those of the families; else the usual ones. Always only those of the size asked for."""
    alike: dict[str, int] = {}
    if state.models:
        names = list(state.models)
    elif state.family:
        members = [name for name in door.model_choices("decoder") if family(name) in state.family]
        names, alike = _one_per_shape(members, door)
    else:
        names = list(USUAL_MODELS)
    low, high = state.size
    names = [name for name in names if 2.0**low <= door.model(name).parameters_total / 1e9 <= 2.0**high]
    names.sort(key=lambda name: (door.model(name).parameters_total, name))
    return Choice(tuple(names[:MOST_MODELS]), alike, max(len(names) - MOST_MODELS, 0))


def _one_per_shape(names: Sequence[str], door: Door) -> tuple[list[str], dict[str, int]]:
    """Tuned variants cost what their base costs, so the shortest name stands for all of one shape."""
    by_shape: dict[object, list[str]] = {}
    for name in names:
        by_shape.setdefault(door.model(name).stacks, []).append(name)
    groups = [sorted(group, key=lambda name: (len(name), name)) for group in by_shape.values()]
    return [group[0] for group in groups], {group[0]: len(group) - 1 for group in groups if len(group) > 1}
