"""Rows of a leaderboard table by its declared layout: typed entries and scores, and what had to be set aside."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analytics.fronts.normalisation import standard_error
from pipelines.sources.accounts import rejected_cells, unread_columns
from pipelines.sources.cells import model_type_emoji
from pipelines.sources.leaderboards.layouts import BENCHMARKS, LAYOUTS, Layout
from pipelines.sources.raw_store import RawSnapshot
from pipelines.sources.tables import ROW, numbered, read_as_text
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, REPORTED_ENTRIES

BY_NAME = {layout.name: layout for layout in LAYOUTS}
_EMOJI = model_type_emoji("T")


@dataclass(frozen=True)
class Parsed:
    """What one stored file says.

    Attributes:
        entries: Rows of `raw.reported_entries`.
        scores: Rows of `core.benchmark_scores`.
        rejected: Rows of `meta.rejected_rows`.
        rows_read: Rows in the file.
    """

    entries: pl.DataFrame
    scores: pl.DataFrame
    rejected: pl.DataFrame
    rows_read: int


def parse(snapshot: RawSnapshot) -> Parsed:
    """Read a stored table by the layout of its manifest.

    Raises:
        UnreadableFile: the stored bytes are damaged.
    """
    layout = BY_NAME[snapshot.manifest.layout]
    text = read_as_text(snapshot.path.read_bytes(), snapshot.path.suffix, snapshot.manifest.uri)
    surplus = layout.surplus(text.columns)
    # A column that is absent and may be reads as a column without values.
    text = text.with_columns(pl.lit(None, pl.String).alias(c) for c in layout.known - set(text.columns))
    text = numbered(text)
    typed = _typed(text, layout, snapshot)
    typed, duplicates = _named_entries(typed, layout)
    bad = pl.concat([_wrong_cells(text, layout), _wrong_values(typed, layout), duplicates])
    good = typed.join(bad, on=ROW, how="anti")
    snapshot_id, uri = snapshot.snapshot_id, snapshot.manifest.uri
    return Parsed(
        entries=REPORTED_ENTRIES.filled(good),
        scores=scores_frame(good, layout.board, "board"),
        rejected=pl.concat([unread_columns(surplus, snapshot_id, uri), rejected_cells(text, bad, snapshot_id, uri)]),
        rows_read=text.height,
    )


def _typed(text: pl.DataFrame, layout: Layout, snapshot: RawSnapshot) -> pl.DataFrame:
    values = [cell.value().alias(name) for name, cell in layout.values.items()]
    scores = [cell.value().alias(_score(name)) for name, cell in layout.scores.items()]
    raw = [cell.value().alias(_raw(name)) for name, cell in layout.raw_scores.items()]
    typed = text.select(ROW, *values, *scores, *raw).with_columns(
        pl.lit(snapshot.snapshot_id).alias("snapshot_id"),
        pl.lit(layout.board).alias("board"),
        pl.lit(snapshot.manifest.as_of).alias("as_of_date"),
        pl.lit(layout.version_on(snapshot.manifest.as_of)).alias("metric_version"),
    )
    if "model_type" in layout.values and "T" in layout.ignored and "T" in text.columns:
        emoji = text.select(ROW, _EMOJI.value().alias("_emoji_type"))
        typed = (
            typed.join(emoji, on=ROW)
            .with_columns(pl.coalesce("model_type", "_emoji_type").alias("model_type"))
            .drop("_emoji_type")
        )
    if layout.scores:
        # A mean over some of the benchmarks cannot be ranked beside a mean over all.
        complete = pl.all_horizontal(pl.col(_score(name)).is_not_null() for name in layout.scores)
        typed = typed.with_columns(pl.when(complete).then("average").alias("average"))
    whole = [name for name in ("reported_parameters", "hub_likes", "generation") if name in typed.columns]
    return typed.with_columns(pl.col(name).round(0).cast(pl.Int64) for name in whole)


def _named_entries(typed: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every row its entry_id; return the rows, and the exact repetitions among them as rejected."""
    if "entry_id" not in layout.values:
        parts = [_key_part(name) for name in layout.entry_key if name in typed.columns]
        typed = typed.with_columns(pl.concat_str(parts, separator="_", ignore_nulls=True).alias("entry_id"))
    content = [name for name in typed.columns if name != ROW]
    first = typed.select(ROW, pl.col(ROW).first().over(content).alias("first"))
    repeated = first.filter(pl.col(ROW) != pl.col("first")).select(
        ROW, pl.format("repeats row {} to the letter", "first").alias("reason")
    )
    distinct = typed.join(repeated, on=ROW, how="anti")
    # Exports that drop the revision show one name several times; the rows are kept, in the file's order.
    occurrence = pl.int_range(1, pl.len() + 1).over("entry_id")
    distinct = distinct.with_columns(
        pl.when(occurrence > 1).then(pl.format("{}#{}", "entry_id", occurrence)).otherwise("entry_id").alias("entry_id")
    )
    return distinct, repeated


