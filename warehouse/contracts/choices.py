"""Contracts of the choice of a model: who is who across sources, how good each is, and what it takes to run it."""

import polars as pl

from warehouse.contracts.arena import LICENCE_CLASSES
from warehouse.contracts.catalogue import ACCELERATOR, LINKS, count
from warehouse.contracts.common import MODEL_ID, MODEL_TYPES, PRECISIONS, flag, positive, score
from warehouse.contracts.performance import BATCH, CONTEXT, PRECISION, VERDICT, WEIGHT_BITS
from warehouse.contracts.table import Column, Table, columns_of

IDENTITY_RULES = ("declared", "same_name", "no_such_name", "ambiguous")
RELEASE_BASES = ("catalogue", "upload to the hub", "first submission", "a board or list of models")
SAME_SHAPES = "same_shapes"
"""A model that a board judged, and one of the catalogue that has its shapes."""
BENCHMARKS = {
    "open_llm_v2": ("IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO"),
    "open_llm_v1": ("ARC", "HellaSwag", "MMLU", "TruthfulQA", "Winogrande", "GSM8K"),
}


def benchmark_column(benchmark: str) -> str:
    """Column of a benchmark in `marts.model_quality`: `MATH Lvl 5` is `math_lvl_5`."""
    return benchmark.lower().replace(" ", "_").replace("-", "_")


def _rating(name: str, meaning: str) -> Column:
    return Column(name, pl.Float64, meaning, unit="arena points")


ARENA_IDENTITIES = Table(
    "core.arena_identities",
    "The hub model that an arena name refers to, and the rule that determined it; null where no rule applies.",
    (
        Column("model", pl.String, "Model as arenas show it.", required=True),
        Column("model_id", pl.String, "Model as the hub spells it; null where not known."),
        Column("architecture_id", pl.String, "Its architecture in the catalogue, where declared."),
        Column("rule", pl.String, "What found it, or why nothing did.", required=True, allowed=IDENTITY_RULES),
        Column("evidence", pl.String, "Evidence for that, in words.", required=True),
    ),
    ("model",),
    "choices",
)

_BOARD = {
    board: (
        score(f"{board}_average", f"Mean score on the latest whole snapshot of {board}."),
        positive(f"{board}_standard_error", "Binomial standard error of that mean.", "points"),
        Column(f"{board}_as_of_date", pl.Date, "Date of that snapshot."),
        Column(
            f"{board}_precision",
            pl.String,
            "Number format it was measured in; fewer bits may lose points that were not measured.",
            allowed=PRECISIONS,
        ),
        *(score(benchmark_column(name), f"Score in {name}.") for name in benchmarks),
    )
    for board, benchmarks in BENCHMARKS.items()
}
_ABILITY = (
    Column("ability", pl.Float64, "Ability overall of `marts.ability`, in the mode that speaks for the model.",
           unit="index points"),
    Column("ability_low", pl.Float64, "Its lower 90 % bound.", unit="index points"),
    Column("ability_high", pl.Float64, "Its upper 90 % bound.", unit="index points"),
)  # fmt: skip
_QUALITY = columns_of(
    _ABILITY,
    Column("ability_as_of_date", pl.Date, "Date of the newest result behind it."),
    Column("ability_evidence_class", pl.String, "What it rests on."),
    _BOARD["open_llm_v2"],
    _BOARD["open_llm_v1"],
    _rating("arena_rating", "Published rating on the latest whole text arena board."),
    _rating("arena_rating_lower", "Its lower 95 % bound."),
    _rating("arena_rating_upper", "Its upper 95 % bound."),
    Column("arena_model", pl.String, "Name there."),
    Column("arena_board", pl.String, "Publication, and whether style is controlled for."),
    Column("arena_as_of_date", pl.Date, "Date of that board."),
    Column("arena_rule", pl.String, "How the two names were found to be one model.", allowed=IDENTITY_RULES),
)
_ABOUT = (
    Column("model_type", pl.String, "Kind of training.", allowed=MODEL_TYPES),
    Column("licence", pl.String, "Licence as stated."),
    Column("licence_class", pl.String, "What it allows; null where none is stated.", allowed=LICENCE_CLASSES),
    flag("is_on_hub", "Whether the board found its weights on the hub at the latest snapshot."),
    flag("is_flagged", "Flagged by a board, for contamination and the like."),
    flag("is_merged", "Made by merging weights."),
    flag("is_official_provider", "Submitted by an official provider of the board."),
    Column("release_date", pl.Date, "Release date, as well as it is known."),
    Column("release_basis", pl.String, "What that date is.", allowed=RELEASE_BASES),
    count("parameters_total", "All parameters.", "parameters"),
    count("parameters_active", "Parameters used per token.", "parameters"),
)
_ARCHITECTURE = (
    Column("architecture_id", pl.String, "`model_id` of `core.architectures` that it runs as."),
    Column("architecture_link", pl.String, "How that is known.", allowed=(*LINKS, "declared", SAME_SHAPES)),
    Column("architecture_evidence", pl.String, "Evidence for that, in words."),
)

