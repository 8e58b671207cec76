"""Print the accuracy table of calibrated kernel times, and how long calibrating and predicting take.

    python benchmarks/calibration.py ../shared/data/kernels

Held-out figures are over every sound row, each predicted by a fit that had not seen its shape.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.sources.kernels.read import device_of
from profiling.calibration.calibrate import (
    DEFAULT_INTERVAL,
    Calibration,
    above_roof,
    bound_s,
    calibrate,
    peaks_of,
)
from profiling.calibration.kernels import OPERATOR_CLASSES, read_kernels

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "kernels"


def uncalibrated(calibration: Calibration, kernels: pl.DataFrame) -> tuple[float, float, float]:
    """MAPE of the bare bound and of the defaults, and the coverage of the defaults' interval, in percent."""
    kernels = kernels.join(above_roof(kernels, calibration.peaks), on="source_row", how="anti")
    measured = kernels["latency_s"].to_numpy()
    bound = bound_s(calibration.operator_class, kernels, calibration.peaks)
    default = replace(calibration, parameters={}, interval=DEFAULT_INTERVAL)
    likely, low, high = default.predict_s(kernels)
    return (
        100 * float(np.abs(bound / measured - 1).mean()),
        100 * float(np.abs(likely / measured - 1).mean()),
        100 * float(((low <= measured) & (measured <= high)).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernels", type=Path, nargs="?", default=DEFAULT, help="folder of kernel tables")
    arguments = parser.parse_args()
    if not arguments.kernels.is_dir():
        print(f"{arguments.kernels} is not on this machine; name a folder of kernel tables.")
        return
    tables = read_kernels(arguments.kernels)
    print(tables.rejected.group_by("accelerator", "reason").len().sort("accelerator", "reason").rows())
    print(
        "| accelerator | class | kernels | bound MAPE | default MAPE (coverage) | held-out MAPE | median | "
        "coverage | below bound | fit CPU s | predict kernels/CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (accelerator,), kernels in tables.kernels.group_by("accelerator", maintain_order=True):
        peaks = peaks_of(device_of(kernels["device"][0], str(accelerator)))
        for operator_class in OPERATOR_CLASSES:
            part = kernels.filter(pl.col("operator_class") == operator_class)
            if part.height == 0:
                continue
            begin = time.process_time()
            (calibration,) = calibrate(part, peaks)
            fitted = time.process_time()
            calibration.predict_s(part)
            rate = part.height / (time.process_time() - fitted)
            bound, default, covered = uncalibrated(calibration, part)
            print(
                f"| {accelerator} | {operator_class} | {calibration.kernels:,} | {bound:.1f} % | "
                f"{default:.1f} % ({covered:.0f} %) | {calibration.held_out_mape_pct:.2f} % | "
                f"{calibration.held_out_median_error_pct:.2f} % | {calibration.interval_coverage_pct:.1f} % | "
                f"{calibration.below_bound_pct:.2f} % | {fitted - begin:.1f} | {rate:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
