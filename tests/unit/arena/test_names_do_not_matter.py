"""What votes say does not depend on how models are called, in which order rows come, or what nobody said."""

import functools
import io
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ratings.bradley_terry import fit
from analytics.ratings.comparisons import Comparisons, UnusableComparisons
from analytics.ratings.intervals import bootstrap_interval, record_numbers
from analytics.ratings.standing import Standing, standings
from pipelines.defs.arena.rate import RatingOptions, rate
from pipelines.sources.votes.filters import VoteFilter
from pipelines.sources.votes.read import Votes

HEADER = "model_a,model_b,winner\n"


def file(folder: Path, text: str, name: str = "votes.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def comparisons(rows: list[tuple[str, str, float, int]]) -> Comparisons:
    frame = pl.DataFrame(rows, schema=["model_a", "model_b", "outcome", "votes"], orient="row")
    return Comparisons.from_frame(frame)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "The files have no rows of votes: nothing to rate."),
        (
            "red,blue,A\nred,blue,B\nblue,red,A\n",
            "0 of 3 votes count: winner is none of model_a, model_b, tie, tie (bothbad), both_bad (as 'A'): 3 votes",
        ),
        ("red,red,tie\n" * 2, "0 of 2 votes count: a model was compared with itself: 2 votes: nothing to rate."),
        (",blue,model_a\n", "0 of 1 votes count: a model is not named: 1 vote: nothing to rate."),
        ("/home/me/ckpt,blue,model_b\n", "0 of 1 votes count: a model is named by a path on a disk: 1 vote"),
        ("C:\\runs\\7,blue,model_b\n", "0 of 1 votes count: a model is named by a path on a disk: 1 vote"),
        ("~/x,../y,tie\n", "0 of 1 votes count: a model is named by a path on a disk: 1 vote"),
    ],
)
@pytest.mark.parametrize("method", ["bradley-terry", "elo"])
def test_why_no_vote_counts_is_in_the_error(tmp_path: Path, rows: str, message: str, method: str) -> None:
    with pytest.raises(UnusableComparisons) as refused:
        rate([file(tmp_path, HEADER + rows)], RatingOptions(method=method))  # type: ignore[arg-type]
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("red,blue,model_a\nred,blue,?\n", "1 of 2 votes count: winner is none of"),
        ("red,blue,model_a\n" * 3, "More votes are needed. 3 of 3 votes count."),
    ],
)
def test_too_few_votes_for_a_fit_are_enough_for_elo(tmp_path: Path, rows: str, message: str) -> None:
    votes = [file(tmp_path, HEADER + rows)]
    with pytest.raises(UnusableComparisons) as refused:
        rate(votes, RatingOptions(method="bradley-terry"))
    assert message in str(refused.value)
    rate(votes, RatingOptions(method="elo"))


@pytest.mark.parametrize(
    ("label", "outcome"),
    [
        ("model_a", 1.0), (" model_a ", 1.0), ("MODEL_B", 0.0), ("Model A", 1.0), ("TIE", 0.5), ("bothbad", 0.5),
        ("both_bad", 0.5), ("tie (bothbad)", 0.5), ("Tie (both bad)", 0.5), ("red", 1.0), ("blue ", 0.0),
        ("Red", None), ("A", None), ("", None), ("model_c", None),
    ],
)  # fmt: skip
def test_labels_are_read_in_the_spellings_seen_in_public(tmp_path: Path, label: str, outcome: float | None) -> None:
    with Votes([file(tmp_path, f'{HEADER}red,blue,"{label}"\n')]) as votes:
        tally = votes.tally()
    assert tally.comparisons.outcome.tolist() == ([] if outcome is None else [outcome])
    assert tally.rejected.height == (outcome is None)
    assert any("name of its model" in note for note in tally.notes) == (label.strip() in {"red", "blue"})


def bounds(path: Path, rounds: int = 200) -> dict[str, tuple[float | None, float | None]]:
    rated = rate([path], RatingOptions(bootstrap=rounds)).ratings
    return {name: (lower, upper) for name, lower, upper in rated.select("model", "rating_lower", "rating_upper").rows()}


@pytest.mark.parametrize("first", ["alpha", "zeta"])
def test_who_wins_every_vote_of_a_third_of_the_rounds_has_no_upper_bound(tmp_path: Path, first: str) -> None:
    rows = f"{first},beta,model_a\n" * 9 + f"{first},beta,model_b\n"
    ratings = bounds(file(tmp_path, HEADER + rows), rounds=1000)
    assert ratings[first][1] is None
    assert ratings["beta"][0] is None
    assert ratings[first][0] == pytest.approx(1073.6, abs=15)
    assert ratings["beta"][1] == pytest.approx(926.4, abs=15)


def test_one_win_each_is_no_certainty(tmp_path: Path) -> None:
    assert bounds(file(tmp_path, HEADER + "a,b,model_a\nb,a,model_a\n")) == {"a": (None, None), "b": (None, None)}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 7))
