"""What ships as fact: architectures, accelerators, prices and the carbon intensity of electricity, as tables."""

from collections.abc import Iterator

import dagster as dg

from pipelines.analytics.architecture_links import SHAPE, link_architectures
from pipelines.assets.tables import makes, spec, write
from pipelines.resources import Home
from pipelines.sources.catalogue import accelerators, architectures, grid_intensities, prices
from warehouse.contracts import catalogue as tables
from warehouse.contracts.leaderboards import MODELS
from warehouse.contracts.performance import CALIBRATIONS


@dg.multi_asset(
    name="reference_catalogue",
    **makes(
        spec(tables.ARCHITECTURES, [], kinds={"csv"}),
        spec(tables.ACCELERATOR_PRICES, [], kinds={"csv"}),
        spec(tables.GRID_CARBON_INTENSITY, [], kinds={"csv"}),
    ),
)
def reference_catalogue(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the reviewed facts, with what our counts add to them."""
    yield write(skyline.lake, tables.ARCHITECTURES, architectures())
    yield write(skyline.lake, tables.ACCELERATOR_PRICES, prices())
    yield write(skyline.lake, tables.GRID_CARBON_INTENSITY, grid_intensities())


@dg.multi_asset(name="reference_accelerators", **makes(spec(tables.ACCELERATORS, [CALIBRATIONS], kinds={"csv"})))
def reference_accelerators(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the reviewed data sheets, and say which devices are calibrated."""
    calibrated = dict(skyline.lake.read(CALIBRATIONS, ["device", "accelerator"]).unique().iter_rows())
    yield write(skyline.lake, tables.ACCELERATORS, accelerators(calibrated), calibrated=len(calibrated))


@dg.multi_asset(name="model_architectures", **makes(spec(tables.MODEL_ARCHITECTURES, [MODELS, tables.ARCHITECTURES])))
def model_architectures(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Follow what models say they were made from, then their class and count, until the catalogue knows them."""
    named = ["model_id", "base_model", "architecture", "family", "parameters_total"]
    shapes = ["model_id", "model_type", "parameters_total", "max_position", "sliding_window", *SHAPE]
    models = skyline.lake.read(MODELS, named)
    links = link_architectures(models, skyline.lake.read(tables.ARCHITECTURES, shapes))
    yield write(skyline.lake, tables.MODEL_ARCHITECTURES, links, of_models=models.height)
