"""Which of the choices pass the limits, why the others do not, and which of them no other beats; pure, no widgets."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import polars as pl

from analytics.statistics.normal import TWO_SIDED_90, TWO_SIDED_95
from analytics.units import JOULES_PER_KWH

PRECISIONS = {"w16a16kv16": "16-bit", "w8a8kv8": "8-bit", "w4a16kv16": "4-bit"}
"""Names for reading, the highest precision first."""
ROOFLINE_WEIGHTS = {"w16a16kv16": ("bf16", "16"), "w8a8kv8": ("fp8", "8"), "w4a16kv16": ("awq-4bit-g128", "16")}
"""Weights and cache bits of each precision as the roofline page names them."""
BENCHMARKS = {
    "ifeval": "IFEval", "bbh": "BBH", "math_lvl_5": "MATH Lvl 5", "gpqa": "GPQA", "musr": "MUSR",
    "mmlu_pro": "MMLU-PRO",
}  # fmt: skip
"""Columns of the benchmarks that can be weighed, and their names."""
WEIGHTED = "weighted"
ABILITY = "ability"
LEVELS = {ABILITY: 90}
"""Level in percent of the intervals of a measure of quality, as it is published; others' are of 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a choice must keep; zero and `any` mean no limit.

    Attributes:
        devices: How many there are at most; choices may use fewer.
    """

    devices: int = 1
    licence: str = "any"
    maker: str = "any"
    merges: bool = True
    precision: str = "any"
    borderline: bool = False
    first_token_s: float = 0.0
    tokens_per_s: float = 0.0
    usd: float = 0.0
    grams: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is cared for.

    Attributes:
        quality: Column, or `WEIGHTED`.
        weights: Of the benchmarks, for `WEIGHTED`.
        usd_per_device_hour: What an hour of one device costs; 0 for the cheapest rent listed.
        usd_per_kwh: Price of electricity, which stands in where no rental price is listed.
    """

    quality: str = "open_llm_v2_average"
    weights: Mapping[str, int] = field(default_factory=dict)
    usd_per_device_hour: float = 0.0
    usd_per_kwh: float = 0.0


def quality(wish: Wish) -> pl.Expr:
    """The wished quality as a column; null where a part of it was not measured."""
    if wish.quality != WEIGHTED:
        return pl.col(wish.quality)
    weights = {name: weight for name, weight in wish.weights.items() if weight}
    if not weights:
        return pl.lit(None, pl.Float64)
    # A null in any part makes the sum null.
    total = sum((weight * pl.col(name) for name, weight in weights.items()), start=pl.lit(0.0))
    return total / sum(weights.values())


def priced(choices: pl.DataFrame, wish: Wish) -> pl.DataFrame:
    """The choices with `quality`, its interval and error, and `usd`, `usd_basis` and kWh per million.

    `quality_low`, `quality_high` and `quality_error` are null where the error is not known; `quality_level` is the
    level of the interval in percent.
    """
    joules = pl.col("joules_per_million_tokens") + pl.col("host_joules_per_million_tokens")
    electricity = joules / JOULES_PER_KWH * wish.usd_per_kwh
    if wish.usd_per_device_hour > 0:
        own = pl.col("devices") * wish.usd_per_device_hour / 3600 * 1e6 / pl.col("tokens_per_s")
        usd, basis = own, pl.lit("your price")
    else:
        usd = pl.coalesce("usd_per_million_tokens", electricity)
        basis = (
            pl.when(pl.col("usd_per_million_tokens").is_not_null())
            .then(pl.lit("rent"))
            .when(electricity.is_not_null())
            .then(pl.lit("electricity"))
        )
    low, high, error = _interval(wish, choices.columns)
    energy = {
        name.replace("joules", "kwh"): (pl.col(name) + pl.col(f"host_{name}")) / JOULES_PER_KWH
        for name in choices.columns
        if name.startswith("joules_")
    }
    return choices.with_columns(
        quality(wish).alias("quality"),
        low.alias("quality_low"),
        high.alias("quality_high"),
        error.alias("quality_error"),
        pl.lit(level(wish.quality)).alias("quality_level"),
        usd.alias("usd"),
        basis.alias("usd_basis"),
        **energy,
    ).filter(pl.col("quality").is_not_null())


def level(quality: str) -> int:
    """Level of the intervals of a measure of quality, in percent."""
    return LEVELS.get(quality, 95)


