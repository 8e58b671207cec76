"""What the page says: the answers, the front as a table, and everything about one choice. HTML, no widgets."""

from typing import Any
from urllib.parse import urlencode

import polars as pl

from analytics.units import counted, decimal
from dashboards.finding import address_of_model
from dashboards.parts import formats
from dashboards.parts.choices import PRECISIONS, ROOFLINE_WEIGHTS
from dashboards.parts.declared_table import interval
from dashboards.parts.names import named
from dashboards.parts.templates import render


def roofline_address(row: dict[str, Any]) -> str:
    """Address of the roofline page for a choice; it computes what the warehouse holds, operator by operator."""
    weights, kv_bits = ROOFLINE_WEIGHTS[row["precision"]]
    return "roofline?" + urlencode({
        "model": row["architecture_id"], "accelerator": row["accelerator"], "batch": row["batch"],
        "context": row["context"], "weights": weights, "kv": kv_bits, "tp": row["devices"],
    })  # fmt: skip


def spread(row: dict[str, Any], likely: str, low: str, high: str, unit: str, level: str = "80 %: ") -> str:
    """A predicted figure with its interval; no level where the head of the column says it."""
    if row[likely] is None:
        return formats.MISSING
    ends = " to ".join(formats.significant(row[name], 2) for name in (low, high))
    return f"{formats.significant(row[likely])} {unit}".rstrip() + f" ({level}{ends})"


def money(row: dict[str, Any], kwh: float) -> str:
    """Cost per million tokens and what it is made of."""
    if row["usd"] is None:
        return "no price or rated power known"
    basis = {
        "rent": "rented, busy all the time", "electricity": f"electricity at ${kwh:g} per kWh",
        "your price": "at your price of a device-hour",
    }[row["usd_basis"]]  # fmt: skip
    return f"${formats.significant(row['usd'])} per million tokens ({basis})"


def precision(row: dict[str, Any]) -> str:
    """Bits of the weights, and on how many devices where there are several."""
    return PRECISIONS[row["precision"]] + (f" on {row['devices']} devices" if row["devices"] > 1 else "")


def quality(row: dict[str, Any], level: str = "{} %: ") -> str:
    """Quality with its interval; no level where the head of the column says it."""
    stated = level.format(row["quality_level"])
    return f"{decimal(row['quality'], 1)}{interval(row['quality_low'], row['quality_high'], stated)}"


def answer(label: str, row: dict[str, Any], kwh: float, near: int) -> str:
    """One answer as a card: which model, at which precision, how good, how fast, at what cost, and why it fits."""
    speed = spread(row, "tokens_per_s", "tokens_per_s_low", "tokens_per_s_high", "tokens/s")
    first = spread(row, "time_to_first_token_s", "time_to_first_token_low_s", "time_to_first_token_high_s", "s")
    memory = f"{row['memory_high_gib']:.1f} of {row['memory_budget_gib']:.1f} GiB"
    carbon = formats.quantity(row["g_co2e_per_million_tokens"], "g CO₂e per million tokens")
    ties = f"as good within noise: {counted(near, 'other model')}" if near else ""
    liked = [] if row["arena_rating"] is None else [("Arena", _arena(row))]
    lines = [
        ("Precision", f"{precision(row)}: {row['verdict']}, {memory}{' each' if row['devices'] > 1 else ''}"),
        ("Quality", f"{quality(row)}{'; ' + ties if ties else ''}"),
        *liked,
        ("Speed", speed),
        ("First token", f"{first} after {row['context']:,} tokens"),
        ("Cost", money(row, kwh)),
        ("Carbon", carbon),
        ("Licence", row["licence"] or "not stated"),
    ]
    return render(__file__, "answer.html", label=named(label), row=row, lines=lines, roofline=roofline_address(row),
        page=address_of_model(row["model_id"]),
    )  # fmt: skip


def _arena(row: dict[str, Any]) -> str:
    bounds = (row["arena_rating_lower"], row["arena_rating_upper"])
    ends = "" if None in bounds else f" (95 %: {decimal(bounds[0])} to {decimal(bounds[1])})"
    return f"{decimal(row['arena_rating'])}{ends} points"


