"""Measurements of whole passes by others and by oneself, and how far predictions lie from them."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from pipelines.defs.accuracy.tables import accuracy, error_rows, identified, not_fetched
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from pipelines.sources.boards.declaration import declared
from pipelines.sources.boards.load import load_measured
from pipelines.sources.measurements.recognition import SOURCE, measurements_of
from pipelines.sources.raw_store import RawStore
from profiling.answers.door import Door
from warehouse.contracts import BY_RELATION
from warehouse.contracts.accuracy import END_TO_END_ERROR, END_TO_END_MEASUREMENTS
from warehouse.contracts.catalogue import ACCELERATORS, GRID_CARBON_INTENSITY, HUB_MODELS
from warehouse.contracts.performance import CALIBRATIONS
from warehouse.contracts.prices import ACCELERATOR_PRICES


@dg.multi_asset(name="end_to_end_measurements", **makes(spec(END_TO_END_MEASUREMENTS, [RAW_FILES])))
def end_to_end_measurements(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read every stored file of measurements, and what declared sources publish now; equal rows count once.

    What ships of a source gives way to what was fetched from it.
    """
    settings = skyline.settings
    store = RawStore(settings.raw)
    stored = store.snapshots(SOURCE)
    published = load_measured(store, declared(settings.home), settings.lake.folder / "parsed" / "boards")
    frames = [
        not_fetched(frame, published) if file.manifest.is_shipped else frame
        for file in stored
        if (frame := measurements_of(file.path.read_bytes(), file.manifest.uri)) is not None and frame.height
    ]
    frames = [*(frame.with_columns(may_bundle=pl.lit(value=True)) for frame in frames), published]
    rows = identified(pl.concat(frames, how="diagonal"))
    yield write(skyline.lake, END_TO_END_MEASUREMENTS, rows, files=len(stored))


@dg.multi_asset(
    name="end_to_end_error",
    **makes(
        spec(
            END_TO_END_ERROR,
            [
                END_TO_END_MEASUREMENTS, ACCELERATORS, CALIBRATIONS, ACCELERATOR_PRICES, GRID_CARBON_INTENSITY,
                HUB_MODELS,
            ],
            kinds={"numpy"},
        )
    ),
)  # fmt: skip
def end_to_end_error(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Hold every measured row against what is predicted for it."""
    measured = skyline.lake.read(END_TO_END_MEASUREMENTS)
    door = Door.from_tables(lambda name: skyline.lake.read(BY_RELATION[name]))
    if measured.is_empty():
        yield write(skyline.lake, END_TO_END_ERROR, END_TO_END_ERROR.empty())
        return
    result = accuracy(measured.drop("measurement_id"), door, door.devices)
    yield write(skyline.lake, END_TO_END_ERROR, error_rows(measured, result))