def _interval(wish: Wish, columns: Collection[str]) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Low and high end of the interval of the wished quality, and its standard error."""
    stem = wish.quality.removesuffix("_average")
    ends = {ABILITY: ("ability_low", "ability_high", TWO_SIDED_90),
            "arena_rating": ("arena_rating_lower", "arena_rating_upper", TWO_SIDED_95)}  # fmt: skip
    if wish.quality in ends:
        low, high, quantile = ends[wish.quality]
        return pl.col(low), pl.col(high), (pl.col(high) - pl.col(low)) / (2 * quantile)
    error = pl.col(f"{stem}_standard_error") if f"{stem}_standard_error" in columns else pl.lit(None, pl.Float64)
    return quality(wish) - TWO_SIDED_95 * error, quality(wish) + TWO_SIDED_95 * error, error


def judged(choices: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    """One row per model: the most exact precision that keeps the limits, or why none does.

    Args:
        choices: Rows of `marts.choices` on one hardware, with what `priced` adds.
        limits: What to keep.

    Returns:
        A row per model in the order of quality; `reason` is null where it passes, else says what the precision that
        came nearest breaks first; `fits_at` lists the verdict of each precision.
    """

    def number(column: str, digits: int = 1) -> pl.Expr:
        return pl.col(column).round(digits).cast(pl.String)

    budget = number("memory_budget_gib")
    breaks: list[tuple[pl.Expr, pl.Expr]] = [
        (~pl.col("is_on_hub").fill_null(value=True), pl.lit("weights are no longer on the hub")),
        (pl.col("is_flagged").fill_null(value=False), pl.lit("flagged by the board, for contamination and the like")),
    ]
    if not limits.merges:
        breaks.append((pl.col("is_merged").fill_null(value=False), pl.lit("made by merging weights")))
    if limits.maker == "official":
        breaks.append((~pl.col("is_official_provider").fill_null(value=False), pl.lit("not by an official provider")))
    if limits.licence != "any":
        allowed = ["open_source"] if limits.licence == "open_source" else ["open_source", "open_weights"]
        stated = pl.format("licence {}", pl.col("licence").fill_null("not stated"))
        breaks.append((~pl.col("licence_class").is_in(allowed).fill_null(value=False), stated))
    if limits.precision != "any":
        breaks.append((pl.col("precision") != limits.precision, pl.lit("a different precision was requested")))
    needs = pl.format("needs {} GiB a device in {}, you have {}", number("memory_low_gib"), _label(), budget)
    if limits.devices > 1:
        needs = pl.format("needs {} GiB on one in {}, each has {}", number("memory_low_gib"), _label(), budget)
    breaks.append((pl.col("verdict") == "does not fit", needs))
    if not limits.borderline:
        may_need = pl.format(
            "needs {} to {} GiB a device in {}, you have {}",
            number("memory_low_gib"), number("memory_high_gib"), _label(), budget,
        )  # fmt: skip
        breaks.append((pl.col("verdict") == "borderline", may_need))
    for column, limit, text, more_is_better in (
        ("time_to_first_token_s", limits.first_token_s, "first token after {} s in {}", False),
        ("tokens_per_s", limits.tokens_per_s, "{} tokens/s in {}", True),
        ("usd", limits.usd, "{} USD per million tokens in {}", False),
        ("g_co2e_per_million_tokens", limits.grams, "{} g CO₂e per million tokens in {}", False),
    ):
        if limit > 0:
            missed = pl.col(column) < limit if more_is_better else pl.col(column) > limit
            unknown = pl.col(column).is_null() & (pl.col("verdict") != "does not fit")
            why = pl.format(text, pl.col(column).round(2).cast(pl.String).fill_null("an unknown number of"), _label())
            breaks.append((missed.fill_null(value=False) | unknown, why))
    stage: pl.Expr = pl.lit(len(breaks))
    reason: pl.Expr = pl.lit(None, pl.String)
    for place, (broken, words) in reversed(list(enumerate(breaks))):
        stage = pl.when(broken).then(place).otherwise(stage)
        reason = pl.when(broken).then(words).otherwise(reason)
    passes = pl.col("reason").is_null()
    # Of those that pass the most exact; of those that do not, the one that came furthest, and then the smallest.
    nearest = pl.when(passes).then(-pl.col("weight_bits")).otherwise(pl.col("weight_bits"))
    word = pl.col("verdict").replace_strict({"fits": "yes", "borderline": "perhaps", "does not fit": "no"})
    if limits.devices > 1:
        on = pl.when(pl.col("verdict") != "does not fit").then(pl.format(" on {}", "devices")).otherwise(pl.lit(""))
        word = pl.concat_str(word, on)
    verdicts = choices.group_by("model_id").agg(
        pl.format("{} {}", _label(), word).sort_by("weight_bits", descending=True).str.join(" · ").alias("fits_at")
    )
    return (
        choices.with_columns(stage.alias("_stage"), reason.alias("reason"))
        .sort("model_id", -pl.col("_stage"), nearest)
        .unique("model_id", keep="first", maintain_order=True)
        .drop("_stage")
        .join(verdicts, on="model_id", how="left", maintain_order="left")
        .sort("quality", "model_id", descending=[True, False])
    )


def _label() -> pl.Expr:
    return pl.col("precision").replace_strict(PRECISIONS, default=pl.col("precision"))


def front(fitting: pl.DataFrame, against: str, *, more_is_better: bool) -> pl.DataFrame:
    """Models that no other beats on both quality and `against`, from the best value of that to the best quality.

    A row beats another if it is at least as good in both and better in one; equal rows are all kept.
    """
    front_rows = fitting.filter(pl.col(against).is_not_null()).sort(
        against, "quality", "model_id", descending=[more_is_better, True, False]
    )
    # Rows of one value come together, so what was best before them is the running best shifted to their first.
    front_rows = front_rows.with_columns(pl.col("quality").cum_max().shift(1).alias("_before"))
    before = pl.col("_before").first().over(against)
    best_at = pl.col("quality").max().over(against)
    unbeaten = (pl.col("quality") == best_at) & (before.is_null() | (pl.col("quality") > before))
    return front_rows.filter(unbeaten).drop("_before")


def within_noise(fitting: pl.DataFrame, best: Mapping[str, object]) -> pl.DataFrame:
    """Other models whose quality differs from the best one's by no more than 1.96 standard errors of the difference.

    Errors are taken as independent, which is conservative: both answered the same questions.
    """
    if best["quality_error"] is None:
        return fitting.clear()
    both = (pl.col("quality_error") ** 2 + float(str(best["quality_error"])) ** 2).sqrt()
    near = (float(str(best["quality"])) - pl.col("quality")).abs() <= TWO_SIDED_95 * both
    return fitting.filter(near.fill_null(value=False), pl.col("model_id") != best["model_id"])
