"""A visitor's own measurements, each beside what is predicted for it and by how much that is off."""

from typing import Any

import panel as pn
import polars as pl

from dashboards.data import Data
from dashboards.parts.declared_table import Fact
from dashboards.parts.table_card import TableCard
from warehouse.yours import MARK

_FACTS = {
    "source": Fact("File", width=190),
    "compared_as": Fact("What is timed", width=170),
    "model": Fact("Model", width=220),
    "device": Fact("Device", width=190),
    "engine": Fact("Engine", width=120),
    "weight_format": Fact("Weight format", width=110),
    "batch": Fact("Batch", "0,0", 70),
    "measured": Fact("Measured", "0,0.0000", 90),
    "predicted": Fact("Predicted", "0,0.0000", 90),
    "low": Fact("Predicted, low", "0,0.0000", 110),
    "high": Fact("Predicted, high", "0,0.0000", 110),
    "unit": Fact("Unit", width=60),
    "error_pct": Fact("Error (%)", "0.0", 80),
    "inside": Fact("Inside interval", width=90),
    "basis": Fact("Basis of the prediction", width=360),
    "not_asked": Fact("Why there is no prediction", width=320),
}


def rows(data: Data) -> pl.DataFrame:
    """Measurements that the visitor brought, the furthest off first; none where he brought none."""
    if not any(file.kind == "measurements" for file in data.own_files):
        return pl.DataFrame()
    points = data.ask("how_far_off").filter(pl.col("source").str.starts_with(MARK))
    error = 100 * (pl.col("predicted") / pl.col("measured") - 1)
    inside = pl.col("measured").is_between("low", "high")
    return points.with_columns(
        source=pl.col("source").str.strip_prefix(MARK),
        model=pl.coalesce("model_id", "model_as_reported"),
        device=pl.coalesce("accelerator", "device_as_reported"),
        error_pct=error,
        inside=pl.when(inside).then(pl.lit("yes")).when(~inside).then(pl.lit("no")),
    ).sort(error.abs(), descending=True, nulls_last=True)


def cards(data: Data, address: str) -> list[pn.Column]:
    """A card with them; none where there are none.

    Args:
        data: The visitor's.
        address: Of the page.
    """
    points = rows(data)
    if points.is_empty():
        return []

    def describe() -> dict[str, Any]:
        return {"address": address, "source": "files of the visitor", "error_pct": "100 × (predicted / measured - 1)"}

    table = TableCard("your_measurements", _FACTS, describe, data)
    predictions = points.filter(pl.col("predicted").is_not_null())
    middle = predictions["error_pct"].abs().median()
    off = "" if middle is None else f", a median {float(str(middle)):.0f} % off"
    table.show(
        "Your measurements",
        f"{points.height:,}, of which {predictions.height:,} could be predicted{off}; seen by you alone",
        points, "Error: predicted over measured, less one. The interval should hold 80 % of measurements.",
    )  # fmt: skip
    return [table.card]
