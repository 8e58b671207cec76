"""Reading a `config.json` with clear errors, and putting layers, embedding and head together into a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from profiling.errors import InvalidConfig
from profiling.models.architecture import Architecture, Layer, Stack
from profiling.models.families.blocks import norm_gains, transformer_layer
from profiling.models.families.spec import LayerSpec, Norm
from profiling.models.steps import Embedding, Linear, Normalisation, Step
from profiling.reference_files import reference_text

MOST_LAYERS = 100_000
"""A list of a billion layers would fill the memory before anybody could say that there is no such model."""
_LARGEST_SIZE = 1 << 40
_DEPTHS = frozenset({"num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers"})


LISTED: Mapping[str, str] = {
    "num_attention_heads": "heads", "num_attention_heads_per_layer": "heads", "num_key_value_heads": "kv_heads",
    "num_key_value_heads_per_layer": "kv_heads", "head_dim": "head_dim", "intermediate_size": "intermediate_size",
}  # fmt: skip
"""Fields of which a config may list one number for each layer, by the word of `LayerSpec`."""


STATES_ALL = "_states_all"
"""Marks fields that were not written by transformers: nothing is filled in where one is left out."""


@cache
def _left_out() -> Mapping[str, Mapping[str, Any]]:
    """reference/config_defaults.json: what transformers fills in, and which family a class belongs to."""
    read: dict[str, Any] = json.loads(reference_text("config_defaults.json"))
    return read


def family_defaults(model_type: str) -> Mapping[str, int]:
    """Whole numbers that a family's config may leave out, as transformers fills them in."""
    defaults: Mapping[str, int] = _left_out()["defaults"].get(model_type, {})
    return defaults


def type_of_class(name: str) -> str:
    """The `model_type` of a class that `architectures` names; empty where it is not known."""
    return str(_left_out()["classes"].get(name, ""))


