"""Charts as objects that can be carried away: each chart of a page with its data, what they are, and how to cite it.

A chart's data are what its figure draws, read from the figure itself: table, download and picture cannot differ.
"""

import datetime as dt
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import panel as pn
import polars as pl
from bokeh.core.property.vectorization import Field
from bokeh.models import ColumnDataSource, DatetimeAxis, Text
from bokeh.models.glyph import Glyph
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure

from dashboards.charts.many_points import readable
from dashboards.data import Data
from dashboards.downloads import FORMS, origin
from dashboards.parts import formats
from dashboards.parts.page import Content
from dashboards.parts.templates import block
from dashboards.readings import reading
from warehouse.columns import columns_of, header, meanings_in
from warehouse.project import version
from warehouse.publish import Release

PUBLISHER = "Skyline contributors"
_KIND_OF_LAYER = {
    "Scatter": "points", "Segment": "intervals", "Line": "line", "Step": "steps", "VArea": "band", "VStrip": "spans",
    "MultiLine": "lines", "Rect": "cells", "VBar": "bars", "HBar": "bars", "Patches": "areas", "Bezier": "links",
}  # fmt: skip
FILES = (*FORMS, "bib")
"""Forms in which a chart is downloaded."""
# What decides how a mark looks says nothing of the data, unless it is the name of a group.
_LOOKS = re.compile(r"colou?r|mark|shade|ink|alpha|fill|size|offset|shift|align|hatch|width|angle|opens")
_UNIT = re.compile(r"\(([^()]+)\)$")
_TAG = re.compile(r"<[^>]*>")
_ABOUT = re.compile(r'<div data-about="([^"]*)" data-title="([^"]*)" data-subtitle="([^"]*)" data-caption="([^"]*)">')
_HEADING = re.compile(r"<h[123]>(.*?)</h[123]>", re.DOTALL)
_SQL = re.compile(r'<details class="sql">.*?<code>(.*?)</code>', re.DOTALL)


@dataclass(frozen=True)
class Chart:
    """One chart of a page.

    Attributes:
        page: Address of the page below the root; empty for the first page.
        name: Name of the figure.
        search: Choices, as the address has them.
        title: What it shows.
        subtitle: What it found.
        caption: Source, board and n.
        query: The SQL that asked for its data; empty where a model computes them.
        figure: The figure.
        card: The frame around it.
    """

    page: str
    name: str
    search: str
    title: str
    subtitle: str
    caption: str
    query: str
    figure: figure
    card: pn.viewable.Viewable

    @property
    def address(self) -> str:
        """The lasting address, below the root."""
        return f"chart/{self.page or 'home'}/{self.name}{self.search}"


def charts(content: Content, page: str, search: str = "") -> dict[str, Chart]:
    """Every chart of a page that shows something, by the name of its figure.

    Args:
        content: Of the page, made outside of a session or with `page.all_at_once`.
        page: Address of the page below the root.
        search: Choices, as the address has them.
    """
    charts_by_name: dict[str, Chart] = {}
    for card, panes in _cards(content.main):
        texts = [str(pane.object) for pane in panes if isinstance(pane, pn.pane.HTML)]
        abouts = {name: parts for text in texts for name, *parts in _ABOUT.findall(text)}
        headings = [heading for text in texts for heading in _HEADING.findall(text)]
        queries = [html.unescape(query) for text in texts for query in _SQL.findall(text)]
        for pane in panes:
            if not isinstance(pane, pn.pane.Bokeh) or pane.object is None or not pane.visible:
                continue
            plot = pane.object
            named = formats.label(plot.name)
            headed = f"{_plain(headings[0])}: {named}" if headings else named.capitalize()
            title, subtitle, caption = map(html.unescape, abouts.get(plot.name, (headed, "", "")))
            chart = Chart(page, plot.name, search, title, subtitle, caption, "\n\n".join(queries), plot, card)
            if not rows(chart).is_empty():
                charts_by_name[plot.name] = chart
    return charts_by_name


def _cards(root: pn.viewable.Viewable) -> Iterator[tuple[pn.viewable.Viewable, list[Any]]]:
    """Every innermost card, and all that lies in it."""
    inside = root.select(lambda part: "card" in (getattr(part, "css_classes", None) or []))
    for card in inside:
        if len(card.select(lambda part: "card" in (getattr(part, "css_classes", None) or []))) == 1:
            yield card, card.select()


def rows(chart: Chart) -> pl.DataFrame:
    """Exactly what is drawn: a row per mark, in `layer` which marks they are; what only decides looks is left out."""
    frames: dict[str, pl.DataFrame] = {}
    seen: set[str] = set()
    for renderer in chart.figure.renderers:
        if not isinstance(renderer, GlyphRenderer) or not renderer.visible or isinstance(renderer.glyph, Text):
            continue
        source = renderer.data_source
        if not isinstance(source, ColumnDataSource) or source.id in seen or not source.data:
            continue
        seen.add(source.id)
        frame = _frame(readable(source), chart.figure, renderer.glyph)
        if frame.is_empty():
            continue
        kind = renderer.name or _KIND_OF_LAYER.get(type(renderer.glyph).__name__, "marks")
        names = (kind, *(f"{kind} {number}" for number in range(2, len(frames) + 3)))
        frames[next(name for name in names if name not in frames)] = frame
    if not frames:
        return pl.DataFrame()
    if len(frames) == 1:
        return next(iter(frames.values()))
    layered = [frame.with_columns(pl.lit(name).alias("layer")) for name, frame in frames.items()]
    together = pl.concat(layered, how="diagonal_relaxed")
    return together.select("layer", pl.exclude("layer"))


