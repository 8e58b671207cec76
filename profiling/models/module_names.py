"""What checkpoints call the matrices that steps stand for, so that lists of exceptions can be matched against them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import cache, lru_cache

from profiling.models.steps import Embedding, Experts, Linear, Step

_MATRICES: Mapping[str, tuple[str, ...]] = {
    "query": ("self_attn.q_proj", "self_attn.q_b_proj", "self_attn.qkv_proj", "attn.wq_b", "mixer.q_proj"),
    "key": ("self_attn.k_proj", "self_attn.qkv_proj", "attn.wkv", "mixer.k_proj"),
    "value": ("self_attn.v_proj", "self_attn.qkv_proj", "mixer.v_proj"),
    "output": ("self_attn.o_proj", "self_attn.out_proj", "self_attn.dense", "attn.wo_b", "mixer.o_proj"),
    "output_down": ("attn.wo_a", "self_attn.o_a_proj"),
    "query_down": ("self_attn.q_a_proj", "self_attn.fused_qkv_a_proj", "attn.wq_a"),
    "latent": ("self_attn.kv_a_proj_with_mqa", "self_attn.fused_qkv_a_proj"),
    "key_value_up": ("self_attn.kv_b_proj",),
    "attention_gate": ("self_attn.g_proj", "self_attn.gate_proj", "self_attn.q_proj"),
    "index_query": ("self_attn.indexer.wq_b", "attn.indexer.wq_b"),
    "index_key": ("self_attn.indexer.wk",),
    "state_input": ("linear_attn.in_proj_qkv", "linear_attn.in_proj_qkvz", "mamba.in_proj", "mixer.in_proj",
                    "conv.in_proj", "self_attn.q_proj"),
    "state_gate": ("linear_attn.in_proj_z", "linear_attn.in_proj_qkvz", "self_attn.g_b_proj", "self_attn.g_proj"),
    "state_decay": ("linear_attn.in_proj_a", "linear_attn.in_proj_ba", "self_attn.f_b_proj", "self_attn.f_proj"),
    "state_output": ("linear_attn.out_proj", "mamba.out_proj", "mixer.out_proj", "conv.out_proj", "self_attn.o_proj"),
    "gate": ("mlp.gate_proj", "mlp.gate_up_proj", "feed_forward.gate_proj", "feed_forward.w1", "ffn.w1"),
    "up": ("mlp.up_proj", "mlp.gate_up_proj", "feed_forward.up_proj", "feed_forward.w3", "mixer.up_proj", "mlp.c_fc"),
    "down": ("mlp.down_proj", "feed_forward.down_proj", "feed_forward.w2", "mixer.down_proj", "mlp.c_proj"),
    "experts_down": ("mixer.fc1_latent_proj", "mlp.pre_expert_proj", "mlp.routed_expert_down_proj"),
    "experts_up": ("mixer.fc2_latent_proj", "mlp.post_expert_proj", "mlp.routed_expert_up_proj"),
    "router": ("mlp.gate", "mlp.router", "block_sparse_moe.gate", "mixer.gate", "ffn.gate", "feed_forward.gate"),
    "head": ("lm_head", "head", "output"),
    "token_embedding": ("embed_tokens", "embeddings", "embed"),
}  # fmt: skip
_SHARED = ("mlp.shared_experts", "mlp.shared_expert", "mlp.shared_mlp", "mixer.shared_experts", "ffn.shared_experts",
           "block_sparse_moe.shared_experts", "shared_mlp", "feed_forward.shared_expert")  # fmt: skip
_EXPERTS = (
    "mlp.experts.0",
    "block_sparse_moe.experts.0",
    "mixer.experts.0",
    "ffn.experts.0",
    "feed_forward.experts.0",
    "experts.0",
    "mlp.experts",
    "feed_forward.experts",
)
"""Where experts are, one by one or stacked; the number stands for any of them."""
_WITH_DENSE_BLOCK = ("gemma4",)
"""Beginnings of the families whose layers have a dense block `mlp` and their experts beside it, not in it."""
_SIDES = {"gate": ("gate_proj", "w1", "gate_up_proj"), "up": ("up_proj", "w3", "gate_up_proj"),
          "down": ("down_proj", "w2")}  # fmt: skip
_PREFIXES = ("model.language_model.model.", "language_model.model.", "model.language_model.", "backbone.",
             "transformer.", "language_model.", "model.")  # fmt: skip
_LAYER = re.compile(r"^layers\.\d+(?:\.|$)")


@cache
def matrix_names(step: Step) -> tuple[str, ...]:
    """What checkpoints call the matrix of a step, within its layer or the model; empty where nothing names it."""
    if isinstance(step, Experts) or not isinstance(step, Linear | Embedding):
        return ()
    if step.name.startswith("shared_") and step.name.removeprefix("shared_") in {"gate", "up", "down"}:
        side = step.name.removeprefix("shared_")
        return tuple(f"{block}.{side}_proj" for block in _SHARED)
    return _MATRICES.get(step.name, ())


@cache
def expert_names(step: Experts, model_type: str = "") -> tuple[tuple[str, ...], ...]:
    """What checkpoints call an expert's matrices, all of the same size: gate (where there is one), up and down.

    Args:
        step: The experts.
        model_type: Their family, some of which have a dense block of the name under which others have experts.
    """
    sides = _SIDES if step.gated else {side: names for side, names in _SIDES.items() if side != "gate"}
    has_dense_block = model_type.startswith(_WITH_DENSE_BLOCK)
    places = [place for place in _EXPERTS if not (has_dense_block and place.startswith("mlp."))]
    return tuple(tuple(f"{place}.{name}" for place in places for name in names) for names in sides.values())


def _bare(name: str) -> str:
    """A name without the prefixes that wrappers put before the decoder."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


