"""Contracts of what is made of abilities: models with their facts, fronts, the gap, and growth."""

import polars as pl

from warehouse.contracts.ability import DOMAINS
from warehouse.contracts.common import AS_OF_DATE, flag, index_points, parameters, positive
from warehouse.contracts.table import Column, Table, columns_of

OPENNESS = ("open", "proprietary", "unknown")
COSTS = {
    "weights_gib": "GiB",
    "memory_gib": "GiB",
    "parameters_total": "parameters",
    "parameters_active": "parameters",
    "time_per_token_s": "s",
    "usd_per_million_tokens": "USD per million tokens",
}
"""What fronts of ability minimise, and its unit."""
TERMS = ("size", "date", "size and date")
SIZE_BASES = ("parameters_total", "parameters_active")
_95 = "95 %, whole makers resampled"

_DOMAIN = Column("domain", pl.String, "Domain of `marts.ability`.", required=True, allowed=DOMAINS)
_MODEL = Column("model_id", pl.String, "Model as in `marts.ability`.", required=True)
_LOAD = "under the load of `marts.gpu_requirements` (32 requests, 4,096 tokens, H100 80 GB, vLLM, as published)"


ABILITY_MODELS = Table(
    "marts.ability_models",
    "One row per model with an ability: who made it, when, under which licence, how large it is and what serving it"
    " takes, each with its basis.",
    columns_of(
        _MODEL,
        Column("display_name", pl.String, "Name for people."),
        Column("organization", pl.String, "Maker, as a board spells it."),
        Column("openness", pl.String, "Whether anybody can download the weights.", required=True, allowed=OPENNESS),
        Column("openness_basis", pl.String, "Board or list that states so, or where its weights are; null: none."),
        Column("licence", pl.String, "Licence as stated."),
        Column("licence_basis", pl.String, "Where it is stated."),
        Column("release_date", pl.Date, "First release."),
        Column("release_date_basis", pl.String, "Board, list or file that states the date, or that its name does."),
        parameters("parameters_total", "Parameters, all experts."),
        parameters("parameters_active", "Parameters that a token uses."),
        Column("parameters_basis", pl.String, "Counted from its dimensions, or taken from its name."),
        Column("weight_format", pl.String, "Format in which it is published."),
        positive("weight_bits", "Bits per weight of that.", "bits"),
        positive("weights_gib", "Weights alone, as published.", "GiB"),
        Column("devices", pl.Int64, f"Fewest devices on which it surely fits, {_LOAD}.", unit="devices", minimum=1),
        positive("memory_low_gib", f"Memory on all of them, low, {_LOAD}.", "GiB"),
        positive("memory_gib", "The same, high.", "GiB"),
        positive("tokens_per_s_low", "Rate of one request, low.", "tokens/s"),
        positive("tokens_per_s", f"Likely rate of one request, {_LOAD}.", "tokens/s"),
        positive("tokens_per_s_high", "The same, high.", "tokens/s"),
        positive("time_per_token_s", "Its inverse.", "s"),
        Column("timed_as", pl.String, "`compared_as` of measurements that say how far off such rates are."),
        positive("usd_per_million_tokens_low", "Rent, low.", "USD per million tokens"),
        positive("usd_per_million_tokens", f"Likely rent, {_LOAD}.", "USD per million tokens"),
        positive("usd_per_million_tokens_high", "The same, high.", "USD per million tokens"),
    ),
    ("model_id",),
    "ability",
)

