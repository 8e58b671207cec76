"""From stored kernel tables to calibrations of operator times, each with its held-out error."""

import json
from collections.abc import Iterator

import dagster as dg

from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from pipelines.sources.kernels.read import calibrations_in_use, load_kernels
from pipelines.sources.raw_store import RawStore
from warehouse.contracts import performance as tables


@dg.multi_asset(
    name="parsed_kernels",
    **makes(
        spec(tables.SNAPSHOTS, [RAW_FILES]),
        spec(tables.REJECTED_ROWS, [RAW_FILES]),
        spec(tables.KERNEL_MEASUREMENTS, [RAW_FILES]),
    ),
)
def parsed_kernels(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read every stored kernel table; measurements above their own roof are set aside with the reason."""
    stored = load_kernels(RawStore(skyline.settings.raw))
    yield write(skyline.lake, tables.SNAPSHOTS, tables.SNAPSHOTS.concat(stored.snapshots))
    yield write(skyline.lake, tables.REJECTED_ROWS, tables.REJECTED_ROWS.concat(stored.rejected))
    yield write(skyline.lake, tables.KERNEL_MEASUREMENTS, tables.KERNEL_MEASUREMENTS.concat(stored.measurements))


@dg.multi_asset(
    name="calibrations",
    **makes(
        spec(tables.CALIBRATIONS, [RAW_FILES], kinds={"scipy"}),
        spec(tables.PREDICTION_ERROR, [RAW_FILES], kinds={"scipy"}),
    ),
)
def calibrations(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Fit what was measured here, once per state of kernels and code; where nothing was, take what ships."""
    fitted = calibrations_in_use(skyline.settings)
    rows, errors = [], []
    for calibration_set, origin in fitted.sets:
        labels = {"accelerator": calibration_set.accelerator, "device": calibration_set.device, "fitted_in": origin}
        for calibration in calibration_set.calibrations:
            row = calibration.to_row() | labels | {"parameters": json.dumps(calibration.parameters)}
            errors.append(row)
            more = {
                "predictor": calibration.to_json(),
                "framework": calibration_set.framework,
                "source": calibration_set.source,
            }
            rows.append(row | more | {"kernels": calibration.kernels})
    refused = dg.MetadataValue.md("\n".join(f"- {reason}" for reason in fitted.refused) or "none")
    yield write(skyline.lake, tables.CALIBRATIONS, tables.CALIBRATIONS.frame(rows), not_fitted=refused)
    yield write(skyline.lake, tables.PREDICTION_ERROR, tables.PREDICTION_ERROR.frame(errors))
