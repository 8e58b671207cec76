"""Contracts of measured profiling: what was measured where, module by module, beside what was predicted."""

import polars as pl

from warehouse.contracts.catalogue import count
from warehouse.contracts.common import AS_OF_DATE, SNAPSHOT_ID, flag, positive
from warehouse.contracts.sources import COVERAGE, FILE_COLUMNS, LAYOUT, rejected_rows
from warehouse.contracts.table import Column, Table, columns_of

STAGES = ("prefill", "decode", "encode", "serve", "generate", "quality")
STATUSES = ("ok", "oom_device", "oom_host", "killed", "timeout", "unsupported", "error", "skipped")
CLOCKS = ("wall", "processor")
SCOPES = ("uncontended", "all")
BASES = ("ceilings", "ceilings and other models")

RUN_ID = Column("run_id", pl.String, "One sweep, prompt, load or import.", required=True)
ENVIRONMENT_ID = Column("environment_id", pl.String, "Hardware and software it ran on.", required=True)
POINT_ID = Column("point_id", pl.String, "Configuration that was measured, by the digest of its fields.", required=True)
_WHY = "; null is unknown, never zero"

SNAPSHOTS = Table(
    "raw.profile_snapshots",
    "One stored bundle of measurements; a row of `meta.snapshots`.",
    columns_of(
        SNAPSHOT_ID,
        Column("board", pl.String, "Run that it holds.", required=True),
        AS_OF_DATE,
        LAYOUT,
        COVERAGE,
        FILE_COLUMNS,
    ),
    ("snapshot_id",),
    "profiles",
)
REJECTED_ROWS = rejected_rows("raw.profile_rejected_rows", "profiles")

ENVIRONMENTS = Table(
    "core.profile_environments",
    "Where one bundle was measured: device, processor, software; nothing in it names a person or a host.",
    (
        SNAPSHOT_ID,
        RUN_ID,
        ENVIRONMENT_ID,
        Column("device", pl.String, "Accelerator, processor or server that did the work.", required=True),
        Column("device_kind", pl.String, "cpu, cuda, or serve where only answers were seen.", required=True),
        Column("processor", pl.String, "Processor of the machine."),
        count("processor_cores", "Its cores as the system counts them.", "cores"),
        count("threads", "Threads that torch used.", "threads"),
        Column("torch", pl.String, "Version of torch."),
        Column("cuda", pl.String, "Version of CUDA that torch was built for."),
        Column("driver", pl.String, "Version of the driver."),
        Column("system", pl.String, "Operating system."),
        positive("memory_bytes", "Memory of the machine.", "bytes"),
        positive("power_limit_w", "Power limit of the accelerator in force.", "W"),
        flag("is_virtual", "Whether it was a virtual machine."),
        Column("name", pl.String, "Name of the plan.", required=True),
        Column("measured_at", pl.String, "When it began, in UTC.", required=True),
    ),
    ("run_id",),
    "profiles",
)

CEILINGS = Table(
    "core.profile_ceilings",
    "One measured ceiling of a device: a copy, a read, a product, an attention or element-by-element work of one size.",
    (
        RUN_ID,
        ENVIRONMENT_ID,
        count("position", "Order in which it was measured.", required=True),
        Column(
            "kind", pl.String, "copy, read, gemm, prefill_attention, decode_attention or elementwise.", required=True
        ),
        Column("precision", pl.String, "Number format; null where it does not matter."),
        Column("operation", pl.String, "Which element-by-element work."),
        count("m", "Rows of the product."),
        count("n", "Its outputs."),
        count("k", "Its inputs."),
        count("batch", "Sequences of the attention.", "sequences"),
        count("context", "Keys of the attention.", "tokens"),
        positive("time_s", "Median time.", "s", required=True),
        positive("processor_s", "Median processor time; null on accelerators.", "s"),
        positive("bytes_per_s", "Traffic over time, of copies and reads.", "byte/s"),
        positive("flops_per_s", "Operations over time, of products.", "FLOP/s"),
    ),
    ("run_id", "position"),
    "profiles",
)

