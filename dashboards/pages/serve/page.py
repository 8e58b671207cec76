"""Serve: the fewest devices that meet latency targets for many users, and a comparison of two fleets."""

from collections.abc import Sequence
from typing import Any

import panel as pn
import polars as pl

from analytics.units import JOULES_PER_KWH
from dashboards.charts.serving_curve import NAME as CHART
from dashboards.charts.serving_curve import Curve, ServingCurve
from dashboards.data import Data
from dashboards.pages.serve import text
from dashboards.pages.serve.answer import Fleet, curve_of, fleet_of, limit_of, plans_of
from dashboards.pages.serve.state import ServeState
from dashboards.parts import controls, engine_options, page
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.how_far_off import address_of_error
from dashboards.parts.names import linked, named
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.templates import block, render
from profiling.serving.alternatives import comparison, energy, notes_with, plan_rows, started
from profiling.serving.evidence import PER_TOKEN
from profiling.serving.plan import Plan, Promise

_FACTS = {
    "accelerator": Fact("Device", width=160, link="device/"),
    "devices": Fact("Devices", "0", 76),
    "certainty": Fact("Targets met", width=96),
    "time_to_first_token_p90_s": Fact("First token, 90 % (s)", "0.00", 96),
    "time_per_output_token_p90_ms": Fact("Per token, 90 % (ms)", "0.0", 96),
    "output_tokens_per_s": Fact("Output tokens/s", "0,0", 90),
    "usd_per_hour": Fact("USD per hour", "0,0.00", 84),
    "usd_per_million_input_tokens": Fact("USD per million in", "0,0.00", 96),
    "usd_per_million_output_tokens": Fact("USD per million out", "0,0.00", 100),
    "breaks": Fact("Target missed", width=150),
    "tensor_parallel": Fact("Tensor parallel", "0", 84),
    "replicas": Fact("Replicas", "0", 80),
    "prefill_replicas": Fact("Prefill replicas", "0", 84),
    "pipeline_parallel": Fact("Pipeline parallel", "0", 84),
    "expert_parallel": Fact("Expert parallel", "0", 84),
    "data_parallel": Fact("Attention data parallel", "0", 92),
    "kwh_per_million_output_tokens": Fact("kWh per million out", "0,0.000", 96),
    "host_kwh": Fact("… of hosts", "0,0.000", 84, header="host_kwh_per_million_output_tokens"),
    "idle_kwh": Fact("… of idle time", "0,0.000", 84, header="idle_kwh_per_million_output_tokens"),
    "rented_pays_from_load": Fact("Rent pays from load", "0 %", 84),
    "owned_pays_from_load": Fact("Owning pays from load", "0 %", 84),
    "time_to_first_token_p99_s": Fact("First token, 99 % (s)", "0.00", 96),
    "output_tokens_per_s_per_device": Fact("Per device", "0,0", 84),
}


