"""Rows of the tables on benchmarks: which entries of which snapshot each rests on, and where each figure goes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl

from analytics.statistics.components import components, correlations
from analytics.statistics.resampling import Families, Floats, draw_families, family_numbers
from analytics.statistics.summaries import quarter, saturation, size_band, summaries, z_score
from pipelines.lib.by_snapshot import Rows, Snapshots, Wanted, write_parts
from warehouse.contracts import statistics as tables
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, MODELS, SNAPSHOTS
from warehouse.lake import Lake

INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES)
SIZED_INPUTS = (*INPUTS, MODELS)
_ENTRY_COLUMNS = [
    "snapshot_id", "board", "as_of_date", "entry_id", "model_id", "model_type", "precision", "family", "is_moe",
    "is_merged", "is_flagged", "is_official_provider", "submitted_on", "uploaded_on", "average",
    "average_standard_error", "parameters_total", "parameters_active",
]  # fmt: skip
_SCORE_COLUMNS = ["snapshot_id", "board", "as_of_date", "entry_id", "benchmark", "score", "standard_error"]
SNAPSHOT = ("snapshot_id", "board", "as_of_date")
_IN_ORDER = ("board", "as_of_date", "snapshot_id")
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
    def _wide(self) -> dict[str, tuple[dict[str, Any], pl.DataFrame, list[str]]]:
        scores = _by_snapshot(self.scores)
        wide_tables = {}
        for identity, entries in _by_snapshot(self.entries).items():
            if identity not in scores:
                continue
            wide = scores[identity].pivot(on="benchmark", index="entry_id", values="score", sort_columns=True)
            named = dict(zip(SNAPSHOT, entries.select(SNAPSHOT).row(0), strict=True))
            joined = entries.join(wide, on="entry_id", how="left", maintain_order="left")
            wide_tables[identity] = named, joined, wide.columns[1:]
        return wide_tables

    def each(self, *, newest: bool) -> Iterator[tuple[dict[str, Any], pl.DataFrame, list[str]]]:
        """Each snapshot: what names it, its entries with one column per benchmark, and the benchmarks."""
        for identity, snapshot in self._wide.items():
            if identity in self.newest or not newest:
                yield snapshot


def newest_boards(lake: Lake) -> Boards:
    """What the statistics of the newest whole snapshot of each board rest on, with sizes without embeddings.

    Raises:
        MissingTable: an input has not been written yet.
    """
    whole = _all_rows(lake.read(SNAPSHOTS))
    of = _boards(lake, whole.filter(pl.col("snapshot_id").is_in(_newest(whole))))
    sizes = lake.read(MODELS, ["model_id", "parameters_non_embedding"])
    return replace(of, entries=of.entries.join(sizes, on="model_id", how="left", maintain_order="left"))


def _boards(lake: Lake, whole: pl.DataFrame) -> Boards:
    stored = Snapshots(lake, (LEADERBOARD_ENTRIES, BENCHMARK_SCORES))
    rows = [stored.rows(name) for name in whole["snapshot_id"]]
    return boards(
        whole,
        LEADERBOARD_ENTRIES.concat(frame for frame, _ in rows).select(_ENTRY_COLUMNS),
        BENCHMARK_SCORES.concat(frame for _, frame in rows).select(_SCORE_COLUMNS),
    )


def _all_rows(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Whole snapshots, in the order of their rows."""
    return snapshots.filter(pl.col("coverage").is_in(_WHOLE)).sort(*_IN_ORDER)


def _newest(whole: pl.DataFrame) -> list[str]:
    # Where a board is there in full, its bundled excerpt is no newer state of it.
    ranked = whole.sort(pl.col("coverage") == "full", "as_of_date", "snapshot_id", descending=[True, True, False])
    return ranked.unique("board", keep="first", maintain_order=True)["snapshot_id"].to_list()


def boards(whole: pl.DataFrame, entries: pl.DataFrame, scores: pl.DataFrame) -> Boards:
    """Entries and scores of whole snapshots, without those a board has flagged."""
    valid_entries = (
        entries.filter(~pl.col("is_flagged").fill_null(value=False))
        .join(whole, on="snapshot_id", how="semi")
        .with_columns(size_band("parameters_total").alias("size_band"), quarter("submitted_on").alias("quarter"))
        .sort(*_IN_ORDER, "entry_id")
    )
    valid_entries = valid_entries.with_columns(
        family_numbers(valid_entries["family"], valid_entries["model_id"]).alias("family_number")
    )
    return Boards(valid_entries, scores.join(valid_entries, on=["snapshot_id", "entry_id"], how="semi"), _newest(whole))


