"""From stored kernel tables to calibrations with their errors, and from those to what every model will take."""

import json
from collections.abc import Iterator

import dagster as dg
import polars as pl

from pipelines import performance_tables
from pipelines.assets.sources import RAW_FILES
from pipelines.assets.tables import makes, spec, write
from pipelines.kept import Predictors, kept
from pipelines.resources import Home
from pipelines.sources.kernels import calibrations_in_use, load_kernels
from pipelines.sources.raw_store import RawStore
from warehouse.contracts import performance as tables
from warehouse.contracts.catalogue import ACCELERATOR_PRICES, ACCELERATORS, GRID_CARBON_INTENSITY


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
    yield write(skyline.lake, tables.SNAPSHOTS, pl.concat(stored.snapshots))
    yield write(skyline.lake, tables.REJECTED_ROWS, pl.concat(stored.rejected))
    yield write(skyline.lake, tables.KERNEL_MEASUREMENTS, pl.concat(stored.measurements))


@dg.multi_asset(
    name="calibrations",
    **makes(
        spec(tables.CALIBRATIONS, [tables.KERNEL_MEASUREMENTS], kinds={"scipy"}),
        spec(tables.PREDICTION_ERROR, [tables.KERNEL_MEASUREMENTS], kinds={"scipy"}),
    ),
)
def calibrations(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Fit what was measured here, once per state of kernels and code; where nothing was, take what ships."""
    fitted = calibrations_in_use(skyline.settings)
    rows, errors = [], []
    for one, origin in fitted.sets:
        said = {"accelerator": one.accelerator, "device": one.device, "fitted_in": origin}
        for calibration in one.calibrations:
            row = calibration.to_row() | said | {"parameters": json.dumps(calibration.parameters)}
            errors.append(row | {"model": "interpretable"})
            more = {"predictor": calibration.to_json(), "framework": one.framework, "source": one.source}
            rows.append(row | more | {"kernels": calibration.kernels})
        errors += [dict(learned) | said | {"model": "learned", "parameters": None} for learned in one.learned_errors]
    refused = dg.MetadataValue.md("\n".join(f"- {reason}" for reason in fitted.refused) or "none")
    yield write(skyline.lake, tables.CALIBRATIONS, _frame(rows, tables.CALIBRATIONS.empty()), not_fitted=refused)
    yield write(skyline.lake, tables.PREDICTION_ERROR, _frame(errors, tables.PREDICTION_ERROR.empty()))


def _frame(rows: list[dict[str, object]], empty: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame([{name: row[name] for name in empty.columns} for row in rows], schema=empty.schema)


@dg.multi_asset(
    name="rooflines",
    **makes(
        spec(tables.ROOFLINE_POINTS, [tables.CALIBRATIONS, ACCELERATORS], kinds={"numpy"}),
        spec(tables.ROOFLINE_OPERATORS, [tables.CALIBRATIONS, ACCELERATORS], kinds={"numpy"}),
    ),
)
def rooflines(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Bound and predict every shape of the catalogue on every accelerator."""
    for table in (tables.ROOFLINE_POINTS, tables.ROOFLINE_OPERATORS):
        yield write(skyline.lake, table, kept(skyline.settings, table.name, _predictors(skyline)))


def _predictors(skyline: Home) -> Predictors:
    """As JSON, by device."""
    known = skyline.lake.read(tables.CALIBRATIONS, ["device", "predictor"])
    return {str(device): rows["predictor"].to_list() for (device,), rows in known.group_by("device")}


@dg.multi_asset(
    name="gpu_requirements",
    **makes(spec(tables.GPU_REQUIREMENTS, [tables.CALIBRATIONS, ACCELERATORS], kinds={"numpy"})),
)
def gpu_requirements(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Size every shape of the catalogue on every accelerator."""
    table = tables.GPU_REQUIREMENTS
    yield write(skyline.lake, table, kept(skyline.settings, table.name, _predictors(skyline)))


@dg.multi_asset(
    name="serving",
    **makes(
        spec(tables.SERVING_COST, [tables.ROOFLINE_POINTS, ACCELERATOR_PRICES]),
        spec(
            tables.CARBON_FOOTPRINT, [tables.ROOFLINE_POINTS, ACCELERATOR_PRICES, ACCELERATORS, GRID_CARBON_INTENSITY]
        ),
    ),
)
def serving(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Price the points that run, and count their energy and emissions."""
    lake = skyline.lake
    points = lake.read(tables.ROOFLINE_POINTS)
    prices, grids = lake.read(ACCELERATOR_PRICES), lake.read(GRID_CARBON_INTENSITY)
    yield write(lake, tables.SERVING_COST, performance_tables.serving_cost(points, prices))
    footprint = performance_tables.carbon_footprint(points, prices, lake.read(ACCELERATORS), grids)
    yield write(lake, tables.CARBON_FOOTPRINT, footprint)
