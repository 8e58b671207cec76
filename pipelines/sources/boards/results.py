"""What becomes of scores read: what is known of their benchmarks, their errors, units that hold, one row a key."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from statistics import NormalDist
from typing import Any

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import File
from pipelines.sources.boards.documents import FILE_PATH
from pipelines.sources.tables import ROW
from warehouse.contracts.boards import BENCHMARK_RESULTS, CATEGORIES, REPORTERS

MADE_LATER = ("snapshot_id", "retrieved_at", "model_id", "is_newest")
RESULT_SCHEMA: dict[str, Any] = {
    ROW: pl.Int64(),
    "member": pl.String(),
    "link": pl.String(),
    **{name: dtype for name, dtype in BENCHMARK_RESULTS.polars_schema.items() if name not in MADE_LATER},
}
"""What reading gives: the columns of the table that a file decides, with the row, the member of a zip and the link."""
_TOO_MANY_BELOW_ONE = 5
_TOO_MANY_OF_A_FILE = 3
"""So many scores of a column, or of all columns in percent, none above 1, are no percents."""
_FEWEST_ABOVE_ONE = 2
"""So many of a column of fractions, and at least half of them, above 1 are percents."""
_WIDTHS = {level / 1000: 2 * NormalDist().inv_cdf(0.5 + level / 2000) for level in range(1, 1000)}
"""Level of an interval → its width in standard errors, by thousandths."""
_SCALE = pl.when(pl.col("unit") == "percent").then(100.0).otherwise(1.0)
_IS_SHARE = pl.col("unit").is_in(["fraction", "percent"])


@cache
def known_benchmarks() -> dict[str, dict[str, Any]]:
    """What `benchmarks.toml` knows: category, chance, items by name in small letters and single blanks."""
    text = resources.files("pipelines").joinpath("sources", "boards", "benchmarks.toml").read_text("utf-8")
    by_category = tomllib.loads(text).items()
    return {name: {"category": category, **facts} for category, named in by_category for name, facts in named.items()}


def _benchmark_facts(name: str) -> Mapping[str, Any]:
    """What is known of a benchmark by its name, or without who reports it before `::` and what is in brackets."""
    benchmarks = known_benchmarks()
    bare = re.sub(r"\s*\([^()]*\)$", "", name.rsplit("::", 1)[-1])
    return benchmarks.get(plain(name)) or benchmarks.get(plain(bare)) or {}


def plain(name: str) -> str:
    """A benchmark's name in small letters, everything but letters and digits a single blank."""
    return re.sub(r"[^a-z0-9]+", " ", name.casefold()).strip()