def _frame(data: dict[str, Any], plot: figure, glyph: Glyph) -> pl.DataFrame:
    labels = axis_labels(plot)
    dates = {side for side in labels if any(isinstance(axis, DatetimeAxis) for axis in getattr(plot, f"{side}axis"))}
    side_of = _sides(glyph, labels)
    columns: dict[str, pl.Series] = {}
    for name, values in data.items():
        if _LOOKS.fullmatch(name):
            continue
        series = _series(name, values)
        if side_of.get(name) in dates and series.dtype.is_numeric():
            series = series.cast(pl.Int64).cast(pl.Datetime("ms"))
        label = labels.get(name[0], "") if name in {"x", "y", "xs", "ys"} else ""
        heading = header(label or name)
        columns.setdefault(heading, series.alias(heading))
    frame = pl.DataFrame(list(columns.values()))
    lists = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.List)]
    return frame.explode(lists) if lists else frame


def _series(name: str, values: Any) -> pl.Series:
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        return pl.Series(name, values.astype("datetime64[ms]"))
    plain = [value.tolist() if isinstance(value, np.ndarray) else value for value in values]
    series = pl.Series(name, plain, strict=False)
    if series.dtype == pl.String:
        cleaned = [None if text is None else _plain(text) for text in series]
        return pl.Series(name, cleaned, dtype=pl.String)
    return series


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub(" ", text)).strip()


def axis_labels(plot: figure) -> dict[str, str]:
    """What the axes say."""
    axes = {side: getattr(plot, f"{side}axis") for side in ("x", "y")}
    return {side: str(side_axes[0].axis_label or "") for side, side_axes in axes.items() if side_axes}


def _columns(chart: Chart) -> dict[str, dict[str, str]]:
    """What every column is; the unit of one that only its place on an axis explains is that of the axis."""
    columns, labels = columns_of(rows(chart), meanings_in(str(chart.query))), axis_labels(chart.figure)
    for renderer in chart.figure.renderers:
        for name, side in _sides(renderer.glyph, labels).items() if isinstance(renderer, GlyphRenderer) else ():
            unit = _UNIT.search(labels[side])
            if unit and (column := columns.get(header(name))) is not None and column["type"] in {"number", "integer"}:
                column["unit"] = column["unit"] or unit[1]
    return columns


def _sides(glyph: Glyph, labels: Mapping[str, str]) -> dict[str, str]:
    """Columns that say where a mark stands, and on which axis."""
    return {
        spec.field: name[0]
        for name, spec in glyph.properties_with_values(include_defaults=False).items()
        if isinstance(spec, Field) and name[:1] in labels
    }


def describe(chart: Chart, data: Data, root: str) -> dict[str, Any]:
    """What a chart's data are: title, axes with units, source, licence, date, warehouse version, query and citation.

    Args:
        chart: The chart.
        data: Where its data come from.
        root: Address of the server, with its last slash.
    """
    release = data.release()
    return {
        "chart": chart.name,
        "title": chart.title,
        "what": chart.subtitle,
        "axes": axis_labels(chart.figure),
        "how_to_read": reading(chart.name),
        "columns": _columns(chart),
        "source": chart.caption,
        **origin(data, f"{chart.caption} {chart.query} {chart.search}"),
        "query": chart.query or None,
        "address": root + chart.address,
        "citation": citation(chart, release, root),
        "bibtex": bibtex(chart, release, root),
    }


def citation(chart: Chart, release: Release, root: str) -> str:
    """A reference in plain words."""
    made = release.published_at
    return (
        f"{PUBLISHER} ({made.year}). {chart.title}. Skyline {version()}, data release"
        f" {release.path.stem} of {made:%Y-%m-%d}. {root}{chart.address}"
    )


def bibtex(chart: Chart, release: Release, root: str) -> str:
    """A reference for BibTeX."""
    made, today = release.published_at, dt.datetime.now(dt.UTC).date()
    title = re.sub(r"([&%$#_{}])", r"\\\1", chart.title)
    return "\n".join(
        (
            f"@misc{{skyline_{chart.name}_{made.year},",
            f"  author = {{{{{PUBLISHER}}}}},",
            f"  title = {{{{{title}}}}},",
            f"  year = {{{made.year}}},",
            f"  howpublished = {{\\url{{{root}{chart.address}}}}},",
            f"  note = {{Skyline {version()}, data release {release.path.stem}; read {today}}},",
            "}",
        )
    )


def file_address(chart: Chart, suffix: str) -> str:
    """Address of a chart's data in one of `FILES`, below the root."""
    return f"chart/{chart.page or 'home'}/{chart.name}.{suffix}{chart.search}"


def embed_form(chart: Chart, root: str) -> str:
    """What is put into another page to show the chart there."""
    separator = "&" if chart.search else "?"
    height = int(chart.figure.height or 420) + 260
    return block("embedded", f"{root}{chart.address}{separator}frame=yes", chart.title, height)
