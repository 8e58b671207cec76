"""The table of entries: which columns it can show, and the rows it shows."""

from collections.abc import Callable

import polars as pl
from bokeh.models.widgets.tables import NumberFormatter

from dashboards.parts import formats
from dashboards.parts.data_table import DataTable
from dashboards.parts.declared_table import priority_columns, right_aligned, table_options
from dashboards.parts.fields import AVERAGE, GENERAL, KINDS, Measure

_KEY = "entry_id"
_MODEL = "model_id"
_PAGE = 20
_USUAL = (_MODEL, "model_type", "precision", "size_gib", "parameters_billion", "average", "average_standard_error")
_TITLES = {_MODEL: "Model", "is_flagged": "Flagged", "is_on_hub": "On the hub", "average_standard_error": "± s.e."}


class EntryTable:
    """Entries of the leaderboard, a page at a time."""

    def __init__(self, chosen: Callable[[str], None]) -> None:
        """Make an empty table.

        Args:
            chosen: Called with the entry that a reader clicked.
        """
        self._frame = pl.DataFrame()
        self._table = DataTable(
            _KEY,
            chosen,
            hidden_columns=[_KEY],
            **table_options(_PAGE, *priority_columns(_MODEL, AVERAGE.name, 300)),
        )
        self.widget = self._table.widget

    @staticmethod
    def choices(measures: dict[str, Measure], entries: pl.DataFrame) -> dict[str, str]:
        """Titles and names of the columns there are."""
        titles = {kind.name: kind.label for kind in KINDS} | {name: m.title for name, m in measures.items()} | _TITLES
        benchmarks = [name for name in measures if name not in GENERAL]
        order = dict.fromkeys((*_USUAL, *benchmarks, *titles))
        return {titles[name]: name for name in order if name in titles and name in entries.columns}

    @staticmethod
    def default_columns(benchmarks: list[str], columns: dict[str, str]) -> list[str]:
        """Columns to begin with."""
        return [name for name in (*_USUAL, *benchmarks) if name in columns.values()]

    def show(self, entries: pl.DataFrame, columns: list[str], measures: dict[str, Measure]) -> None:
        """Show those columns of the entries."""
        order = list(self.choices(measures, entries).values())
        shown = sorted((name for name in columns if name in order), key=order.index) or [_MODEL]
        kinds = {kind.name: kind.label for kind in KINDS}
        titles = {
            name: _TITLES.get(name) or kinds.get(name) or (measures[name].title if name in measures else name)
            for name in shown
        }
        self._frame = entries.select(_KEY, *shown)
        readable = self._frame.with_columns(
            *(
                pl.col(name).replace_strict({True: "yes", False: "no"}, default="", return_dtype=pl.String)
                for name in shown
                if self._frame[name].dtype == pl.Boolean
            ),
            *(pl.col(name).str.replace_all("_", " ") for name in ("model_type", "family") if name in shown),
            *(pl.col(name).cast(pl.String).fill_null("") for name in shown if self._frame[name].dtype == pl.Date),
        )
        text = [name for name in shown if readable[name].dtype == pl.String]
        pandas = readable.with_columns(pl.col(text).fill_null("")).to_pandas()
        numbers = [name for name in shown if name not in text]
        self._table.show(
            pandas,
            titles,
            lambda: {
                "titles": titles,
                "formatters": {name: _number(measures.get(name)) for name in numbers},
                "widths": {_MODEL: 300, "precision": 100, "model_type": 130} | dict.fromkeys(numbers, 100),
                **right_aligned(numbers),
            },
        )

    def rows(self) -> pl.DataFrame:
        """The rows and columns shown, under the names of the columns."""
        return self._frame.drop(_KEY)


def _number(measure: Measure | None) -> NumberFormatter:
    whole = measure is not None and measure.unit == "likes"
    return NumberFormatter(format="0,0" if whole else "0,0.00", nan_format=formats.MISSING)
