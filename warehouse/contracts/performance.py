"""Contracts of the performance model: measured kernels, calibrations with their errors, and what they predict."""

import polars as pl

from warehouse.contracts.catalogue import ACCELERATOR, count
from warehouse.contracts.common import AS_OF_DATE, MODEL_ID, SNAPSHOT_ID, flag, positive
from warehouse.contracts.sources import COVERAGE, FILE_COLUMNS, LAYOUT, rejected_rows
from warehouse.contracts.table import Column, Table, columns_of

OPERATOR_CLASSES = ("gemm_bf16", "gemm_fp8", "prefill_attention", "decode_attention")
STAGES = ("prefill", "decode", "encode")
BOUNDS = ("memory", "compute", "communication")
VERDICTS = ("fits", "borderline", "does not fit")
PRECISIONS = ("w16a16kv16", "w8a8kv8", "w4a16kv16")
ORIGINS = ("this warehouse", "shipped")

_TOKENS_PER_S = "tokens/s"
_USD = "USD per million tokens"

PRECISION = Column(
    "precision", pl.String, "Bits of weights, activations and KV cache.", required=True, allowed=PRECISIONS
)
WEIGHT_BITS = positive("weight_bits", "True bits per stored weight.", "bits", required=True)
BATCH = count("batch", "Sequences in flight.", "sequences", required=True)
CONTEXT = count("context", "Prompt length, or tokens attended when decoding.", "tokens", required=True)
TENSOR_PARALLEL = count("tensor_parallel", "Devices that share every layer.", "devices", required=True)
VERDICT = Column(
    "verdict",
    pl.String,
    "fits, borderline (depends on the engine) or does not fit, each device holding its share.",
    required=True,
    allowed=VERDICTS,
)
FOLDER = Column("accelerator", pl.String, "Folder of the kernel tables, as `h200_sxm`.", required=True)
DEVICE = Column("device", pl.String, "The same accelerator as `core.accelerators` names it.", required=True)
OPERATOR_CLASS = Column("operator_class", pl.String, "What is timed.", required=True, allowed=OPERATOR_CLASSES)

SNAPSHOTS = Table(
    "raw.kernel_snapshots",
    "One stored kernel table; a row of `meta.snapshots`.",
    columns_of(
        SNAPSHOT_ID,
        Column("board", pl.String, "Accelerator whose kernels it holds.", required=True),
        AS_OF_DATE,
        LAYOUT,
        COVERAGE,
        FILE_COLUMNS,
    ),
    ("snapshot_id",),
    "calibration",
)
REJECTED_ROWS = rejected_rows("raw.kernel_rejected_rows", "calibration")

KERNEL_MEASUREMENTS = Table(
    "core.kernel_measurements",
    "One measured kernel that its accelerator's data sheet allows; the others are in `meta.rejected_rows`.",
    (
        SNAPSHOT_ID,
        FOLDER,
        DEVICE,
        Column("framework", pl.String, "Software that was measured.", required=True),
        Column("framework_version", pl.String, "Its version.", required=True),
        count("source_row", "Row in the file, counted from 0.", required=True),
        OPERATOR_CLASS,
        count("m", "Rows of the product: tokens."),
        count("n", "Columns of the product: outputs."),
        count("k", "Inner width of the product: inputs."),
        count("batch_size", "Sequences.", "sequences"),
        count("sequence_length", "Keys a query may see, its own among them.", "tokens"),
        count("query_heads", "Query heads."),
        count("key_value_heads", "Key-value heads."),
        count("head_dim", "Width of a head."),
        count("window_size", "Sliding window; 0 is none.", "tokens"),
        count("operand_bits", "Width of the operands.", "bits"),
        count("key_value_bits", "Width of keys and values.", "bits"),
        positive("latency_s", "Time measured.", "s", required=True),
        positive("flops", "Operations; a multiply-add is two.", "FLOP", required=True),
        positive("moved_bytes", "Compulsory traffic of a cold cache.", "bytes", required=True),
        positive("bound_s", "Least time that the data sheet allows.", "s", required=True),
    ),
    ("snapshot_id", "source_row"),
    "calibration",
)

HELD_OUT = (
    positive("held_out_mape_pct", "Mean error on kernels of shapes left out of the fit.", "%"),
    positive("held_out_median_error_pct", "Median error on them.", "%"),
    positive("interval_coverage_pct", "Share of them inside an 80 % interval made without them.", "%"),
    positive("below_bound_pct", "Share measured faster than the data sheet allows, which was rejected.", "%"),
)

