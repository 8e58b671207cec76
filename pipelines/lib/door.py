"""The door of commands and of the HTTP interface: facts of the published warehouse, else those that ship."""

from collections.abc import Callable
from functools import partial

import polars as pl

from pipelines.sources.catalogue.prices import price_list
from pipelines.sources.catalogue.read import grid_intensities
from pipelines.sources.hub.models import architectures_of, fetched_models, keep
from profiling.answers.door import Door, shipped_door
from profiling.models.architecture import Architecture
from warehouse.contracts.prices import ACCELERATOR_PRICES, TABLES
from warehouse.files import NotReadable
from warehouse.publish import NotPublished
from warehouse.reader import PerRelease, Reader
from warehouse.settings import Settings


def _fetched(settings: Settings, model_id: str) -> Architecture:
    return keep(model_id, settings).architecture()


def shipped_market(table: str) -> pl.DataFrame:
    """A table of what tokens, devices and electricity cost to buy, as it ships; by its full name."""
    return price_list(next(reference for reference in TABLES if reference.relation == table))


def published_door(reader: Reader, settings: Settings | None = None, *, online: bool = False) -> Callable[[], Door]:
    """Gives a door with the facts of the release that is read now, or those that ship where nothing is published.

    Args:
        reader: Of the published folder.
        settings: Of the home whose own models, fetched from the hub before, are asked about as well.
        online: Whether models that nobody asked for yet are fetched from the hub, and kept in the home.
    """
    own = dict(architectures_of(fetched_models(settings))) if settings else {}
    finds = partial(_fetched, settings) if online and settings else None
    published = PerRelease(reader, partial(Door.from_tables, own_models=own, look_up=finds))

    def door() -> Door:
        try:
            return published()
        except NotReadable:  # its facts are others than those that ship
            raise
        except NotPublished:
            offers, grids = price_list(ACCELERATOR_PRICES).to_dicts(), grid_intensities().to_dicts()
            return shipped_door(offers, grids, market=shipped_market, own_models=own, look_up=finds)

    return door
