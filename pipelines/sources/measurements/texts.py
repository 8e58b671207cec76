"""Plain text that tools print: `ollama run --verbose`, `mlx_lm.benchmark`, and the summary of an MLPerf run."""

import re
from collections.abc import Iterator

from pipelines.sources.measurements.rows import Row, measured

_OLLAMA = re.compile(
    r"prompt eval count:\s+(?P<given>\d+) token\(s\).*?prompt eval rate:\s+(?P<read>[\d.]+) tokens/s.*?"
    r"(?<!prompt )eval count:\s+(?P<made>\d+) token\(s\).*?(?<!prompt )eval rate:\s+(?P<written>[\d.]+) tokens/s",
    re.DOTALL,
)


_MLX = re.compile(
    r"Timing with prompt_tokens=(?P<given>\d+), generation_tokens=(?P<made>\d+), batch_size=(?P<batch>\d+)\..*?"
    r"Averages: prompt_tps=(?P<read>[\d.]+), generation_tps=(?P<written>[\d.]+)",
    re.DOTALL,
)


def ollama(text: str) -> Iterator[Row | None] | None:
    """What `ollama run --verbose` prints after an answer; model and device are not in it."""
    return _rates(_OLLAMA, text, "ollama --verbose", "ollama")


def mlx(text: str) -> Iterator[Row | None] | None:
    """What `mlx_lm.benchmark` prints; model and device are not in it."""
    return _rates(_MLX, text, "mlx_lm.benchmark", "mlx")


def _rates(pattern: re.Pattern[str], text: str, source: str, engine: str) -> Iterator[Row | None] | None:
    """Rates of reading and writing of every run found; None where there is none. One request, unless it says more."""
    runs = list(pattern.finditer(text))
    return (row for run in runs for row in _run(run, source, engine)) if runs else None


def _run(run: re.Match[str], source: str, engine: str) -> Iterator[Row | None]:
    given, made, batch = int(run["given"]), int(run["made"]), int(run.groupdict().get("batch", 1))
    shared = {"source": source, "engine": engine, "batch": batch}
    yield measured("tokens_per_s", run["read"], "prefill", input_tokens=given, context_depth=0, **shared)
    yield measured("tokens_per_s", run["written"], "decode", output_tokens=made, context_depth=given, **shared)


_LENGTHS = (
    # Mean tokens of prompts and answers of the data sets, as published.
    ("llama2-70b", "meta-llama/Llama-2-70b-hf", 294, 294),
    ("llama3.1-405b", "meta-llama/Meta-Llama-3.1-405B", 9428, 684),
    ("llama3.1-8b", "meta-llama/Meta-Llama-3.1-8B", 778, 73),
    ("mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1", 300, 145),
    ("deepseek-r1", "deepseek-ai/DeepSeek-R1", 808, 3880),
    ("gptj", "EleutherAI/gpt-j-6b", 919, 69),
)


_SYSTEM = re.compile(
    # Folders of submitters: results/H200-SXM-141GBx8_TRT/llama2-70b-99.9/…, results/8xMI325X_2xEPYC_9554/…
    r"/results/(?:(?P<number>\d+)x(?P<named>[^/_]+)|(?P<device>[^/_]+?)x(?P<count>\d+))(?P<rest>[^/]*)/"
)
_ENGINES = (("trt", "TensorRT-LLM"), ("vllm", "vLLM"), ("sglang", "SGLang"))


def mlperf(text: str, uri: str = "") -> Iterator[Row | None] | None:
    """`mlperf_log_summary.txt`; the benchmark's name is in the folder of the file, the layout of devices in neither."""
    if "MLPerf Results Summary" not in text:
        return None
    scenario = _value(text, r"Scenario\s*:\s*(\w+)") or ""
    folder = uri.casefold()
    model, given, made = next(
        ((name, given, made) for word, name, given, made in _LENGTHS if word in folder), (None, None, None)
    )
    rate = _value(text, r"(?:Completed tokens per second|Tokens per second)\s*:\s*([\d.]+)")
    per_token, first = (
        _value(text, rf"Mean {name}\s*\(ns\)\s*:\s*([\d.]+)")
        for name in ("Time (?:to|per) Output Token", "First Token latency")
    )
    batch = float(rate) * float(per_token) / 1e9 if rate and per_token else None
    system = _SYSTEM.search(uri)
    device = (system["device"] or system["named"]) if system else None
    count = (system["count"] or system["number"]) if system else None
    engine = next((name for word, name in _ENGINES if system and word in system["rest"].casefold()), None)
    valid = _value(text, r"Result is\s*:\s*(\w+)")
    shared = {
        "source": "mlperf",
        "device_as_reported": device,
        "device": device,
        "device_count": count,
        "engine": engine,
        "model": model,
        "model_as_reported": _value(text, r"SUT name\s*:\s*(.+)"),
        "input_tokens": given,
        "output_tokens": made,
        "note": f"{scenario} scenario; layout not stated" + ("; marked invalid" if valid == "INVALID" else ""),
    }
    return iter(
        (
            measured("output_tokens_per_s", rate, "serving", **shared),
            measured("tpot_s", float(per_token) / 1e9 if per_token else None, "serving", batch=batch, **shared),
            measured("ttft_s", float(first) / 1e9 if first else None, "serving", batch=batch, **shared),
        )
    )


def _value(text: str, pattern: str) -> str | None:
    found = re.search(pattern, text)
    return found[1].strip() if found else None
