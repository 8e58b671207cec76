"""Contracts of arena boards, of ratings from votes, and of the race between open and proprietary models."""

import polars as pl

from warehouse.contracts.common import AS_OF_DATE, SNAPSHOT_ID, SOURCE, flag
from warehouse.contracts.sources import COVERAGE, FILE_COLUMNS, LAYOUT, rejected_rows
from warehouse.contracts.table import Column, Table, columns_of

LICENCE_CLASSES = ("proprietary", "restricted", "open_weights", "open_source")
"""From closed to open. restricted: weights published, but not for commercial use; open_weights: published under terms
of the maker's own; open_source: under a licence that any use is free under."""
PUBLICATIONS = (
    "board_csv",
    "space_table",
    "arena_catalog",
    "alltime",
    "boards_2026",
    "leaderboard_dataset",
    "reference",
    "living_boards",
)
STANDINGS = ("rated", "undefeated", "winless", "separated", "disconnected")
METHODS = ("bradley-terry", "bradley-terry, style controlled", "elo")
DATE_GRADES = ("A", "B", "C")

_POINTS = "points"

PUBLICATION = Column(
    "publication",
    pl.String,
    "Series of files a board comes from; levels compare only within one publication, date, arena and category.",
    required=True,
    allowed=PUBLICATIONS,
)
ARENA = Column("arena", pl.String, "What was asked for: text, vision, text_to_image, code, ...", required=True)
CATEGORY = Column("category", pl.String, "Subset of votes; overall is all of them.", required=True)
STYLE_CONTROL = flag("style_control", "Whether the publication says that style was controlled for.", required=True)
MODEL = Column("model", pl.String, "Model as the board shows it.", required=True)
MODEL_KEY = Column("model_key", pl.String, "Model as vote files name it; null where the board gives no key.")
BOARD_COLUMNS = (PUBLICATION, AS_OF_DATE, ARENA, CATEGORY, STYLE_CONTROL)
BOARD_KEY = tuple(column.name for column in BOARD_COLUMNS)


def points(name: str, meaning: str, *, required: bool = False, minimum: float | None = None) -> Column:
    """A column on the scale of Elo points, where 400 points are odds of ten to one."""
    return Column(name, pl.Float64, meaning, unit=_POINTS, required=required, minimum=minimum)


SUBJECTS = ("arena", "arena_votes", "release_dates")

SNAPSHOTS = Table(
    "raw.arena_snapshots",
    "One stored file of boards or of release dates; a row of `meta.snapshots`.",
    columns_of(
        SNAPSHOT_ID,
        Column("board", pl.String, "What the file holds.", required=True, allowed=SUBJECTS),
        AS_OF_DATE,
        LAYOUT,
        COVERAGE,
        FILE_COLUMNS,
    ),
    ("snapshot_id",),
    "arena",
)

REJECTED_ROWS = rejected_rows("raw.arena_rejected_rows", "arena")

VOTE_SNAPSHOTS = Table(
    "raw.arena_vote_snapshots",
    "One stored file of votes; a row of `meta.snapshots`.",
    SNAPSHOTS.columns,
    ("snapshot_id",),
    "arena",
)

VOTE_REJECTED_ROWS = rejected_rows("raw.arena_vote_rejected_rows", "arena")

RELEASE_EVIDENCE = Table(
    "raw.release_evidence",
    "What a source states about the release date of a model.",
    (
        Column("name", pl.String, "Model without case and punctuation.", required=True),
        Column("source", pl.String, "Who states it.", required=True),
        Column("stated", pl.String, "Date as YYYY-MM-DD or month as YYYY-MM.", required=True),
    ),
    ("name", "source", "stated"),
    "arena",
)

