"""What ships as fact: architectures, accelerators, prices and the carbon intensity of electricity, as tables."""

from collections.abc import Iterator

import dagster as dg

from pipelines.assets.tables import makes, spec, write
from pipelines.resources import Home
from pipelines.sources.catalogue import accelerators, architectures, grid_intensities, link_architectures, prices
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
    """Follow what models say they were made from until the catalogue knows it."""
    models = skyline.lake.read(MODELS, ["model_id", "base_model", "parameters_total"])
    known = skyline.lake.read(tables.ARCHITECTURES, ["model_id", "parameters_total"])
    links = link_architectures(models, known)
    yield write(skyline.lake, tables.MODEL_ARCHITECTURES, links, of_models=models.height)
