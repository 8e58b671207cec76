"""`skyline rate` prints what the reference says, keeps its account apart from the rows, and fails in one sentence."""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from .conftest import Skyline

COLUMNS = ["model", "rating", "rating_lower", "rating_upper", "rank_upper_bound", "battles"]
RING = "model_a,model_b,winner\na,b,model_a\nb,c,model_a\nc,a,model_a\na,b,tie\n"


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(RING)
    return path


@pytest.mark.data
def test_a_real_file_of_votes_is_rated_as_the_reference_rates_it(skyline: Skyline, shared_data: Path) -> None:
    arena = shared_data / "arena"
    golden = pl.read_csv(arena / "goldens/llmfao_crowd_goldens.csv").sort("model")
    done = skyline("rate", arena / "votes/llmfao_crowd_battles.csv", "--format", "csv")
    assert done.code == 0
    ours = pl.read_csv(io.StringIO(done.out)).sort("model")
    assert ours.columns == COLUMNS
    assert ours["model"].to_list() == golden["model"].to_list()
    np.testing.assert_allclose(ours["rating"], golden["ref_bt"], atol=1e-4)
    assert abs(ours["rating"].to_numpy().mean() - 1000) < 1e-6
    half_width = (ours["rating_upper"] - ours["rating_lower"]) / 2
    np.testing.assert_allclose(half_width, (golden["ref_hi"] - golden["ref_lo"]) / 2, rtol=0.01)
    assert ours["rank_upper_bound"].to_list() == golden["ref_rank_ub"].to_list()
    assert "8,931 of 8,931 votes count." in done.err


def test_an_anchor_moves_every_rating_and_no_width(skyline: Skyline, votes: Path) -> None:
    free, anchored = (
        pl.read_json(io.StringIO(skyline("rate", votes, "--format", "json", *more).out)).sort("model")
        for more in ((), ("--anchor", "b=1500"))
    )
    moved = anchored["rating"] - free["rating"]
    assert anchored.filter(model="b")["rating"].item() == pytest.approx(1500)
    np.testing.assert_allclose(moved, moved[0])
    np.testing.assert_allclose(anchored["rating_upper"] - free["rating_upper"], moved[0])


def test_further_columns_come_only_when_asked_for_and_say_why_a_rating_is_missing(
    skyline: Skyline, votes: Path
) -> None:
    votes.write_text(RING + "a,never won,model_a\n")
    plain = pl.read_csv(io.StringIO(skyline("rate", votes, "--format", "csv").out))
    whole = pl.read_csv(io.StringIO(skyline("rate", votes, "--format", "csv", "--all-columns").out))
    assert plain.columns == COLUMNS
    assert whole.filter(model="never won").select("rating", "standing").row(0) == (None, "winless")


def test_votes_that_say_nothing_are_counted_and_never_mix_with_the_rows(skyline: Skyline, votes: Path) -> None:
    votes.write_text(RING + "a,b,maybe\na,a,tie\n")
    done = skyline("rate", votes, "--format", "csv")
    assert pl.read_csv(io.StringIO(done.out)).height == 3
    assert "4 of 6 votes count." in done.err
    assert "rejected: winner is none of model_a, model_b, tie, tie (bothbad), both_bad: 1 vote" in done.err
    assert "rejected: a model was compared with itself: 1 vote" in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--anchor", "1114"], "--anchor takes MODEL=RATING"),
        (["--anchor", "b=nan"], "--anchor takes MODEL=RATING"),
        (["--anchor", "nobody=1000"], "No vote names the model 'nobody'"),
        (["--category", "cooking"], "No category 'cooking'; there are overall,"),
        (["--category", "math"], "each vote needs math"),
        (["--language", "german"], "each vote needs language"),
        (["--style-control"], "For style control each vote needs"),
        (["--method", "elo", "--style-control"], "Style control goes with Bradley-Terry"),
        (["--bootstrap", "0"], "use 40 or more"),
        (["nowhere.csv"], "there is no such file or folder"),
    ],
)
def test_what_cannot_be_rated_is_one_sentence_and_an_exit_code(
    skyline: Skyline, votes: Path, arguments: list[str], sentence: str
) -> None:
    done = skyline("rate", votes, *arguments)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1