ARENA_BOARD = Table(
    "core.arena_board",
    "One model on one published arena board. Votes of a model may fall between dates: boards withdraw some.",
    columns_of(
        SNAPSHOT_ID,
        BOARD_COLUMNS,
        Column("row_number", pl.Int64, "Row in the file, counted from 1.", required=True, minimum=1),
        MODEL,
        MODEL_KEY,
        Column("organization", pl.String, "Maker as the board spells it."),
        Column("licence", pl.String, "Licence as the board spells it; null where it says nothing."),
        points("rating", "Published rating; null where the board keeps it elsewhere or shows none."),
        points("rating_lower", "Lower 95 % bound as published."),
        points("rating_upper", "Upper 95 % bound as published."),
        Column("rank", pl.Int64, "Rank by interval (upper bound) as published.", minimum=1),
        Column("rank_style_control", pl.Int64, "The same with style controlled for.", minimum=1),
        Column("votes", pl.Int64, "Votes of the model.", unit="votes", minimum=0),
        Column("knowledge_cutoff", pl.String, "As the board gives it: year/month, Online or Unknown."),
        Column("mt_bench_score", pl.Float64, "MT-bench.", unit="points out of 10", minimum=0, maximum=10),
        Column("mmlu", pl.Float64, "MMLU as a fraction.", minimum=0, maximum=1),
        Column("url", pl.String, "Page of the model that the board links."),
    ),
    (*BOARD_KEY, "model", "model_key", "snapshot_id"),
    "arena",
)

ARENA_RATINGS = Table(
    "marts.arena_ratings",
    "Ratings computed here from votes, by category and method; no rating where the votes allow none.",
    columns_of(
        Column("votes_id", pl.String, "Set of vote files rated.", required=True),
        Column("method", pl.String, "How.", required=True, allowed=METHODS),
        CATEGORY,
        Column("model", pl.String, "Model as the votes name it, renames applied.", required=True),
        points("rating", "Mean 1000 over the rated models."),
        points("rating_lower", "Lower 95 % bound: sandwich, of the rating minus the mean of all."),
        points("rating_upper", "Upper 95 % bound."),
        Column("rank_best", pl.Int64, "1 + number of models surely better: the rank that boards show.", minimum=1),
        Column("rank_worst", pl.Int64, "1 + number of models possibly better.", minimum=1),
        Column("battles", pl.Int64, "Votes of the model.", unit="votes", required=True, minimum=0),
        Column("average_win_rate", pl.Float64, "Mean over opponents, ties left out.", minimum=0, maximum=1),
        Column("standing", pl.String, "`rated`, or why there is no rating.", required=True, allowed=STANDINGS),
    ),
    ("votes_id", "method", "category", "model"),
    "arena",
)

ARENA_VOTES = Table(
    "core.arena_votes",
    "Votes on a pair of models, added up; single votes stay in the files they came in.",
    columns_of(
        Column("votes_id", pl.String, "Set of vote files.", required=True),
        CATEGORY,
        Column("model", pl.String, "Model whose name comes first in the alphabet.", required=True),
        Column("opponent", pl.String, "The other one.", required=True),
        Column("wins", pl.Int64, "Votes for the model.", unit="votes", required=True, minimum=0),
        Column("losses", pl.Int64, "Votes for the opponent.", unit="votes", required=True, minimum=0),
        Column("ties", pl.Int64, "Votes for both or neither.", unit="votes", required=True, minimum=0),
        Column("votes", pl.Int64, "All of them.", unit="votes", required=True, minimum=1),
    ),
    ("votes_id", "category", "model", "opponent"),
    "arena",
)

ARENA_WIN_RATES = Table(
    "marts.arena_win_rates",
    "How often the first model beats the second, according to the votes and as predicted by the ratings.",
    columns_of(
        Column("votes_id", pl.String, "Set of vote files.", required=True),
        CATEGORY,
        Column("model", pl.String, "Model.", required=True),
        Column("opponent", pl.String, "Opponent.", required=True),
        Column("observed_win_rate", pl.Float64, "Share of decided votes won.", minimum=0, maximum=1),
        Column("predicted_win_rate", pl.Float64, "By the Bradley-Terry ratings.", minimum=0, maximum=1),
        Column("votes", pl.Float64, "Votes on the pair, ties included.", unit="votes", required=True, minimum=0),
    ),
    ("votes_id", "category", "model", "opponent"),
    "arena",
)

