"""What a `config.json` says that decides the numbers a model computes: widths, norms, rotations, activations.

Counts of operations need less and are made from `profiling.models.architecture`; this is what logits depend on. A
field that would change the logits and is not known is refused, never approximated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from profiling.errors import InvalidConfig, UnsupportedModelType, nearest
from profiling.models.families.assembly import STATES_ALL, Config, Ends
from profiling.models.families.forms import described
from profiling.models.families.spec import LayerSpec
from profiling.models.families.traits import form_of
from profiling.models.sources import text_part

NormKind = Literal["rms", "rms_plus_one", "layer", "layer_without_bias", "without_gains"]

_ACTIVATIONS = {
    "silu": "silu", "swish": "silu", "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Everything a forward pass needs to know: the layers and what stands around them, and how their numbers are made.

    Attributes:
        model_type: As in the config.
        layers: Each layer, bottom to top.
        ends: Tables, final norm and head.
        vocabulary_size: Rows of the table of tokens.
        activation: Of the feed-forward blocks.
        norm: Of the layers and at the end.
        norm_epsilon: Added to the variance.
        rotary_frequencies: Angle per position of each rotated pair; none: nothing is rotated.
        position_offset: Rows of the table of positions before the first.
        embedding_scale: What embeddings are multiplied by.
        normalises_experts: Whether the weights of the chosen experts are made to sum to one.
    """

    model_type: str
    layers: tuple[LayerSpec, ...]
    ends: Ends
    vocabulary_size: int
    activation: str
    norm: NormKind
    norm_epsilon: float
    rotary_frequencies: tuple[float, ...]
    position_offset: int
    embedding_scale: float
    normalises_experts: bool

    @property
    def is_encoder(self) -> bool:
        """Whether every token sees every other."""
        return not self.layers[0].causal


@dataclass(frozen=True)
class _Numbers:
    """What the code of a family decides and no count of operations needs; the defaults are those of Llama.

    Attributes:
        activation: Where the config names none.
        epsilon: Where the config states none.
        rotated: Share of a head that is rotated, where the config states none.
        norm: Where it is not that of the form.
        normalises_experts: Where the config does not say.
        built: Fields that would change the logits, with the one value that is built here.
    """

    activation: str = "silu"
    epsilon: float = 1e-6
    rotated: float = 1.0
    norm: NormKind | None = None
    normalises_experts: bool = False
    built: Mapping[str, object] | None = None


