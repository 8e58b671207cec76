"""Weights that a checkpoint stores quantised, opened to plain numbers: what remains of them is what the format kept.

Each quantiser stores a matrix as packed numbers with scales beside them; the matrix comes out under the name it had
before. Inputs of products are not rounded here, whatever the format does with them at run time.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from profiling.errors import InvalidConfig

Read = Callable[[], Tensor]
Parts = Mapping[str, Read]

_NAME = re.compile(r"^(?:(?P<module>.*?)\.)?(?P<part>weight\.[\w.]+|[^.]+)$")
_OF_INPUTS = frozenset({
    "input_scale", "input_global_scale", "input_zero_point", "output_scale", "k_scale", "v_scale", "q_scale",
})  # fmt: skip
"""Scales of what goes in and out, and of the cache: they round nothing that is stored."""
_MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Of e2m1 (OCP Microscaling Formats v1.0, section 5.3.3)."""
_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Columns of an int32, from its lowest bits on (github.com/mit-han-lab/llm-awq, `WQLinear.from_linear`)."""


def opened(tensors: Iterable[tuple[str, Read]], stated: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Name and plain tensor of everything that a checkpoint stores.

    Args:
        tensors: Stored name and how to read it, of the whole checkpoint.
        stated: Its `quantization_config`.

    Raises:
        InvalidConfig: A tensor is packed in a way that is not known here; the message names it.
    """
    modules: dict[str, dict[str, Read]] = defaultdict(dict)
    for name, read in tensors:
        match = _NAME.match(name)
        if match is None:
            raise InvalidConfig(f"{name!r} is no name of a tensor")
        modules[f"{match['module']}." if match["module"] else ""][match["part"]] = read
    for module, parts in modules.items():
        for part, tensor in _opened_module(module, parts, stated):
            if not tensor.is_floating_point() or tensor.dtype.itemsize == 1:
                raise InvalidConfig(f"{module}{part} holds {tensor.dtype}, and nothing known here says what it means")
            yield f"{module}{part}", tensor


