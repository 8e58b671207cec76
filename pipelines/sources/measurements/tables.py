"""Tables: our own columns, and the comparison runs of AIConfigurator."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from math import isqrt

from pipelines.sources.measurements.rows import COLUMNS, Row, measured, milli

_OWN = frozenset({"device", "engine", "stage", "metric", "value"})
_SILICON_DEVICES = {
    "a100_sxm": "A100-SXM4-80GB",
    "h100_sxm": "H100-SXM5-80GB",
    "h200_sxm": "H200-SXM-141GB",
    "b200_sxm": "B200-SXM-180GB",
    "b300_sxm": "B300-SXM-288GB",
    "gb200": "GB200-186GB",
    "gb200_sxm": "GB200-186GB",
    "gb300": "GB300-288GB",
    "gb300_sxm": "GB300-288GB",
    "l40s": "L40S",
}
_SILICON_FORMATS = {"fp4": "nvfp4", "fp8": "fp8", "int4": "gptq-4bit-g128", "": "bf16"}
_NODE = 8
_ONE_ROUND = re.compile(r"gap-analysis/data/\w+/sglang/0\.5\.1\.post1/")
"""Runs among the sample that made one request for each in flight: their mean time to first token is that of half of all
prompts, in chunks of 8,192 tokens, at every number in flight, length and layout; none is read between tokens."""
_UNEVEN = re.compile(r"source_file=20\d\d-|db-dump/|kimi-k2\.5")
"""Runs of the public benchmark among the sample, whose lengths are drawn between 0.8 and 1 times the stated."""
_SILICON_ENGINES = {"trtllm": "TensorRT-LLM", "vllm": "vLLM", "sglang": "SGLang"}


def own(text: str) -> Iterator[Row | None] | None:
    """Our own CSV: the columns of `core.end_to_end_measurements`; those that are missing stay empty."""
    lines = csv.DictReader(io.StringIO(text, newline=""))
    if not frozenset(lines.fieldnames or ()) >= _OWN:
        return None
    return (
        measured(
            row["metric"],
            row["value"],
            row["stage"],
            **{name: row[name] for name in COLUMNS if row.get(name) and name not in {"metric", "value", "stage"}},
        )
        for row in lines
    )


def silicon(text: str) -> Iterator[Row | None] | None:
    """Serving runs of AIConfigurator's comparison: one line a run, time to first token and per token."""
    lines = csv.DictReader(io.StringIO(text, newline=""))
    if not frozenset(lines.fieldnames or ()) >= {"silicon_ttft_ms", "silicon_tpot_ms", "isl", "osl", "system"}:
        return None
    # Prefill and decode on devices of their own are two deployments, and no line says how requests wait between them.
    return _distinct_runs(line for line in lines if line["mode"] == "agg")


def _distinct_runs(lines: Iterator[Mapping[str, str]]) -> Iterator[Row | None]:
    """Rows of every run; the sample holds runs of several dumps, which repeat each other."""
    seen: set[tuple[str, ...]] = set()
    for line in lines:
        key = tuple(line[name] for name in _SAME_RUN)
        if key not in seen:
            seen.add(key)
            yield from _silicon(line)


def _steps_held_back(line: Mapping[str, str], across: int, attention: int) -> float:
    """Steps that a prompt waits by the options that the public benchmark launched the engine with.

    `scheduler-recv-interval` of SGLang (half of it on average), `batch_wait_timeout_iters` and, where attention is data
    parallel, `timeout_iters` of TensorRT-LLM: benchmarks/*.sh of SemiAnalysisAI/InferenceX, state of early 2026.
    """
    match = re.search(r"silicon_concurrency=(\d+)", line["silicon_data_source"])
    if not _UNEVEN.search(line["silicon_data_source"]) or match is None:
        return 0.0
    in_flight, short = int(match[1]), line["isl"] == line["osl"] == "1024"
    kind = (line["backend"], line["model_path"].casefold().rsplit("/", 1)[-1])
    if kind == ("sglang", "deepseek-r1") and line["system"].startswith("b200"):
        return 15.0 if in_flight >= _MANY else 5.0
    if kind[0] != "trtllm":
        return 0.0
    if attention > 1:
        return 60.0 if "deepseek" in kind[1] else 50.0
    if kind[1] == "llama-3.1-70b" and short and across < _NODE:
        return 20.0
    delayed = "deepseek" in kind[1] and line["precision"] == "fp8" and line["system"].startswith("b200")
    return 40.0 if delayed and short and 4 * _MANY <= in_flight < 16 * _MANY else 0.0


