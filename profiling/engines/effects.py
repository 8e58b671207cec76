"""How the parts of a pass depend on engine and device: which factors there are, and how far each may lie from none.

The time of a pass is the sum of its parts, each times e^(sum of its effects). An effect has one value per group (an
engine, a class of devices, an engine on one device, …), drawn towards none by its spread: what few measurements say
moves it little, and a device nobody measured has the effects of its engine and its class alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import Engine, device_class, issues_in_turn, product_rate, vector_rate
from profiling.errors import UnsupportedPrecision
from profiling.models.architecture import Architecture, fact_of
from profiling.models.steps import AttentionCore
from profiling.roofline.workload import Precision


@dataclass(frozen=True, slots=True)
class Effect:
    """One factor: the names whose values make a group, and its spread as a standard deviation of the logarithm."""

    levels: tuple[str, ...]
    spread: float
    shared: str = ""
    """Parts with the same word here share the values of this effect."""
    covariate: str = ""
    """Name of the number that the value is a slope of; without it the value itself counts."""

    @property
    def group(self) -> str:
        """Name of the effect within its owner."""
        return "×".join(self.levels) + (f"·{self.covariate}" if self.covariate else "")


def _shared(word: str, engine: float, device_class_: float, both: float, device: float) -> tuple[Effect, ...]:
    return (
        Effect(("engine",), engine, word),
        Effect(("class",), device_class_, word),
        Effect(("engine", "class"), both, word),
        Effect(("engine", "device"), device, word),
    )


_COMPUTE = _shared("compute", 0.35, 0.25, 0.2, 0.5)
_MEMORY = (
    *_shared("memory", 0.06, 0.04, 0.03, 0.1), Effect(("memory",), 0.2, "memory"),
    Effect((), 0.3, "memory", covariate="strain"),
)  # fmt: skip
_ENGINE, _ON_DEVICE, _OF_FORMAT = ("engine",), ("engine", "device"), ("engine", "format")
_RATIO = Effect(("family",), 0.3, covariate="vector_share")
_AMDVLK = Effect((), 0.8, covariate="amdvlk")
_ROCBLAS = Effect(_OF_FORMAT, 0.8, "products by rocBLAS", covariate="rocblas")

EFFECTS: Mapping[str, tuple[Effect, ...]] = {
    "product_compute": (
        Effect((), 0.3), Effect(_OF_FORMAT, 0.25), Effect(_ENGINE, 0.15), _RATIO, _ROCBLAS, *_COMPUTE,
    ),
    "product_memory": (Effect((), 0.1), Effect(_OF_FORMAT, 0.08), *_MEMORY),
    "expert_compute": (
        Effect((), 0.3), Effect(_OF_FORMAT, 0.2), Effect(_ENGINE, 0.25), _RATIO, _ROCBLAS, *_COMPUTE,
    ),
    "expert_memory": (
        Effect((), 0.2), Effect(_ENGINE, 0.15), Effect(_ON_DEVICE, 0.1), Effect(_OF_FORMAT, 0.1), *_MEMORY,
    ),
    "prefill_attention": (
        Effect((), 0.3), Effect(("engine", "attention"), 0.4), Effect(_ENGINE, 0.3), Effect(("class",), 0.2),
        Effect(_ON_DEVICE, 0.4), _AMDVLK,
    ),
    "decode_attention": (
        Effect((), 0.3), Effect(("engine", "attention"), 0.3), Effect(_ENGINE, 0.3), Effect(_ON_DEVICE, 0.3), _AMDVLK,
    ),
    "other": (
        Effect((), 0.1), Effect(("family",), 0.2), Effect(("engine", "attention"), 0.2), Effect(_ENGINE, 0.2),
        Effect(_ON_DEVICE, 0.1),
    ),
    "unpacking": (
        Effect((), 0.3), Effect(_ENGINE, 0.5), Effect(_OF_FORMAT, 0.4), Effect(("class",), 0.1),
        Effect(_ENGINE, 0.4, covariate="in_turn"),
    ),
    "expert_padding": (Effect((), 0.5), Effect(_ENGINE, 0.3), Effect(_ON_DEVICE, 0.15), *_COMPUTE),
    "communication": (
        Effect((), 0.3), Effect(_ENGINE, 0.3), Effect(("engine", "class"), 0.3), Effect(_ON_DEVICE, 0.2),
    ),
    "launches": (
        Effect((), 0.25), Effect(_ENGINE, 0.3), Effect(_ON_DEVICE, 0.8),
        Effect(("class",), 0.8, covariate="on_small_host"), Effect(("class",), 0.4, covariate="python_host"),
    ),
    "eager_launches": (
        Effect((), 0.5), Effect(_ENGINE, 0.8), Effect(_ON_DEVICE, 0.3), Effect(("attention",), 0.4),
        Effect(("engine", "attention"), 0.4),
    ),
    "mixture_layers": (Effect((), 0.3), Effect(_ENGINE, 0.3), Effect(_ON_DEVICE, 0.2)),
    "passes": (Effect((), 0.3), Effect(_ENGINE, 0.8)),
    "sequences": (Effect((), 0.4), Effect(_ENGINE, 0.8)),
    "collectives": (Effect((), 0.3), Effect(_ENGINE, 0.4), Effect(("engine", "class"), 0.3)),
    "whole": (
        Effect(("engine", "stage"), 0.05), Effect(("engine", "stage"), 0.15, covariate="years"),
        Effect(("engine", "device", "stage"), 0.08),
    ),
}  # fmt: skip
"""Effects of every part, in the order of `parts.PARTS`, and under `whole` of the sum of all."""

_ARRIVAL, _GROUPS = ("engine", "arrival"), ("attention groups",)
ANSWERING_S = 0.005
"""Time of a request outside of the engine's steps, before its effects."""
WAITING_EFFECTS: Mapping[str, tuple[Effect, ...]] = {
    "answering": (Effect((), 0.5), Effect(_ENGINE, 0.5)),
    "steps": (Effect((), 0.3), Effect(_ARRIVAL, 0.4), Effect(_ON_DEVICE, 0.3), Effect(_GROUPS, 0.5)),
    "prompts_before": (Effect((), 0.2), Effect(_ARRIVAL, 0.2), Effect(_ON_DEVICE, 1.0), Effect(_GROUPS, 0.5)),
    "queue": (Effect((), 0.5), Effect(("arrival",), 0.5)),
}
"""Effects of what the first token of a request under load waits for beside the step that reads its prompt."""
_TUNED = Effect((), 0.4, covariate="tuned")
LOADED_EFFECTS: Mapping[str, tuple[Effect, ...]] = {
    **{part: (*effects, _TUNED) for part, effects in {**EFFECTS, **WAITING_EFFECTS}.items() if part != "whole"},
    "whole": EFFECTS["whole"],
}
"""Effects of all that measured times are made of: first tokens tell of passes too."""


