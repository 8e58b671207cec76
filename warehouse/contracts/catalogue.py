"""Contracts of what is known before anything runs: architectures, accelerators, prices, electricity."""

import polars as pl

from warehouse.contracts.common import MODEL_ID, SOURCE, flag, positive
from warehouse.contracts.table import Column, Table, columns_of

ATTENTION_KINDS = ("MHA", "GQA", "MQA", "MLA", "encoder")
ACCELERATOR_KINDS = ("gpu", "igpu", "tpu", "cpu", "asic", "edge")
MEMORY_KINDS = ("hbm", "gddr", "gddr with inline ecc", "lpddr", "ddr", "sram")
LINK_KINDS = (
    "nvlink", "nvlink bridge", "pcie", "infinity fabric", "ici", "neuronlink", "hccs", "mtlink", "ethernet",
    "ethernet in the node", "none", "unknown",
)  # fmt: skip
LINKS = ("itself", "base_model", "same_class_and_count")


def count(name: str, meaning: str, unit: str = "", *, required: bool = False) -> Column:
    """A whole number that is never negative; null where the model has no such part."""
    return Column(name, pl.Int64, meaning, unit=unit, required=required, minimum=0)


ACCELERATOR = Column("accelerator", pl.String, "Accelerator as `core.accelerators` names it.", required=True)

ARCHITECTURES = Table(
    "core.architectures",
    "One model of the catalogue: dimensions, exact parameter counts and KV-cache growth, each with its source.",
    columns_of(
        MODEL_ID,
        Column("model_type", pl.String, "Family by which its operators are built.", required=True),
        flag("is_timed", "Whether its operators are known, so that it can be timed; its counts hold either way."),
        count("hidden_size", "Width of the residual stream."),
        count("layers", "Layers of the decoder or encoder."),
        count("heads", "Query heads."),
        count("kv_heads", "Key-value heads."),
        count("head_dim", "Width of a head."),
        count("intermediate_size", "Width of the dense feed-forward part."),
        count("vocabulary_size", "Entries of the vocabulary."),
        count("max_position", "Longest context that it supports.", "tokens"),
        flag("tied_embeddings", "Whether the output head shares the embedding table."),
        count("experts", "Routed experts per layer; null in dense models."),
        count("experts_per_token", "Routed experts a token is sent to."),
        count("expert_intermediate_size", "Width of a routed expert."),
        count("shared_experts", "Experts that every token passes through."),
        count("first_dense_layers", "Layers before the first with experts."),
        count("sliding_window", "Keys a query sees in windowed layers.", "tokens"),
        count("sliding_layers", "Layers with a window."),
        Column("attention_kind", pl.String, "MHA, GQA, MQA or MLA; encoders keep no cache.", allowed=ATTENTION_KINDS),
        count("kv_layers", "Layers that keep keys and values."),
        count("kv_bytes_per_token", "Growth of a 16-bit KV cache per token, in bytes, while the context is short."),
        count("kv_bytes_per_token_beyond_window", "The same once every window is full, in bytes."),
        count("parameters_total", "All stored parameters.", "parameters", required=True),
        count("parameters_active", "Parameters used per token.", "parameters"),
        count("parameters_non_embedding", "Parameters without embedding tables and output head.", "parameters"),
        count("parameters_embedding", "Embedding tables and output head.", "parameters"),
        count("transformers_count", "Parameters as the transformers library builds the model.", "parameters"),
        Column("transformers_count_difference", pl.Int64, "Ours minus theirs.", unit="parameters"),
        Column("published_parameters_billions", pl.Float64, "Size its publisher states.", unit="billion parameters"),
        Column("published_basis", pl.String, "Where the publisher states it."),
        Column("published_difference_pct", pl.Float64, "Ours over theirs, minus one.", unit="%"),
        Column("release_date", pl.Date, "Day of release."),
        Column("release_date_basis", pl.String, "Source of the date."),
        Column("licence", pl.String, "Licence as stated."),
        Column("licence_basis", pl.String, "Where the licence is stated."),
        SOURCE,
    ),
    ("model_id",),
    "catalogue",
)

HUB_MODELS = Table(
    "core.hub_models",
    "One model fetched from the hub on request: its config as published, the commit, and the time of retrieval.",
    (
        MODEL_ID,
        Column("revision", pl.String, "Commit on the hub from which the config was read.", required=True),
        Column("retrieved_at", pl.Datetime("us", "UTC"), "When it was fetched.", required=True),
        count("stored_bytes", "Size of its weights according to its index; null where it has none.", "bytes"),
        Column("licence", pl.String, "Licence as the hub states it."),
        Column("config", pl.String, "Its config.json.", required=True),
        SOURCE,
    ),
    ("model_id",),
    "catalogue",
)

MODEL_ARCHITECTURES = Table(
    "core.model_architectures",
    "Which architecture of the catalogue a model of a leaderboard has: its own, that of the model it was made from, or"
    " the only one of its class with its parameter count.",
    (
        MODEL_ID,
        Column("architecture_id", pl.String, "`model_id` of `core.architectures`.", required=True),
        Column("link", pl.String, "How it is known.", required=True, allowed=LINKS),
        Column("evidence", pl.String, "Evidence for that, in words.", required=True),
    ),
    ("model_id",),
    "catalogue",
)


def _power(stem: str, meaning: str) -> tuple[Column, ...]:
    return tuple(
        positive(f"{stem}{end}_w", f"{meaning}, {words}; null: not known.", "W")
        for end, words in (("_low", "at least"), ("", "likely"), ("_high", "at most"))
    )


def peak(name: str, meaning: str) -> Column:
    """A dense peak of a number format."""
    return positive(name, meaning, "TFLOP/s")