STYLE_COEFFICIENTS = Table(
    "marts.arena_style_coefficients",
    "How far length and formatting influence a vote, at equal ratings.",
    columns_of(
        Column("votes_id", pl.String, "Set of vote files.", required=True),
        CATEGORY,
        Column("feature", pl.String, "length, headers, lists or bold.", required=True),
        Column("coefficient", pl.Float64, "Log-odds per root-mean-square relative difference.", required=True),
        Column("coefficient_lower", pl.Float64, "Lower 95 % bound.", required=True),
        Column("coefficient_upper", pl.Float64, "Upper 95 % bound.", required=True),
    ),
    ("votes_id", "category", "feature"),
    "arena",
)

ARENA_DRIFT = Table(
    "marts.arena_drift",
    "Ratings within windows of time, each shifted to the mean that its models have overall.",
    columns_of(
        Column("votes_id", pl.String, "Set of vote files.", required=True),
        Column("window_start", pl.Date, "First UTC day of the window.", required=True),
        Column("model", pl.String, "Model.", required=True),
        points("rating", "Within the window.", required=True),
        points("rating_lower", "Lower 95 % bound.", required=True),
        points("rating_upper", "Upper 95 % bound.", required=True),
        points("drift_points", "Rating minus the overall rating; averages to zero over a window.", required=True),
        Column("battles", pl.Int64, "Votes of the model in the window.", unit="votes", required=True, minimum=0),
    ),
    ("votes_id", "window_start", "model"),
    "arena",
)

MODEL_LICENCES = Table(
    "core.model_licences",
    "Licence class of a model over time, as boards stated it: one row per period without change.",
    columns_of(
        Column("model", pl.String, "Model as the boards show it.", required=True),
        Column("licence", pl.String, "Licence as spelled; null where the board said nothing."),
        Column("licence_class", pl.String, "Class; null where the spelling is unknown.", allowed=LICENCE_CLASSES),
        Column("valid_from", pl.Date, "First board that stated it.", required=True),
        Column("valid_to", pl.Date, "First later board that stated otherwise; null while it holds."),
        Column("boards", pl.Int64, "Number of boards that stated it.", required=True, minimum=1),
        Column(
            "evidence", pl.String, "Publication, and the reason where a declared correction was applied.", required=True
        ),
    ),
    ("model", "valid_from"),
    "arena",
)

MODEL_RELEASES = Table(
    "core.model_releases",
    "Best release date of a model from several sources, graded, with what the sources disagree on.",
    columns_of(
        MODEL,
        MODEL_KEY,
        Column("release_date", pl.Date, "Best date; null where no source has one."),
        Column(
            "grade",
            pl.String,
            "A: two sources agree within a week and before the first board. B: one source, not contradicted."
            " C: contradicted, later than the first board, or only a month or a first appearance.",
            allowed=DATE_GRADES,
        ),
        Column("source", pl.String, "Sources that agree on the date, joined by +."),
        Column("sources", pl.Int64, "Sources with a full date or month.", required=True, minimum=0),
        Column("spread_days", pl.Int64, "Largest difference between full dates.", unit="days", minimum=0),
        Column("first_board_date", pl.Date, "First board that shows it; it was released no later."),
        Column("conflict", pl.String, "What the sources disagree on; null where nothing."),
    ),
    ("model",),
    "arena",
)

