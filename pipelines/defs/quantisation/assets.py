"""What quantisation costs: measured losses as published, and what is predicted from them with its held-out error."""

from collections.abc import Iterator
from functools import cache, partial

import dagster as dg
import polars as pl

from analytics.quantisation.held_out import held_out, intervals_of
from analytics.quantisation.loss import LossModel
from analytics.quantisation.recipes import prepared
from pipelines.defs.quantisation.tables import errors, pairs, predicted
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from pipelines.lib.stored_frames import digest_of_rows, stored_frame
from warehouse.contracts import quantisation as tables
from warehouse.reference_files import reference_table


@dg.multi_asset(
    name="reference_quantisation", **makes(spec(tables.QUANTISATION_MEASUREMENTS, [], kinds={"csv"}))
)  # fmt: skip
def reference_quantisation(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the measured losses, each with its source."""
    yield write(skyline.lake, tables.QUANTISATION_MEASUREMENTS, reference_table("quantisation_measurements"))


_INPUTS = (tables.QUANTISATION_MEASUREMENTS,)
_MADE_FROM = (
    "analytics",
    "profiling",
    "pipelines/defs/quantisation",
    "pipelines/sources/boards",
    "warehouse/reference",
)


_FITTED = (tables.QUANTISATION_LOSS, tables.QUANTISATION_PAIRS, tables.QUANTISATION_ERRORS)


@dg.multi_asset(name="quantisation_loss", **makes(*(spec(table, _INPUTS) for table in _FITTED)))
def quantisation_loss(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Fit losses by bits, recipe, size and task; predict every format, and every measured pair by other models."""
    lake = skyline.lake
    measurements = lake.read(tables.QUANTISATION_MEASUREMENTS)
    state = digest_of_rows(measurements)

    @cache
    def fitted() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        held_out_rows = held_out(prepared(measurements))
        intervals = intervals_of(held_out_rows)
        off = errors(held_out_rows, intervals)
        return predicted(LossModel.of(measurements, intervals), off), pairs(held_out_rows), off

    def part(place: int) -> pl.DataFrame:
        return fitted()[place]

    for place, table in enumerate(_FITTED):
        yield write(lake, table, stored_frame(lake, table.name, _MADE_FROM, state, partial(part, place)))