class Config:
    """A `config.json` that answers by any of a field's names and says which are missing.

    A width that is left out is what transformers fills in for that `model_type`.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.model_type = str(fields.get("model_type", ""))
        self.name = str(fields.get("_name_or_path") or fields.get("name") or self.model_type)

    def get(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that is present and not null."""
        for name in names:
            value = self.fields.get(name)
            if value is not None:
                return value
        return default

    def family_default(self, *names: str) -> int | None:
        """What the family fills in for the first of these fields that is left out altogether."""
        left_out = {} if self.fields.get(STATES_ALL) else family_defaults(self.model_type)
        return next((left_out[name] for name in names if name in left_out and name not in self.fields), None)

    def integer(self, *names: str, default: int | None = None) -> int:
        """A positive whole number: as stated, else as the family fills it in, else an error that names the field."""
        value = self.get(*names, default=self.family_default(*names) or default)
        if isinstance(value, list) and any(name in LISTED for name in names):
            value = max((each for each in value if isinstance(each, int)), default=0)  # the lists follow in `decoder`
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is None:
            others = f" (or {', '.join(names[1:])})" if names[1:] else ""
            raise InvalidConfig(
                f"{self.name}: config.json of model_type {self.model_type!r} lacks {names[0]}{others}; add the field"
            )
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise InvalidConfig(f"{self.name}: {names[0]} must be a positive whole number, got {repr(value)[:80]}")
        most = MOST_LAYERS if _DEPTHS & set(names) else _LARGEST_SIZE
        if value > most:
            raise InvalidConfig(f"{self.name}: {names[0]} of {value} is beyond any model ({most})")
        return value

    def flag(self, *names: str, default: bool) -> bool:
        """A truth value."""
        return bool(self.get(*names, default=default))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What stands before the first and after the last layer."""

    norm: Norm = "rms"
    final_norm: bool = True
    tied: bool = False
    head: bool = True
    head_bias: bool = False
    positions: int = 0
    """Rows of a learned position table; 0 for rotary or ALiBi."""
    segments: int = 0
    embedding_norm: bool = False
    embedding_width: int = 0
    """Width of the tables where a projection leads to the hidden width; 0: the same."""
    projection_bias: bool = False
    pooler: bool = False
    shared_table: bool = False
    """The token table is stored in another stack."""
    before_steps: tuple[Step, ...] = ()
    """What else comes between the token table and the first layer."""
    after_steps: tuple[Step, ...] = ()
    """What comes between the last layer and the final norm."""


def stack(
    role: Literal["decoder", "encoder"],
    layers: Sequence[Layer],
    ends: Ends,
    *,
    vocabulary: int,
    hidden: int,
    order: Sequence[int] = (),
) -> Stack:
    """A stack with its embedding and head."""
    width = ends.embedding_width or hidden
    before: list[Step] = [
        Embedding(name="token_embedding", inputs=("tokens",), entries=vocabulary, width=width,
                  cross_stack=ends.shared_table)
    ]  # fmt: skip
    for name, entries in (("position_embedding", ends.positions), ("segment_embedding", ends.segments)):
        if entries:
            before.append(Embedding(name=name, inputs=("tokens",), entries=entries, width=hidden,
                                    scales_with_vocabulary=False))  # fmt: skip
    if ends.embedding_norm:
        before.append(Normalisation(name="embedding_norm", inputs=(before[-1].name,), width=width,
                                    gains=norm_gains(ends.norm, width)))  # fmt: skip
    if width != hidden:
        before.append(Linear(name="embedding_projection", inputs=(before[-1].name,), width_in=width,
                             width_out=hidden, bias=ends.projection_bias))  # fmt: skip
    before += ends.before_steps
    after: list[Step] = list(ends.after_steps)
    last = after[-1].name if after else "layers"
    if ends.final_norm:
        after.append(Normalisation(name="final_norm", inputs=(last,), width=hidden,
                                   gains=norm_gains(ends.norm, hidden),
                                   rows="last" if ends.head else "new"))  # fmt: skip
        last = "final_norm"
    if ends.head and width != hidden:
        after.append(Linear(name="head_projection", inputs=(last,), width_in=hidden, width_out=width,
                            rows="last"))  # fmt: skip
        last = "head_projection"
    if ends.head:
        after.append(Linear(name="head", inputs=(last,), width_in=width, width_out=vocabulary, rows="last",
                            tied=ends.tied, bias=ends.head_bias, is_head=True, split="column"))  # fmt: skip
    if ends.pooler:
        after.append(Linear(name="pooler", inputs=(last,), width_in=hidden, width_out=hidden, bias=True,
                            rows="one"))  # fmt: skip
    return Stack(role, tuple(before), tuple(layers), tuple(after), tuple(order))


def grouped_layers(specs: Sequence[LayerSpec]) -> tuple[list[Layer], tuple[int, ...]]:
    """Layers that are alike become one with a count; the order in which they follow is kept beside it."""
    kinds: list[LayerSpec] = []
    order: list[int] = []
    for spec in specs:
        if spec not in kinds:
            kinds.append(spec)
        order.append(kinds.index(spec))
    layers = [
        transformer_layer(_layer_name(kinds, index), spec, order.count(index)) for index, spec in enumerate(kinds)
    ]
    return layers, tuple(order) if len(kinds) > 1 else ()


def _layer_name(kinds: Sequence[LayerSpec], index: int) -> str:
    if len(kinds) == 1:
        return "layer"
    spec = kinds[index]
    words = []
    if len({kind.window for kind in kinds}) > 1:
        words.append("local" if spec.window else "global")
    if len({kind.mixture is None for kind in kinds}) > 1:
        words.append("moe" if spec.mixture else "dense")
    name = "_".join(words) or "layer"
    return name if words and len(kinds) <= 2 ** len(words) else f"{name}_{index}"


def decoder(config: Config, specs: Sequence[LayerSpec], ends: Ends) -> Architecture:
    """A decoder-only model of these layers, each with its own widths where the config states them layer by layer.

    Raises:
        InvalidConfig: A list has not one positive whole number (or 0: does not apply) for each layer.
    """
    made = list(specs)
    for name, word in LISTED.items():
        values = config.get(name)
        if not isinstance(values, list):
            continue
        if len(values) < len(made) or not all(isinstance(each, int) and each >= 0 for each in values):
            raise InvalidConfig(
                f"{config.name}: {name} must hold a whole number for each of {len(made)} layers, got {str(values)[:80]}"
            )
        made = [_with_own(spec, word, value) for spec, value in zip(made, values, strict=False)]
    # How transformers 5.23 and later write it: {"5": {"head_dim": 512}}.
    for index, own in dict(config.get("per_layer_config", default={})).items():
        for name, word in LISTED.items():
            if isinstance(own.get(name), int):
                made[int(index)] = _with_own(made[int(index)], word, own[name])
    return _single("decoder", config, made, ends)


def _with_own(spec: LayerSpec, word: str, value: int) -> LayerSpec:
    if not value:
        return spec
    if word == "heads":
        return replace(spec, heads=value)
    if word == "kv_heads":
        return replace(spec, kv_heads=value)
    return replace(spec, head_dim=value) if word == "head_dim" else replace(spec, intermediate_size=value)


def encoder(config: Config, specs: Sequence[LayerSpec], ends: Ends) -> Architecture:
    """An encoder-only model of these layers."""
    return _single("encoder", config, specs, ends)


def _single(
    role: Literal["decoder", "encoder"], config: Config, specs: Sequence[LayerSpec], ends: Ends
) -> Architecture:
    hidden = specs[0].hidden_size
    vocabulary = config.integer("vocab_size", "padded_vocab_size")
    layers, order = grouped_layers(specs)
    only = stack(role, layers, ends, vocabulary=vocabulary, hidden=hidden, order=order)
    biases = sum(spec.mixture.experts for spec in specs if spec.mixture and spec.mixture.selection_bias)
    notes = (f"+{biases:,}: router correction biases, which transformers keeps as buffers",) if biases else ()
    return Architecture(config.name, config.model_type, hidden, vocabulary, (only,), max_position(config),
                        count_notes=notes)  # fmt: skip


def max_position(config: Config) -> int | None:
    """Longest context the config declares; with YaRN that of training times its factor, where this is more."""
    value = config.get("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "model_max_length",
                       "max_sequence_length")  # fmt: skip
    if value is None:
        return None
    scaling = config.get("rope_scaling", "rope_parameters")
    if not isinstance(scaling, Mapping) or "yarn" not in {scaling.get("rope_type"), scaling.get("type")}:
        return int(value)
    trained, factor = scaling.get("original_max_position_embeddings") or value, scaling.get("factor")
    return max(int(value), int(trained * factor)) if isinstance(factor, int | float) else int(value)
