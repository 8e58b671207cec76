"""What a row was measured with where only its publisher states it: backend, build, cache, depth, what ran where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import ENGINES, Engine, engine_of, of_version
from profiling.reference_files import reference_rows

_ON_VULKAN = (("geerlingguy/ai-benchmarks", "<sup>1</sup>"), ("community/amd-radeon-rx-7900-xt/", ""))
"""Sources of rows measured with Vulkan, and what marks them in the name of the card: the footnote "These GPUs were
tested using llama.cpp with Vulkan support", and all of a folder of AlexsJones/llmfit whose commits say "llama.cpp
Vulkan" (453af54, f016e87, c25754a)."""


def as_published(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with what only the command, the note or the memory beside it say where it was published.

    reference/published_runs.csv holds that by the id of a run in llmfit-core/data/benchmark_cache.json of
    AlexsJones/llmfit at commit 3f44fd3: the depth that llama-bench was given (it makes its tokens after none of the
    prompt that it reads apart), the type of the cache, what was not on the device, how a prompt was cut, and the
    RTX 3080 of 12 GB, a card of more bandwidth than the one that the name alone means.
    """
    run = _RUN.search(_text(row, "evidence"))
    stated = _published().get((run[1], _text(row, "stage"))) if run else None
    if stated is None:
        return row
    changed: dict[str, Any] = {name: stated[name] for name in ("device", "kv_format") if stated[name]}
    if stated["context_depth_tokens"]:
        changed["context_depth"] = float(stated["context_depth_tokens"])
    note = f"{_text(row, 'note')} {stated['note']}".strip()
    return {**row, **changed, "note": note}


_RUN = re.compile(r"benchmark_cache\.json id (\w+)")


@cache
def _published() -> Mapping[tuple[str, str], Mapping[str, str]]:
    return {(run["id"], run["stage"]): run for run in reference_rows("published_runs.csv")}


def engine_of_row(row: Mapping[str, Any], device: Accelerator) -> Engine:
    """The engine that a row of `core.end_to_end_measurements` is of, as it was at the version stated.

    Raises:
        InvalidWorkload: The name is not known.
    """
    engine = engine_of(_text(row, "engine"), device, _backend(row))
    if engine.family == "llama.cpp" and _runs_in_mlx(row, device):
        return ENGINES["mlx"]
    return of_version(engine, _text(row, "engine_version"))


def kv_format_of_row(row: Mapping[str, Any]) -> str:
    """The format of the cache that a row states, or that is stated where it was published; empty: neither.

    Who submits weights of fewer than 16 bits to MLPerf holds the cache in 8: `kv_cache_dtype` is `fp8` in the
    configurations of TensorRT-LLM for Llama 2 and 3.1 and DeepSeek-R1 (closed/NVIDIA/configs of the rounds 4.1 to 6.0,
    from which those of others derive), and AMD's read scales of such a cache (closed/AMD/code/llama2-70b-99/README.md
    of mlcommons/inference_results_v4.1). One H200 is given 806 sequences of Llama-2-70B there, more than fit in 16.
    """
    of_round = _text(row, "source").startswith("mlperf-") and _text(row, "weight_format") not in {"fp16", "bf16"}
    return _text(row, "kv_format") or ("fp8" if of_round else "")


def _backend(row: Mapping[str, Any]) -> str:
    """The backend that a row states, or that is stated where it was published."""
    source, card = _text(row, "evidence"), _text(row, "device_as_reported")
    elsewhere = any(publisher in source and mark in card for publisher, mark in _ON_VULKAN)
    return _text(row, "backend") or ("vulkan" if elsewhere else "")


def _runs_in_mlx(row: Mapping[str, Any], device: Accelerator) -> bool:
    """Whether Ollama hands the model to MLX: those named `-mlx`, and NVFP4 on Apple's chips.

    The latter by ollama.com/blog/mlx-performance (June 2026).
    """
    if _text(row, "model_as_reported").endswith("-mlx"):
        return True
    of_apple = device.vendor.casefold() == "apple" and _text(row, "engine").casefold() == "ollama"
    return of_apple and _text(row, "weight_format").casefold() == "nvfp4"


def _text(row: Mapping[str, Any], column: str) -> str:
    return str(row.get(column) or "")
