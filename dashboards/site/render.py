"""A page as static HTML: its words, its tables and the places of its charts; whatever needs a server is left out."""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import panel as pn
from bokeh.models.widgets.tables import NumberFormatter
from markupsafe import Markup

from analytics.units import decimal
from dashboards.charts.matrix import Matrix
from dashboards.parts import formats
from dashboards.parts.page import caption, table
from dashboards.parts.templates import block

MOST_ROWS = 200
"""Rows that a table shows; the files have them all."""
_BUTTON = re.compile(r"<button\b.*?</button>", re.DOTALL)
_LINK = re.compile(r'<a\b[^>]*?href="([^"]*)"[^>]*>')
_SCROLLS = re.compile(r"(<div class=['\"]scroll['\"])")
_OBJECT = re.compile(r'data-object="([^"]*)"')
_NUMBRO = re.compile(r"(?P<sign>\+)?0(?P<thousands>,0)?(?:\.(?P<optional>\[)?(?P<digits>0+)\]?)?(?P<percent> ?%)?")
_LEFT_OUT = (pn.widgets.Widget, pn.Spacer)


def static(part: Any, place: Callable[[Any], str]) -> str:
    """HTML of a part of a page and all that lies in it.

    Args:
        part: The part.
        place: Makes the place of a chart, from its figure.
    """
    if not getattr(part, "visible", True):
        return ""
    if isinstance(part, pn.pane.HTML):
        return str(part.object or "")
    if isinstance(part, pn.pane.Bokeh):
        return place(part.object) if part.object is not None else ""
    if isinstance(part, (pn.widgets.Tabulator, Matrix)):
        return _tabulator(part) if isinstance(part, pn.widgets.Tabulator) else _matrix(part.content)
    if isinstance(part, _LEFT_OUT):
        return ""
    return _grouped(part, place)


def _grouped(part: Any, place: Callable[[Any], str]) -> str:
    """What a column, row or card holds, in one block; nothing where it holds nothing."""
    inside = "".join(static(each, place) for each in getattr(part, "objects", None) or [])
    if not inside:
        return ""
    classes = " ".join(part.css_classes or [])
    return block("framed" if "card" in classes else "grouped", Markup(inside), classes)  # noqa: S704 - made of parts


def _tabulator(part: pn.widgets.Tabulator) -> str:
    frame = part.value
    if frame is None or frame.empty:
        return ""
    names = [name for name in frame.columns if name not in (part.hidden_columns or [])]
    titles = [str((part.titles or {}).get(name, name)) for name in names]
    shown = [_shown((part.formatters or {}).get(name)) for name in names]
    lines = [
        [show(value) for show, value in zip(shown, row, strict=True)]
        for row in frame[names].head(MOST_ROWS).itertuples(index=False)
    ]
    more = caption(f"The first {MOST_ROWS} of {len(frame):,} rows.") if len(frame) > MOST_ROWS else ""
    return table(titles, lines, is_html=True) + more


def _shown(formatter: Any) -> Callable[[Any], str]:
    """How the cells of a column are written: as figures, as links, as the HTML that they are, or as text."""
    if isinstance(formatter, NumberFormatter):
        return lambda value: _figure(value, str(formatter.format))
    kind = formatter.get("type") if isinstance(formatter, dict) else None
    if kind == "html":
        return str
    if kind == "link":
        return lambda value: block("link", formatter["urlPrefix"] + quote(str(value), safe="/:"), _text(value))
    return lambda value: formats.escape(_text(value))


def _figure(value: Any, form: str) -> str:
    """A number in the notation of numbro, as far as tables use it: `0,0.00`, `0.[00]`, `0`, `0 %` of a fraction."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return formats.MISSING
    if (match := _NUMBRO.fullmatch(form)) is None:
        raise ValueError(f"tables write no numbers as {form!r}")
    percent = match["percent"] or ""
    text = decimal(float(value) * (100 if percent else 1), len(match["digits"] or ""), signed=match["sign"] is not None)
    if match["thousands"] is None:
        text = text.replace(",", "")
    return (text.rstrip("0").rstrip(".") if match["optional"] else text) + percent


def _text(value: Any) -> str:
    return formats.MISSING if value is None or value != value else formats.value(value)  # noqa: PLR0124 - NaN


def _matrix(content: dict[str, Any]) -> str:
    head = ["", *(f"{column['name']} {column['below']}".strip() for column in content["columns"])]
    lines = [
        [f"{row['group']} {row['name']}".strip(), *(f"{cell['text']} {cell['below']}".strip() for cell in row["cells"])]
        for row in content["rows"]
    ]
    return table(head, lines)


def addresses(text: str) -> Iterator[str]:
    """Addresses below the root that HTML links to, without their choices."""
    for match in _LINK.finditer(text):
        yield _bare(match[1])


def _bare(address: str) -> str:
    return unquote(re.split(r"[?#]", html.unescape(address))[0].removeprefix("./"))


def relinked(text: str, root: str, address: str, files: Mapping[str, str]) -> str:
    """HTML whose links lead to files of the copy; those to what only a server can show become plain words.

    Args:
        text: HTML of a page.
        root: Way from the file to the root of the copy, such as `../../`; empty at the root.
        address: Of the page.
        files: File of every page in the copy, below its root, by address.
    """

    def link(match: re.Match[str]) -> str:
        there = match[1]
        if there.startswith(("http:", "https:", "#")):
            return match[0]
        if chart := _OBJECT.search(match[0]):
            file: str | None = f"chart/{file_of(address) if address else 'home'}/{chart[1]}.html"
        else:
            file = files.get(_bare(there))
        return match[0].replace(f'href="{there}"', f'href="{root}{quote(file)}"' if file else "")

    # What scrolls is reached by keyboard too.
    return _SCROLLS.sub(r'\1 tabindex="0"', _LINK.sub(link, _BUTTON.sub("", text)))


def file_of(address: str) -> str:
    """Name of a page's file without its ending: the address, of characters that every file system takes."""
    parts = [re.sub(r"[^\w.+() -]", "_", part).strip(". ") or "_" for part in address.split("/")]
    return "/".join(parts)
