"""How far open models stand behind proprietary ones: gap, win probability, lag, progress and trend.

Everything is compared within one board (publication, date, arena, category, style control). Levels move when a
publication changes its anchor or method, so they are never compared across boards; gaps and lags are.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from analytics.identity.licences import OPEN
from analytics.identity.release_dates import FIRST_BOARD
from analytics.ratings.win_rates import win_probability_of
from analytics.statistics.student import student_quantile
from analytics.units import DAYS_PER_MONTH, DAYS_PER_YEAR

BOARD = ["publication", "as_of_date", "arena", "category", "style_control"]


def open_vs_proprietary(rated: pl.DataFrame, releases: pl.DataFrame, classes: Sequence[str] = OPEN) -> pl.DataFrame:
    """Gap between the best proprietary and the best open model of each board (`marts.open_vs_proprietary`).

    The bounds join those of the two ratings by the MOVER rule (Zou & Donner 2008), which keeps asymmetric intervals
    asymmetric and treats the errors as independent. On a board both share the error of its level, so the bounds
    are rather too wide than too narrow. That the best of many is chosen by its estimate is not corrected for.

    Args:
        rated: Board rows with `identity, licence_class, model, rating, rating_lower, rating_upper`.
        releases: `identity, release_date, source`.
        classes: Licence classes that count as open; all others, known ones, count as proprietary.

    Returns:
        One row per board that has a rated model of known class on both sides. Where models of unknown class stand high,
        `gap_least` and `gap_most` say what the gap would be with all of them open, or none: a licence that nobody
        knows widens the answer and does not remove it.
    """
    rows = rated.filter(pl.col("rating").is_not_null())
    unclassed = rows.group_by(BOARD).agg(
        models_without_class=pl.col("licence_class").is_null().sum().cast(pl.Int64),
        highest_unknown=pl.col("rating").filter(pl.col("licence_class").is_null()).max(),
    )
    above = undecided_boards(rated, classes).select(*BOARD, pl.col("models").alias("unknown_above"))
    rows = rows.filter(pl.col("licence_class").is_not_null()).with_columns(
        is_open=pl.col("licence_class").is_in(list(classes))
    )
    best = rows.sort("rating", "model", descending=[True, False]).unique(
        [*BOARD, "is_open"], keep="first", maintain_order=True
    )
    value = ["model", "rating", "rating_lower", "rating_upper"]
    sides = [
        best.filter(pl.col("is_open") == is_open).select(*BOARD, *(pl.col(v).alias(f"{v}_{side}") for v in value))
        for is_open, side in ((True, "open"), (False, "closed"))
    ]
    joined = sides[0].join(sides[1], on=BOARD).join(unclassed, on=BOARD)
    gap = pl.col("rating_closed") - pl.col("rating_open")
    lower, upper = _difference_bounds("closed", "open")
    lag = _lags(joined.select(*BOARD, "rating_open"), rows, releases)
    return (
        joined.join(lag, on=BOARD, how="left")
        .join(above, on=BOARD, how="left")
        .with_columns(
            gap_points=gap,
            gap_least=pl.col("rating_closed") - pl.max_horizontal("rating_open", "highest_unknown"),
            gap_most=pl.max_horizontal("rating_closed", "highest_unknown") - pl.col("rating_open"),
            gap_points_lower=lower,
            gap_points_upper=upper,
            open_win_probability=win_probability_of(-gap),
        )
        .rename(
            {
                "model_open": "best_open_model",
                "rating_open": "best_open_rating",
                "model_closed": "best_proprietary_model",
                "rating_closed": "best_proprietary_rating",
            }
        )
        .drop("highest_unknown", "rating_lower_open", "rating_upper_open", "rating_lower_closed", "rating_upper_closed")
        .sort(BOARD)
    )


def undecided_boards(rated: pl.DataFrame, classes: Sequence[str] = OPEN) -> pl.DataFrame:
    """Boards whose gap is not sure: a model of unknown licence class stands above the best open one.

    Args:
        rated: As in `open_vs_proprietary`.
        classes: Licence classes that count as open.

    Returns:
        The board and `models`, the names that a licence rule or a date is needed for.
    """
    best_open = (
        rated.filter(pl.col("licence_class").is_in(list(classes)))
        .group_by(BOARD)
        .agg(best_open_rating=pl.col("rating").max())
    )
    return (
        rated.filter(pl.col("licence_class").is_null() & pl.col("rating").is_not_null())
        .join(best_open, on=BOARD)
        .filter(pl.col("rating") > pl.col("best_open_rating"))
        .group_by(BOARD)
        .agg(models=pl.col("model").unique().sort().str.join(", "))
        .sort(BOARD)
    )


def organisation_gaps(rated: pl.DataFrame) -> pl.DataFrame:
    """Best model of each maker on each board and its distance to the leader (`marts.organisation_gaps`).

    Args:
        rated: As in `open_vs_proprietary`, with `organization`.
    """
    rows = rated.filter(pl.col("rating").is_not_null())
    ordered = rows.sort("rating", "model", descending=[True, False])
    leader = ordered.unique(BOARD, keep="first", maintain_order=True).select(
        *BOARD, *(pl.col(v).alias(f"{v}_leader") for v in ("rating", "rating_lower", "rating_upper"))
    )
    best = (
        ordered.filter(pl.col("organization").is_not_null())
        .unique([*BOARD, "organization"], keep="first", maintain_order=True)
        .with_columns(pl.col(v).alias(f"{v}_own") for v in ("rating", "rating_lower", "rating_upper"))
    )
    lower, upper = _difference_bounds("leader", "own")
    leads = pl.col("rating_leader") == pl.col("rating")
    return (
        best.join(leader, on=BOARD)
        .with_columns(
            gap_points=pl.col("rating_leader") - pl.col("rating"),
            gap_points_lower=pl.when(leads).then(0.0).otherwise(lower),
            gap_points_upper=pl.when(leads).then(0.0).otherwise(upper),
        )
        .select(
            *BOARD,
            "organization",
            pl.col("model").alias("best_model"),
            "licence_class",
            "rating",
            "gap_points",
            "gap_points_lower",
            "gap_points_upper",
        )
        .sort(*BOARD, "gap_points", "organization")
    )


def progress(rated: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """Models of each board by release date, with staircase and trend of their side.

    Rows of `marts.arena_progress`, and `identity`.

    Args:
        rated: As in `open_vs_proprietary`, with `organization`.
        releases: `identity, release_date, grade, source`; models known only by their first board are left out.
    """
    dated_releases = releases.filter(pl.col("release_date").is_not_null() & (pl.col("source") != FIRST_BOARD))
    rows = (
        rated.filter(pl.col("rating").is_not_null() & pl.col("licence_class").is_not_null())
        .join(dated_releases.select("identity", "release_date", release_grade="grade"), on="identity")
        .with_columns(is_open=pl.col("licence_class").is_in(list(OPEN)))
        .sort(*BOARD, "is_open", "release_date", "rating", "model", descending=[*[False] * 7, True, False])
    )
    side = [*BOARD, "is_open"]
    rows = rows.with_columns(frontier_rating=pl.col("rating").cum_max().over(side))
    before = pl.col("frontier_rating").shift(1).over(side)
    rows = rows.with_columns(moved_frontier=(pl.col("rating") > before).fill_null(value=True))
    parts = [_with_trend(part) for part in rows.partition_by(side, maintain_order=True)]
    columns = [
        *BOARD, "model", "identity", "organization", "licence_class", "is_open", "release_date", "release_grade",
        "rating", "rating_lower", "rating_upper", "moved_frontier", "frontier_rating", "trend_rating", "trend_lower",
        "trend_upper", "trend_points_per_year",
    ]  # fmt: skip
    return (pl.concat(parts) if parts else _with_trend(rows)).select(columns)


def _difference_bounds(higher: str, lower: str) -> tuple[pl.Expr, pl.Expr]:
    """MOVER bounds of the rating of one side minus the other."""
    difference = pl.col(f"rating_{higher}") - pl.col(f"rating_{lower}")
    down = (pl.col(f"rating_{higher}") - pl.col(f"rating_lower_{higher}")) ** 2
    down += (pl.col(f"rating_upper_{lower}") - pl.col(f"rating_{lower}")) ** 2
    up = (pl.col(f"rating_upper_{higher}") - pl.col(f"rating_{higher}")) ** 2
    up += (pl.col(f"rating_{lower}") - pl.col(f"rating_lower_{lower}")) ** 2
    return difference - down.sqrt(), difference + up.sqrt()


def _lags(best_open: pl.DataFrame, rows: pl.DataFrame, releases: pl.DataFrame) -> pl.DataFrame:
    """Months from the first release of a proprietary model as good as the best open one to the board's date."""
    reached = (
        rows.filter(~pl.col("is_open"))
        .join(best_open, on=BOARD)
        .filter(pl.col("rating") >= pl.col("rating_open"))
        .join(releases.select("identity", "release_date", "source"), on="identity")
        .filter(pl.col("release_date") <= pl.col("as_of_date"))
        .sort("release_date", "model")
        .unique(BOARD, keep="first", maintain_order=True)
    )
    return reached.select(
        *BOARD,
        ((pl.col("as_of_date") - pl.col("release_date")).dt.total_days() / DAYS_PER_MONTH).alias("lag_months"),
        pl.col("model").alias("lag_model"),
        (pl.col("source") == FIRST_BOARD).alias("lag_is_lower_bound"),
    )


def _with_trend(part: pl.DataFrame) -> pl.DataFrame:
    """Least-squares line of rating over release date with its 95 % confidence band; null under four models."""
    years = part["release_date"].to_physical().cast(pl.Float64).to_numpy() / DAYS_PER_YEAR
    rating = part["rating"].to_numpy()
    empty = pl.lit(None, pl.Float64)
    spread = ((years - years.mean()) ** 2).sum() if len(years) >= 4 else 0.0
    if spread == 0:
        return part.with_columns(trend_rating=empty, trend_lower=empty, trend_upper=empty, trend_points_per_year=empty)
    centred = years - years.mean()
    slope = float((centred * rating).sum() / spread)
    line = rating.mean() + slope * centred
    residual = float(((rating - line) ** 2).sum() / (len(rating) - 2))
    half_width = student_quantile(len(rating) - 2, 0.975) * np.sqrt(residual * (1 / len(rating) + centred**2 / spread))
    return part.with_columns(
        pl.Series("trend_rating", line),
        pl.Series("trend_lower", line - half_width),
        pl.Series("trend_upper", line + half_width),
        pl.lit(slope).alias("trend_points_per_year"),
    )