_WHAT = (
    Column("model", pl.String, "Model that was measured.", required=True),
    Column(
        "stage",
        pl.String,
        "prefill, decode (one step), encode, serve, generate, or quality: a text read.",
        required=True,
        allowed=STAGES,
    ),
    count("batch", "Sequences in flight; of a server, requests in flight.", "sequences"),
    count("context", "Prompt length, or tokens attended when decoding.", "tokens"),
    Column("precision", pl.String, "Number format of weights and activations."),
)
POINTS = Table(
    "marts.profile_points",
    "One configuration measured once: how it ended, latency, throughput, memory, energy, and what was predicted.",
    columns_of(
        RUN_ID,
        ENVIRONMENT_ID,
        POINT_ID,
        _WHAT,
        Column("device", pl.String, "Accelerator, processor or server.", required=True),
        Column("model_type", pl.String, "Family of the model."),
        Column("attention_kernel", pl.String, "Attention kernel that ran."),
        Column("execution", pl.String, "eager, or graph where a captured graph was replayed."),
        Column("backend", pl.String, "What ran the model."),
        count("threads", "Threads of the processor.", "threads"),
        Column("status", pl.String, "How it ended.", required=True, allowed=STATUSES),
        Column("reason", pl.String, "Why it did not end well."),
        Column(
            "flags", pl.String, "Gates that it did not pass, with commas; empty where it passed all.", required=True
        ),
        flag("is_contended", "Whether other processes kept it waiting for more than 5 % of the time."),
        count("repeats", "Repeats behind the latency.", "repeats"),
        positive("cold_s", "Time of the first step, which includes one-time work.", "s"),
        positive("latency_s", "Median of a step on the wall clock.", "s"),
        positive("latency_low_s", "Low end of the 95 % interval of the median.", "s"),
        positive("latency_high_s", "High end of that interval.", "s"),
        positive("latency_p90_s", "90 % of steps were faster.", "s"),
        positive("processor_s", "Median CPU time of a step, over all threads.", "s"),
        positive("waiting_share", "Time threads could have run and waited, over that and the time they ran.", "1"),
        positive("tokens_per_s", "Tokens read (prefill, encode) or made per second, over the batch.", "tokens/s"),
        positive("requests_per_s", "Requests answered per second.", "1/s"),
        count("requests", "Requests sent.", "requests"),
        count("errors", "Requests that failed.", "requests"),
        positive("ttft_p50_s", "Median time to the first token.", "s"),
        positive("ttft_p99_s", "99 % of requests had their first token sooner.", "s"),
        positive("inter_token_p50_s", "Median time between tokens.", "s"),
        positive("inter_token_p99_s", "99 % of times between tokens were shorter.", "s"),
        positive("weights_bytes", "Size of the weights in memory.", "bytes"),
        positive("kv_cache_bytes", "Keys and values.", "bytes"),
        positive("activation_peak_bytes", "Peak memory of a step beyond that.", "bytes"),
        positive("allocated_peak_bytes", "Peak of allocated memory.", "bytes"),
        positive("reserved_peak_bytes", "Peak of memory held by the allocator" + _WHY + ".", "bytes"),
        positive("energy_j", "Energy of a step by a counter" + _WHY + ".", "J"),
        positive("joules_per_token", "Energy over tokens.", "J"),
        Column("energy_why", pl.String, "Why there is no energy."),
        positive("flops", "Operations of a step.", "FLOP"),
        positive("fraction_of_ceiling", "Operations per second over the fastest measured product.", "1"),
        positive("layer_sum_ratio", "Sum over modules over the uninstrumented step.", "1"),
        Column("compared_clock", pl.String, "Clock that prediction and measurement are compared on.", allowed=CLOCKS),
        positive("compared_s", "Measured time on that clock.", "s"),
        positive("bound_s", "Least time by the measured ceilings.", "s"),
        positive("predicted_s", "Predicted time, made without this model's measurements.", "s"),
        positive("predicted_low_s", "Low end of the 80 % interval; null below three points of other models.", "s"),
        positive("predicted_high_s", "High end of that interval.", "s"),
        Column("prediction_basis", pl.String, "Basis of the prediction.", allowed=BASES),
        Column("error_pct", pl.Float64, "Predicted divided by measured, minus 1.", unit="%"),
        positive("perplexity", "Perplexity of a text; comparable only for the same tokenizer.", "1"),
        positive(
            "perplexity_over_first", "Divided by that of the first row of the run; null for different tokens.", "1"
        ),
        positive("bits_per_byte", "Bits per byte of the text; always comparable.", "bit/byte"),
        count("questions", "Number of questions asked.", "questions"),
        positive("exact_match", "Share of answers that equal the expected ones.", "1"),
        positive("bleu", "BLEU of the answers, 0 to 1.", "1"),
        positive("rouge_l", "ROUGE-L of the answers, 0 to 1.", "1"),
    ),
    ("run_id", "point_id"),
    "profiles",
)

