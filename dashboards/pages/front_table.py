"""The table of a front: each member, and what its step over the one before costs."""

from collections.abc import Callable
from typing import Any

import panel as pn
import polars as pl
from bokeh.models.widgets.tables import NumberFormatter

from dashboards import formats
from dashboards.fields import COSTS, Cost

_KEY = "entry_id"
_STEP = "Step over the one before"
_PLACE, _SCORE, _ERROR = "#", "Score (points)", "± s.e."
_CONTENDERS, _ADDS = "Beaten, but within noise", "Adds (points × decades)"
_STEPS = {True: "clear", False: "within noise"}


class FrontTable:
    """Members of a front, from the cheapest."""

    def __init__(self, chosen: Callable[[str], None]) -> None:
        """Make an empty table.

        Args:
            chosen: Called with the entry of a member that a reader clicked.
        """
        self._frame = pl.DataFrame({_KEY: []}, schema={_KEY: pl.String})
        self._chosen = chosen
        # Of every column that there may be, so that a change of rows changes nothing else: the columns are rebuilt for
        # each property of theirs that changes, and the whole page is looked through each time.
        numbers = [_PLACE, _SCORE, _ERROR, _CONTENDERS, _ADDS]
        numbers += [title for cost in COSTS.values() for title in (cost.measure.title, _extra(cost))]
        self.widget = pn.widgets.Tabulator(
            pagination="remote",
            page_size=30,
            show_index=False,
            disabled=True,
            selectable=False,
            layout="fit_data_fill",
            hidden_columns=[_KEY],
            formatters={name: NumberFormatter(format=_format(name), nan_format=formats.MISSING) for name in numbers},
            text_align=dict.fromkeys(numbers, "right"),
            widths=dict.fromkeys(numbers, 108) | {"Model": 340, _PLACE: 46, "Precision": 96, "Family": 100, _STEP: 112},
            sizing_mode="stretch_width",
            margin=0,
        )
        self.widget.on_click(self._clicked)

    def _clicked(self, event: Any) -> None:
        self._chosen(str(self.widget.value.iloc[event.row][_KEY]))

    def show(self, members: pl.DataFrame, cost: Cost) -> None:
        """Show the members: the result of the query `front`."""
        rows = members.select(
            _KEY,
            pl.col("position").alias(_PLACE),
            pl.col("model_id").alias("Model"),
            pl.col("precision").fill_null("unknown").alias("Precision"),
            pl.col("family").str.replace_all("_", " ").alias("Family"),
            (pl.col("cost") * cost.scale).alias(cost.measure.title),
            pl.col("score").alias(_SCORE),
            pl.col("standard_error").alias(_ERROR),
            (pl.col("marginal_cost_per_point") * cost.scale).alias(_extra(cost)),
            pl.col("beyond_noise_of_previous").replace_strict(_STEPS, default="", return_dtype=pl.String).alias(_STEP),
            pl.col("contenders_within_noise").alias(_CONTENDERS),
            pl.col("hypervolume_contribution").alias(_ADDS),
        )
        self._frame = rows
        self.widget.param.update(value=rows.to_pandas(), page=1)

    def rows(self) -> pl.DataFrame:
        """The rows shown, under the titles shown."""
        return self._frame.drop(_KEY)


def _extra(cost: Cost) -> str:
    return f"Extra {cost.measure.unit} per extra point"


def _format(name: str) -> str:
    if name in (_PLACE, _CONTENDERS):
        return "0,0"
    # Scores mean little beyond two digits; costs and what they buy span decades.
    return "0,0.00" if name in (_SCORE, _ERROR) else "0,0.000"
