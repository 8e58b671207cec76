"""What every shape of the catalogue takes on every accelerator, by the calibrations: time, memory, cost, carbon."""

from collections.abc import Iterator

import dagster as dg

from pipelines.defs.performance import tables as performance_tables
from pipelines.defs.performance.stored import Predictors, stored_table
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from warehouse.contracts import performance as tables
from warehouse.contracts.boards import BENCHMARK_RESULTS
from warehouse.contracts.catalogue import ACCELERATORS, GRID_CARBON_INTENSITY
from warehouse.contracts.prices import MARKET_PRICES


@dg.multi_asset(
    name="rooflines",
    **makes(
        spec(tables.ROOFLINE_POINTS, [tables.CALIBRATIONS, BENCHMARK_RESULTS], kinds={"numpy"}),
        spec(tables.ROOFLINE_OPERATORS, [tables.CALIBRATIONS], kinds={"numpy"}),
    ),
)
def rooflines(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Bound and predict shapes of the catalogue, those of judged models among them, on every accelerator."""
    lake, predictors = skyline.lake, _predictors(skyline)
    judged = lake.read(BENCHMARK_RESULTS, ["model_id"])["model_id"].drop_nulls().unique()
    points, operators = tables.ROOFLINE_POINTS, tables.ROOFLINE_OPERATORS
    yield write(lake, points, stored_table(lake, points.name, predictors, judged))
    yield write(lake, operators, stored_table(lake, operators.name, predictors))


def _predictors(skyline: Home) -> Predictors:
    """As JSON, by device."""
    calibrations = skyline.lake.read(tables.CALIBRATIONS, ["device", "predictor"])
    return {str(device): rows["predictor"].to_list() for (device,), rows in calibrations.group_by("device")}


@dg.multi_asset(
    name="gpu_requirements",
    **makes(spec(tables.GPU_REQUIREMENTS, [tables.CALIBRATIONS], kinds={"numpy"})),
)
def gpu_requirements(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Size every shape of the catalogue on every accelerator."""
    table = tables.GPU_REQUIREMENTS
    yield write(skyline.lake, table, stored_table(skyline.lake, table.name, _predictors(skyline)))


@dg.multi_asset(
    name="serving",
    **makes(
        spec(tables.SERVING_COST, [tables.ROOFLINE_POINTS, MARKET_PRICES]),
        spec(tables.CARBON_FOOTPRINT, [tables.ROOFLINE_POINTS, MARKET_PRICES, ACCELERATORS, GRID_CARBON_INTENSITY]),
    ),
)
def serving(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Price the points that run, and count their energy and emissions."""
    lake = skyline.lake
    points = lake.read(tables.ROOFLINE_POINTS)
    prices, grids = lake.read(MARKET_PRICES), lake.read(GRID_CARBON_INTENSITY)
    yield write(lake, tables.SERVING_COST, performance_tables.serving_cost(points, prices))
    footprint = performance_tables.carbon_footprint(points, prices, lake.read(ACCELERATORS), grids)
    yield write(lake, tables.CARBON_FOOTPRINT, footprint)
