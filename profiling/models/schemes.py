"""What each quantiser's config says: width and compute format of the matrices it covers, and which it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from profiling.models.module_names import Names
from profiling.models.stored import Group, Width

_MATRICES: tuple[Group, ...] = ("attention", "feed_forward", "experts")
_LEFT_OUT = "names left out"
_MICRO_TILE = 256
"""vLLM and TensorRT-LLM fill 4-bit micro-scaled experts up to multiples of 256 (2,880 of gpt-oss becomes 3,072)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How matrices are stored: a width for each group that is covered, exceptions, and widths for named modules."""

    name: str
    widths: Mapping[Group, Width]
    ignored: Names = field(default_factory=lambda: Names(()))
    targeted: Sequence[tuple[Names, Width]] = ()
    plain_bits: float = 16
    basis: str = ""
    notes: tuple[str, ...] = ()

    @property
    def by_layer(self) -> bool:
        """Whether layers have to be told apart."""
        return self.ignored.by_layer or any(targets.by_layer for targets, _ in self.targeted)


def _all(width: Width, groups: Sequence[Group] = _MATRICES) -> dict[Group, Width]:
    return dict.fromkeys(groups, width)


def _names(*values: object) -> tuple[Names, tuple[str, ...]]:
    """A list of modules from whatever states it, and a note where a copy of the config says that it left it out."""
    found: list[str] = []
    notes: list[str] = []
    for value in values:
        if isinstance(value, str) and _LEFT_OUT in value:
            notes.append("the list of matrices that stay at 16 bits is not at hand; the usual ones are taken to")
        elif isinstance(value, str):
            found.append(value)
        elif isinstance(value, Sequence):
            found += [str(each) for each in value]
    return Names(found), tuple(notes)


def _integer(stated: Mapping[str, Any], *names: str, default: int) -> int:
    for name in names:
        value = stated.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value:
            return int(value)
    return default


def _grouped(bits: int, group: int, *, zero_bits: int, scale_bits: int = 16) -> float:
    """Bits per number with a scale (and zero point) per group; −1 or 0: one per row, which is negligible."""
    return bits + ((scale_bits + zero_bits) / group if group > 0 else 0)


def _fp8(stated: Mapping[str, Any], config: Mapping[str, Any]) -> Scheme:
    block = stated.get("weight_block_size")
    scales = 32 / (block[0] * block[1]) if isinstance(block, Sequence) and len(block) == 2 else 0.0
    ignored, notes = _names(stated.get("modules_to_not_convert"), stated.get("ignored_layers"),
                            stated.get("modules_to_not_quantize"), stated.get("ignore"))  # fmt: skip
    width = Width(8 + scales, "fp8", 128 if scales else 1)
    widths = _all(width)
    name = "fp8-block" if scales else "fp8"
    if str(config.get("expert_dtype", "")).casefold() in {"fp4", "mxfp4"}:
        widths["experts"] = Width(4.25, "fp8", _MICRO_TILE)
        name = f"{name}, experts mxfp4"
    if stated.get("moe_quant_algo") == "NVFP4":
        widths["experts"] = Width(4.5, "fp4", _MICRO_TILE)
        name = f"{name}, experts nvfp4"
        ignored = Names(())  # those the NVFP4 part leaves out stay at fp8
    return Scheme(name=name, widths=widths, ignored=ignored, notes=notes,
                  basis="8-bit floating point" + (", a 32-bit scale per block" if scales else ""))  # fmt: skip


def _awq(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    bits, group = _integer(stated, "bits", "w_bit", default=4), _integer(stated, "group_size", "q_group_size",
                                                                           default=128)  # fmt: skip
    zero = bits if stated.get("zero_point", True) else 0
    ignored, notes = _names(stated.get("modules_to_not_convert"))
    return Scheme(name=f"awq-{bits}bit-g{group}", widths=_all(Width(_grouped(bits, group, zero_bits=zero), "fp16", 64)),
                  ignored=ignored, notes=notes, basis="16-bit scale and zero point per group")  # fmt: skip


def _gptq(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    bits, group = _integer(stated, "bits", default=4), _integer(stated, "group_size", default=128)
    # The zero points are stored whether or not the quantisation is symmetric.
    width = Width(_grouped(bits, group, zero_bits=bits), "fp16", 64)
    dynamic = stated.get("dynamic")
    left_out = [key for key in dynamic if str(key).startswith("-:")] if isinstance(dynamic, Mapping) else []
    ignored, notes = _names(left_out, stated.get("modules_to_not_convert"))
    widths = _all(width)
    if stated.get("lm_head"):
        widths["head"] = width
    method = str(stated.get("quant_method", "gptq"))
    return Scheme(name=f"{'gptq' if 'gptq' in method else 'autoround'}-{bits}bit-g{group}", widths=widths,
                  ignored=ignored, notes=notes, basis="16-bit scale and zero point per group")  # fmt: skip


def _mxfp4(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    ignored, notes = _names(stated.get("modules_to_not_convert"))
    return Scheme(name="mxfp4 experts", widths=_all(Width(4.25, "fp16", _MICRO_TILE), ("experts",)), ignored=ignored,
                  notes=notes, basis="4-bit numbers with an 8-bit scale per 32 in the experts alone")  # fmt: skip


def _tensor_width(weights: Mapping[str, Any], activations: object, form: str) -> Width:
    """The width that compressed-tensors and ModelOpt describe: bits, kind, group, and how inputs are rounded."""
    bits, group = _integer(weights, "num_bits", default=16), _integer(weights, "group_size", default=0)
    floating = str(weights.get("type", "int")) == "float"
    strategy = str(weights.get("strategy", ""))
    block = weights.get("block_structure")
    if strategy == "block" and isinstance(block, Sequence) and len(block) == 2 and not isinstance(block, str):
        stored = bits + 32 / (int(block[0]) * int(block[1]))
    elif floating and bits == 4:
        # A scale of 8 bits: per 16 numbers (NVFP4) or per 32 (MXFP4).
        group = group or (32 if "mxfp4" in form else 16)
        stored = _grouped(bits, group, zero_bits=0, scale_bits=8)
    elif floating and bits == 8 and group == 32:
        stored = _grouped(bits, group, zero_bits=0, scale_bits=8)
    else:
        zero = 0 if weights.get("symmetric", True) else bits
        stored = _grouped(bits, group, zero_bits=zero)
    compute = "fp16"
    if isinstance(activations, Mapping) and _integer(activations, "num_bits", default=16) <= 8:
        widest = max(bits, _integer(activations, "num_bits", default=16))
        compute = f"{'fp' if floating else 'int'}{widest}"
    return Width(stored, compute, _MICRO_TILE if floating and bits == 4 else 64 if bits <= 4 else 1)


def _compressed(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    groups = stated.get("config_groups")
    ignored, notes = _names(stated.get("ignore"), stated.get("exclude_modules"))
    widths: dict[Group, Width] = {}
    targeted, kinds = [], []
    if isinstance(groups, Mapping):
        for group in groups.values():
            form = str(group.get("format") or stated.get("format") or "")
            weights = dict(group.get("weights") or {})
            width = _tensor_width(weights, group.get("input_activations"), form)
            kinds.append(_name_of(weights, width))
            targets = group.get("targets") or ["Linear"]
            if isinstance(targets, str) or set(targets) & {"Linear", "FusedMoE", "MoE"}:
                widths = _all(width)
            else:
                targeted.append((Names(targets), width))
    if notes:  # what such lists of ModelOpt hold: attention, states, routers, head
        widths = {group: width for group, width in widths.items() if group != "attention"}
    name = " + ".join(dict.fromkeys(kinds)) or "compressed-tensors"
    return Scheme(name=name, widths=widths, ignored=ignored, targeted=targeted, notes=notes,
                  basis="compressed tensors: width by group of modules, with a list of exceptions")  # fmt: skip


def _name_of(weights: Mapping[str, Any], width: Width) -> str:
    bits, group = _integer(weights, "num_bits", default=16), _integer(weights, "group_size", default=0)
    if str(weights.get("type", "int")) == "float":
        return {(4, True): "nvfp4", (4, False): "mxfp4"}.get((bits, abs(width.bits - 4.25) > 1e-6), f"fp{bits}")
    inputs = f"a{width.compute.removeprefix('int')}" if width.compute.startswith("int") else "a16"
    return f"int w{bits}{inputs}{f'-g{group}' if group > 0 else ''}"


_ALGORITHMS: Mapping[str, Width] = {
    "FP8": Width(8, "fp8"), "FP8_PER_CHANNEL_PER_TOKEN": Width(8, "fp8"), "FP8_PB_WO": Width(8, "fp16"),
    "FP8_PB_REAL": Width(8, "fp8"), "FP8_BLOCK_SCALES": Width(8 + 32 / 128**2, "fp8", 128),
    "NVFP4": Width(4.5, "fp4", _MICRO_TILE), "NVFP4_AWQ": Width(4.5, "fp4", _MICRO_TILE),
    "W4A16_NVFP4": Width(4.5, "fp16", _MICRO_TILE), "W4A8_NVFP4_FP8": Width(4.5, "fp8", _MICRO_TILE),
    "MXFP8": Width(8.25, "fp8"), "MXFP4": Width(4.25, "fp16", _MICRO_TILE),
    "W4A8_MXFP4_FP8": Width(4.25, "fp8", _MICRO_TILE), "W4A16_AWQ": Width(4.125, "fp16", 64),
    "INT4_AWQ": Width(4.125, "fp16", 64), "W4A8_AWQ": Width(4.125, "fp8", 64), "INT8_SQ": Width(8, "int8"),
    "W8A8_SQ_PER_CHANNEL": Width(8, "int8"), "W8A16": Width(8, "fp16"), "W4A16": Width(4.125, "fp16", 64),
}  # fmt: skip
"""ModelOpt's algorithms."""


