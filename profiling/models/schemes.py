"""What each quantiser's config says: width and compute format of the matrices it covers, and which it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from profiling.models.schemes_of_libraries import LIBRARIES
from profiling.models.stored import TWO_OF_FOUR_INDEX_BITS, Group, Width


def _fp8(stated: Mapping[str, Any], config: Mapping[str, Any]) -> Scheme:
    block = stated.get("weight_block_size")
    scales = 32 / (block[0] * block[1]) if isinstance(block, Sequence) and len(block) == 2 else 0.0
    ignored, notes = names_of(stated.get("modules_to_not_convert"), stated.get("ignored_layers"),
                            stated.get("modules_to_not_quantize"), stated.get("ignore"))  # fmt: skip
    width = Width(8 + scales, "fp8", 128 if scales else 1)
    widths = all_of(width)
    name = "fp8-block" if scales else "fp8"
    text = config.get("text_config")
    if (text if isinstance(text, Mapping) else config).get("engram_layer_ids"):  # DeepSeek V4.1
        widths["embedding"] = width
        notes = (*notes, "tables of n-grams are stored as narrow as matrices; that of tokens is counted so too")
    if str(config.get("expert_dtype") or stated.get("expert_dtype") or "").casefold() in {"fp4", "mxfp4"}:
        widths["experts"] = Width(4.25, "fp8", MICRO_TILE)
        name = f"{name}, experts mxfp4"
    if stated.get("moe_quant_algo") == "NVFP4":
        widths["experts"] = Width(4.5, "fp4", MICRO_TILE)
        name = f"{name.partition(',')[0]}, experts nvfp4"
        ignored = Names(())  # those the NVFP4 part leaves out stay at fp8
    return Scheme(name=name, widths=widths, ignored=ignored, notes=notes,
                  basis="8-bit floating point" + (", a 32-bit scale per block" if scales else ""))  # fmt: skip


def _awq(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    bits, group = integer(stated, "bits", "w_bit", default=4), integer(stated, "group_size", "q_group_size",
                                                                           default=128)  # fmt: skip
    zero = bits if stated.get("zero_point", True) else 0
    ignored, notes = names_of(stated.get("modules_to_not_convert"))
    width = Width(grouped(bits, group, zero_bits=zero), "fp16", 64)
    return Scheme(name=f"awq-{bits}bit-g{group}", widths=all_of(width), ignored=ignored, notes=notes,
                  basis="16-bit scale and zero point per group")  # fmt: skip


def _gptq(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """GPTQ with GPTQModel's `dynamic` ("-:" leaves out, else a width of its own), and AutoRound's `extra_config`."""
    method = str(stated.get("quant_method", "gptq"))
    bits, group = integer(stated, "bits", default=4), integer(stated, "group_size", default=128)
    kind = str(stated.get("data_type") or "int").casefold()

    def width_of(how: Mapping[str, Any]) -> Width | None:
        own_bits, own_group = integer(how, "bits", default=bits), integer(how, "group_size", default=group)
        if own_bits >= 16:
            return None
        if "fp" in kind:  # AutoRound: mx_fp, nv_fp, fp
            act = integer(how, "act_bits", default=integer(stated, "act_bits", default=16))
            scale = 8 if own_bits == 4 or "mx" in kind else 0
            stored = grouped(own_bits, own_group if scale else 0, zero_bits=0, scale_bits=scale)
            compute = f"fp{max(own_bits, act)}"
            return Width(stored, compute, MICRO_TILE if own_bits == 4 else 1)
        # The zero points are stored whether or not the quantisation is symmetric.
        return Width(grouped(own_bits, own_group, zero_bits=own_bits), "fp16", 64)

    width = width_of(stated) or Width(bits)
    dynamic = stated.get("dynamic")
    dynamic = dynamic if isinstance(dynamic, Mapping) else {}
    left_out = [str(key) for key in dynamic if str(key).startswith("-:")]
    raised = {str(key).removeprefix("+:"): how for key, how in dynamic.items() if not str(key).startswith("-:")}
    _, own = own_widths(raised, width_of, "re:")
    extra = stated.get("extra_config")
    whole, more = own_widths(extra if isinstance(extra, Mapping) else {}, width_of)
    ignored, notes = names_of(left_out, whole, stated.get("modules_to_not_convert"))
    widths = all_of(width)
    blocks = stated.get("modules_in_block_to_quantize")
    if isinstance(blocks, Sequence) and blocks:  # nothing else is
        named = [each for block in blocks for each in (block if isinstance(block, list) else [block])]
        widths, more = {}, [*more, (Names(named), width)]
    if stated.get("lm_head"):
        widths["head"] = width
    words = f"{bits}bit" if "fp" not in kind else f"{kind.replace('_', '')}{bits}"
    return Scheme(name=f"{'gptq' if 'gptq' in method else 'autoround'}-{words}-g{group}", widths=widths,
                  ignored=ignored, targeted=[*own, *more], notes=notes,
                  basis="16-bit scale and zero point per group")  # fmt: skip


def _mxfp4(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    ignored, notes = names_of(stated.get("modules_to_not_convert"))
    return Scheme(name="mxfp4 experts", widths=all_of(Width(4.25, "fp16", MICRO_TILE), ("experts",)), ignored=ignored,
                  notes=notes, basis="4-bit numbers with an 8-bit scale per 32 in the experts alone")  # fmt: skip


def _tensor_width(weights: Mapping[str, Any], activations: object, form: str) -> Width:
    """The width that compressed-tensors and ModelOpt describe: bits, kind, group, and how inputs are rounded."""
    bits, group = integer(weights, "num_bits", default=16), integer(weights, "group_size", default=0)
    floating = str(weights.get("type", "int")) == "float"
    strategy = str(weights.get("strategy", ""))
    block = weights.get("block_structure")
    if strategy == "block" and isinstance(block, Sequence) and len(block) == 2 and not isinstance(block, str):
        stored = bits + 32 / (int(block[0]) * int(block[1]))
    elif floating and bits == 4:
        # A scale of 8 bits: per 16 numbers (NVFP4) or per 32 (MXFP4).
        group = group or (32 if "mxfp4" in form else 16)
        stored = grouped(bits, group, zero_bits=0, scale_bits=8)
    elif floating and bits == 8 and group == 32:
        stored = grouped(bits, group, zero_bits=0, scale_bits=8)
    else:
        zero = 0 if weights.get("symmetric", True) else bits
        stored = grouped(bits, group, zero_bits=zero)
    compute = "fp16"
    if isinstance(activations, Mapping) and integer(activations, "num_bits", default=16) <= 8:
        widest = max(bits, integer(activations, "num_bits", default=16))
        compute = f"{'fp' if str(activations.get('type', 'int')) == 'float' else 'int'}{widest}"
    return Width(stored, compute, MICRO_TILE if floating and bits == 4 else 64 if bits <= 4 else 1)


def _compressed(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    groups = stated.get("config_groups")
    ignored, notes = names_of(stated.get("ignore"), stated.get("exclude_modules"))
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
                widths = all_of(width)
                if not ignored.hold("lm_head"):
                    widths["head"] = width
            else:
                targeted.append((Names(targets), width))
    sparsity = stated.get("sparsity_config")
    sparsity = sparsity if isinstance(sparsity, Mapping) else {}
    # "dense" there says that zeros have no list of their own: Marlin packs them with the numbers.
    forms = (str(each) for each in (sparsity.get("format"), stated.get("format")) if each not in {None, "dense"})
    if sparse := _sparse_width(next(forms, ""), sparsity.get("global_sparsity")):
        dense, _ = names_of(sparsity.get("ignore"))
        whole = [(dense, width) for width in dict.fromkeys(widths.values())][:1]
        widths = {group: sparse(width) for group, width in (widths or all_of(Width(16))).items()}
        targeted = [*whole, *((names, sparse(width)) for names, width in targeted)] if dense else targeted
        ignored = ignored if groups else dense
        kinds = [*(kinds or ["bf16"]), "zeros left out"]
    if notes:  # what such lists of ModelOpt hold: attention, states, routers, head
        widths = {group: width for group, width in widths.items() if group != "attention"}
    name = " + ".join(dict.fromkeys(kinds)) or "compressed-tensors"
    return Scheme(name=name, widths=widths, ignored=ignored, targeted=targeted, notes=notes,
                  basis="compressed tensors: width by group of modules, with a list of exceptions")  # fmt: skip


def _sparse_width(form: str, sparsity: object) -> Callable[[Width], Width] | None:
    """What leaving zeros out makes of a width; None: they are stored like others.

    Of four numbers two are kept with 2 bits each for their places; scattered ones with a bit per number.
    """
    if form in {"sparse-24", "sparse-24-bitmask", "marlin-24"}:
        return lambda width: replace(width, bits=(width.bits + TWO_OF_FOUR_INDEX_BITS) / 2)
    if form == "sparse-bitmask" and isinstance(sparsity, float) and 0 < sparsity < 1:
        return lambda width: replace(width, bits=width.bits * (1 - sparsity) + 1)
    return None


def _name_of(weights: Mapping[str, Any], width: Width) -> str:
    bits, group = integer(weights, "num_bits", default=16), integer(weights, "group_size", default=0)
    if str(weights.get("type", "int")) == "float":
        return {(4, True): "nvfp4", (4, False): "mxfp4"}.get((bits, abs(width.bits - 4.25) > 1e-6), f"fp{bits}")
    inputs = f"a{width.compute.removeprefix('int')}" if width.compute.startswith("int") else "a16"
    return f"int w{bits}{inputs}{f'-g{group}' if group > 0 else ''}"


def _modelopt(stated: Mapping[str, Any], config: Mapping[str, Any]) -> Scheme:
    if isinstance(stated.get("config_groups"), Mapping):
        return _compressed(stated, config)
    algorithm = str(stated.get("quant_algo") or "").upper()
    ignored, notes = names_of(stated.get("exclude_modules"), stated.get("ignore"))
    layers = stated.get("quantized_layers")
    targeted: list[tuple[Names, Width]] = []
    widths: dict[Group, Width] = {}
    if isinstance(layers, Mapping):
        by_width: dict[Width, list[str]] = {}
        for module, how in layers.items():
            width = ALGORITHMS.get(str(how.get("quant_algo") if isinstance(how, Mapping) else how).upper())
            if width is not None:
                by_width.setdefault(width, []).append(str(module))
        targeted = [(Names(modules), width) for width, modules in by_width.items()]
    elif algorithm in ALGORITHMS:
        widths = all_of(ALGORITHMS[algorithm])
        if notes:
            widths.pop("attention")
    else:
        widths = {"experts": ALGORITHMS["NVFP4"]}
        how = "which matrix has which width is not at hand; experts are taken as nvfp4, all else as 16 bits"
        notes = (f"quant_algo {algorithm or 'missing'}: {how}",)
    return Scheme(name=algorithm.casefold() or "modelopt", widths=widths, ignored=ignored, targeted=targeted,
                  notes=notes, basis="NVIDIA ModelOpt")  # fmt: skip


def _bitsandbytes(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    ignored, notes = names_of(stated.get("llm_int8_skip_modules"))
    if stated.get("load_in_8bit") or stated.get("_load_in_8bit"):
        return Scheme(name="bitsandbytes-int8", widths=all_of(Width(8, "int8")), ignored=ignored, notes=notes,
                      basis="one scale per output row is negligible")  # fmt: skip
    double = bool(stated.get("bnb_4bit_use_double_quant"))
    bits = 4 + 8 / 64 + 32 / (64 * 256) if double else 4.5
    kind = str(stated.get("bnb_4bit_quant_type", "fp4"))
    return Scheme(name=f"{kind}{'-double' if double else ''}", widths=all_of(Width(bits)), ignored=ignored, notes=notes,
                  basis="4-bit numbers, a scale per 64; arXiv 2305.14314")  # fmt: skip


_BITS_AS_STATED = frozenset({
    "exl2", "exl3", "aqlm", "higgs", "sinq", "metal", "marlin", "spqr", "bitnet", "eetq", "experts_int8", "tpu_int8",
    "w8a8_int8", "w8a8_fp8", "qqq", "squeezellm", "quip", "quip#", "bitblas", "fpx",
})  # fmt: skip
"""Quantisers that state their bits with all that is stored beside, or what is beside is negligible or added here."""
_WIDEST_WITH_SCALES = 8
"""Wider numbers are not quantised by groups."""
_UNKNOWN_DOUBT = 1 / 8
"""A scale of 16 bits for each 32 numbers of 4 bits, which most quantisers stay below."""


def _stated_bits(stated: Mapping[str, Any], _config: Mapping[str, Any]) -> Scheme:
    """EXL2, EXL3, AQLM, HIGGS, BitNet and others: the bits they state, and a scale per group where they state one.

    A quantiser that is not known is read so as well, with doubt and a note.
    """
    method = str(stated.get("quant_method", "")) or "unnamed"
    bits = next((float(stated[name]) for name in ("bits", "w_bit", "wbits", "nbits", "num_bits", "p")
                 if isinstance(stated.get(name), int | float) and stated[name]), 0.0)  # fmt: skip
    group = integer(stated, "group_size", default=0)
    if method in {"higgs", "sinq", "metal", "marlin"} and group > 0:
        bits += {"higgs": 16, "sinq": 32, "metal": 32, "marlin": 16}[method] / group
    if method == "spqr":  # scales and zero points of 3 bits per tile row, their own statistics per tile (2306.03078)
        tile = integer(stated, "beta1", default=16)
        bits += 2 * bits / tile + 64 / (tile * integer(stated, "beta2", default=16))
    if method == "bitnet":
        bits = 2.0  # ternary numbers, four to a byte
    if method == "aqlm":
        vector = integer(stated, "in_group_size", default=8) * integer(stated, "out_group_size", default=1)
        bits = (integer(stated, "num_codebooks", default=1) * integer(stated, "nbits_per_codebook", default=16)
                / vector)  # fmt: skip
    if method in {"eetq", "experts_int8", "tpu_int8", "w8a8_int8", "w8a8_fp8"}:
        bits = 8.0
    if not 0 < bits <= 32:
        note = f"quant_method {method!r} is not known and states no bits; 16 bits are taken"
        return Scheme(name=f"{method}, width unknown", widths={}, notes=(note,))
    ignored, notes = names_of(stated.get("modules_to_not_convert"), stated.get("ignore"), stated.get("exclude"),
                            stated.get("linear_weights_not_to_quantize"))  # fmt: skip
    if method == "spqr":
        notes = (*notes, "how many numbers SpQR keeps apart as outliers is not stated; they come beside")
    doubt = 0.0 if method in _BITS_AS_STATED or bits > _WIDEST_WITH_SCALES else _UNKNOWN_DOUBT
    if doubt:
        taken = f"quant_method {method!r} is not known here: its {bits:g} bits are taken as stated"
        notes = (*notes, f"{taken}, and scales or matrices that stay wide may add {100 * doubt:g} %")
        bits += 16 / group if group > 0 else 0
    widths = all_of(Width(bits), ("experts",) if method == "experts_int8" else MATRICES)
    if stated.get("head_bits"):
        widths["head"] = Width(float(stated["head_bits"]))
    return Scheme(name=f"{method}-{bits:g}bit", widths=widths, ignored=ignored, notes=notes, basis="bits as stated",
                  doubt=doubt)  # fmt: skip


_METHODS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Scheme]] = {
    "fp8": _fp8, "fbgemm_fp8": _fp8, "finegrained_fp8": _fp8, "awq": _awq, "gptq": _gptq, "gptq_marlin": _gptq,
    "auto-round": _gptq, "intel/auto-round": _gptq, "autoround": _gptq, "mxfp4": _mxfp4,
    "compressed-tensors": _compressed, "compressed_tensors": _compressed, "modelopt": _modelopt,
    "modelopt_fp4": _modelopt, "bitsandbytes": _bitsandbytes,
    **LIBRARIES,
    "modelopt_mxfp8": _modelopt, "modelopt_mixed": _modelopt, "inc": _gptq, "petit_nvfp4": _modelopt,
}  # fmt: skip


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
        return LIBRARIES["mlx"](stated, config)
    return _stated_bits(stated, config)
