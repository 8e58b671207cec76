"""Contracts of what quantisation costs: losses as published, what is predicted from them, and how far off that is."""

import polars as pl

from analytics.quantisation.recipes import BITS_CLASSES, RECIPES, TASKS, UNMEASURED_TASKS
from warehouse.contracts.catalogue import count
from warehouse.contracts.common import SOURCE, flag, positive
from warehouse.contracts.table import Column, Table, columns_of

METRICS = ("benchmark_percent", "perplexity_ratio", "mean_kld", "median_kld", "top1_agreement_percent",
           "relative_loss_percent")  # fmt: skip

_RANGES = (*(name for _, _, name in BITS_CLASSES), "all")

_MODEL = Column("model", pl.String, "Model that was quantised, as the source names it.", required=True)
_FORMAT = Column("format", pl.String, "Stored format as the source names it.", required=True)
_METHOD = Column("method", pl.String, "Quantiser.", required=True)
_IMATRIX = Column("imatrix", pl.String, "Data behind its importance matrix or calibration; null where not stated.")
_KV_FORMAT = Column("kv_format", pl.String, "Format of the KV cache; f16 is not quantised.", required=True)
_METRIC = Column("metric", pl.String, "What was measured.", required=True, allowed=METRICS)
_BENCHMARK = Column("benchmark", pl.String, "A benchmark, or the text for perplexity and divergence.", required=True)
_KEY = ("source", "model", "format", "method", "imatrix", "kv_format", "metric", "benchmark")

QUANTISATION_MEASUREMENTS = Table(
    "core.quantisation_measurements",
    "One published loss: a model in a format against the same model in 16 bits, in one metric and benchmark.",
    columns_of(
        SOURCE,
        _MODEL,
        positive("model_parameters_b", "All parameters.", "billion parameters", required=True),
        positive("active_parameters_b", "Parameters one token uses, of a mixture.", "billion parameters"),
        Column("architecture", pl.String, "Dense, or a mixture of experts.", required=True, allowed=("dense", "moe")),
        Column("reasoning_model", pl.String, "Whether it thinks before it answers.", required=True,
               allowed=("yes", "no")),
        Column("baseline_format", pl.String, "Format it is compared with.", required=True),
        _FORMAT,
        Column("bits_per_weight", pl.Float64, "Bits per weight as stated.", unit="bits", required=True, minimum=0.5,
               maximum=32),
        Column("bits_basis", pl.String, "What those bits refer to: file, layers, or the format's nominal value.",
               required=True),
        _METHOD,
        _IMATRIX,
        Column("activation_bits", pl.Int64, "Width of activations where these are quantised.", unit="bits", minimum=1),
        _KV_FORMAT,
        Column("kv_bits", pl.Float64, "Bits per cached number where the cache is quantised.", unit="bits", minimum=1),
        _METRIC,
        _BENCHMARK,
        Column("baseline_value", pl.Float64, "Value of the 16-bit model, in the metric's unit.", required=True),
        Column("value", pl.Float64, "Value of the quantised model.", required=True),
        Column("delta", pl.Float64, "Change: points; nats for perplexity (ln of the ratio) and divergence.",
               required=True),
        positive("standard_error", "Standard error of the change, in its unit.", ""),
        Column("se_basis", pl.String, "Source of that; binomial and unpaired ones are upper bounds."),
        count("n_items", "Items of the benchmark.", "items"),
        Column("evidence", pl.String, "How the figure was obtained.", required=True),
        Column("fact_note", pl.String, "Licence and doubts."),
        Column("use_in_fits", pl.String, "Whether it is used in fits; if not, why.", required=True),
    ),
    _KEY,
    "quantisation",
)  # fmt: skip