def front_table(front: pl.DataFrame, budget: str) -> str:
    """The front as a list: the best at each budget (`so few grams`), from the greatest quality."""
    level = front["quality_level"][0]
    heads = ("Model", "Precision", f"Quality ({level} % interval)", "Tokens/s (80 % interval)", "First token (s)",
             "USD / million", "g CO₂e / million", "Memory (GiB)", "Licence", "")  # fmt: skip
    rows = [
        {
            "model_id": row["model_id"], "roofline": roofline_address(row), "page": address_of_model(row["model_id"]),
            "cells": (
                precision(row), quality(row, ""),
                spread(row, "tokens_per_s", "tokens_per_s_low", "tokens_per_s_high", "", ""),
                formats.quantity(row["time_to_first_token_s"], ""), formats.quantity(row["usd"], ""),
                formats.quantity(row["g_co2e_per_million_tokens"], ""), f"{row['memory_high_gib']:.1f}",
                row["licence"] or "not stated",
            ),
        }
        for row in front.sort("quality", descending=True).iter_rows(named=True)
    ]  # fmt: skip
    return render(__file__, "front.html", heads=heads, rows=rows, budget=budget, numbers=range(2, 8))


def details(row: dict[str, Any], kwh: float) -> str:
    """Everything about one choice, with where each figure is from."""
    verdict = row["reason"]
    outcome = f"Left out: {verdict}." if verdict else f"It {row['verdict']}; {row['fits_at']}."
    needed = (
        f"{row['memory_low_gib']:.1f} to {row['memory_high_gib']:.1f} GiB; the engine may use "
        f"{row['memory_budget_gib']:.1f} GiB"
    )
    lines = [
        ("Quality", quality(row)),
        ("Fits at", row["fits_at"]),
        ("Memory per device", needed),
        ("Largest batch", formats.count(row["max_batch"])),
        ("Time to first token", spread(row, "time_to_first_token_s", "time_to_first_token_low_s",
                                       "time_to_first_token_high_s", "s")),
        ("Time per token", spread(row, "time_per_output_token_s", "time_per_output_token_low_s",
                                  "time_per_output_token_high_s", "s")),
        ("Tokens per second", spread(row, "tokens_per_s", "tokens_per_s_low", "tokens_per_s_high", "")),
        ("Cost", money(row, kwh)),
        ("Energy", spread(row, "kwh_per_million_tokens", "kwh_low_per_million_tokens",
                          "kwh_high_per_million_tokens", "kWh per million tokens")),
        ("Carbon", spread(row, "g_co2e_per_million_tokens", "g_co2e_low_per_million_tokens",
                          "g_co2e_high_per_million_tokens", "g per million tokens")),
    ]  # fmt: skip
    sources = [
        ("Runs as", f"{row['architecture_id']}: {row['architecture_evidence']}"),
        ("Ability", _ability(row)),
        ("Open LLM v2", _board(row, "open_llm_v2")),
        ("Open LLM v1", _board(row, "open_llm_v1")),
        ("Arena", f"{_arena(row)} as {row['arena_model']}, {row['arena_board']}, {row['arena_as_of_date']}"
                  if row["arena_rating"] is not None else formats.MISSING),
        ("Prediction", "from measured kernels" if row["is_calibrated"] else "documented default efficiencies"),
        ("Price", row["price_source"] or "no rental price listed"),
        ("Grid", row["grid"]),
        ("Released", f"{row['release_date']} ({row['release_basis']})" if row["release_date"] else formats.MISSING),
        ("Licence", f"{row['licence'] or 'not stated'}"),
    ]  # fmt: skip
    return render(
        __file__, "details.html", row=row, precision=PRECISIONS[row["precision"]], outcome=outcome, lines=lines,
        sources=sources, roofline=roofline_address(row), compare="compare?" + urlencode({"models": row["model_id"]}),
        page=address_of_model(row["model_id"]),
    )  # fmt: skip


def _ability(row: dict[str, Any]) -> str:
    """Ability in this precision, and on what it rests."""
    if row["ability"] is None:
        return formats.MISSING
    ends = interval(row["ability_low"], row["ability_high"], "90 %: ")
    return f"{decimal(row['ability'], 1)}{ends}, {row['ability_evidence_class']}, boards to {row['ability_as_of_date']}"


def _board(row: dict[str, Any], board: str) -> str:
    if row[f"{board}_average"] is None:
        return formats.MISSING
    points = formats.points(row[f"{board}_average"], row[f"{board}_standard_error"])
    return (
        f"{points} (standard error), snapshot of {row[f'{board}_as_of_date']}, measured in {row[f'{board}_precision']}"
    )