@lru_cache(maxsize=2**16)
def _runs(name: str) -> tuple[str, ...]:
    """Every run of whole words of a name: `mlp.gate` has mlp, mlp.gate and gate."""
    parts = name.split(".")
    spans = ((first, last) for first in range(len(parts)) for last in range(first + 1, len(parts) + 1))
    return tuple(".".join(parts[first:last]) for first, last in spans)


class Names:
    """A list of modules as quantisation configs give it: names, parts of names, wildcards, `re:` expressions."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._expressions: list[re.Pattern[str]] = []
        for entry in dict.fromkeys(str(each) for each in entries):
            if entry.startswith(("re:", "-:", "+:")):
                self._add(entry[3:] if entry.startswith("re:") else entry[2:])
            elif any(mark in entry for mark in "*?["):
                self._expressions.append(re.compile(translate(_bare(entry))))
                self._expressions.append(re.compile(translate(f"{_bare(entry)}.*")))
            else:
                self._exact.add(_bare(entry).rstrip("."))

    def _add(self, expression: str) -> None:
        try:
            self._expressions.append(re.compile(expression))
        except re.error:
            return  # not one of Python's; nothing here can match it

    def __bool__(self) -> bool:
        return bool(self._exact or self._expressions)

    def hold(self, name: str) -> bool:
        """Whether the list holds a module, one above it, or a run of whole words of its name."""
        return not self._exact.isdisjoint(_runs(name)) or any(
            expression.match(full)
            for expression in self._expressions
            for full in (name, f"model.{name}", f"model.language_model.{name}", f"language_model.model.{name}")
        )

    def hold_any(self, names: Iterable[str]) -> bool:
        """Whether the list holds a module under any of its names."""
        return any(self.hold(name) for name in names)

    @property
    def by_layer(self) -> bool:
        """Whether the list tells layers apart."""
        numbered = any(_LAYER.match(name) for name in self._exact)
        # A digit that no backslash makes a class: a layer's number, or an expert's, which costs time only.
        return numbered or any(re.search(r"(?<!\\)\d", each.pattern) for each in self._expressions)
