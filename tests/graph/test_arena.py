"""The arena from stored files to answers: the known gaps by SQL, every row explained, and checks that can fail."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.defs.arena.assets import gutted_boards, lopsided, lost_votes, split_boards
from pipelines.runs.refresh import refresh
from warehouse.contracts.arena import ARENA_BOARD
from warehouse.reader import Reader
from warehouse.settings import Settings

KNOWN_GAPS = {dt.date(2024, 6, 19): 79.0, dt.date(2025, 2, 10): 23.0, dt.date(2025, 8, 4): 36.0}
GAPS = """
    SELECT as_of_date, gap_points FROM marts.open_vs_proprietary
    WHERE publication = $publication AND arena = 'text' AND category = 'overall' AND NOT style_control
      AND as_of_date IN (DATE '2024-06-19', DATE '2025-02-10', DATE '2025-08-04')
"""


def reader(home: Path) -> Reader:
    return Reader(home / "published")


@pytest.fixture(scope="module")
def arena_home(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home made from all real arena files; for reading only."""
    home = tmp_path_factory.mktemp("arena") / "home"
    refresh([str(shared_data / "arena")], Settings.model_validate({"home": str(home)}))
    return home


def test_the_bundled_ratings_answer_the_three_known_gaps_without_a_network(bundled_home: Path) -> None:
    answered = reader(bundled_home).query(GAPS, {"publication": "reference"})
    assert dict(answered.iter_rows()) == KNOWN_GAPS
    uri = "SELECT uri FROM core.arena_board JOIN meta.snapshots USING (snapshot_id) GROUP BY ALL ORDER BY ALL"
    assert reader(bundled_home).query(uri).rows() == [
        ("bundled/2025-12-11_lmarena.csv",),
        ("bundled/arena_published_ratings.csv",),
    ]


@pytest.mark.data
@pytest.mark.slow
def test_every_real_file_is_loaded_or_set_aside_and_every_rejected_row_explained(
    arena_home: Path, shared_data: Path
) -> None:
    query = reader(arena_home).query
    files = {path.relative_to(shared_data / "arena").as_posix() for path in (shared_data / "arena").rglob("*.*")}
    read = query("SELECT uri, rows_read, rows_loaded, rows_rejected FROM meta.snapshots")
    aside = query("SELECT uri, reason FROM meta.rejected_rows WHERE snapshot_id IS NULL")
    assert set(read["uri"]) | set(aside["uri"]) == files
    assert not set(read["uri"]) & set(aside["uri"])
    assert {Path(uri).name for uri in aside["uri"]} == {
        "llmfao_crowd_goldens.csv", "llmfao_crowd_info.json", "pandalm_human_goldens.csv", "pandalm_human_info.json",
        "key_to_model.csv", "comparia_licenses.json",
    }  # fmt: skip
    assert read.filter(pl.col("rows_read") != pl.col("rows_loaded") + pl.col("rows_rejected")).is_empty()
    explained = query("SELECT uri, count(*) AS rows FROM meta.rejected_rows WHERE snapshot_id IS NOT NULL GROUP BY 1")
    counted = read.filter(pl.col("rows_rejected") > 0).select("uri", rows="rows_rejected")
    assert sorted(explained.rows()) == sorted(counted.rows())
    assert query("SELECT count(*) FROM core.arena_board").item() == 208_164


@pytest.mark.data
@pytest.mark.slow
def test_the_text_snapshots_answer_the_three_known_gaps_and_what_a_model_was_rated(arena_home: Path) -> None:
    query = reader(arena_home).query
    assert dict(query(GAPS, {"publication": "board_csv"}).iter_rows()) == KNOWN_GAPS
    rating = """
        SELECT rating, rating_lower, rating_upper FROM core.arena_board
        WHERE publication = 'board_csv' AND arena = 'text' AND model = 'Nemotron-4-340B-Instruct'
          AND as_of_date = DATE '2024-06-19'
    """
    ((value, lower, upper),) = query(rating).rows()
    assert lower < value < upper


@pytest.mark.data
@pytest.mark.slow
def test_stored_votes_are_rated_as_the_reference_rates_them(arena_home: Path, shared_data: Path) -> None:
    query = reader(arena_home).query
    golden = pl.read_csv(shared_data / "arena/goldens/llmfao_crowd_goldens.csv").sort("model")
    ratings = """
        SELECT model, rating FROM marts.arena_ratings
        WHERE votes_id = 'llmfao_crowd_battles' AND method = 'bradley-terry' AND category = 'overall' ORDER BY model
    """
    ours = query(ratings)
    assert ours["model"].to_list() == golden["model"].to_list()
    np.testing.assert_allclose(ours["rating"], golden["ref_bt"], atol=1e-4)
    votes = "SELECT sum(votes), sum(wins + losses + ties) FROM core.arena_votes WHERE category = 'overall'"
    assert query(votes).row(0) == (12_028, 12_028)
    assert query("SELECT sum(rows_read) FROM meta.snapshots WHERE board = 'arena_votes'").item() == 12_028


def board(*rows: dict[str, object]) -> pl.DataFrame:
    """Rows of a board in August 2025, one model with a rating of 1000 unless said otherwise."""
    usual = {
        "snapshot_id": "s", "publication": "board_csv", "as_of_date": dt.date(2025, 8, 1), "arena": "text",
        "category": "overall", "style_control": False, "row_number": 1, "model": "A", "rating": 1000.0,
        "rating_lower": 990.0, "rating_upper": 1010.0, "votes": 100,
    }  # fmt: skip
    return pl.DataFrame([{**usual, **row} for row in rows], schema=ARENA_BOARD.polars_schema)


def test_a_board_put_together_from_two_files_is_found() -> None:
    assert split_boards(board({}, {"model": "B"})) == 0
    assert split_boards(board({}, {"model": "B", "snapshot_id": "t"})) == 1


def test_an_interval_that_is_not_centred_is_found_and_a_missing_one_is_not() -> None:
    rows = lopsided(board({}, {"model": "B", "rating_upper": 1012.0}, {"model": "C", "rating_lower": None}))
    assert rows["model"].to_list() == ["B"]


def test_a_model_may_lose_votes_but_a_board_that_halves_is_found() -> None:
    later = {"as_of_date": dt.date(2025, 8, 2)}
    calm = board({}, {"model": "B"}, {"model": "C"}, *({"model": m, "votes": v, **later} for m, v in
                 (("A", 90), ("B", 101), ("C", 30))))  # fmt: skip
    assert lost_votes(calm)["model"].sort().to_list() == ["A", "C"]
    assert gutted_boards(calm).is_empty()
    halved = board({}, {"model": "B"}, {"votes": 40, **later}, {"model": "B", "votes": 45, **later})
    assert gutted_boards(halved)["as_of_date"].to_list() == [later["as_of_date"]]
