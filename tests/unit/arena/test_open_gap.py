"""The gap between open and proprietary models comes out as published, with honest bounds and no guessed class."""

import datetime as dt
from functools import cache
from importlib import resources
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ratings.open_gap import open_vs_proprietary, organisation_gaps, progress, undecided_boards
from pipelines.defs.arena.tables import Boards, rate_vote_files
from pipelines.sources.arena.read import parse_board
from pipelines.sources.arena.reference import licence_rules, release_evidence
from warehouse.contracts import arena as contracts
from warehouse.contracts.violations import violations

DAY = dt.date(2025, 1, 1)
# How long an example takes depends on who else uses the machine.
LAW = settings(deadline=None, max_examples=40)
KNOWN_GAPS = {dt.date(2024, 6, 19): 79.0, dt.date(2025, 2, 10): 23.0, dt.date(2025, 8, 4): 36.0}
Model = tuple[str, str | None, float, dt.date]


@cache
def text_boards(folder: Path) -> Boards:
    files = sorted(folder.glob("*_text.csv"))
    board = pl.concat(parse_board(f.read_bytes(), f.suffix, f.name, f.name).rows for f in files)
    return Boards(board, licence_rules(), release_evidence())


def rated(*models: Model) -> pl.DataFrame:
    board = {
        "publication": "board_csv",
        "as_of_date": DAY,
        "arena": "text",
        "category": "overall",
        "style_control": False,
    }
    return pl.DataFrame(
        [
            {**board, "model": name, "identity": name, "organization": name[0], "licence_class": licence_class,
             "rating": rating, "rating_lower": rating - 6, "rating_upper": rating + 8}
            for name, licence_class, rating, _ in models
        ]
    )  # fmt: skip


def released(*models: Model, source: str = "epoch") -> pl.DataFrame:
    return pl.DataFrame(
        [{"identity": name, "release_date": day, "grade": "B", "source": source} for name, _, _, day in models]
    )


OPEN: Model = ("open", "open_source", 1300.0, dt.date(2024, 12, 1))
OLD: Model = ("old closed", "proprietary", 1310.0, dt.date(2024, 1, 1))
NEW: Model = ("new closed", "proprietary", 1350.0, dt.date(2024, 10, 1))


@pytest.mark.data
def test_the_gap_is_79_then_23_then_36_points_on_the_real_text_boards(shared_data: Path) -> None:
    gaps = text_boards(shared_data / "arena/snapshots").open_vs_proprietary()
    by_day = dict(gaps.select("as_of_date", "gap_points").iter_rows())
    assert {day: by_day[day] for day in KNOWN_GAPS} == KNOWN_GAPS
    assert gaps.filter(as_of_date=dt.date(2025, 2, 10))["best_open_model"].item() == "DeepSeek-R1"
    assert gaps.height == gaps["as_of_date"].n_unique() == 82
    assert gaps.filter(~pl.col("gap_points").is_between("gap_points_lower", "gap_points_upper")).is_empty()
    assert gaps["lag_months"].null_count() == 0


@pytest.mark.data
def test_every_table_of_the_real_text_boards_keeps_its_contract(shared_data: Path) -> None:
    boards = text_boards(shared_data / "arena/snapshots")
    for table, rows in (
        (contracts.OPEN_VS_PROPRIETARY, boards.open_vs_proprietary()),
        (contracts.ORGANISATION_GAPS, boards.organisation_gaps()),
        (contracts.ARENA_PROGRESS, boards.progress()),
        (contracts.MODEL_LICENCES, boards.model_licences()),
        (contracts.MODEL_RELEASES, boards.model_releases()),
    ):
        assert rows.height > 0
        assert violations(table, rows) == {}, table.relation


@pytest.mark.data
def test_a_set_of_votes_fills_its_tables(shared_data: Path) -> None:
    result = rate_vote_files([shared_data / "arena/votes/pandalm_human_battles.csv"], "pandalm")
    for table, rows in result.tables.items():
        assert violations(table, rows) == {}
    assert set(result.tables[contracts.ARENA_RATINGS]["method"]) == {"bradley-terry", "elo"}
    pairs = result.tables[contracts.ARENA_WIN_RATES].filter(category="overall")
    mirrored = pairs.join(pairs, left_on=["model", "opponent"], right_on=["opponent", "model"])
    assert (
        mirrored.select((pl.col("predicted_win_rate") + pl.col("predicted_win_rate_right") - 1).abs().max()).item()
        < 1e-9
    )


def test_the_bundled_table_answers_the_same_three_gaps_without_any_file() -> None:
    table = resources.files("warehouse").joinpath("reference/arena_published_ratings.csv").read_bytes()
    board = parse_board(table, ".csv", "bundled/arena_published_ratings.csv", "bundled").rows
    gaps = Boards(board, licence_rules(), release_evidence()).open_vs_proprietary()
    assert dict(gaps.select("as_of_date", "gap_points").iter_rows()) == KNOWN_GAPS


