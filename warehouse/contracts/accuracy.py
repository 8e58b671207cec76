"""Contracts of the product's own accuracy: what others measured end to end, and how far predictions lie from it."""

import polars as pl

from warehouse.contracts.table import Column, Table

METRICS = (
    "tokens_per_s", "output_tokens_per_s", "total_tokens_per_s", "tpot_s", "ttft_s", "request_s", "memory_gib",
    "joules_per_token",
)  # fmt: skip
STAGES = ("prefill", "decode", "serving", "generate")


def _text(name: str, meaning: str) -> Column:
    return Column(name, pl.String, meaning)


def _count(name: str, meaning: str, unit: str = "tokens") -> Column:
    return Column(name, pl.Float64, meaning, unit, minimum=0)


MEASUREMENT_ID = Column("measurement_id", pl.String, "Digest of the row.", required=True)
STAGE = Column(
    "stage", pl.String, "What is timed: a prompt, a token, requests under load, or whole requests.", required=True,
    allowed=STAGES,
)  # fmt: skip
MAY_BUNDLE = Column(
    "may_bundle", pl.Boolean,
    "Whether the row may be passed on: one's own, and what the licence of its source allows; others stay in this home.",
    required=True,
)  # fmt: skip
METRIC = Column("metric", pl.String, "What `value` is.", required=True, allowed=METRICS)

END_TO_END_MEASUREMENTS = Table(
    "core.end_to_end_measurements",
    "One published measurement of a pass, a token or a request; empty where the source does not state a value.",
    (
        MEASUREMENT_ID,
        _text("source", "Who published it, or the tool that wrote it."),
        _text("measured_on", "Day or month of the measurement, as far as known."),
        _text("device", "Device by its name in `core.accelerators`, where known."),
        _text("device_as_reported", "Device as the source names it."),
        Column("device_count", pl.Int64, "Devices used together.", "devices", minimum=1),
        _text("parallelism", "How the model was split: TP8, EP8 DP8, `llama.cpp layer split`."),
        _text("engine", "Inference engine as the source names it."),
        _text("engine_version", "Its version."),
        _text("backend", "CUDA, ROCm, Vulkan, Metal, … where the engine has several."),
        _text("model", "Model by its name in the catalogue or on the hub, where known."),
        _text("model_as_reported", "Model as the source names it."),
        _text("weight_format", "Format in which weights were stored."),
        _text("kv_format", "Format of the key-value cache."),
        STAGE,
        _count("batch", "Sequences in flight over all devices; empty where the engine chose.", "sequences"),
        _count("input_tokens", "Prompt length; mean of a load."),
        _count("output_tokens", "Tokens generated; mean of a load."),
        _count("context_depth", "Tokens already in the cache when the test began."),
        METRIC,
        Column(
            "value", pl.Float64, "Seconds, tokens per second over all devices, GiB, or joules per token.",
            required=True, minimum=0,
        ),
        Column("sigma", pl.Float64, "Standard deviation of repeated tests.", minimum=0),
        Column("n", pl.Float64, "Tests or requests it is the mean of.", minimum=0),
        _text("licence", "What the publisher states."),
        MAY_BUNDLE,
        _text("evidence", "Where it was published: repository at commit, and path."),
        _text("note", "Other statements of the source: driver, flags, scenario."),
    ),
    ("measurement_id",),
    "accuracy",
)  # fmt: skip

END_TO_END_ERROR = Table(
    "marts.end_to_end_error",
    "One measurement of a whole pass with Skyline's prediction for it, or the reason why there is none.",
    (
        MEASUREMENT_ID,
        Column("compared_as", pl.String, "What is compared: decode, prefill, time per token under load, …"),
        Column("engine", pl.String, "Engine, by Skyline's name."),
        Column("accelerator", pl.String, "Device, by Skyline's name."),
        Column("device_class", pl.String, "Class that devices without measurements of their own share figures with."),
        Column("model_id", pl.String, "Model, by Skyline's name."),
        Column("weight_format", pl.String, "Stored format as reported."),
        Column("devices", pl.Int64, "Devices used together.", "devices", minimum=1),
        Column("batch", pl.Float64, "Sequences that run on one replica.", "sequences", minimum=0),
        Column("unit", pl.String, "s, J per token, or GiB.", allowed=("s", "J", "GiB")),
        Column("measured", pl.Float64, "Measured time, energy or memory.", minimum=0),
        Column("predicted", pl.Float64, "Likely value.", minimum=0),
        Column("low", pl.Float64, "Low end of the interval that holds 80 %; of memory, of the range.", minimum=0),
        Column("high", pl.Float64, "High end of the interval that holds 80 %; of memory, of the range.", minimum=0),
        Column("bound", pl.Float64, "The minimum that the data sheets allow.", minimum=0),
        Column(
            "naive", pl.Float64, "Rule of thumb: weights over bandwidth, 2 × parameters over the peak, weights alone.",
            minimum=0,
        ),
        Column("basis", pl.String, "Basis of the prediction, in words."),
        Column(
            "known_causes", pl.String,
            "Facts about the row, model or device that may explain why it is outside its interval; unknown where there "
            "is none, empty where it lies inside.",
        ),
        Column("not_asked", pl.String, "Why there is no prediction; empty where there is one."),
        MAY_BUNDLE,
    ),
    ("measurement_id",),
    "accuracy",
)  # fmt: skip
