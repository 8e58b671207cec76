"""The SQL page: a question, its answer as a table and a chart, and what there is to ask about."""

import asyncio
import threading
from typing import Any

import panel as pn
import polars as pl

from analytics.units import counted
from dashboards.charts import of_result
from dashboards.data import Data
from dashboards.pages.sql import text as sql_text
from dashboards.pages.sql.state import ConsoleState
from dashboards.pages.sql.text import PastQuery
from dashboards.parts import controls, formats, page
from dashboards.parts.data_table import DataTable
from dashboards.parts.declared_table import right_aligned, table_options
from dashboards.parts.page import Content, card, html
from dashboards.parts.state import Statement
from dashboards.parts.templates import block
from dashboards.places import asker_of
from warehouse.console import ConsoleBusy, QueryCancelled, QueryFailed, QueryRefused, Result
from warehouse.publish import NotPublished

_KINDS = {"No chart": "none", "Points": "points", "Line": "line", "Bars": "bars"}
_PAGE = 15
_LONGEST_HISTORY = 12


class SqlPage:
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        self.data = data
        self.state = ConsoleState.from_address(search)
        self._axes = self.state.put_off("x", "y")  # granted with a result
        self._notes = self.state.settle()
        self._cancel: threading.Event | None = None
        self._busy = False
        # Limits count a reader's address; where there is none, all are one.
        self._asker = asker_of(pn.state.curdoc, data.proxies)
        self._result: Result | None = None
        self._history: list[PastQuery] = []
        limits = data.console.limits
        self.text = pn.widgets.TextAreaInput(
            name="SQL", value=self.state.sql, placeholder="SELECT …", rows=8, sizing_mode="stretch_width", margin=0,
            max_length=100_000, css_classes=["sql-text"], resizable="height",
        )  # fmt: skip
        self.run = pn.widgets.Button(name="Run", width=90, margin=(0, 8, 0, 0), css_classes=["run-query"])
        self.stop = pn.widgets.Button(name="Cancel", width=90, margin=0, visible=False)
        self.hint = html(
            page.caption(
                f"Ctrl + Enter runs. At most {limits.rows:,} rows, {limits.seconds:g} s and {limits.memory_mib} MiB. "
                f"{sql_text.RULES}"
            )
        )
        self.notes, self.counts, self.history = html(page.notes(self._notes)), html(), html()
        self.table = DataTable(**table_options(_PAGE))
        self.picture, self.heading = pn.pane.Bokeh(sizing_mode="stretch_width", margin=0), html()
        self.caption = html()
        self.run.on_click(self._ask)
        self.stop.on_click(self._give_up)
        pn.state.on_session_destroyed(self._give_up)
        if self.state.sql and page.is_watched():
            pn.state.onload(self._ask)
        self.state.param.watch(self._draw, ["chart", "x", "y"])

    def content(self) -> Content:
        """The page's parts in their places."""
        state = self.state
        self.axes = page.row(
            controls.select(state, "x", "Across", **controls.picked(190)),
            controls.select(state, "y", "Up", **controls.picked(190)),
            visible=state.chart != "none",
        )
        self.answer = card(
            pn.Row(
                self.counts, page.download_buttons("query_result", self._rows, self._describe, self.data, margin=0),
                sizing_mode="stretch_width",
                margin=(0, 0, 8, 0),
            ),
            self.table.widget,
            visible=False,
        )  # fmt: skip
        self.chart = card(
            self.heading, controls.radio(state, "chart", _KINDS, height=32), self.axes, self.picture, self.caption,
            page.picture_buttons(of_result.NAME, stands_alone=False), visible=False,
        )  # fmt: skip
        main = pn.Column(
            html(page.opening("SQL", "Query the published warehouse in DuckDB's SQL."),
                 margin=(0, 0, 12, 0)),
            self._question(),
            self.notes,
            self.answer,
            self.chart,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main, sidebar=self._tables, state=state)

    def _question(self) -> pn.Column:
        if pn.state.curdoc is None:
            return card(html(block("paragraph", sql_text.COPY)))
        buttons = pn.Row(self.run, self.stop, margin=(10, 0, 0, 0))
        return card(self.text, buttons, self.hint, html(sql_text.examples()), self.history)

    def _tables(self) -> pn.pane.HTML:
        contents, columns = self.data.ask("contents"), self.data.ask("dictionary")
        return html(page.heading("Tables") + sql_text.tables(contents, columns, self.data.own_rows))

    # Asking ----------------------------------------------------------------------------------------------------------

    def _give_up(self, *_: Any) -> None:
        if self._cancel is not None:
            self._cancel.set()

    async def _ask(self, *_: Any) -> None:
        sql = self.text.value_input or self.text.value or ""
        if self._cancel is not None or not sql.strip():
            return
        self._cancel = threading.Event()
        self.run.disabled, self.stop.visible = True, True
        self.notes.object = page.working("Running …")
        outcome: Result | Exception
        try:
            # In a thread: the server answers others meanwhile, and Cancel.
            outcome = await asyncio.to_thread(
                self.data.console.ask, sql, None, self._cancel, self._asker, self.data.own_rows
            )
        except (QueryRefused, QueryFailed, QueryCancelled, ConsoleBusy, NotPublished) as error:
            outcome = error
        finally:
            # The buttons before the outcome: who reads "was cancelled" can ask again at once.
            self._cancel = None
            self.run.disabled, self.stop.visible = False, False
        if isinstance(outcome, Result):
            self._remember(sql, f"{counted(outcome.frame.height, 'row')} in {outcome.elapsed_s:.2f} s")
            self._show(sql, outcome)
        else:
            self._remember(sql, str(outcome))
            self.notes.object = page.notes([*self._notes, str(outcome)])
            self.answer.visible = self.chart.visible = False
        self._notes = []

    def _remember(self, sql: str, outcome: str) -> None:
        other_queries = [query for query in self._history if query.sql != sql]
        self._history = [*other_queries, PastQuery(sql, outcome)][-_LONGEST_HISTORY:]
        self.history.object = sql_text.history(self._history)

    def _show(self, sql: str, answer: Result) -> None:
        self._result = answer
        frame, state = answer.frame, self.state
        notes = [*self._notes]
        if answer.is_cut:
            notes.append(f"There are more rows; the first {frame.height:,} are shown.")
        across, up = of_result.across(frame), of_result.up(frame)
        axes, self._axes = self._axes, {}
        self._busy = True
        state.sql = sql if len(sql) <= Statement.LONGEST else ""
        for name, columns, usual in (("x", across, across), ("y", up, [c for c in up if c not in across[:1]] or up)):
            axis = axes.get(name)
            first = axis if axis in columns else next(iter(usual), None)
            state.offer(name, columns, first)
        self._busy = False
        self.notes.object = page.notes(notes)
        self.counts.object = block(
            "counts",
            f"{counted(frame.height, 'row')} × {counted(frame.width, 'column')} in {answer.elapsed_s:.2f} s",
        )
        self._tabulate(frame)
        self.answer.visible = True
        self.chart.visible = bool(across and up) and frame.height > 0
        self._draw()

    def _rows(self) -> pl.DataFrame:
        return self._result.frame if self._result is not None else pl.DataFrame()

    def _describe(self) -> dict[str, Any]:
        address = f"sql{self.state.address()}"
        if self._result is None:
            return {"address": address}
        published = self._result.release.published_at
        return {
            "address": address,
            "sql": self._history[-1].sql,
            "published_at": published,
            "is_cut": self._result.is_cut,
        }

    # Showing ---------------------------------------------------------------------------------------------------------

    def _tabulate(self, frame: pl.DataFrame) -> None:
        # Columns get names of their own: those of a query may be twice the same for the table, or hold a dot.
        names = [f"c{place}" for place in range(frame.width)]
        shown = frame.rename(dict(zip(frame.columns, names, strict=True))).with_columns(
            pl.col(name).round_sig_figs(6) if frame.dtypes[place].is_float()
            else pl.col(name) if frame.dtypes[place].is_numeric()
            else pl.Series(name, [_cell(item) for item in frame.to_series(place)], dtype=pl.String)
            for place, name in enumerate(names)
        )  # fmt: skip
        decimals = [name for name in names if isinstance(shown.schema[name], pl.Decimal)]
        pandas = shown.with_columns(pl.col(decimals).cast(pl.Float64)).to_pandas()
        numbers = [name for name in names if shown.schema[name].is_numeric()]
        # Titles are written as HTML.
        titles = dict(zip(names, map(formats.escape, frame.columns), strict=True))
        as_text = {name: {"type": "plaintext"} for name in names}
        self.table.show(
            pandas, [titles, numbers], lambda: {"titles": titles, "formatters": as_text, **right_aligned(numbers)}
        )

    def _draw(self, *_: Any) -> None:
        state = self.state
        self.axes.visible = state.chart != "none"
        frame = self._rows()
        drawn = state.chart != "none" and state.x in frame.columns and state.y in frame.columns
        if self._busy:
            return
        with page.together():
            if not drawn:
                self.picture.object, self.heading.object, self.caption.object = None, page.heading("Chart"), ""
                return
            self.picture.object, n = of_result.draw(frame, state.chart, state.x, state.y)
            left_out = f" of {formats.count(frame.height)}" if n < frame.height else ""
            published = self._result.release.published_at if self._result else None
            source = f"Warehouse published {formats.value(published)}; n = {formats.count(n)}{left_out} rows"
            self.heading.object = page.about(of_result.NAME, f"{state.y} by {state.x}", "", source)
            self.caption.object = page.caption(source)


def _cell(item: object) -> str:
    """A value as text, as it stands: the page is where people look at what is really there."""
    if item is None:
        return ""
    if isinstance(item, pl.Series):
        return str(item.to_list())
    return str(item)