QUANTISATION_LOSS = Table(
    "marts.quantisation_loss",
    "What a format costs a model of a size in a kind of task, in points, with the interval that held 80 % of measured"
    " losses of models left out of the fit; empty, with the reason, where nothing was measured.",
    (
        Column(
            "applies_to", pl.String, "What is stored in the format.", required=True, allowed=("weights", "kv cache")
        ),
        Column("format", pl.String, "Stored format, as Skyline names it.", required=True),
        Column("recipe", pl.String, "Kind of quantiser that losses are grouped by.", allowed=tuple(RECIPES)),
        positive("bits", "Bits per number in the layers, or per cached number.", "bits", required=True),
        Column("size_class", pl.String, "Size of the model; any for caches.", required=True),
        positive("parameters_b", "Total parameters assumed for that size.", "billion parameters"),
        flag("is_mixture", "Whether it is a mixture of experts."),
        Column("task", pl.String, "Kind of task.", required=True, allowed=(*TASKS, *UNMEASURED_TASKS)),
        Column("points_lost", pl.Float64, "Points lost, likely; null where nothing was measured.", unit="points"),
        Column("points_lost_low", pl.Float64, "Low end; negative where noise may hide the loss.", unit="points"),
        Column("points_lost_high", pl.Float64, "High end.", unit="points"),
        flag("is_resolved", "Whether a single run of each would show it: the loss exceeds the noise floor."),
        positive(
            "noise_floor_points",
            "Smallest difference that a single run of each resolves (1.96 σ of run-to-run noise).",
            "points",
        ),
        positive("kl_divergence_nats", "Mean KL divergence per token, likely.", "nats"),
        positive("kl_divergence_low_nats", "Its low end.", "nats"),
        positive("kl_divergence_high_nats", "Its high end.", "nats"),
        count("measurements", "Measured losses in this task and range of bits.", "measurements", required=True),
        count("models", "Number of models measured.", "models", required=True),
        positive(
            "held_out_median_error_points",
            "Median error on models left out of the fit, in this range of bits.",
            "points",
        ),
        Column("basis", pl.String, "Basis of the figure.", required=True),
        Column("warnings", pl.String, "Caveats, or why there is none."),
    ),
    ("applies_to", "format", "size_class", "task"),
    "quantisation",
)

QUANTISATION_PAIRS = Table(
    "marts.quantisation_pairs",
    "A measured loss and what a fit to other models alone predicts for it.",
    columns_of(
        SOURCE,
        _MODEL,
        Column("model_id", pl.String, "Its hub id; null where the name does not say which model is meant."),
        _FORMAT,
        _METHOD,
        _IMATRIX,
        _KV_FORMAT,
        _METRIC,
        _BENCHMARK,
        Column("recipe", pl.String, "Kind of quantiser.", required=True, allowed=tuple(RECIPES)),
        positive("layer_bits", "Bits per number in the layers.", "bits", required=True),
        positive("model_parameters_b", "All parameters.", "billion parameters", required=True),
        Column("measured", pl.Float64, "Measured change, in points or nats.", required=True),
        Column("predicted", pl.Float64, "Predicted change without any row of this model.", required=True),
        Column("predicted_low", pl.Float64, "Low end of the interval of 80 %.", required=True),
        Column("predicted_high", pl.Float64, "High end.", required=True),
        flag("is_inside", "Whether the measured change lies in the interval."),
        flag("is_resolved", "Whether the measured change exceeds the noise of single runs; null for nats."),
    ),
    _KEY,
    "quantisation",
)

QUANTISATION_ERRORS = Table(
    "marts.quantisation_errors",
    "Error of predictions on models left out of the fit, per metric and range of bits, and how often intervals hold.",
    (
        Column("metric", pl.String, "What is predicted.", required=True, allowed=METRICS),
        Column("tasks", pl.String, "Benchmarks, or the text.", required=True, allowed=("MMLU", "all", "text")),
        Column("range_of_bits", pl.String, "Range of bits in the layers.", required=True, allowed=_RANGES),
        count("measurements", "Measured losses.", "measurements", required=True),
        count("models", "Number of models, each predicted by a fit to the others.", "models", required=True),
        positive(
            "median_absolute_error", "Median absolute error in points; for nats the median factor.", "", required=True
        ),
        positive("root_mean_square_error", "Root mean square error in points; of ln Δ for nats.", "", required=True),
        positive("error_of_no_loss", "Median absolute error of assuming no loss.", "points"),
        positive(
            "interval_coverage", "Part of measurements inside the interval of 80 %.", "", required=True, maximum=1
        ),
        positive(
            "interval_half_width", "Half width of intervals: in units of the spread for points, of ln Δ for nats.", ""
        ),
    ),
    ("metric", "tasks", "range_of_bits"),
    "quantisation",
)
