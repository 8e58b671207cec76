"""Words, tables and commands of the page of measurements."""

from typing import Any

import polars as pl

from analytics.units import GIB
from dashboards.pages.measured.form_text import QUALITY_HEADER, quality_lines
from dashboards.parts import formats, page
from dashboards.parts.declared_table import Fact
from dashboards.parts.templates import render

PREDICTIONS = page.about(
    "predicted",
    "Predicted against measured",
    "every point of the run; each prediction was made without the measurements of its own model",
    "ceilings of the same device, corrected by other models' points",
)
POINTS = {
    "model": Fact("Model", width=230),
    "stage": Fact("Stage", width=70),
    "batch": Fact("Batch", "0,0", 60),
    "context": Fact("Context", "0,0", 70),
    "precision": Fact("Format", width=80),
    "status": Fact("Outcome", width=80),
    "latency_ms": Fact("Latency (ms)", "0,0.00", 90, stays=True),
    "processor_ms": Fact("Processor (ms)", "0,0.00", 90),
    "predicted_ms": Fact("Predicted (ms)", "0,0.00", 90),
    "error_pct": Fact("Error (%)", "0.0", 70),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 80),
    "peak_gib": Fact("Peak (GiB)", "0,0.00", 70),
    "waiting_pct": Fact("Waited (%)", "0.0", 70),
    "flags": Fact("Flags", width=120),
}


def environment(run: dict[str, Any]) -> str:
    """What a run was measured on."""
    facts = {
        "Device": run["device"], "Threads": run["threads"], "Torch": run["torch"], "Measured": source(run),
        "Points": f"{run['measured']} of {run['points']} completed, {run['contended']} of them contended",
        "Machine": "virtual" if run["is_virtual"] else "not virtual, or not stated",
    }  # fmt: skip
    lines = [(name, formats.value(value)) for name, value in facts.items()]
    return render(__file__, "environment.html", name=run["name"], lines=lines)


def source(run: dict[str, Any]) -> str:
    """When and as which run."""
    return f"{str(run['measured_at'])[:16].replace('T', ' ')} UTC, run {run['run_id']}"


def errors(rows: pl.DataFrame) -> str:
    """Errors of predictions by stage, undisturbed points apart from all."""
    if rows.is_empty():
        return page.caption("No point of this environment could be predicted, because its run measured no ceilings.")
    lines = [
        [
            row["stage"], row["scope"], row["compared_clock"], formats.count(row["points"]),
            f"{row['mape_pct']:.1f} %", f"{row['p90_error_pct']:.1f} %",
            formats.MISSING if row["interval_coverage_pct"] is None else f"{row['interval_coverage_pct']:.0f} %",
        ]
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    return page.table(("Stage", "Points", "Clock", "n", "Mean error", "90 % below", "In the 80 % interval"), lines)


def why_none(points: pl.DataFrame, quantity: str, unit: str) -> str:
    """Why a quantity has no value at any point."""
    reasons = points["energy_why"] if quantity == "energy" else points["reason"]
    sentences = reasons.drop_nulls().unique().to_list()
    return page.caption(
        f"No point has a value in {unit}: {'; '.join(sentences) if sentences else 'it was not measured'}."
    )


def comparison(first: pl.DataFrame, second: pl.DataFrame) -> str:
    """Points that both runs measured, side by side."""
    same = ["model", "stage", "batch", "context", "precision", "execution"]
    columns = [*same, "device", "latency_s", "processor_s", "is_contended"]
    ok = pl.col("status") == "ok"
    both = (
        first.filter(ok)
        .select(columns)
        .join(second.filter(ok).select(columns), on=same, suffix="_other", nulls_equal=True)
    )
    both = both.filter(pl.col("latency_s").is_not_null() & pl.col("latency_s_other").is_not_null())
    if both.is_empty():
        return page.caption("The two runs have no configuration in common.")
    lines = []
    for row in both.iter_rows(named=True):
        contended = bool(row["is_contended"]) or bool(row["is_contended_other"])
        lines.append(
            [
                str(row["model"]), str(row["stage"]), formats.value(row["batch"]), formats.value(row["context"]),
                str(row["precision"]), f"{formats.significant(row['latency_s'] * 1e3)} ms",
                f"{formats.significant(row['latency_s_other'] * 1e3)} ms",
                f"{row['latency_s_other'] / row['latency_s']:.2f}", "contended" if contended else "",
            ]
        )  # fmt: skip
    header = ("Model", "Stage", "Batch", "Context", "Format", "This run", "The other", "Ratio", "")
    note = page.caption(f"This: {first['device'][0]}. The other: {second['device'][0]}. n = {both.height}")
    return page.table(header, lines) + note


def quality(points: pl.DataFrame) -> str:
    """What formats lost, where a text was read; empty where none was."""
    rows = points.filter(pl.col("perplexity").is_not_null()).sort("perplexity_over_first", nulls_last=True)
    if rows.is_empty():
        return ""
    about = page.about(
        "quality", "Loss from a number format", f"n = {rows.height} checkpoints and formats",
        "perplexity of a text over that of the first; other tokens compare by bits per byte only",
    )  # fmt: skip
    return about + page.table(QUALITY_HEADER, quality_lines(rows.iter_rows(named=True)))


def table(points: pl.DataFrame) -> pl.DataFrame:
    """Points, with the columns of `POINTS`."""
    return points.with_columns(
        latency_ms=pl.col("latency_s") * 1e3,
        processor_ms=pl.col("processor_s") * 1e3,
        predicted_ms=pl.col("predicted_s") * 1e3,
        peak_gib=pl.col("allocated_peak_bytes") / GIB,
        waiting_pct=pl.col("waiting_share") * 100,
    )


def command(run: dict[str, Any]) -> str:
    """What to run to measure more, for copying."""
    name = "".join(letter if letter.isalnum() else "-" for letter in str(run["name"]).lower()).strip("-")[:40]
    return render(__file__, "command.html", name=name or "mine")
