"""Tables of facts: declared columns, those without any value left out, a page at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import polars as pl
from bokeh.models.widgets.tables import NumberFormatter

from analytics.units import decimal
from dashboards.parts import formats
from dashboards.parts.data_table import DataTable
from dashboards.parts.templates import block

PAGE = 20
"""Rows that are shown at once."""
_LETTER_PX, _SORT_MARK_PX = 7.4, 34
_NARROWEST_PX, _OPENER_PX, _FIGURE_PX = 280, 32, 100
"""Pixels of a table on the narrowest phone, of the button that opens a row in it, and of a figure of unknown width."""


@dataclass(frozen=True)
class Fact:
    """One column of a table.

    Attributes:
        title: As shown, with its unit.
        format: How numbers print, in the notation of numbro; empty for text.
        width: Pixels.
        link: Address that the text leads to when it is appended, such as `model/`; empty: nowhere.
        link_of: Column that holds what is appended to `link` in place of the text; where it holds nothing, the text
            leads nowhere.
        shown_as: What its texts are shown as; files hold them as they are.
        header: Name in files, where the column's own does not say its unit.
        stays: Whether it stands in the row on the smallest screen too, as names do: the figure that most come for.
        wraps: Whether it is prose, which takes as many lines as it needs.
    """

    title: str
    format: str = ""
    width: int = 110
    link: str = ""
    link_of: str = ""
    shown_as: Callable[[str], str] | None = None
    header: str = ""
    stays: bool = False
    wraps: bool = False


def table_options(page_size: int = PAGE, *columns: Mapping[str, Any]) -> dict[str, Any]:
    """What all tables of pages have in common.

    Columns for which a screen has no room stand below their row, once it is opened: no table is wider than its page.

    Args:
        page_size: Rows that are shown at once.
        columns: What else is to be said of columns, each by its `field`, in the words of Tabulator.
    """
    opener = {
        "formatter": "responsiveCollapse", "width": _OPENER_PX, "minWidth": _OPENER_PX, "resizable": False,
        "headerSort": False, "responsive": 0,
    }  # fmt: skip
    return {
        "pagination": "remote", "page_size": page_size, "show_index": False, "disabled": True, "selectable": False,
        "layout": "fit_data_fill", "sizing_mode": "stretch_width", "margin": 0,
        "configuration": {
            "responsiveLayout": "collapse", "responsiveLayoutCollapseStartOpen": False, "rowHeader": opener,
            "columns": [dict(column) for column in columns],
        },
    }  # fmt: skip


def right_aligned(titles: Iterable[str]) -> dict[str, dict[str, str]]:
    """Options that set columns of numbers, and their heads, to the right."""
    return dict.fromkeys(("text_align", "header_align"), dict.fromkeys(titles, "right"))


def priority_columns(name: str, figure: str, width: int) -> tuple[Mapping[str, Any], ...]:
    """Columns that stand in a row on the smallest screen too: its name, which gives way, and a figure.

    Args:
        name: Column of the names.
        figure: Column of the figure that most come for.
        width: Most pixels of the names.
    """
    return {"field": name, "responsive": 0, **_giving_way(width)}, {"field": figure, "responsive": 0}


def _giving_way(width: int, texts: Sequence[int] = (), figures: Sequence[int] = (_FIGURE_PX,)) -> dict[str, Any]:
    """Names give way on a small screen: to what figures and other texts of a row leave there.

    Args:
        width: Most pixels of the text.
        texts: Most pixels of each text in a row; two share the room as their widths do, within bounds.
        figures: Pixels of each figure in it.
    """
    part = min(max(width / sum(texts), 0.42), 0.58) if len(texts) == 2 else 1 / max(len(texts), 1)
    room, least = (64, 96 * len(texts)) if len(texts) > 1 else (52, 130) if len(figures) < 2 else (38, 110)
    rest = 100 * (_NARROWEST_PX - _OPENER_PX - (sum(figures) or _FIGURE_PX)) // _NARROWEST_PX
    return {"width": f"{max(room, rest) * part:.0f}%", "minWidth": round(least * part), "maxWidth": width}


class FactTable:
    """Rows of facts under titles."""

    def __init__(self, facts: Mapping[str, Fact], key: str = "", pressed: Callable[[str], None] | None = None) -> None:
        """Make a table that appears with its first rows.

        Args:
            facts: Column and what it is, in order.
            key: Title of the column whose value tells which row was pressed.
            pressed: Called with that value; None where rows lead nowhere.
        """
        self._facts = facts
        self._frame = pl.DataFrame()
        name = next((fact for fact in facts.values() if not fact.format), None)
        texts = [fact for fact in facts.values() if fact is name or (fact.stays and not fact.format)]
        stays = [fact for fact in facts.values() if fact.stays or fact is name]
        figures = [_width(fact) for fact in stays if fact.format]
        widths = [_width(fact) for fact in texts]
        narrower = {fact.title: _giving_way(width, widths, figures) for fact, width in zip(texts, widths, strict=True)}
        options = table_options(
            PAGE, *({"field": fact.title, "responsive": 0, **narrower.get(fact.title, {})} for fact in stays)
        )
        self._table = DataTable(key, pressed, **options)
        self.widget = self._table.widget

    def show(self, rows: pl.DataFrame, chosen: Mapping[str, Fact] | None = None) -> None:
        """Show the declared columns that hold anything.

        Args:
            rows: The rows.
            chosen: Declared columns whose title and unit depend on what a reader chose.
        """
        facts = {
            name: fact
            for name, fact in {**self._facts, **(chosen or {})}.items()
            if name in rows.columns and (rows.is_empty() or rows[name].is_not_null().any())
        }
        self._frame = rows.select(pl.col(name).alias(fact.header or name) for name, fact in facts.items())
        titled = rows.select(pl.col(name).alias(fact.title) for name, fact in facts.items())
        text = [fact.title for fact in facts.values() if not fact.format]
        numbers = [fact.title for fact in facts.values() if fact.format]
        readable = titled.with_columns(
            *(_words(titled, name) for name in text),
            *(pl.col(name).cast(pl.Float64) for name in numbers),
        ).with_columns(
            *(_named(fact.title, titled, fact.shown_as) for fact in facts.values() if fact.shown_as),
            *(
                _anchors(fact.title, fact.link, rows[fact.link_of])
                for fact in facts.values()
                if fact.link_of in rows.columns
            ),
        )
        columns = {name: (fact, fact.link_of in rows.columns) for name, fact in facts.items()}
        classes = ["one-page"] if readable.height <= PAGE else []
        self._table.show(readable.to_pandas(), columns, lambda: _columns(columns), css_classes=classes)

    def rows(self) -> pl.DataFrame:
        """The rows and columns shown, under the names that files have."""
        return self._frame


def _columns(facts: Mapping[str, tuple[Fact, bool]]) -> dict[str, Any]:
    """How Tabulator shows columns, each with whether its texts are links already."""
    numbers = {fact.title: fact.format for fact, _ in facts.values() if fact.format}
    return {
        "formatters": {
            **{name: NumberFormatter(format=format_, nan_format=formats.MISSING) for name, format_ in numbers.items()},
            **{
                fact.title: {"type": "html"} if is_html else {"type": "link", "urlPrefix": fact.link, "target": "_self"}
                for fact, is_html in facts.values()
                if fact.link
            },
            **{fact.title: {"type": "textarea"} for fact, _ in facts.values() if fact.wraps},
        },
        **right_aligned(numbers),
        "widths": {fact.title: _width(fact) for fact, _ in facts.values()},
    }


def _words(titled: pl.DataFrame, name: str) -> pl.Expr:
    column = pl.col(name)
    shown = pl.when(column).then(pl.lit("yes")).otherwise(pl.lit("no")) if titled[name].dtype == pl.Boolean else column
    return pl.when(column.is_null()).then(pl.lit("")).otherwise(shown.cast(pl.String)).alias(name)


def _named(title: str, frame: pl.DataFrame, shown_as: Callable[[str], str]) -> pl.Expr:
    shown_names = {name: shown_as(name) for name in frame[title].drop_nulls().unique()}
    return pl.col(title).replace(shown_names)


def _anchors(title: str, link: str, targets: pl.Series) -> pl.Expr:
    """Texts as links; the text comes first in the HTML, so that a table of them is sorted as it is read."""

    def anchor(row: dict[str, str | None]) -> str:
        text, target = row["text"] or "", row["target"]
        return block("link", "" if target is None else link + quote(target, safe="/:"), text, text)

    pair = pl.struct(text=pl.col(title), target=pl.lit(targets))
    return pair.map_elements(anchor, return_dtype=pl.String).alias(title)


def _width(fact: Fact) -> int:
    """Pixels of a column: as declared, or what the longest word of its head takes beside the mark of sorting."""
    longest = max(map(len, fact.title.split()), default=0)
    return max(fact.width, round(_LETTER_PX * longest + _SORT_MARK_PX))


def interval(low: float | None, high: float | None, level: str, digits: int = 1) -> str:
    """An interval in brackets with its level (`90 %: `), empty where it is not known."""
    return "" if low is None or high is None else f" ({level}{decimal(low, digits)} to {decimal(high, digits)})"
