"""Models described in the words of model cards (TOML): one layer for all, or lists with a word for each."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from profiling.errors import InvalidConfig, nearest
from profiling.models.architecture import Architecture
from profiling.models.families.assembly import MOST_LAYERS, Config, Ends, decoder, encoder
from profiling.models.families.spec import (
    DeltaNet,
    Indexer,
    LatentAttention,
    LayerSpec,
    Lightning,
    MambaOne,
    MambaTwo,
    Mixture,
    ShortConvolution,
    State,
)

_STATES: dict[str, type[State]] = {
    "mamba_1": MambaOne, "mamba_2": MambaTwo, "delta_net": DeltaNet, "lightning": Lightning,
    "short_convolution": ShortConvolution,
}  # fmt: skip
_LISTS = ("heads", "kv_heads", "head_dim", "intermediate_size", "window")
_KINDS = ("attention", "state", "feed_forward")
_TABLES = {"mixture": Mixture, "latent": LatentAttention, "indexer": Indexer}


def custom_model(described: dict[str, Any], name: str) -> Architecture:
    """A model from the fields of a TOML file with `model_type = "custom"`.

    Beside the words of `LayerSpec`: `layers`, `vocabulary_size`, `tied`, `encoder`, `dense_first_layers`; tables
    `[mixture]`, `[latent]`, `[indexer]` and `[state]` (with `kind`, one of mamba_1, mamba_2, delta_net, lightning,
    short_convolution). `heads`, `kv_heads`, `head_dim`, `intermediate_size` and `window` (0: none) may be lists with
    a number for each layer; `layer_kinds` lists attention, state or feed_forward, `sparse_layers` true or false.

    Raises:
        InvalidConfig: A field is missing, unknown or impossible; the message names it.
    """
    layers, vocabulary = described.pop("layers", None), described.pop("vocabulary_size", None)
    if not isinstance(layers, int) or not isinstance(vocabulary, int) or min(layers, vocabulary) <= 0:
        raise InvalidConfig(f"{name}: a custom model needs positive `layers` and `vocabulary_size`")
    if layers > MOST_LAYERS:
        raise InvalidConfig(f"{name}: {layers} layers are more than any model has ({MOST_LAYERS})")
    tied, is_encoder = bool(described.pop("tied", False)), bool(described.pop("encoder", False))
    dense_first = int(described.pop("dense_first_layers", 0))
    listed = {key: _listed(name, key, described.pop(key), layers)
              for key in (*_LISTS, "layer_kinds", "sparse_layers") if isinstance(described.get(key), list)}  # fmt: skip
    for key in listed.keys() & {"heads", "kv_heads", "head_dim", "intermediate_size"}:
        described[key] = max(listed[key])
    state = _state(name, described.pop("state")) if "state" in described else None
    tables: dict[str, Any] = {
        key: kind(**described.pop(key)) for key, kind in _TABLES.items() if key in described
    }  # fmt: skip
    allowed = {field.name for field in fields(LayerSpec)}
    unknown = set(described) - allowed
    if unknown:
        raise InvalidConfig(f"{name}: unknown field {min(unknown)!r}; nearest: {nearest(min(unknown), allowed)}")
    described.setdefault("kv_heads", described.get("heads"))
    if "head_dim" not in described and {"hidden_size", "heads"} <= set(described):
        described["head_dim"] = described["hidden_size"] // described["heads"]
    mixture = tables.pop("mixture", None)
    plain = LayerSpec(**described, **tables, causal=not is_encoder)
    kinds = listed.get("layer_kinds", ["attention"] * layers)
    sparse = listed.get("sparse_layers", [index >= dense_first for index in range(layers)])
    specs = []
    for index in range(layers):
        own = {key: listed[key][index] or getattr(plain, key) for key in _LISTS if key in listed}
        spec = _of_kind(name, replace(plain, **own), str(kinds[index]), state)
        specs.append(replace(spec, mixture=mixture) if mixture and sparse[index] else spec)
    config = Config({"model_type": "custom", "name": name, "vocab_size": vocabulary})
    ends = Ends(norm=plain.norm, tied=tied, head=not is_encoder)
    return (encoder if is_encoder else decoder)(config, specs, ends)


def _listed(name: str, key: str, values: list[Any], layers: int) -> list[Any]:
    if len(values) != layers:
        raise InvalidConfig(f"{name}: {key} lists {len(values)} of {layers} layers")
    return values


def _state(name: str, table: dict[str, Any]) -> State:
    kind = str(table.pop("kind", ""))
    if kind not in _STATES:
        raise InvalidConfig(f"{name}: no state of kind {kind!r}; known: {', '.join(_STATES)}")
    return _STATES[kind](**table)


def _of_kind(name: str, spec: LayerSpec, kind: str, state: State | None) -> LayerSpec:
    if kind == "attention":
        return spec
    if kind == "feed_forward":
        return replace(spec, attention=False)
    if kind != "state" or state is None:
        raise InvalidConfig(
            f"{name}: no layer of kind {kind!r}; known: {', '.join(_KINDS)}, and `state` needs a [state] table"
        )
    return replace(spec, state=state, attention=False, latent=None, indexer=None)
