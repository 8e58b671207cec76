"""Contracts of what is ingested from leaderboards, and of the models they name."""

import polars as pl

from warehouse.contracts.common import (
    AS_OF_DATE,
    BOARD,
    ENTRY,
    METRIC_VERSION,
    MODEL_ID,
    MODEL_TYPES,
    PRECISIONS,
    SNAPSHOT,
    SNAPSHOT_ID,
    SOURCE,
    flag,
    parameters,
    positive,
    score,
)
from warehouse.contracts.sources import COVERAGE, FILE_COLUMNS, LAYOUT, SCORE_RESOLUTION, rejected_rows
from warehouse.contracts.table import Column, Table, columns_of

SIZE_SOURCES = ("measured", "architecture", "board", "name", "base_model")

SNAPSHOTS = Table(
    "raw.leaderboard_snapshots",
    "One stored state of a leaderboard; a row of `meta.snapshots`.",
    columns_of(SNAPSHOT_ID, BOARD, AS_OF_DATE, METRIC_VERSION, LAYOUT, COVERAGE, SCORE_RESOLUTION, FILE_COLUMNS),
    ("snapshot_id",),
    "leaderboards",
)

REJECTED_ROWS = rejected_rows("raw.leaderboard_rejected_rows", "leaderboards", by_snapshot=True)

REPORTED_ENTRIES = Table(
    "raw.reported_entries",
    "One row per entry of a snapshot, typed and renamed but otherwise as the board states it.",
    columns_of(
        SNAPSHOT,
        METRIC_VERSION,
        ENTRY,
        Column("row_number", pl.Int64, "Row in the file, counted from 1.", required=True),
        Column("revision", pl.String, "Commit of the model repository that was evaluated."),
        Column("precision", pl.String, "Number format of the evaluation.", allowed=PRECISIONS),
        Column("model_type", pl.String, "Kind of training.", allowed=MODEL_TYPES),
        Column("weight_type", pl.String, "Original, Adapter or Delta."),
        Column("architecture", pl.String, "Class name in the model's configuration."),
        Column("base_model", pl.String, "Base model that it states."),
        Column("licence", pl.String, "Licence string of the hub."),
        Column("hub_likes", pl.Int64, "Likes on the hub at the snapshot.", minimum=0),
        Column("generation", pl.Int64, "Fine-tuning depth that the board states; 0 is a base model."),
        flag("is_moe", "Mixture of experts, as the board says (inverted exports set right)."),
        flag("is_merged", "Made by merging weights."),
        flag("is_flagged", "Flagged by the board, for contamination and the like."),
        flag("is_on_hub", "Repository was still there at the snapshot."),
        flag("is_official_provider", "Submitted by an official provider."),
        flag("has_chat_template", "Evaluated with a chat template."),
        Column("reported_parameters", pl.Int64, "Parameter count that the board states.", minimum=1),
        positive("reported_size_gib", "Resident weights that the board measured (its GB are GiB).", "GiB"),
        score("average", "Mean score as the board states it."),
        positive("evaluation_co2_kg", "CO₂ of the evaluation, not of use.", "kg"),
        Column("submitted_on", pl.Date, "Date of submission."),
        Column("uploaded_on", pl.Date, "Date of upload to the hub."),
    ),
    ("snapshot_id", "entry_id"),
    "leaderboards",
    by_snapshot=True,
)

LEADERBOARD_ENTRIES = Table(
    "core.leaderboard_entries",
    "One row per evaluated configuration and snapshot, with resolved identity, size and error.",
    columns_of(
        (column for column in REPORTED_ENTRIES.columns if column.name != "row_number"),
        Column("family", pl.String, "Model family, `unknown` where no rule holds.", required=True),
        parameters("parameters_total", "Parameters of the model, to the million."),
        parameters("parameters_active", "Parameters used per token."),
        Column("parameters_source", pl.String, "Where the count comes from.", allowed=SIZE_SOURCES),
        Column("size_bytes", pl.Int64, "Weights in memory at the entry's precision.", unit="bytes", minimum=1),
        positive("size_gib", "Weights in memory at the entry's precision.", "GiB"),
        Column(
            "size_source",
            pl.String,
            "measured: by the board; otherwise bits per weight times a count of that source.",
            allowed=SIZE_SOURCES,
        ),
        score("error_pct", "100 minus the average."),
        positive(
            "average_standard_error",
            "Binomial standard error of the average over the benchmarks' items.",
            "points",
        ),
    ),
    ("snapshot_id", "entry_id"),
    "leaderboards",
    by_snapshot=True,
)

