"""One chart by itself: its picture, a table of exactly its data, downloads, how to embed and how to cite it."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import panel as pn
import polars as pl

from dashboards import objects
from dashboards.data import Data
from dashboards.parts import formats, page
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.page import Content, Page
from dashboards.parts.templates import render
from dashboards.places import root_of

_A_MOMENT_MS = 400  # in which the chart's own page has drawn what follows from a choice


def build(data: Data, search: str, pages: Sequence[Page]) -> Content:
    """Content of the page for one session.

    Args:
        data: What is asked.
        search: `of`, the page and name of the chart; `frame=yes` where it stands inside another page; and the choices.
        pages: All that have charts.
    """
    fields = parse_qsl(search.lstrip("?"), keep_blank_values=True)
    of = next((value for name, value in fields if name == "of"), "")
    choices = urlencode([(name, value) for name, value in fields if name not in {"of", "frame"}], safe="/:")
    choices = f"?{choices}" if choices else ""
    slug, _, name = of.rpartition("/")
    owner = {each.slug or "home": each for each in pages}.get(slug)
    if owner is None:
        return _unknown(of)
    with page.all_at_once():
        content = owner.build(data, choices)
    charts = objects.charts(content, owner.slug, choices)
    if name not in charts:
        return _unknown(of, owner.slug, list(charts.values()))
    is_framed = is_bare(search)
    begins = [("of", of), *([("frame", "yes")] if is_framed else [])]
    alone = _Alone(data, content, charts[name], root_of(pn.state.curdoc, data.proxies))
    return Content(
        pn.Column(alone.chart.card, alone.source if is_framed else alone.rest, sizing_mode="stretch_width"),
        state=content.state, address_begins=begins,
    )  # fmt: skip


def _unknown(of: str, slug: str = "", others: Sequence[objects.Chart] = ()) -> Content:
    shown = render(__file__, "unknown.html", of=of, slug=slug, others=others)
    return Content(page.card(page.html(shown)))


def is_bare(search: str) -> bool:
    """Whether the query string of an address asks for the chart alone, to stand inside another page."""
    return ("frame", "yes") in parse_qsl(search.lstrip("?"), keep_blank_values=True)


class _Alone:
    """A chart, and what follows from it each time it changes."""

    def __init__(self, data: Data, content: Content, chart: objects.Chart, root: str) -> None:
        self.chart = chart
        self._data, self._content, self._root = data, content, root
        self._counts, self._about, self.source = page.html(), page.html(), page.html()
        self._table = pn.Column(sizing_mode="stretch_width", margin=(8, 0, 0, 0))
        self.rest = pn.Column(
            page.card(self._counts, self._table), page.card(self._about), sizing_mode="stretch_width", margin=0
        )
        self._show()
        if content.state is not None:
            content.state.param.watch(self._later, content.state.keys())

    def _later(self, *_events: Any) -> None:
        if pn.state.curdoc is not None:
            pn.state.curdoc.add_timeout_callback(self._follow, _A_MOMENT_MS)

    def _follow(self) -> None:
        state = self._content.state
        charts = objects.charts(self._content, self.chart.page, state.address() if state is not None else "")
        if self.chart.name in charts:
            self.chart = charts[self.chart.name]
            with page.together():
                self._show()

    def _show(self) -> None:
        rows = objects.rows(self.chart)
        about = objects.describe(self.chart, self._data, self._root)
        files = {suffix: objects.file_address(self.chart, suffix) for suffix in objects.FILES}
        self._counts.object = render(__file__, "data.html", count=rows.height, columns=rows.width, files=files)
        table = FactTable({name: _fact(name, dtype) for name, dtype in rows.schema.items()})
        table.show(rows)
        self._table.objects = [table.widget]
        embed = objects.embed_form(self.chart, self._root)
        self._about.object = render(__file__, "about.html", about=about, embed=embed, page=self.chart.page)
        self.source.object = render(__file__, "source.html", address=about["address"])


def _fact(name: str, dtype: pl.DataType) -> Fact:
    title = formats.label(name)
    if dtype.is_numeric():
        return Fact(title, "0,0.[0000]", max(90, 9 * len(title)))
    return Fact(title, width=max(110, 9 * len(title)))
