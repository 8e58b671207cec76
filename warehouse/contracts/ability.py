"""Contracts of ability: every evaluated model on one scale, with its error, what it rests on and what moved."""

import polars as pl

from warehouse.contracts.boards import BENCHMARK, BENCHMARK_VERSION, BOARD_SOURCE, CATEGORIES
from warehouse.contracts.common import AS_OF_DATE, flag, index_points, positive
from warehouse.contracts.table import Column, Table, columns_of

OVERALL = "overall"
DOMAINS = (
    OVERALL,
    "coding",
    "maths",
    "agents",
    "knowledge",
    "reasoning",
    "language",
    "instruction_following",
    "multilingual",
    "writing",
    "vision",
)
"""`overall`, and categories of benchmarks; hallucination, long context and safety are no part of ability."""
THIN_EVIDENCE = ("one domain", "one result", "prior")
"""Classes of which boards say too little for more than a mark that is hollow."""
EVIDENCE_CLASSES = ("independent", "mixed", "vendor-reported", "published index", *THIN_EVIDENCE)
NOT_STATED = "not stated"
ERROR_BASES = (
    "held-out results",
    "rank agreement",
    "benchmark left out of its domain",
    "prior",
    "published index",
)
REASONS = ("new model", "new results", "refit", "withdrawn")

_DOMAIN = Column(
    "domain",
    pl.String,
    "overall, or what the benchmarks test. A domain is read on the overall scale: coding 140 is as good at coding as"
    " models of overall 140 usually are.",
    required=True,
    allowed=DOMAINS,
)
_MODEL = Column(
    "model_id",
    pl.String,
    "Model as the hub spells it; the name on the board where no hub id is known.",
    required=True,
)
_MODE = Column(
    "mode",
    pl.String,
    "thinking, non-thinking, hybrid-unknown; `not stated` where the model has one mode only or no source states it.",
    required=True,
)
_EFFORT = Column("effort", pl.String, "Reasoning effort or budget as stated; null where none is.")


ABILITY = Table(
    "marts.ability",
    "Latent ability of a model in a mode, on the scale of the Epoch Capabilities Index (Claude 3.5 Sonnet 130, GPT-5"
    " 150), from all admissible results: an item-response model with intervals from a bootstrap over results.",
    columns_of(
        _DOMAIN,
        _MODEL,
        _MODE,
        _EFFORT,
        index_points("ability", "Estimate.", required=True),
        index_points("ability_low", "Lower end.", required=True),
        index_points("ability_high", "Upper end.", required=True),
        Column("ci_level", pl.Float64, "Level of the interval.", required=True, minimum=0, maximum=1),
        Column("results", pl.Int64, "Number of results behind the estimate.", unit="results", required=True, minimum=0),
        Column("sources", pl.String, "Sources of these, sorted, separated by `, `; null for a prior."),
        Column(
            "evidence_class",
            pl.String,
            "independent: two or more results, none by the maker; vendor-reported: all by the maker; mixed: both;"
            " published index: an index alone, itself made from four benchmarks or more; one result; one domain: an"
            " overall ability from results in a single domain; prior: nobody"
            " judged it, the figure follows from its date and size.",
            required=True,
            allowed=EVIDENCE_CLASSES,
        ),
        AS_OF_DATE,
        index_points("published_index", "Epoch Capabilities Index as published, in `overall`."),
        flag(
            "is_headline",
            "Whether this mode represents the model: the one with an index, else with most sources, then most results.",
        ),
        Column("display_name", pl.String, "Name for people."),
        Column("organization", pl.String, "Maker, as a board spells it."),
        Column("release_date", pl.Date, "First release."),
        Column("release_date_source", pl.String, "Board or list that states the date."),
        flag("is_open_weights", "Whether anybody can download the weights."),
        Column("openness_source", pl.String, "Board or list that states so."),
    ),
    ("domain", "model_id", "mode", "effort"),
    "ability",
)

ABILITY_BENCHMARKS = Table(
    "marts.ability_benchmarks",
    "Estimates for each benchmark: how hard it is and how sharply it separates models.",
    columns_of(
        BOARD_SOURCE,
        BENCHMARK,
        BENCHMARK_VERSION,
        Column("metric", pl.String, "What was counted.", required=True),
        Column("scaffold", pl.String, "Agent or prompt style, where it defines a separate benchmark."),
        Column("category", pl.String, "What the benchmark tests.", required=True, allowed=CATEGORIES),
        Column(
            "response",
            pl.String,
            "logistic for shares, linear for ratings and indices.",
            required=True,
            allowed=("logistic", "linear"),
        ),
        index_points(
            "difficulty",
            "Ability at which half of what can be earned is earned; for linear ones, at which the mean of the board"
            " is expected.",
            required=True,
        ),
        positive(
            "discrimination",
            "Slope: change of the logit per index point; for linear ones, of the score.",
            "per index point",
            required=True,
        ),
        Column(
            "models",
            pl.Int64,
            "Number of models, each mode counted separately, with a result.",
            unit="models",
            required=True,
            minimum=1,
        ),
        AS_OF_DATE,
    ),
    ("source", "benchmark", "benchmark_version", "metric", "scaffold"),
    "ability",
)