def _key_part(name: str) -> pl.Expr:
    if name == "model_id":
        return pl.col(name).str.replace("/", "_", literal=True)
    return pl.col(name).str.slice(0, 8) if name == "revision" else pl.col(name)


def _wrong_cells(text: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    cells = [*layout.values.values(), *layout.scores.values(), *layout.raw_scores.values()]
    reasons = [
        pl.format(f"{cell.column}: '{{}}' is not {cell.expects}", pl.col(cell.column).str.slice(0, 80))
        for cell in cells
    ]
    return _broken(text, [cell.is_wrong() for cell in cells], reasons)


def _broken(rows: pl.DataFrame, conditions: Sequence[pl.Expr], reasons: Sequence[pl.Expr]) -> pl.DataFrame:
    """Rows for which a condition holds, once for each, with its reason; most files break none."""
    holds = rows.select(condition.fill_null(value=False).alias(str(i)) for i, condition in enumerate(conditions))
    parts = [
        rows.filter(holds[str(i)]).select(ROW, reason.alias("reason"))
        for i, reason in enumerate(reasons)
        if holds[str(i)].any()
    ]
    return pl.concat([rows.select(ROW, pl.lit("").alias("reason")).clear(), *parts])


def _wrong_values(typed: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    in_points = [name for name in ("average", *map(_score, layout.scores)) if name in typed.columns]
    conditions = [
        (pl.col("model_id").is_null(), "no model name"),
        (pl.col("entry_id").is_null(), "no entry name"),
        *((~pl.col(n).is_between(0, 100), f"{n.removeprefix('score ')} lies outside 0 to 100") for n in in_points),
        *((~pl.col(_raw(n)).is_between(0, 1), f"raw {n} lies outside 0 to 1") for n in layout.raw_scores),
    ]
    if "average" in layout.values and not layout.scores:
        conditions.append((pl.col("average").is_null(), "no score"))
    if layout.scores:
        nothing = pl.all_horizontal(pl.col(_score(name)).is_null() for name in layout.scores)
        conditions.append((nothing, "no score on any benchmark"))
    return _broken(typed, [wrong for wrong, _ in conditions], [pl.lit(why) for _, why in conditions])


def scores_frame(wide: pl.DataFrame, board: str, source: str) -> pl.DataFrame:
    """Rows of `core.benchmark_scores` from one column of scores (and raw scores) a benchmark.

    Args:
        wide: One row an entry with the identifying columns; of each benchmark that is there `score NAME`, and `raw
            NAME` where its raw accuracy is known.
        board: Board, which decides items and chance.
        source: What `score_source` says.
    """
    names = ["snapshot_id", "board", "as_of_date", "metric_version", "entry_id", "model_id"]
    pieces = []
    for benchmark in BENCHMARKS[board]:
        if _score(benchmark.name) not in wide.columns:
            continue
        raw = pl.col(_raw(benchmark.name)) if _raw(benchmark.name) in wide.columns else pl.lit(None, pl.Float64)
        score = pl.col(_score(benchmark.name))
        pieces.append(
            wide.filter(score.is_not_null()).select(
                *names,
                pl.lit(benchmark.name).alias("benchmark"),
                score.alias("score"),
                raw.alias("raw_score"),
                standard_error(score, raw, benchmark.items, benchmark.chance).alias("standard_error"),
                pl.lit(benchmark.items, pl.Int64).alias("items"),
                pl.lit(source).alias("score_source"),
            )
        )
    return BENCHMARK_SCORES.concat(map(BENCHMARK_SCORES.conform, pieces))


def _score(benchmark: str) -> str:
    return f"score {benchmark}"


def _raw(benchmark: str) -> str:
    return f"raw {benchmark}"
