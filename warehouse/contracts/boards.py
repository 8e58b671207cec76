"""Contracts of living boards: every published result in one table, who is meant by each name, and what was declared."""

import polars as pl

from warehouse.contracts.common import SNAPSHOT_ID, flag
from warehouse.contracts.sources import SNAPSHOTS as ALL_SNAPSHOTS
from warehouse.contracts.sources import rejected_rows
from warehouse.contracts.table import Column, Table, columns_of

CATEGORIES = (
    "overall",
    "coding",
    "maths",
    "agents",
    "reasoning",
    "knowledge",
    "language",
    "instruction_following",
    "multilingual",
    "vision",
    "writing",
    "long_context",
    "hallucination",
    "safety",
    "other",
)
"""What a benchmark judges. `overall` is an index or a mean over several; hallucination is no ability (better models do
not hallucinate less in summaries)."""
MODES = ("thinking", "non-thinking", "hybrid-unknown")
UNITS = ("fraction", "percent", "elo", "index", "usd", "seconds")
REPORTERS = ("independent", "vendor", "community", "estimate")
STANDARD_ERROR_ORIGINS = ("published", "interval", "binomial", "bootstrap")
ALIAS_STRENGTHS = ("stated", "identical", "by_hand", "third_party", "inferred", "unmapped")
FRESHNESS_STATES = ("fresh", "late", "ended", "never")

BOARD_SOURCE = Column("source", pl.String, "Declared source, as `skyline boards` lists it.", required=True)
SNAPSHOT_DATE = Column("snapshot_date", pl.Date, "Date of the published state that contains this.", required=True)
BENCHMARK = Column("benchmark", pl.String, "What was run, in the spelling of the source's declaration.", required=True)
BENCHMARK_VERSION = Column(
    "benchmark_version",
    pl.String,
    "Definition of the benchmark; scores compare only within one. ` (redefined YYYY-MM-DD)` at its end: the source kept"
    " the name and moved most models.",
    required=True,
)
NAME_IN_SOURCE = Column(
    "name_in_source", pl.String, "Model as the source spells it, without surrounding spaces.", required=True
)
HUB_ID = Column("model_id", pl.String, "Model as the hub spells it, `org/name`; null where not known.")
LICENCE = Column("licence", pl.String, "Licence of the figures as the source states it; null where it states none.")
MAY_BUNDLE = flag(
    "may_bundle", "Whether the licence allows redistribution; if not, the figures stay in this home.", required=True
)

BENCHMARK_RESULTS = Table(
    "core.benchmark_results",
    "One result that a source published: one source, snapshot, model name, benchmark and metric. Every snapshot stays;"
    " `is_newest` marks the latest statement about each.",
    columns_of(
        BOARD_SOURCE,
        SNAPSHOT_DATE,
        Column("retrieved_at", pl.Datetime("us", "UTC"), "When the file entered the lake.", required=True),
        SNAPSHOT_ID,
        BENCHMARK,
        BENCHMARK_VERSION,
        Column("category", pl.String, "What the benchmark tests.", required=True, allowed=CATEGORIES),
        Column("metric", pl.String, "What was counted: accuracy, pass_1, rating, ...", required=True),
        NAME_IN_SOURCE,
        HUB_ID,
        Column(
            "mode",
            pl.String,
            "thinking or non-thinking where the source or the model's name says so; hybrid-unknown: the model can do"
            " both and nobody says which; null: the model has one way only, or is not known.",
            allowed=MODES,
        ),
        Column("effort", pl.String, "Reasoning effort or budget as stated: low, high, xhigh, 32k, ..."),
        Column("scaffold", pl.String, "Agent, prompt style, edit format or user simulator around the model."),
        Column("host", pl.String, "Who served the model, where stated."),
        Column("precision_served", pl.String, "Number format in which it was served, where stated."),
        Column("score", pl.Float64, "Score as published, in `unit`.", required=True),
        Column("unit", pl.String, "Unit of score, standard error and interval.", required=True, allowed=UNITS),
        flag("higher_is_better", "Direction of the score.", required=True),
        Column(
            "chance_level",
            pl.Float64,
            "Score expected from guessing, in `unit`; null where that is not known or makes no sense.",
        ),
        Column("n_items", pl.Int64, "Questions or tasks behind the score.", "items", minimum=1),
        Column("n_trials", pl.Int64, "Runs over them.", minimum=1),
        Column("standard_error", pl.Float64, "Standard error of the score, in `unit`.", minimum=0),
        Column("ci_low", pl.Float64, "Lower bound as published, in `unit`."),
        Column("ci_high", pl.Float64, "Upper bound as published, in `unit`."),
        Column("ci_level", pl.Float64, "Level of the interval, as a fraction.", minimum=0, maximum=1),
        Column(
            "standard_error_origin",
            pl.String,
            "published; interval: from the published one; binomial: from the score and `n_items`; bootstrap.",
            allowed=STANDARD_ERROR_ORIGINS,
        ),
        Column("measured_on", pl.Date, "Day of the measurement, where stated."),
        Column(
            "reporter",
            pl.String,
            "Who measured: independent, the vendor of the model, somebody of the community; or an estimate that nobody"
            " measured.",
            required=True,
            allowed=REPORTERS,
        ),
        Column("cost_usd", pl.Float64, "Cost of the measurement.", unit="USD", minimum=0),
        Column("cost_basis", pl.String, "What the cost is of: run, item, ..."),
        LICENCE,
        MAY_BUNDLE,
        Column("source_url", pl.String, "Address at which the figures are published.", required=True),
        flag(
            "is_newest",
            "Whether no later snapshot of the source states the same key (model name, benchmark, version, mode, ...).",
            required=True,
        ),
    ),
    (
        "source",
        "snapshot_date",
        "benchmark",
        "benchmark_version",
        "name_in_source",
        "mode",
        "effort",
        "scaffold",
        "metric",
    ),
    "boards",
)