_FORMATS = ((16, "16 bits"), (7, "8 bits"), (3.7, "4 bits"), (3.3, "3 bits"), (0, "2 bits"))
"""Least bits per weight of the formats that share effects: those of three (Q3_K) are put together of two bits and a
mask of third ones, those of fewer are mostly looked up in tables."""


@fact_of
def attention_of(model: Architecture, kernel: str) -> str:
    """What effects on attention depend on: the kernel, or what a kernel of its own is needed for.

    `chosen` where it attends entries that others chose or made: engines without a kernel for it fall far behind.
    `latent` where keys and values are rebuilt from one small entry (MLA), and a fast kernel runs.
    """
    steps = (step for stack in model.stacks for layer in stack.layers for step in layer.steps)
    cores = [step for step in steps if isinstance(step, AttentionCore)]
    if any(core.chosen or core.tokens_per_entry > 1 for core in cores):
        return "chosen"
    return "latent" if kernel == "flash" and any(core.latent_width for core in cores) else kernel


@dataclass(frozen=True, slots=True)
class Setting:
    """What the effects of one configuration depend on."""

    labels: Mapping[str, str]
    vector_share: float
    """Logarithm of vector rate over product rate, less that of a common card (a tenth)."""
    strain: float = 0.0
    """Tenths of a byte of bandwidth per operation of the vector units: see `strain_of`."""
    rocblas: float = 0.0
    """1 where hipBLASLt is switched off, so that rocBLAS multiplies by kernels of its own; 0 as it is by default."""

    years: float = 0.0
    """Years after the beginning of 2026 in which a first token was timed: what servers do before one gets faster. 0
    where no date is stated, and of all else."""
    on_small_host: float = 0.0
    """1 where a Raspberry Pi launches the kernels of a card, over a lane of PCIe; 0 in ordinary machines."""
    tuned: float = 0.0
    """1 where a submitter to MLPerf had tuned TensorRT-LLM to one model, device and load; 0 as others run it."""
    amdvlk: float = 0.0
    """1 where AMD's own driver, since given up, compiles the shaders of Vulkan; 0 with Mesa's RADV and elsewhere."""
    python_host: float = 0.0
    """1 where Python schedules steps and launches their kernels, so that the processor beside the card tells."""
    in_turn: float = 0.0
    """1 where vector units shift and mask numbers in turn with what they multiply; 0 where they do both at once."""

    def group_of(self, effect: Effect) -> str:
        """The group of an effect that this setting belongs to."""
        return "|".join(self.labels[level] for level in effect.levels)

    def weight_of(self, effect: Effect) -> float:
        """What the effect's value is multiplied by."""
        return float(getattr(self, effect.covariate)) if effect.covariate else 1.0


def setting_of(
    engine: Engine, device: Accelerator, precision: Precision, attention: str, stage: str, arrival: str = "steady",
    rocblas: bool = False, *, groups: bool = False,
) -> Setting:  # fmt: skip
    """The setting of a single configuration.

    `stage` is the first word of what is timed, such as decode; `arrival` says how requests come: `steady` where a
    fixed number is in flight, `random` where they come by themselves; `rocblas`, that hipBLASLt is switched off;
    `groups`, that attention is data parallel, where requests wait in the queue of one group while others are idle.
    """
    bits = float(np.max(precision.number_bits("feed_forward")))
    try:
        product = device.format_for(float(np.max(precision.product_bits)))
        rate = product_rate(engine, device, product, bits)
    except UnsupportedPrecision:
        rate = max(device.peaks.values())
    labels = {
        "memory": device.memory_kind or "unknown",
        "engine": engine.name,
        "family": engine.family,
        "device": device.name,
        "class": device_class(device),
        "format": next(name for least, name in _FORMATS if bits >= least),
        "attention": attention,
        "stage": stage,
        "arrival": arrival,
        "attention groups": "several" if groups else "one",
    }
    return Setting(
        labels, float(np.log(vector_rate(device) / rate) + np.log(10)), strain_of(device), float(rocblas),
        in_turn=float(issues_in_turn(device)), python_host=float(engine.eager_launch_s > 0),
    )  # fmt: skip


def strain_of(device: Accelerator) -> float:
    """Bandwidth over the rate of the vector units, in tenths of a byte per operation, at most 2; 0 of processors.

    Loads in flight saturate the memory (Little's law), and how many there can be grows with the units that wait for
    them: cards of much bandwidth for their units (A100, H20, M1 Ultra) reach a smaller share of it.
    """
    return 0.0 if device.kind == "cpu" else min(2.0, 10 * device.bandwidth_bytes_per_s / vector_rate(device))