CALIBRATIONS = Table(
    "marts.calibrations",
    "What predicts one class of operators on one accelerator: parameters fitted to measured kernels, and their error.",
    columns_of(
        FOLDER,
        DEVICE,
        OPERATOR_CLASS,
        HELD_OUT,
        Column("parameters", pl.String, "Fitted parameters by kernel family, as JSON.", required=True),
        count("kernels", "Sound kernels it was fitted to.", "kernels", required=True),
        Column("predictor", pl.String, "All that predicts, as JSON for `profiling.calibration.calibrate.Calibration`."),
        Column("fitted_in", pl.String, "Whether fitted here or shipped.", required=True, allowed=ORIGINS),
        Column("framework", pl.String, "Software whose kernels were measured.", required=True),
        Column("source", pl.String, "Where the kernels are from.", required=True),
    ),
    ("accelerator", "operator_class"),
    "calibration",
)

PREDICTION_ERROR = Table(
    "marts.prediction_error",
    "How far predictions of one class were off on kernels of shapes left out of the fit.",
    columns_of(
        FOLDER,
        DEVICE,
        OPERATOR_CLASS,
        HELD_OUT,
        Column("parameters", pl.String, "Fitted parameters by kernel family, as JSON."),
        Column("fitted_in", pl.String, "Whether fitted here or shipped.", required=True, allowed=ORIGINS),
    ),
    ("accelerator", "operator_class"),
    "calibration",
)

ROOFLINE_POINTS = Table(
    "marts.roofline_points",
    "One pass of one model: the least time the data sheet allows, and the likely time; on one accelerator, "
    "and on 2, 4 and 8 that share every layer where it does not surely fit on fewer (looked at from 12, 24 and 48 "
    "billion parameters on).",
    (
        MODEL_ID,
        ACCELERATOR,
        Column("stage", pl.String, "prefill, decode (one step) or encode.", required=True, allowed=STAGES),
        PRECISION,
        WEIGHT_BITS,
        TENSOR_PARALLEL,
        BATCH,
        CONTEXT,
        positive("flops", "Operations on one device.", "FLOP", required=True),
        positive("moved_bytes", "Traffic of one device.", "bytes", required=True),
        positive("intensity", "Operations per byte.", "FLOP/byte", required=True),
        Column("bound_by", pl.String, "What bounds most of the time.", required=True, allowed=BOUNDS),
        positive("bound_s", "Least time of the pass.", "s", required=True),
        positive("predicted_low_s", "Low end of the 80 % interval.", "s", required=True),
        positive("predicted_s", "Likely time of the pass.", "s", required=True),
        positive("predicted_high_s", "High end of the 80 % interval.", "s", required=True),
        positive("fraction_of_roof", "Bound over likely time.", "1", required=True),
        flag("is_calibrated", "Whether most of the time is predicted from measured kernels of this accelerator."),
        VERDICT,
        positive("memory_low_gib", "Least memory needed on a device.", "GiB", required=True),
        positive("memory_high_gib", "Most memory that may be needed on a device.", "GiB", required=True),
        positive("time_to_first_token_s", "Likely time of prefill; null elsewhere and where it does not fit.", "s"),
        positive("time_per_output_token_s", "Likely time of a decode step; null likewise.", "s"),
        positive("tokens_per_s", "Tokens per second of the whole batch; null where it does not fit.", _TOKENS_PER_S),
        positive("joules_per_token", "Likely energy of the accelerators, host apart; null: power not published.", "J"),
    ),
    ("model_id", "accelerator", "stage", "precision", "tensor_parallel", "batch", "context"),
    "performance",
)

ROOFLINE_OPERATORS = Table(
    "marts.roofline_operators",
    "One operator of a pass of a well-known model, with its place under the roof.",
    (
        MODEL_ID,
        ACCELERATOR,
        Column("stage", pl.String, "prefill or decode (one step).", required=True, allowed=STAGES),
        PRECISION,
        BATCH,
        CONTEXT,
        count("position", "Order in which data flows.", required=True),
        Column("place", pl.String, "Stack and kind of layer.", required=True),
        Column("operator", pl.String, "Name within its place.", required=True),
        Column("operator_class", pl.String, "Kind of work.", required=True),
        count("occurrences", "How often the pass runs it.", required=True),
        positive("flops", "Operations of one occurrence.", "FLOP", required=True),
        positive("weight_bytes", "Weights read.", "bytes", required=True),
        positive("activation_bytes", "Activations read and written.", "bytes", required=True),
        positive("kv_bytes", "Keys and values read and written.", "bytes", required=True),
        positive("intensity", "Operations per byte.", "FLOP/byte", required=True),
        Column("bound_by", pl.String, "What bounds it.", required=True, allowed=BOUNDS),
        positive("bound_s", "Least time of one occurrence.", "s", required=True),
        positive("predicted_low_s", "Low end of the 80 % interval.", "s", required=True),
        positive("predicted_s", "Likely time of one occurrence alone; a pass is not their sum.", "s", required=True),
        positive("predicted_high_s", "High end of the 80 % interval.", "s", required=True),
        flag("is_calibrated", "Whether predicted from measured kernels of this accelerator."),
    ),
    ("model_id", "accelerator", "stage", "precision", "batch", "context", "position"),
    "performance",
)

