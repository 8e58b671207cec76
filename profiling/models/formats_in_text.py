"""Formats as names of models state them: in full, in short, or as a GGUF without a type."""

from __future__ import annotations

import re

from profiling.models import ollama
from profiling.models.format_names import format_in_name
from profiling.models.gguf_rules import file_types

_SHORT_FORMATS = {
    **{f"q{bits}": f"gguf-q{bits}_{kind}" for bits, kind in ((2, "k"), (3, "k_m"), (4, "k_m"), (5, "k_m"), (6, "k"),
                                                              (8, "0"))},
    "int4": "w4a16", "4bit": "w4a16", "int8": "int8", "8bit": "int8", "fp4": "nvfp4",
    "exl2": "exl2-4.0bpw", "exl3": "exl3-4.0bpw", "qat": "gguf-q4_0",
}  # fmt: skip
"""Formats that people say in short, and the usual one of each; which it is taken as is said."""
_SHORT = re.compile(r"(?<![a-z0-9.])(q[234568]|int[48]|[48][-_ ]?bits?|fp4|exl[23]|qat)(?![a-z0-9_])")
_ANY_TYPE = re.compile(r"(?<![a-z0-9])(?:ud[-_])?(?:iq|q)\d_[a-z0-9_]+")
_GGUF = re.compile(r"(?<![a-z0-9])gguf(?![a-z0-9])")
_FLOATS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "nvfp4": "nvfp4"}
"""Types of GGUF that other checkpoints have too, and what these call them."""
_STAYS_MXFP4 = re.compile(r"gpt[-_ ]?oss")
"""Whose experts are MXFP4 in every file."""


def is_gguf(text: str) -> bool:
    """Whether a text says that it is about GGUF files."""
    return bool(_GGUF.search(text.casefold()))


def stated_format(name: str, *, of_gguf: bool = False) -> str | None:
    """The stored format that a name states; those of GGUF by their full name.

    Args:
        name: A name, or a part of one.
        of_gguf: Whether the rest of the name says that it is a GGUF.
    """
    form = format_in_name(name)
    if form in _FLOATS and not of_gguf and not is_gguf(name):
        return _FLOATS[form]
    return f"gguf-{form}" if form in file_types() else form


def unknown_type(text: str) -> str | None:
    """What a text names as types of GGUF are named, and is none that is known here; None where it names nothing so."""
    match = _ANY_TYPE.search(text.casefold())
    return match[0] if match and "unquantized" not in text.casefold() and format_in_name(match[0]) is None else None


def format_in_short(text: str) -> tuple[str, str] | None:
    """The usual format of what a text says in short, or of GGUF without a type; and why."""
    folded = text.casefold()
    if "unquantized" in folded:
        return None
    if short := _SHORT.search(folded):
        usual = _SHORT_FORMATS[re.sub(r"[-_ ]|s$", "", short[1])]
        return usual, f"{short[1]} is taken as {usual}"
    if not is_gguf(folded):
        return None
    if _STAYS_MXFP4.search(folded):
        return "gguf-mxfp4_moe", "its type of GGUF is not said; experts are MXFP4 in all, and gguf-mxfp4_moe is taken"
    why = "which llama.cpp downloads of a repository (-hf) where no other is asked for"
    return ollama.FORMAT, f"its type of GGUF is not said; {ollama.FORMAT} is taken, {why}"