ACCELERATORS = Table(
    "core.accelerators",
    "One device by its data sheet: dense peaks, bandwidth, memory as sold and as reported, links, each figure with"
    " source and doubts.",
    (
        ACCELERATOR,
        Column("vendor", pl.String, "Maker.", required=True),
        Column("kind", pl.String, "What sort of device it is.", required=True, allowed=ACCELERATOR_KINDS),
        peak("fp32_tflops", "Peak of 32-bit vector work."),
        peak("tf32_dense_tflops", "Peak of TF32 products."),
        peak("fp16_dense_tflops", "Peak of 16-bit products (fp16, bf16) with 32-bit sums."),
        peak("fp8_dense_tflops", "Peak of fp8 products with 32-bit sums."),
        positive("int8_dense_tops", "Peak of int8 products.", "TOP/s"),
        peak("fp4_dense_tflops", "Peak of fp4 products."),
        positive("int4_dense_tops", "Peak of int4 products.", "TOP/s"),
        peak("fp16_sums_in_fp16_tflops", "Peak of fp16 products summed in 16 bits, where that is faster."),
        peak("fp8_sums_in_fp16_tflops", "Peak of fp8 products summed in 16 bits, where that is faster."),
        positive("memory_bandwidth_gb_per_s", "Bandwidth of its memory.", "GB/s", required=True),
        positive("memory_gb", "Memory as sold.", "GB", required=True),
        Column("memory_kind", pl.String, "Which sort of memory it is.", required=True, allowed=MEMORY_KINDS),
        positive("reported_memory_gib", "Memory as the device reports it, where that is known.", "GiB"),
        Column("reported_memory_source", pl.String, "Where it was reported."),
        positive("usable_memory_gib", "Memory for models before any setting is changed.", "GiB", required=True),
        positive("usable_memory_low_gib", "The minimum that this may be.", "GiB", required=True),
        positive("usable_memory_high_gib", "The maximum that it may be, settings included.", "GiB", required=True),
        Column("memory_basis", pl.String, "Basis of the usable memory.", required=True),
        flag("is_unified_memory", "Whether it shares the memory of its machine."),
        positive("usable_fraction", "Share of the memory that models may use by default; null: all of it.", "1"),
        positive("usable_fraction_low", "The smallest share observed.", "1"),
        positive("usable_fraction_high", "The largest share that settings allow.", "1"),
        Column("usable_fraction_source", pl.String, "Source of the share."),
        Column("raising_usable_memory", pl.String, "How to get a larger share."),
        positive("last_level_cache_mb", "Last-level cache.", "MB"),
        positive("register_file_mb", "Register files in total.", "MB"),
        positive("power_w", "Rated power.", "W"),
        positive("drawn_fraction_low", "The smallest share of its rated power that it draws under load.", "1"),
        positive("drawn_fraction", "The likely share of it, fitted to metered devices.", "1"),
        positive("drawn_fraction_high", "The largest share of it.", "1"),
        *_power("host", "Power of the host under load, per device and in addition to the device"),
        *_power("idle", "Power of the device when idle with a model loaded"),
        *_power("host_idle", "Power of the idle host, per device"),
        Column("host_and_idle_source", pl.String, "Sources of these, and how they were measured; null: not known."),
        positive("link_gb_per_s_per_direction", "Bandwidth to its neighbours in the node.", "GB/s"),
        Column("link_kind", pl.String, "What joins the devices of a node.", required=True, allowed=LINK_KINDS),
        count("node_size", "Devices that this link joins.", required=True),
        positive("between_nodes_gb_per_s_per_direction", "Bandwidth of a device to other nodes.", "GB/s"),
        positive("between_nodes_latency_us", "Time of a hop to another node.", "us"),
        positive("achievable_matmul_fraction", "Largest measured share of the 16-bit peak.", "1"),
        positive("bus_bits", "Width of the memory bus; bandwidth is recomputed from it.", "bits"),
        positive("data_rate_gbps_per_pin", "Rate of a pin of it.", "Gbit/s"),
        positive("units", "Units that compute: SM, CU, Xe core, core.", ""),
        Column("unit", pl.String, "Name of such a unit."),
        positive("boost_mhz", "Clock that the peaks are for.", "MHz"),
        positive("flop_per_unit_and_clock", "16-bit operations of a unit per clock; their product is the peak.", ""),
        Column("release_date", pl.String, "Day or month of release."),
        flag("in_grid", "Whether the published grids hold it."),
        Column(
            "calibrated_from",
            pl.String,
            "Kernel tables to which its predictions are fitted; null: documented defaults.",
        ),
        Column("source", pl.String, "Sources of the figures; codes as in the source list."),
        Column("source_list", pl.String, "The codes of the source column, spelled out."),
        Column("flags", pl.String, "What is unknown or doubtful, figure by figure."),
    ),
    ("accelerator",),
    "catalogue",
)

GRID_CARBON_INTENSITY = Table(
    "core.grid_carbon_intensity",
    "Carbon intensity of a country's electricity, by the two tables in common use.",
    (
        Column("country_code", pl.String, "ISO 3166 alpha-3, or WLD.", required=True),
        Column("country", pl.String, "Its name, where a table gives one."),
        count("codecarbon_year", "Year of CodeCarbon's figure."),
        positive("codecarbon_g_co2e_per_kwh", "CodeCarbon's figure.", "g/kWh"),
        positive("ecologits_g_co2e_per_kwh", "EcoLogits' figure.", "g/kWh"),
        positive("ecologits_water_l_per_kwh", "Water use by EcoLogits.", "l/kWh"),
        SOURCE,
    ),
    ("country_code",),
    "catalogue",
)
