"""Single questions to the performance model, answered as frames: what `skyline roofline`, `fit` and `profile` print."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

import polars as pl

from pipelines.performance_tables import operator_rows, requirement_rows
from pipelines.sources.kernels import calibration_set, device_of
from profiling.accelerators import GIB, Accelerator, find, table
from profiling.accelerators import from_toml as accelerators_from_toml
from profiling.architecture import Architecture
from profiling.calibration import Calibration, above_roof, calibrate, peaks_of
from profiling.cost import POWER_SHARES
from profiling.errors import DoesNotFit, InvalidWorkload, UnknownAccelerator, nearest
from profiling.kernels import read_kernels
from profiling.memory import gpus_needed, max_context, require_fit
from profiling.predictors import FittedOperator, operator_models
from profiling.roofline import Estimate, PassTime, estimate
from profiling.shipped_calibrations import by_device, shipped
from profiling.sources import load
from profiling.workload import AttentionKernel, Parallelism, Precision, Stage, Workload, precision_of
from warehouse.contracts.performance import CALIBRATIONS
from warehouse.lake import Lake


@dataclass(frozen=True, kw_only=True)
class Question:
    """A configuration in the words of the command line; what is not said has the defaults of `Workload`.

    Attributes:
        weight_format: Stored format instead of `weight_bits`, as `awq-4bit-g128`.
        embedding_bits: Of input tables and head; None: as the weights, or as the format keeps them.
    """

    model: str
    accelerator: str
    stage: str = "decode"
    batch: int = 1
    context: int = 1024
    generated: int = 128
    weight_bits: float = 16
    activation_bits: float | None = None
    kv_bits: float = 16
    embedding_bits: float | None = None
    weight_format: str | None = None
    attention: str = "flash"
    parallelism: Parallelism = field(default_factory=Parallelism)
    engine: str = "vllm-v1"
    online: bool = False
    accelerators_file: Path | None = None

    def workload(self) -> Workload:
        """The question as the model takes it.

        Raises:
            InvalidWorkload, UnsupportedPrecision: a word is not known; the message names the nearest.
        """
        return Workload(
            stage=cast("Stage", _one_of("stage", self.stage, get_args(Stage))),
            batch=self.batch,
            context=self.context,
            generated=self.generated if self.stage == "generate" else 0,
            precision=self.precision(),
            attention=cast("AttentionKernel", _one_of("attention", self.attention, get_args(AttentionKernel))),
            parallelism=self.parallelism,
        )

    def precision(self) -> Precision:
        """Bits per class of numbers.

        Raises:
            UnsupportedPrecision: the format is not known; the message names the nearest.
        """
        if self.weight_format is None:
            return Precision(
                weight_bits=self.weight_bits,
                activation_bits=16 if self.activation_bits is None else self.activation_bits,
                kv_bits=self.kv_bits,
                embedding_bits=self.embedding_bits,
            )
        stored = precision_of(self.weight_format, self.kv_bits)
        if self.activation_bits is not None:
            stored = replace(stored, activation_bits=self.activation_bits)
        return stored if self.embedding_bits is None else replace(stored, embedding_bits=self.embedding_bits)


def _one_of(what: str, word: str, choices: Sequence[str]) -> str:
    if word in choices:
        return word
    near = nearest(word, choices, 1)
    raise InvalidWorkload(f"no {what} {word!r}{f'; nearest: {near}' if near else ''}; there are {', '.join(choices)}")


def devices(names: Sequence[str], file: Path | None) -> list[Accelerator]:
    """The named accelerators, of the reviewed table or of the user's TOML file; all of the table where none is named.

    Raises:
        UnknownAccelerator: none or several match; the message names the nearest.
        InvalidAccelerator: figures of the file cannot be.
    """
    known = dict(table())
    if file is not None:
        if not file.is_file():
            raise UnknownAccelerator(f"there is no file {file}; give a TOML file with one table per accelerator")
        known |= accelerators_from_toml(file.read_text("utf-8"))
    return [find(name, known) for name in names] or list(known.values())


def fitted_operators(lake: Lake) -> dict[str, dict[str, FittedOperator]]:
    """Calibrations of the warehouse where it has them, else those that ship, by accelerator."""
    if not lake.has(CALIBRATIONS):
        return {name: operator_models(fitted) for name, fitted in by_device(shipped()).items()}
    known = lake.read(CALIBRATIONS, ["device", "predictor"])
    return {
        str(device): operator_models(Calibration.from_json(text) for text in rows["predictor"])
        for (device,), rows in known.group_by("device", maintain_order=True)
    }


@dataclass(frozen=True)
class Answer:
    """Rows to print, and what the reader should know beside them."""

    rows: pl.DataFrame
    notes: tuple[str, ...] = ()


def roofline(question: Question, lake: Lake, *, by_operator: bool = False, ignore_memory: bool = False) -> Answer:
    """Bound, prediction and memory of one configuration: one row, or one per operator.

    Args:
        question: The configuration.
        lake: Whose calibrations predict.
        by_operator: A row per operator instead of the total.
        ignore_memory: Times of a configuration that does not fit are wanted all the same; its latencies and rates
            stay empty.

    Raises:
        DoesNotFit: it does not fit and `ignore_memory` is not set; the message says what would do.
        ProfilingError: the question cannot be asked so; the message names the nearest valid choice.
    """
    model = load(question.model, online=question.online)
    (device,) = devices([question.accelerator], question.accelerators_file)
    workload = question.workload()
    if not ignore_memory:
        require_fit(model, device, workload, question.engine)
    calibration = fitted_operators(lake).get(device.name)
    said = _said(question, model, device, workload)
    answer = estimate(model, device, workload, calibration, question.engine)
    notes = _notes(model, device, workload, answer)
    if by_operator:
        asked = workload
        if workload.stage == "generate":
            asked = replace(workload.at("decode", workload.context + workload.generated // 2), generated=0)
        rows = operator_rows(model, device, asked, calibration, said)
        return Answer(pl.DataFrame(rows, infer_schema_length=None), notes)
    return Answer(pl.DataFrame([said | _totals(answer, device)]), notes)


def _said(question: Question, model: Architecture, device: Accelerator, workload: Workload) -> dict[str, Any]:
    precision, split = workload.precision, workload.parallelism
    return {
        "model": model.name,
        "accelerator": device.name,
        "stage": workload.stage,
        "batch": question.batch,
        "context": question.context,
        "weight_bits": float(precision.weight_bits),
        "activation_bits": float(precision.activation_bits),
        "kv_bits": float(precision.kv_bits),
        "attention": workload.attention,
        "tensor_parallel": split.tensor,
        "pipeline_parallel": split.pipeline,
        "expert_parallel": split.expert,
    }


def _totals(answer: Estimate, device: Accelerator) -> dict[str, Any]:
    rate, need = answer.tokens_per_s, answer.need
    energy = None
    if rate is not None and device.power_w is not None:
        energy = POWER_SHARES[1] * device.power_w * answer.workload.parallelism.devices / float(rate.likely_s)
    # Of a generation the operators are those of one decode step, so their sums are no totals.
    one_pass = answer.workload.stage != "generate"
    flops = sum(t.operator.count * float(t.operator.flops) for t in answer.operators)
    moved = sum(t.operator.count * float(t.operator.bytes_moved) for t in answer.operators)
    return {
        "verdict": answer.fits,
        "bound_by": answer.bound_by,
        "flops": flops if one_pass else None,
        "moved_bytes": moved if one_pass else None,
        "bound_s": float(answer.time.bound_s),
        "predicted_low_s": float(answer.time.low_s),
        "predicted_s": float(answer.time.likely_s),
        "predicted_high_s": float(answer.time.high_s),
        "fraction_of_roof": answer.fraction_of_roof,
        "is_calibrated": answer.calibrated,
        "time_to_first_token_s": _likely(answer.time_to_first_token),
        "time_per_output_token_s": _likely(answer.time_per_output_token),
        "tokens_per_s": _likely(rate),
        "joules_per_token": energy,
        "weights_gib": float(need.weights) / GIB,
        "kv_cache_low_gib": float(need.kv_cache.low) / GIB,
        "kv_cache_high_gib": float(need.kv_cache.high) / GIB,
        "memory_low_gib": float(need.low) / GIB,
        "memory_high_gib": float(need.high) / GIB,
        "memory_budget_gib": float(need.budget) / GIB,
    }


def _likely(time: PassTime | None) -> float | None:
    return None if time is None else float(time.likely_s)


def _notes(model: Architecture, device: Accelerator, workload: Workload, answer: Estimate) -> tuple[str, ...]:
    notes = [f"{model.name}: {note}" for note in model.count_notes]
    if model.max_position and float(workload.context) > model.max_position:
        notes.append(f"{model.name} was made for {model.max_position:,} tokens; {workload.context:,} go beyond.")
    if not answer.calibrated:
        notes.append(
            f"Most of the time on {device.name} is predicted from documented default efficiencies with a wide "
            "interval; there are no measured kernels of these shapes on it."
        )
    if answer.fits == "does not fit":
        notes.append(
            f"It does not fit: at least {float(answer.need.low) / GIB:.1f} GiB per device needed, "
            f"{float(answer.need.budget) / GIB:.1f} GiB there; so no latency and no throughput."
        )
    return tuple(notes)


def fit(question: Question, names: Sequence[str]) -> Answer:
    """Devices needed and memory by part, a row per accelerator; on named ones also the longest context.

    Raises:
        ProfilingError: the question cannot be asked so; the message names the nearest valid choice.
    """
    model = load(question.model, online=question.online)
    chosen = devices(names, question.accelerators_file)
    workload = replace(question, stage="encode" if model.kind == "encoder" else "decode").workload()
    precision = workload.precision
    rows = requirement_rows([model], chosen, {"": precision}, [question.batch], [question.context], question.engine)
    columns = {
        "accelerator": "accelerator", "verdict": "verdict_on_one", "devices": "devices",
        "tensor_parallel": "tensor_parallel", "pipeline_parallel": "pipeline_parallel", "max_batch": "max_batch",
        "weights_gib": "weights_gib", "kv_cache_low_gib": "kv_cache_low_gib",
        "kv_cache_high_gib": "kv_cache_high_gib", "overhead_low_gib": "overhead_low_gib",
        "overhead_high_gib": "overhead_high_gib", "budget_gib": "memory_budget_gib",
        "rule_of_thumb_devices": "rule_of_thumb_devices", "rule_of_thumb_gib": "rule_of_thumb_gib",
        "rule_of_thumb_error_pct": "rule_of_thumb_error_pct",
    }  # fmt: skip
    rows = rows.select(pl.lit(model.name).alias("model"), *(pl.col(old).alias(new) for old, new in columns.items()))
    if names:
        longest = [_longest_context(model, device, workload, question.engine) for device in chosen]
        rows = rows.with_columns(pl.Series("max_context", longest, dtype=pl.Int64))
    notes = []
    if rows["devices"].null_count():
        notes.append("Where no number of devices is given, not even 128 would do; use fewer bits or a shorter context.")
    return Answer(rows, tuple(notes))


def _longest_context(model: Architecture, device: Accelerator, workload: Workload, engine: str) -> int | None:
    """At this batch on the devices needed, not beyond what the model was made for."""
    try:
        plan = gpus_needed(model, device, workload, engine)
    except DoesNotFit:
        return None
    longest = max_context(model, device, replace(workload, parallelism=plan), engine)
    return min(longest, model.max_position) if model.max_position else longest


def calibrated(folder: Path, *, learned: bool, save: Path | None, source: str) -> Answer:
    """Calibrations fitted to every accelerator below the folder, one row per operator class.

    Args:
        folder: Kernel tables in the layout `<accelerator>/<operation>_perf.parquet`.
        learned: The rows are of the law with trees on what it leaves over, instead of the law alone.
        save: Folder into which one JSON per accelerator is written.
        source: Where the kernels are from, for those files.

    Raises:
        UnreadableKernelTable, UnknownAccelerator, UnusableKernels: nothing can be fitted; the message says why.
    """
    tables = read_kernels(folder)
    rows, notes = [], []
    for (name,), kernels in tables.kernels.group_by("accelerator", maintain_order=True):
        device = device_of(str(kernels["device"][0]), str(name))
        peaks = peaks_of(device)
        laws = calibrate(kernels, peaks) if save is not None or not learned else []
        trees = calibrate(kernels, peaks, residual=True) if learned else []
        rows += [one.to_row() for one in (trees if learned else laws)]
        above, unread = above_roof(kernels, peaks), tables.rejected.filter(pl.col("accelerator") == name)
        notes.append(f"{name}: {above.height:,} kernels faster than their data sheet allows were rejected.")
        notes += [
            f"{name}: {count:,} rows rejected: {reason}"
            for reason, count in unread["reason"].value_counts(sort=True).head(5).iter_rows()
        ]
        if save is not None:
            made = calibration_set(str(name), device, kernels, laws, source, trees)
            save.mkdir(parents=True, exist_ok=True)
            save.joinpath(f"{name}.json").write_text(made.to_json(), "utf-8")
    return Answer(_calibration_rows(rows), tuple(notes))


def _calibration_rows(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Parameters differ between classes, so they stay one JSON text per row."""
    return pl.DataFrame([dict(row) | {"parameters": json.dumps(row["parameters"])} for row in rows])
