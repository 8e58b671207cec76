"""One configuration on the roofline page: its headline, charts and ways out, built once and then filled."""

from collections.abc import Callable
from typing import Any

import panel as pn
import polars as pl

from dashboards.charts.memory_bar import MemoryBar
from dashboards.charts.operator_graph import SIZES, OperatorGraph
from dashboards.charts.roofline import SIDES, RooflineChart, rate
from dashboards.pages.roofline import text
from dashboards.parts import formats, page
from dashboards.parts.templates import block
from profiling.answers.answer import Answer
from profiling.answers.door import Door
from profiling.answers.fit import ways_out
from profiling.answers.question import ENGINE
from profiling.memory.engines import engine_profile

_MOST_WAYS_OUT = 4
_CARD_STYLES = {"flex": "1 1 460px", "min-width": "0"}


class Side:
    """Everything that shows one configuration."""

    def __init__(self, door: Door, letter: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Make empty charts.

        Args:
            door: Where ways out are asked for.
            letter: `a` or `b`.
            change: Called with the changes of a way out that the reader picked.
        """
        self.door, self.letter = door, letter
        self.operators = pl.DataFrame()
        self.answer: Answer | None = None
        self._change = change
        self._changes: list[dict[str, Any]] = []
        self.roofline = RooflineChart(f"roofline_{letter}")
        self.graph = OperatorGraph(f"operators_{letter}")
        self.memory = MemoryBar(f"memory_{letter}")
        self.title, self.numbers = page.html(), page.html(stylesheets=[text.STYLES])
        self.roof_heading, self.roof_legend, self.roof_below = (page.html() for _ in range(3))
        self.graph_heading, self.graph_legend, self.graph_below = (page.html() for _ in range(3))
        self.memory_heading, self.memory_legend, self.memory_below = (page.html() for _ in range(3))
        self.title.stylesheets = [text.STYLES]
        self.ways = [pn.widgets.Button(height=32, margin=0, visible=False) for _ in range(_MOST_WAYS_OUT)]
        for place, button in enumerate(self.ways):
            button.on_click(self._take(place))
        self.ways_row = page.row(
            page.html(block("strong", "What would fit:"), sizing_mode=None, width=124), *self.ways, gap="8px",
            align="center", margin=(10, 0, 0, 0), visible=False,
        )  # fmt: skip
        self.summary = self._card(self.title, self.numbers, self.ways_row)
        self.roofline_card = self._card(
            self.roof_heading,
            self.roof_legend,
            pn.pane.Bokeh(self.roofline.figure, sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
            self.roof_below,
            page.picture_buttons(self.roofline.name),
        )
        wide = pn.Column(
            pn.pane.Bokeh(self.graph.figure, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_width", margin=(8, 0, 0, 0),
            styles={"overflow-x": "auto", "overflow-y": "hidden", "min-width": "0"},
        )  # fmt: skip
        self.graph_card = page.card(
            self.graph_heading,
            self.graph_legend,
            wide,
            self.graph_below,
            page.picture_buttons(self.graph.name),
        )
        self.memory_card = self._card(
            self.memory_heading,
            self.memory_legend,
            pn.pane.Bokeh(self.memory.figure, sizing_mode="stretch_width", margin=(6, 0, 0, 0)),
            self.memory_below,
            page.picture_buttons(self.memory.name),
        )
        self.charts = (self.roofline_card, self.graph_card, self.memory_card)

    @staticmethod
    def _card(*objects: Any) -> pn.Column:
        return page.card(*objects, styles=dict(_CARD_STYLES))

    def _take(self, place: int) -> Callable[[Any], None]:
        def take(_event: Any) -> None:
            self._change(self._changes[place])

        return take

    def show(self, answer: Answer, *, lettered: bool) -> None:
        """Fill everything but the graph.

        Args:
            answer: What to show.
            lettered: Whether the configuration is one of two, and so has its letter.
        """
        self.answer = answer
        self.operators = answer.operators()
        mark = self.letter.upper() if lettered else ""
        self.title.object = text.title(answer, mark)
        self.numbers.object = text.headline(answer)
        self._offer_ways_out(answer)
        bandwidth = answer.device.bandwidth_bytes_per_s
        roofs = answer.compute_roofs()
        self.roof_legend.object = self.roofline.show(self.operators, roofs, bandwidth)
        name = formats.without_account(answer.model.name)
        where = f"{text.describe(answer)}; peaks {'as the maker states them' if answer.device.source else 'as entered'}"
        silent = self.operators.filter(pl.col("flops") <= 0)["operator"].to_list()
        sides = dict(self.operators["side"].value_counts(sort=True).iter_rows())
        counts = ", ".join(f"{sides[name]} {words}" for name, words in SIDES.items() if name in sides)
        letter = f"{mark}: " if mark else ""
        self.roof_heading.object = page.about(
            self.roofline.name, f"{letter}Roofline of {name}", f"{self.operators.height} operators: {counts}", where
        )
        unfit = [] if answer.runs else ["This does not fit: operators are shown as if there were enough memory."]
        without = (
            f" Not drawn, because they compute nothing: {', '.join(map(formats.label, silent))}." if silent else ""
        )
        peaks = ", ".join(f"{rate(roof.flops_per_s)} in {roof.label}" for roof in roofs)
        self.roof_below.object = page.notes(unfit) + page.caption(
            f"{where}: {peaks}. What binds an operator is decided by which side of the ridge it lies on, not by how "
            f"far below the roof it runs. Rates are of one device.{without}"
        )
        need = answer.estimate.need
        self.memory_legend.object = self.memory.show(need, answer.device.usable_memory_bytes)
        self.memory_heading.object = page.about(
            self.memory.name, f"{letter}Memory per device", f"{answer.question.devices}: {need.verdict}", where
        )
        self.memory_below.object = page.caption(
            "Weights and KV cache are exact; the light ends depend on the engine or on how it stores windows. "
            f"Engine profile {answer.question.engine}: "
            f"{engine_profile(answer.question.engine or ENGINE).basis}."
        )
        for card in self.charts:
            card.visible = True

    def show_graph(self, sized_by: str, *, lettered: bool) -> None:
        """Fill the graph, its nodes sized by time or bytes."""
        if self.answer is None:
            return
        links = self.answer.data_flow()
        self.graph_legend.object = self.graph.show(self.operators, links, sized_by)
        mark = f"{self.letter.upper()}: " if lettered else ""
        step = " of a decode step in the middle" if self.answer.question.stage == "generate" else ""
        name = formats.without_account(self.answer.model.name)
        self.graph_heading.object = page.about(
            self.graph.name, f"{mark}Operators of {name}{step}",
            f"nodes sized by {SIZES[sized_by][1]}, all layers together", text.describe(self.answer),
        )  # fmt: skip
        self.graph_below.object = page.caption(
            "Data flows to the right; a lane is one kind of layer, lanes follow one another from top to bottom. "
            "Hover over a node for its figures."
        )

    def refuse(self, reason: str) -> None:
        """Say why there is no answer; no chart of an earlier question stays."""
        self.answer = None
        self.operators = pl.DataFrame()
        self.title.object = page.heading("This combination is not possible") + page.notes([reason])
        self.numbers.object = ""
        self.ways_row.visible = False
        for card in self.charts:
            card.visible = False

    def _offer_ways_out(self, answer: Answer) -> None:
        ways = [] if answer.runs else ways_out(self.door, answer.question)[:_MOST_WAYS_OUT]
        self._changes = [dict(way.changes) for way in ways]
        for place, button in enumerate(self.ways):
            button.visible = place < len(ways)
            if place < len(ways):
                button.name = ways[place].text
        self.ways_row.visible = bool(ways)