LAYERS = Table(
    "marts.profile_layers",
    "One module of one measured configuration: its own time, operations, bytes and growth of memory.",
    (
        RUN_ID,
        POINT_ID,
        count("position", "Order of the modules.", required=True),
        Column("path", pl.String, "Name of the module, as in the checkpoint's model.", required=True),
        Column("kind", pl.String, "linear, attention, norm, …; between: its own work around its parts.", required=True),
        count("layer", "Layer it belongs to, counted from 0; null outside the layers."),
        positive("time_s", "Median of its own time.", "s", required=True),
        positive("time_share", "Its share of the sum over modules.", "1", required=True),
        positive("flops", "Operations.", "FLOP"),
        positive("moved_bytes", "Inputs, output and weights, each once; null between modules.", "bytes"),
        Column("allocated_bytes", pl.Float64, "Growth of allocated memory; null without a counter.", unit="bytes"),
        Column(
            "peak_bytes",
            pl.Float64,
            "Peak memory held during a call; null where there is no counter.",
            unit="bytes",
        ),
    ),
    ("run_id", "point_id", "position"),
    "profiles",
)

TELEMETRY = Table(
    "marts.profile_telemetry",
    "One sample of a device during a run, taken by a separate process.",
    (
        RUN_ID,
        count("position", "Order of the samples.", required=True),
        positive("elapsed_s", "Since the first sample.", "s", required=True),
        Column("device", pl.String, "Device by its name in the run.", required=True),
        positive("power_w", "Power.", "W"),
        positive(
            "system_power_w",
            "Power of the whole machine, screen and disks included, by its batteries while they discharge.",
            "W",
        ),
        positive("utilisation_share", "Share of time in which it was busy.", "1"),
        positive("clock_mhz", "Clock of the multiprocessors or the processor.", "MHz"),
        Column("temperature_c", pl.Float64, "Temperature.", unit="°C"),
        positive("memory_used_bytes", "Memory in use.", "bytes"),
        positive("dram_share", "Share of memory bandwidth in use, where the driver reports it.", "1"),
        positive("tensor_share", "Share of time tensor cores were active, where the driver reports it.", "1"),
        positive("load_1min", "Processes that wanted to run, mean over a minute.", "1"),
    ),
    ("run_id", "position"),
    "profiles",
)

PREDICTION_ERROR = Table(
    "marts.profile_prediction_error",
    "How far predictions were off on the points of one environment, each made without the model's own measurements.",
    (
        ENVIRONMENT_ID,
        Column("device", pl.String, "Accelerator or processor.", required=True),
        Column("stage", pl.String, "prefill, decode or encode.", required=True, allowed=STAGES),
        Column("compared_clock", pl.String, "Clock of the comparison.", required=True, allowed=CLOCKS),
        Column(
            "scope", pl.String, "All points, or only those measured without contention.", required=True, allowed=SCOPES
        ),
        count("points", "Points compared.", "points", required=True),
        positive("mape_pct", "Mean error.", "%", required=True),
        positive("median_error_pct", "Median error.", "%", required=True),
        positive("p90_error_pct", "90 % of errors are smaller.", "%", required=True),
        positive("interval_coverage_pct", "Share inside its 80 % interval; null where none has one.", "%"),
    ),
    ("environment_id", "stage", "compared_clock", "scope"),
    "profiles",
)
