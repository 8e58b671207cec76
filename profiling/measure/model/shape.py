"""What a `config.json` says that decides the numbers a model computes: widths, norms, rotations, activations.

Counts of operations need less and are made from `profiling.models.architecture`; this is what logits depend on. A
field that would change the logits and is not known is refused, never approximated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from profiling.errors import InvalidConfig, UnsupportedModelType, nearest
from profiling.models.families.assembly import STATES_ALL, Config

NormKind = Literal["rms", "rms_plus_one", "layer", "layer_without_bias"]
Placement = Literal["pre", "post", "parallel", "parallel_two_norms"]

_ACTIVATIONS = {
    "silu": "silu", "swish": "silu", "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu",
}  # fmt: skip


@dataclass(frozen=True)
class ExpertShape:
    """A mixture of experts in place of the feed-forward block."""

    count: int
    per_token: int
    intermediate_size: int
    normalise: bool
    """Whether the weights of the chosen experts are made to sum to one."""
    shared_intermediate_size: int = 0


@dataclass(frozen=True)
class ModelShape:
    """Everything a forward pass needs to know."""

    model_type: str
    hidden_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate_size: int
    vocabulary_size: int
    activation: str = "silu"
    gated: bool = True
    norm: NormKind = "rms"
    norm_epsilon: float = 1e-6
    placement: Placement = "pre"
    query_key_value_bias: bool = False
    output_bias: bool = False
    feed_forward_bias: bool = False
    head_bias: bool = False
    query_key_norm: bool = False
    rotary_width: int = 0
    """Numbers of a head that are rotated; 0: positions are learned."""
    rotary_frequencies: tuple[float, ...] = ()
    positions: int = 0
    position_offset: int = 0
    segments: int = 0
    embedding_scale: float = 1.0
    windows: tuple[int | None, ...] = ()
    """Tokens each layer looks back over, its own among them; None: all."""
    experts: ExpertShape | None = None
    expert_layers: tuple[bool, ...] = ()
    tied: bool = False
    is_encoder: bool = False

    @property
    def kv_bytes_per_token(self) -> int:
        """Numbers cached per token over all layers, each of one byte."""
        return 2 * self.layers * self.kv_heads * self.head_dim


def shape_of(config: Mapping[str, Any], name: str | None = None) -> ModelShape:
    """The shape that a `config.json` describes.

    Raises:
        UnsupportedModelType: The family is not built here; the message lists those that are.
        InvalidConfig: A field is missing, or asks for something that is not built here.
    """
    fields = dict(config)
    inner = fields.get("text_config")
    if isinstance(inner, Mapping) and "hidden_size" not in fields:
        fields = {"tie_word_embeddings": fields.get("tie_word_embeddings"), **inner}
        fields = {key: value for key, value in fields.items() if value is not None}
    model_type = str(fields.get("model_type", ""))
    family = _FAMILIES.get(model_type)
    if family is None:
        close = nearest(model_type, _FAMILIES)
        raise UnsupportedModelType(
            f"model_type {model_type!r} is not built in plain torch here{f'; nearest: {close}' if close else ''}. "
            f"Built: {', '.join(sorted(_FAMILIES))}. With transformers installed, backend = transformers may run it"
        )
    return family(Config({**fields, STATES_ALL: True, **({"_name_or_path": name} if name else {})}))


def built_model_types() -> tuple[str, ...]:
    """Every `model_type` that can be built here."""
    return tuple(sorted(_FAMILIES))


def _rotary(config: Config, width: int) -> tuple[float, ...]:
    """Angles per position of each rotated pair, by the scaling the config names.

    Plain: Su et al. 2021 (arXiv 2104.09864, section 3.2.2). Linear: divided by the factor. Llama 3: low frequencies
    are divided, high ones kept, those between blended (Llama 3.1 model card).
    """
    stated: Mapping[str, Any] = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    if any(isinstance(value, Mapping) for value in stated.values()):
        raise InvalidConfig(f"{config.name}: rope_parameters per kind of layer are not built here")
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


def _llama(config: Config) -> ModelShape:
    hidden, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    layers = config.integer("num_hidden_layers")
    head_dim = config.integer("head_dim", default=hidden // heads)
    rotary = int(head_dim * float(_rope_share(config)))
    bias = config.flag("attention_bias", default=False)
    return ModelShape(
        model_type=config.model_type,
        hidden_size=hidden,
        layers=layers,
        heads=heads,
        kv_heads=config.integer("num_key_value_heads", default=heads),
        head_dim=head_dim,
        intermediate_size=config.integer("intermediate_size"),
        vocabulary_size=config.integer("vocab_size"),
        activation=_activation(config, "hidden_act", "hidden_activation", default="silu"),
        norm_epsilon=float(config.get("rms_norm_eps", "layer_norm_eps", "norm_epsilon", default=1e-6)),
        query_key_value_bias=bias,
        output_bias=bias,
        feed_forward_bias=config.flag("mlp_bias", default=False),
        rotary_width=rotary,
        rotary_frequencies=_rotary(config, rotary),
        windows=(None,) * layers,
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _rope_share(config: Config) -> float:
    stated = (config.get("rope_parameters") or {}).get("partial_rotary_factor")
    return float(stated or config.get("partial_rotary_factor", "rotary_pct", default=1.0))


def _windows(config: Config, layers: int, first: int = 0) -> tuple[int | None, ...]:
    window = config.get("sliding_window")
    types = config.get("layer_types")
    if isinstance(types, list) and types:
        return tuple(int(window) if kind == "sliding_attention" and window else None for kind in types[:layers])
    return tuple(int(window) if window and index >= first else None for index in range(layers))


def _mistral(config: Config) -> ModelShape:
    shape = _llama(config)
    return replace(shape, windows=_windows(config, shape.layers))


def _qwen_windows(config: Config, shape: ModelShape) -> ModelShape:
    if not config.flag("use_sliding_window", default=False):
        return shape
    first = int(config.get("max_window_layers", default=28))
    return replace(shape, windows=_windows(config, shape.layers, first))


def _qwen2(config: Config) -> ModelShape:
    return _qwen_windows(config, replace(_llama(config), query_key_value_bias=True))


def _qwen3(config: Config) -> ModelShape:
    return _qwen_windows(config, replace(_llama(config), query_key_norm=True))


def _gemma(config: Config) -> ModelShape:
    shape = _llama(config)
    # The checkpoints were trained with the tanh form, whatever `hidden_act` says (transformers #29402).
    stated = config.get("hidden_activation", default="gelu_pytorch_tanh")
    return replace(
        shape, norm="rms_plus_one", activation=_ACTIVATIONS[stated], embedding_scale=math.sqrt(shape.hidden_size),
        tied=config.flag("tie_word_embeddings", default=True),
    )  # fmt: skip


def _stablelm(config: Config) -> ModelShape:
    if config.flag("qk_layernorm", default=False) or config.flag("use_parallel_residual", default=False):
        raise InvalidConfig(f"{config.name}: head norms and parallel blocks of StableLM are not built here")
    share = config.get("partial_rotary_factor", default=0.25)
    shape = _llama(Config({**config.fields, "partial_rotary_factor": share}))
    bias = config.flag("use_qkv_bias", default=False)
    epsilon = float(config.get("layer_norm_eps", default=1e-5))
    return replace(shape, norm="layer", norm_epsilon=epsilon, query_key_value_bias=bias)


def _starcoder2(config: Config) -> ModelShape:
    shape = _llama(config)
    bias = config.flag("use_bias", default=True)
    return replace(
        shape, norm="layer", norm_epsilon=float(config.get("norm_epsilon", default=1e-5)), gated=False,
        activation=_activation(config, "hidden_act", default="gelu_pytorch_tanh"), query_key_value_bias=bias,
        output_bias=bias, feed_forward_bias=bias, windows=_windows(config, shape.layers),
        tied=config.flag("tie_word_embeddings", default=True),
    )  # fmt: skip


def _sparse(config: Config, layers: int) -> tuple[bool, ...]:
    step, dense = int(config.get("decoder_sparse_step", default=1)), set(config.get("mlp_only_layers", default=[]))
    return tuple(index not in dense and (index + 1) % step == 0 for index in range(layers))


def _mixtral(config: Config) -> ModelShape:
    shape = _mistral(config)
    experts = ExpertShape(
        count=config.integer("num_local_experts", "num_experts", default=8),
        per_token=config.integer("num_experts_per_tok", default=2),
        intermediate_size=shape.intermediate_size,
        normalise=True,
    )
    return replace(shape, experts=experts, expert_layers=(True,) * shape.layers)


def _qwen_experts(config: Config, shape: ModelShape, shared: int) -> ModelShape:
    experts = ExpertShape(
        count=config.integer("num_experts", "num_local_experts"),
        per_token=config.integer("num_experts_per_tok"),
        intermediate_size=config.integer("moe_intermediate_size"),
        normalise=config.flag("norm_topk_prob", default=False),
        shared_intermediate_size=shared,
    )
    return replace(shape, experts=experts, expert_layers=_sparse(config, shape.layers))


def _qwen2_moe(config: Config) -> ModelShape:
    shape = _qwen2(config)
    bias = config.flag("qkv_bias", default=True)
    shared = config.integer("shared_expert_intermediate_size")
    return _qwen_experts(config, replace(shape, query_key_value_bias=bias), shared)


def _qwen3_moe(config: Config) -> ModelShape:
    return _qwen_experts(config, _qwen3(config), 0)


def _learned_positions(config: Config, **more: Any) -> ModelShape:
    hidden = config.integer("n_embd", "hidden_size", "n_embed")
    heads = config.integer("n_head", "num_attention_heads")
    layers = config.integer("n_layer", "num_hidden_layers")
    fixed: dict[str, Any] = {
        "model_type": config.model_type, "hidden_size": hidden, "layers": layers, "heads": heads, "kv_heads": heads,
        "head_dim": hidden // heads, "vocabulary_size": config.integer("vocab_size"), "gated": False, "norm": "layer",
        "query_key_value_bias": True, "output_bias": True, "feed_forward_bias": True, "windows": (None,) * layers,
    }  # fmt: skip
    return ModelShape(**{**fixed, **more})


def _gpt2(config: Config) -> ModelShape:
    if config.flag("scale_attn_by_inverse_layer_idx", default=False) or config.flag(
        "add_cross_attention", default=False
    ):
        raise InvalidConfig(f"{config.name}: scaling by layer and cross-attention of GPT-2 are not built here")
    return _learned_positions(
        config,
        intermediate_size=int(config.get("n_inner") or 4 * config.integer("n_embd", "hidden_size")),
        activation=_activation(config, "activation_function", default="gelu_new"),
        norm_epsilon=float(config.get("layer_norm_epsilon", default=1e-5)),
        positions=config.integer("n_positions", "max_position_embeddings", default=1024),
        tied=config.flag("tie_word_embeddings", default=True),
    )


def _opt(config: Config) -> ModelShape:
    hidden = config.integer("hidden_size")
    if (
        not config.flag("do_layer_norm_before", default=True)
        or config.get("word_embed_proj_dim", default=hidden) != hidden
    ):
        raise InvalidConfig(f"{config.name}: OPT with norms after its blocks or projected embeddings is not built here")
    return _learned_positions(
        config,
        intermediate_size=config.integer("ffn_dim"),
        activation=_activation(config, "activation_function", default="relu"),
        norm_epsilon=1e-5,
        # The table keeps two rows for padding before position 0.
        positions=config.integer("max_position_embeddings", default=2048) + 2,
        position_offset=2,
        tied=config.flag("tie_word_embeddings", default=True),
    )


def _gpt_neox(config: Config) -> ModelShape:
    head_dim = config.integer("hidden_size") // config.integer("num_attention_heads")
    stated = (config.get("rope_parameters") or {}).get("partial_rotary_factor")
    rotary = int(head_dim * float(stated or config.get("rotary_pct", default=0.25)))
    parallel = config.flag("use_parallel_residual", default=True)
    bias = config.flag("attention_bias", default=True)
    return _learned_positions(
        config,
        intermediate_size=config.integer("intermediate_size"),
        activation=_activation(config, "hidden_act", default="gelu"),
        norm_epsilon=float(config.get("layer_norm_eps", default=1e-5)),
        placement="parallel_two_norms" if parallel else "pre",
        query_key_value_bias=bias,
        output_bias=bias,
        rotary_width=rotary,
        rotary_frequencies=_rotary(config, rotary),
        tied=config.flag("tie_word_embeddings", default=False),
    )


def _bert(config: Config) -> ModelShape:
    if config.get("position_embedding_type", default="absolute") != "absolute":
        raise InvalidConfig(f"{config.name}: relative positions of BERT are not built here")
    roberta = config.model_type in {"roberta", "xlm-roberta"}
    return _learned_positions(
        config,
        intermediate_size=config.integer("intermediate_size"),
        activation=_activation(config, "hidden_act", default="gelu"),
        norm_epsilon=float(config.get("layer_norm_eps", default=1e-12)),
        positions=config.integer("max_position_embeddings", default=512),
        # RoBERTa counts positions from behind the padding token.
        position_offset=int(config.get("pad_token_id", default=1)) + 1 if roberta else 0,
        segments=config.integer("type_vocab_size", default=2),
        placement="post",
        is_encoder=True,
    )


_FAMILIES: Mapping[str, Callable[[Config], ModelShape]] = {
    "llama": _llama, "mistral": _mistral, "qwen2": _qwen2, "qwen3": _qwen3, "gemma": _gemma, "stablelm": _stablelm,
    "starcoder2": _starcoder2, "mixtral": _mixtral, "qwen2_moe": _qwen2_moe, "qwen3_moe": _qwen3_moe, "gpt2": _gpt2,
    "opt": _opt, "gpt_neox": _gpt_neox, "bert": _bert, "roberta": _bert, "xlm-roberta": _bert,
}  # fmt: skip
