"""Choices of the roofline page: two configurations, of which the second is asked only in a comparison."""

from typing import Any
from urllib.parse import urlencode

import param

from dashboards.parts import engine_options
from dashboards.parts.engine_options import MOST_BATCHED_TOKENS, EngineOptions
from dashboards.parts.formats import without_account
from profiling.answers.door import Door
from profiling.answers.question import AS_PUBLISHED, Question, weight_choice, weight_choices
from profiling.answers.sweep import AXES
from profiling.memory.engines import PROFILES
from profiling.models.format_names import kv_format
from profiling.roofline.workload import legal_tensor_ways

FIRST, SECOND = "", "b_"
MODEL, ACCELERATOR = "meta-llama/Meta-Llama-3.1-8B", "H200-SXM-141GB"
_DECODER_STAGES = ("decode", "prefill", "generate")
_MOST_DEVICES = 64
NAMES = {
    "model": "model", "accelerator": "accelerator", "stage": "stage", "batch": "batch", "context": "context",
    "generated": "generated", "weights": "weight_format", "activations": "activation_bits", "kv": "kv_bits",
    "attention": "attention", "tp": "tensor", "pp": "pipeline", "engine": "engine", "prefix": "prefix",
    "chunk": "chunk",
    "draft": "draft", "drafts": "draft_model", "acceptance": "acceptance", "pruning": "pruning",
    "image_tokens": "image_tokens", "audio_tokens": "audio_tokens", **{name: name for name in engine_options.NAMES},
}  # fmt: skip
"""Names in the address, and what they are of a `Question`."""
AS_FORMAT, AS_USUAL = "auto", "usual"
STAGES = {
    "Decode (one step)": "decode", "Prefill": "prefill", "Generation": "generate", "Encoder pass": "encode",
}  # fmt: skip
_DEFAULTS = Question(model=MODEL, accelerator=ACCELERATOR)


