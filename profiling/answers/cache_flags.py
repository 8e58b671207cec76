"""How engines are told the format of their cache of keys and values."""

from __future__ import annotations

from collections.abc import Mapping

from profiling.errors import InvalidWorkload
from profiling.memory.engines import known_engine, runs_on
from profiling.models.format_names import kv_format

WHOLE = "f16"
"""What caches are kept in unless something else is asked for."""
_LLAMA_CPP = ("bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
_FP8 = {name: f"--kv-cache-dtype {name}" for name in ("fp8_e4m3", "fp8_e5m2")}
_FLAGS: Mapping[str, Mapping[str, str]] = {
    "llama.cpp": {name: f"-ctk {name} -ctv {name}" for name in _LLAMA_CPP}
    | {
        f"{keys}/{values}": f"-ctk {keys} -ctv {values}"
        for keys in (WHOLE, *_LLAMA_CPP) for values in (WHOLE, *_LLAMA_CPP) if keys != values
    },
    "ollama": {name: f"OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE={name}" for name in ("q8_0", "q4_0")},
    "vllm-v1": {"fp8": "--kv-cache-dtype fp8", **_FP8},
    "vllm-v0": {"fp8": "--kv-cache-dtype fp8", **_FP8},
    "sglang": {"fp8": "--kv-cache-dtype fp8_e4m3", **_FP8},
    "lmdeploy": {"int8": "--quant-policy 8", "int4": "--quant-policy 4"},
}  # fmt: skip
"""By engine and format: words of the command, of Ollama words before it; by the engines' own documentation."""


CACHES = tuple(dict.fromkeys([WHOLE, *(name for formats in _FLAGS.values() for name in formats if "/" not in name)]))
"""Formats that some engine keeps keys and values in alike."""


_WITH_SCALES = 1.15
"""How much wider a format may be than the bits it is asked for by: 4 bits are 4.5 with a scale per 32 numbers."""


def is_number(kv: str) -> bool:
    """Whether a cache is asked for by its bits, not by its format."""
    return kv.replace(".", "", 1).isdigit()


def _of_bits(known: Mapping[str, str], bits: float) -> str | None:
    """Of the formats that an engine has, the narrowest with so many bits and its scales, alike ones before pairs."""
    wide = [name for name in known if bits <= kv_format(name) <= _WITH_SCALES * bits]
    return min(wide, key=lambda name: (kv_format(name), "/" in name), default=None)


def cache_flags(engine: str, kv: str) -> str:
    """What tells an engine to keep its cache so; empty for 16 bits.

    Args:
        engine: What runs the model.
        kv: A cache format, as `kv_format` takes it; of a number of bits, the engine's narrowest that has so many.

    Raises:
        UnsupportedPrecision: No such cache format.
        InvalidWorkload: The engine has no such cache, as far as is known here; the message names those it has.
    """
    program, name = known_engine(engine), kv.strip().casefold()
    if kv_format(kv) == kv_format(WHOLE) and name != "bf16":
        return ""
    flag_of_format = _FLAGS.get(program, _FLAGS.get(runs_on(program), {}) if program != "lm-studio" else {})
    if is_number(name):
        name = _of_bits(flag_of_format, float(name)) or name
    if name in flag_of_format:
        return flag_of_format[name]
    if name == "bf16":
        return ""
    there = ", ".join(each for each in flag_of_format if "/" not in each) or "none but 16 bits"
    able = ", ".join(other for other, formats in _FLAGS.items() if name in formats)
    raise InvalidWorkload(
        f"{engine} is not known to support {kv}{' bits' if is_number(kv) else ''} for its cache; known: {there}"
        + (f"; engines that do: {able}" if able else "")
    )
