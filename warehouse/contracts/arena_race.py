"""Contracts of the race over time: boards as one continuous series, and what serving the frontier takes."""

import polars as pl

from analytics.identity.licences import OPEN
from warehouse.contracts.arena import (
    ARENA,
    BOARD_COLUMNS,
    BOARD_KEY,
    CATEGORY,
    MODEL,
    PUBLICATION,
    STYLE_CONTROL,
    points,
)
from warehouse.contracts.common import AS_OF_DATE, flag, parameters, positive
from warehouse.contracts.table import Column, Table, columns_of

_SERIES = Column(
    "series", pl.String,
    "Boards without style control, with it, or `as shown`: with it since the arena made it its default.",
    required=True, allowed=("style not controlled", "style controlled", "as shown"),
)  # fmt: skip

ARENA_SERIES = Table(
    "marts.arena_series",
    "Boards of all publications as one continuous series per arena and category, up to the newest: each"
    " rating as published, and moved onto the level of the newest board by the models that successive boards share.",
    columns_of(
        ARENA,
        CATEGORY,
        _SERIES,
        AS_OF_DATE,
        PUBLICATION,
        STYLE_CONTROL,
        Column("identity", pl.String, "One name per model, whatever publications call it.", required=True),
        MODEL,
        points("published_rating", "As published.", required=True),
        points("published_lower", "Lower 95 % bound as published."),
        points("published_upper", "Upper 95 % bound as published."),
        points("rating", "On the level of the newest board of the segment.", required=True),
        points("rating_lower", "Lower 95 % bound, with the error of the links between."),
        points("rating_upper", "Upper 95 % bound, with the error of the links between."),
        points("offset_points", "What was added to the published rating.", required=True),
        points("offset_standard_error", "Its standard error, over all links to the newest board.", required=True),
        Column("segment", pl.Int64, "0 is the newest; segments share too few models to be joined.", required=True),
    ),
    ("arena", "category", "series", "as_of_date", "identity"),
    "arena",
)

ARENA_SERIES_LINKS = Table(
    "marts.arena_series_links",
    "How two successive boards of a series are joined: how many models are on both, by how much they moved in the"
    " median, and whether that is a break.",
    columns_of(
        ARENA,
        CATEGORY,
        _SERIES,
        Column("before_publication", pl.String, "Of the earlier board.", required=True),
        flag("before_style_control", "Whether it controlled for style.", required=True),
        Column("before_date", pl.Date, "Its date.", required=True),
        Column("after_publication", pl.String, "Of the later board.", required=True),
        flag("after_style_control", "Whether it controlled for style.", required=True),
        Column("after_date", pl.Date, "Its date.", required=True),
        Column("common_models", pl.Int64, "Models on both.", unit="models", required=True, minimum=0),
        points("shift_points", "Median of later less earlier; null where fewer than five are on both."),
        points("shift_standard_error", "Of that median, from the median absolute deviation.", minimum=0),
        flag("is_break", "Whether levels were moved here, or could not be.", required=True),
        Column(
            "reason", pl.String, "Why it is one.", required=True,
            allowed=(
                "none", "style control", "another publication", "levels moved as a whole", "too few models in common",
            ),
        ),
    ),
    ("arena", "category", "series", "after_date"),
    "arena",
)  # fmt: skip

FRONTIER_GPU_DEMAND = Table(
    "marts.frontier_gpu_demand",
    "GPUs needed to serve each open model that moved the frontier of its board, as it was published, under the load of"
    " `marts.gpu_requirements` (32 requests, 4,096 tokens, H100 80 GB, vLLM); with the common rule of thumb.",
    columns_of(
        BOARD_COLUMNS,
        MODEL,
        Column("model_id", pl.String, "The model on the hub; null where not known."),
        Column("organization", pl.String, "Maker, spellings unified."),
        Column("licence_class", pl.String, "Class of the licence.", required=True, allowed=OPEN),
        Column("release_date", pl.Date, "Best known.", required=True),
        points("rating", "On this board.", required=True),
        parameters("parameters_total", "Parameters, all experts."),
        Column("parameters_basis", pl.String, "Counted from its dimensions, or stated by its maker."),
        Column("weight_format", pl.String, "Format that it was published in; null where its shapes are not known."),
        positive("published_bits", "Bits per weight as published.", "bits"),
        positive("weights_gib", "Weights alone.", "GiB"),
        positive("serving_memory_low_gib", "Memory on all devices, low.", "GiB"),
        positive("serving_memory_gib", "The same, high.", "GiB"),
        Column("gpu_memory_gb", pl.Float64, "Memory of one GPU as sold.", unit="GB", required=True, minimum=1),
        Column("gpus_needed", pl.Int64, "Fewest that surely fit it; null where its shapes are not known.", minimum=1),
        positive("rule_of_thumb_gib", "Weights plus 20 %.", "GiB"),
        Column("rule_of_thumb_gpus", pl.Int64, "GPUs needed by that rule, rounded up.", unit="GPUs", minimum=1),
    ),
    (*BOARD_KEY, "model"),
    "arena",
)