ABILITY_BY_PRECISION = Table(
    "marts.ability_by_precision",
    "Ability of a judged open model in each precision of `marts.choices`: as judged, less what the precision is"
    " predicted to cost, as the Advisor has it.",
    (
        MODEL_ID,
        PRECISION,
        Column("architecture_id", pl.String, "`model_id` of `core.architectures` whose shapes it has.", required=True),
        *_ABILITY,
    ),
    ("model_id", "precision"),
    "choices",
)

MODEL_QUALITY = Table(
    "marts.model_quality",
    "One model with every measure of its quality, each with board and date, and the architecture it runs as.",
    columns_of(MODEL_ID, _ABOUT, _QUALITY, _ARCHITECTURE),
    ("model_id",),
    "choices",
)

CHOICE_COVERAGE = Table(
    "marts.choice_coverage",
    "How many models of each source can be chosen, by what rule, and why the others cannot.",
    (
        Column("source", pl.String, "Board and date.", required=True),
        Column("outcome", pl.String, "Rule that determines the architecture, or what is missing.", required=True),
        flag("is_choosable", "Whether they are in `marts.choices`."),
        count("models", "Models with that outcome.", "models", required=True),
    ),
    ("source", "outcome"),
    "choices",
)


def _spread(stem: str, meaning: str, unit: str) -> tuple[Column, ...]:
    """Low, likely and high; `{}` in the stem is where the end stands."""
    return (
        positive(stem.replace("{}", "low_"), f"{meaning}, low end.", unit),
        positive(stem.replace("{}", ""), f"{meaning}, likely.", unit),
        positive(stem.replace("{}", "high_"), f"{meaning}, high end.", unit),
    )


CHOICES = Table(
    "marts.choices",
    "One model in one precision on some accelerators: how good it is, whether it fits, how fast it will be, what a"
    " million tokens cost in money, energy and carbon, and where each is from. A view over `marts.roofline_points`,"
    " `marts.model_quality`, prices and electricity.",
    columns_of(
        MODEL_ID,
        PRECISION,
        ACCELERATOR,
        count("devices", "Accelerators that share every layer.", "devices", required=True),
        BATCH,
        CONTEXT,
        WEIGHT_BITS,
        VERDICT,
        positive("memory_low_gib", "Least memory needed on a device.", "GiB", required=True),
        positive("memory_high_gib", "Most memory that may be needed on a device.", "GiB", required=True),
        positive("memory_budget_gib", "Memory the engine allows itself on a device.", "GiB", required=True),
        count("max_batch", "Most sequences of this context that fit for sure; null where only one batch is known.",
              "sequences"),
        _spread("time_to_first_token_{}s", "Time until the first token: prefill of the whole batch", "s"),
        _spread("time_per_output_token_{}s", "Time of each further token", "s"),
        positive("tokens_per_s_low", "Tokens generated per second by the whole batch, low end.", "tokens/s"),
        positive("tokens_per_s", "Tokens generated per second by the whole batch, likely.", "tokens/s"),
        positive("tokens_per_s_high", "Tokens generated per second by the whole batch, high end.", "tokens/s"),
        _spread("usd_{}per_million_tokens", "Rent per million tokens generated", "USD per million tokens"),
        _spread("joules_{}per_million_tokens", "Energy of the accelerators per million tokens generated",
                "J per million tokens"),
        _spread("host_joules_{}per_million_tokens", "Energy of the host around them", "J per million tokens"),
        _spread("g_co2e_{}per_million_tokens", "Emissions of both with the building's share",
                "g per million tokens"),
        flag("is_calibrated", "Whether both passes are mostly predicted from measured kernels of this accelerator."),
        positive("usd_per_device_hour", "Median on-demand price; null where none is listed.", "USD/h"),
        Column("price_source", pl.String, "Which median of how many providers that is, and from when."),
        Column("grid", pl.String, "Country of the electricity, and the table used."),
        _ABOUT,
        _QUALITY,
        _ARCHITECTURE,
    ),
    ("model_id", "precision", "accelerator", "devices", "batch", "context"),
    "choices",
)  # fmt: skip
VIEWS: tuple[Table, ...] = (CHOICES,)
"""What is derived when it is asked for, from tables of the published warehouse."""
