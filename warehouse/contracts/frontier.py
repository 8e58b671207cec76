"""Contracts of fronts, of what they cost, and of how boards changed."""

import polars as pl

from warehouse.contracts.common import (
    AS_OF_DATE,
    BOARD,
    ENTRY,
    METRIC_VERSION,
    MODEL_ID,
    SNAPSHOT,
    flag,
    positive,
    score,
)
from warehouse.contracts.table import Column, Table, columns_of

_OBJECTIVES = Column("objectives", pl.String, "Name of the set of objectives, as `average_vs_size_gib`.", required=True)
_SEGMENT = (
    Column(
        "segment_by",
        pl.String,
        "all, precision, model_type or family: what the front is within.",
        required=True,
    ),
    Column("segment", pl.String, "Value of that column; `all` for the whole board.", required=True),
)
_COST = Column("cost", pl.Float64, "Value of the minimised objective, in its own unit; null with three or more.")
_COST_UNIT = Column("cost_unit", pl.String, "Unit of the minimised objective.")

PARETO_FRONT = Table(
    "marts.pareto_front",
    "Entries that no other of the same snapshot and segment beats on every objective; equal ones are all kept.",
    columns_of(
        SNAPSHOT,
        METRIC_VERSION,
        _OBJECTIVES,
        _SEGMENT,
        ENTRY,
        Column("precision", pl.String, "Number format of the entry."),
        Column("family", pl.String, "Model family."),
        score("score", "The maximised objective: average or a benchmark.", required=True),
        score("error_pct", "100 minus the score.", required=True),
        _COST,
        _COST_UNIT,
        positive("size_gib", "Weights in memory.", "GiB"),
        Column("parameters_total", pl.Int64, "Parameters of the model.", unit="parameters"),
        positive("evaluation_co2_kg", "CO₂ of the evaluation.", "kg"),
        positive("standard_error", "Of the score.", "points"),
        Column("position", pl.Int64, "Rank along the front, from the cheapest member.", minimum=1),
        positive(
            "marginal_cost_per_point",
            "Extra cost per point over the next cheaper member.",
            "cost unit / point",
        ),
        flag(
            "beyond_noise_of_previous",
            "Better than the next cheaper member by more than 1.96 standard errors.",
        ),
        Column(
            "contenders_within_noise",
            pl.Int64,
            "Dominated entries that are within noise of it.",
            minimum=0,
        ),
        Column(
            "hypervolume_contribution",
            pl.Float64,
            "Hypervolume lost without it.",
            unit="points × decades",
            minimum=0,
        ),
    ),
    ("snapshot_id", "objectives", "segment_by", "segment", "entry_id"),
    "frontier",
    by_snapshot=True,
)

PARETO_FRONT_HISTORY = Table(
    "marts.pareto_front_history",
    "When each entry entered and left the front, by submission date within one snapshot: the front of day d has"
    " entered_on <= d and (left_on is null or left_on > d).",
    columns_of(
        SNAPSHOT,
        METRIC_VERSION,
        _OBJECTIVES,
        ENTRY,
        Column("precision", pl.String, "Number format of the entry."),
        score("score", "The maximised objective.", required=True),
        score("error_pct", "100 minus the score.", required=True),
        Column("cost", pl.Float64, "Value of the minimised objective.", required=True),
        _COST_UNIT,
        Column("entered_on", pl.Date, "Submission date on which it joined the front.", required=True),
        Column("left_on", pl.Date, "Date on which it was dominated; null while it is a member."),
        Column("displaced_by", pl.String, "entry_id that dominated it; null while it is a member."),
    ),
    ("snapshot_id", "objectives", "entry_id"),
    "frontier",
    by_snapshot=True,
)