GPU_REQUIREMENTS = Table(
    "marts.gpu_requirements",
    "How many accelerators a model needs, what its memory is used for, and the common rule of thumb.",
    (
        MODEL_ID,
        ACCELERATOR,
        PRECISION,
        WEIGHT_BITS,
        BATCH,
        CONTEXT,
        Column("engine", pl.String, "Whose overhead is counted.", required=True),
        Column(
            "verdict",
            pl.String,
            "On a single device: fits, borderline (depends on the engine) or does not fit.",
            required=True,
            allowed=VERDICTS,
        ),
        count("devices", "Fewest on which it fits for sure; null where 128 are not enough.", "devices"),
        count("tensor_parallel", "Of these, devices that share every layer.", "devices"),
        count("pipeline_parallel", "Groups of them, each with some of the layers.", "stages"),
        count("max_batch", "Most sequences of this context that fit on them.", "sequences"),
        positive("weights_gib", "Weights of the whole model.", "GiB", required=True),
        positive("kv_cache_low_gib", "KV cache where windows give back what left them.", "GiB", required=True),
        positive("kv_cache_high_gib", "KV cache where they do not.", "GiB", required=True),
        positive("overhead_low_gib", "Least that the engine adds on one device.", "GiB", required=True),
        positive("overhead_high_gib", "Most that it adds, with vision and audio towers.", "GiB", required=True),
        positive("rule_of_thumb_gib", "Parameters × bytes × 1.2.", "GiB", required=True),
        count("rule_of_thumb_devices", "Devices by that rule.", "devices", required=True),
        Column(
            "rule_of_thumb_error_pct",
            pl.Float64,
            "The rule against the middle of the single-device need.",
            unit="%",
            required=True,
        ),
    ),
    ("model_id", "accelerator", "precision", "batch", "context"),
    "performance",
)


def _spread(stem: str, meaning: str, unit: str) -> tuple[Column, ...]:
    likely = stem.replace("{}", "")
    return (
        positive(stem.replace("{}", "low_"), f"{meaning}, low end.", unit),
        positive(likely, f"{meaning}, likely.", unit),
        positive(stem.replace("{}", "high_"), f"{meaning}, high end.", unit),
    )


_SERVED = (
    MODEL_ID,
    ACCELERATOR,
    Column("stage", pl.String, "prefill: tokens read; decode: tokens made.", required=True, allowed=STAGES),
    PRECISION,
    TENSOR_PARALLEL,
    BATCH,
    CONTEXT,
)
_SERVED_KEY = ("model_id", "accelerator", "stage", "precision", "tensor_parallel", "batch", "context")

SERVING_COST = Table(
    "marts.serving_cost",
    "What a million tokens cost on rented accelerators that are busy all the time, at the market's median price.",
    columns_of(
        _SERVED,
        positive("usd_per_device_hour", "Median price on demand of one device.", "USD/h", required=True),
        Column("price_source", pl.String, "Which median of how many providers that is, and from when.", required=True),
        _spread("usd_{}per_million_tokens", "Rent over tokens", _USD),
    ),
    _SERVED_KEY,
    "performance",
)

CARBON_FOOTPRINT = Table(
    "marts.carbon_footprint",
    "Energy and operational emissions of a million tokens on rented accelerators, on the world's average electricity.",
    columns_of(
        _SERVED,
        positive("power_w", "Rated power of one device.", "W", required=True),
        Column("grid", pl.String, "Country of the electricity, and the table used.", required=True),
        positive("grid_g_co2e_per_kwh", "Its carbon intensity.", "g/kWh", required=True),
        positive("power_usage_effectiveness", "Energy of the building over that of the devices.", "1", required=True),
        _spread("joules_{}per_million_tokens", "Energy of the accelerators", "J per million tokens"),
        _spread("host_joules_{}per_million_tokens", "Energy of the host around them", "J per million tokens"),
        _spread("g_co2e_{}per_million_tokens", "Emissions of both with the building's share", "g per million tokens"),
    ),
    _SERVED_KEY,
    "performance",
)
