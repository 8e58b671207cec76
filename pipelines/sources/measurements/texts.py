"""Plain text that tools print: `ollama run --verbose`, timings of llama.cpp, and `mlx_lm.benchmark`."""

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


_LLAMA = re.compile(
    r"prompt eval time =\s+[\d.]+ ms /\s+(?P<given>\d+) tokens.*?(?P<read>[\d.]+) tokens per second\).*?"
    r"(?<!prompt )eval time =\s+[\d.]+ ms /\s+(?P<made>\d+) (?:tokens|runs).*?(?P<written>[\d.]+) tokens per second\)",
    re.DOTALL,
)


def ollama(text: str) -> Iterator[Row | None] | None:
    """What `ollama run --verbose` prints after an answer; model and device are not in it."""
    return _rates(_OLLAMA, text, "ollama --verbose", "ollama")


def llama(text: str) -> Iterator[Row | None] | None:
    """What `llama-server` and `llama-completion` print after each answer; the device is not in it."""
    return _rates(_LLAMA, text, "timings of llama.cpp", "llama.cpp")


def mlx(text: str) -> Iterator[Row | None] | None:
    """What `mlx_lm.benchmark` prints; model and device are not in it."""
    return _rates(_MLX, text, "mlx_lm.benchmark", "mlx")


def _rates(pattern: re.Pattern[str], text: str, source: str, engine: str) -> Iterator[Row | None] | None:
    """Rates of reading and writing of every run found; None where there is none. One request, unless it says more."""
    runs = list(pattern.finditer(text))
    return (row for run in runs for row in _run(run, source, engine)) if runs else None


def _run(run: re.Match[str], source: str, engine: str) -> Iterator[Row | None]:
    input_tokens, output_tokens, batch = int(run["given"]), int(run["made"]), int(run.groupdict().get("batch", 1))
    shared = {"source": source, "engine": engine, "batch": batch}
    yield measured("tokens_per_s", run["read"], "prefill", input_tokens=input_tokens, context_depth=0, **shared)
    yield measured(
        "tokens_per_s", run["written"], "decode", output_tokens=output_tokens, context_depth=input_tokens, **shared
    )
