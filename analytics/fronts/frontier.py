"""The fronts of every snapshot: members, movement over time, what beats the rest, and published fronts beside ours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.fronts.dominance import dominated_by, front_members
from analytics.fronts.history import front_history, hypervolume_history, not_explained_by_later
from analytics.fronts.hypervolume import exclusive_contributions
from analytics.fronts.objectives import Direction, usable
from analytics.fronts.pareto import fronts_by_group, pareto_front
from analytics.statistics.normal import TWO_SIDED_95

AVERAGE = "average"
REFERENCE_SCORE = 0.0
SEGMENTS = ("precision", "model_type", "family")


@dataclass(frozen=True)
class Cost:
    """A cost that fronts minimise.

    Attributes:
        column: Column of the entries.
        unit: Unit as printed.
        reference: Cost of the reference point of hypervolumes; entries beyond it add nothing.
    """

    column: str
    unit: str
    reference: float


SIZE = Cost("size_gib", "GiB", 1024.0)
PARAMETERS = Cost("parameters_total", "parameters", 1e12)
CARBON = Cost("evaluation_co2_kg", "kg", 1000.0)
COSTS = (SIZE, PARAMETERS, CARBON)


@dataclass(frozen=True)
class Objectives:
    """A quality to maximise and the costs to minimise."""

    measure: str
    costs: tuple[Cost, ...]

    @property
    def name(self) -> str:
        """Name that tables carry, as `average_vs_size_gib`."""
        return f"{self.measure}_vs_{'_and_'.join(cost.column for cost in self.costs)}"


def objective_sets(benchmarks: Sequence[str]) -> list[Objectives]:
    """Average and every benchmark against each cost, and average against size and carbon together."""
    pairs = [Objectives(measure, (cost,)) for measure in (AVERAGE, *benchmarks) for cost in COSTS]
    return [*pairs, Objectives(AVERAGE, (SIZE, CARBON))]


def wide_entries(entries: pl.DataFrame, scores: pl.DataFrame, snapshot_ids: Sequence[str]) -> pl.DataFrame:
    """Entries of the snapshots, one row each, with the score and standard error of every benchmark.

    Args:
        entries: Rows of `core.leaderboard_entries`.
        scores: Rows of `core.benchmark_scores`.
        snapshot_ids: Snapshots to take.

    Returns:
        The entries with columns `BENCHMARK` and `BENCHMARK standard_error`.
    """
    taken = entries.filter(pl.col("snapshot_id").is_in(snapshot_ids)).rename(
        {"average_standard_error": f"{AVERAGE} standard_error"}
    )
    keys = ["snapshot_id", "entry_id"]
    pivoted = scores.filter(pl.col("snapshot_id").is_in(snapshot_ids)).pivot(
        on="benchmark", index=keys, values=["score", "standard_error"]
    )
    names = {
        column: column.removeprefix("score_")
        if column.startswith("score_")
        else f"{column.removeprefix('standard_error_')} standard_error"
        for column in pivoted.columns
        if column not in keys
    }
    return taken.join(pivoted.rename(names), on=keys, how="left", maintain_order="left")


def fronts(wide: pl.DataFrame, objectives: Objectives) -> pl.DataFrame:
    """Members of the fronts of every snapshot, over the whole board and, for the average, within segments.

    Args:
        wide: Result of `wide_entries`.
        objectives: What to compare by.

    Returns:
        Columns of `marts.pareto_front`.
    """
    points = _points(wide, objectives)
    pieces = [points.with_columns(segment_by=pl.lit("all"), segment=pl.lit("all"))]
    if objectives.measure == AVERAGE:
        pieces += [
            points.filter(pl.col(name).is_not_null()).with_columns(segment_by=pl.lit(name), segment=pl.col(name))
            for name in SEGMENTS
        ]
        official = points.filter(pl.col("is_official_provider").fill_null(value=False))
        pieces.append(official.with_columns(segment_by=pl.lit("provider"), segment=pl.lit("official")))
    directions = {cost.column: Direction.MINIMISE for cost in objectives.costs} | {"score": Direction.MAXIMISE}
    members = fronts_by_group(pl.concat(pieces), directions, by=["snapshot_id", "segment_by", "segment"])
    if len(objectives.costs) > 1:
        nothing = {
            "cost": pl.Float64,
            "position": pl.Int64,
            "marginal_cost_per_point": pl.Float64,
            "beyond_noise_of_previous": pl.Boolean,
            "contenders_within_noise": pl.Int64,
            "hypervolume_contribution": pl.Float64,
        }
        members = members.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in nothing.items())
    else:
        members = _with_neighbours(members, objectives.costs[0])
        cost = objectives.costs[0]
        narrow = points.select("snapshot_id", "entry_id", cost.column, "score", "standard_error")
        noise = pl.concat([_noise_of(group, cost) for group in _by_snapshot(narrow)])
        keys = ["snapshot_id", "segment_by", "entry_id"]
        members = members.join(noise.with_columns(segment_by=pl.lit("all")), on=keys, how="left")
    return members.with_columns(
        objectives=pl.lit(objectives.name),
        cost_unit=pl.lit(objectives.costs[0].unit if len(objectives.costs) == 1 else None, pl.String),
        error_pct=100 - pl.col("score"),
    )


def _points(wide: pl.DataFrame, objectives: Objectives) -> pl.DataFrame:
    """Rows with every objective known; a size of nothing is no size."""
    points = wide.with_columns(
        score=pl.col(objectives.measure), standard_error=pl.col(f"{objectives.measure} standard_error")
    )
    columns = [cost.column for cost in objectives.costs]
    usable_points = usable(points, dict.fromkeys([*columns, "score"], Direction.MINIMISE))[0]
    return usable_points.filter(pl.all_horizontal(pl.col(name) > 0 for name in columns))


def _by_snapshot(points: pl.DataFrame) -> Iterator[pl.DataFrame]:
    yield from points.partition_by("snapshot_id", maintain_order=True) or [points]


def _with_neighbours(members: pl.DataFrame, cost: Cost) -> pl.DataFrame:
    """Position along the front, and the step from the next cheaper member; equal members share theirs."""
    group = ["snapshot_id", "segment_by", "segment"]
    members = members.with_columns(cost=pl.col(cost.column).cast(pl.Float64))
    steps = (
        members.select(*group, "cost", "score", "standard_error")
        .unique([*group, "cost"])
        .sort(*group, "cost")
        .with_columns(
            step_cost=pl.col("cost") - pl.col("cost").shift().over(group),
            step_score=pl.col("score") - pl.col("score").shift().over(group),
            noise=(pl.col("standard_error") ** 2 + pl.col("standard_error").shift().over(group) ** 2).sqrt(),
        )
        .select(
            *group,
            "cost",
            marginal_cost_per_point=pl.col("step_cost") / pl.col("step_score"),
            beyond_noise_of_previous=pl.col("step_score") > TWO_SIDED_95 * pl.col("noise"),
        )
    )
    position = pl.col("cost").rank("ordinal").over(group).cast(pl.Int64)
    return members.join(steps, on=[*group, "cost"], how="left", maintain_order="left").with_columns(position=position)


def _noise_of(points: pl.DataFrame, cost: Cost) -> pl.DataFrame:
    """For members of one snapshot's front: entries within noise of them, and what each adds to the hypervolume."""
    members = front_members(points, cost.column, "score", "standard_error")
    chosen = points[members["row"]]
    matrix = np.column_stack([np.log10(chosen[cost.column].to_numpy()), -chosen["score"].to_numpy()])
    contributions = exclusive_contributions(matrix, (np.log10(cost.reference), -REFERENCE_SCORE))
    return chosen.select("snapshot_id", "entry_id").with_columns(
        members["contenders_within_noise"], pl.Series("hypervolume_contribution", contributions)
    )


