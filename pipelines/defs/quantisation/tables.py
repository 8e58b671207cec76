"""Rows of the tables of quantisation: predictions over formats, sizes and tasks, and measured pairs beside theirs."""

import numpy as np
import polars as pl

from analytics.quantisation.held_out import Intervals, errors_of
from analytics.quantisation.loss import SINGLE_RUN, Loss, LossModel, Subject
from analytics.quantisation.recipes import (
    LAYER_BITS,
    TASKS,
    UNMEASURED_TASKS,
    bits_class,
    recipe_of,
)
from pipelines.sources.boards.aliases import reviewed
from profiling.models.names import SAME_SHAPES, resolve_model
from profiling.models.sources import catalogue
from warehouse.contracts.quantisation import QUANTISATION_ERRORS, QUANTISATION_LOSS

FORMATS: dict[str, float] = {
    **LAYER_BITS,
    "ud-q2_k_xl": 2.942, "ud-q3_k_xl": 3.844, "ud-q4_k_xl": 4.797,
    "awq-4bit-g128": 4.15625, "gptq-3bit-g128": 3.1484, "gptq-4bit-g128": 4.15625, "gptq-8bit-g128": 8.1875,
    "autoround-2bit-g128": 2.1406, "autoround-3bit-g128": 3.1484, "autoround-4bit-g128": 4.15625,
    "mlx-3bit": 3.5, "mlx-4bit": 4.5, "mlx-6bit": 6.5, "mlx-8bit": 8.5, "hqq-4bit-g64": 4.5,
    "exl3-2.0bpw": 2.0, "exl3-2.5bpw": 2.5, "exl3-3.0bpw": 3.0, "exl3-3.5bpw": 3.5, "exl3-4.0bpw": 4.0,
    "exl3-5.0bpw": 5.0, "exl3-6.0bpw": 6.0, "aqlm-2bit": 2.02,
    "nf4-double": 4.127, "bnb-int8": 8.0, "fp8": 8.0, "nvfp4": 4.5, "mxfp4": 4.25,
}  # fmt: skip
"""Formats that are predicted, and the bits of their layers; dynamic mixes have those of the mix of their name."""

SIZES = {
    "1B": Subject(1e9), "3B": Subject(3e9), "8B": Subject(8e9), "14B": Subject(14e9), "32B": Subject(32e9),
    "70B": Subject(70e9), "30B-A3B": Subject(30e9, is_mixture=True, active=3e9),
    "120B-A6B": Subject(120e9, is_mixture=True, active=6e9), "235B-A22B": Subject(235e9, is_mixture=True, active=22e9),
    "671B-A37B": Subject(671e9, is_mixture=True, active=37e9),
}  # fmt: skip

CACHES = {"q8_0": 8.5, "fp8": 8.0, "int8": 8.0, "q5_0": 5.5, "q4_0": 4.5, "int4": 4.0}
_TASKS = (*TASKS, *UNMEASURED_TASKS)


def predicted(model: LossModel, errors: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.quantisation_loss`.

    Args:
        model: Fits to the measurements.
        errors: Held-out error, as `errors` makes it.
    """
    off = {
        str(row["range_of_bits"]): float(row["median_absolute_error"])
        for row in errors.filter(pl.col("metric").eq("benchmark_percent") & pl.col("tasks").eq("all")).to_dicts()
    }
    rows = [
        {**_about(name, bits, size, subject), **_answer(model.quantisation_loss(bits, name, subject, task=task), task),
         "held_out_median_error_points": off.get(bits_class(bits))}
        for name, bits in FORMATS.items() for size, subject in SIZES.items() for task in _TASKS
    ]  # fmt: skip
    divergences = _divergences(model)
    rows = [{**row, **divergences[str(row["format"]), str(row["size_class"])]} for row in rows]
    rows += [
        {"applies_to": "kv cache", "format": name, "bits": bits, "size_class": "any",
         **_answer(model.cache_loss(bits, task=task), task)}
        for name, bits in CACHES.items() for task in _TASKS
    ]  # fmt: skip
    return QUANTISATION_LOSS.frame(rows)


def pairs(held_out_rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.quantisation_pairs`, of what `held_out` makes."""
    of_points = pl.col("metric") == "benchmark_percent"
    return held_out_rows.with_columns(
        model_id=pl.col("model").replace_strict(_hub_ids(held_out_rows["model"].unique()), return_dtype=pl.String),
        measured="delta",
        predicted_low="low",
        predicted_high="high",
        is_inside=pl.col("delta").is_between("low", "high"),
        is_resolved=pl.when(of_points).then(pl.col("delta").abs() >= SINGLE_RUN * pl.col("run_noise")),
    )


def _hub_ids(names: pl.Series) -> dict[str, str | None]:
    """Hub ids by the names of sources; None where only a model of the same shapes is known."""
    known = sorted({*catalogue(), *reviewed()["model_id"].drop_nulls()})
    matches = {name: resolve_model(name, known, suggest=False) for name in names}
    return {name: None if match.evidence.startswith(SAME_SHAPES) else match.model_id for name, match in matches.items()}


def errors(held_out_rows: pl.DataFrame, intervals: Intervals) -> pl.DataFrame:
    """Rows of `marts.quantisation_errors`."""
    widths = {**intervals.points, **intervals.tokens}
    rows = errors_of(held_out_rows).rename({"coverage": "interval_coverage"})
    group = pl.when(pl.col("tasks") == "text").then("metric").when(pl.col("tasks") == "all").then("range_of_bits")
    return rows.with_columns(
        group.replace_strict(widths, default=None, return_dtype=pl.Float64).alias("interval_half_width")
    ).select(QUANTISATION_ERRORS.column_names)


def _about(name: str, bits: float, size: str, subject: Subject) -> dict[str, object]:
    return {
        "applies_to": "weights", "format": name, "recipe": recipe_of(name), "bits": bits, "size_class": size,
        "parameters_b": subject.parameters / 1e9, "is_mixture": subject.is_mixture,
    }  # fmt: skip


def _answer(loss: Loss, task: str) -> dict[str, object]:
    return {
        "task": task, "points_lost": loss.points, "points_lost_low": loss.low, "points_lost_high": loss.high,
        "is_resolved": None if loss.points is None else loss.resolved, "noise_floor_points": loss.noise_floor,
        "measurements": loss.measurements, "models": loss.models, "basis": loss.basis,
        "warnings": " ".join(loss.warnings) or None,
    }  # fmt: skip


def _divergences(model: LossModel) -> dict[tuple[str, str], dict[str, float]]:
    """KL divergence of every format and size, at once."""
    cases = pl.DataFrame(
        [
            {"format": name, "size_class": size, "metric": "mean_kld", "layer_bits": bits, "recipe": recipe_of(name),
             "effective_b": subject.effective_billions, "is_mixture": subject.is_mixture, "is_llama_3": False}
            for name, bits in FORMATS.items() for size, subject in SIZES.items()
        ]
    )  # fmt: skip
    factor = float(np.exp(model.intervals.tokens["mean_kld"]))
    keys = cases.select("format", "size_class").rows()
    return {
        (str(name), str(size)): {
            "kl_divergence_nats": nats, "kl_divergence_low_nats": nats / factor,
            "kl_divergence_high_nats": nats * factor,
        }
        for (name, size), nats in zip(keys, model.of_tokens.nats(cases).tolist(), strict=True)
    }  # fmt: skip
