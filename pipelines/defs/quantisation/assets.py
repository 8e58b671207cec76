"""What quantisation costs: measured losses as published, and what is predicted from them with its held-out error."""

from collections.abc import Iterator

import dagster as dg

from analytics.quantisation.held_out import held_out, intervals_of
from analytics.quantisation.loss import LossModel
from analytics.quantisation.recipes import prepared
from pipelines.defs.quantisation.tables import errors, pairs, predicted
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from warehouse.contracts import quantisation as tables
from warehouse.quantisation import quantisation_measurements


@dg.multi_asset(
    name="reference_quantisation", **makes(spec(tables.QUANTISATION_MEASUREMENTS, [], kinds={"csv"}))
)  # fmt: skip
def reference_quantisation(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the measured losses, each with its source."""
    yield write(skyline.lake, tables.QUANTISATION_MEASUREMENTS, quantisation_measurements())


_INPUTS = (tables.QUANTISATION_MEASUREMENTS,)


@dg.multi_asset(
    name="quantisation_loss",
    **makes(
        spec(tables.QUANTISATION_LOSS, _INPUTS),
        spec(tables.QUANTISATION_PAIRS, _INPUTS),
        spec(tables.QUANTISATION_ERRORS, _INPUTS),
    ),
)
def quantisation_loss(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Fit losses by bits, recipe, size and task; predict every format, and every measured pair by other models."""
    measurements = skyline.lake.read(tables.QUANTISATION_MEASUREMENTS)
    held_out_rows = held_out(prepared(measurements))
    intervals = intervals_of(held_out_rows)
    off = errors(held_out_rows, intervals)
    yield write(skyline.lake, tables.QUANTISATION_LOSS, predicted(LossModel.of(measurements, intervals), off))
    yield write(skyline.lake, tables.QUANTISATION_PAIRS, pairs(held_out_rows))
    yield write(skyline.lake, tables.QUANTISATION_ERRORS, off)
