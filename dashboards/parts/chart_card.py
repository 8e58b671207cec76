"""One chart in its frame: heading, controls, legend, caption, pictures and SQL; or, without data, the reason why."""

from collections.abc import Mapping
from typing import Any

import panel as pn
from bokeh.plotting import figure

from dashboards import data as warehouse_data
from dashboards.parts import page


class ChartCard:
    """The frame of one chart, built once."""

    def __init__(
        self, name: str, plot: figure, *controls: pn.viewable.Viewable, downloads: pn.Row | None = None
    ) -> None:
        """Frame a figure.

        Args:
            name: Name of the figure.
            plot: The figure.
            controls: Widgets that stand above it.
            downloads: Buttons for rows that say more than the figure.
        """
        self._name = name
        self._heading, self._legend, self._below = page.html(), page.html(), page.html()
        self._absent = page.html(visible=False)
        self._sql = page.html()
        above = page.row(*controls, gap="8px 14px", margin=(10, 0, 0, 0))
        self._body = pn.Column(
            *([above] if controls else []),
            self._legend,
            pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=(6, 0, 0, 0)),
            self._below,
            page.picture_buttons(name, downloads=downloads),
            self._sql,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.column = page.card(self._heading, self._absent, self._body)

    def show(self, title: str, subtitle: str, legend: str, where: str, more: str = "") -> None:
        """Show the chart.

        Args:
            title: What it shows.
            subtitle: The finding or the counts.
            legend: Legend as HTML.
            where: Source, board and n.
            more: How to read it.
        """
        self._absent.visible = False
        self._body.visible = True
        self._heading.object = page.about(self._name, title, subtitle, where)
        self._legend.object = legend
        self._below.object = page.caption((where + ". " + more).strip())

    def hide(self, title: str, reason: str) -> None:
        """Say why there is nothing to show."""
        self._heading.object = page.heading(title)
        self._absent.object = page.caption(reason)
        self._absent.visible = True
        self._body.visible = False

    def came_from(self, query: str, parameters: Mapping[str, Any]) -> None:
        """Show the SQL behind the chart."""
        page.sql_block(self._sql, warehouse_data.sql_with_values(query, parameters))