MODEL_ALIASES = Table(
    "core.model_aliases",
    "Every model name in every source, the model it refers to, and the evidence; unresolved names are kept.",
    (
        BOARD_SOURCE,
        NAME_IN_SOURCE,
        HUB_ID,
        Column("evidence", pl.String, "Why it is that model, or what was tried.", required=True),
        Column(
            "strength",
            pl.String,
            "stated: the source links the model; identical: the name is its hub id; by_hand: reviewed; third_party:"
            " somebody else says so; inferred: the whole name, written alike, is that of exactly one model; unmapped.",
            required=True,
            allowed=ALIAS_STRENGTHS,
        ),
        Column(
            "mode_in_name", pl.String, "Mode, effort or number format that the name states in addition to the model."
        ),
        Column("results", pl.Int64, "Rows of `core.benchmark_results` under that name.", unit="results", minimum=0),
    ),
    ("source", "name_in_source"),
    "boards",
)

MODEL_FACTS = Table(
    "core.model_facts",
    "What model indexes state of each model: release, context, licence, where the weights are. The newest statement.",
    columns_of(
        BOARD_SOURCE,
        SNAPSHOT_DATE,
        NAME_IN_SOURCE,
        HUB_ID,
        Column("display_name", pl.String, "Name for people."),
        Column("organization", pl.String, "Maker as the source spells it."),
        Column("family", pl.String, "Family as the source spells it."),
        Column("release_date", pl.Date, "First release."),
        Column("knowledge_cutoff", pl.String, "Month or day, as stated."),
        Column("context_tokens", pl.Int64, "Longest input with output.", unit="tokens", minimum=1),
        Column("output_tokens", pl.Int64, "Longest output.", unit="tokens", minimum=1),
        Column("model_licence", pl.String, "Licence of the model as stated."),
        flag("is_open_weights", "Whether anybody can download the weights."),
        flag("is_reasoning", "Whether it can think before it answers."),
        Column("weights_url", pl.String, "Where the weights can be found."),
        LICENCE,
        MAY_BUNDLE,
    ),
    ("source", "name_in_source"),
    "boards",
)

REDEFINITIONS = Table(
    "meta.benchmark_redefinitions",
    "A benchmark that a source redefined under the same name: most models that two snapshots share moved one way, or"
    " nearly all moved, while another benchmark of the board stayed. Its version is split there.",
    (
        BOARD_SOURCE,
        BENCHMARK,
        Column("metric", pl.String, "What is counted.", required=True),
        Column("benchmark_version", pl.String, "Version as the source states it.", required=True),
        Column("before_date", pl.Date, "Last snapshot of the old definition.", required=True),
        Column("after_date", pl.Date, "First snapshot of the new one.", required=True),
        Column("common_models", pl.Int64, "Models in both.", unit="models", required=True, minimum=1),
        Column("moved_models", pl.Int64, "Those whose score changed.", unit="models", required=True, minimum=1),
        Column("median_change", pl.Float64, "Median change, in the unit of the score.", required=True),
        Column("largest_change", pl.Float64, "Largest change either way, in the unit of the score.", required=True),
        Column("stood", pl.String, "A benchmark of the same board that did not move.", required=True),
    ),
    ("source", "benchmark", "metric", "benchmark_version", "after_date"),
    "boards",
)

BOARD_SOURCES = Table(
    "meta.board_sources",
    "One declared source of results: what it is, its licence, how fresh it is, and how many of its names are resolved.",
    (
        BOARD_SOURCE,
        Column("title", pl.String, "Name for people.", required=True),
        Column("homepage", pl.String, "Where people read it.", required=True),
        LICENCE,
        MAY_BUNDLE,
        Column("declared_by", pl.String, "project, or user for a declaration of the home.", required=True),
        Column("addresses", pl.Int64, "Addresses that `online` fetches; 0: none is public.", required=True, minimum=0),
        Column("rhythm_days", pl.Int64, "How often the source publishes, at most; null: it has ended.", unit="days"),
        Column("newest_date", pl.Date, "Newest state stored; null: none."),
        Column("last_asked_at", pl.Datetime("us", "UTC"), "When it was last fetched online; null: never."),
        Column("last_outcome", pl.String, "Outcome of that: new, unchanged, or why it failed."),
        Column(
            "freshness",
            pl.String,
            "fresh: newest state within twice its interval; late: older; ended: the source has stopped; never: nothing"
            " stored.",
            required=True,
            allowed=FRESHNESS_STATES,
        ),
        Column("snapshots", pl.Int64, "States stored.", required=True, minimum=0),
        Column("benchmarks", pl.Int64, "Benchmarks in the table.", required=True, minimum=0),
        Column("results", pl.Int64, "Rows of `core.benchmark_results`.", unit="results", required=True, minimum=0),
        Column(
            "measurements",
            pl.Int64,
            "Rows of `core.end_to_end_measurements`.",
            unit="measurements",
            required=True,
            minimum=0,
        ),
        Column("rejected", pl.Int64, "Rows and files set aside.", required=True, minimum=0),
        Column("names", pl.Int64, "Model names.", required=True, minimum=0),
        Column("mapped_names", pl.Int64, "Number of names that refer to a known model.", required=True, minimum=0),
    ),
    ("source",),
    "boards",
)

SNAPSHOTS = Table(
    "raw.board_snapshots",
    "One stored file of a living board; a row of `meta.snapshots`.",
    columns_of(*(column for column in ALL_SNAPSHOTS.columns)),
    ("snapshot_id",),
    "boards",
)
REJECTED_ROWS = rejected_rows("raw.board_rejected_rows", "boards")