OPEN_VS_PROPRIETARY = Table(
    "marts.open_vs_proprietary",
    "How far the best open model is behind the best proprietary one, within each board.",
    columns_of(
        BOARD_COLUMNS,
        points("gap_points", "Best proprietary minus best open rating; negative if open leads.", required=True),
        points("gap_points_lower", "Lower 95 % bound, as if the two errors were independent."),
        points("gap_points_upper", "Upper 95 % bound."),
        Column(
            "open_win_probability", pl.Float64, "Probability that the best open model beats the best proprietary one.",
            required=True, minimum=0, maximum=1,
        ),
        Column(
            "lag_months",
            pl.Float64,
            "Months since a proprietary model as good as today's best open one was released; null where none is.",
            unit="months",
        ),
        Column("lag_model", pl.String, "That proprietary model."),
        flag("lag_is_lower_bound", "Its release date is only its first board; the lag may be longer."),
        Column("best_open_model", pl.String, "Best model with downloadable weights.", required=True),
        points("best_open_rating", "Its rating.", required=True),
        Column("best_proprietary_model", pl.String, "Best model without.", required=True),
        points("best_proprietary_rating", "Its rating.", required=True),
        Column("models_without_class", pl.Int64, "Models left out: class unknown.", required=True, minimum=0),
        points("gap_least", "The gap if every model of unknown class were open.", required=True),
        points("gap_most", "The gap if every such model were proprietary.", required=True),
        Column("unknown_above", pl.String, "Models of unknown class above the best open one; null for none."),
    ),
    BOARD_KEY,
    "arena",
)  # fmt: skip

ORGANISATION_GAPS = Table(
    "marts.organisation_gaps",
    "Best model of each organisation on each board, and how far it is behind the leader.",
    columns_of(
        BOARD_COLUMNS,
        Column("organization", pl.String, "Maker, spellings unified.", required=True),
        Column("best_model", pl.String, "Its best model.", required=True),
        Column("licence_class", pl.String, "Class of that model.", allowed=LICENCE_CLASSES),
        points("rating", "Rating of that model.", required=True),
        points("gap_points", "Rating of the leader minus that rating.", required=True, minimum=0),
        points("gap_points_lower", "Lower 95 % bound."),
        points("gap_points_upper", "Upper 95 % bound."),
    ),
    (*BOARD_KEY, "organization"),
    "arena",
)

ARENA_PROGRESS = Table(
    "marts.arena_progress",
    "Models of one board by release date: points, staircase of the best so far, and trend of their class.",
    columns_of(
        BOARD_COLUMNS,
        MODEL,
        Column("organization", pl.String, "Maker, spellings unified."),
        Column("licence_class", pl.String, "Class of the licence.", required=True, allowed=LICENCE_CLASSES),
        flag("is_open", "Weights can be downloaded."),
        Column("release_date", pl.Date, "Best known.", required=True),
        Column("release_grade", pl.String, "How well it is known.", required=True, allowed=DATE_GRADES),
        points("rating", "On this board.", required=True),
        points("rating_lower", "Lower 95 % bound."),
        points("rating_upper", "Upper 95 % bound."),
        flag("moved_frontier", "Best of its side (open or proprietary) when released."),
        points("frontier_rating", "Best of its side released up to that day.", required=True),
        points("trend_rating", "Straight line through its side."),
        points("trend_lower", "Lower 95 % confidence band of the line."),
        points("trend_upper", "Upper 95 % confidence band."),
        points("trend_points_per_year", "Slope of the line."),
    ),
    (*BOARD_KEY, "model"),
    "arena",
)

RATING_REFERENCE = Table(
    "core.arena_published_ratings",
    "Published text-board ratings of well-known models at a few dates, for pages without a network.",
    columns_of(
        AS_OF_DATE,
        MODEL,
        Column("organization", pl.String, "Maker.", required=True),
        Column("licence", pl.String, "Licence as the board spells it.", required=True),
        points("rating", "As published.", required=True),
        points("rating_lower", "As published.", required=True),
        points("rating_upper", "As published.", required=True),
        SOURCE,
    ),
    ("as_of_date", "model"),
    "arena",
)
