"""Advisor: what to run on my machine, in which format, how fast, for how long a context, and on what evidence."""

from typing import Any
from urllib.parse import parse_qsl, urlencode

import duckdb
import panel as pn
import polars as pl
from markupsafe import Markup

from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import Rows, RowsChart
from dashboards.data import Data
from dashboards.finding import address_of_device, address_of_model, judged
from dashboards.pages.advisor.state import USUAL, AdvisorState
from dashboards.pages.roofline.state import roofline_address
from dashboards.parts import ability as words
from dashboards.parts import controls, engine_options, formats, page, theme
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact
from dashboards.parts.how_far_off import address_of_error
from dashboards.parts.names import linked, named
from dashboards.parts.page import Content
from dashboards.parts.table_card import TableCard, frame
from dashboards.parts.templates import render
from profiling.answers.advise import Advice, advise
from profiling.answers.candidate import Candidate, Need, Verdict
from profiling.answers.door import Door
from profiling.devices.accelerators import GIB
from profiling.devices.fleet import Fleet
from profiling.devices.names import resolve_device
from profiling.errors import ProfilingError
from warehouse.publish import NotPublished

_CHART = "ability_on_this_machine"
_GROUPS: dict[Verdict, str] = {
    "runs": "Runs well", "slow": "Fits, but slowly", "needs offload": "Fits with system memory",
    "needs more memory": "Needs more memory",
}  # fmt: skip
_FACTS = {
    "model_id": Fact("Model", width=270, link="model/"),
    "weight_format": Fact("Format", width=84),
    "group": Fact("Verdict", width=160, stays=True),
    "ability_in_format": Fact("Ability", "0.0", 74, stays=True),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 80),
    "ability_low": Fact("Ability, 90 % from", "0.0", 96),
    "ability_high": Fact("Ability, 90 % to", "0.0", 96),
    "tokens_per_s_low": Fact("Tokens/s, 80 % from", "0,0.0", 100),
    "tokens_per_s_high": Fact("Tokens/s, 80 % to", "0,0.0", 96),
    "time_to_first_token_s": Fact("First token (s)", "0,0.00", 96),
    "longest_context": Fact("Longest context (tokens)", "0,0", 120),
    "memory_high_gib": Fact("Memory, at most (GiB)", "0.0", 110),
    "kv_format": Fact("KV cache", width=80),
    "file_size_gib": Fact("File (GiB)", "0.0", 80),
    "evidence_class": words.FACTS["evidence_class"],
    "results": Fact("Results", "0", 70),
    "placement": Fact("Layers and experts", width=320),
    "measured_losses": Fact("Losses measured", width=320),
    "reason": Fact("Reason", width=320),
}


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: no ability is known.
    """
    try:
        evidence = data.evidence()
    except (NotPublished, duckdb.Error) as error:
        raise page.NothingToShow(
            "The published warehouse holds no abilities of models; run `skyline refresh`."
        ) from error
    if evidence.abilities.is_empty():
        raise page.NothingToShow("The published warehouse holds no evaluated model.")
    return Advisor(data, search).content()


class Advisor:
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        self.data = data
        self.state = AdvisorState.from_address(search)
        self._settled = self.state.settle()
        self.notes, self.answer = page.html(), page.html()
        self.offload = page.html()
        self.offload_card = page.card(self.offload, visible=False)
        self.answer_card = page.card(self.answer)
        self.chart = RowsChart(_CHART)
        self.chart_card = ChartCard(_CHART, self.chart.figure)
        self.table = TableCard("advice", _FACTS, self._describe, self.data)
        self._advise()
        self.state.param.watch(self._reset, self.state.keys())

    def _reset(self, *_events: Any) -> None:
        self._settled = []
        with page.together():
            self._advise()

    def _need(self) -> tuple[Need, Door, list[str]]:
        """What was asked for, a door that knows its devices, and what was assumed.

        Raises:
            UnknownAccelerator: The text names no devices, or the processor is not known.
        """
        state, door = self.state, self.data.door()
        machine = resolve_device(state.machine, door.devices)
        fleet = machine.fleet
        for device, _ in fleet.parts:
            door = door.with_device(device)
        device, count = fleet.parts[0]
        host = door.device(state.processor).name if state.processor and state.host else None
        need = Need(
            accelerator=device.name, devices=count, context=int(state.context), users=state.users, use=state.use,
            engine=None if state.engine == USUAL else state.engine, kv=state.kv, least_tokens_per_s=state.least,
            host_memory_gib=state.host, host=host, fleet=fleet if fleet.is_mixed else None,
            **engine_options.chosen(state),
        )  # fmt: skip
        return need, door, [machine.note] if machine.note else []

    def _choosing(self, problem: str) -> Markup:
        """A problem with the machine, in which each machine that could be meant chooses it."""
        others = [pair for pair in parse_qsl(self.state.address().lstrip("?")) if pair[0] != "machine"]
        names = resolve_device(self.state.machine, self.data.door().devices).candidates
        chosen = {name: f"advisor?{urlencode([('machine', name), *others])}" for name in names}
        return linked(problem, addresses=chosen)

    def _advise(self) -> None:
        state = self.state
        try:
            need, door, notes = self._need()
            advice = advise(door, self.data.evidence(), need)
        except ProfilingError as error:
            self.notes.object = page.notes([*self._settled, self._choosing(str(error))])
            self._show(None)
            return
        self.notes.object = page.notes([*self._settled, *notes])
        self._show(advice)
        fleet = need.fleet or Fleet(((door.device(need.accelerator), need.devices),))
        whole = f"{fleet.usable_memory_bytes / GIB:.1f} GiB usable{' in all' if len(fleet.devices) > 1 else ''}"
        lasting = linked(" ".join(advice.notes), judged(self.data))
        self.chart_card.show(
            f"Most capable models that run on {need.machine}",
            f"{whole}; {int(state.context):,} tokens of context, {state.users} at a time; {advice.engine}", "",
            "Ability on the scale of the Epoch Capabilities Index, with its 90 % interval, minus what the format costs",
            lasting + " Each model is shown in its highest-precision format that fits and is fast enough. "
            "Where intervals overlap, the difference may be noise.",
        )  # fmt: skip

    def _show(self, advice: Advice | None) -> None:
        runs = advice.of("runs") if advice else []
        candidates = advice.candidates if advice else ()
        self.answer.object = (
            render(
                __file__, "answer.html", best=advice.best, others=advice.within_noise, need=advice.need,
                second=runs[1] if len(runs) > 1 else None, address_of_model=address_of_model, named=named,
                address_of_error=address_of_error, machine=self._machine_link(advice),
                roofline=self._roofline(advice.best),
            )
            if advice
            else ""
        )  # fmt: skip
        offloaded = _ablest_offloaded(advice) if advice else None
        self.offload.object = (
            render(__file__, "offload.html", offload=offloaded, address_of_model=address_of_model) if offloaded else ""
        )
        self.offload_card.visible = offloaded is not None
        # Where no machine is meant there is nothing to frame.
        for part in (self.answer_card, self.table.card):
            part.visible = advice is not None
        self.chart_card.column.visible = bool(runs)
        self.chart.show(dots(runs))
        rows = frame([{**candidate.row(), "group": _GROUPS[candidate.verdict]} for candidate in candidates])
        self.table.show("All candidates", "By verdict, most capable first", rows)

    def _roofline(self, best: Candidate | None) -> str:
        """Address of the step that was timed; empty where the page Roofline cannot ask for it."""
        question = best.question if best else None
        return roofline_address(question) if question and question.accelerator in self.data.door().devices else ""

    def _machine_link(self, advice: Advice) -> tuple[str, str]:
        """The device's name, and the address of its page."""
        name, shown = advice.need.accelerator, advice.need.machine
        is_device = name in self.data.door().devices
        return shown, address_of_device(name if is_device else self.state.machine)

    def _describe(self) -> dict[str, Any]:
        return {"address": f"advisor{self.state.address()}", "scale": "Epoch Capabilities Index", "interval": "90 %"}

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        return pn.Column(
            controls.text(
                state, "machine", "My machine", margin=margin, sizing_mode="stretch_width",
                placeholder="4090, 2x3090, m3 max 64gb, other: 16 GB at 288 GB/s, 30 TFLOPS",
            ),
            controls.select(state, "use", "Use", margin=margin),
            controls.select(state, "context", "Context (tokens)", margin=margin),
            controls.integer(state, "users", "Concurrent requests", margin=margin),
            controls.select(state, "engine", "Engine", margin=margin),
            engine_options.more(state, {
                "kv": controls.select(state, "kv", "KV cache", margin=margin),
                **engine_options.fields(state, margin=margin),
            }),
            controls.number(state, "least", "Minimum tokens per second, each", margin=margin),
            controls.number(state, "host", "System memory (GiB)", margin=margin),
            controls.text(
                state, "processor", "Processor", margin=margin, sizing_mode="stretch_width",
                placeholder="such as i9-14900K",
            ),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Advisor",
            "What to run on your machine: the most capable model that fits, in which format, how fast, and how "
            "certain that is.",
            command="skyline advise",
        )
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)),
            self.notes,
            self.answer_card,
            self.offload_card,
            self.chart_card.column,
            self.table.card,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)


