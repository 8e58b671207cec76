"""The table of a front: each member, and what its step over the one before costs."""

from collections.abc import Callable

import polars as pl
from bokeh.models.widgets.tables import NumberFormatter

from dashboards.parts import formats, page
from dashboards.parts.data_table import DataTable
from dashboards.parts.declared_table import priority_columns, right_aligned, table_options
from dashboards.parts.fields import Cost
from dashboards.parts.templates import block

_KEY = "entry_id"
_STEP = "Step over the one before"
_PLACE, _SCORE, _ERROR = "#", "Score (points)", "± s.e."
_COST, _EXTRA = "Cost", "Extra cost per extra point"
_CONTENDERS, _ADDS = "Beaten, but within noise", "Adds (points × decades)"
_STEPS = {True: "clear", False: "within noise"}
_HEADERS = {
    _PLACE: "position", "Model": "model_id", "Precision": "precision", "Family": "family", _SCORE: "score",
    _ERROR: "standard_error", _STEP: "step_over_previous", _CONTENDERS: "contenders_within_noise",
    _ADDS: "hypervolume_contribution",
}  # fmt: skip
"""Names in files; there the cost goes by the name of what it measures."""


class FrontTable:
    """Members of a front, from the cheapest."""

    def __init__(self, chosen: Callable[[str], None]) -> None:
        """Make an empty table.

        Args:
            chosen: Called with the entry of a member that a reader clicked.
        """
        self._frame = pl.DataFrame({_KEY: []}, schema={_KEY: pl.String})
        self.heading = page.html()
        # Columns are the same whatever the cost, which the heading names: where they change, all are built anew.
        numbers = [_PLACE, _COST, _SCORE, _ERROR, _EXTRA, _CONTENDERS, _ADDS]
        self._table = DataTable(
            _KEY,
            chosen,
            hidden_columns=[_KEY],
            formatters={name: NumberFormatter(format=_format(name), nan_format=formats.MISSING) for name in numbers},
            **right_aligned(numbers),
            widths=dict.fromkeys(numbers, 108) | {"Model": 340, _PLACE: 46, "Precision": 96, "Family": 100, _STEP: 112},
            **table_options(30, *priority_columns("Model", _SCORE, 340)),
        )
        self.widget = self._table.widget

    def show(self, members: pl.DataFrame, cost: Cost) -> None:
        """Show the members: the result of the query `front`."""
        rows = members.select(
            _KEY,
            pl.col("position").alias(_PLACE),
            pl.col("model_id").alias("Model"),
            (pl.col("cost") * cost.scale).alias(_COST),
            pl.col("score").alias(_SCORE),
            pl.col("standard_error").alias(_ERROR),
            pl.col("precision").fill_null("unknown").alias("Precision"),
            pl.col("family").str.replace_all("_", " ").alias("Family"),
            (pl.col("marginal_cost_per_point") * cost.scale).alias(_EXTRA),
            pl.col("beyond_noise_of_previous").replace_strict(_STEPS, default="", return_dtype=pl.String).alias(_STEP),
            pl.col("contenders_within_noise").alias(_CONTENDERS),
            pl.col("hypervolume_contribution").alias(_ADDS),
        )
        measure = cost.measure.name
        self._frame = rows.drop(_KEY).rename(_HEADERS | {_COST: measure, _EXTRA: f"extra_{measure}_per_point"})
        self.heading.object = block(
            "heading", "The front, from its cheapest member", f"Cost is {formats.running(cost.measure.title)}."
        )
        self._table.show(rows.to_pandas(), "front", dict)

    def rows(self) -> pl.DataFrame:
        """The rows shown, under the names of their columns; the cost by the name of what it measures."""
        return self._frame


def _format(name: str) -> str:
    if name in (_PLACE, _CONTENDERS):
        return "0,0"
    # Scores mean little beyond two digits; costs and what they buy span decades.
    return "0,0.00" if name in (_SCORE, _ERROR) else "0,0.000"
