"""Rows of the tables on benchmarks: which entries of which snapshot each rests on, and where each figure goes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl

from analytics.statistics.components import components, correlations
from analytics.statistics.resampling import Families, Floats, draw_families, family_numbers
from analytics.statistics.summaries import quarter, saturation, size_band, summaries, z_score
from pipelines.lib.kept import Kept, by_snapshot
from pipelines.runs.fingerprint import code
from warehouse.contracts import Table
from warehouse.contracts import statistics as tables
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, MODELS, SNAPSHOTS
from warehouse.lake import Lake

INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES, MODELS)
_ENTRY_COLUMNS = [
    "snapshot_id", "board", "as_of_date", "entry_id", "model_id", "model_type", "precision", "family", "is_moe",
    "is_merged", "is_flagged", "is_official_provider", "submitted_on", "uploaded_on", "average",
    "average_standard_error", "parameters_total", "parameters_active",
]  # fmt: skip
_SCORE_COLUMNS = ["snapshot_id", "board", "as_of_date", "entry_id", "benchmark", "score", "standard_error"]
SNAPSHOT = ("snapshot_id", "board", "as_of_date")
_WHOLE = ("full", "reference")
_COMPONENTS = 3
_REPLICATES = 200
_FEWEST_COMPLETE = 20
_LOG_SIZE = "log2_parameters_total"


@dataclass(frozen=True)
class Boards:
    """What the statistics rest on: entries and scores of whole snapshots, flagged ones left out.

    Attributes:
        entries: One row per entry with SNAPSHOT, entry_id, model_id, family, average, sizes, dates, size_band, quarter.
        scores: Long: SNAPSHOT, entry_id, benchmark, score, standard_error.
        newest: Newest whole snapshot of each board.
    """

    entries: pl.DataFrame
    scores: pl.DataFrame
    newest: list[str]

    @cached_property
    def _snapshots(self) -> dict[str, tuple[dict[str, Any], pl.DataFrame, list[str]]]:
        scores = by_snapshot(self.scores)
        found = {}
        for identity, entries in by_snapshot(self.entries).items():
            if identity not in scores:
                continue
            wide = scores[identity].pivot(on="benchmark", index="entry_id", values="score", sort_columns=True)
            named = dict(zip(SNAPSHOT, entries.select(SNAPSHOT).row(0), strict=True))
            joined = entries.join(wide, on="entry_id", how="left", maintain_order="left")
            found[identity] = named, joined, wide.columns[1:]
        return found

    def each(self, *, newest: bool) -> Iterator[tuple[dict[str, Any], pl.DataFrame, list[str]]]:
        """Each snapshot: what names it, its entries with one column per benchmark, and the benchmarks."""
        for identity, snapshot in self._snapshots.items():
            if identity in self.newest or not newest:
                yield snapshot


def boards_of(lake: Lake) -> Boards:
    """What the statistics rest on, of what the lake holds.

    Raises:
        MissingTable: an input has not been written yet.
    """
    snapshots, entries, scores, models = INPUTS
    return boards(
        lake.read(snapshots),
        lake.read(entries, _ENTRY_COLUMNS),
        lake.read(scores, _SCORE_COLUMNS),
        lake.read(models, ["model_id", "parameters_non_embedding"]),
    )


def boards(snapshots: pl.DataFrame, entries: pl.DataFrame, scores: pl.DataFrame, models: pl.DataFrame) -> Boards:
    """Entries and scores of whole snapshots, without those a board has flagged."""
    whole = snapshots.filter(pl.col("coverage").is_in(_WHOLE))
    # Where a board is there in full, its bundled excerpt is no newer state of it.
    ranked = whole.sort(pl.col("coverage") == "full", "as_of_date", "snapshot_id", descending=[True, True, False])
    newest = ranked.unique("board", keep="first", maintain_order=True)["snapshot_id"].to_list()
    kept = (
        entries.filter(~pl.col("is_flagged").fill_null(value=False))
        .join(whole, on="snapshot_id", how="semi")
        .join(models.select("model_id", "parameters_non_embedding"), on="model_id", how="left")
        .with_columns(size_band("parameters_total").alias("size_band"), quarter("submitted_on").alias("quarter"))
        .sort("board", "as_of_date", "snapshot_id", "entry_id")
    )
    kept = kept.with_columns(family_numbers(kept["family"], kept["model_id"]).alias("family_number"))
    return Boards(kept, scores.join(kept, on=["snapshot_id", "entry_id"], how="semi"), newest)


def rows_of(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of a table, by name."""
    return pl.DataFrame(rows, schema=table.polars_schema)