def _by_snapshot(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parts = frame.partition_by("snapshot_id", as_dict=True, maintain_order=True)
    return {str(name): rows for (name,), rows in parts.items()}


def _null_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


STATISTICS = (
    tables.BENCHMARK_STATISTICS, tables.Z_SCORES, tables.BENCHMARK_CORRELATIONS, tables.BENCHMARK_SATURATION,
    tables.CAPABILITY_LOADINGS, tables.CAPABILITY_SCORES,
)  # fmt: skip
"""Tables of which each snapshot's rows rest on that snapshot alone, and on whether it is the newest of its board."""


def write_statistics(lake: Lake) -> None:
    """Write STATISTICS; what is there of a snapshot stays."""
    whole = _all_rows(lake.read(SNAPSHOTS))
    stored, newest = Snapshots(lake, (LEADERBOARD_ENTRIES, BENCHMARK_SCORES)), _newest(whole)
    write_parts(
        lake,
        STATISTICS,
        [
            Wanted(name, (stored.made_from(name), name in newest), partial(_statistics, lake, row, newest))
            for name, row in zip(whole["snapshot_id"], whole.iter_slices(1), strict=True)
        ],
    )


def _statistics(lake: Lake, snapshot: pl.DataFrame, newest: list[str]) -> Iterator[Rows]:
    of = replace(_boards(lake, snapshot), newest=newest)
    # Each is written before the next is made: of a large board they would not be in memory together.
    for make in (benchmark_statistics, z_scores, benchmark_correlations, benchmark_saturation):
        yield Rows(make(of))
    yield from map(Rows, capabilities(of))


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
    rows = pl.concat([summaries(coded, ("snapshot_id",), grouping) for grouping in tables.GROUPINGS])
    named = of.entries.select(SNAPSHOT).unique()
    described = rows.with_columns(pl.col(identity).cast(pl.String)).join(named, on="snapshot_id")
    return described.sort("snapshot_id", "group_by", "group", "measure")


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


def _complete_entries(entries: pl.DataFrame, columns: list[str]) -> tuple[pl.DataFrame, list[str]]:
    """Entries with every column that varies, and those columns; none where they are too few to say anything."""
    varying = [name for name in columns if entries[name].n_unique() > 2]
    complete = entries.drop_nulls(varying)
    return (complete, varying) if complete.height >= _FEWEST_COMPLETE and len(varying) > 1 else (complete.clear(), [])


def benchmark_correlations(of: Boards) -> pl.DataFrame:
    """Every pair of benchmarks, and each of them and the average against log2 of the parameters."""
    rows: list[dict[str, Any]] = []
    for named, entries, benchmarks in of.each(newest=False):
        sized = entries.with_columns(pl.col("parameters_total").cast(pl.Float64).log(2).alias(_LOG_SIZE))
        rows += _pairs(named, sized, benchmarks, lambda benchmark, other: other != benchmark)
        rows += _pairs(named, sized, ["average", *benchmarks, _LOG_SIZE], lambda _, other: other == _LOG_SIZE)
    return tables.BENCHMARK_CORRELATIONS.frame(rows)


def _pairs(
    named: dict[str, Any], entries: pl.DataFrame, columns: list[str], is_wanted: Callable[[str, str], bool]
) -> list[dict[str, Any]]:
    complete, varying = _complete_entries(entries, columns)
    if not varying:
        return []
    families = drawn(complete)
    matrices = vars(correlations(values_of(complete, varying), families))
    return [
        {
            **named,
            "measure": benchmark,
            "other_measure": other,
            "entries": complete.height,
            "families": families.count,
            **{name: _null_if_nan(matrix[i, j]) for name, matrix in matrices.items()},
        }
        for j, other in enumerate(varying)
        for i, benchmark in enumerate(varying[:j])
        if is_wanted(benchmark, other)
    ]


def capabilities(of: Boards) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Loadings of every snapshot, and scores of the newest ones."""
    loadings: list[dict[str, Any]] = []
    scores: list[pl.DataFrame] = []
    for named, entries, scored in of.each(newest=False):
        complete, benchmarks = _complete_entries(entries, scored)
        if not benchmarks:
            continue
        result = components(values_of(complete, benchmarks), drawn(complete))
        loadings += [
            {
                **named,
                "component": component + 1,
                "benchmark": benchmark,
                "loading": result.loadings[row, component],
                "loading_lower": _null_if_nan(result.loadings_lower[row, component]),
                "loading_upper": _null_if_nan(result.loadings_upper[row, component]),
                "explained_variance": result.shares[component],
                "explained_variance_lower": _null_if_nan(result.shares_lower[component]),
                "explained_variance_upper": _null_if_nan(result.shares_upper[component]),
                "entries": complete.height,
            }
            for component in range(len(benchmarks))
            for row, benchmark in enumerate(benchmarks)
        ]
        if named["snapshot_id"] in of.newest and len(benchmarks) >= _COMPONENTS:
            places = {f"component_{i + 1}": result.scores[:, i] for i in range(_COMPONENTS)}
            scores.append(complete.select(*SNAPSHOT, "entry_id", "model_id").with_columns(**places))
    return tables.CAPABILITY_LOADINGS.frame(loadings), tables.CAPABILITY_SCORES.concat(scores)


def clusters(of: Boards) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How many clusters there are, and who is in which."""
    from analytics.statistics.clusters import group  # noqa: PLC0415 - scipy's clustering, for this alone

    choices: list[dict[str, Any]] = []
    members: list[pl.DataFrame] = []
    for named, entries, scored in of.each(newest=True):
        complete, benchmarks = _complete_entries(entries, scored)
        if not benchmarks:
            continue
        values = values_of(complete, benchmarks)
        grouping = group((values - values.mean(axis=0)) / values.std(axis=0))
        choices += [
            {
                **named,
                "clusters": trial.k,
                "silhouette": trial.silhouette,
                "null_silhouette": trial.null_silhouette,
                "stability": trial.stability,
                "is_valid": trial.is_valid,
                "is_chosen": trial.k == grouping.k,
                "verdict": grouping.verdict,
                "entries": grouping.sampled,
            }
            for trial in grouping.tried
        ]
        placed = complete.select(*SNAPSHOT, "entry_id", "model_id")
        members.append(placed.with_columns(cluster=grouping.labels, silhouette_width=grouping.widths))
    together = tables.MODEL_CLUSTERS.concat(members).with_columns(pl.col("silhouette_width").fill_nan(None))
    return tables.CLUSTER_CHOICES.frame(choices), together