def histories(wide: pl.DataFrame, objectives: Objectives) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How each snapshot's front moved over submission dates, and the hypervolume along the way.

    Args:
        wide: Result of `wide_entries`.
        objectives: One measure, one cost.

    Returns:
        Columns of `marts.pareto_front_history` and of `marts.pareto_hypervolume`.
    """
    cost = objectives.costs[0]
    points = _points(wide, objectives).filter(pl.col("submitted_on").is_not_null())
    points = points.with_columns(cost=pl.col(cost.column).cast(pl.Float64), log_cost=pl.col(cost.column).log10())
    named = {"objectives": pl.lit(objectives.name), "cost_unit": pl.lit(cost.unit), "error_pct": 100 - pl.col("score")}
    intervals, areas = [], []
    for group in _by_snapshot(points):
        if not group.height:
            continue
        history = front_history(group, "cost", "score", "submitted_on")
        # Whoever never was on the front never moved it.
        ever = group[history["row"]]
        displaced_by = group["entry_id"].gather(history["displaced_by"])
        intervals.append(
            ever.with_columns(history["entered_on"], history["left_on"], displaced_by.alias("displaced_by"), **named)
        )
        reference = (float(np.log10(cost.reference)), REFERENCE_SCORE)
        area = hypervolume_history(ever, "log_cost", "score", "submitted_on", reference)
        areas.append(
            area.select(
                pl.lit(group["snapshot_id"][0]).alias("snapshot_id"),
                pl.lit(group["board"][0]).alias("board"),
                pl.lit(group["as_of_date"][0]).alias("as_of_date"),
                pl.lit(group["metric_version"][0]).alias("metric_version"),
                pl.lit(objectives.name).alias("objectives"),
                pl.col("submitted_on").alias("on_date"),
                "hypervolume",
                pl.col("members").alias("front_members"),
                pl.lit(cost.reference).alias("reference_cost"),
                pl.lit(REFERENCE_SCORE).alias("reference_score"),
            )
        )
    return pl.concat(intervals or [points.clear()]), pl.concat(areas) if areas else pl.DataFrame()


def dominated(wide: pl.DataFrame, objectives: Objectives) -> pl.DataFrame:
    """For every entry off its snapshot's front, the member to prefer to it.

    Returns:
        Columns of `marts.dominated_by`.
    """
    cost = objectives.costs[0]
    pieces = []
    for group in _by_snapshot(_points(wide, objectives)):
        beaten = dominated_by(group, cost.column, "score", "standard_error")
        own, other = group[beaten["row"]], group[beaten["dominator_row"]]
        pieces.append(
            own.with_columns(
                beaten["gap_y"].alias("score_gap"),
                beaten["gap_standard_error"].alias("score_gap_standard_error"),
                beaten["within_noise"],
                other["entry_id"].alias("dominated_by_entry_id"),
                other["model_id"].alias("dominated_by_model_id"),
                (own[cost.column] / other[cost.column]).alias("cost_ratio"),
                objectives=pl.lit(objectives.name),
                cost=pl.col(cost.column).cast(pl.Float64),
            )
        )
    return pl.concat(pieces)


def compare_published(published: pl.DataFrame, run_means: pl.DataFrame) -> pl.DataFrame:
    """Each member of a published front, held against our front and against the publication's next one.

    An as-of front over growing sets only moves forward: every member is on, or weakly dominated by, the next one.
    A member for which that fails shows that the fronts were computed over windows instead.

    Args:
        published: Rows of `core.published_fronts`.
        run_means: Entries from which the publication computed its front; empty where they are not loaded.

    Returns:
        Columns of `marts.published_front_comparison`.
    """
    directions = {"size_gib": Direction.MINIMISE, "error_pct": Direction.MINIMISE}
    ours = pareto_front(usable(run_means, directions)[0], directions)
    our_points = {_point(row) for row in ours.select("model_id", "size_gib", "error_pct").iter_rows()}
    latest = published["cutoff"].max()
    rows: list[Mapping[str, object]] = []
    for publication in published.partition_by("publication", maintain_order=True):
        cutoffs = publication.sort("cutoff").partition_by("cutoff", maintain_order=True)
        for front, following in zip(cutoffs, [*cutoffs[1:], None], strict=True):
            sized = usable(front, directions)[0]
            within = {_point(r) for r in pareto_front(sized, directions).select(_POINT).iter_rows()}
            lost = (
                {_point(r) for r in not_explained_by_later(sized, usable(following, directions)[0], directions)
                 .select(_POINT).iter_rows()}
                if following is not None
                else set()
            )  # fmt: skip
            for row in front.iter_rows(named=True):
                point = _point((row["model_id"], row["size_gib"], row["error_pct"]))
                sizeless = row["size_gib"] is None
                is_in_next = None if sizeless or following is None else point not in lost
                beaten = None if sizeless else point not in within
                comparable = run_means.height > 0 and row["cutoff"] == latest
                rows.append(
                    {
                        **{name: row[name] for name in ("publication", "cutoff", *_POINT)},
                        "on_our_front": point in our_points if comparable else None,
                        "dominated_within_front": beaten,
                        "kept_by_next_cutoff": is_in_next,
                        "verdict": "no size"
                        if sizeless
                        else "dominated"
                        if beaten
                        else "not cumulative"
                        if is_in_next is False
                        else "consistent",
                    }
                )
    return pl.DataFrame(rows, infer_schema_length=None)


_POINT = ("model_id", "size_gib", "error_pct")


def _point(row: tuple[object, ...]) -> tuple[object, ...]:
    """A member's identity to the digits that survive printing."""
    return tuple(round(value, 9) if isinstance(value, float) else value for value in row)
