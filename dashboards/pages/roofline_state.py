"""Choices of the roofline page: two configurations, of which the second is asked only in a comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import param

from dashboards import performance
from dashboards.performance import AS_FORMAT, Configuration
from dashboards.state import UrlState
from profiling.accelerators import table as accelerators
from profiling.memory import ENGINES
from profiling.workload import legal_tensor_ways

FIRST, SECOND = "", "b_"
MODEL, ACCELERATOR = "meta-llama/Meta-Llama-3.1-8B", "H200-SXM-141GB"
_DECODER_STAGES = ("decode", "prefill", "generate")
_MOST_DEVICES = 64
NAMES = {
    "model": "model", "accelerator": "accelerator", "stage": "stage", "batch": "batch", "context": "context",
    "generated": "generated", "weights": "weights", "activations": "activations", "kv": "kv_bits",
    "attention": "attention", "tp": "tensor", "pp": "pipeline", "engine": "engine",
}  # fmt: skip
"""Names in the address, and what they are of a `Configuration`."""
_WHOLE = ("tp", "pp")


class RooflineState(UrlState):
    """Choices of the roofline page; names that begin with `b_` are of the second configuration."""

    model: Any = param.Selector(objects=[])
    accelerator: Any = param.Selector(objects=[])
    stage: Any = param.Selector(objects=[])
    batch: Any = param.Integer(default=8, bounds=(1, 65_536), doc="Sequences in flight.")
    context: Any = param.Integer(default=2048, bounds=(1, 4_194_304), doc="Tokens of context.")
    generated: Any = param.Integer(default=256, bounds=(1, 262_144), doc="Tokens made, of a whole generation.")
    weights: Any = param.Selector(objects=[])
    activations: Any = param.Selector(objects=[])
    kv: Any = param.Selector(objects=[])
    attention: Any = param.Selector(default="flash", objects=["flash", "naive"])
    tp: Any = param.Selector(objects=[])
    pp: Any = param.Selector(objects=[])
    engine: Any = param.Selector(objects=[])
    b_model: Any = param.Selector(objects=[])
    b_accelerator: Any = param.Selector(objects=[])
    b_stage: Any = param.Selector(objects=[])
    b_batch: Any = param.Integer(default=8, bounds=(1, 65_536))
    b_context: Any = param.Integer(default=2048, bounds=(1, 4_194_304))
    b_generated: Any = param.Integer(default=256, bounds=(1, 262_144))
    b_weights: Any = param.Selector(objects=[])
    b_activations: Any = param.Selector(objects=[])
    b_kv: Any = param.Selector(objects=[])
    b_attention: Any = param.Selector(default="flash", objects=["flash", "naive"])
    b_tp: Any = param.Selector(objects=[])
    b_pp: Any = param.Selector(objects=[])
    b_engine: Any = param.Selector(objects=[])
    compare: Any = param.Boolean(default=False, doc="Whether the second configuration is shown.")
    sized_by: Any = param.Selector(default="time", objects=["time", "bytes"], doc="Nodes of the graph.")

    def configuration(self, prefix: str) -> Configuration:
        """The configuration chosen under that prefix."""
        values = {field: getattr(self, prefix + name) for name, field in NAMES.items()}
        return Configuration(**values | {NAMES[name]: int(values[NAMES[name]]) for name in _WHOLE})

    def change(self, prefix: str, changes: dict[str, Any]) -> None:
        """Set fields of a configuration at once."""
        names = {field: name for name, field in NAMES.items()}
        values = {names[field]: value for field, value in changes.items()}
        self.param.update(**{prefix + name: str(value) if name in _WHOLE else value for name, value in values.items()})

    def is_untouched(self, prefix: str) -> bool:
        """Whether nothing of a configuration differs from the defaults."""
        return all(getattr(self, prefix + name) == self._default(prefix + name) for name in NAMES)

    def offer_all(self, prefix: str) -> list[str]:
        """Offer every choice of a configuration; notes where what was asked is none."""
        notes = self._offer(prefix + "model", performance.model_choices(), MODEL)
        notes += self._offer(prefix + "accelerator", list(accelerators()), ACCELERATOR)
        notes += self._offer(prefix + "weights", performance.weight_choices(), "bf16")
        bits = {f"{bits} bits": str(bits) for bits in (16, 8, 4, 32)}
        notes += self._offer(prefix + "activations", {"as the weight format": AS_FORMAT, **bits}, AS_FORMAT)
        notes += self._offer(prefix + "kv", {f"{bits} bits": str(bits) for bits in (16, 8, 4)}, "16")
        notes += self._offer(prefix + "engine", list(ENGINES), "vllm-v1")
        return notes + self.follow_model(prefix)

    def follow_model(self, prefix: str) -> list[str]:
        """Offer what the chosen model allows: its stages and splits."""
        model = performance.models()[getattr(self, prefix + "model")]
        encoder = model.kind == "encoder"
        stages = {label: stage for label, stage in performance.STAGES.items() if (stage in _DECODER_STAGES) != encoder}
        notes = self._offer(prefix + "stage", stages, next(iter(stages.values())))
        ways = [str(tensor) for tensor in legal_tensor_ways(model, _MOST_DEVICES)]
        notes += [f"{note} {_short(model.name)} can be split {', '.join(ways)} ways."
                  for note in self._offer(prefix + "tp", ways, "1")]  # fmt: skip
        depth = model.main.depth
        stages_of_pipeline = [str(count) for count in (1, 2, 3, 4, 6, 8, 12, 16) if count <= depth]
        return notes + self._offer(prefix + "pp", stages_of_pipeline, "1")

    def _offer(self, name: str, options: Mapping[str, str] | Sequence[str], default: str) -> list[str]:
        self.remember_default(name, default)
        return self.offer(name, options, default)


def _short(model: str) -> str:
    return model.rsplit("/", maxsplit=1)[-1]
