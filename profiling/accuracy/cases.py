"""From a published measurement to the question it answers: model, device, format, engine, layout and load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from profiling.accuracy.backends import as_published, engine_of_row, kv_format_of_row
from profiling.accuracy.names import Names
from profiling.devices.accelerators import Accelerator
from profiling.engines.table import Engine
from profiling.errors import ProfilingError, UnsupportedPrecision
from profiling.memory.need import kv_cache_bytes, memory_need
from profiling.models.architecture import Architecture
from profiling.models.format_names import kv_format as kv_bits_of
from profiling.roofline.precisions import precision_for
from profiling.roofline.roof import roof_of
from profiling.roofline.workload import AttentionKernel, Parallelism, Precision, Workload, legal_tensor_ways

STAGES = (
    "decode",
    "decode on several devices",
    "prefill",
    "prefill on several devices",
    "time per token under load",
    "first token under load",
    "throughput",
    "throughput at maximum load",
    "request",
    "energy",
    "memory",
)
"""What is compared, in the order of the table."""

ROUNDS = 10.0
"""Requests for each that is in flight, by which benchmarks that keep a number in flight usually run."""
SPECULATING = ("vllm", "sglang", "tensorrt-llm")
"""Servers that let a draft run ahead of the model and keep prompts for later ones, if they are launched so."""
MOST_SEQUENCES = 2048
"""Where an engine chooses the batch itself: the most it is taken to run."""


class NotAsked(ProfilingError):
    """A measurement that no question can be made of; the message names what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measurement with the question it answers. Batch is of one replica; lengths in tokens."""

    row: int
    stage: str
    metric: str
    month: str
    """When it was measured, as far as that is stated: `2025-08`, or a year alone."""
    model: Architecture
    device: Accelerator
    precision: Precision
    weight_format: str
    engine: Engine
    split: Parallelism
    attention: AttentionKernel
    replicas: int
    batch: float
    """Sequences that run; those beyond what memory holds wait."""
    metered: str
    """What a measured energy is of: the device alone, or the whole machine at the wall."""
    arrival: str
    """How requests come: steady (a fixed number in flight) or random."""
    held_back_steps: float
    """Steps that a prompt waits before it may be read, by the engine's options; 0 where none is stated."""
    gathering_steps: int
    """Steps for which groups whose attention is data parallel wait for more prompts, once each has one."""
    rounds: float
    """Requests that are made for each in flight: of one, all come at once and none after; of infinitely many, requests
    come by themselves."""
    rocblas: bool
    """Whether hipBLASLt was switched off (`hblt0` in the note), so that rocBLAS multiplied by kernels of its own."""
    on_small_host: bool
    """Whether a Raspberry Pi launched the card's kernels, over a lane of PCIe (`Pi host` in the note)."""
    amdvlk: bool
    """Whether AMD's own driver compiled the shaders of Vulkan (`amdvlk` in the note), and not Mesa's."""
    tuned: bool
    """Whether TensorRT-LLM was tuned to this model, device and load, by submitters to MLPerf, who name it by TensorRT
    (`TensorRT 10.11`)."""
    waiting: float
    """Sequences in flight, waiting ones among them, over those that run."""
    input_tokens: float
    output_tokens: float
    depth: float
    micro_batch: float | None
    measured_s: float
    """Seconds of a pass, per token, of the first token, of a request; joules per token for energy."""

    @property
    def group(self) -> tuple[Any, ...]:
        """Cases that one array computation answers."""
        return (self.model.name, self.device.name, self.precision, self.engine, self.split, self.attention)


# Formats under names of their own elsewhere, by the names that they have here.
_ALIASES: Mapping[str, str] = {
    "int4-g128": "awq-4bit-g128",
    "int4": "w4a16",
    "mlx-4bit-g64": "mlx-4bit",
    "int8_w8a16": "gptq-8bit-g128",
    "fp4": "nvfp4",
    "fp8 dynamic": "fp8",
    "mlc-q4f16_1": "mlx-4bit",
    "q4_k_l": "gguf-q4_k_l",
}


def format_on(engine: Engine, weight_format: str, reported: str) -> str:
    """The format of the file that ran: MXFP4 files of llama.cpp hold the rest in 8 bits, or in 16 if named F16.

    MLX converts all matrices, not the experts alone.
    """
    if weight_format.strip().casefold() != "mxfp4":
        return weight_format
    if engine.family == "mlx":
        return "mlx-mxfp4"
    if engine.family != "llama.cpp":
        return weight_format
    return "gguf-f16" if re.search(r"[-_.]f16\b", reported, re.IGNORECASE) else "gguf-mxfp4_moe"


