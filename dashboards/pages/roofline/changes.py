"""What would help the first configuration and what changes it: advice with its interval, and sweeps over one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import panel as pn
import polars as pl

from analytics.units import decimal
from dashboards.charts.ratings import Rows, RowsChart
from dashboards.data import Data
from dashboards.pages.roofline.state import FIRST, RooflineState
from dashboards.parts import controls, formats, page, theme
from dashboards.parts.declared_table import Fact, FactTable
from profiling.answers.answer import Answer
from profiling.answers.improve import KINDS, improvement_rows, operator_improvement_rows
from profiling.answers.sweep import AXES, sweep
from profiling.devices.accelerators import GIB
from profiling.errors import ProfilingError

_HELPS, _SWEPT = "what_would_help", "what_changes_it"
_ADVICE = {
    "change": Fact("Change", width=300),
    "time_change_pct": Fact("Time (%)", "0.0", 84),
    "time_change_low_pct": Fact("80 % from (%)", "0.0", 88),
    "time_change_high_pct": Fact("80 % to (%)", "0.0", 84),
    "memory_high_gib": Fact("Memory, at most (GiB)", "0.0", 130),
    "verdict": Fact("Verdict", width=100),
    "costs": Fact("What it costs", width=300),
}
_OPERATORS = {
    "place": Fact("Place", width=136),
    "operator": Fact("Operator", width=150),
    "share_pct": Fact("Share (%)", "0.0", 80, stays=True),
    "bound_by": Fact("Bound by", width=90),
    "helps_most": Fact("Helps most", width=96),
    "change_of_whole_pct": Fact("Of the whole (%)", "0.0", 110),
    "change_of_whole_low_pct": Fact("80 % from (%)", "0.0", 88),
    "change_of_whole_high_pct": Fact("80 % to (%)", "0.0", 84),
    **{f"{kind}_pct": Fact(f"{kind.capitalize()} (%)", "0.0", 96) for kind in KINDS},
}
_VALUES = {
    "value": Fact("Value", width=140),
    "verdict": Fact("Verdict", width=100),
    "weights_gib": Fact("Weights (GiB)", "0.00", 104),
    "kv_cache_gib": Fact("KV cache (GiB)", "0.00", 110),
    "activations_gib": Fact("Activations (GiB)", "0.000", 120),
    "memory_high_gib": Fact("Memory, at most (GiB)", "0.00", 140),
    "gflop": Fact("Work (GFLOP)", "0,0.00", 110, header="work_gflop"),
    "predicted_likely_s": Fact("Time (s)", "0.0000", 90, stays=True),
    "predicted_low_s": Fact("80 % from (s)", "0.0000", 90),
    "predicted_high_s": Fact("80 % to (s)", "0.0000", 90),
    "time_change_pct": Fact("Change (%)", "0.0", 92),
    "reason": Fact("Reason", width=280),
}


class Changes:
    """Two cards below the charts, filled only where the reader asks for them: each asks the door some ten times."""

    def __init__(self, data: Data, state: RooflineState) -> None:
        self.data, self.door, self.state = data, data.door(), state
        self.helps, self.swept = RowsChart(_HELPS), RowsChart(_SWEPT)
        self.advice, self.operators, self.values = (FactTable(facts) for facts in (_ADVICE, _OPERATORS, _VALUES))
        self.heading, self.swept_heading, self.notes = page.html(), page.html(), page.html()
        self.rows = pl.DataFrame()
        self.cards = self._cards()

    def _cards(self) -> pn.Column:
        axes = {name.capitalize(): name for name in AXES}
        return pn.Column(
            page.card(
                self.heading,
                pn.pane.Bokeh(self.helps.figure, sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
                page.html(
                    page.caption(
                        "Change of the predicted time per token (of a pass: per sequence); savings are taken to be "
                        "as uncertain as the predictions. `skyline improve` gives the same."
                    )
                ),
                page.picture_buttons(_HELPS),
                self.advice.widget,
                page.html(page.heading("Operator by operator"), margin=(12, 0, 6, 0)),
                self.operators.widget,
            ),
            page.card(
                self.swept_heading,
                controls.radio(self.state, "swept", axes, height=32, margin=(8, 0, 8, 0)),
                self.notes,
                pn.pane.Bokeh(self.swept.figure, sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
                page.picture_buttons(_SWEPT, downloads=page.download_buttons(
                    "sweep", lambda: self.rows, self._describe, self.data, margin=0)),
                self.values.widget,
            ),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _describe(self) -> dict[str, Any]:
        return {"address": f"roofline{self.state.address()}", "swept": self.state.swept}

    def show(self, answer: Answer | None) -> None:
        """Fill both cards for an answer, or hide them."""
        self.cards.visible = bool(self.state.changes) and answer is not None
        if not self.cards.visible or answer is None:
            return
        self._show_advice(answer)
        self._show_sweep(answer)

    def _show_advice(self, answer: Answer) -> None:
        rows = improvement_rows(self.door, self.state.question(FIRST))
        name = formats.without_account(answer.model.name)
        self.heading.object = page.about(
            _HELPS, f"What would help {name}", "change of the predicted time with its interval",
            f"on {answer.question.devices}",
        )  # fmt: skip
        self.advice.show(rows)
        self.operators.show(operator_improvement_rows(self.door, self.state.question(FIRST)))
        if rows.height:
            marks = [_advised(row) for row in rows.iter_rows(named=True)]
            self.helps.show(replace(_dots(marks, "Change of time (%)"), zero=0.0))

    def _show_sweep(self, answer: Answer) -> None:
        axis = str(self.state.swept)
        self.notes.object = ""
        try:
            rows = sweep(self.door, self.state.question(FIRST), {axis: ()})
        except ProfilingError as error:
            self.notes.object = page.notes([str(error)])
            return
        self.rows = rows
        name = formats.without_account(answer.model.name)
        self.swept_heading.object = page.about(
            _SWEPT, f"What changes memory and time of {name}", f"{AXES[axis][0]}; everything else as chosen",
            f"on {answer.question.devices}",
        )  # fmt: skip
        self.values.show(
            rows.with_columns(
                *(
                    (pl.col(f"{part}_bytes") / GIB).alias(f"{part}_gib")
                    for part in ("weights", "kv_cache", "activations")
                ),
                gflop=pl.col("flops") / 1e9,
            )
            if rows.height
            else rows
        )
        marks = [
            (f"{axis} {row['value']}", 1e3 * row["predicted_likely_s"], 1e3 * row["predicted_low_s"],
             1e3 * row["predicted_high_s"], f"{formats.significant(1e3 * row['predicted_likely_s'])} ms",
             f"{formats.significant(row['memory_high_gib'])} GiB at most, {row['verdict']}")
            for row in (rows.iter_rows(named=True) if rows.height else ())
            if row["predicted_likely_s"] is not None
        ]  # fmt: skip
        self.swept.show(_dots(marks, "Predicted time (ms)"))


def _advised(row: dict[str, Any]) -> tuple[str, float, float, float, str, str]:
    likely, low, high = (row[f"time_change_{end}pct"] for end in ("", "low_", "high_"))
    return (
        row["change"],
        likely,
        low,
        high,
        f"{decimal(likely, 1)} % (80 %: {decimal(low, 1)} to {decimal(high, 1)})",
        f"costs {row['costs']}",
    )


def _dots(marks: list[tuple[str, float, float, float, str, str]], axis: str) -> Rows:
    """A row per value with its interval."""
    columns = ("name", "x", "low", "high", "first", "second")
    frame = pl.DataFrame(
        marks, orient="row",
        schema=dict(zip(columns, (pl.String, pl.Float64, pl.Float64, pl.Float64, pl.String, pl.String), strict=True)),
    ).with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))  # fmt: skip
    dressed = frame.with_columns(colour=pl.lit(theme.COLOURS[0]), mark=pl.lit("circle"), fill=pl.lit(0.85))
    return Rows(names=frame["name"].to_list(), marks=dressed, axis=axis, row_px=26)