class RooflineState(EngineOptions):
    """Choices of the roofline page; names that begin with `b_` are of the second configuration."""

    model: Any = param.Selector(objects=[])
    accelerator: Any = param.Selector(objects=[])
    stage: Any = param.Selector(objects=[])
    batch: Any = param.Integer(default=_DEFAULTS.batch, bounds=(1, 65_536), doc="Sequences in flight.")
    context: Any = param.Integer(default=_DEFAULTS.context, bounds=(1, 4_194_304), doc="Tokens of context.")
    generated: Any = param.Integer(
        default=_DEFAULTS.generated, bounds=(1, 262_144), doc="Tokens made, of a generation."
    )
    weights: Any = param.Selector(objects=[])
    activations: Any = param.Selector(objects=[])
    kv: Any = param.Selector(objects=[])
    attention: Any = param.Selector(default="flash", objects=["flash", "naive"])
    tp: Any = param.Selector(objects=[])
    pp: Any = param.Selector(objects=[])
    engine: Any = param.Selector(objects=[])
    prefix: Any = param.Integer(default=0, bounds=(0, 4_194_303), doc="Tokens of the prompt that are cached.")
    chunk: Any = param.Integer(default=0, bounds=(0, 4_194_304), doc="Prompt tokens of one pass; 0: the engine's.")
    draft: Any = param.Integer(default=0, bounds=(0, 64), doc="Tokens proposed per step.")
    drafts: Any = param.String(default="", doc="Model that proposes them, or mtp; empty: not named.")
    acceptance: Any = param.Number(default=0.0, bounds=(0.0, 1.0), doc="Probability of acceptance; 0: the usual value.")
    pruning: Any = param.String(default="", doc="2:4, unstructured-50% or structured-30%; empty: none.")
    image_tokens: Any = param.Integer(default=0, bounds=(0, 4_194_304), doc="Tokens of images beside the prompt.")
    audio_tokens: Any = param.Integer(default=0, bounds=(0, 4_194_304), doc="Tokens of sound beside the prompt.")
    b_model: Any = param.Selector(objects=[])
    b_accelerator: Any = param.Selector(objects=[])
    b_stage: Any = param.Selector(objects=[])
    b_batch: Any = param.Integer(default=_DEFAULTS.batch, bounds=(1, 65_536))
    b_context: Any = param.Integer(default=_DEFAULTS.context, bounds=(1, 4_194_304))
    b_generated: Any = param.Integer(default=_DEFAULTS.generated, bounds=(1, 262_144))
    b_weights: Any = param.Selector(objects=[])
    b_activations: Any = param.Selector(objects=[])
    b_kv: Any = param.Selector(objects=[])
    b_attention: Any = param.Selector(default="flash", objects=["flash", "naive"])
    b_tp: Any = param.Selector(objects=[])
    b_pp: Any = param.Selector(objects=[])
    b_engine: Any = param.Selector(objects=[])
    b_prefix: Any = param.Integer(default=0, bounds=(0, 4_194_303), doc="Tokens of the prompt that are cached.")
    b_chunk: Any = param.Integer(default=0, bounds=(0, 4_194_304), doc="Prompt tokens of one pass; 0: the engine's.")
    b_draft: Any = param.Integer(default=0, bounds=(0, 64), doc="Tokens proposed per step.")
    b_drafts: Any = param.String(default="", doc="Model that proposes them, or mtp; empty: not named.")
    b_acceptance: Any = param.Number(
        default=0.0, bounds=(0.0, 1.0), doc="Probability of acceptance; 0: the usual value."
    )
    b_pruning: Any = param.String(default="", doc="2:4, unstructured-50% or structured-30%; empty: none.")
    b_image_tokens: Any = param.Integer(default=0, bounds=(0, 4_194_304), doc="Tokens of images beside the prompt.")
    b_audio_tokens: Any = param.Integer(default=0, bounds=(0, 4_194_304), doc="Tokens of sound beside the prompt.")
    b_gpu_memory_utilization: Any = param.Number(default=0.0, bounds=(0.0, 1.0))
    b_batched_tokens: Any = param.Integer(default=0, bounds=(0, MOST_BATCHED_TOKENS))
    b_eager: Any = param.Boolean(default=False)
    compare: Any = param.Boolean(default=False, doc="Whether the second configuration is shown.")
    changes: Any = param.Boolean(default=False, doc="Whether advice and sweeps are shown.")
    swept: Any = param.Selector(default="batch", objects=list(AXES), doc="What is changed in the sweep.")
    sized_by: Any = param.Selector(default="time", objects=["time", "bytes"], doc="Nodes of the graph.")

    def question(self, prefix: str) -> Question:
        """The configuration chosen under that prefix."""
        values: dict[str, Any] = {field: getattr(self, prefix + name) for name, field in NAMES.items()}
        values["tensor"], values["pipeline"] = int(values["tensor"]), int(values["pipeline"])
        values["kv_bits"] = kv_format(values["kv_bits"])
        activations = values["activation_bits"]
        values["engine"] = None if values["engine"] == AS_USUAL else values["engine"]
        values["activation_bits"] = None if activations == AS_FORMAT else float(activations)
        for field in ("chunk", "draft_model", "acceptance", "pruning"):
            values[field] = values[field] or None
        values |= engine_options.chosen(self, prefix)
        return Question(**values)

    def change(self, prefix: str, changes: dict[str, Any]) -> None:
        """Set fields of a configuration at once."""
        names = {field: name for name, field in NAMES.items()}
        values = {names[field]: value for field, value in changes.items()}
        for name in values.keys() & {"tp", "pp"}:
            values[name] = str(values[name])
        if values.get("weights"):
            values["weights"] = weight_choice(values["weights"])
        if "activations" in values:
            values["activations"] = AS_FORMAT if values["activations"] is None else f"{values['activations']:g}"
        self.param.update(**{prefix + name: value for name, value in values.items()})

    def is_untouched(self, prefix: str) -> bool:
        """Whether nothing of a configuration differs from the defaults."""
        return all(getattr(self, prefix + name) == self._default(prefix + name) for name in NAMES)

    def offer_all(self, prefix: str, door: Door) -> list[str]:
        """Offer every choice of a configuration; notes where what was asked is none."""
        notes = self.offer_with_default(prefix + "model", door.model_choices(), MODEL)
        notes += self.offer_with_default(prefix + "accelerator", list(door.devices), ACCELERATOR)
        notes += self.offer_with_default(prefix + "weights", weight_choices(), AS_PUBLISHED)
        bits = {f"{bits} bits": str(bits) for bits in (16, 8, 4, 32)}
        notes += self.offer_with_default(prefix + "activations", {"as the weight format": AS_FORMAT, **bits}, AS_FORMAT)
        notes += engine_options.offer_cache(self, prefix + "kv")
        notes += self.offer_with_default(
            prefix + "engine", {"usual for the device": AS_USUAL, **{name: name for name in PROFILES}}, AS_USUAL
        )
        return notes + self.follow_model(prefix, door)

    def follow_model(self, prefix: str, door: Door) -> list[str]:
        """Offer what the chosen model allows: its stages and splits."""
        model = door.model(getattr(self, prefix + "model"))
        encoder = model.kind == "encoder"
        stages = {label: stage for label, stage in STAGES.items() if (stage in _DECODER_STAGES) != encoder}
        notes = self.offer_with_default(prefix + "stage", stages, next(iter(stages.values())))
        ways = [str(tensor) for tensor in legal_tensor_ways(model, _MOST_DEVICES)]
        notes += [f"{note} {without_account(model.name)} can be split {', '.join(ways)} ways."
                  for note in self.offer_with_default(prefix + "tp", ways, "1")]  # fmt: skip
        depth = model.main.depth
        stages_of_pipeline = [str(count) for count in (1, 2, 3, 4, 6, 8, 12, 16) if count <= depth]
        return notes + self.offer_with_default(prefix + "pp", stages_of_pipeline, "1")


def roofline_address(query: Question) -> str:
    """Address of the roofline page for a configuration."""
    return "roofline?" + urlencode({
        "model": query.model, "accelerator": query.accelerator, "batch": query.batch, "context": query.context,
        "weights": weight_choice(query.weight_format or AS_PUBLISHED), "kv": f"{query.kv_bits:g}",
        "engine": query.engine, "tp": query.tensor, "pp": query.pipeline,
        **({"gpu_memory_utilization": query.gpu_memory_utilization} if query.gpu_memory_utilization else {}),
        **({"batched_tokens": query.batched_tokens} if query.batched_tokens else {}),
        **({"eager": "yes"} if query.eager else {}),
    })  # fmt: skip
