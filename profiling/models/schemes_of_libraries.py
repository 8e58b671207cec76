"""Configs of quantisers that are libraries of their own: torchao, HQQ, Quanto, MLX, VPTQ, Quark, micro-scaled ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import log2
from typing import Any

from profiling.models.module_names import Names
from profiling.models.scheme import (
    ALGORITHMS,
    MATRICES,
    MICRO_TILE,
    Scheme,
    all_of,
    grouped,
    integer,
    names_of,
    own_widths,
)
from profiling.models.stored import Group, Width

_TORCHAO_BITS = re.compile(r"u?int(\d)|fp(\d)|float(\d)")


def _torchao_width(kind: str, data: Mapping[str, Any]) -> Width | None:
    """The width that a torchao config describes by its name and fields; None: it is not understood."""
    word = kind.casefold().replace("_", "")
    stored = data.get("weight_dtype")
    stored = str(stored.get("_data") if isinstance(stored, Mapping) else stored or "").removeprefix("torch.")
    grain = data.get("weight_granularity")
    grain = grain.get("_data") or {} if isinstance(grain, Mapping) else {}
    if "mx" in word or "nvfp4" in word:
        named = "NVFP4" if "nvfp4" in word else "MXFP4" if "4" in (stored or "4") else "MXFP8"
        width = ALGORITHMS[named]
        return replace(width, compute="fp16" if "weightonly" in word else f"fp{int(width.bits)}")
    weights_only, dynamic_int8 = "weightonly" in word, "int8dynamicactivation" in word
    if "float8" in word and "int4" not in word:
        return Width(8, "fp16" if weights_only else "fp8")
    if "fpx" in word:
        return Width(float(1 + integer(data, "ebits", default=3) + integer(data, "mbits", default=2)), "fp16", 64)
    bits = integer(data, "bit_width", default=0)
    if not bits:
        match = _TORCHAO_BITS.search(stored.casefold()) or _TORCHAO_BITS.search(
            word.replace("int8dynamicactivation", "")
        )
        bits = int(next(each for each in match.groups() if each)) if match else 0
    if not bits:
        return None
    group = integer(data, "group_size", default=0) or integer(grain, "group_size", default=0)
    if not group and bits <= 4:
        group = 128 if "int4weightonly" in word else 32
    compute = "int8" if dynamic_int8 else "fp8" if "float8dyn" in word else "fp16"
    zero = 16 if "int4weightonly" in word else bits
    return Width(grouped(bits, group, zero_bits=zero) if group else bits, compute, 64 if bits <= 4 else 1)


def _torchao(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """torchao: one config for all linear layers, or one by the full name of each module (`FqnToConfig`)."""
    kind: Any = stated.get("quant_type")
    data: Mapping[str, Any] = stated.get("quant_type_kwargs") or {}
    if isinstance(kind, Mapping):
        inner = kind.get("default", kind)
        kind, data = (str(inner.get("_type", "")), inner.get("_data") or {}) if isinstance(inner, Mapping) else ("", {})

    def width_of(how: Mapping[str, Any]) -> Width | None:
        return _torchao_width(str(how.get("_type", "")), how.get("_data") or {})

    named = data.get("fqn_to_config") or data.get("module_fqn_to_config")
    whole: list[str] = []
    targeted: list[tuple[Names, Width]] = []
    notes: tuple[str, ...] = ()
    if isinstance(named, Mapping):
        usual = named.get("_default")
        width = width_of(usual) if isinstance(usual, Mapping) else None
        whole, targeted = own_widths({key: how for key, how in named.items() if key != "_default"}, width_of)
        kind = "by module"
    else:
        width = _torchao_width(str(kind or ""), data)
        notes = () if width else (f"torchao's {kind or 'quant_type'!s} is not known; 16 bits are taken",)
    ignored, more = names_of(whole, stated.get("modules_to_not_convert"))
    widths = all_of(width) if width else {}
    if width and (stated.get("include_input_output_embeddings") or stated.get("include_embedding")) and not targeted:
        widths |= {"embedding": width, "head": width}
    return Scheme(name=f"torchao {kind}", widths=widths, ignored=ignored, targeted=targeted, notes=(*notes, *more),
                  basis="torchao")  # fmt: skip


def _hqq(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """HQQ: one config for all, or one for each kind of matrix."""

    def width_of(how: Mapping[str, Any]) -> Width:
        weights = how.get("weight_quant_params") or how
        bits, group = integer(weights, "nbits", "bits", default=4), integer(weights, "group_size", default=64)
        return Width(grouped(bits, group, zero_bits=16), "fp16", 64)

    inner = dict(stated.get("quant_config") or stated)
    by_kind = {key: how for key, how in inner.items() if isinstance(how, Mapping) and "weight_quant_params" in how}
    _, targeted = own_widths(by_kind, width_of)
    ignored, notes = names_of(stated.get("skip_modules"))
    weights = inner.get("weight_quant_params") or inner
    words = f"{integer(weights, 'nbits', 'bits', default=4)}bit-g{integer(weights, 'group_size', default=64)}"
    return Scheme(name="hqq by kind of matrix" if by_kind else f"hqq-{words}",
                  widths={} if by_kind else all_of(width_of(inner)), targeted=targeted, ignored=ignored, notes=notes,
                  basis="16-bit scale and zero point per group")  # fmt: skip


_QUANTO: Mapping[str, Width] = {
    "float8": Width(8), "int8": Width(8), "int4": Width(4 + 32 / 128), "int2": Width(2 + 32 / 128),
}  # fmt: skip


def _quanto(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    kind = str(stated.get("weights", "int8"))
    ignored, notes = names_of(stated.get("modules_to_not_convert"))
    return Scheme(name=f"quanto {kind}", widths=all_of(_QUANTO.get(kind, Width(8))), ignored=ignored, notes=notes,
                  basis="Quanto: scales and zero points per 128")  # fmt: skip


def _mlx_width(how: Mapping[str, Any]) -> Width:
    bits, group = integer(how, "bits", default=4), integer(how, "group_size", default=64)
    mode = str(how.get("mode", "affine"))
    return Width(grouped(bits, group, zero_bits=0, scale_bits=8) if mode != "affine" else bits + 32 / group)


def _mlx(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """MLX: tables and head as well, with modules that have widths of their own, or none (false)."""
    bits, group = integer(stated, "bits", default=4), integer(stated, "group_size", default=64)
    mode = str(stated.get("mode", "affine"))
    # MLX stacks experts under a name of its own.
    modules = {key.replace("switch_mlp", "experts.0"): how for key, how in stated.items()
               if isinstance(how, Mapping) or how is False}  # fmt: skip
    whole, targeted = own_widths(modules, lambda how: _mlx_width({"mode": mode, **how}))
    groups: tuple[Group, ...] = (*MATRICES, "other", "embedding", "head")
    words = f"{bits}bit" if mode == "affine" else mode
    return Scheme(name=f"mlx-{words}-g{group}" + (", some modules otherwise" if targeted else ""),
                  widths=all_of(_mlx_width(stated), groups), ignored=Names(whole), targeted=targeted,
                  basis="MLX: 16-bit scale and bias per group, tables and head as well")  # fmt: skip


def _vptq(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """VPTQ: an index into a codebook, and often one into a second, for each vector of weights (arXiv 2409.17066)."""

    def width_of(how: Mapping[str, Any]) -> Width | None:
        length = (how.get("vector_lens") or [0])[-1]
        books = [(how.get(name) or [0])[-1] for name in ("num_centroids", "num_res_centroids")]
        return Width(sum(log2(book) for book in books if book > 1) / length) if length > 0 else None

    layers = stated.get("config_for_layers") or stated.get("shared_layer_config") or {}
    _, targeted = own_widths(layers, width_of)
    notes = () if targeted else ("quant_method 'vptq' without config_for_layers; 16 bits are taken",)
    ignored, more = names_of(stated.get("modules_to_not_convert"))
    return Scheme(name="vptq", widths={}, targeted=targeted, ignored=ignored, notes=(*notes, *more),
                  basis="VPTQ: bits of the indices over the length of a vector; codebooks are negligible")  # fmt: skip


def _micro(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """Micro-scaled formats by their name alone: transformers' nvfp4, mxfp8 and fouroversix, and FP-Quant."""
    method = str(stated.get("quant_method", "")).casefold()
    kind = str(stated.get("weight_dtype") or stated.get("dtype") or stated.get("forward_dtype") or method).upper()
    width = ALGORITHMS.get(kind, ALGORITHMS["NVFP4"])
    ignored, notes = names_of(stated.get("modules_to_not_convert"))
    return Scheme(name=f"{method} {kind.casefold()}" if kind.casefold() != method else method,
                  widths=all_of(replace(width, compute=f"fp{int(width.bits)}")), ignored=ignored, notes=notes,
                  basis="a scale of 8 bits per 16 (NVFP4) or 32 numbers")  # fmt: skip


