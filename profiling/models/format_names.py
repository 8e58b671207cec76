"""Names that people give to stored formats and caches: what they mean in bits, and how to find one in a file's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from profiling.errors import UnsupportedPrecision, nearest
from profiling.models.architecture import Architecture
from profiling.models.gguf import Size, Widths, gguf_file_size_bytes, gguf_widths, tensor_numbers
from profiling.models.gguf_rules import file_type, file_types, reference

_SHARD = re.compile(r"[-_.]\d{5}-of-\d{5}")
_SUFFIX = re.compile(r"\.(gguf|safetensors|bin)$")
_GGUF_TYPE = re.compile(
    r"(?<![a-z0-9])(?:ud[-_])?(?:iq|tq|q)\d(?:_[a-z0-9]+)+|(?<![a-z0-9])(?:ud[-_])?(?:mxfp4_moe)(?![a-z0-9])"
)
_GGUF_FLOAT = re.compile(r"(?<![a-z0-9])(f32|fp32|f16|fp16|bf16|mxfp4|nvfp4)(?:a16)?(?![a-z0-9])")
_SCALES_TOLERANCE = 0.01
"""Quantisers of these formats leave out single matrices (routers, small projections) as they see fit."""


@dataclass(frozen=True, slots=True)
class GroupedFormat:
    """A format that keeps `bits` per number and scales per group, the same in every matrix of a kind."""

    name: str
    matrix_bits: float
    """Attention, feed-forward and experts, scales and zeros included."""
    embedding_bits: float = 16
    head_bits: float = 16
    per_matrix_vectors: bool = False
    """Two 16-bit vectors per matrix, one number per row and one per column (EXL3)."""
    basis: str = ""
    compute: str = "fp16"
    """Format of the products where the device has it: that of the numbers, unless they are opened first."""


def _mlx(bits: int, group: int, _symmetric: bool) -> GroupedFormat:
    width = bits + 32 / group
    basis = "MLX: 16-bit scale and bias per group, embeddings and head as well"
    return GroupedFormat(f"mlx-{bits}bit-g{group}", width, width, width, basis=basis)


def _packed(scheme: str) -> Callable[[int, int, bool], GroupedFormat]:
    def of(bits: int, group: int, symmetric: bool) -> GroupedFormat:
        zero = 0 if symmetric else bits
        suffix = "-sym" if symmetric else ""
        basis = (
            f"{scheme}: 16-bit scale{'' if symmetric else f' and {bits}-bit zero'} per group; tables and head 16 bit"
        )
        return GroupedFormat(f"{scheme}-{bits}bit-g{group}{suffix}", bits + (16 + zero) / group, basis=basis)

    return of


def _hqq(bits: int, group: int, _symmetric: bool) -> GroupedFormat:
    return GroupedFormat(
        f"hqq-{bits}bit-g{group}",
        bits + 32 / group,
        basis="HQQ: 16-bit scale and zero per group; tables and head 16 bit",
    )


_SCHEMES: dict[str, tuple[Callable[[int, int, bool], GroupedFormat], int]] = {
    "mlx": (_mlx, 64),
    "awq": (_packed("awq"), 128),
    "gptq": (_packed("gptq"), 128),
    "autoround": (_packed("autoround"), 128),
    "hqq": (_hqq, 64),
}
"""Each scheme and the group size it has unless its name says otherwise."""

_PER_OUTPUT = "one scale per output is negligible; tables and head 16 bit"
_FIXED = {
    form.name: form
    for form in (
        GroupedFormat("mlx-mxfp4", 4.25, 4.25, 4.25, basis="MLX: one 8-bit scale per 32"),
        GroupedFormat("mlx-nvfp4", 4.5, 4.5, 4.5, basis="MLX: one 8-bit scale per 16"),
        GroupedFormat("mlx-mxfp8", 8.25, 8.25, 8.25, basis="MLX: one 8-bit scale per 32"),
        GroupedFormat("fp8", 8, basis="one scale per matrix is negligible; tables and head 16 bit", compute="fp8"),
        GroupedFormat(
            "fp8-block", 8 + 32 / 128**2, basis="one 32-bit scale per 128 × 128; tables and head 16 bit", compute="fp8"
        ),
        *(GroupedFormat(name, 8, basis=_PER_OUTPUT, compute="fp8") for name in ("fp8-dynamic", "w8a8-fp8")),
        *(GroupedFormat(name, 8, basis=_PER_OUTPUT, compute="int8") for name in ("int8", "w8a8", "w8a8-int8")),
        GroupedFormat("mxfp4", 4.25, basis="one 8-bit scale per 32; OCP Microscaling v1.0; tables and head 16 bit"),
        GroupedFormat(
            "mxfp8", 8.25, basis="one 8-bit scale per 32; OCP Microscaling v1.0; tables and head 16 bit", compute="fp8"
        ),
        GroupedFormat("nvfp4", 4.5, basis="one 8-bit scale per 16; tables and head 16 bit"),
        GroupedFormat("nf4", 4.5, basis="one 32-bit scale per 64; arXiv 2305.14314"),
        GroupedFormat(
            "nf4-double", 4 + 8 / 64 + 32 / (64 * 256), basis="scales of scales; arXiv 2305.14314, section 3"
        ),
    )
}
_GROUPED = re.compile(r"(mlx|awq|gptq|autoround|hqq)[-_ ]?(?:int)?(\d)[-_ ]?(?:bits?)?(?:[-_ ]?g(\d+))?([-_ ]sym)?")
_BY_BITS = re.compile(r"w([2-8])a(16|8|fp8)((?:[-_ ]?g\d+|[-_ ]asym)*)")
"""Names of compressed-tensors: bits of weights and of activations, a scale of 16 bits per group of weights."""
_TRELLIS = re.compile(r"(exl[23])[-_ ]?(\d+(?:\.\d+)?)(?:bpw)?")


def known_formats() -> tuple[str, ...]:
    """Names of formats: all of GGUF, and the usual ones of each scheme that takes bits and group sizes."""
    grouped = [f"mlx-{bits}bit" for bits in (2, 3, 4, 5, 6, 8)]
    grouped += [f"{scheme}-{bits}bit-g128" for scheme in ("awq", "gptq", "autoround") for bits in (4, 8)]
    trellis = [f"{name}-{bits}bpw" for name in ("exl2", "exl3") for bits in ("3.0", "4.0", "5.0", "6.0")]
    by_bits = ["w4a16", "w4a16-g32", "w4a16-g64", "w4a16-asym", "w8a16", "w4a8"]
    return (*file_types(), *grouped, "hqq-4bit-g64", *trellis, *_FIXED, *by_bits)


@cache
def grouped_format(name: str) -> GroupedFormat | None:
    """The format of that name when its width is the same in every matrix of a kind, else None.

    `mlx-4bit`, `mlx-6bit-g32`, `awq-4bit-g128`, `gptq-8bit-g128`, `gptq-4bit-g128-sym`, `exl3-4.0bpw`, `fp8-block`,
    `w4a16-g32`, `w8a16`, `w8a8`, `fp8-dynamic`, …
    """
    folded = name.strip().casefold()
    if fixed := _FIXED.get(folded) or _FIXED.get(re.sub(r"[_ ]", "-", folded)):
        return fixed
    if match := _BY_BITS.fullmatch(folded):
        return _by_bits(int(match[1]), match[2], match[3])
    if match := _GROUPED.fullmatch(folded):
        scheme, bits, group, symmetric = match.groups()
        make, usual = _SCHEMES[scheme]
        return make(int(bits), int(group or usual), bool(symmetric)) if int(bits) and int(group or usual) else None
    if match := _TRELLIS.fullmatch(folded):
        bits = float(match[2])
        if not 1 <= bits <= 8:
            return None
        head = max(6.0, min(bits, 8.0))
        basis = f"{match[1].upper()}: stated bits in the matrices, head 6 or more, embeddings 16"
        return GroupedFormat(
            f"{match[1]}-{bits}bpw", bits, 16, head, per_matrix_vectors=match[1] == "exl3", basis=basis
        )
    return None


def _by_bits(bits: int, activations: str, rest: str) -> GroupedFormat | None:
    """`w4a16` and its like, with the group size that the name says, else 128, as compressed-tensors' presets have it.

    Formats: src/compressed_tensors/quantization/quant_scheme.py of vllm-project/compressed-tensors, at 0bb1251.
    """
    size = re.search(r"g(\d+)", rest)
    group = int(size[1]) if size else 128
    if not group:
        return None
    zero = bits if "asym" in rest else 0
    name = f"w{bits}a{activations}" + (f"-g{group}" if size else "") + ("-asym" if zero else "")
    zeros = f" and {bits}-bit zero" if zero else ""
    symmetry = "" if zero else ", symmetric"
    # Weights below the width of activations are opened to it before the product.
    compute = {"16": "fp16", "8": "int8", "fp8": "fp8"}[activations]
    basis = f"16-bit scale{zeros} per {group}{symmetry}; tables and head 16 bit"
    return GroupedFormat(name, bits + (16 + zero) / group, basis=basis, compute=compute)


def format_widths(model: Architecture, name: str) -> Widths:
    """Bits per number of each group of the model's tensors in a stored format, GGUF or another.

    Raises:
        UnsupportedPrecision: No such format; the message names the nearest.
    """
    grouped = grouped_format(name)
    if grouped is None:
        _require_known(name)
        return gguf_widths(model, name)
    matrix = grouped.matrix_bits + (32 / model.hidden_size if grouped.per_matrix_vectors else 0)
    return Widths(
        attention=matrix, feed_forward=matrix, experts=matrix, embedding=grouped.embedding_bits,
        head=grouped.head_bits, other=16,
    )  # fmt: skip


def file_size_bytes(model: Architecture, name: str) -> Size:
    """The size of the model's weights in a stored format, GGUF or another.

    Raises:
        UnsupportedPrecision: No such format; the message names the nearest.
    """
    grouped = grouped_format(name)
    if grouped is None:
        _require_known(name)
        return gguf_file_size_bytes(model, name)
    widths = format_widths(model, name)
    numbers = tensor_numbers(model)
    total = round(sum(count * getattr(widths, group) for group, count in numbers.items()) / 8)
    spread = round(total * _SCALES_TOLERANCE)
    return Size(total, total - spread, total + spread, grouped.basis, total, model.parameters_total)


def _require_known(name: str) -> None:
    try:
        file_type(name)
    except UnsupportedPrecision:
        close = nearest(name, known_formats())
        raise UnsupportedPrecision(
            f"{name!r} is not a stored format known here{f'; nearest: {close}' if close else ''}. "
            "GGUF types go by their names (Q4_K_M, UD-Q4_K_XL), others by scheme, bits and group: "
            "mlx-4bit, awq-4bit-g128, gptq-4bit-g32, exl3-4.0bpw, hqq-4bit-g64"
        ) from None


def kv_format(name: str) -> float:
    """Bits per cached number of a cache format, scales included.

    `f16`, `bf16`, `q8_0`, `q4_0`, `fp8`, `fp8_e5m2`, `mlx-8bit`, …; `q8_0/q4_0` for keys and values apart, of which
    the mean is taken; `auto` is 16; a plain number is itself.

    Raises:
        UnsupportedPrecision: No such cache format; the message names those that are.
    """
    folded = name.strip().casefold()
    if "/" in folded:
        keys, _, values = folded.partition("/")
        return (kv_format(keys) + kv_format(values)) / 2
    if folded == "auto":
        return 16.0
    if row := reference().get(("kv cache", folded)):
        return float(row["bits_per_weight"])
    if re.fullmatch(r"\d{1,2}(\.\d+)?", folded) and 1 <= float(folded) <= 32:
        return float(folded)
    raise UnsupportedPrecision(f"{name!r} is not a cache format known here; known: {', '.join(kv_formats())}")


def kv_formats() -> tuple[str, ...]:
    """Names of all cache formats known here."""
    return tuple(name for kind, name in reference() if kind == "kv cache")


def format_in_name(name: str) -> str | None:
    """The stored format that a file's, repository's or tag's name states, or None.

    `Llama-3.1-8B-Instruct-Q4_K_M.gguf`, `…-UD-Q4_K_XL-00001-of-00003.gguf`, `qwen2.5:14b-instruct-q4_K_M`,
    `mlx-community/Qwen3-8B-4bit`, `Qwen2.5-7B-Instruct-AWQ`, `…-GPTQ-Int4`, `…-exl3-4.0bpw`, `…-FP8`. The last that
    is found counts: what comes after the model's name.
    """
    folded = _SUFFIX.sub("", _SHARD.sub("", name.strip().casefold()))
    if "unquantized" in folded:
        return None
    formats = [form for match in _GGUF_TYPE.finditer(folded) if (form := _longest_type(match[0]))]
    if formats:
        return formats[-1]
    if other := _other_scheme(folded):
        return other
    floats = _GGUF_FLOAT.findall(folded)
    if not floats:
        return None
    last = str(floats[-1])
    if last in {"mxfp4", "nvfp4"} and "gguf" not in name.casefold():
        return last  # a checkpoint's format, whose tables stay at 16 bits
    return "gguf-nvfp4" if last == "nvfp4" else file_type(last).name


def _longest_type(text: str) -> str | None:
    """The GGUF type with which the text begins: names go on with an underscore now and then."""
    parts = text.split("_")
    for length in range(len(parts), 1, -1):
        try:
            return file_type("_".join(parts[:length])).name
        except UnsupportedPrecision:
            continue
    return None


def _other_scheme(folded: str) -> str | None:
    bits = re.search(
        r"(?<![a-z0-9.])(?:int|w)?([2-8])[-_]?bits?(?:gs\d+)?(?![a-z0-9])|(?<![a-z0-9])int([48])(?![a-z0-9])", folded
    )
    width = int(bits[1] or bits[2]) if bits else 4
    group = re.search(
        r"(?:(?<![a-z0-9])|(?<=bit)|(?<=bits))(?:g|gs|group)[-_]?(32|64|128)(?:g)?(?![0-9])|(?<![a-z0-9])(32|64|128)g(?![a-z0-9])",
        folded,
    )
    size = f"-g{group[1] or group[2]}" if group else ""
    if match := re.search(r"(?<![a-z0-9])(exl[23])(?![a-z0-9])", folded):
        bpw = re.search(r"(\d(?:[._]\d+)?)[-_]?bpw", folded)
        return f"{match[1]}-{bpw[1].replace('_', '.')}bpw" if bpw else None
    if re.search(r"(?<![a-z0-9])(bnb|bitsandbytes)(?![a-z0-9])", folded):
        return "nf4-double" if width == 4 else "int8"
    for scheme in ("awq", "gptq", "autoround", "hqq"):
        if re.search(rf"(?<![a-z0-9]){scheme}(?:model)?(?![a-z0-9])", folded.replace("auto-round", "autoround")):
            return f"{scheme}-{width}bit{size or f'-g{_SCHEMES[scheme][1]}'}"
    if "mlx" in folded and (micro := re.search(r"(?<![a-z0-9])(mxfp4|nvfp4|mxfp8)(?![a-z0-9])", folded)):
        return f"mlx-{micro[1]}"
    # Of a name with both (NVFP4-FP8), experts, which are most of it, have the narrower.
    if fixed := re.search(
        r"(?<![a-z0-9])(mxfp8|(?<!nvfp4-)(?<!mxfp4-)fp8(?:[-_](?:dynamic|block))?"
        r"|w[2-8]a(?:16|8|fp8)(?:[-_]asym)?)(?![a-z0-9])",
        folded,
    ):
        return fixed[1].replace("_", "-") + (size if fixed[1].startswith("w") else "")
    return f"mlx-{width}bit{size}" if "mlx" in folded and bits else None
