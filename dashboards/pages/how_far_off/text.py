"""Words and rows of the page How far off."""

import re
from typing import Any

import polars as pl

from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import Rows
from dashboards.parts import formats, theme
from profiling.accuracy.held_out import ALL_ENGINES
from profiling.accuracy.table import furthest

_MARKS = {"devices": (0, "devices left out"), "models": (1, "models left out")}
WORST = 10


def first_sentence(shipped: pl.DataFrame, stage: str) -> str:
    """The error of a stage over all engines, or of the stages with the least and the greatest error."""
    whole = shipped.filter(pl.col("engine") == ALL_ENGINES, pl.col("left_out") == "devices").sort("mdape_pct")
    chosen = whole.filter(pl.col("stage") == stage)
    if chosen.height:
        row = chosen.row(0, named=True)
        models = shipped.filter(
            pl.col("engine") == ALL_ENGINES, pl.col("left_out") == "models", pl.col("stage") == stage
        )
        seen = f", and {models['mdape_pct'][0]:.0f} % off for new models on known devices" if models.height else ""
        return (
            f"Predictions of {stage} are a median {row['mdape_pct']:.0f} % off on devices outside the fit{seen} "
            f"({row['rows']:,} measurements)."
        )
    least, most = whole.row(0, named=True), whole.row(-1, named=True)
    return (
        f"On devices outside the fit, predictions are a median {least['mdape_pct']:.0f} % ({least['stage']}) to "
        f"{most['mdape_pct']:.0f} % ({most['stage']}) off, over {whole['rows'].sum():,} published measurements."
    )


def fitted_to(shipped: pl.DataFrame) -> str:
    """What the engines that ship are fitted to, in words."""
    rows = shipped.filter(pl.col("engine") == ALL_ENGINES, pl.col("left_out") == "models")["rows"].sum()
    return f"{rows:,} measurements that others published"


def rows_of(shipped: pl.DataFrame, stage: str) -> tuple[pl.DataFrame, str]:
    """What is drawn: stages over all engines, or engines at one stage; and the column that names a row."""
    if stage in shipped["stage"].unique():
        return shipped.filter(pl.col("stage") == stage), "engine"
    return shipped.filter(pl.col("engine") == ALL_ENGINES), "stage"


def dots(chosen: pl.DataFrame, named: str) -> Rows:
    """A row per stage or engine, the best first, with a mark for devices left out and one for models left out."""
    order = (
        chosen.filter(pl.col("left_out") == "devices").sort(pl.col(named) != ALL_ENGINES, "mdape_pct")[named].to_list()
    )
    order += [name for name in chosen[named].unique(maintain_order=True) if name not in order]
    marks = [
        {
            "row": order.index(row[named]), "x": row["mdape_pct"], "low": None, "high": None,
            "colour": theme.COLOURS[_MARKS[row["left_out"]][0]], "mark": theme.MARKS[_MARKS[row["left_out"]][0]],
            "fill": 0.85, "name": f"{row[named]}: {row['mdape_pct']:.0f} %, {row['left_out']} left out",
            "first": f"{row['rows']:,} measurements, {row['devices']} devices, {row['models']} models",
            "second": "80 % took "
            f"{formats.significant(row['measured_over_predicted_p10'])} to "
            f"{formats.significant(row['measured_over_predicted_p90'])} times what was predicted",
        }
        for row in chosen.iter_rows(named=True)
    ]  # fmt: skip
    schema = {"row": pl.Int64, "x": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    frame = pl.DataFrame(marks, schema_overrides=schema)
    return Rows(names=order, marks=frame, axis="Median absolute error (%)", zero=0.0, row_px=34)


def side_by_side(shipped: pl.DataFrame) -> pl.DataFrame:
    """A row per stage and engine, with the errors on devices left out beside those on models left out."""
    wide = shipped.pivot("left_out", index=["stage", "engine", "rows", "devices", "models"])
    return wide.rename(lambda name: re.sub("^(.*)_(devices|models)$", r"\2_left_out_\1", name))


LEGEND = tuple((words, theme.COLOURS[place], theme.MARKS[place]) for place, words in _MARKS.values())


def predicted_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Measurements with a prediction, with the columns that `profiling.accuracy.table` names."""
    return labelled(rows).filter(pl.col("predicted").is_not_null(), pl.col("measured") > 0)


def labelled(rows: pl.DataFrame) -> pl.DataFrame:
    """All measurements, with the columns that `profiling.accuracy.table` names."""
    return rows.with_columns(
        stage=pl.col("compared_as").fill_null("not compared"),
        device=pl.coalesce("accelerator", "device_as_reported"),
        model=pl.coalesce("model_id", "model_as_reported"),
        format="weight_format",
    )


def worst(predicted: pl.DataFrame) -> pl.DataFrame:
    """The predictions that are furthest off by their ratio, with what is known of why."""
    return furthest(predicted, WORST).with_columns(pl.col("known_causes").fill_null("inside the interval"))


def own_sentence(rows: pl.DataFrame, predicted: pl.DataFrame) -> str:
    """What one's own measurements say, in a sentence or two."""
    if predicted.is_empty():
        return f"{rows.height:,} measurements are in this home, and none could be predicted."
    error = 100 * (predicted["predicted"] / predicted["measured"] - 1).abs()
    inside = 100 * predicted["measured"].is_between(predicted["low"], predicted["high"]).mean()  # type: ignore[operator]
    below = int((predicted["measured"] < predicted["bound"]).fill_null(value=False).sum())
    return (
        f"Of {rows.height:,} measurements {predicted.height:,} could be predicted: a median "
        f"{float(str(error.median())):.0f} % off, {float(str(inside)):.0f} % of them inside the interval that should "
        f"hold 80 %, {below:,} below the bound."
    )


def drawn(predicted: pl.DataFrame, unit: str, by: str) -> pl.DataFrame:
    """Points of the picture, of one unit."""
    chosen = predicted.filter(pl.col("unit") == unit).with_columns(
        group=pl.col("stage" if by == "batch" else by).fill_null("not stated"),
        name=pl.format("{} on {}", pl.col("model").fill_null("?"), pl.col("device").fill_null("?")),
        facts=pl.struct("stage", "engine", "predicted", "measured", "source").map_elements(
            _facts, return_dtype=pl.String
        ),
    )
    return with_pages(chosen, {model: model for model in chosen["model"].drop_nulls()}, "model")


def _facts(row: dict[str, Any]) -> str:
    return (
        f"{row['stage']}, {row['engine'] or 'engine not stated'}: predicted {formats.significant(row['predicted'])}, "
        f"measured {formats.significant(row['measured'])} ({row['source'] or 'source not stated'})"
    )
