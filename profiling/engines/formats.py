"""What engines store weights in: those with files of their own hold formats of their own, the others published ones."""

from __future__ import annotations

import re
from collections.abc import Mapping

from profiling.memory.engines import known_engine, runs_on
from profiling.models.architecture import Architecture
from profiling.roofline.precisions import precision_for

FORMATS: Mapping[str, tuple[str | None, ...]] = {
    "llama.cpp": ("q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"),
    "mlx": ("mlx-8bit", "mlx-6bit", "mlx-4bit", "mlx-3bit"),
    "exllama": ("exl3-6.0bpw", "exl3-5.0bpw", "exl3-4.0bpw", "exl3-3.0bpw"),
}
"""Formats of engines with files of their own, widest first; every other engine serves the published one (None)."""
SERVED_FORMATS: tuple[str | None, ...] = (None, "fp8", "awq-4bit-g128")
_PLAIN = r"(?:bf|fp|f)(?:16|32)"
_MICROSCALED = r"(?:mxfp4|nvfp4)(?: experts|_moe)?"
_HELD: Mapping[str, str] = {
    "llama.cpp": rf"{_PLAIN}|{_MICROSCALED}|(?:gguf-)?(?:ud-)?(?:i|t)?q\d.*",
    "mlx": rf"{_PLAIN}|{_MICROSCALED}|mxfp8|mlx-.*",
    "exllama": rf"{_PLAIN}|exl\d-.*|gptq-.*",
}
"""Names of all that the files of an engine can hold: tensor types of GGUF (reference/gguf_types.csv), modes of MLX's
quantisation, trellises and GPTQ of ExLlama; 16 bits in any."""


_OWN: Mapping[str, str] = {
    "llama.cpp": r"gguf-.*|(?:ud-)?(?:i|t)?q\d.*", "mlx": r"mlx-.*", "exllama": r"exl\d-.*",
}  # fmt: skip
"""Names of formats that are an engine's own: whoever has such a file runs it with that."""


_READ_GGUF = frozenset({"vllm", "vllm-v0", "vllm-v1", "sglang", "transformers", "transformers-4bit", "openvino"})
"""Servers that read llama.cpp's files: the pages on GGUF of vLLM, SGLang, Transformers and OpenVINO's model server."""


def owner_of(weight_format: str) -> str | None:
    """The engine whose own format that is; None: one that servers read."""
    return next((engine for engine, names in _OWN.items() if re.fullmatch(names, weight_format.casefold())), None)


def formats_of(engine: str) -> tuple[str | None, ...]:
    """What the engine stores weights in, widest first; None: as published.

    Raises:
        InvalidWorkload: No such engine.
    """
    return FORMATS.get(runs_on(engine), SERVED_FORMATS)


def not_stored(engine: str, model: Architecture, weight_format: str) -> str:
    """That the engine's files cannot hold a format, and the nearest that they can, without a stop; empty where they do.

    Raises:
        InvalidWorkload: No such engine.
        UnsupportedPrecision: No such format; the message names the nearest.
    """
    kind, name = runs_on(engine), weight_format.casefold()
    if known_engine(engine) == "mlc":
        return "mlc compiles models into formats of its own (q4f16_1 and others), which are not known here"
    if kind not in FORMATS:
        owner = {"mlx": "MLX", "exllama": "ExLlama", "llama.cpp": "llama.cpp", None: ""}[owner_of(name)]
        if owner == "llama.cpp" and known_engine(engine) in _READ_GGUF:
            return ""
        return f"{engine} reads no {weight_format}, a format of {owner}'s own" if owner else ""
    if re.fullmatch(_HELD[kind], name):
        return ""
    precision = precision_for(model, weight_format)
    bits = float(precision.experts if model.is_mixture_of_experts else precision.weight_bits)
    nearest = min(filter(None, FORMATS[kind]), key=lambda own: (abs(_bits(own) - bits), _bits(own)))
    return f"{engine} files cannot hold {weight_format}; the nearest of its own formats is {nearest}"


def _bits(name: str) -> float:
    """Bits per weight that a format's name states: `q4_k_m`, `mlx-4bit`, `exl3-4.0bpw`."""
    return float(re.findall(r"(?<=q)\d|\d+(?=bit)|\d\.\d", name)[0])