def _modelopt(stated: Mapping[str, Any], config: Mapping[str, Any]) -> Scheme:
    if isinstance(stated.get("config_groups"), Mapping):
        return _compressed(stated, config)
    algorithm = str(stated.get("quant_algo") or "").upper()
    ignored, notes = _names(stated.get("exclude_modules"), stated.get("ignore"))
    layers = stated.get("quantized_layers")
    targeted: list[tuple[Names, Width]] = []
    widths: dict[Group, Width] = {}
    if isinstance(layers, Mapping):
        by_width: dict[Width, list[str]] = {}
        for module, how in layers.items():
            width = _ALGORITHMS.get(str(how.get("quant_algo") if isinstance(how, Mapping) else how).upper())
            if width is not None:
                by_width.setdefault(width, []).append(str(module))
        targeted = [(Names(modules), width) for width, modules in by_width.items()]
    elif algorithm in _ALGORITHMS:
        widths = _all(_ALGORITHMS[algorithm])
        if notes:
            widths.pop("attention")
    else:
        widths = {"experts": _ALGORITHMS["NVFP4"]}
        how = "which matrix has which width is not at hand; experts are taken as nvfp4, all else as 16 bits"
        notes = (f"quant_algo {algorithm or 'missing'}: {how}",)
    return Scheme(name=algorithm.casefold() or "modelopt", widths=widths, ignored=ignored, targeted=targeted,
                  notes=notes, basis="NVIDIA ModelOpt")  # fmt: skip


