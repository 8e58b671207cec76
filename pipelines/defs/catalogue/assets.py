"""What ships as fact: architectures, accelerators, prices and the carbon intensity of electricity, as tables."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from analytics.identity.architecture_links import SHAPE, link_architectures
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from pipelines.lib.stored_frames import stored_frame
from pipelines.sources.boards.declaration import declared
from pipelines.sources.catalogue.fetched_prices import addressed, fetched_prices, with_newer
from pipelines.sources.catalogue.prices import market_prices, price_list
from pipelines.sources.catalogue.read import accelerators, architectures, grid_intensities
from pipelines.sources.hub.models import as_architectures, fetched_models, hub_models
from pipelines.sources.raw_store import RawStore
from profiling.models.sources import catalogue
from warehouse.contracts import catalogue as tables
from warehouse.contracts import prices
from warehouse.contracts.leaderboards import MODELS
from warehouse.contracts.performance import CALIBRATIONS

_PRICE_LISTS = (
    prices.ACCELERATOR_PRICES, prices.HARDWARE_PURCHASE_PRICES, prices.ELECTRICITY_PRICES, prices.API_PRICES,
)  # fmt: skip
_COUNTED_FROM = ("profiling", "pipelines/sources/catalogue/read.py")


@dg.multi_asset(
    name="reference_catalogue",
    **makes(
        spec(tables.ARCHITECTURES, [RAW_FILES], kinds={"csv"}),
        spec(tables.HUB_MODELS, [RAW_FILES]),
        *(spec(table, [RAW_FILES], kinds={"csv"}) for table in _PRICE_LISTS),
        spec(tables.GRID_CARBON_INTENSITY, [], kinds={"csv"}),
    ),
)
def reference_catalogue(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the reviewed facts, with what our counts add to them."""
    requested_models = {
        name: model for name, model in fetched_models(skyline.settings).items() if name not in catalogue()
    }
    yield write(skyline.lake, tables.HUB_MODELS, hub_models(requested_models))
    requested = as_architectures(requested_models)
    stored_architectures = stored_frame(skyline.lake, tables.ARCHITECTURES.name, _COUNTED_FROM, "", architectures)
    both = tables.ARCHITECTURES.concat([tables.ARCHITECTURES.conform(stored_architectures), requested])
    yield write(skyline.lake, tables.ARCHITECTURES, both)
    fetched = fetched_prices(RawStore(skyline.settings.raw), declared(skyline.settings.home))
    for table in _PRICE_LISTS:
        rows = price_list(table)
        newer = fetched.get(table.name)
        if newer is not None:
            if table is prices.API_PRICES:
                newer = addressed(newer, rows, list(catalogue()))
            rows = with_newer(rows, newer, table.name)
        yield write(skyline.lake, table, rows, fetched=0 if newer is None else newer.height)
    yield write(skyline.lake, tables.GRID_CARBON_INTENSITY, grid_intensities())


@dg.multi_asset(name="market_prices", **makes(spec(prices.MARKET_PRICES, [prices.ACCELERATOR_PRICES])))
def accelerator_market_prices(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Take the median over providers of every device, with its range and its age."""
    offers = skyline.lake.read(prices.ACCELERATOR_PRICES)
    yield write(skyline.lake, prices.MARKET_PRICES, market_prices(offers))


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
    architectures = skyline.lake.read(tables.ARCHITECTURES, shapes)
    # What the shipped grids time comes first: a model is timed there as before if it can be.
    timed = [name for name, entry in catalogue().items() if entry.is_tabulated]
    links = link_architectures(models, architectures.filter(pl.col("model_id").is_in(timed)))
    others = link_architectures(models.join(links, on="model_id", how="anti"), architectures)
    yield write(skyline.lake, tables.MODEL_ARCHITECTURES, pl.concat([links, others]), of_models=models.height)
