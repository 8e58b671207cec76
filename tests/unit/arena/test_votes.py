"""Every published layout of votes reads into the same counts, and nothing is counted in silence."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipelines.sources.votes.files import UnreadableVotes, renames
from pipelines.sources.votes.filters import FilterUnavailable, VoteFilter
from pipelines.sources.votes.read import Tally, Votes

SPLIT = next(r.until_epoch_s for r in renames() if r.name_in_votes == "gpt-4" and r.until_epoch_s)


def tally(path: Path, keep: VoteFilter | None = None) -> Tally:
    with Votes([path], threads=1) as votes:
        return votes.tally(keep)


def counts(result: Tally) -> dict[tuple[str, str, float], int]:
    c = result.comparisons
    rows = zip(c.first, c.second, c.outcome, c.votes, strict=True)
    return {(c.models[a], c.models[b], float(o)): int(n) for a, b, o, n in rows}


def logged(**changes: Any) -> dict[str, Any]:
    """One record of a battle log as it is published since June 2024."""
    return {
        "model_a": "x",
        "model_b": "y",
        "winner": "model_a",
        "judge": "arena_user_1",
        "conversation_a": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}],
        "turn": 1,
        "anony": True,
        "language": "English",
        "tstamp": SPLIT,
        "conv_metadata": {
            "sum_user_tokens": 12,
            "sum_assistant_a_tokens": 300,
            "sum_assistant_b_tokens": 100,
            "header_count_a": {"h1": 1, "h2": 2},
            "header_count_b": {"h1": 0, "h2": 0},
            "list_count_a": {"ordered": 3, "unordered": 1},
            "list_count_b": {"ordered": 0, "unordered": 1},
            "bold_count_a": {"**": 4, "__": 1},
            "bold_count_b": {"**": 0, "__": 0},
        },
        "is_code": False,
        "dedup_tag": {"high_freq": False, "sampled": True},
        "category_tag": {
            "criteria_v0.1": dict.fromkeys("abcdefg", True),
            "math_v0.1": {"math": False},
            "if_v0.1": {"if": True, "score": 4},
            "creative_writing_v0.1": {"creative_writing": False},
        },
        **changes,
    }


def log_file(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "clean_battle_20240814_public.json"
    path.write_text(json.dumps(list(records)))
    return path


def test_a_floating_name_is_split_at_its_second(tmp_path: Path) -> None:
    path = log_file(
        tmp_path,
        logged(model_a="gpt-4", tstamp=SPLIT),
        logged(model_a="gpt-4", tstamp=SPLIT + 1),
        logged(model_a="bard"),
    )
    assert {a for a, _, _ in counts(tally(path))} == {"gpt-4-0314", "gpt-4-0613", "palm-2"}


def test_a_users_own_file_is_never_renamed(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("model_a,model_b,winner\ngpt-4,bard,model_a\n")
    assert counts(tally(path)) == {("gpt-4", "bard", 1.0): 1}


def test_blanks_around_a_name_make_no_other_model(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("model_a,model_b,winner\np, q,model_a\n p,q ,model_a\nq,p ,q\n  ,p,tie\n")
    assert counts(tally(path)) == {("p", "q", 1.0): 2, ("q", "p", 1.0): 1}


def test_both_spellings_of_both_bad_are_ties_and_any_other_label_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    labels = ["tie (bothbad)", "both_bad", "tie", "GPT-4", "", "model_c"]
    path.write_text("model_a,model_b,winner\n" + "".join(f"p,q,{label}\n" for label in labels) + "p,p,tie\n,q,tie\n")
    result = tally(path)
    assert counts(result) == {("p", "q", 0.5): 3}
    assert result.rejected["votes"].sum() == 5 == result.votes_read - result.votes_counted
    assert [json.loads(row)["label"] for row in result.rejected["content"]].count("GPT-4") == 1
    assert result.rejected["reason"].n_unique() == 3


def test_one_hot_rows_count_only_where_exactly_one_mark_is_set(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(
        "id,model_a,model_b,prompt,winner_model_a,winner_model_b,winner_tie\n"
        '1,p,q,"[""a, b""]",1,0,0\n2,p,q,"two\nlines",0,0,1\n3,p,q,c,0,1,0\n4,p,q,d,1,1,0\n5,p,q,e,,,\n'
    )
    result = tally(path)
    assert counts(result) == {("p", "q", 1.0): 1, ("p", "q", 0.5): 1, ("p", "q", 0.0): 1}
    assert result.rejected["votes"].sum() == 2


def test_filters_say_how_many_votes_they_left_out(tmp_path: Path) -> None:
    path = log_file(
        tmp_path,
        logged(),
        logged(anony=False),
        logged(dedup_tag={"high_freq": True, "sampled": False}),
        logged(language="Chinese"),
        logged(tstamp=SPLIT + 1),
        logged(tstamp=SPLIT + 86400 * 2),
    )
    result = tally(path, VoteFilter(language="english", votes_per_judge_per_day=1))
    assert dict(result.filtered.iter_rows()) == {
        "models were named before the vote": 1,
        "repeated prompt": 1,
        "not in english": 1,
        "beyond the daily votes of one judge": 1,
    }
    assert result.votes_counted == 2


def test_prompts_that_everybody_sends_are_thinned_where_nobody_marked_them(tmp_path: Path) -> None:
    path = tmp_path / "votes.parquet"
    prompts = ["hello"] * 60 + [f"question {i}" for i in range(40)]
    pl.DataFrame({"model_a": "p", "model_b": "q", "winner": "model_a", "prompt": prompts}).write_parquet(path)
    result = tally(path)
    # Of 41 prompts with these frequencies numpy's 99.99th percentile is 59.8.
    assert int(np.quantile([60] + [1] * 40, 0.9999)) == result.votes_counted - 40 == 59
    assert tally(path, VoteFilter(deduplicate=False)).votes_counted == 100


def test_prompts_of_older_logs_are_found_in_their_conversations(tmp_path: Path) -> None:
    answer = [{"role": "assistant", "content": "I am x"}]
    records = [logged(conversation_a=[{"role": "user", "content": "hello"}, *answer]) for _ in range(30)]
    records += [logged(conversation_a=[{"role": "user", "content": f"question {i}"}, *answer]) for i in range(40)]
    for record in records:
        del record["dedup_tag"]
    assert tally(log_file(tmp_path, *records)).filtered.rows() == [("repeated prompt", 1)]


def test_style_and_categories_come_out_of_nested_metadata(tmp_path: Path) -> None:
    path = log_file(tmp_path, logged(), logged(model_a="y", model_b="x", turn=3))
    with Votes([path]) as votes:
        styled = votes.styled(("x", "y"))
        np.testing.assert_array_equal(styled.counts_first[0], [300, 3, 4, 5])
        np.testing.assert_array_equal(styled.counts_second[0], [100, 0, 1, 0])
        assert votes.tally(VoteFilter(category="hard_6")).votes_counted == 2
        assert votes.tally(VoteFilter(category="multiturn")).votes_counted == 1
        assert votes.tally(VoteFilter(category="math")).votes_counted == 0
        assert set(votes.windows(every="day")) == {next(iter(votes.windows(every="month"))).replace(day=27)}


def test_a_category_that_a_file_cannot_tell_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("model_a,model_b,winner\np,q,tie\n")
    with pytest.raises(FilterUnavailable, match=r"category 'math' each vote needs math"):
        tally(path, VoteFilter(category="math"))


def test_pickles_are_refused_whatever_they_are_called(tmp_path: Path) -> None:
    for name in ("elo_results.pkl", "votes.csv"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps({"model_a": ["p"]}))
        with pytest.raises(UnreadableVotes, match="pickle"):
            tally(path)


def test_an_unknown_layout_names_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("left,right,result\np,q,1\n")
    with pytest.raises(UnreadableVotes, match="left, right, result"):
        tally(path)


@pytest.mark.data
def test_the_real_sample_of_140k_reads_whole(shared_data: Path) -> None:
    result = tally(shared_data / "arena/votes/arena140k_sample100_battles.csv")
    assert (result.votes_read, result.votes_counted, result.rejected.height) == (100, 100, 0)
    ties = result.comparisons.votes[result.comparisons.outcome == 0.5].sum()
    assert ties == 29  # 19 tie and 10 both_bad


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_votes_as_a_spreadsheet_saved_them(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "votes.csv"
    rows = ["model_a,model_b,winner", "älpha,beta,model_a", "beta,älpha,tie"]
    path.write_bytes("\n".join(rows).replace(",", delimiter).encode(encoding))
    with Votes([path]) as votes:
        tally = votes.tally()
    assert (tally.votes_counted, tally.comparisons.models) == (2, ("beta", "älpha"))