def test_bounds_are_the_same_under_any_names_and_any_order_of_rows(seed: int, size: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - votes, not secrets
    rows = [
        (f"m{a}", f"m{b}", chance.choice((0.0, 0.5, 1.0)), chance.randint(1, 4))
        for a in range(size)
        for b in range(size)
        if a != b and chance.random() < 0.7
    ]
    rows += [(f"m{a}", f"m{(a + 1) % size}", 0.5, 1) for a in range(size)]
    names = [f"n{number}" for number in range(size)]
    chance.shuffle(names)
    renamed = dict(zip((f"m{number}" for number in range(size)), names, strict=True))
    turned = [(renamed[b], renamed[a], 1 - outcome, votes) for a, b, outcome, votes in rows]
    chance.shuffle(turned)
    first, other = fit(comparisons(rows)), fit(comparisons(turned))
    intervals = bootstrap_interval(first, 60), bootstrap_interval(other, 60)
    place = [other.models.index(renamed[name]) for name in first.models]
    for ours, theirs in zip(
        (intervals[0].lower, intervals[0].upper), (intervals[1].lower, intervals[1].upper), strict=True
    ):
        np.testing.assert_allclose(ours, theirs[place], rtol=1e-9)
    np.testing.assert_allclose(first.rating, other.rating[place], rtol=1e-9)


def test_records_that_are_alike_have_one_number_whoever_is_first() -> None:
    ring = np.roll(np.eye(4), 1, axis=1)
    assert set(record_numbers(ring)) == {0}
    chain = np.triu(np.ones((3, 3)), 1)
    numbers = record_numbers(chain)
    turned = record_numbers(chain[::-1, ::-1])
    assert sorted(numbers) == [0, 1, 2]
    assert turned[::-1].tolist() == numbers.tolist()


@pytest.mark.parametrize("names", ["abcd", "cdab", "dbca"])
def test_of_two_groups_that_are_alike_neither_is_rated(names: str) -> None:
    a, b, c, d = names
    groups = comparisons([(a, b, 1.0, 1), (b, a, 1.0, 1), (c, d, 1.0, 1), (d, c, 1.0, 1)])
    assert set(standings(groups)) == {Standing.SEPARATED}
    with pytest.raises(UnusableComparisons):
        fit(groups)


def test_what_a_vote_does_not_say_is_neither_yes_nor_no(tmp_path: Path) -> None:
    ring = [("a", "b"), ("b", "c"), ("c", "a")]
    rows = [f"{first},{second},model_a,{said},{math}" for first, second in ring for said, math in
            (("true", "true"), ("", ""), ("false", "false"))]  # fmt: skip
    path = file(tmp_path, "model_a,model_b,winner,anony,math\n" + "\n".join(rows) + "\n")
    with Votes([path]) as votes:
        plain, only_math = votes.tally(), votes.tally(VoteFilter(category="math"))
    assert plain.votes_counted == 6
    assert plain.filtered.rows() == [("models were named before the vote", 3)]
    assert "3 votes do not say whether they were anonymous; they count." in plain.notes
    assert dict(only_math.filtered.rows()) == {
        "models were named before the vote": 3,
        "not said whether: outside category math": 3,
    }


def test_judges_who_cast_most_votes_are_named_and_can_be_limited(tmp_path: Path) -> None:
    ring = [("a", "b"), ("b", "c"), ("c", "a")]
    rows = [f"{first},{second},model_a,busy" for first, second in ring for _ in range(5)]
    rows += [f"{second},{first},model_a,judge {n}" for n, (first, second) in enumerate(ring * 2)]
    rows += [f"{first},{second},tie," for first, second in ring * 4]
    path = file(tmp_path, "model_a,model_b,winner,judge\n" + "\n".join(rows) + "\n")
    with Votes([path]) as votes:
        free, limited = votes.tally(), votes.tally(VoteFilter(votes_per_judge=2))
    (judges_note,) = [note for note in free.notes if "judges" in note]
    assert "busy 15 (45%)" in judges_note
    assert free.votes_counted == 33
    # Votes whose judge nobody named are not those of one judge.
    assert (limited.votes_counted, limited.filtered.rows()) == (20, [("beyond the votes of one judge", 13)])


def test_the_command_limits_judges_and_says_why_nothing_counts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = functools.partial(_command, monkeypatch, capfd)
    rows = "".join(f"a,b,model_a,x\nb,a,model_a,y\nb,c,model_a,{n}\nc,b,model_a,{n}\n" for n in range(3))
    path = file(tmp_path, "model_a,model_b,winner,judge\n" + rows)
    out, err = run("rate", str(path), "--votes-per-judge", "1", "--format", "csv")
    assert "5 of 12 votes count." in err
    assert pl.read_csv(io.StringIO(out)).height == 3
    out, err = run("rate", str(file(tmp_path, HEADER + "a,b,A\n", "letters.csv")))
    assert err.startswith("Error: 0 of 1 votes count: winner is none of")


def _command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    from pipelines.commands.app import main  # noqa: PLC0415

    monkeypatch.setattr("sys.argv", ["skyline", *words])
    with pytest.raises(SystemExit):
        main()
    captured = capfd.readouterr()
    return captured.out, captured.err
