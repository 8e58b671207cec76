"""Boards of several publications become one series: levels are joined by common models, published figures stay."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.ratings.series import AS_SHOWN, joined_series

FIRST, SECOND, THIRD = dt.date(2024, 1, 1), dt.date(2024, 6, 1), dt.date(2025, 12, 11)
TRUE = {name: 1000.0 + 40 * place for place, name in enumerate("abcdefgh")}


def board(
    publication: str, day: dt.date, level: float, models: str = "abcdefgh", *, style: bool = False
) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"publication": publication, "as_of_date": day, "arena": "text", "category": "overall",
             "style_control": style, "identity": name, "rating": TRUE[name] + level,
             "rating_lower": TRUE[name] + level - 5, "rating_upper": TRUE[name] + level + 5}
            for name in models
        ]
    )  # fmt: skip


def shown(*boards: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    joined = joined_series(pl.concat(boards))
    links = joined.links.filter(series=AS_SHOWN).sort("after_date")
    return joined.ratings.filter(series=AS_SHOWN), links["reason"].to_list()


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_what_publications_add_to_all_their_ratings_is_taken_away_again(one: float, other: float) -> None:
    boards = (board("old", FIRST, one), board("newer", SECOND, other), board("newest", THIRD, 0.0))
    ratings, reasons = shown(*boards)
    assert reasons == ["another publication", "another publication"]
    for name, rating, published in ratings.select("identity", "joined_rating", "rating").iter_rows():
        assert rating == pytest.approx(TRUE[name], abs=1e-6)
        assert published != rating or rating == pytest.approx(TRUE[name], abs=1e-6)


def test_small_moves_within_a_publication_are_the_models_own_and_large_ones_are_a_break() -> None:
    ratings, reasons = shown(board("one", FIRST, 0.0), board("one", SECOND, 2.0), board("one", THIRD, 62.0))
    assert reasons == ["none", "levels moved as a whole"]
    assert ratings.filter(as_of_date=FIRST, identity="a")["joined_rating"].item() == 1060.0
    assert ratings.filter(as_of_date=SECOND, identity="a")["joined_rating"].item() == 1062.0


def test_the_error_of_every_join_is_in_the_interval() -> None:
    noisy = board("old", FIRST, 0.0).with_columns(
        pl.col("rating") + pl.Series([0, 9, -9, 4, -4, 12, -12, 1], dtype=pl.Float64)
    )
    ratings, _ = shown(noisy, board("new", THIRD, 0.0))
    old, new = (ratings.filter(as_of_date=day, identity="d").row(0, named=True) for day in (FIRST, THIRD))
    assert old["offset_standard_error"] > 0 == new["offset_standard_error"]
    assert old["joined_upper"] - old["joined_lower"] > old["rating_upper"] - old["rating_lower"]


def test_boards_with_too_few_models_in_common_are_not_joined() -> None:
    ratings, reasons = shown(board("old", FIRST, 100.0, "abcd"), board("new", THIRD, 0.0, "cdefgh"))
    assert reasons == ["too few models in common"]
    assert ratings.filter(as_of_date=FIRST)["segment"].unique().to_list() == [1]
    assert ratings.filter(as_of_date=FIRST, identity="a")["offset_points"].item() == 0.0


def test_as_shown_goes_over_to_style_control_when_the_arena_did() -> None:
    boards = (
        board("one", FIRST, 0.0), board("one", FIRST, 9.0, style=True), board("one", THIRD, 0.0),
        board("one", THIRD, 60.0, style=True),
    )  # fmt: skip
    ratings, reasons = shown(*boards)
    assert reasons == ["style control"]
    assert dict(ratings.select("as_of_date", "style_control").unique().iter_rows()) == {FIRST: False, THIRD: True}
