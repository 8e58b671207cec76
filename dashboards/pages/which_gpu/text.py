"""What the page Which GPU? says: cells of the matrix, and the details of one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from analytics.units import counted
from dashboards.charts.matrix import Cell
from dashboards.charts.memory_bar import gib
from dashboards.finding import address_of_model
from dashboards.pages.roofline.state import roofline_address
from dashboards.parts import formats
from dashboards.parts.how_far_off import address_of_error
from dashboards.parts.templates import render
from profiling.answers.cost import POWER_USAGE_EFFECTIVENESS as PUE
from profiling.answers.cost import serving_cost
from profiling.answers.door import Door
from profiling.answers.energy import power_shares
from profiling.answers.question import ENGINE, Question
from profiling.devices.accelerators import GIB
from profiling.errors import ProfilingError
from profiling.memory.engines import engine_profile
from profiling.memory.need import rule_of_thumb_gpus

PURCHASE = {"accelerator": pl.String, "usd_per_device": pl.Float64, "condition": pl.String, "as_of_date": pl.Date}
"""Columns of the query `purchase_prices`."""
_UNITS = {"tokens": "tokens/s", "usd": "USD", "grams": "g"}
_NAMED = 4  # models in a note
_REFUSED = {"does not fit": "over 128", "no such products": "no such products"}


def cell(row: Mapping[str, Any], metric: str, best: Mapping[str, tuple[float, float]]) -> Cell:
    """A cell of the matrix.

    Args:
        row: Of `profiling.answers.matrix.matrix`.
        metric: What it says first.
        best: Range of every metric over the matrix, best end first, by which cells are shaded.
    """
    if row["verdict"] != "fits":
        reason = {
            "does not fit": "does not fit on 128 devices",
            "no such products": f"{row['accelerator']} has no products that narrow",
        }[row["verdict"]]
        return Cell(formats.MISSING, _REFUSED[row["verdict"]], reason)
    value = row[metric] if metric in ("devices", "max_batch") else row[f"{metric}_likely"]
    return Cell(_first(row, metric), _below(row, metric), _hint(row), _good(value, best.get(metric)))


def with_purchase(cells: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Cells with what their devices cost to buy.

    Args:
        cells: By `profiling.answers.matrix.matrix`.
        prices: Rows of `PURCHASE`, one per device that has a price.
    """
    priced = cells.join(prices, on="accelerator", how="left", maintain_order="left")
    return priced.with_columns(buy_likely=pl.col("devices") * pl.col("usd_per_device")).drop("usd_per_device")


def _first(row: Mapping[str, Any], metric: str) -> str:
    if metric == "devices":
        return str(row["devices"])
    if metric == "max_batch":
        return formats.count(row["max_batch"])
    likely = row[f"{metric}_likely"]
    if likely is None:
        return formats.MISSING
    if metric == "buy":
        return f"${likely:,.0f}"
    return f"${formats.significant(likely)}" if metric == "usd" else formats.significant(likely)


def _below(row: Mapping[str, Any], metric: str) -> str:
    if metric == "devices":
        rate = row["tokens_likely"]
        return f"{formats.significant(rate)} tok/s" if rate is not None else "link unknown"
    if metric == "max_batch":
        return f"on {row['devices']} GPU{'s' if row['devices'] > 1 else ''}"
    if metric == "buy":
        return "no price" if row["buy_likely"] is None else f"{row['devices']} × {row['condition']}"
    if row[f"{metric}_likely"] is None:
        return {"usd": "no price", "grams": "power unknown", "tokens": "link unknown"}[
            metric if row["tokens_likely"] is not None else "tokens"
        ]
    low, high = (formats.significant(row[f"{metric}_{end}"]) for end in ("low", "high"))
    return f"{low}–{high}"


def _hint(row: Mapping[str, Any]) -> str:
    parts = [f"{row['devices']} needed", f"largest batch {formats.count(row['max_batch'])}"]
    for metric, unit in _UNITS.items():
        ends = [row[f"{metric}_{end}"] for end in ("likely", "low", "high")]
        if ends[0] is not None:
            likely, low, high = map(formats.significant, ends)
            suffix = "" if metric == "tokens" else " per million tokens"
            parts.append(f"{likely} {unit}{suffix} (80 %: {low}–{high})")
    if row["buy_likely"] is not None:
        parts.append(f"${row['buy_likely']:,.0f} to buy")
    parts.append("calibrated" if row["is_calibrated"] else "not calibrated")
    return "; ".join(parts)


def _good(value: float | None, span: tuple[float, float] | None) -> float | None:
    if value is None or span is None:
        return None if value is None else 0.5
    best, worst, here = (math.log(max(each, 1e-9)) for each in (*span, value))
    return 0.5 if best == worst else max(0.0, min(1.0, (here - worst) / (best - worst)))


def question(row: Mapping[str, Any], shared: Question) -> Question:
    """The question behind a cell."""
    return replace(
        shared, model=row["model"], accelerator=row["accelerator"], weight_format=row["weights"],
        tensor=row["tensor"] or 1, pipeline=row["pipeline"] or 1,
    )  # fmt: skip