def _bitsandbytes(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    ignored, notes = _names(stated.get("llm_int8_skip_modules"))
    if stated.get("load_in_8bit") or stated.get("_load_in_8bit"):
        return Scheme(name="bitsandbytes-int8", widths=_all(Width(8, "int8")), ignored=ignored, notes=notes,
                      basis="one scale per output row is negligible")  # fmt: skip
    double = bool(stated.get("bnb_4bit_use_double_quant"))
    bits = 4 + 8 / 64 + 32 / (64 * 256) if double else 4.5
    kind = str(stated.get("bnb_4bit_quant_type", "fp4"))
    return Scheme(name=f"{kind}{'-double' if double else ''}", widths=_all(Width(bits)), ignored=ignored, notes=notes,
                  basis="4-bit numbers, a scale per 64; arXiv 2305.14314")  # fmt: skip


def _torchao(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    kind = stated.get("quant_type")
    if isinstance(kind, Mapping):
        inner = kind.get("default", kind)
        data = dict(inner.get("_data") or {}) if isinstance(inner, Mapping) else {}
        kind = str(inner.get("_type", "")) if isinstance(inner, Mapping) else ""
    else:
        data = dict(stated.get("quant_type_kwargs") or {})
    word = str(kind or "").casefold().replace("_", "")
    group = _integer(data, "group_size", default=128)
    weights_only = "weightonly" in word
    if "int4" in word:
        width = Width(_grouped(4, group, zero_bits=16), "fp8" if "float8dyn" in word else "fp16", 64)
    elif "mxfp4" in word or "nvfp4" in word or "mx" in word:
        width = _ALGORITHMS["NVFP4" if "nvfp4" in word else "MXFP4"]
    elif "float8" in word:
        width = Width(8, "fp16" if weights_only else "fp8")
    else:
        width = Width(8, "fp16" if weights_only else "int8")
    ignored, notes = _names(stated.get("modules_to_not_convert"))
    widths = _all(width)
    if stated.get("include_input_output_embeddings"):
        widths |= {"embedding": width, "head": width}
    return Scheme(name=f"torchao {kind or 'int8'}", widths=widths, ignored=ignored, notes=notes, basis="torchao")


def _hqq(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    inner = dict(stated.get("quant_config") or stated)
    weights = dict(inner.get("weight_quant_params") or inner)
    bits, group = _integer(weights, "nbits", "bits", default=4), _integer(weights, "group_size", default=64)
    ignored, notes = _names(stated.get("skip_modules"))
    return Scheme(name=f"hqq-{bits}bit-g{group}", widths=_all(Width(_grouped(bits, group, zero_bits=16), "fp16", 64)),
                  ignored=ignored, notes=notes, basis="16-bit scale and zero point per group")  # fmt: skip


_QUANTO: Mapping[str, Width] = {
    "float8": Width(8), "int8": Width(8), "int4": Width(4 + 32 / 128), "int2": Width(2 + 32 / 128),
}  # fmt: skip


def _quanto(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    kind = str(stated.get("weights", "int8"))
    ignored, notes = _names(stated.get("modules_to_not_convert"))
    return Scheme(name=f"quanto {kind}", widths=_all(_QUANTO.get(kind, Width(8))), ignored=ignored, notes=notes,
                  basis="Quanto: scales and zero points per 128")  # fmt: skip


def _mlx(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    bits, group = _integer(stated, "bits", default=4), _integer(stated, "group_size", default=64)
    mode = str(stated.get("mode", "affine"))
    width = Width(_grouped(bits, group, zero_bits=0, scale_bits=8) if mode != "affine" else bits + 32 / group)
    groups: tuple[Group, ...] = (*_MATRICES, "other", "embedding", "head")
    return Scheme(name=f"mlx-{bits}bit-g{group}", widths=_all(width, groups),
                  basis="MLX: 16-bit scale and bias per group, tables and head as well")  # fmt: skip


def _stated_bits(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """EXL2, EXL3, AQLM, HIGGS, BitNet and others: the bits they state."""
    method = str(stated.get("quant_method", "")) or "unnamed"
    bits = next((float(stated[name]) for name in ("bits", "w_bit", "nbits", "num_bits", "p")
                 if isinstance(stated.get(name), int | float) and stated[name]), 0.0)  # fmt: skip
    if method == "bitnet":
        bits = 2.0  # ternary numbers, four to a byte
    if method == "aqlm":
        bits = (_integer(stated, "num_codebooks", default=1) * _integer(stated, "nbits_per_codebook", default=16)
                / max(_integer(stated, "in_group_size", default=8), 1))  # fmt: skip
    if method == "eetq":
        bits = 8.0
    if not 0 < bits <= 32:
        note = f"quant_method {method!r} is not known and states no bits; 16 bits are taken"
        return Scheme(name=f"{method}, width unknown", widths={}, notes=(note,))
    ignored, notes = _names(stated.get("modules_to_not_convert"), stated.get("ignore"), stated.get("exclude"))
    widths = _all(Width(bits))
    if stated.get("head_bits"):
        widths["head"] = Width(float(stated["head_bits"]))
    return Scheme(name=f"{method}-{bits:g}bit", widths=widths, ignored=ignored, notes=notes, basis="bits as stated")


def _quark(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """AMD Quark: one description for all layers."""
    whole = dict(stated.get("global_quant_config") or {})
    weight = dict(whole.get("weight") or {}) if not isinstance(whole.get("weight"), Sequence) else {}
    kind = str(weight.get("dtype", "")).casefold()
    group = _integer(weight, "group_size", default=0)
    active = isinstance(whole.get("input_tensors"), Mapping)
    if "fp4" in kind:
        width = Width(_grouped(4, group or 32, zero_bits=0, scale_bits=8), "fp4" if active else "fp16", _MICRO_TILE)
    elif "int4" in kind:
        width = Width(_grouped(4, group or 128, zero_bits=0), "fp16", 64)
    else:
        width = Width(8, ("int8" if "int8" in kind else "fp8") if active else "fp16")
    ignored, notes = _names(stated.get("exclude"))
    return Scheme(name=f"quark {kind or 'fp8'}", widths=_all(width), ignored=ignored, notes=notes, basis="AMD Quark")


_METHODS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Scheme]] = {
    "fp8": _fp8, "fbgemm_fp8": _fp8, "finegrained_fp8": _fp8, "awq": _awq, "gptq": _gptq, "gptq_marlin": _gptq,
    "auto-round": _gptq, "intel/auto-round": _gptq, "autoround": _gptq, "mxfp4": _mxfp4,
    "compressed-tensors": _compressed, "compressed_tensors": _compressed, "modelopt": _modelopt,
    "modelopt_fp4": _modelopt, "bitsandbytes": _bitsandbytes, "torchao": _torchao, "hqq": _hqq, "quanto": _quanto,
    "quark": _quark,
}  # fmt: skip


def methods() -> tuple[str, ...]:
    """The values of `quant_method` that are read in full."""
    return tuple(sorted(_METHODS))


def scheme_of(stated: Mapping[str, Any], config: Mapping[str, Any]) -> Scheme:
    """The scheme of a `quantization_config`; one that is not known is read by the bits it states, with a note."""
    method = str(stated.get("quant_method") or "").casefold()
    if method in _METHODS:
        return _METHODS[method](stated, config)
    if not method and (stated.get("quant_algo") or stated.get("config_groups")):
        return _modelopt(stated, config)
    if not method and stated.get("load_in_4bit") is not None:
        return _bitsandbytes(stated, config)
    if not method and isinstance(stated.get("bits"), int) and "group_size" in stated:
        return _mlx(stated, config)
    return _stated_bits(stated, config)
