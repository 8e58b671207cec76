"""A framed table with its heading, what it rests on, and its downloads; without rows it says why."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from dashboards.data import Data
from dashboards.parts import page
from dashboards.parts.declared_table import Fact, FactTable


class TableCard:
    """One table of a page.

    Attributes:
        rows: What is shown, under the names of its columns; what the downloads hold.
        card: The card, to be placed.
    """

    def __init__(
        self, name: str, facts: Mapping[str, Fact], describe: Callable[[], dict[str, Any]], data: Data
    ) -> None:
        """Make an empty card.

        Args:
            name: Of the downloaded files.
            facts: Column and what it is, in order.
            describe: What a downloaded table says of itself.
            data: What was asked for its rows.
        """
        self.rows = pl.DataFrame()
        self._table = FactTable(facts)
        self._heading, self._below = page.html(), page.html(margin=(8, 0, 0, 0))
        self._downloads = page.download_buttons(name, lambda: self.rows, describe, data)
        self._parts = (self._downloads, self._table.widget)
        self.card = page.card(self._heading, *self._parts, self._below)

    def show(self, title: str, counts: str, rows: pl.DataFrame, below: str = "", *, empty: str = "") -> None:
        """Show rows.

        Args:
            title: Heading.
            counts: Line below it.
            rows: One per line of the table.
            below: What the table rests on.
            empty: What is said in place of a table without rows.
        """
        self.rows = rows
        self._heading.css_classes = []
        nothing = rows.is_empty()
        line = empty if nothing else counts
        self._heading.object = page.heading(title, line)
        self._below.object = page.caption(below) if below and not nothing else ""
        for part in self._parts:
            part.visible = not nothing
        if not nothing:
            self._table.show(rows)

    def wait(self, title: str) -> None:
        """Say that the table is being worked out."""
        self.rows = pl.DataFrame()
        self._heading.css_classes = ["waiting"]
        self._heading.object = page.heading(title) + page.working("Calculating …")
        self._below.object = ""
        for part in self._parts:
            part.visible = False


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame, whatever their number."""
    return pl.DataFrame(rows, infer_schema_length=None)