def _quark_width(how: Mapping[str, Any]) -> Width | None:
    """What Quark says of a layer; of weights that are rounded twice (fp8, then int4) the narrower are stored."""
    stated = how.get("weight")
    each = [part for part in (stated if isinstance(stated, list) else [stated]) if isinstance(part, Mapping)]
    if not each:
        return None
    weight = min(each, key=lambda part: 4 if "4" in str(part.get("dtype", "")).split("_")[0] else 8)
    kind = str(weight.get("dtype", "")).casefold()
    group = integer(weight, "group_size", default=0)
    active = bool(how.get("input_tensors"))
    if "fp4" in kind:
        return Width(grouped(4, group or 32, zero_bits=0, scale_bits=8), "fp4" if active else "fp16", MICRO_TILE)
    if "int4" in kind:
        rowwise = str(weight.get("qscheme", "")) in {"per_channel", "per_tensor"}
        return Width(4.0 if rowwise else grouped(4, group or 128, zero_bits=0), "fp8" if active else "fp16", 64)
    if "fp6" in kind:
        return Width(grouped(6, group or 32, zero_bits=0, scale_bits=8), "fp8" if active else "fp16")
    return Width(8, ("int8" if "int8" in kind else "fp8") if active else "fp16")


def _quark(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """AMD Quark: one description for all layers, and others for layers by name."""
    whole = stated.get("global_quant_config")
    width = _quark_width(whole if isinstance(whole, Mapping) else {})
    layers = stated.get("layer_quant_config")
    plain, targeted = own_widths(layers if isinstance(layers, Mapping) else {}, _quark_width)
    ignored, notes = names_of(stated.get("exclude"), plain)
    weights = [how.get("weight") for how in (whole, *dict(layers or {}).values()) if isinstance(how, Mapping)]
    parts = [part for each in weights for part in (each if isinstance(each, list) else [each])]
    kinds = [str(part.get("dtype")) for part in parts if isinstance(part, Mapping)]
    return Scheme(name=f"quark {' + '.join(dict.fromkeys(kinds)) or 'without weights'}",
                  widths=all_of(width) if width else {}, ignored=ignored, targeted=targeted, notes=notes,
                  basis="AMD Quark")  # fmt: skip


LIBRARIES: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Scheme]] = {
    "torchao": _torchao, "hqq": _hqq, "quanto": _quanto, "quark": _quark, "vptq": _vptq, "mlx": _mlx, "nvfp4": _micro,
    "mxfp8": _micro, "fouroversix": _micro, "fp_quant": _micro,
}  # fmt: skip
"""By `quant_method`; MLX states none."""
