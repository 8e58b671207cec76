"""Text that tools print: serving benchmarks of vLLM and SGLang, timings of Ollama, llama.cpp, MLX and LM Studio."""

import re
from collections.abc import Iterator

from pipelines.sources.measurements.documents import OF_SERVING, vllm_serve
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


_MLX_ANSWER = re.compile(
    r"^Prompt: (?P<given>\d+) tokens, (?P<read>[\d.]+) tokens-per-sec\s+"
    r"^Generation: (?P<made>\d+) tokens, (?P<written>[\d.]+) tokens-per-sec",
    re.MULTILINE,
)


_LM_STUDIO = re.compile(
    r"Prediction Stats:.*?Tokens/Second: (?P<written>[\d.]+).*?Prompt Tokens: (?P<given>\d+).*?"
    r"Predicted Tokens: (?P<made>\d+)",
    re.DOTALL,
)


_LLAMA = re.compile(
    r"prompt eval time =\s+[\d.]+ ms /\s+(?P<given>\d+) tokens.*?(?P<read>[\d.]+) tokens per second\).*?"
    r"(?<!prompt )eval time =\s+[\d.]+ ms /\s+(?P<made>\d+) (?:tokens|runs).*?(?P<written>[\d.]+) tokens per second\)",
    re.DOTALL,
)


_HEAD = " Serving Benchmark Result "
_BLOCK = re.compile(rf"=+{_HEAD}=+(.*?)(?:\n\W*={{10,}}|\Z)", re.DOTALL)
_LINE = re.compile(r"^\W*(\w[^:\n]*):\s+(\S+)", re.MULTILINE)
_PRINTED = {
    "Backend": "backend", "Request rate configured (RPS)": "request_rate", "Traffic request rate": "request_rate",
    "Maximum request concurrency": "max_concurrency", "Max request concurrency": "max_concurrency",
    "Successful requests": "completed", "Benchmark duration (s)": "duration",
    "Total input tokens": "total_input_tokens", "Total generated tokens": "total_output_tokens",
    "Output token throughput (tok/s)": "output_throughput", "Mean TTFT (ms)": "mean_ttft_ms",
    "Mean TPOT (ms)": "mean_tpot_ms",
}  # fmt: skip
"""Printed lines, and the fields of the JSON that hold the same."""
_MODEL = re.compile(r"(?:--model(?:-path)?[ =]|\bmodel=|^vllm serve )['\"]?([\w./-]+)", re.MULTILINE)
_WAYS = re.compile(r"(?:--tensor-parallel-size|--tp(?:-size)?|-tp)[ =](\d+)")


def serving(text: str) -> Iterator[Row | None] | None:
    """Blocks that `vllm bench serve` and SGLang's `bench_serving` print, with model and devices of a command above."""
    blocks = _BLOCK.finditer(text) if _HEAD in text else ()
    documents = [document for block in blocks if (document := _printed(block, text))]
    whole = (document for document in documents if document.keys() >= OF_SERVING)  # others are quoted in part
    read = [rows for document in whole if (rows := vllm_serve(document)) is not None]
    return (row for rows in read for row in rows) if read else None


def _printed(block: re.Match[str], text: str) -> dict[str, str]:
    document = {_PRINTED[line[1].strip()]: line[2] for line in _LINE.finditer(block[1]) if line[1].strip() in _PRINTED}
    if document.get("max_concurrency", "0") in {"not", "None"}:
        del document["max_concurrency"]
    for field, pattern in (("model_id", _MODEL), ("tensor_parallel_size", _WAYS)):
        named = [match[1] for match in pattern.finditer(text, 0, block.start())]
        if named:
            document[field] = named[-1]
    return document


def ollama(text: str) -> Iterator[Row | None] | None:
    """What `ollama run --verbose` prints after an answer; model and device are not in it."""
    return _rates(_OLLAMA, text, "ollama --verbose", "ollama")


def llama(text: str) -> Iterator[Row | None] | None:
    """What `llama-server` and `llama-completion` print after each answer; the device is not in it."""
    return _rates(_LLAMA, text, "timings of llama.cpp", "llama.cpp")


def mlx(text: str) -> Iterator[Row | None] | None:
    """What `mlx_lm.benchmark` prints; model and device are not in it."""
    return _rates(_MLX, text, "mlx_lm.benchmark", "mlx")


def mlx_answer(text: str) -> Iterator[Row | None] | None:
    """What `mlx_lm.generate` prints after an answer; model and device are not in it."""
    return _rates(_MLX_ANSWER, text, "mlx_lm.generate", "mlx")


def lm_studio(text: str) -> Iterator[Row | None] | None:
    """What `lms chat --stats` prints after an answer: the rate of writing; model and device are not in it."""
    return _rates(_LM_STUDIO, text, "lms chat --stats", "lm-studio")


def _rates(pattern: re.Pattern[str], text: str, source: str, engine: str) -> Iterator[Row | None] | None:
    """Rates of reading and writing of every run found; None where there is none. One request, unless it says more."""
    runs = list(pattern.finditer(text))
    return (row for run in runs for row in _run(run, source, engine)) if runs else None


def _run(run: re.Match[str], source: str, engine: str) -> Iterator[Row | None]:
    input_tokens, output_tokens, batch = int(run["given"]), int(run["made"]), int(run.groupdict().get("batch", 1))
    shared = {"source": source, "engine": engine, "batch": batch}
    if read := run.groupdict().get("read"):
        yield measured("tokens_per_s", read, "prefill", input_tokens=input_tokens, context_depth=0, **shared)
    yield measured(
        "tokens_per_s", run["written"], "decode", output_tokens=output_tokens, context_depth=input_tokens, **shared
    )
