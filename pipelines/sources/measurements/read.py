"""Reads what a benchmark tool wrote: the first reader that knows a file has it, each declared in one list."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.sources.measurements import documents, llama_bench, mlperf, tables, texts
from pipelines.sources.measurements.rows import (
    SHARED_SCHEMA,
    DamagedMeasurements,
    Row,
    Stated,
    UnknownMeasurements,
    frame_of,
    measured,
)  # fmt: skip
from profiling.foreign import NotJson, parse_json
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from profiling.measure.bundle import UnusableBundle, is_complete, pack, unpack
from profiling.measure.recorded import SERVE

Read = Callable[[str], Iterator[Row | None] | None]
LARGEST_FILE_BYTES = 1 << 28
TABLES: Sequence[Read] = (tables.own, llama_bench.llama_bench_csv, tables.silicon)
TEXTS: Sequence[Read] = (
    llama_bench.llama_bench_markdown,
    llama_bench.llama_bench_sql,
    llama_bench.batched_bench,
    texts.serving,
    texts.ollama,
    texts.llama,
    texts.mlx,
    texts.mlx_answer,
    texts.lm_studio,
)


KNOWN = (
    "our own CSV", "llama-bench (JSON, CSV, SQL, markdown)", "llama-batched-bench and llama-sweep-bench (text)",
    "vllm bench serve (JSON, or as printed), latency and throughput (JSON)",
    "sglang bench_serving (JSON lines, or as printed) and bench_one_batch (JSON lines)", "llmfit bench (JSON)",
    "ollama run --verbose (text) and Ollama's answers (JSON)",
    "timings of llama-server and llama-completion (text) and llama-server's answers (JSON)",
    "mlx_lm.benchmark and mlx_lm.generate (text)", "lms chat --stats (text) and LM Studio's answers (JSON)",
    "LocalScore (JSON)", "optimum-benchmark (JSON)", "AIPerf and GenAI-Perf (JSON)",
    "MLPerf logs of runs (text) and results of a round (JSON)", "ML.ENERGY (JSON)",
    "AIConfigurator's comparison runs (CSV)",
    "bundles of `skyline profile run` and `endpoint`", "files of `skyline profile share`",
)  # fmt: skip
"""What is read, in words."""


def read_measurements(path: Path, stated: Stated | None = None) -> pl.DataFrame:
    """The rows of a file or a bundle, without their identifiers.

    Raises:
        UnknownMeasurements: no tool known here writes such a file; the message names those that are.
    """
    defaults = stated or Stated()
    if path.suffix == BUNDLE_SUFFIX and path.is_dir():
        return frame_of(_bundle(path), defaults)
    if not path.is_file():
        raise UnknownMeasurements(f"there is no file {path}")
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise UnknownMeasurements(f"{path} has more than {LARGEST_FILE_BYTES >> 20} MiB; split it")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnknownMeasurements(f"{path} is no text: {error}") from error
    rows = rows_of(text, str(path))
    if rows is None:
        raise UnknownMeasurements(f"{path} comes from no known tool; supported are {'; '.join(KNOWN)}")
    return frame_of(rows, defaults)


def rows_of(text: str, uri: str) -> list[Row | None] | None:
    """Rows by the first reader that knows the text, or None.

    Raises:
        DamagedMeasurements: a tool known here writes such a file, but not with these values.
    """
    try:
        rows = _rows_of(text, uri)
        return None if rows is None else list(rows)
    except DamagedMeasurements as error:
        raise DamagedMeasurements(f"{uri}: {error}") from error
    except UnknownMeasurements:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, csv.Error) as error:
        raise DamagedMeasurements(f"{uri} holds a value that its tool does not write: {error}") from error


def _rows_of(text: str, uri: str) -> Iterable[Row | None] | None:
    if text.lstrip()[:1] in {"{", "["}:
        return _json(text, uri)
    for read in (*TABLES, *TEXTS):
        rows = read(text)
        if rows is not None:
            return rows
    summary = mlperf.run_log(text, uri)
    return summary if summary is not None else _within(text)


_MAY_BEGIN = re.compile(r"(?:^[ \t]*|\})(?=\{)", re.MULTILINE)
_MOST_FAILURES = 1000
"""Openings of braces in a log that turn out to be no JSON, after which no more are tried."""


def _within(text: str) -> Iterable[Row | None] | None:
    """Rows of the documents that a log holds between its lines, or that follow each other without a line between."""
    if "{" not in text:  # as in most tables, and a search costs more than the rest of recognising them
        return None
    decoder, end, failures = json.JSONDecoder(), 0, 0
    read: list[Iterator[Row | None]] = []
    for opening in _MAY_BEGIN.finditer(text):
        if opening.end() < end or failures >= _MOST_FAILURES:
            continue
        try:
            _, end = decoder.raw_decode(text, opening.end())
            document = parse_json(text[opening.end() : end])
        except (ValueError, RecursionError, NotJson):
            failures += 1
            continue
        rows = _document(document) if isinstance(document, dict) else None
        if rows is not None:
            read.append(rows)
    return (row for rows in read for row in rows) if read else None


def _json(text: str, uri: str) -> Iterable[Row | None] | None:
    try:
        document: Any = parse_json(text)
    except NotJson:
        try:
            document = [parse_json(line) for line in text.splitlines() if line.strip()]
        except NotJson as error:
            within = _within(text)
            if within is None:
                raise UnknownMeasurements(f"{uri} is neither JSON nor JSON lines: {error}") from error
            return within
    several = document if isinstance(document, list) else [document]
    read = [_record(each, place, len(several)) for place, each in enumerate(several, 1) if isinstance(each, dict)]
    if not read or any(rows is None for rows in read):
        return None
    return (row for rows in read if rows is not None for row in rows)


def _record(document: dict[str, Any], place: int, of: int) -> list[Row | None] | None:
    """Rows of one of several documents in a file; which one it is, is said of what is wrong with it."""
    try:
        rows = _document(document)
        return None if rows is None else list(rows)
    except DamagedMeasurements as error:
        raise DamagedMeasurements(f"record {place} of {of}, {error}" if of > 1 else str(error)) from error


def _document(document: dict[str, Any]) -> Iterator[Row | None] | None:
    for reader in (_shared, mlperf.round_results, *documents.READERS):
        rows = reader(document)
        if rows is not None:
            return rows
    return None


def _shared(document: dict[str, Any]) -> Iterator[Row | None] | None:
    if document.get("schema") != SHARED_SCHEMA:
        return None
    from pipelines.sources.measurements.shared import shared  # noqa: PLC0415 - signatures and names load slowly

    return shared(document)


def _bundle(path: Path) -> Iterator[Row | None]:
    """Measured points of a bundle: prefill and decode passes with what they ran on, or a server's answers under load.

    Raises:
        UnknownMeasurements: it is not complete, or not what was sealed.
    """
    if not is_complete(path):
        raise UnknownMeasurements(f"{path} is not complete; finish it with `skyline profile run`")
    try:
        bundle = unpack(pack(path))
    except UnusableBundle as error:
        raise UnknownMeasurements(str(error)) from error
    machine = bundle.environment
    device = machine.get("accelerator") or machine.get("processor")
    name = device.get("name") or device.get("model") if isinstance(device, dict) else device
    shared = {
        "source": f"bundle {bundle.run_id}", "measured_on": str(machine.get("measured_at", ""))[:10],
        "device_as_reported": name, "device": name, "device_count": 1, "engine": "Transformers",
    }  # fmt: skip
    for point in bundle.points:
        if point.get("status") == "ok" and point.get("stage") in {"prefill", "decode"}:
            yield _point(point, shared)
        elif point.get("status") == "ok" and point.get("stage") == SERVE:
            yield from _served(point, shared)


def _served(point: dict[str, Any], shared: dict[str, Any]) -> Iterator[Row | None]:
    """A load on a server; which engine and device answered, the bundle does not say."""
    load = {
        **shared, "engine": None, "device_count": None, "batch": point["batch"], "input_tokens": point["context"],
        "output_tokens": point.get("new_tokens"), "model_as_reported": point["model"],
    }  # fmt: skip
    yield measured("tpot_s", point.get("inter_token_p50_s"), "serving", **load)
    yield measured("ttft_s", point.get("ttft_p50_s"), "serving", **load)
    yield measured("output_tokens_per_s", point.get("tokens_per_s"), "serving", **load)


def _point(point: dict[str, Any], shared: dict[str, Any]) -> Row | None:
    prefill = point["stage"] == "prefill"
    lengths = {"input_tokens": point["context"]} if prefill else {"context_depth": point["context"], "output_tokens": 1}
    formats = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
    return measured(
        "ttft_s" if prefill else "tpot_s", point.get("latency_s"), point["stage"], batch=point["batch"],
        model_as_reported=point["model"], weight_format=formats.get(str(point.get("precision"))),
        note=f"{point.get('execution')}, {point.get('threads')} threads", **lengths, **shared,
    )  # fmt: skip