ABILITY_ERROR = Table(
    "marts.ability_error",
    "Error of the abilities: on results left out, against boards left out, against the published index, and"
    " for models that nobody evaluated.",
    columns_of(
        Column("basis", pl.String, "How it was measured.", required=True, allowed=ERROR_BASES),
        _DOMAIN,
        Column("compared_with", pl.String, "Board that was left out, or what was.", required=True),
        Column(
            "models",
            pl.Int64,
            "Number of models, each mode counted separately.",
            unit="models",
            required=True,
            minimum=0,
        ),
        Column("results", pl.Int64, "Figures compared.", unit="results", required=True, minimum=0),
        Column(
            "unit",
            pl.String,
            "share: of the attainable score above chance; index points; standard deviations of the board; ranks alone.",
            required=True,
            allowed=("share", "index points", "standard deviations", "ranks"),
        ),
        positive("mean_absolute_error", "Mean of the absolute errors.", "see unit"),
        positive("root_mean_square_error", "Root of the mean squared error.", "see unit"),
        positive("largest_error", "Largest absolute error.", "see unit"),
        positive(
            "naive_mean_absolute_error",
            "The same for a naive guess: the benchmark's mean over other models; of a prior, the mean ability.",
            "see unit",
        ),
        Column("coverage", pl.Float64, "Share of values inside the interval.", minimum=0, maximum=1),
        Column("ci_level", pl.Float64, "Nominal level of the interval.", minimum=0, maximum=1),
        Column(
            "spearman",
            pl.Float64,
            "Rank correlation of abilities by the board alone and without it; of a benchmark left out of its domain,"
            " that of its scores with ability in the domain.",
            minimum=-1,
            maximum=1,
        ),
        Column("spearman_low", pl.Float64, "Lower end, 95 %.", minimum=-1, maximum=1),
        Column("spearman_high", pl.Float64, "Upper end, 95 %.", minimum=-1, maximum=1),
        Column(
            "overall_spearman",
            pl.Float64,
            "That of the same scores, over the same models, with overall ability.",
            minimum=-1,
            maximum=1,
        ),
        Column("overall_spearman_low", pl.Float64, "Lower end, 95 %.", minimum=-1, maximum=1),
        Column("overall_spearman_high", pl.Float64, "Upper end, 95 %.", minimum=-1, maximum=1),
        Column(
            "spearman_gain",
            pl.Float64,
            "By how much ability in the domain orders these models better than overall ability does.",
            minimum=-2,
            maximum=2,
        ),
        Column("spearman_gain_low", pl.Float64, "Lower end, 95 %, by resampling models.", minimum=-2, maximum=2),
        Column("spearman_gain_high", pl.Float64, "Upper end, 95 %, by resampling models.", minimum=-2, maximum=2),
        AS_OF_DATE,
    ),
    ("basis", "domain", "compared_with"),
    "ability",
)

ABILITY_CHANGES = Table(
    "marts.ability_changes",
    "Which models moved with the newest snapshots of boards, against a fit to everything before, and why.",
    columns_of(
        _DOMAIN,
        _MODEL,
        _MODE,
        _EFFORT,
        index_points("ability_before", "Before; null for a new model."),
        index_points("ability", "Now; null where all its results were withdrawn."),
        index_points("change", "Now less before."),
        Column(
            "reason",
            pl.String,
            "new model; new results: some of its results are new or changed; refit: only benchmarks and other models"
            " are; withdrawn.",
            required=True,
            allowed=REASONS,
        ),
        Column("new_results", pl.Int64, "Results new or changed.", unit="results", required=True, minimum=0),
        flag("is_beyond_noise", "Whether the change exceeds what the differing results can account for; null if new."),
        Column("before_date", pl.Date, "Newest snapshot in the previous fit.", required=True),
        AS_OF_DATE,
    ),
    ("domain", "model_id", "mode", "effort"),
    "ability",
)

TABLES: tuple[Table, ...] = (ABILITY, ABILITY_BENCHMARKS, ABILITY_ERROR, ABILITY_CHANGES)