def _none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


# Benchmarks by themselves -----------------------------------------------------------------------------------------


def _measures(of: Boards, columns: list[str]) -> pl.DataFrame:
    """Long: every benchmark and the average as `measure` and `value`, with columns of the entry."""
    entries = of.entries.select(*SNAPSHOT, "entry_id", *columns, "average")
    scores = of.scores.select("snapshot_id", "entry_id", pl.col("benchmark").alias("measure"), value="score")
    averages = entries.with_columns(measure=pl.lit("average"), value=pl.col("average"))
    return pl.concat([entries.join(scores, on=["snapshot_id", "entry_id"]), averages]).drop("average")


def benchmark_statistics(of: Boards) -> pl.DataFrame:
    """Summaries by every grouping."""
    groups = [grouping for grouping in tables.GROUPINGS if grouping != "all"]
    long = _measures(of, groups).with_columns(pl.lit("all").alias("all"))
    # Grouping by small numbers is several times as fast as by long names.
    identity = ("snapshot_id", "measure")
    coded = long.with_columns(pl.col(identity).cast(pl.Categorical))
    found = pl.concat([summaries(coded, ("snapshot_id",), grouping) for grouping in tables.GROUPINGS])
    named = of.entries.select(SNAPSHOT).unique()
    told = found.with_columns(pl.col(identity).cast(pl.String)).join(named, on="snapshot_id")
    return told.sort("snapshot_id", "group_by", "group", "measure")


def z_scores(of: Boards) -> pl.DataFrame:
    """z-scores within board, size band and quarter."""
    long = _measures(of, ["model_id", "size_band", "quarter"])
    newest = long.filter(pl.col("snapshot_id").is_in(of.newest), pl.col("value").is_not_null())
    board = ("snapshot_id", "measure")
    return newest.with_columns(
        pl.col("value").alias("score"),
        z_score("value", board).alias("z_in_board"),
        z_score("value", (*board, "size_band")).alias("z_in_size_band"),
        z_score("value", (*board, "quarter")).alias("z_in_quarter"),
    )


def benchmark_saturation(of: Boards) -> pl.DataFrame:
    """Room at the top of every benchmark."""
    return saturation(of.scores, SNAPSHOT).sort("snapshot_id", "benchmark")


# Benchmarks together ----------------------------------------------------------------------------------------------


def drawn(entries: pl.DataFrame) -> Families:
    """Families of the entries, drawn anew."""
    return draw_families(entries["family_number"].to_numpy(), _REPLICATES)


def values_of(entries: pl.DataFrame, columns: list[str]) -> Floats:
    """(n, m) values of those columns."""
    return np.ascontiguousarray(entries.select(columns).to_numpy(), dtype=np.float64)