PARETO_HYPERVOLUME = Table(
    "marts.pareto_hypervolume",
    "How much the front covers, over time: area between front and reference point in points × decades of cost.",
    columns_of(
        SNAPSHOT,
        METRIC_VERSION,
        _OBJECTIVES,
        Column("on_date", pl.Date, "Submission date up to which entries count.", required=True),
        Column("hypervolume", pl.Float64, "Area dominated.", unit="points × decades", required=True, minimum=0),
        Column("front_members", pl.Int64, "Entries on the front that day.", required=True, minimum=1),
        Column(
            "reference_cost",
            pl.Float64,
            "Cost of the reference point; more expensive entries add nothing.",
            required=True,
        ),
        Column("reference_score", pl.Float64, "Score of the reference point.", unit="points", required=True),
    ),
    ("snapshot_id", "objectives", "on_date"),
    "frontier",
    by_snapshot=True,
)

DOMINATED_BY = Table(
    "marts.dominated_by",
    "For every entry off the front: the member that beats it at no more cost, and whether noise could explain it.",
    columns_of(
        SNAPSHOT,
        _OBJECTIVES,
        ENTRY,
        score("score", "Its score.", required=True),
        Column("cost", pl.Float64, "Its cost.", required=True),
        Column("dominated_by_entry_id", pl.String, "Best member of the front at no more cost.", required=True),
        Column("dominated_by_model_id", pl.String, "Its model.", required=True),
        Column(
            "score_gap",
            pl.Float64,
            "Score of the dominator minus own.",
            unit="points",
            required=True,
            minimum=0,
        ),
        positive("score_gap_standard_error", "Of the gap, as if unpaired: hence conservative.", "points"),
        flag("within_noise", "Gap below 1.96 standard errors; null where the error is unknown."),
        Column("cost_ratio", pl.Float64, "Own cost over the dominator's.", unit="ratio", minimum=1),
    ),
    ("snapshot_id", "objectives", "entry_id"),
    "frontier",
    by_snapshot=True,
)

EFFICIENCY = Table(
    "marts.efficiency",
    "Score per unit of size and carbon of each entry, and what remains once size is accounted for.",
    columns_of(
        SNAPSHOT,
        ENTRY,
        score("average", "Mean score.", required=True),
        Column("parameters_total", pl.Int64, "Parameters of the model.", unit="parameters"),
        positive("size_gib", "Weights in memory.", "GiB"),
        positive("evaluation_co2_kg", "CO₂ of the evaluation.", "kg"),
        positive("score_per_billion_parameters", "Average over billions of parameters.", "points / billion parameters"),
        positive("score_per_gib", "Average over size.", "points / GiB"),
        positive("score_per_kg_co2", "Average over evaluation CO₂.", "points / kg"),
        Column("expected_score", pl.Float64, "Log-linear expectation at its size.", unit="points"),
        Column("size_adjusted_residual", pl.Float64, "Average minus expectation at its size.", unit="points"),
        Column("residual_rank", pl.Int64, "1 is the most above expectation.", minimum=1),
    ),
    ("snapshot_id", "entry_id"),
    "efficiency",
)

EFFICIENCY_CORRELATIONS = Table(
    "marts.efficiency_correlations",
    "How far a naive ratio merely ranks by smallness: its rank correlation with its own denominator, per snapshot.",
    columns_of(
        SNAPSHOT,
        Column("ratio", pl.String, "The ratio.", required=True),
        Column("denominator", pl.String, "What it divides by.", required=True),
        Column("entries", pl.Int64, "Entries with both.", required=True, minimum=3),
        Column(
            "spearman_with_denominator",
            pl.Float64,
            "Of the ratio.",
            required=True,
            minimum=-1.000001,
            maximum=1.000001,
        ),
        Column(
            "spearman_score_with_denominator",
            pl.Float64,
            "Of the score itself.",
            required=True,
            minimum=-1.000001,
            maximum=1.000001,
        ),
    ),
    ("snapshot_id", "ratio"),
    "efficiency",
)