_LLAMA = _Numbers()
_BERT = _Numbers("gelu", 1e-12, built={"position_embedding_type": "absolute"})
_NUMBERS: Mapping[str, _Numbers] = {
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "qwen2_moe", "qwen3_moe"), _LLAMA),
    **dict.fromkeys(("bert", "roberta", "xlm-roberta"), _BERT),
    "mixtral": _Numbers(normalises_experts=True),
    "gemma": _Numbers("gelu_pytorch_tanh", norm="rms_plus_one"),
    "stablelm": _Numbers(epsilon=1e-5, rotated=0.25, built={"qk_layernorm": False, "use_parallel_residual": False}),
    "starcoder2": _Numbers("gelu_pytorch_tanh", 1e-5),
    "gpt2": _Numbers("gelu_new", 1e-5, built={"scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}),
    "opt": _Numbers("relu", 1e-5, built={"do_layer_norm_before": True}),
    "gpt_neox": _Numbers("gelu", 1e-5, rotated=0.25),
}


def shape_of(config: Mapping[str, Any], name: str | None = None) -> ModelShape:
    """The shape that a `config.json` describes.

    Raises:
        UnsupportedModelType: The family is not built here; the message lists those that are.
        InvalidConfig: A field is missing, or asks for something that is not built here.
    """
    stated = Config({**text_part(config), STATES_ALL: True, **({"_name_or_path": name} if name else {})})
    model_type = stated.model_type
    numbers, form = _NUMBERS.get(model_type), form_of(model_type)
    if numbers is None or form is None:
        close = nearest(model_type, _NUMBERS)
        raise UnsupportedModelType(
            f"model_type {model_type!r} is not built in plain torch here{f'; nearest: {close}' if close else ''}. "
            f"Built: {', '.join(sorted(_NUMBERS))}. With transformers installed, backend = transformers may run it"
        )
    projected = {} if model_type != "opt" else {"word_embed_proj_dim": stated.get("hidden_size")}
    for field, wanted in {**(numbers.built or {}), **projected}.items():
        if stated.get(field, default=wanted) != wanted:
            raise InvalidConfig(f"{stated.name}: {field} = {stated.get(field)!r} is not built here")
    stated, layers, ends = described(stated, form)
    plain, is_gemma = layers[0], model_type == "gemma"
    # RoBERTa counts positions from behind the padding token.
    padded = int(stated.get("pad_token_id", default=1)) + 1 if model_type in {"roberta", "xlm-roberta"} else 0
    # Gemma was trained with the tanh form, whatever `hidden_act` says (transformers #29402).
    named = ("hidden_activation", *(() if is_gemma else ("hidden_act", "activation_function")))
    return ModelShape(
        model_type=model_type,
        layers=tuple(layers),
        ends=ends,
        vocabulary_size=stated.integer("vocab_size"),
        activation=_activation(stated, *named, default=numbers.activation),
        norm=numbers.norm or plain.norm,
        norm_epsilon=float(
            stated.get("rms_norm_eps", "layer_norm_eps", "norm_epsilon", "layer_norm_epsilon", default=numbers.epsilon)
        ),
        rotary_frequencies=_rotary(stated, plain.head_dim, numbers.rotated) if plain.rotary else (),
        position_offset=form.position_offset or padded,
        embedding_scale=math.sqrt(plain.hidden_size) if is_gemma else 1.0,
        normalises_experts=stated.flag("norm_topk_prob", default=numbers.normalises_experts),
    )


def built_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be built here."""
    return tuple(sorted(_NUMBERS))


def _rotary(config: Config, head_dim: int, rotated: float) -> tuple[float, ...]:
    """Angles per position of each rotated pair of a head, by the scaling the config names.

    Plain: Su et al. 2021 (arXiv 2104.09864, section 3.2.2). Linear: divided by the factor. Llama 3: low frequencies
    are divided, high ones kept, those between blended (Llama 3.1 model card).
    """
    stated: Mapping[str, Any] = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    if any(isinstance(value, Mapping) for value in stated.values()):
        raise InvalidConfig(f"{config.name}: rope_parameters per kind of layer are not built here")
    share = float(
        stated.get("partial_rotary_factor") or config.get("partial_rotary_factor", "rotary_pct", default=rotated)
    )
    width = int(head_dim * share)
    theta = float(stated.get("rope_theta") or config.get("rope_theta", "rotary_emb_base", default=10_000.0))
    plain = tuple(theta ** (-2 * index / width) for index in range(width // 2))
    kind = str(stated.get("rope_type") or stated.get("type") or "default")
    if kind == "default":
        return plain
    if kind == "linear":
        return tuple(angle / float(stated["factor"]) for angle in plain)
    if kind == "llama3":
        return tuple(_llama3(angle, stated) for angle in plain)
    raise InvalidConfig(f"{config.name}: rotary scaling {kind!r} is not built here; known: default, linear, llama3")


def _llama3(angle: float, stated: Mapping[str, Any]) -> float:
    length = float(stated["original_max_position_embeddings"])
    low, high = float(stated["low_freq_factor"]), float(stated["high_freq_factor"])
    turns = length * angle / (2 * math.pi)
    if turns < low:
        return angle / float(stated["factor"])
    if turns > high:
        return angle
    share = (turns - low) / (high - low)
    return (1 - share) * angle / float(stated["factor"]) + share * angle


def _activation(config: Config, *names: str, default: str) -> str:
    stated = str(config.get(*names, default=default))
    if stated not in _ACTIVATIONS:
        raise InvalidConfig(f"{config.name}: activation {stated!r} is not built here; known: {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[stated]
