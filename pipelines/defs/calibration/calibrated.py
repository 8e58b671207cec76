"""Calibrations of kernel tables in a folder, as `skyline profile calibrate --kernels` prints and saves them."""

import json
from pathlib import Path

import polars as pl

from analytics.units import counted
from pipelines.sources.kernels.read import calibration_set, device_of
from profiling.calibration.calibrate import above_roof, calibrate, peaks_of
from profiling.calibration.kernels import read_kernels


def calibrated(folder: Path, *, save: Path | None, source: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Calibrations fitted to every accelerator below the folder, one row per operator class.

    Args:
        folder: Kernel tables in the layout `<accelerator>/<operation>_perf.parquet`.
        save: Folder into which one JSON per accelerator is written.
        source: Where the kernels are from, for those files.

    Returns:
        The rows, and what the reader should know beside them.

    Raises:
        UnreadableKernelTable, UnknownAccelerator, UnusableKernels: nothing can be fitted; the message says why.
    """
    tables = read_kernels(folder)
    rows, notes = [], []
    for (name,), kernels in tables.kernels.group_by("accelerator", maintain_order=True):
        device = device_of(str(kernels["device"][0]), str(name))
        peaks = peaks_of(device)
        laws = calibrate(kernels, peaks)
        # Parameters differ between classes, so they stay one JSON text per row.
        rows += [law.to_row() | {"parameters": json.dumps(law.parameters)} for law in laws]
        above, unread = above_roof(kernels, peaks), tables.rejected.filter(pl.col("accelerator") == name)
        notes.append(f"{name}: {counted(above.height, 'kernel')} faster than the data sheet allows, rejected.")
        notes += [
            f"{name}: {counted(count, 'row')} rejected: {reason}"
            for reason, count in unread["reason"].value_counts(sort=True).head(5).iter_rows()
        ]
        if save is not None:
            fitted_set = calibration_set(str(name), device, kernels, laws, source)
            save.mkdir(parents=True, exist_ok=True)
            save.joinpath(f"{name}.json").write_text(fitted_set.to_json(), "utf-8")
    return pl.DataFrame(rows), tuple(notes)
