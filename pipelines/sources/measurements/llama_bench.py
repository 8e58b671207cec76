"""What llama-bench writes (JSON, JSON lines, CSV and SQL of the same fields, a table), and llama-batched-bench's."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.sources.measurements.rows import Row, measured, number_in

_DRIVER = re.compile(r"\s*\(RADV [^)]*\)")
"""What Mesa's driver of Vulkan adds to the names of AMD's devices."""
_FILE_TYPE = re.compile(r"(?<![a-z0-9])(?:ud-)?((?:iq|tq|q)\d_[a-z0-9_]+|mxfp4|bf16|f16|f32)(?![a-z0-9])")
_PRINTED_TYPE = re.compile(
    r"\s+(?:mostly |all )?((?:I|T)?Q\d_?\w*|MXFP4|NVFP4|BF16|F16|F32)(?: (?P<mix>mix))?"
    r"(?: - (?:(?P<size>Small|Medium|Large)|[\d.]+ bpw(?: ternary)?))?(?: MoE)?(?: \(guessed\))?$"
)
_SIZES = {"Small": "_s", "Medium": "_m", "Large": "_l"}
_OTHERWISE = {"q2_k_m": "q2_k", "iq3_s mix": "iq3_m"}
"""Types that llama.cpp prints under names of their own: `Q2_K - Medium`, `IQ3_S mix - 3.66 bpw`."""
_NAMELESS = re.compile(r"(?:ggml-)?model(?:[-_.].*)?", re.IGNORECASE)
"""Files that people convert themselves: `ggml-model-q4_0.gguf` says nothing of its model."""
_TEST = re.compile(r"(?:pp\s?(?P<given>\d+))?\+?(?:tg\s?(?P<made>\d+))?(?:\s*@\s*d(?P<depth>\d+))?")
_DEVICE = re.compile(
    r"\s*(?:Device (?P<cuda>\d+): ([^,]+),|ggml_vulkan: (?P<vulkan>\d+) = ([^|]+?)\s*\||"
    r"ggml_metal\w*: GPU name:(?P<metal>)\s*(\S.*?)\s*$)"
)
"""Lines in which the backends number and name the devices that they found."""
_RATE = re.compile(r"([\d.]+)(?:\s*±\s*([\d.]+))?")
_INSERT = re.compile(r"^INSERT INTO (?:llama_bench|test) \(([^)]*)\) VALUES \((.*)\);", re.MULTILINE)
_BUILD = re.compile(r"build: \w+ \((\d+)\)")
_FIELDS = {
    "ngl": "n_gpu_layers", "sm": "split_mode", "fa": "flash_attn", "dev": "devices", "ncmoe": "n_cpu_moe",
    "ot": "tensor_buft_overrides", "nkvo": "no_kv_offload",
}  # fmt: skip
"""Heads of printed columns, where they are not the names of the fields."""
_ALL_LAYERS = 99
"""A number of layers that no model exceeds here: what people write to mean all of them."""


def llama_bench(document: Mapping[str, Any]) -> Iterator[Row | None] | None:
    """One test of `llama-bench -o json` or `-o jsonl`."""
    return _rows(document) if {"n_prompt", "n_gen", "avg_ts"} <= document.keys() else None


def llama_bench_csv(text: str) -> Iterator[Row | None] | None:
    """`llama-bench -o csv`."""
    lines = csv.DictReader(io.StringIO(text, newline=""))
    if not frozenset(lines.fieldnames or ()) >= {"n_prompt", "n_gen", "avg_ts"}:
        return None
    return (row for line in lines for row in _rows(line, f"line {lines.line_num}, column "))


def llama_bench_sql(text: str) -> Iterator[Row | None] | None:
    """`llama-bench -o sql`: a row for each statement."""
    runs = [
        dict(zip((name.strip() for name in match[1].split(",")), _sql_values(match[2]), strict=False))
        for match in _INSERT.finditer(text)
    ]
    read = [run for run in runs if {"n_prompt", "n_gen", "avg_ts"} <= run.keys()]
    return (row for run in read for row in _rows(run)) if read else None


def _sql_values(listed: str) -> list[str]:
    return [match[1].replace("''", "'") for match in re.finditer(r"'((?:[^']|'')*)'", listed)]


def llama_bench_markdown(text: str) -> Iterator[Row | None] | None:
    """The table that llama-bench prints: `| model | size | params | backend | ngl | test | t/s |`."""
    devices: list[str] = []
    heads: list[str] = []
    runs: list[dict[str, Any]] = []
    for line in text.splitlines():
        cells = _cells(line)
        if device := _DEVICE.match(line):
            devices = [
                *(devices if int(device["cuda"] or device["vulkan"] or 0) else []),
                device[device.lastindex or 0],
            ]
        elif build := _BUILD.match(line):  # below the table that it made
            runs = [{"build_number": build[1], **run} for run in runs]
        elif {"test", "t/s", "model"} <= set(cells):
            heads = cells
        elif cells and len(cells) == len(heads):
            runs.append({**dict(zip(heads, cells, strict=True)), "gpu_info": ",".join(devices)})
    return (row for run in runs for row in _printed_rows(run)) if heads else None


def unread_lines(text: str) -> Iterator[str]:
    """Lines of a table that llama-bench printed of which nothing is read, each with what is wrong with it."""
    heads: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = _cells(line)
        if {"test", "t/s", "model"} <= set(cells):
            heads = cells
        elif not heads or set(line) <= set("|:- "):
            continue
        elif cells and len(cells) != len(heads):
            yield f"line {number} has {len(cells)} cells, the header {len(heads)}"
        elif cells:
            run = dict(zip(heads, cells, strict=True))
            if not _TEST.fullmatch(run["test"]):
                yield f"line {number}, column test: {run['test'][:40]!r} is no test, as pp512 or tg128"
            elif not _RATE.match(run["t/s"]):
                yield f"line {number}, column t/s: {run['t/s'][:40]!r} is not a rate"


def batched_bench(text: str) -> Iterator[Row | None] | None:
    """The table of `llama-batched-bench`: `| PP | TG | B | N_KV | T_PP s | S_PP t/s | …`; no model, no device."""
    lines = [cells for line in text.splitlines() if (cells := _cells(line))]
    heads = next((line for line in lines if {"PP", "TG", "S_PP t/s", "S_TG t/s"} <= set(line)), None)
    if heads is None:
        return None
    runs = (dict(zip(heads, line, strict=True)) for line in lines if len(line) == len(heads) and line[0].isdigit())
    return (row for run in runs for row in _batched_rows(run))


def _batched_rows(run: Mapping[str, str]) -> Iterator[Row | None]:
    batch = int(run.get("B", 1))
    shared = {"source": "llama-batched-bench", "engine": "llama.cpp", "batch": batch}
    given, made = int(run["PP"]), int(run["TG"])
    # Sweeps state the cache before both; else the prompt is read into an empty one, and answered.
    before, depth = (0, given) if "B" in run else (int(run["N_KV"]), int(run["N_KV"]))
    yield measured("tokens_per_s", run["S_PP t/s"], "prefill", input_tokens=given, context_depth=before, **shared)
    yield measured("tokens_per_s", run["S_TG t/s"], "decode", output_tokens=made, context_depth=depth, **shared)


def _cells(line: str) -> list[str]:
    """Cells of a line of a table in markdown; none of another line."""
    bare = line.strip()
    return [cell.strip() for cell in bare.strip("|").split("|")] if bare.startswith("|") else []


def gguf_format(run: Mapping[str, object], file: str) -> str | None:
    """The file type that the name of the file states, else what llama.cpp prints: `llama 8B Q4_K - Medium`."""
    match = _FILE_TYPE.search(file.casefold())
    if match:
        name = match[0]
        return name if name in {"bf16", "mxfp4"} else f"gguf-{name}"
    printed = _PRINTED_TYPE.search(f" {run.get('model_type') or ''}")
    if not printed:
        return None
    name = printed[1].casefold() + _SIZES.get(printed["size"] or "", "") + (" mix" if printed["mix"] else "")
    name = _OTHERWISE.get(name, name)
    return name if name in {"bf16", "mxfp4", "nvfp4"} else f"gguf-{name}"


def _printed_rows(cells: Mapping[str, str]) -> Iterator[Row | None]:
    test = _TEST.fullmatch(cells["test"])
    rate = _RATE.match(cells["t/s"])
    if not test or not rate:
        return
    parameters = re.fullmatch(r"([\d.]+) ([KMBT])", cells.get("params", ""))
    scale = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    yield from _rows(
        {
            **{_FIELDS.get(head, head): cell for head, cell in cells.items()},
            "n_prompt": test["given"],
            "n_gen": test["made"],
            "n_depth": test["depth"],
            "avg_ts": rate[1],
            "stddev_ts": rate[2],
            "backends": cells.get("backend"),
            "model_type": cells["model"],
            "model_n_params": float(parameters[1]) * scale[parameters[2]] if parameters else None,
        }
    )


def _rows(run: Mapping[str, object], where: str = "") -> Iterator[Row | None]:
    """The row of one test; `where` says which of several it is."""
    given, made, depth = (
        int(number_in(run, name, where)) if run.get(name) else 0 for name in ("n_prompt", "n_gen", "n_depth")
    )
    file = str(run.get("model_filename") or "").rsplit("/", 1)[-1]
    devices, parallelism = _layout(run)
    kinds = {str(run.get("type_k") or "f16"), str(run.get("type_v") or "f16")}
    shared = {
        "source": "llama-bench",
        "measured_on": str(run.get("test_time") or "")[:10],
        "device_as_reported": ", ".join(devices),
        "device": devices[0] if len(set(devices)) == 1 else ", ".join(devices) or None,
        "device_count": max(1, len(devices)) if devices else None,
        "parallelism": parallelism,
        "engine": "llama.cpp",
        "engine_version": f"b{run['build_number']}" if run.get("build_number") else None,
        "backend": run.get("backends") or None,
        "model_as_reported": file if file and not _NAMELESS.fullmatch(file) else _label(run),
        "weight_format": gguf_format(run, file),
        "kv_format": next(iter(kinds)) if len(kinds) == 1 else "/".join(sorted(kinds)),
        "batch": 1,
        "sigma": run.get("stddev_ts"),
        "note": _note(run),
    }
    rate = number_in(run, "avg_ts", where)
    if given and made:
        # A prompt and its answer together: tokens of both per second, so the time of one request.
        taken = (given + made) / rate if rate and not depth else None
        yield measured("request_s", taken, "request", input_tokens=given, output_tokens=made,
                       **(shared | {"sigma": None}))  # fmt: skip
    elif given:
        yield measured("tokens_per_s", rate, "prefill", input_tokens=given, context_depth=depth, **shared)
    elif made:
        yield measured("tokens_per_s", rate, "decode", output_tokens=made, context_depth=depth, **shared)


def _layout(run: Mapping[str, object]) -> tuple[list[str], str | None]:
    """The devices that took part, and how they shared the model."""
    found = str(run.get("gpu_info") or "") or str(run.get("cpu_info") or "")
    devices = [_DRIVER.sub("", name).strip() for name in found.split(",") if name.strip()]
    chosen = str(run.get("devices") or "auto")
    if chosen not in {"auto", "none"}:
        devices = devices[: len(chosen.split("/"))]
    mode = str(run.get("split_mode") or "layer")
    if mode == "none":
        devices = devices[:1]
    if len(devices) < 2:
        return devices, None
    return devices, f"TP{len(devices)}" if mode == "tensor" else f"llama.cpp {mode} split"


def _label(run: Mapping[str, object]) -> str:
    """What llama.cpp calls a model whose file has no name: its architecture, its size, and its exact parameters."""
    label = _PRINTED_TYPE.sub("", str(run.get("model_type") or ""))
    parameters = run.get("model_n_params")
    return f"{label} ({float(str(parameters)) / 1e9:.5g} B parameters)" if label and parameters else label


def _note(run: Mapping[str, object]) -> str:
    """Switches that change the time: attention, tokens at a time, and what is not on the device."""
    flash, layers = run.get("flash_attn"), int(str(run.get("n_gpu_layers") or _ALL_LAYERS))
    experts, elsewhere = int(str(run.get("n_cpu_moe") or 0)), str(run.get("tensor_buft_overrides") or "none")
    words = (
        f"fa {int(str(flash) in {'1', 'true', 'True', 'on'})}" if flash is not None and str(flash) != "auto" else "",
        f"ub{run['n_ubatch']}" if run.get("n_ubatch") else "",
        f"ngl {layers}" if 0 <= layers < _ALL_LAYERS else "",
        f"ncmoe {experts}" if experts else "",
        f"ot {elsewhere}" if elsewhere not in {"none", "0"} else "",
        "nkvo" if str(run.get("no_kv_offload")) in {"1", "true", "True"} else "",
    )
    return " ".join(filter(None, words))
