"""Tables of the arena pages: declared columns, those without any value left out, a page at a time."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import panel as pn
import polars as pl
from bokeh.models.widgets.tables import NumberFormatter

from dashboards.parts import formats


@dataclass(frozen=True)
class Fact:
    """One column of a table.

    Attributes:
        title: As shown, with its unit.
        format: How numbers print, in the notation of numbro; empty for text.
        width: Pixels.
        link: Address that the text leads to when it is appended, such as `model/`; empty: nowhere.
        header: Name in files, where the column's own does not say its unit.
    """

    title: str
    format: str = ""
    width: int = 110
    link: str = ""
    header: str = ""


class FactTable:
    """Rows of facts under titles."""

    def __init__(self, facts: Mapping[str, Fact]) -> None:
        """Make an empty table.

        Args:
            facts: Column and what it is, in order.
        """
        self._facts = facts
        self._frame = pl.DataFrame()
        self.widget = pn.widgets.Tabulator(
            pagination="remote",
            page_size=20,
            show_index=False,
            disabled=True,
            selectable=False,
            layout="fit_data_fill",
            sizing_mode="stretch_width",
            margin=0,
        )

    def show(self, rows: pl.DataFrame) -> None:
        """Show the declared columns that hold anything."""
        facts = {
            name: fact
            for name, fact in self._facts.items()
            if name in rows.columns and (rows.is_empty() or rows[name].is_not_null().any())
        }
        self._frame = rows.select(pl.col(name).alias(fact.header or name) for name, fact in facts.items())
        titled = rows.select(pl.col(name).alias(fact.title) for name, fact in facts.items())
        text = [fact.title for fact in facts.values() if not fact.format]
        numbers = {fact.title: fact.format for fact in facts.values() if fact.format}
        readable = titled.with_columns(
            *(pl.col(name).cast(pl.String).fill_null("") for name in text),
            *(pl.col(name).cast(pl.Float64) for name in numbers),
        )
        self.widget.param.update(
            value=readable.to_pandas(),
            formatters={
                **{
                    name: NumberFormatter(format=format_, nan_format=formats.MISSING)
                    for name, format_ in numbers.items()
                },
                **{
                    fact.title: {"type": "link", "urlPrefix": fact.link, "target": "_self"}
                    for fact in facts.values()
                    if fact.link
                },
            },
            text_align=dict.fromkeys(numbers, "right"),
            widths={fact.title: fact.width for fact in facts.values()},
            page=1,
        )

    def rows(self) -> pl.DataFrame:
        """The rows and columns shown, under the names that files have."""
        return self._frame


def interval(low: float | None, high: float | None) -> str:
    """An interval in brackets, empty where it is not known."""
    return "" if low is None or high is None else f" ({low:,.0f} to {high:,.0f})"


def day(date: dt.date | None) -> str:
    """A date for reading."""
    return formats.MISSING if date is None else date.isoformat()