def _ablest_offloaded(advice: Advice) -> Candidate | None:
    """The ablest that needs the memory of the machine, where it is ahead of what the devices hold alone."""
    best, other = advice.best, next(iter(advice.of("needs offload")), None)
    if other is None or (best is not None and other.ability_in_format <= best.ability_in_format):
        return None
    return other


def _rate(candidate: Candidate) -> str:
    return f"{formats.significant(candidate.tokens_per_s[1])} tokens/s" if candidate.tokens_per_s else ""


def dots(runs: list[Candidate]) -> Rows:
    """A row per model that runs, ablest first."""
    marks = pl.DataFrame(
        {
            "row": list(range(len(runs))),
            "x": [run.ability_in_format for run in runs],
            "low": [run.ability_low for run in runs],
            "high": [run.ability_high for run in runs],
            "name": [f"{run.model_id} in {run.weight_format}" for run in runs],
            "first": [
                f"ability {run.ability_in_format:.1f} (90 %: {run.ability_low:.1f} to {run.ability_high:.1f}), "
                f"{run.evidence_class}"
                for run in runs
            ],
            "second": [_rate(run) for run in runs],
        },
        schema={
            "row": pl.Int64, "x": pl.Float64, "low": pl.Float64, "high": pl.Float64, "name": pl.String,
            "first": pl.String, "second": pl.String,
        },
    ).with_columns(colour=pl.lit(theme.COLOURS[0]), mark=pl.lit("circle"), fill=pl.lit(0.85))  # fmt: skip
    names = [f"{run.model_id.rsplit('/', maxsplit=1)[-1]} · {run.weight_format}" for run in runs]
    marks = with_pages(marks, {f"{run.model_id} in {run.weight_format}": run.model_id for run in runs})
    return Rows(names=names, marks=marks, axis="Ability (index points)", row_px=26)