def _cache(line: Mapping[str, str]) -> str | None:
    """The format of the cache: that of the weights, or the one that the public benchmark launched the engine with.

    It asks for fp8 but for Kimi, on Hopper for gpt-oss, and there with SGLang (benchmarks/*.sh, as above).
    """
    if not _UNEVEN.search(line["silicon_data_source"]):
        return "fp8" if line["precision"] == "fp8" else None
    model, hopper = line["model_path"].casefold(), line["system"].startswith("h")
    plain = "kimi" in model or (hopper and ("gpt-oss" in model or line["backend"] == "sglang"))
    return None if plain else "fp8"


_MANY = 16
"""Requests in flight from which on the benchmark has SGLang look for prompts less often."""
_SAME_RUN = (
    "backend", "model_path", "system", "precision", "isl", "osl", "silicon_ttft_ms", "silicon_tpot_ms",
)  # fmt: skip


def _run_note(line: Mapping[str, str], across: int, attention: int) -> str | None:
    steps_held_back = _steps_held_back(line, across, attention)
    if steps_held_back:
        gathered = ", gathered for 10" if attention > 1 and "deepseek" not in line["model_path"].casefold() else ""
        return f"prompts are held back {steps_held_back:g} steps{gathered}"
    return "one round: all requests at once" if _ONE_ROUND.search(line["silicon_data_source"]) else None


def _silicon(line: Mapping[str, str]) -> Iterator[Row | None]:
    """One run: mean time to first token and per token, of ten requests for each that is in flight.

    The benchmark behind these dumps gives a group of devices as tensor and as expert ways of the same group; where the
    sample multiplies the two (8 and 8 to 64), the group is the larger of them.
    """

    def ways(name: str) -> int:
        return max(1, int(line[name] or 1))

    attention, experts = ways("attention_dp_size"), ways("moe_ep_size")
    across = max(ways("tp_size") * attention, ways("moe_tp_size") * experts)
    root = isqrt(across)
    if across > _NODE and root * root == across and not line["system"].startswith("gb"):
        across, experts, attention = root, root, root if attention > 1 else 1
    spread = f"TP{across}" + (f" EP{experts}" if experts > 1 else "") + (f" DP{attention}" if attention > 1 else "")
    in_flight = re.search(r"silicon_concurrency=(\d+)", line["silicon_data_source"])
    day = re.search(r"measured=(\d{4}-\d\d-\d\d)", line["silicon_data_source"])
    # Its requests are as long as stated at most, and at least eight tenths of it.
    mean = 0.9 if _UNEVEN.search(line["silicon_data_source"]) else 1.0
    native = "mxfp4" if "gpt-oss" in line["model_path"].casefold() else None
    plain = "bf16" if line["gemm_quant_mode"] == "bfloat16" else None
    shared = {
        "source": "aiconfigurator-silicon",
        "device": _SILICON_DEVICES.get(line["system"], line["system"]),
        "device_as_reported": line["system"],
        "device_count": across * ways("pp_size"),
        "parallelism": spread,
        "engine": _SILICON_ENGINES.get(line["backend"], line["backend"]),
        "engine_version": line["backend_version"],
        "model": line["model_path"],
        "model_as_reported": line["model_path"],
        "weight_format": native or plain or _SILICON_FORMATS.get(line["precision"], line["precision"]),
        "kv_format": _cache(line),
        "batch": int(in_flight[1]) if in_flight else int(line["batch_size"] or 1) * attention,
        "input_tokens": mean * int(line["isl"]),
        "output_tokens": mean * int(line["osl"]),
        "measured_on": day[1] if day else None,
        "licence": "Apache-2.0",
        "evidence": line["id"],
        "note": _run_note(line, across, attention),
    }
    yield measured("tpot_s", milli(line["silicon_tpot_ms"]), "serving", **shared)
    yield measured("ttft_s", milli(line["silicon_ttft_ms"]), "serving", **shared)