def test_the_lag_counts_from_the_first_proprietary_model_as_good_as_the_best_open_one() -> None:
    models = (OPEN, OLD, NEW)
    row = open_vs_proprietary(rated(*models), released(*models)).row(0, named=True)
    assert (row["gap_points"], row["lag_model"]) == (50.0, "old closed")
    assert row["lag_months"] == pytest.approx(366 / (365.25 / 12))
    assert row["open_win_probability"] == pytest.approx(1 / (1 + 10 ** (50 / 400)))
    assert not row["lag_is_lower_bound"]


def test_bounds_of_the_gap_join_the_sides_that_face_each_other() -> None:
    row = open_vs_proprietary(rated(OPEN, NEW), released(OPEN, NEW)).row(0, named=True)
    # Down: the closed model lower (6), the open one higher (8); up: the other way round.
    assert row["gap_points_lower"] == pytest.approx(50 - 10)
    assert row["gap_points_upper"] == pytest.approx(50 + 10)


def test_an_open_leader_gives_a_negative_gap_and_no_lag() -> None:
    leader: Model = ("open leader", "restricted", 1400.0, DAY)
    row = open_vs_proprietary(rated(leader, NEW), released(leader, NEW)).row(0, named=True)
    assert (row["gap_points"], row["lag_months"]) == (-50.0, None)
    strict = open_vs_proprietary(rated(leader, OPEN, NEW), released(leader, OPEN, NEW), classes=("open_source",))
    assert strict["gap_points"].item() == 100.0


def test_a_model_of_unknown_class_above_the_best_open_one_widens_the_gap_and_does_not_remove_it() -> None:
    mystery: Model = ("mystery", None, 1340.0, DAY)
    low: Model = ("low mystery", None, 1200.0, DAY)
    unsure = open_vs_proprietary(rated(OPEN, NEW, mystery), released(OPEN, NEW)).row(0, named=True)
    assert (unsure["gap_points"], unsure["gap_least"], unsure["gap_most"]) == (50.0, 10.0, 50.0)
    assert unsure["unknown_above"] == "mystery"
    assert undecided_boards(rated(OPEN, NEW, mystery))["models"].to_list() == ["mystery"]
    sure = open_vs_proprietary(rated(OPEN, NEW, low), released(OPEN, NEW)).row(0, named=True)
    assert (sure["gap_least"], sure["gap_most"], sure["unknown_above"]) == (50.0, 50.0, None)
    assert sure["models_without_class"] == 1


@LAW
@given(st.floats(-500, 500))
def test_a_shift_of_the_whole_board_changes_no_gap(points: float) -> None:
    models = (OPEN, OLD, NEW)
    shifted = tuple((name, kind, rating + points, day) for name, kind, rating, day in models)
    columns = ["gap_points", "gap_points_lower", "gap_points_upper", "lag_months"]
    before = open_vs_proprietary(rated(*models), released(*models)).select(columns).row(0)
    after = open_vs_proprietary(rated(*shifted), released(*shifted)).select(columns).row(0)
    assert after == pytest.approx(before, abs=1e-9)


def test_the_leading_organisation_is_zero_points_behind() -> None:
    gaps = organisation_gaps(rated(OPEN, OLD, NEW))
    assert gaps.select("organization", "best_model", "gap_points", "gap_points_upper").rows()[0] == (
        "n", "new closed", 0.0, 0.0
    )  # fmt: skip
    assert gaps.select("best_model", "gap_points").row(1) == ("old closed", 40.0)


def test_the_staircase_rises_only_where_a_model_is_better_than_all_before_it() -> None:
    models: tuple[Model, ...] = (
        ("a", "proprietary", 1000.0, dt.date(2023, 1, 1)),
        ("b", "proprietary", 1100.0, dt.date(2023, 7, 2)),
        ("c", "proprietary", 1050.0, dt.date(2024, 1, 1)),
        ("d", "proprietary", 1200.0, dt.date(2024, 7, 1)),
        ("undated", "proprietary", 1300.0, dt.date(2024, 8, 1)),
    )
    dates = pl.concat([released(*models[:4]), released(models[4], source="first_board")])
    steps = progress(rated(*models), dates)
    assert steps.select("model", "moved_frontier", "frontier_rating").rows() == [
        ("a", True, 1000.0), ("b", True, 1100.0), ("c", False, 1100.0), ("d", True, 1200.0)
    ]  # fmt: skip
    assert steps.filter(~pl.col("trend_rating").is_between("trend_lower", "trend_upper")).is_empty()
    # Least squares by hand: 0, 0.498, 0.999 and 1.498 years.
    assert steps["trend_points_per_year"][0] == pytest.approx(110.0, abs=1.0)