def details(door: Door, row: Mapping[str, Any], shared: Question, grid: str, grams_per_kwh: float) -> str:
    """Everything about one cell, with sources."""
    query = question(row, shared)
    page = address_of_model(query.model)
    offer = door.price(query.accelerator, spot=query.spot)
    if row["verdict"] != "fits":
        reason = cell(row, "devices", {}).hint
        return render(__file__, "details.html", query=query, page=page, reason=reason[:1].upper() + reason[1:])
    device, model = door.devices[query.accelerator], door.model(query.model)
    rule = rule_of_thumb_gpus(model.parameters_total, float(query.precision_of(model).weight_bits), device)
    split = f"tp={query.tensor}" + (f" × pp={query.pipeline}" if query.pipeline > 1 else "")
    lines = [
        ("GPUs needed", f"{row['devices']} ({split})"),
        ("Rule of thumb, weights × 1.2", f"{rule}: {_compared(rule, row['devices'])}"),
        ("Largest batch that fits", f"{counted(row['max_batch'], 'sequence')} of {query.context:,} tokens"),
        ("To buy", _bought(row)),
        ("Memory per device, at most", f"{gib(row['need_gib'])} of {gib(device.usable_memory_bytes / GIB)}"),
    ]
    try:
        answer = door.answer(query)
    except ProfilingError as error:
        lines.append(("Rate", str(error)))
        return render(__file__, "details.html", query=query, page=page, reason="", lines=lines, sources=())
    cost = serving_cost(
        answer.estimate, device, usd_per_device_hour=offer.usd_per_device_hour if offer else None,
        grams_co2e_per_kwh=grams_per_kwh,
    )  # fmt: skip
    rate = answer.estimate.tokens_per_s
    if rate is not None:
        sides = (float(rate.likely_s), float(rate.low_s), float(rate.high_s))
        lines.append(("Output tokens per second", _interval(*sides, "tokens/s, all sequences together")))
    energy = cost.energy
    for label, spread, unit in (
        ("Cost per million output tokens", cost.usd_per_million_tokens, "USD"),
        ("Energy per output token", energy.total if energy else None, "J, of devices and host"),
        ("… of the devices", energy.devices if energy else None, "J"),
        ("… of the host around them", energy.host if energy else None, "J"),
        ("Carbon per million output tokens", cost.grams_co2e_per_million_tokens, "g CO₂e"),
    ):
        if spread is not None:
            lines.append((label, _interval(spread.likely, spread.low, spread.high, unit)))
    lines.append(("Bound by", answer.estimate.bound_by))
    price = (
        f"${offer.usd_per_device_hour:.2f} per device hour: {offer.basis}{formats.days_old(offer.newest_date)}"
        if offer
        else f"no {'spot' if query.spot else 'on-demand'} price known for {device.name}"
    )
    power = f"{device.power_w:g} W rated" if device.power_w else "rated power not published"
    shares = ", ".join(f"{100 * share:.0f} %" for share in power_shares(device))
    sources = [
        ("Batch", f"{counted(query.batch, 'sequence')} decoding at {query.context:,} tokens each, always busy"),
        ("Price", price),
        ("Power", f"{power}; draw {shares} of it (low, likely, high)"),
        ("Energy", energy.explanation if energy else "the power of the device is not published"),
        (
            "Grid",
            f"{grid}: {grams_per_kwh:.0f} g CO₂e per kWh, CodeCarbon; building overhead (PUE) {PUE}",
        ),
        ("Memory", f"{query.engine}: {engine_profile(query.engine or ENGINE).basis}"),
        ("Peaks", device.source or "as entered"),
        ("Error", answer.rests_on),
    ]
    return render(
        __file__, "details.html", query=query, page=page, reason="", lines=lines, sources=sources,
        address=roofline_address(query), error=address_of_error(answer.estimate.basis.stage),
    )  # fmt: skip


def beyond(door: Door, models: Sequence[str], tokens: int) -> list[str]:
    """A note naming the models that were made for fewer tokens; none where there are none."""
    longest = {name: door.model(name).max_position for name in models}
    short = [f"{name} ({most:,})" for name, most in longest.items() if most and most < tokens]
    if not short:
        return []
    more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
    return [f"Made for fewer than {tokens:,} tokens: {', '.join(short[:_NAMED])}{more}."]


def _compared(rule: int, exact: int) -> str:
    if rule == exact:
        return "the same"
    return f"{abs(rule - exact)} too {'few' if rule < exact else 'many'}, as it knows neither cache nor engine"


def _bought(row: Mapping[str, Any]) -> str:
    if row["buy_likely"] is None:
        return "no price known"
    each = f"{row['devices']} × ${row['buy_likely'] / row['devices']:,.0f}"
    dated = f", {row['as_of_date']}" if row["as_of_date"] else ""
    return f"${row['buy_likely']:,.0f}: {each} ({row['condition']}{dated}), before tax, without a computer around them"


def _interval(likely: float, low: float, high: float, unit: str) -> str:
    return f"{formats.significant(likely)} {unit} (80 %: {formats.significant(low)} to {formats.significant(high)})"
