"""`skyline rate` prints what the reference says, keeps its account apart from the rows, and fails in one sentence."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.commands.app import main

COLUMNS = ["model", "rating", "rating_lower", "rating_upper", "rank_upper_bound", "battles"]
RING = "model_a,model_b,winner\na,b,model_a\nb,c,model_a\nc,a,model_a\na,b,tie\n"


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: object
    stdout: str
    stderr: str


Rate = Callable[..., Done]


@pytest.fixture
def rate(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Rate:
    """The command as its entry point runs it."""

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["skyline", "rate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capfd.readouterr()
        return Done(end.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(RING)
    return path


@pytest.mark.data
def test_a_real_file_of_votes_is_rated_as_the_reference_rates_it(rate: Rate, shared_data: Path) -> None:
    arena = shared_data / "arena"
    golden = pl.read_csv(arena / "goldens/llmfao_crowd_goldens.csv").sort("model")
    done = rate(arena / "votes/llmfao_crowd_battles.csv", "--format", "csv")
    assert done.returncode == 0
    ours = pl.read_csv(io.StringIO(done.stdout)).sort("model")
    assert ours.columns == COLUMNS
    assert ours["model"].to_list() == golden["model"].to_list()
    np.testing.assert_allclose(ours["rating"], golden["ref_bt"], atol=1e-4)
    assert abs(ours["rating"].to_numpy().mean() - 1000) < 1e-6
    half_width = (ours["rating_upper"] - ours["rating_lower"]) / 2
    np.testing.assert_allclose(half_width, (golden["ref_hi"] - golden["ref_lo"]) / 2, rtol=0.01)
    assert ours["rank_upper_bound"].to_list() == golden["ref_rank_ub"].to_list()
    assert "8,931 of 8,931 votes count." in done.stderr


def test_an_anchor_moves_every_rating_and_no_width(rate: Rate, votes: Path) -> None:
    free, anchored = (
        pl.read_json(io.StringIO(rate(votes, "--format", "json", *more).stdout)).sort("model")
        for more in ((), ("--anchor", "b=1500"))
    )
    moved = anchored["rating"] - free["rating"]
    assert anchored.filter(model="b")["rating"].item() == pytest.approx(1500)
    np.testing.assert_allclose(moved, moved[0])
    np.testing.assert_allclose(anchored["rating_upper"] - free["rating_upper"], moved[0])


def test_further_columns_come_only_when_asked_for_and_say_why_a_rating_is_missing(rate: Rate, votes: Path) -> None:
    votes.write_text(RING + "a,never won,model_a\n")
    plain = pl.read_csv(io.StringIO(rate(votes, "--format", "csv").stdout))
    whole = pl.read_csv(io.StringIO(rate(votes, "--format", "csv", "--all-columns").stdout))
    assert plain.columns == COLUMNS
    assert whole.filter(model="never won").select("rating", "standing").row(0) == (None, "winless")


def test_votes_that_say_nothing_are_counted_and_never_mix_with_the_rows(rate: Rate, votes: Path) -> None:
    votes.write_text(RING + "a,b,maybe\na,a,tie\n")
    done = rate(votes, "--format", "csv")
    assert pl.read_csv(io.StringIO(done.stdout)).height == 3
    assert "4 of 6 votes count." in done.stderr
    assert "rejected: winner is none of model_a, model_b, tie, tie (bothbad), both_bad: 1 vote" in done.stderr
    assert "rejected: a model was compared with itself: 1 vote" in done.stderr


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
    rate: Rate, votes: Path, arguments: list[str], sentence: str
) -> None:
    done = rate(votes, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
