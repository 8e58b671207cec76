"""Results in the columns of our own table: what the project bundles, and what a home wrote for another."""

import datetime as dt

import polars as pl

from analytics.statistics.redefinitions import unmarked
from pipelines.sources.boards.documents import Member, text_of
from pipelines.sources.boards.names import parsed_name
from pipelines.sources.boards.read import FACT_SCHEMA, Read
from pipelines.sources.boards.results import RESULT_SCHEMA
from pipelines.sources.tables import ROW, UnreadableFile, numbered, read_as_text
from warehouse.contracts.boards import BENCHMARK_RESULTS, MODEL_FACTS
from warehouse.contracts.violations import value_rules

COLUMNS = [name for name in RESULT_SCHEMA if name not in {ROW, "member"}]
"""In the order in which they are written."""


def read_facts(member: Member) -> Read:
    """Read what a source states of models, in the columns of `core.model_facts`.

    Raises:
        UnreadableFile: it is no such table.
    """
    text = read_as_text(text_of(member.payload, member.name).encode(), ".csv", member.name)
    typed = text.select(_typed(name, text, dtype) for name, dtype in FACT_SCHEMA.items() if name != "link")
    typed = typed.with_columns(link="weights_url")
    required = [column.name for column in MODEL_FACTS.columns if column.required]
    good = typed.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in required))
    lacking = typed.height - good.height
    bad: list[tuple[int | None, str, str]] = [(None, "", f"{lacking} rows lack one of {', '.join(required)}")]
    return Read(
        pl.DataFrame(schema=RESULT_SCHEMA), good.select(list(FACT_SCHEMA)), bad if lacking else [],
        text.height, good.height,
    )  # fmt: skip


def read(member: Member) -> Read:
    """Read a table of ours; rows that break its contract are set aside.

    Raises:
        UnreadableFile: it is no such table.
    """
    text = read_as_text(text_of(member.payload, member.name).encode(), ".csv", member.name)
    missing = [name for name in COLUMNS if name not in text.columns and name != "link"]
    if missing:
        raise UnreadableFile(f"{member.name} lacks the columns {', '.join(missing)}.")
    typed = numbered(text).select(
        ROW,
        pl.lit("").alias("member"),
        *(_typed(name, text, RESULT_SCHEMA[name]) for name in COLUMNS),
    )
    rules = [
        (rule, why)
        for why, rule in value_rules(BENCHMARK_RESULTS).items()
        if not why.startswith(("model_id", "is_newest"))
    ]
    required = [c.name for c in BENCHMARK_RESULTS.columns if c.required and c.name in RESULT_SCHEMA]
    conditions = [*rules, *((pl.col(name).is_null(), f"{name} is missing") for name in required)]
    reason = pl.coalesce([pl.when(broken.fill_null(value=False)).then(pl.lit(why)) for broken, why in conditions])
    judged = typed.with_columns(reason.alias("reason"))
    bad = judged.filter(pl.col("reason").is_not_null()).select(ROW, "reason").rows()
    # What is redefined follows from all states of a source, so each home finds it for itself; else the same results
    # from here and from the source's own file would be two.
    version = unmarked(pl.col("benchmark_version")).alias("benchmark_version")
    good = judged.filter(pl.col("reason").is_null()).select(list(RESULT_SCHEMA)).with_columns(version)
    return Read(
        good, pl.DataFrame(schema=FACT_SCHEMA), [(n, "", why) for n, why in bad], text.height, good.height, set()
    )


def _typed(name: str, text: pl.DataFrame, dtype: pl.DataType) -> pl.Expr:
    if name not in text.columns:
        return pl.lit(None, dtype).alias(name)
    trimmed = pl.col(name).str.strip_chars()
    cell = pl.when(trimmed != "").then(trimmed)
    if dtype == pl.Boolean:
        return (cell.str.to_lowercase() == "true").alias(name)
    if dtype == pl.Date:
        return cell.str.to_date("%Y-%m-%d", strict=False).alias(name)
    return cell.cast(dtype, strict=False).alias(name)


def written(results: pl.DataFrame) -> bytes:
    """Rows as the CSV that `read` reads, without columns of the home."""
    # That a mode is left open follows from other sources too, so each home finds it for itself.
    modes = {name: parsed_name(name).mode for name in results["name_in_source"].unique()}
    own = pl.col("name_in_source").replace_strict(modes, default=None, return_dtype=pl.String)
    mode = pl.when(pl.col("mode") == "hybrid-unknown").then(own).otherwise("mode").alias("mode")
    version = unmarked(pl.col("benchmark_version")).alias("benchmark_version")
    frame = results.select([name for name in COLUMNS if name in results.columns]).with_columns(mode, version)
    return (
        frame.sort("benchmark", "benchmark_version", "metric", "name_in_source", "mode", "effort", "scaffold")
        .write_csv()
        .encode()
    )


def written_facts(facts: pl.DataFrame) -> bytes:
    """What sources state of models as the CSV that `read_facts` reads."""
    return facts.drop("model_id").sort("source", "name_in_source").write_csv().encode()


def written_measurements(measurements: pl.DataFrame) -> bytes:
    """Measurements of whole passes as the CSV that every home reads."""
    return measurements.sort(measurements.columns, nulls_last=True).write_csv().encode()


def name_of(rows: pl.DataFrame, source: str, suffix: str = "") -> str:
    """Name of the file of a source's rows: its newest date and the source."""
    newest: dt.date = rows.select(pl.col("snapshot_date").max()).item()
    return f"{newest.isoformat()}_{source}{suffix}.csv"