def precision_named(model: Architecture, weight_format: str, kv_format: str) -> Precision:
    """The precision that a measurement's words for weights and cache mean.

    Raises:
        UnsupportedPrecision: The format is not known; the message names the nearest.
    """
    word = weight_format.strip().casefold()
    word = _ALIASES.get(word, word)
    return precision_for(model, word, kv_bits_of(kv_format) if kv_format.strip() else 16.0)


_SEVERAL_AT_ONCE = re.compile("simultaneous|concurrent|warm steady-state", re.IGNORECASE)
"""Notes on a server under load, of which a whole one says how many requests it answered at once."""


def _number(row: Mapping[str, Any], column: str) -> float | None:
    value = row.get(column)
    return None if value is None or value == "" else float(value)


def case_of(index: int, row: Mapping[str, Any], names: Names) -> Case:
    """The question that a row of `core.end_to_end_measurements` answers.

    Raises:
        NotAsked: The metric is not a time or an energy, or a length is missing.
        ProfilingError: Model, device, format or engine are not known.
    """
    row = as_published(row)
    metric, measured_stage = str(row["metric"]), str(row["stage"])
    stage = compared_as(row)
    if stage == "memory":
        raise NotAsked("memory is not a time")
    formats = formats_of(row, names)
    model, device, engine, weight_format, precision = (
        formats.model, formats.device, formats.engine, formats.weight_format, formats.precision
    )  # fmt: skip
    note = str(row.get("note") or "")
    if measured_stage == "decode" and _SEVERAL_AT_ONCE.search(note):
        raise NotAsked("several requests at once, of which only their sum is stated")
    if engine.name in SPECULATING and re.search(r"remote endpoint", note, re.IGNORECASE):
        raise NotAsked("a server asked from outside: whether drafts ran ahead or prompts were cached is not stated")
    if device.kind != "cpu" and (elsewhere := _elsewhere(note, model)):
        raise NotAsked(elsewhere)
    count = int(_number(row, "device_count") or 1)
    load_of = _Load(
        metric,
        measured_stage,
        _number(row, "batch"),
        _number(row, "input_tokens"),
        _number(row, "output_tokens"),
        _number(row, "context_depth"),
        float(row["value"]),
    )
    if count > 1 and not device.link_bytes_per_s:
        raise NotAsked(f"{device.name} has no known link, so {count} of them cannot be timed")
    depth, input_tokens, made = load_of.lengths()
    split, replicas = _layout(row, count, model, device, precision, engine, load_of.batch, input_tokens + made)
    waiting = 1.0
    room = (
        _largest_batch(model, device, precision, split, engine, input_tokens + made / 2)
        if measured_stage == "serving"
        else np.inf
    )
    if load_of.batch is None and not room:
        raise NotAsked("the batch is not stated and the weights do not fit")
    batch = room if load_of.batch is None else max(1.0, load_of.batch / replicas)
    if batch > room > 0:
        batch, waiting = room, batch / room
    if stage in {"prefill", "prefill on several devices", "first token under load"} and _CACHED.search(note):
        raise NotAsked("its prompts, or their beginnings, were in the cache of earlier requests")
    chunk = re.search(r"\bub(?:atch-size)?[ =]?(\d+)\b", note)
    match = re.search(r"held back ([\d.]+) steps(?:, gathered for (\d+))?", note)
    by_themselves = re.search(r"poisson|server|interactive", note, re.IGNORECASE) is not None
    rounds = np.inf if by_themselves else 1.0 if "one round" in note else ROUNDS
    return Case(
        row=index,
        stage=stage,
        metric=metric,
        month=str(row.get("measured_on") or "")[:7],
        model=model,
        device=device,
        precision=precision,
        weight_format=weight_format,
        engine=engine,
        split=split,
        attention=_attention(row, engine),
        replicas=replicas,
        batch=batch,
        input_tokens=input_tokens,
        output_tokens=made,
        depth=depth,
        micro_batch=float(chunk[1]) if chunk else engine.micro_batch,
        metered="machine" if re.search(r"wall|whole machine|system", note, re.IGNORECASE) else "device",
        arrival="random" if by_themselves else "steady",
        held_back_steps=float(match[1]) if match else 0.0,
        gathering_steps=int(match[2] or 0) if match else 0,
        rounds=rounds,
        rocblas="hblt0" in note,
        on_small_host="Pi host" in note,
        amdvlk="amdvlk" in note.casefold(),
        tuned=re.match(r"TensorRT \d", str(row.get("engine") or "")) is not None,
        waiting=waiting,
        measured_s=load_of.seconds(batch, replicas, input_tokens),
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """What ran: model, device, engine and numbers, by the product's names."""

    model: Architecture
    device: Accelerator
    engine: Engine
    weight_format: str
    precision: Precision


def formats_of(row: Mapping[str, Any], names: Names) -> Subject:
    """What a row says ran.

    Raises:
        ProfilingError: Model, device, format or engine are not known.
    """
    model = names.model(str(row.get("model") or row.get("model_as_reported") or ""))
    device = names.device(str(row.get("device") or row.get("device_as_reported") or ""))
    reported = str(row.get("model_as_reported") or "")
    engine = engine_of_row(row, device)
    weight_format = str(row.get("weight_format") or "")
    if not weight_format:
        raise UnsupportedPrecision("the weight format is not stated")
    precision = _runnable(
        precision_named(model, format_on(engine, weight_format, reported), kv_format_of_row(row)), device
    )
    if engine.opens_integers and weight_format.casefold() == "int8":
        precision = replace(precision, activation_bits=16, computes=())
    return Subject(model, device, engine, weight_format, precision)


def compared_as(row: Mapping[str, Any]) -> str:
    """Which of `STAGES` a row is compared as.

    Raises:
        NotAsked: Its metric is not a time, a rate or an energy of a known stage.
    """
    metric, stage = str(row["metric"]), str(row["stage"])
    alone = int(_number(row, "device_count") or 1) == 1
    if metric == "joules_per_token":
        return "energy"
    if stage in {"decode", "prefill"} and metric in {"tokens_per_s", "tpot_s", "ttft_s"}:
        return stage if alone else f"{stage} on several devices"
    loads = {"tpot_s": "time per token under load", "ttft_s": "first token under load", "request_s": "request"}
    if metric in loads:
        return loads[metric]
    if metric == "output_tokens_per_s":
        return "throughput" if _number(row, "batch") is not None else "throughput at maximum load"
    if metric == "memory_gib":
        return "memory"
    raise NotAsked(f"no question for {metric} of stage {stage!r}")


@dataclass(frozen=True, slots=True)
class _Load:
    metric: str
    stage: str
    batch: float | None
    input_tokens: float | None
    made: float | None
    depth: float | None
    value: float

    def lengths(self) -> tuple[float, float, float]:
        """Tokens before, tokens given, tokens made."""
        if not self.value > 0:
            raise NotAsked(f"{self.metric} of {self.value:g} cannot be")
        if self.stage == "prefill":
            if not self.input_tokens:
                raise NotAsked("the prompt length is not stated")
            return self.depth or 0.0, self.input_tokens, 0.0
        if self.stage == "decode":
            made = self.made or 128.0
            before = self.depth if self.depth is not None else self.input_tokens
            if before is None:
                raise NotAsked("the context is not stated")
            return before, 0.0, made
        if not self.input_tokens or not self.made:
            raise NotAsked("input and output lengths are not stated")
        return 0.0, self.input_tokens, self.made

    def seconds(self, batch: float, replicas: int, input_tokens: float) -> float:
        """The measurement as a time: of a pass, a step, a token, a first token or a request."""
        if self.metric in {"tpot_s", "ttft_s", "request_s", "joules_per_token"}:
            return self.value
        if self.stage == "prefill":
            return batch * replicas * input_tokens / self.value
        # Tokens per second of all sequences: the time between two tokens of one of them.
        return batch * replicas / self.value


def _attention(row: Mapping[str, Any], engine: Engine) -> AttentionKernel:
    """Flash or naive: llama.cpp chose flash attention by itself only from September 2025 on."""
    flag = re.search(r"(?:^|[\s-])(?:fa|flash-attn)(?:[ =]*(\d|on|off))?\b", str(row.get("note") or ""))
    if engine.family != "llama.cpp" or (flag and flag[1] not in {"0", "off"}):
        return "flash"
    return "naive" if flag or str(row.get("measured_on") or "9") < "2025-09" else "flash"


def _runnable(precision: Precision, device: Accelerator) -> Precision:
    """The precision with activations as wide as the device multiplies in attention."""
    for bits in (float(precision.activation_bits), 8.0, 16.0):
        candidate = replace(precision, activation_bits=max(bits, float(precision.activation_bits)))
        try:
            roof_of(device, candidate)
        except UnsupportedPrecision:
            continue
        return candidate
    return precision


def _layout(
    row: Mapping[str, Any],
    count: int,
    model: Architecture,
    device: Accelerator,
    precision: Precision,
    engine: Engine,
    batch: float | None,
    tokens: float,
) -> tuple[Parallelism, int]:
    """The split of one replica and the number of replicas; where it is not stated, the narrowest that fits."""
    text = str(row.get("parallelism") or "").casefold()
    if count == 1:
        return Parallelism(), 1
    if "row split" in text:
        raise NotAsked("rows of its matrices were split over devices (`--split-mode row`), which is not timed here")
    if "layer split" in text or text.startswith("pp") or (not text and engine.family in {"llama.cpp", "mlx"}):
        return Parallelism(pipeline=min(count, model.main.depth)), 1
    tensor, expert, data = (_stated(name, text) for name in ("tp", "ep", "dp"))
    if tensor or expert:
        split = _legal(model, min(tensor or expert or 1, count), expert or 1, data or 1)
        return split, max(1, count // split.devices)
    ways = [way for way in legal_tensor_ways(model, count) if count % way == 0]
    for way in ways:
        split = Parallelism(tensor=way)
        room = _largest_batch(model, device, precision, split, engine, max(tokens, 1.0))
        wanted = 16.0 if batch is None else batch * way / count
        if room >= max(1.0, wanted):
            return split, count // way
    return Parallelism(tensor=ways[-1]), count // ways[-1]


_LAYERS = re.compile(r"\b(?:ngl|gpu-layers)[ =]+(\d+)\b")
_EXPERTS = re.compile(r"\bn-?c(?:pu-)?moe[ =]+([1-9]\d*)\b")
_ALL_EXPERTS = re.compile(r"-c(?:pu-)?moe\b")
_BUFFERS = re.compile(r"\b(?:ot|override-tensor)[ =]+\S+")
_NO_CACHE = re.compile(r"\bnkvo\b|-no-kv-offload\b")
_CACHED = re.compile(r"prefix[- ]cached|warm prefix cache", re.IGNORECASE)


def _elsewhere(note: str, model: Architecture) -> str | None:
    """What of a model was not on the device that is named, by llama.cpp's switches in the note; None: nothing."""
    layers, experts = _LAYERS.search(note), _EXPERTS.search(note)
    if layers and int(layers[1]) < model.main.depth:
        return f"{layers[1]} of {model.main.depth} layers were on the device (ngl), the others in system memory"
    if experts:
        return f"the experts of {experts[1]} layers were in system memory (ncmoe)"
    if _ALL_EXPERTS.search(note) and not re.search(r"-n-c(?:pu-)?moe\b", note):
        return "the experts of all layers were in system memory (cmoe)"
    if _BUFFERS.search(note):
        return "some tensors were placed elsewhere by name (ot)"
    return "the cache was in system memory (nkvo)" if _NO_CACHE.search(note) else None


def _stated(name: str, parallelism: str) -> int | None:
    match = re.search(rf"\b{name} ?(\d+)", parallelism)
    return int(match[1]) if match else None


def _legal(model: Architecture, ways: int, expert: int, data: int) -> Parallelism:
    """The split of a group of devices among which attention may be data parallel, experts spread and the rest shared.

    A dense model whose attention is said to be data parallel runs as replicas.
    """
    own = ways // data if ways % data == 0 else ways
    spread = expert if model.is_mixture_of_experts else 1
    shared = Parallelism(own) if own < ways and not model.is_mixture_of_experts else Parallelism(ways)
    for candidate in (Parallelism(own, 1, spread, ways // own), Parallelism(ways, 1, spread), shared):
        try:
            candidate.check(model)
        except ProfilingError:
            continue
        return candidate
    return Parallelism(max(way for way in legal_tensor_ways(model, ways)))


def _largest_batch(
    model: Architecture,
    device: Accelerator,
    precision: Precision,
    split: Parallelism,
    engine: Engine,
    length: float,
) -> float:
    """Sequences of this mean length whose caches fit beside weights and the engine's own share; 0: none."""
    key = (model.name, device.name, precision, split, engine.name, round(length))
    if key in _ROOM:
        return _ROOM[key]
    # As many sequences as there are groups that attend to their own: one on each.
    workload = Workload(
        stage="decode", batch=split.data, context=max(1.0, length), precision=precision, parallelism=split
    )
    need = memory_need(model, device, workload, engine.name)
    cache_bytes = kv_cache_bytes(model, workload)
    free = float(need.budget - need.high + cache_bytes.high)
    each = float(cache_bytes.low + cache_bytes.high) / 2 / split.data
    room = 0.0 if free <= 0 else float(min(MOST_SEQUENCES, np.floor(free / each))) if each else float(MOST_SEQUENCES)
    return _ROOM.setdefault(key, room)


_ROOM: dict[tuple[Any, ...], float] = {}