def completed(picked: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    """Scores with what their rows say, what is known of their benchmarks, and their errors."""
    names = picked["benchmark"].drop_nulls().unique().to_list()
    facts = [_benchmark_facts(name) for name in names]
    known_facts = pl.DataFrame(
        {
            "benchmark": names,
            "known_category": [fact.get("category") for fact in facts],
            "known_chance": [fact.get("chance") for fact in facts],
            "known_items": [fact.get("items") for fact in facts],
        },
        schema={
            "benchmark": pl.String, "known_category": pl.String, "known_chance": pl.Float64, "known_items": pl.Int64
        },
    )  # fmt: skip
    category = pl.when(pl.col("category").is_in(CATEGORIES)).then("category")
    own_reporter = pl.when(pl.col("own_reporter").is_in(REPORTERS)).then("own_reporter")
    joined = (
        picked.lazy()
        .join(base.lazy(), on=[ROW, FILE_PATH], how="inner", maintain_order="left")
        .join(known_facts.lazy(), on="benchmark", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce(category, "known_category", pl.lit("other")).alias("category"),
            pl.coalesce("chance_level", pl.when(_IS_SHARE).then(pl.col("known_chance") * _SCALE)).alias("chance_level"),
            pl.coalesce("n_items", pl.when(_IS_SHARE).then("known_items")).alias("n_items"),
            pl.coalesce("ci_low", pl.col("score") - pl.col("half")).alias("ci_low"),
            pl.coalesce("ci_high", pl.col("score") + pl.col("half")).alias("ci_high"),
            pl.coalesce(own_reporter, "reporter").alias("reporter"),
            (pl.coalesce("own_may_bundle", "may_bundle") & pl.col("licence").is_not_null()).alias("may_bundle"),
        )
    )
    return _with_errors(joined).collect()


def _with_errors(joined: pl.LazyFrame) -> pl.LazyFrame:
    """Standard errors as published, else from the interval, else binomial where the score is a share of questions.

    Binomial with two right and two wrong answers added (Agresti and Coull 1998), so that 0 and 100 % have an error.
    """
    # One that is not above zero is no error: some boards write 0 where they have none.
    published = pl.when(pl.col("standard_error") > 0).then("standard_error")
    bounded = (pl.col("ci_high") > pl.col("ci_low")).fill_null(value=False)
    width = pl.col("ci_level").replace_strict(_WIDTHS, default=None, return_dtype=pl.Float64)
    from_interval = pl.when(bounded).then((pl.col("ci_high") - pl.col("ci_low")) / width)
    n = pl.col("n_items") + 4
    share = (pl.col("score") / _SCALE * pl.col("n_items") + 2) / n
    is_binomial = pl.col("binomial") & _IS_SHARE & share.is_between(0, 1)
    binomial = pl.when(is_binomial).then((share * (1 - share) / n).sqrt() * _SCALE)
    origin = (
        pl.when(published.is_not_null())
        .then(pl.lit("published"))
        .when(from_interval.is_not_null())
        .then(pl.lit("interval"))
        .when(binomial.is_not_null())
        .then(pl.lit("binomial"))
    )
    return joined.with_columns(
        pl.coalesce(published, from_interval, binomial).alias("standard_error"),
        origin.alias("standard_error_origin"),
        pl.when(bounded).then("ci_level").alias("ci_level"),
    )


def held_against_units(scores: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int | None, str, str]]]:
    """What can be a score of its unit, and why the rest cannot."""
    value, shown = pl.col("score"), pl.col("cell").str.slice(0, 60)
    positive = pl.when(value > 0).then(value)
    of_unit = positive.max().over("unit") <= 1
    as_fractions = (pl.col("unit") == "percent") & (
        ((positive.count().over("column") >= _TOO_MANY_BELOW_ONE) & (positive.max().over("column") <= 1))
        | ((positive.count().over("unit") >= _TOO_MANY_OF_A_FILE) & of_unit)
    )
    above = (value > 1).sum().over("column")
    as_percents = (
        (pl.col("unit") == "fraction")
        & (pl.col("most") == 1)
        & (above >= _FEWEST_ABOVE_ONE)
        & (2 * above >= positive.count().over("column"))
    )
    is_signed = pl.col("cell").str.contains("%")
    # In a column of percent signs a number of at most 1 without one may be a fraction, or less than a percent.
    unsigned = (pl.col("unit") == "percent") & is_signed.any().over("column") & ~is_signed & (value > 0) & (value <= 1)
    unclear = value.is_null() & pl.col("cell").str.contains(values.UNCLEAR)
    rules: list[tuple[pl.Expr, pl.Expr]] = [
        (unclear, pl.format("{}: what separates digits in '{}' may be decimal or separate thousands", "column", shown)),
        (value.is_null(), pl.format("{}: '{}' is not a number", "column", shown)),
        (pl.col("benchmark").is_null(), pl.format("{}: no benchmark is named", "column")),
        (pl.col("benchmark_version").is_null(), pl.format("{}: the version cannot be determined", "column")),
        (as_percents, pl.format("{}: percents, where the declaration says fractions ({})", "column", shown)),
        (value < pl.col("least"), pl.format("{}: {} is below {}", "column", shown, "least")),
        (value > pl.col("most"), pl.format("{}: {} is above {}", "column", shown, "most")),
        (unsigned, pl.format("{}: '{}' has no percent sign where others have, and may be a fraction", "column", shown)),
        (as_fractions, pl.format("{}: fractions, where the declaration says percent", "column")),
        (value < pl.col("ci_low"), pl.format("{}: {} lies outside its own interval", "column", shown)),
        (value > pl.col("ci_high"), pl.format("{}: {} lies outside its own interval", "column", shown)),
    ]
    reason = pl.coalesce([pl.when(broken.fill_null(value=False)).then(why) for broken, why in rules])
    judged = scores.with_columns(reason.alias("reason"))
    bad = judged.filter(pl.col("reason").is_not_null()).select(ROW, "member", "reason").rows()
    valid = judged.filter(pl.col("reason").is_null())
    valid = valid.with_columns(
        pl.when(pl.col("ci_level").is_not_null()).then(n).alias(n) for n in ("ci_low", "ci_high")
    )
    good = valid.select(list(RESULT_SCHEMA)).cast(pl.Schema(RESULT_SCHEMA))
    return good, [(n, m, r) for n, m, r in bad]


_KEY = ["snapshot_date", "benchmark", "benchmark_version", "name_in_source", "mode", "effort", "scaffold", "metric"]


def once(results: pl.DataFrame, file: File) -> tuple[pl.DataFrame, list[tuple[int | None, str, str]]]:
    """One row a key: equal ones are the same statement; of others the one that the declaration says, or the first."""
    results = results.with_row_index("order")
    if file.on_repeat == "latest":
        ranked = results.sort("measured_on", "order", descending=[True, False], nulls_last=True)
    elif file.on_repeat == "best":
        sign = pl.when("higher_is_better").then(-pl.col("score")).otherwise(pl.col("score"))
        ranked = results.sort(sign, "order")
    else:
        ranked = results
    winners = ranked.unique(_KEY, keep="first", maintain_order=True)
    if winners.height == results.height:
        return results.drop("order"), []
    first = winners.select(*_KEY, pl.col("score").alias("winner_score"), pl.col(ROW).alias("winner_row"))
    others = results.join(winners, on="order", how="anti").join(first, on=_KEY, how="left", nulls_equal=True)
    if file.on_repeat == "reject":
        others = others.filter(pl.col("score") != pl.col("winner_score"))
    reason = pl.format("repeats row {} of the same model and benchmark ({})", "winner_row", "benchmark")
    rejected = others.select(ROW, "member", reason).rows() if file.on_repeat == "reject" else []
    return winners.sort("order").drop("order"), [(n, m, r) for n, m, r in rejected]