BENCHMARK_SCORES = Table(
    "core.benchmark_scores",
    "One row per entry, snapshot and benchmark, with its standard error.",
    columns_of(
        SNAPSHOT,
        METRIC_VERSION,
        ENTRY,
        Column("benchmark", pl.String, "Benchmark in the board's spelling.", required=True),
        score("score", "Score as ranked: v1 raw, v2 normalised between chance and 100.", required=True),
        Column("raw_score", pl.Float64, "Score before normalisation.", unit="fraction", minimum=0, maximum=1),
        positive("standard_error", "Of the score, binomial over the benchmark's items.", "points"),
        Column("items", pl.Int64, "Questions in the benchmark.", unit="questions", minimum=1),
        Column("score_source", pl.String, "board, or how it was computed from raw results.", required=True),
    ),
    ("snapshot_id", "entry_id", "benchmark"),
    "leaderboards",
    by_snapshot=True,
)

EVALUATION_RUNS = Table(
    "core.evaluation_runs",
    "One row per evaluation run of which the raw result file was read; time counted once per run.",
    columns_of(
        SNAPSHOT_ID,
        BOARD,
        ENTRY,
        Column("ran_on", pl.Date, "Date of the run.", required=True),
        positive("evaluation_time_s", "Wall time of the whole run.", "s"),
        Column("task_rows", pl.Int64, "Tasks in the file.", unit="tasks", required=True, minimum=1),
        Column("harness_revision", pl.String, "Commit of the evaluation harness."),
    ),
    ("snapshot_id", "entry_id"),
    "leaderboards",
)

MODELS = Table(
    "core.models",
    "One row per model that any board names: who made it, from what, how large, under which licence.",
    columns_of(
        MODEL_ID,
        Column("organisation", pl.String, "Account on the hub; null where the board gives the bare name."),
        Column("name", pl.String, "Name without the organisation.", required=True),
        Column("family", pl.String, "Model family, `unknown` where no rule holds.", required=True),
        Column(
            "family_source",
            pl.String,
            "name, architecture, or base_model (followed up the chain).",
            allowed=("name", "architecture", "base_model", "none"),
            required=True,
        ),
        Column("model_type", pl.String, "Kind of training.", allowed=MODEL_TYPES),
        Column("base_model", pl.String, "Model it was made from; null where removed, itself or unknown."),
        Column("root_model", pl.String, "End of the chain of base models."),
        Column("architecture", pl.String, "Class name in the model's configuration."),
        Column("precision", pl.String, "Number format of its latest entry.", allowed=PRECISIONS),
        flag("is_adapter", "Only adapter weights are published; counts are those of base and adapter."),
        flag("is_merged", "Made by merging weights."),
        flag("is_moe", "Mixture of experts."),
        parameters("parameters_total", "All parameters."),
        Column("parameters_total_source", pl.String, "Source of that.", allowed=SIZE_SOURCES),
        parameters("parameters_active", "Parameters used per token."),
        Column("parameters_active_source", pl.String, "Source of that.", allowed=SIZE_SOURCES),
        parameters("parameters_non_embedding", "Parameters without embeddings and output head."),
        Column("parameters_non_embedding_source", pl.String, "Source of that.", allowed=SIZE_SOURCES),
        Column("licence", pl.String, "Latest licence string of the hub."),
        flag("is_open", "Weights were openly on the hub at the latest snapshot."),
        Column("uploaded_on", pl.Date, "Date of upload to the hub."),
        Column("first_submitted_on", pl.Date, "First submission to a board."),
        Column("first_seen_on", pl.Date, "First snapshot that names it.", required=True),
        Column("last_seen_on", pl.Date, "Last snapshot that names it.", required=True),
    ),
    ("model_id",),
    "leaderboards",
)

PUBLISHED_FRONTS = Table(
    "core.published_fronts",
    "Fronts that others published, for comparison with ours.",
    columns_of(
        Column("publication", pl.String, "Name of the published front.", required=True),
        Column("cutoff", pl.Date, "Date of the front according to the publication.", required=True),
        MODEL_ID,
        positive("size_gib", "Size as published (its GB are GiB); null where it gave none.", "GiB"),
        score("error_pct", "Average error as published.", required=True),
        SOURCE,
    ),
    ("publication", "cutoff", "model_id", "error_pct"),
    "frontier",
)

NON_EMBEDDING_SCORES = Table(
    "core.non_embedding_scores",
    "Sixteen chat models: published average of seven tasks against non-embedding parameters.",
    columns_of(
        Column("model_id", pl.String, "Model on the hub; null where it was never published there."),
        Column("label", pl.String, "Label in the published figure.", required=True),
        parameters("parameters_non_embedding", "As published.", required=True),
        parameters("parameters_non_embedding_counted", "Counted from the architecture."),
        score("average", "Mean of the seven tasks as published.", required=True),
        Column("note", pl.String, "Notes on the row."),
        SOURCE,
    ),
    ("label",),
    "leaderboards",
)
