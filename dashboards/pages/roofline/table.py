"""The table of operators of the roofline page, of one configuration or of two."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from bokeh.models.widgets.tables import NumberFormatter

from dashboards.parts import formats
from dashboards.parts.data_table import DataTable
from dashboards.parts.declared_table import priority_columns, right_aligned, table_options

_TITLES = {
    "operator": "Operator", "place": "Place", "count": "×", "share_pct": "Share (%)", "likely_s": "Predicted (µs)",
    "interval": "80 % interval (µs)", "bound_s": "Bound (µs)", "side": "Bound by", "intensity": "FLOPs per byte",
    "flops": "GFLOP", "weight_bytes": "Weights (MB)", "activation_read_bytes": "Activations in (MB)",
    "activation_write_bytes": "Activations out (MB)", "kv_read_bytes": "KV read (MB)",
    "kv_write_bytes": "KV written (MB)", "communication_bytes": "Sent (MB)", "kind": "Class",
}  # fmt: skip
_SCALES = {"flops": 1e-9} | {name: 1e-6 for name in _TITLES if name.endswith("_bytes")}
_SCALES |= dict.fromkeys(("likely_s", "bound_s"), 1e6)
_SECOND = {"likely_s": "B predicted (µs)", "ratio": "B / A", "side": "B bound by"}
_TWO_DIGITS = ("Bound (µs)", "Predicted (µs)", "Share (%)", "B predicted (µs)", "B / A", "FLOPs per byte")
_TEXT_WIDTHS = {
    "Place": 132, "Operator": 200, "Class": 120, "Bound by": 116, "B bound by": 116, "×": 44, "80 % interval (µs)": 128,
}  # fmt: skip


class OperatorTable:
    """Operators in the order data flows; the second configuration stands beside, where it has the same operator."""

    def __init__(self) -> None:
        """Make an empty table."""
        self._table = DataTable(**table_options(60, *priority_columns("Operator", "Predicted (µs)", 200)))
        self.widget = self._table.widget

    def show(self, frames: Sequence[pl.DataFrame]) -> None:
        """Show the operators of one configuration, or of two.

        Args:
            frames: `Answer.operators` of each.
        """
        ends = frames[0].select("low_s", "high_s").iter_rows()
        texts = ["–".join(formats.significant(end * 1e6) for end in both) for both in ends]
        shown = frames[0].with_columns(pl.Series("interval", texts))
        shown = shown.select(
            *(pl.col(name) * _SCALES.get(name, 1) if name in _SCALES else name for name in _TITLES), "key"
        )
        titles = dict(_TITLES)
        if len(frames) > 1:
            other = frames[1].select(
                "key", pl.col("likely_s").alias("b_likely_s") * 1e6, pl.col("side").alias("b_side")
            )
            shown = shown.join(other, on="key", how="left", maintain_order="left").with_columns(
                (pl.col("b_likely_s") / pl.col("likely_s")).alias("b_ratio"), pl.col("b_side").fill_null("")
            )
            titles |= {f"b_{name}": title for name, title in _SECOND.items()}
        readable = shown.select(pl.col(name).alias(title) for name, title in titles.items()).with_columns(
            pl.col("Operator", "Class").str.replace_all("_", " ")
        )
        schema = dict(readable.schema)
        self._table.show(readable.to_pandas(), schema, lambda: _columns(schema))


def _columns(schema: dict[str, pl.DataType]) -> dict[str, Any]:
    """How Tabulator shows columns of these types."""
    numbers = {name: dtype.is_integer() for name, dtype in schema.items() if dtype.is_numeric()}
    whole_or_not = {name: "0,0" if whole else "0,0.[000]" for name, whole in numbers.items()}
    digits = whole_or_not | {name: "0,0.00" for name in _TWO_DIGITS if name in numbers}
    return {
        "formatters": {name: NumberFormatter(format=text, nan_format=formats.MISSING) for name, text in digits.items()},
        "widths": dict.fromkeys(numbers, 92) | {name: width for name, width in _TEXT_WIDTHS.items() if name in schema},
        **right_aligned([*numbers, _TITLES["interval"]]),
    }
