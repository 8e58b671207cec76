"""One release date per model from sources that disagree, with a grade and a report of the disagreement."""

import polars as pl

SOURCE_PRECEDENCE = ("announcement", "graphes_livre", "epoch", "model_name", "models.dev")
"""Sources of full dates, the first trusted most; models.dev also lists when third parties took a model on."""
FIRST_BOARD = "first_board"
_AGREE_DAYS = 7
_BOARD_SLACK_DAYS = 1
LISTING = "models.dev"
_LISTING_SLACK_DAYS = 300

RELEASES_SCHEMA = {
    "identity": pl.String,
    "release_date": pl.Date,
    "grade": pl.String,
    "source": pl.String,
    "sources": pl.Int64,
    "spread_days": pl.Int64,
    "first_board_date": pl.Date,
    "conflict": pl.String,
}


def best_release_dates(evidence: pl.DataFrame, first_boards: pl.DataFrame) -> pl.DataFrame:
    """Best date of each model, how sure it is, and what the sources disagree on.

    The most trusted full date that is not later than the first board (plus a day for time zones) is taken; if all
    are later, the most trusted one. Grades: A if another full date lies within a week of it or the month of another
    source contains it, and no board came before; B if a single source has a date and no board came before; C
    otherwise. A model that no source dates gets the date of its first board, grade C: it was released by then; so does
    one that only a catalogue of listings dates, over 300 days before any board: that is a namesake.

    Args:
        evidence: `identity, source, stated` with `stated` as YYYY-MM-DD or, of months, YYYY-MM.
        first_boards: `identity, first_board_date`: every model that a board shows.

    Returns:
        Columns of `RELEASES_SCHEMA`, one row per model of either frame.
    """
    trust = {source: place for place, source in enumerate(SOURCE_PRECEDENCE)}
    boards = first_boards.group_by("identity").agg(pl.col("first_board_date").min())
    dated = evidence.filter(pl.col("stated").str.len_chars() == 10).with_columns(
        day=pl.col("stated").str.to_date("%Y-%m-%d"),
        trust=pl.col("source").replace_strict(trust, default=len(trust), return_dtype=pl.Int64),
    )
    months = (
        evidence.filter(pl.col("stated").str.len_chars() == 7)
        .group_by("identity")
        .agg(months=pl.col("stated").unique().sort(), month_sources=pl.col("source").unique().sort())
    )
    limit = pl.col("first_board_date") + pl.duration(days=_BOARD_SLACK_DAYS)
    dated = dated.join(boards, on="identity", how="left").with_columns(
        late=(pl.col("day") > limit).fill_null(value=False)
    )
    namesakes = dated.filter(
        (pl.col("source").n_unique().over("identity") == 1)
        & (pl.col("source") == LISTING)
        & (pl.col("day") < pl.col("first_board_date") - pl.duration(days=_LISTING_SLACK_DAYS))
        & ~pl.col("identity").is_in(months["identity"].implode())
    )
    dated = dated.join(namesakes, on="identity", how="anti")
    doubted = namesakes.group_by("identity").agg(doubted=pl.col("stated").min())
    chosen = (
        dated.sort("identity", "late", "trust", "day")
        .unique("identity", keep="first", maintain_order=True)
        .select("identity", release_date="day", late="late")
    )
    near = (pl.col("day") - pl.col("release_date")).dt.total_days().abs() <= _AGREE_DAYS
    summary = (
        dated.drop("late")
        .join(chosen, on="identity")
        .sort("identity", "trust")
        .group_by("identity", maintain_order=True)
        .agg(
            release_date=pl.col("release_date").first(),
            late=pl.col("late").first(),
            agreeing=pl.col("source").filter(near).unique(maintain_order=True),
            full_sources=pl.col("source").n_unique(),
            spread_days=(pl.col("day").max() - pl.col("day").min()).dt.total_days(),
            stated=pl.format("{} {}", "source", "stated"),
        )
    )
    every = pl.concat([boards.select("identity"), evidence.select("identity")]).unique().sort("identity")
    joined = (
        every.join(summary, on="identity", how="left")
        .join(months, on="identity", how="left")
        .join(boards, on="identity", how="left")
        .join(doubted, on="identity", how="left")
    )
    same_month = pl.col("months").list.contains(pl.col("release_date").dt.strftime("%Y-%m")).fill_null(value=False)
    agreeing = pl.when(same_month).then(pl.col("agreeing").list.concat("month_sources")).otherwise("agreeing")
    joined = joined.with_columns(agreeing=agreeing, confirmed=agreeing.list.len() >= 2)
    grade = (
        pl.when(pl.col("confirmed") & ~pl.col("late"))
        .then(pl.lit("A"))
        .when((pl.col("full_sources") == 1) & ~pl.col("late") & pl.col("months").is_null())
        .then(pl.lit("B"))
        .when(pl.coalesce("release_date", "first_board_date").is_not_null())
        .then(pl.lit("C"))
    )
    return joined.select(
        "identity",
        pl.coalesce("release_date", "first_board_date").alias("release_date"),
        grade.alias("grade"),
        pl.when(pl.col("release_date").is_not_null())
        .then(pl.col("agreeing").list.join("+"))
        .when(pl.col("first_board_date").is_not_null())
        .then(pl.lit(FIRST_BOARD))
        .alias("source"),
        (pl.col("full_sources").fill_null(0) + pl.col("month_sources").list.len().fill_null(0))
        .cast(pl.Int64)
        .alias("sources"),
        pl.when(pl.col("full_sources") > 1).then("spread_days").alias("spread_days"),
        "first_board_date",
        _conflict(),
    ).cast(RELEASES_SCHEMA)  # type: ignore[arg-type]


def _conflict() -> pl.Expr:
    """What the sources disagree on, in words; null where they do not."""
    days = pl.when(pl.col("spread_days") > _AGREE_DAYS).then(
        pl.format("{} days apart: {}", "spread_days", pl.col("stated").list.join(", "))
    )
    in_months = pl.col("months").list.contains(pl.col("release_date").dt.strftime("%Y-%m"))
    months = pl.when(pl.col("release_date").is_not_null() & ~in_months).then(
        pl.format("{} says {}", pl.col("month_sources").list.join(", "), pl.col("months").list.join(", "))
    )
    board = pl.when(pl.col("late")).then(pl.format("a board showed it on {} already", "first_board_date"))
    namesake = pl.when(pl.col("doubted").is_not_null()).then(
        pl.format("only {} dates it, {}, long before any board", pl.lit(LISTING), "doubted")
    )
    text = pl.concat_str([days, months, board, namesake], separator="; ", ignore_nulls=True)
    return pl.when(text.str.len_chars() > 0).then(text).alias("conflict")
