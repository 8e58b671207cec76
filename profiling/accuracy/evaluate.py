"""Rows of measurements in, predictions and reasons out: the whole comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from profiling.accuracy.cases import Case, NotAsked, case_of, compared_as
from profiling.accuracy.causes import known_causes
from profiling.accuracy.memory import METRIC, compare_memory
from profiling.accuracy.names import Names
from profiling.accuracy.passes import passes_of
from profiling.accuracy.predict import bounds_of, predict
from profiling.accuracy.soundness import too_fast, too_large
from profiling.accuracy.table import error_table
from profiling.devices.accelerators import Accelerator
from profiling.engines.table import engine_of
from profiling.engines.time import EngineTimes
from profiling.errors import ProfilingError
from profiling.roofline.operator_time import Calibration


@dataclass(frozen=True)
class Comparison:
    """Predictions of rows, and what became of the others.

    Attributes:
        predictions: Rows of `predict.SCHEMA`; `row` counts the rows of the input. Beside each `known_causes`: facts
            that may be why a measurement lies outside its interval.
        not_asked: `row` and `reason` of rows that no question can be made of.
        impossible: `row` and `reason` of rows that cannot be.
        read: `row`, `stage` and labels of every row.
    """

    predictions: pl.DataFrame
    not_asked: pl.DataFrame
    impossible: pl.DataFrame
    read: pl.DataFrame

    def table(self, by: str = "stage") -> pl.DataFrame:
        """Errors by stage and group; see `table.error_table`."""
        return error_table(self.predictions, self.read, by)


def questions(
    rows: pl.DataFrame, devices: Mapping[str, Accelerator]
) -> tuple[list[Case], list[tuple[int, str]], list[tuple[int, str]]]:
    """Cases of sound rows of time and energy, then `(row, reason)` of those not asked and of those that cannot be."""
    names = Names(devices)
    cases: list[Case] = []
    left: list[tuple[int, str]] = []
    impossible: list[tuple[int, str]] = []
    for index, row in enumerate(rows.iter_rows(named=True)):
        if row["metric"] == METRIC:
            continue
        try:
            case = case_of(index, row, names)
        except ProfilingError as error:
            left.append((index, str(error)))
            continue
        reason = too_large(case)
        if reason:
            impossible.append((index, reason))
        else:
            cases.append(case)
    return cases, left, impossible


def compare(
    rows: pl.DataFrame,
    devices: Mapping[str, Accelerator],
    calibrations: Mapping[str, Calibration],
    times: EngineTimes,
) -> Comparison:
    """Predict every row that can be asked.

    Args:
        rows: Columns of `core.end_to_end_measurements`.
        devices: Accelerators by name.
        calibrations: Operator models by class, by device.
        times: Fitted effects of engines.
    """
    cases, left, impossible = questions(rows, devices)
    passes = passes_of(cases, calibrations)
    bounds = bounds_of(cases, passes)
    reasons = [too_fast(case, float(bound)) for case, bound in zip(cases, bounds, strict=True)]
    impossible += [(case.row, reason) for case, reason in zip(cases, reasons, strict=True) if reason]
    sound = [index for index, reason in enumerate(reasons) if reason is None]
    predictions = predict([cases[index] for index in sound], passes.of(sound), times)
    memory, unasked, unsound = compare_memory(rows, Names(devices))
    predictions = pl.concat([predictions, memory])
    predictions = predictions.join(known_causes(rows, cases, predictions), on="row", how="left", maintain_order="left")
    left, impossible = left + unasked, impossible + unsound
    return Comparison(
        predictions, _reasons(left), _reasons(impossible), _read(rows, predictions, devices),
    )  # fmt: skip


def _reasons(reasons: list[tuple[int, str]]) -> pl.DataFrame:
    return pl.DataFrame(reasons, schema={"row": pl.Int64, "reason": pl.String}, orient="row")


def _read(rows: pl.DataFrame, predictions: pl.DataFrame, devices: Mapping[str, Accelerator]) -> pl.DataFrame:
    """Labels of every row: those of its prediction, or as reported where there is none."""
    labels = []
    for index, row in enumerate(rows.iter_rows(named=True)):
        try:
            stage = compared_as(row)
        except NotAsked:
            stage = "not compared"
        labels.append(
            (
                index,
                stage,
                _engine(row, devices),
                row["device"] or row["device_as_reported"],
                row["weight_format"],
                row["model"] or row["model_as_reported"],
                row["batch"],
            )
        )
    names = {
        "row": pl.Int64,
        "stage": pl.String,
        "engine": pl.String,
        "device": pl.String,
        "format": pl.String,
        "model": pl.String,
        "batch": pl.Float64,
    }
    raw = pl.DataFrame(labels, schema=names, orient="row").with_columns(device_class=pl.lit(None, pl.String))
    answers = predictions.select("row", *(pl.col(name).alias(f"{name}_known") for name in raw.columns if name != "row"))
    joined = raw.join(answers, on="row", how="left")
    return joined.select(
        "row", *(pl.coalesce(f"{name}_known", name).alias(name) for name in raw.columns if name != "row")
    )


def _engine(row: Mapping[str, object], devices: Mapping[str, Accelerator]) -> str | None:
    device = devices.get(str(row["device"]))
    if device is None:
        return str(row["engine"]) if row["engine"] else None
    try:
        return engine_of(str(row["engine"] or ""), device, str(row["backend"] or "")).name
    except ProfilingError:
        return str(row["engine"]) if row["engine"] else None