ABILITY_FRONTS = Table(
    "marts.ability_fronts",
    "When each open model entered and left the front of ability against a cost, by release date: the front of day d has"
    " entered_on <= d and (left_on is null or left_on > d). All days are judged by the newest results.",
    columns_of(
        _DOMAIN,
        Column("cost", pl.String, "What is minimised.", required=True, allowed=tuple(COSTS)),
        _MODEL,
        Column("mode", pl.String, "Mode that speaks for the model.", required=True),
        index_points("ability", "Estimate.", required=True),
        index_points("ability_low", "Lower end.", required=True),
        index_points("ability_high", "Upper end.", required=True),
        Column("evidence_class", pl.String, "As in `marts.ability`.", required=True),
        Column("value", pl.Float64, "The cost.", required=True, minimum=0),
        Column("unit", pl.String, "Unit of the cost.", required=True),
        Column("entered_on", pl.Date, "Release date.", required=True),
        Column("left_on", pl.Date, "Release date of the model that beat it; null while unbeaten."),
        Column("displaced_by", pl.String, "Who that was."),
        flag(
            "is_beyond_noise",
            "On today's front: whether its estimate exceeds the next cheaper member's by more than both intervals"
            " explain; null off it and for the cheapest.",
        ),
    ),
    ("domain", "cost", "model_id"),
    "ability",
)

ABILITY_GAP = Table(
    "marts.ability_gap",
    "How far the best open model is behind the best proprietary one in ability, on each day on which a best one was"
    " released, and on the day of the newest result. All days are judged by the newest results.",
    columns_of(
        _DOMAIN,
        Column("on_date", pl.Date, "Models released up to this day are included.", required=True),
        Column("open_model", pl.String, "Best model with downloadable weights.", required=True),
        index_points("open_ability", "Its ability.", required=True),
        index_points("open_low", "Lower end.", required=True),
        index_points("open_high", "Upper end.", required=True),
        Column("proprietary_model", pl.String, "Best model without.", required=True),
        index_points("proprietary_ability", "Its ability.", required=True),
        index_points("proprietary_low", "Lower end.", required=True),
        index_points("proprietary_high", "Upper end.", required=True),
        index_points("gap_points", "Proprietary minus open; negative where open leads.", required=True),
        index_points("gap_low", "Lower end of 95 %, as if both errors were independent.", required=True),
        index_points("gap_high", "Upper end of 95 %.", required=True),
        Column("ci_level", pl.Float64, "Level of the intervals of abilities.", required=True, minimum=0, maximum=1),
        index_points("gap_least", "The gap if every model of unknown licence were open.", required=True),
        index_points("gap_most", "The gap if every such model were proprietary.", required=True),
        Column("unknown_models", pl.Int64, "Models of unknown licence.", unit="models", required=True, minimum=0),
        Column("unknown_above", pl.String, "Those of them above the best open one, eight at most."),
        Column(
            "lag_months", pl.Float64, "Months since a proprietary model as good as the best open one was released.",
            unit="months",
        ),
        Column("lag_model", pl.String, "The first such model."),
        AS_OF_DATE,
    ),
    ("domain", "on_date"),
    "ability",
)  # fmt: skip

ABILITY_GROWTH = Table(
    "marts.ability_growth",
    "Ability of open models against log2 of their parameters and their release date, by least squares: what a doubling"
    " and a year added, alone and together.",
    columns_of(
        _DOMAIN,
        Column("size_basis", pl.String, "Which count of parameters.", required=True, allowed=SIZE_BASES),
        Column("terms", pl.String, "Terms in the fit.", required=True, allowed=TERMS),
        index_points("intercept", "Ability at 10⁹ parameters on the reference day.", required=True),
        Column("reference_date", pl.Date, "Day that years are counted from.", required=True),
        index_points("points_per_doubling", "Null where size is no term."),
        index_points("points_per_doubling_lower", f"Lower end: {_95}."),
        index_points("points_per_doubling_upper", f"Upper end: {_95}."),
        index_points("points_per_year", "Null where date is no term."),
        index_points("points_per_year_lower", f"Lower end: {_95}."),
        index_points("points_per_year_upper", f"Upper end: {_95}."),
        Column("r_squared", pl.Float64, "Share of the variance.", required=True, maximum=1),
        Column("models", pl.Int64, "Models in the fit.", unit="models", required=True, minimum=1),
        Column("makers", pl.Int64, "Makers of these.", unit="makers", required=True, minimum=1),
        AS_OF_DATE,
    ),
    ("domain", "size_basis", "terms"),
    "ability",
)