def _opened_module(module: str, parts: Parts, stated: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    rest = {name: read for name, read in parts.items() if name not in _OF_INPUTS}
    for name in [name for name in rest if name.endswith("_blocks")]:  # gpt-oss: experts × rows × groups × 16 bytes
        stem = name.removesuffix("_blocks")
        scales = _power_of_two(rest.pop(f"{stem}_scales")())
        yield stem, (_e2m1(rest.pop(name)()) * scales.unsqueeze(-1)).flatten(-2).transpose(1, 2).contiguous()
    for needed, optional, open_ in _PACKINGS:
        if needed <= rest.keys():
            try:
                yield "weight", open_({name: rest.pop(name)() for name in needed | (optional & rest.keys())}, stated)
            except (RuntimeError, ValueError, KeyError) as error:
                raise InvalidConfig(f"{module}weight is not packed as its config says: {error}") from error
            break
    for name, read in rest.items():
        yield name, read()


def _unpacked(packed: Tensor, bits: int) -> Tensor:
    """Numbers of `bits` bits along the last dimension, the lowest bits of each word first."""
    word = packed.element_size() * 8
    step = bits if word % bits == 0 else 1
    shifts = torch.arange(0, word, step, dtype=torch.int64)
    pieces = ((packed.to(torch.int64).unsqueeze(-1) >> shifts) & ((1 << step) - 1)).flatten(-2)
    if step != bits:
        pieces = (pieces.unflatten(-1, (-1, bits)) << torch.arange(bits)).sum(-1)
    return pieces


def _e2m1(packed: Tensor) -> Tensor:
    """Four-bit floating-point numbers, two to a byte, the lower half first."""
    table = torch.tensor((*_MAGNITUDES, *(-each for each in _MAGNITUDES)))
    return table[_unpacked(packed, 4)]


def _power_of_two(scales: Tensor) -> Tensor:
    """Scales of e8m0: exponents with a bias of 127."""
    return torch.exp2(scales.to(torch.float32) - 127)


def _spread(scales: Tensor, shape: torch.Size, block: tuple[int, int] | None = None) -> Tensor:
    """Scales of a matrix, of its rows, of groups within rows, or of blocks, repeated over its numbers."""
    if scales.numel() == 1:
        return scales.float().reshape(1, 1)
    scales = scales.float().reshape(-1, 1) if scales.dim() == 1 else scales.float()
    for axis in (0, 1):
        if scales.shape[axis] not in {1, shape[axis]}:
            each = block[axis] if block else shape[axis] // scales.shape[axis]
            if -(-shape[axis] // each) != scales.shape[axis]:
                raise ValueError(f"{tuple(scales.shape)} scales do not cover {tuple(shape)} numbers")
            scales = scales.repeat_interleave(each, dim=axis).narrow(axis, 0, shape[axis])
    return scales


def _block(stated: Mapping[str, Any]) -> tuple[int, int] | None:
    groups = stated.get("config_groups")
    weights = [group.get("weights") or {} for group in groups.values()] if isinstance(groups, Mapping) else []
    blocks = [stated.get("weight_block_size"), *(each.get("block_structure") for each in weights)]
    return next(((int(each[0]), int(each[1])) for each in blocks if isinstance(each, list) and len(each) == 2), None)


def _gptq_or_awq(parts: Mapping[str, Tensor], stated: Mapping[str, Any]) -> Tensor:
    """Integers of inputs × outputs with a scale and a zero point per group of inputs (arXiv 2210.17323, 2306.00978)."""
    packing = str(stated.get("packing_format") or stated.get("quant_method") or "").casefold()
    bits = int(stated.get("bits") or stated.get("w_bit") or 4)
    scales = parts["scales"].float()
    if "awq" in packing:
        order = torch.tensor(_AWQ_ORDER).argsort()
        numbers, zeros = (
            _unpacked(parts[name], bits).unflatten(-1, (-1, len(_AWQ_ORDER)))[..., order].flatten(-2)
            for name in ("qweight", "qzeros")
        )
    elif "gptq" in packing:
        numbers, zeros = _unpacked(parts["qweight"].t(), bits).t(), _unpacked(parts["qzeros"], bits)
        if stated.get("checkpoint_format") != "gptq_v2":
            zeros = zeros + 1  # the first form stores one less
    else:
        raise ValueError(f"{packing!r} says neither GPTQ nor AWQ")
    inputs = numbers.shape[0]
    group = parts["g_idx"].long() if "g_idx" in parts else torch.arange(inputs) // -(-inputs // scales.shape[0])
    weight: Tensor = (numbers - zeros[group]) * scales[group]
    return weight.t().contiguous()


def _pack_quantised(parts: Mapping[str, Tensor], _stated: Mapping[str, Any]) -> Tensor:
    """Integers of compressed-tensors: outputs × inputs, offset to be positive (its `pack_to_int32`)."""
    rows, columns = (int(each) for each in parts["weight_shape"])
    bits = 32 * parts["weight_packed"].shape[1] // columns
    if bits not in {2, 4, 8}:
        raise ValueError(f"{bits} bits do not fill words of 32")
    offset = 1 << (bits - 1)
    numbers = _unpacked(parts["weight_packed"], bits)[:, :columns] - offset
    scales = parts["weight_scale"].float()
    group = parts["weight_g_idx"].long() if "weight_g_idx" in parts else None
    if "weight_zero_point" in parts:
        zeros = _unpacked(parts["weight_zero_point"].t(), bits).t()[:rows] - offset
        numbers = numbers - (zeros[:, group] if group is not None else _spread(zeros, numbers.shape))
    return numbers * (scales[:, group] if group is not None else _spread(scales, numbers.shape))


def _scaled(parts: Mapping[str, Tensor], stated: Mapping[str, Any]) -> Tensor:
    """Numbers of 8 bits, or of e2m1 two to a byte, with scales of rows, groups, blocks or the whole."""
    stored = parts.get("weight", parts.get("weight_packed"))
    scale = next(parts[name] for name in ("weight_scale_inv", "weight_scale") if name in parts)
    if stored is None:
        raise ValueError("the numbers themselves are missing")
    numbers = _e2m1(stored) if stored.dtype == torch.uint8 else stored.float()
    scale = _power_of_two(scale) if scale.dtype == torch.uint8 else scale.float()
    if "weight_scale_2" in parts:  # NVFP4 of ModelOpt: times the second scale
        scale = scale * parts["weight_scale_2"].float()
    if "weight_global_scale" in parts:  # NVFP4 of compressed-tensors: over it
        scale = scale / parts["weight_global_scale"].float()
    if "weight_zero_point" in parts:
        numbers = numbers - _spread(parts["weight_zero_point"], numbers.shape)
    return numbers * _spread(scale, numbers.shape, _block(stated))


def _bitsandbytes_8(parts: Mapping[str, Tensor], _stated: Mapping[str, Any]) -> Tensor:
    """Rows scaled to 127 (arXiv 2208.07339, section 2)."""
    return parts["weight"].float() * (parts["SCB"].float() / 127).unsqueeze(-1)


def _bitsandbytes_4(parts: Mapping[str, Tensor], _stated: Mapping[str, Any]) -> Tensor:
    """Sixteen values of a table, the upper half of a byte first, with scales per block that may be quantised again.

    arXiv 2305.14314, section 3; the state beside the weight is JSON (`QuantState.as_dict` of bitsandbytes).
    """
    state = next(tensor for name, tensor in parts.items() if "quant_state" in name)
    fields = json.loads(bytes(state.tolist()))
    scales = parts["weight.absmax"]
    if "weight.nested_absmax" in parts:
        blocks = torch.arange(scales.numel()) // int(fields["nested_blocksize"])
        nested = parts["weight.nested_quant_map"].float()[scales.long()] * parts["weight.nested_absmax"].float()[blocks]
        scales = nested + float(fields["nested_offset"])
    packed = parts["weight"].flatten().long()
    values = parts["weight.quant_map"].float()[torch.stack((packed >> 4, packed & 15), dim=-1).flatten()]
    values = values[: torch.Size(fields["shape"]).numel()]
    blocks = torch.arange(values.numel()) // int(fields["blocksize"])
    return (values * scales.float()[blocks]).view(fields["shape"])


def _mlx(parts: Mapping[str, Tensor], stated: Mapping[str, Any]) -> Tensor:
    """Integers times a scale plus a bias, per group (ml-explore.github.io, `mlx.core.dequantize`)."""
    scales = parts["scales"].float()
    group = int(stated.get("group_size") or 64)
    bits = 32 * parts["weight"].shape[1] // (scales.shape[1] * group)
    numbers = _unpacked(parts["weight"], bits)
    return numbers * _spread(scales, numbers.shape) + _spread(parts["biases"], numbers.shape)


_QUANTISED_AGAIN = frozenset({"weight.nested_absmax", "weight.nested_quant_map"})
_STATES = tuple(f"weight.quant_state.bitsandbytes__{kind}" for kind in ("nf4", "fp4"))
_SECOND = frozenset({"weight_zero_point", "weight_scale_2", "weight_global_scale"})
_PACKINGS: tuple[
    tuple[frozenset[str], frozenset[str], Callable[[Mapping[str, Tensor], Mapping[str, Any]], Tensor]], ...
]
_PACKINGS = (
    (frozenset({"qweight", "qzeros", "scales"}), frozenset({"g_idx"}), _gptq_or_awq),
    (frozenset({"weight_packed", "weight_scale", "weight_shape"}),
     frozenset({"weight_zero_point", "weight_g_idx"}), _pack_quantised),
    (frozenset({"weight_packed", "weight_scale"}), _SECOND, _scaled),
    (frozenset({"weight", "weight_scale_inv"}), frozenset(), _scaled),
    (frozenset({"weight", "weight_scale"}), _SECOND, _scaled),
    (frozenset({"weight", "SCB"}), frozenset({"weight_format"}), _bitsandbytes_8),
    *((frozenset({"weight", "weight.absmax", "weight.quant_map", state}), _QUANTISED_AGAIN, _bitsandbytes_4)
      for state in _STATES),
    (frozenset({"weight", "scales", "biases"}), frozenset(), _mlx),
)  # fmt: skip
"""What a module of a packing stores, what it may store besides, and how it is opened."""
