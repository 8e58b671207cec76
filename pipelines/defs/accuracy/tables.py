"""Comparisons of measured rows with predictions, as frames: what `skyline accuracy` prints and the warehouse keeps."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.sources.measurements.read import read_measurements
from pipelines.sources.measurements.rows import COLUMNS, Stated, UnknownMeasurements
from profiling.accuracy.evaluate import Comparison, compare, questions
from profiling.accuracy.fitting import fit_times
from profiling.accuracy.simulated import simulated, simulation_table
from profiling.accuracy.table import furthest
from profiling.answers.door import Door
from profiling.devices.accelerators import Accelerator, from_record, from_toml
from profiling.engines.time import EngineTimes, shipped_times
from profiling.errors import UnknownAccelerator
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from warehouse.contracts.accuracy import END_TO_END_ERROR, END_TO_END_MEASUREMENTS


@dataclass(frozen=True)
class Accuracy:
    """Measured rows and what they were compared with."""

    measurements: pl.DataFrame
    comparison: Comparison

    def notes(self, most: int = 5) -> list[str]:
        """What became of rows that are not in the table, the most frequent reasons first."""
        lines = []
        for frame, what in (
            (self.comparison.impossible, "rejected as impossible"), (self.comparison.not_asked, "not asked"),
        ):  # fmt: skip
            if frame.height:
                lines.append(f"{frame.height:,} of {self.measurements.height:,} rows {what}:")
                counts = frame["reason"].value_counts(sort=True).head(most)
                lines += [f"  {count:,}: {reason}" for reason, count in counts.iter_rows()]
        return lines


def read_all(files: Sequence[Path], stated: Stated | None = None) -> pl.DataFrame:
    """Rows of all files; a folder stands for those of its files that a known tool wrote.

    Raises:
        UnknownMeasurements: a file is of no tool known here, or a folder holds none that is.
    """
    frames: list[pl.DataFrame] = []
    for path in files:
        if not path.is_dir() or path.suffix == BUNDLE_SUFFIX:
            frames.append(read_measurements(path, stated))
            continue
        folder_frames = list(_folder_frames(path, stated))
        if not folder_frames:
            raise UnknownMeasurements(f"no file in {path} comes from a known tool")
        frames += folder_frames
    return pl.concat(frames)


def _folder_frames(folder: Path, stated: Stated | None) -> Iterator[pl.DataFrame]:
    for path in sorted(folder.iterdir()):
        if path.suffix not in _SUFFIXES or path.name in _SET_ASIDE:
            continue
        try:
            yield read_measurements(path, stated)
        except UnknownMeasurements:
            continue


_SUFFIXES = frozenset({".csv", ".json", ".jsonl"})
_SET_ASIDE = frozenset({"rejected.csv"})
"""Rows that whoever made the folder has found to be wrong."""


def devices_with(door: Door, file: Path | None) -> Mapping[str, Accelerator]:
    """The door's devices, and those of a TOML file or of a CSV in the columns of the table; reviewed figures win.

    Raises:
        UnknownAccelerator: there is no such file.
    """
    if file is None:
        return door.devices
    if not file.is_file():
        raise UnknownAccelerator(f"there is no file {file}; give a TOML or CSV file with one device per table or line")
    text = file.read_text("utf-8")
    if file.suffix == ".csv":
        own = {row["name"]: from_record(row) for row in csv.DictReader(text.splitlines())}
    else:
        own = from_toml(text)
    return {**own, **door.devices}


def accuracy(
    measurements: pl.DataFrame, door: Door, devices: Mapping[str, Accelerator], times: EngineTimes | None = None
) -> Accuracy:
    """Compare rows with what the product predicts for them."""
    comparison = compare(measurements, devices, door.fitted, times or shipped_times())
    return Accuracy(measurements, comparison)


def fitted(measurements: pl.DataFrame, door: Door, devices: Mapping[str, Accelerator], source: str) -> EngineTimes:
    """Effects of engines fitted to rows, with their held-out errors."""
    cases, _, _ = questions(measurements, devices)
    return fit_times(cases, door.fitted, source)


def simulation(result: Accuracy, door: Door, devices: Mapping[str, Accelerator]) -> pl.DataFrame:
    """Errors of the simulation that plans rest on, by stage and engine, on measured serving."""
    cases, _, _ = questions(result.measurements, devices)
    return simulation_table(result.comparison.predictions, simulated(cases, door.fitted))


def one_line_each(result: Accuracy) -> pl.DataFrame:
    """Every measurement with its prediction, or the reason that it has none."""
    rows = result.measurements.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    reasons = pl.concat([
        result.comparison.not_asked.with_columns(pl.lit("not asked").alias("why")),
        result.comparison.impossible.with_columns(pl.lit("impossible").alias("why")),
    ]).select("row", pl.format("{}: {}", "why", "reason").alias("not_asked"))  # fmt: skip
    joined = rows.select("row", "source", "model_as_reported").join(
        result.comparison.predictions, on="row", how="left", maintain_order="left"
    )
    return joined.join(reasons, on="row", how="left", maintain_order="left")


def furthest_off(result: Accuracy, most: int) -> pl.DataFrame:
    """The measurements that predictions are furthest off, each question once, with facts that may be why."""
    columns = (
        "stage", "model", "device", "engine", "format", "devices", "measured", "predicted", "unit", "ratio", "inside",
        "known_causes",
    )  # fmt: skip
    return furthest(result.comparison.predictions, most).select(columns)


def error_rows(measurements: pl.DataFrame, result: Accuracy) -> pl.DataFrame:
    """Rows of `marts.end_to_end_error`."""
    lines = one_line_each(result)
    return lines.select(
        measurements["measurement_id"],
        pl.col("stage").alias("compared_as"), "engine", pl.col("device").alias("accelerator"), "device_class",
        pl.col("model").alias("model_id"), pl.col("format").alias("weight_format"), "devices", "batch", "unit",
        "measured", "predicted", "low", "high", "bound", "naive", "basis",
        "known_causes", "not_asked", measurements["may_bundle"],
    ).select(END_TO_END_ERROR.column_names)  # fmt: skip


def not_fetched(shipped: pl.DataFrame, published: pl.DataFrame) -> pl.DataFrame:
    """Measurements that ship, of sources from which nothing was fetched."""
    return shipped.filter(~pl.col("source").is_in(published["source"].unique().implode()))


def identified(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `core.end_to_end_measurements`: each with the digest of its content, equal rows once.

    Args:
        rows: Without identifiers; all may be passed on unless `may_bundle` says otherwise.
    """
    if "may_bundle" not in rows.columns:
        rows = rows.with_columns(may_bundle=pl.lit(value=True))
    digest = pl.struct(COLUMNS).map_elements(_digest, return_dtype=pl.String)
    return (
        rows.with_columns(measurement_id=digest)
        .unique("measurement_id", maintain_order=True)
        .select(END_TO_END_MEASUREMENTS.column_names)
    )


def _digest(row: Mapping[str, object]) -> str:
    import hashlib  # noqa: PLC0415 - one use
    import json  # noqa: PLC0415 - one use

    return hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16]
