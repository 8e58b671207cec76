"""Many shared files together: which can be read, what they add, and which rows lie apart from the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.defs.accuracy.tables import accuracy, one_line_each
from pipelines.sources.measurements.read import read_measurements
from pipelines.sources.measurements.rows import COLUMNS, UnknownMeasurements
from profiling.answers.door import Door
from profiling.devices.accelerators import Accelerator

OUTLYING_DEVIATIONS = 3.5
"""Robust deviations from the median of its peers from which a row is an outlier (Iglewicz & Hoaglin 1993)."""
FEWEST_PEERS = 5
"""Rows of one device, engine, model, format and load, from which their own spread says what is apart."""
FARTHEST_FACTOR = 4.0
"""With fewer peers: how far beyond the predicted interval a row may lie."""
_LEAST_SPREAD = 0.05
_NORMAL = 0.6745
_PEERS = ("stage", "device", "engine", "model", "format", "devices", "batch", "context_depth")


@dataclass(frozen=True, slots=True)
class Collected:
    """What a folder of shared files holds.

    Attributes:
        rows: Rows that may be used, in our own columns.
        outliers: Rows that lie apart, with `reason`.
        refused: `file` and `reason` of files that cannot be read or were changed.
        files: How many were read.
        duplicates: Rows that were there before.
    """

    rows: pl.DataFrame
    outliers: pl.DataFrame
    refused: pl.DataFrame
    files: int
    duplicates: int


def collected(folder: Path, door: Door, devices: Mapping[str, Accelerator]) -> Collected:
    """Read every file below a folder.

    Raises:
        UnknownMeasurements: Nothing there can be read.
    """
    refused: list[tuple[str, str]] = []
    frames = list(_frames(folder, refused))
    schema = {"file": pl.String, "reason": pl.String}
    left_out = pl.DataFrame(refused, schema=schema, orient="row")
    if not frames:
        why = f"; {left_out['file'][0]}: {left_out['reason'][0]}" if left_out.height else ""
        raise UnknownMeasurements(f"no file in {folder} has usable measurements{why}")
    every = pl.concat(frames)
    rows = every.unique(maintain_order=True)
    reasons = _outlier_reasons(rows, door, devices)
    outliers = rows.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64)).join(reasons, on="row")
    remaining = rows.with_row_index("row").filter(~pl.col("row").is_in(reasons["row"].to_list())).select(COLUMNS)
    return Collected(remaining, outliers.drop("row"), left_out, len(frames), every.height - rows.height)


def _frames(folder: Path, refused: list[tuple[str, str]]) -> Iterator[pl.DataFrame]:
    for path in sorted(folder.rglob("*.json")):
        try:
            yield read_measurements(path)
        except UnknownMeasurements as error:
            refused.append((path.relative_to(folder).as_posix(), str(error)))


def _outlier_reasons(rows: pl.DataFrame, door: Door, devices: Mapping[str, Accelerator]) -> pl.DataFrame:
    """`row` and `reason` of rows that cannot be, or lie far from their peers or from what is predicted."""
    lines = one_line_each(accuracy(rows, door, devices))
    predictions = lines.filter(pl.col("predicted").is_not_null()).with_columns(
        off=(pl.col("measured") / pl.col("predicted")).log()
    )
    middle = pl.col("off").median().over(_PEERS)
    spread = (pl.col("off") - middle).abs().median().over(_PEERS).clip(lower_bound=_LEAST_SPREAD)
    peers = pl.len().over(_PEERS)
    # What lies within the predicted interval is nothing strange, however much alike the others are.
    outside = (pl.col("measured") > pl.col("high")) | (pl.col("measured") < pl.col("low"))
    far = (_NORMAL * (pl.col("off") - middle).abs() / spread > OUTLYING_DEVIATIONS) & outside
    beyond = (pl.col("measured") > FARTHEST_FACTOR * pl.col("high")) | (
        pl.col("measured") < pl.col("low") / FARTHEST_FACTOR
    )
    distant = predictions.select(
        "row",
        pl.when((peers >= FEWEST_PEERS) & far)
        .then(pl.lit("far from other rows with the same device, engine, model and load"))
        .when((peers < FEWEST_PEERS) & beyond)
        .then(pl.lit("far outside the predicted interval, with too few similar rows"))
        .alias("reason"),
    ).filter(pl.col("reason").is_not_null())
    impossible = lines.filter(pl.col("not_asked").str.starts_with("impossible")).select("row", reason="not_asked")
    return pl.concat([distant, impossible]).unique("row", keep="first")