EVALUATION_TIME = Table(
    "marts.evaluation_time",
    "Total time a board spent on evaluation, counted once per run, and the figure that repeats a run per task.",
    columns_of(
        Column("basis", pl.String, "Snapshot, or `raw results` of the board.", required=True),
        BOARD,
        AS_OF_DATE,
        Column(
            "method",
            pl.String,
            "run_times: from raw results; co2: implied by CO₂ at 1.51088 kg/h.",
            required=True,
        ),
        Column("runs", pl.Int64, "Runs with a time.", required=True, minimum=0),
        positive("evaluation_hours", "Counted once per run; null where no file states a time.", "h"),
        positive("evaluation_hours_repeated_per_task", "The naive figure; null where tasks are unknown.", "h"),
    ),
    ("basis", "method"),
    "efficiency",
)

SCORE_REVISIONS = Table(
    "marts.score_revisions",
    "What changed between two consecutive full snapshots of a board, one row per entry and changed value.",
    columns_of(
        BOARD,
        Column("from_date", pl.Date, "Earlier snapshot.", required=True),
        Column("to_date", pl.Date, "Later snapshot.", required=True),
        Column("from_metric_version", pl.String, "Definition of the scores then.", required=True),
        Column("to_metric_version", pl.String, "Definition of the scores now.", required=True),
        ENTRY,
        Column(
            "change",
            pl.String,
            "added, removed or changed.",
            required=True,
            allowed=("added", "removed", "changed"),
        ),
        Column(
            "measure",
            pl.String,
            "average, a benchmark, or evaluation_co2_kg; `entry` when added or removed.",
            required=True,
        ),
        Column("value_before", pl.Float64, "Earlier value."),
        Column("value_after", pl.Float64, "Later value."),
        Column("difference", pl.Float64, "After minus before."),
    ),
    ("board", "from_date", "to_date", "entry_id", "measure"),
    "leaderboards",
)

REVISION_SUMMARY = Table(
    "marts.revision_summary",
    "Counts of what changed between consecutive full snapshots of a board.",
    columns_of(
        BOARD,
        Column("from_date", pl.Date, "Earlier snapshot.", required=True),
        Column("to_date", pl.Date, "Later snapshot.", required=True),
        Column(
            "measure",
            pl.String,
            "average, a benchmark, or evaluation_co2_kg; `entry` for rows.",
            required=True,
        ),
        Column("common", pl.Int64, "Entries in both with a value.", required=True, minimum=0),
        Column("added", pl.Int64, "Entries only in the later.", required=True, minimum=0),
        Column("removed", pl.Int64, "Entries only in the earlier.", required=True, minimum=0),
        Column("changed", pl.Int64, "Entries whose value changed.", required=True, minimum=0),
        Column("largest_change", pl.Float64, "Largest absolute change."),
        Column("mean_change", pl.Float64, "Mean change over those changed."),
    ),
    ("board", "from_date", "to_date", "measure"),
    "leaderboards",
)

PUBLISHED_FRONT_COMPARISON = Table(
    "marts.published_front_comparison",
    "Each member of a published front, compared with ours and with the publication's own later fronts.",
    columns_of(
        Column("publication", pl.String, "Name of the published front.", required=True),
        Column("cutoff", pl.Date, "Date of the front according to the publication.", required=True),
        MODEL_ID,
        positive("size_gib", "As published.", "GiB"),
        score("error_pct", "As published.", required=True),
        flag(
            "on_our_front",
            "On the front we compute from the same publication's models; null where those are not loaded.",
        ),
        flag("dominated_within_front", "Another member of the same published front dominates it."),
        flag(
            "kept_by_next_cutoff",
            "Weakly dominated by the next published front, as nested sets demand; null for the last.",
        ),
        Column("verdict", pl.String, "consistent, not cumulative, no size, or dominated.", required=True),
    ),
    ("publication", "cutoff", "model_id", "error_pct"),
    "frontier",
)