def _complete(entries: pl.DataFrame, columns: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Entries with every column that varies, and those columns; none where they are too few to say anything."""
    varying = [name for name in columns if entries[name].n_unique() > 2]
    complete = entries.drop_nulls(varying)
    return (complete, varying) if complete.height >= _FEWEST_COMPLETE and len(varying) > 1 else (complete.clear(), [])


def benchmark_correlations(of: Boards, lake: Lake) -> pl.DataFrame:
    """Every pair of benchmarks, and each of them and the average against log2 of the parameters."""
    with Kept(lake, "benchmark_correlations", code()) as kept:
        made = [
            kept.frames(benchmarks, [_as_drawn(entries)], partial(_correlations, named, entries, benchmarks))
            for named, entries, benchmarks in of.each(newest=False)
        ]
    return _of_all(tables.BENCHMARK_CORRELATIONS, made, "rows")


def _correlations(named: dict[str, Any], entries: pl.DataFrame, benchmarks: list[str]) -> dict[str, pl.DataFrame]:
    sized = entries.with_columns(pl.col("parameters_total").cast(pl.Float64).log(2).alias(_LOG_SIZE))
    rows = _pairs(named, sized, benchmarks, lambda one, other: other != one)
    rows += _pairs(named, sized, ["average", *benchmarks, _LOG_SIZE], lambda _, other: other == _LOG_SIZE)
    return {"rows": rows_of(tables.BENCHMARK_CORRELATIONS, rows)}


def _as_drawn(entries: pl.DataFrame) -> pl.DataFrame:
    """Entries of a snapshot with their families numbered among themselves, as another snapshot does not change it."""
    return entries.with_columns(pl.col("family_number").rank("dense"))


def _of_all(table: Table, made: list[dict[str, pl.DataFrame]], name: str) -> pl.DataFrame:
    return pl.concat([table.empty(), *(frames[name] for frames in made)])


def _pairs(
    named: dict[str, Any], entries: pl.DataFrame, columns: list[str], wanted: Callable[[str, str], bool]
) -> list[dict[str, Any]]:
    complete, varying = _complete(entries, columns)
    if not varying:
        return []
    families = drawn(complete)
    found = vars(correlations(values_of(complete, varying), families))
    return [
        {
            **named,
            "measure": one,
            "other_measure": other,
            "entries": complete.height,
            "families": families.count,
            **{name: _none(matrix[i, j]) for name, matrix in found.items()},
        }
        for j, other in enumerate(varying)
        for i, one in enumerate(varying[:j])
        if wanted(one, other)
    ]


def capabilities(of: Boards, lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Loadings of every snapshot, and scores of the newest ones."""
    with Kept(lake, "capabilities", code()) as kept:
        made = [
            kept.frames(
                (*benchmarks, is_newest := named["snapshot_id"] in of.newest),
                [_as_drawn(entries)],
                partial(_capabilities, named, entries, benchmarks, scores=is_newest),
            )
            for named, entries, benchmarks in of.each(newest=False)
        ]
    return _of_all(tables.CAPABILITY_LOADINGS, made, "loadings"), _of_all(tables.CAPABILITY_SCORES, made, "scores")


def _capabilities(
    named: dict[str, Any], entries: pl.DataFrame, scored: list[str], *, scores: bool
) -> dict[str, pl.DataFrame]:
    nothing = {"loadings": tables.CAPABILITY_LOADINGS.empty(), "scores": tables.CAPABILITY_SCORES.empty()}
    complete, benchmarks = _complete(entries, scored)
    if not benchmarks:
        return nothing
    found = components(values_of(complete, benchmarks), drawn(complete))
    loadings = [
        {
            **named,
            "component": component + 1,
            "benchmark": benchmark,
            "loading": found.loadings[row, component],
            "loading_lower": _none(found.loadings_lower[row, component]),
            "loading_upper": _none(found.loadings_upper[row, component]),
            "explained_variance": found.shares[component],
            "explained_variance_lower": _none(found.shares_lower[component]),
            "explained_variance_upper": _none(found.shares_upper[component]),
            "entries": complete.height,
        }
        for component in range(len(benchmarks))
        for row, benchmark in enumerate(benchmarks)
    ]
    made = nothing | {"loadings": rows_of(tables.CAPABILITY_LOADINGS, loadings)}
    if scores and len(benchmarks) >= _COMPONENTS:
        places = {f"component_{i + 1}": found.scores[:, i] for i in range(_COMPONENTS)}
        made["scores"] = complete.select(*SNAPSHOT, "entry_id", "model_id").with_columns(**_series(places))
    return made


def _series(columns: dict[str, Any]) -> dict[str, pl.Series]:
    return {name: pl.Series(values) for name, values in columns.items()}


def clusters_of(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As `clusters`, of what the lake holds."""
    return clusters(boards_of(lake))


def clusters(of: Boards) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How many clusters there are, and who is in which."""
    from analytics.statistics.clusters import group  # noqa: PLC0415 - scipy's clustering, for this alone

    choices: list[dict[str, Any]] = []
    members = [tables.MODEL_CLUSTERS.empty()]
    for named, entries, scored in of.each(newest=True):
        complete, benchmarks = _complete(entries, scored)
        if not benchmarks:
            continue
        values = values_of(complete, benchmarks)
        found = group((values - values.mean(axis=0)) / values.std(axis=0))
        choices += [
            {
                **named,
                "clusters": one.k,
                "silhouette": one.silhouette,
                "null_silhouette": one.null_silhouette,
                "stability": one.stability,
                "is_valid": one.is_valid,
                "is_chosen": one.k == found.k,
                "verdict": found.verdict,
                "entries": found.sampled,
            }
            for one in found.tried
        ]
        placed = {"cluster": found.labels, "silhouette_width": found.widths}
        members.append(complete.select(*SNAPSHOT, "entry_id", "model_id").with_columns(**_series(placed)))
    together = pl.concat(members).with_columns(pl.col("silhouette_width").fill_nan(None))
    return rows_of(tables.CLUSTER_CHOICES, choices), together
