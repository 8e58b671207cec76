"""Abilities of a few models side by side: marks with intervals per domain, and lines of the table. Pure."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from analytics.statistics.normal import TWO_SIDED_90
from dashboards.charts import legend
from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import Rows
from dashboards.parts import ability as words
from dashboards.parts import formats, theme
from profiling.answers.sizing import BATCH, CONTEXT, DEVICE
from warehouse.contracts.ability import THIN_EVIDENCE

NAME = "compare_ability"
_MARKS_SPAN = 0.56
_FACTS = {
    "openness": "Weights", "release_date": "Released", "parameters_total": "Parameters",
    "parameters_active": "Active parameters", "weight_format": "Published as", "weights_gib": "Weights (GiB)",
    "devices": "H100s to serve", "memory_gib": "Memory to serve (GiB)", "tokens_per_s": "Tokens / s per request",
    "usd_per_million_tokens": "USD per million tokens", "licence": "Licence", "organization": "Maker",
}  # fmt: skip


LOAD = (
    f"Devices, memory, speed and cost are predicted for {BATCH} requests of {CONTEXT:,} tokens on {DEVICE} with "
    "vLLM, in the format that is published."
)
"""What the load of `profiling.answers.sizing` is, in words."""


def marks(abilities: pl.DataFrame, models: Sequence[str]) -> Rows:
    """One row per domain, one mark per model in its colour and at a height of its own.

    Args:
        abilities: Result of the query `compare_ability`.
        models: In the order in which they were chosen.
    """
    domains = abilities["domain"].unique(maintain_order=True).to_list()
    rows: list[dict[str, Any]] = []
    for row in abilities.iter_rows(named=True):
        place = models.index(row["model_id"])
        step = 0.0 if len(models) == 1 else (place / (len(models) - 1) - 0.5) * _MARKS_SPAN
        rows.append(
            {
                "row": domains.index(row["domain"]) + step, "x": row["ability"], "low": row["ability_low"],
                "high": row["ability_high"], "colour": theme.COLOURS[place], "mark": theme.MARKS[place],
                "fill": 0.0 if row["evidence_class"] in THIN_EVIDENCE else 1.0, "name": row["model_id"],
                "first": f"{words.domain(row['domain'])}: {words.estimate(row)}", "second": words.rests_on(row),
            }
        )  # fmt: skip
    height = max(24, 10 + 11 * len(models))
    return Rows(
        [words.domain(name) for name in domains],
        with_pages(pl.DataFrame(rows), {name: name for name in models}),
        "Ability (index points)",
        row_px=height,
    )


def swatches(models: Sequence[str]) -> str:
    """Legend as HTML."""
    lines = [legend.Entry(model, theme.COLOURS[i], theme.MARKS[i], page=model) for i, model in enumerate(models)]
    return legend.swatches(NAME, [*lines, legend.Entry("90 % interval", theme.OTHER_COLOUR, "bar")])


def pairs(abilities: pl.DataFrame, models: Sequence[str]) -> dict[str, list[tuple[float, float | None] | None]]:
    """Per domain, the ability of each model with its standard error, as the table compares them."""
    ability_rows = {(row["domain"], row["model_id"]): row for row in abilities.iter_rows(named=True)}
    return {
        domain: [
            None if (row := ability_rows.get((domain, model))) is None
            else (row["ability"], (row["ability_high"] - row["ability_low"]) / (2 * TWO_SIDED_90))
            for model in models
        ]
        for domain in abilities["domain"].unique(maintain_order=True)
    }  # fmt: skip


def estimates(abilities: pl.DataFrame, models: Sequence[str]) -> dict[str, list[str]]:
    """Per domain, the ability of each model with its 90 % interval, as the chart has it."""
    found = {(row["domain"], row["model_id"]): words.estimate(row) for row in abilities.iter_rows(named=True)}
    return {
        domain: [found.get((domain, model), formats.MISSING) for model in models]
        for domain in abilities["domain"].unique(maintain_order=True)
    }


def fact_lines(facts: pl.DataFrame, models: Sequence[str]) -> list[list[str]]:
    """Lines of the table: what is known of each model.

    Args:
        facts: Result of the query `compare_facts`.
        models: In the order in which they were chosen.
    """
    by_model = {row["model_id"]: row for row in facts.iter_rows(named=True)}
    lines = []
    for column, label in _FACTS.items():
        values = [by_model.get(model, {}).get(column) for model in models]
        if any(value is not None for value in values):
            show = formats.parameters if column.startswith("parameters") else _value
            lines.append([label, *(show(value) for value in values)])
    return lines


def _value(item: Any) -> str:
    return formats.significant(item) if isinstance(item, float) else formats.value(item)