class Serve(SessionPage[ServeState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, ServeState.from_address(search))
        self._notes = self.state.offer_all(data.door()) + self.state.settle()
        self.notes, self.heading, self.legend, self.below, self.fleets = (page.html() for _ in range(5))
        self.answer = page.html(page.working("Planning: every layout on every device is simulated …"))
        self.chart = ServingCurve()
        self.table = FactTable(_FACTS)
        self.rows = pl.DataFrame()
        self.curves = pl.DataFrame()
        self._planned = [self._fleets_card(), self._chart_card(), self._table_card()]
        self._wait()
        self._later(self._plan)
        self._when(self.state.keys(), self._again, lambda: None)

    # What follows a choice -----------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Say that plans are being made, and show nothing that waits for them: no table, chart or download."""
        self.answer.css_classes = ["waiting"]
        self.answer.object = block("heading", "Planning") + page.working("Simulating every device under this load …")
        for card in self._planned:
            card.visible = False

    def _again(self) -> None:
        self._wait()
        self._later(self._plan)

    def _plan(self) -> None:
        self.answer.css_classes = []
        state, door = self.state, self.data.door()
        promise, options = state.promise, state.options
        plans = plans_of(door, state.model, promise, options)
        fleets = [fleet_of(door, state.model, promise, options, name) for name in state.fleets]
        self.notes.object = page.notes(self._notes)
        best = plans.plans[0] if plans.plans else None
        self.answer.object = self._sentence(best, plans.plans, plans.problem, promise)
        self._show_rows(plans.plans, promise)
        self._show_curves(best, fleets, promise)
        self._show_fleets(fleets, promise)
        for card in self._planned:
            card.visible = True

    def _sentence(self, best: Plan | None, plans: tuple[Plan, ...], problem: str, promise: Promise) -> str:
        state = self.state
        door = self.data.door()
        notes = notes_with(door, [best], state.options) if best else []
        cheapest = linked(text.cheapest(plans) if plans else "", devices=[plan.accelerator for plan in plans])
        return render(
            __file__, "answer.html", plan=best, row=best.row() if best else None, problem=problem,
            load=text.load(promise.traffic), layout=text.layout(best) if best else "",
            certainly="" if best is None or best.certainty == "surely" else "likely ",
            broken=text.PROMISES[best.broken[0]] if best and best.broken else "",
            certainty=text.certainty(best) if best else "", cheapest=cheapest,
            buying=self._buying(best, promise), notes=notes, stage=PER_TOKEN, command=state.command,
            run=started(door, state.model, promise, best, state.options) if best else "",
            energy=energy(door, best) if best else None, address_of_error=address_of_error,
        )  # fmt: skip

    def _buying(self, best: Plan | None, promise: Promise) -> Sequence[tuple[str, str]]:
        if best is None or best.broken:
            return ()
        return text.buying(comparison(self.data.door(), self.state.model, promise, best, spot=self.state.spot))

    def _show_rows(self, plans: tuple[Plan, ...], promise: Promise) -> None:
        state = self.state
        self.rows = plan_rows(self.data.door(), state.model, promise, plans, state.options)
        if self.rows.is_empty():
            self.table.show(pl.DataFrame(schema=dict.fromkeys(_FACTS, pl.String)).clear())
            return
        self.table.show(
            self.rows.with_columns(
                breaks=pl.col("first_broken").cast(pl.String).replace(text.PROMISES),
                time_per_output_token_p90_ms=1000 * pl.col("time_per_output_token_p90_s"),
                host_kwh=pl.col("host_joules_per_output_token") * 1e6 / JOULES_PER_KWH,
                idle_kwh=pl.col("idle_joules_per_output_token") * 1e6 / JOULES_PER_KWH,
            )
        )

    def _show_curves(self, best: Plan | None, fleets: list[Fleet], promise: Promise) -> None:
        drawn: dict[str, Curve] = {}
        frames = []
        for plan in ([best] if best else []) + [fleet.plan for fleet in fleets if fleet.plan is not None]:
            points, name = curve_of(plan, promise), text.short(plan)
            if points.is_empty() or name in drawn:
                continue
            served = plan.served
            here = (1 / served.time_per_output_token_s[0], served.output_tokens_per_s / plan.split.devices)
            drawn[name] = Curve(points, here, plan.accelerator)
            frames.append(points.select(pl.lit(name).alias("plan"), *points.columns))
        self.curves = pl.concat(frames) if frames else pl.DataFrame()
        each = promise.time_per_output_token_s
        self.legend.object = self.chart.show(drawn, 1 / each if each else None)
        self.chart.figure.visible = bool(drawn)
        self.heading.object = page.about(
            CHART, "Faster answers lower throughput", f"{self.state.model}; {text.load(promise.traffic)}",
            f"{self.state.engine}; simulated continuous batching on predicted steps",
        )  # fmt: skip
        self.below.object = page.caption(
            "Each dot is a number of concurrent users, from 1 to 256 per replica; the large mark is your traffic. "
            "Speed per user is the median; targets must be met for 90 % of requests. Hollow dots miss one."
        )

    def _show_fleets(self, fleets: list[Fleet], promise: Promise) -> None:
        sized = [(fleet.plan, limit_of(fleet.plan, promise)) for fleet in fleets if fleet.plan is not None]
        columns = [
            {
                "name": linked(text.short(plan), devices=[plan.accelerator]),
                "cells": text.fleet_cells(plan, promise, most),
            }
            for plan, most in sized
        ]
        verdict = text.verdict(sized, promise) if len(sized) == 2 else ""
        self.fleets.object = render(
            __file__, "fleets.html", columns=columns, labels=list(columns[0]["cells"]) if columns else [],
            problems=[(fleet.name, fleet.problem) for fleet in fleets if fleet.plan is None],
            notes=[named(fleet.note) for fleet in fleets if fleet.note],
            verdict=linked(verdict, devices=[plan.accelerator for plan, _ in sized]),
        )  # fmt: skip

    def _describe(self) -> dict[str, Any]:
        state = self.state
        return {
            "address": f"serve{state.address()}", "command": state.command, "model": state.model,
            "engine": state.engine, "method": "simulated continuous batching on predicted steps",
        }  # fmt: skip

    # How it is laid out --------------------------------------------------------------------------------------------

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        wide: dict[str, Any] = {"margin": margin, "sizing_mode": "stretch_width"}
        return pn.Column(
            controls.search(state, "model", "Model (type any part of it)", margin=margin),
            controls.integer(state, "users", "Concurrent users", margin=margin),
            controls.number(state, "rate", "Or requests per second (0: use users)", margin=margin),
            controls.integer(state, "input", "Tokens in, mean", margin=margin),
            controls.integer(state, "output", "Tokens out, mean", margin=margin),
            controls.number(state, "spread", "Spread of lengths (0: all equal)", step=0.1, margin=margin),
            controls.number(state, "ttft", "First token within (s; 0: any)", step=0.5, margin=margin),
            controls.number(state, "tpot", "Per token within (ms; 0: any)", step=5, margin=margin),
            controls.select(state, "weights", "Weight format", margin=margin),
            controls.select(state, "kv", "KV cache", margin=margin),
            controls.select(state, "engine", "Engine", margin=margin),
            engine_options.more(state, engine_options.fields(state, margin=margin)),
            controls.text(state, "first", "Fleet", placeholder="8xH100", **wide),
            controls.text(state, "second", "Against fleet", placeholder="4xB200", **wide),
            controls.number(state, "cached", "Cached prefix (% of every prompt)", step=5, margin=margin),
            controls.integer(state, "draft", "Proposed tokens per step (0: none)", margin=margin),
            controls.number(state, "acceptance", "Share accepted", step=0.05, margin=margin),
            controls.switch(state, "disaggregated", "Separate replicas for prompts", margin=margin),
            controls.switch(state, "spot", "Spot prices", margin=margin),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _chart_card(self) -> pn.Column:
        return page.card(
            self.heading, self.legend,
            pn.pane.Bokeh(self.chart.figure, sizing_mode="stretch_width", margin=(6, 0, 0, 0)),
            self.below,
            page.picture_buttons(CHART, downloads=page.download_buttons(
                "throughput_against_speed", lambda: self.curves, self._describe, self.data, margin=0)),
        )  # fmt: skip

    def _fleets_card(self) -> pn.Column:
        return page.card(
            page.html(page.heading("The two fleets", "as named under Traffic, each in its best layout, and the limit "
                                   "that each reaches first as traffic grows")),
            pn.Spacer(height=8), self.fleets,
        )  # fmt: skip

    def _table_card(self) -> pn.Column:
        return page.card(
            page.html(page.heading("Plans by device", "the fewest devices of each kind that meet the targets, then "
                                   "those that cannot; up to 64 devices")),
            page.download_buttons("plans", lambda: self.rows, self._describe, self.data),
            self.table.widget,
        )  # fmt: skip

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Serve",
            "How many devices of each kind meet latency targets for many users, what a million tokens cost, and "
            "which limit is reached first.",
            command="skyline plan",
        )
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)), self.notes, page.card(self.answer), *self._planned,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)
