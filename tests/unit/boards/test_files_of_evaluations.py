"""What tools that evaluate models write, in their own shapes; models and figures are made up."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.sources.boards.declaration import Declared, declared, parse
from pipelines.sources.boards.documents import Member
from pipelines.sources.boards.draft import draft
from pipelines.sources.boards.names import parsed_name
from pipelines.sources.boards.read import Read, read_rows
from pipelines.sources.boards.recognition import match
from pipelines.sources.leaderboards.recognition import RAW_RESULTS
from pipelines.sources.recognition import recognise
from pipelines.sources.tables import UnreadableFile

DAY = dt.date(2026, 11, 1)
CONFIG = {"model": "hf", "model_args": "pretrained=org/Alpha-7B,dtype=auto", "gen_kwargs": None}
LM_EVAL = {
    "results": {
        "gsm8k": {"alias": "gsm8k", "exact_match,strict-match": 0.5, "exact_match_stderr,strict-match": 0.02},
        "wikitext": {"word_perplexity,none": 9.5, "word_perplexity_stderr,none": "N/A"},
    },
    "configs": {"gsm8k": {"num_fewshot": 5}, "wikitext": {"num_fewshot": 0}},
    "n-shot": {"gsm8k": 5, "wikitext": 0},
    "higher_is_better": {"gsm8k": {"exact_match": True}, "wikitext": {"word_perplexity": False}},
    "n-samples": {"gsm8k": {"original": 1319, "effective": 100}, "wikitext": {"original": 62, "effective": 62}},
    "config": CONFIG,
    "date": 1793491200.5,
    "model_name": "org/Alpha-7B",
}
LM_EVAL_0_3 = {
    "results": {"arc_challenge": {"acc": 0.4, "acc_stderr": 0.014, "acc_norm": 0.45, "acc_norm_stderr": 0.0145}},
    "versions": {"arc_challenge": 0},
    "config": {"model": "hf-causal", "model_args": "pretrained=org/Alpha-7B", "num_fewshot": 25, "no_cache": True},
}
LIGHTEVAL = {
    "config_general": {"lighteval_sha": "?", "model_name": "org/Alpha-7B"},
    "results": {"aime24|0": {"extractive_match": 0.4, "extractive_match_stderr": 0.09}, "all": {"acc": 0.6}},
}
INSPECT = {
    "status": "success",
    "eval": {"task": "arc_easy", "task_version": 1, "model": "hf/org/Alpha-7B", "created": "2026-10-21T01:12:03+02:00",
             "dataset": {"samples": 2376}},
    "results": {"scores": [{"name": "choice", "scored_samples": 100,
                            "metrics": {"accuracy": {"value": 0.81}, "stderr": {"value": 0.039}}}]},
}  # fmt: skip
OPENCOMPASS = (
    "dataset,version,metric,mode,alpha-7b-hf,beta-7b-hf\n--- Exam ---,-,-,-,-,-\n"
    "mmlu,-,naive_average,gen,73.02,63.20\ngsm8k,1d7fe4,accuracy,gen,79.91,-\nwikitext,ab,bpb,ppl,0.6,0.7\n"
)


def read(name: str, payload: bytes, board: Declared | None = None) -> Read:
    matched = match(Member(name, payload), [board] if board else declared().values())
    assert matched is not None
    return read_rows(matched.rows, matched.board, matched.file, DAY)


def rows_of(board_file: pl.DataFrame) -> list[tuple[Any, ...]]:
    columns = ("name_in_source", "benchmark", "benchmark_version", "score", "unit", "n_items", "standard_error")
    return board_file.select(columns).sort("benchmark", "name_in_source", "score").rows()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (LM_EVAL, [
            ("org/Alpha-7B", "gsm8k", "5-shot", 0.5, "fraction", 100, 0.02),
            ("org/Alpha-7B", "wikitext", "0-shot", 9.5, "index", None, None),
        ]),
        (LM_EVAL_0_3, [
            ("org/Alpha-7B", "arc_challenge", "25-shot", 0.4, "fraction", None, 0.014),
            ("org/Alpha-7B", "arc_challenge", "25-shot", 0.45, "fraction", None, 0.0145),
        ]),
        (LIGHTEVAL, [("org/Alpha-7B", "aime24", "0-shot", 0.4, "fraction", None, 0.09)]),
        (INSPECT, [("hf/org/Alpha-7B", "arc_easy", "task version 1", 0.81, "fraction", 100, 0.039)]),
    ],
)  # fmt: skip
def test_the_result_file_of_a_harness_is_read_as_it_wrote_it(
    document: dict[str, Any], expected: list[tuple[Any, ...]]
) -> None:
    board_file = read("results.json", json.dumps(document).encode())
    assert rows_of(board_file.results) == expected
    assert board_file.rejected == []
    assert board_file.results["may_bundle"].to_list() == [False] * len(expected)


def test_a_harness_says_the_day_of_its_run_in_seconds() -> None:
    assert recognise(json.dumps(LM_EVAL).encode(), ".json", "results.json").as_of == dt.date(2026, 11, 1)


def test_tasks_of_the_open_llm_leaderboard_stay_with_it() -> None:
    tasks = {"leaderboard_ifeval": {"prompt_level_strict_acc,none": 0.5, "inst_level_strict_acc,none": 0.6}}
    payload = json.dumps({**LM_EVAL, "results": tasks}).encode()
    assert recognise(payload, ".json", "results_2026-10-30T10-00-00.json").source == RAW_RESULTS
    # A word that looks like one of them is none.
    payload = json.dumps({**LM_EVAL, "leaderboard_publish_date": "2026-10-30"}).encode()
    assert recognise(payload, ".json", "results.json").source == "board_evaluation_harnesses"


def test_a_table_with_a_column_for_each_model_has_a_row_for_each() -> None:
    board_file = read("summary.csv", OPENCOMPASS.encode())
    assert rows_of(board_file.results) == [
        ("alpha-7b-hf", "gsm8k", "1d7fe4, gen", 79.91, "percent", 1319, None),
        ("alpha-7b-hf", "mmlu", "gen", 73.02, "percent", 14042, None),
        ("beta-7b-hf", "mmlu", "gen", 63.2, "percent", 14042, None),
    ]
    wrong = read("summary.csv", OPENCOMPASS.replace("63.20", "163.2").encode())
    assert wrong.rejected == [(2, "summary.csv, beta-7b-hf", "score: 163.2 is above 100.0")]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        # A model card: the table of scores is not the first, and models are its columns.
        ("card.md", ("# Download\n| Model | Link |\n|---|---|\n| Alpha | x |\n\n# Results\n"
         "| Benchmark | # Shots | Alpha | Beta[^1] |\n|---|---|---|---|\n| MMLU (EM) | 5-shot | **71.5** | 70 |\n"),
         [("Alpha", 71.5), ("Beta", 70.0)]),
        # Groups of HELM: cells are objects.
        ("group.json", json.dumps({"title": "Accuracy", "links": [{"text": "LaTeX"}],
         "header": [{"value": "Model"}, {"value": "BBQ"}], "rows": [[{"value": "Alpha"}, {"value": 0.25}],
                                                                    [{"value": "Beta"}, {"value": 0.5}]]}),
         [("Alpha", 0.25), ("Beta", 0.5)]),
    ],
)  # fmt: skip
def test_a_draft_finds_the_scores_however_they_lie(
    name: str, text: str, expected: list[tuple[str, float]], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    drafted = draft(path)
    board_file = read(name, path.read_bytes(), Declared(parse(drafted, name), by_user=True, text=drafted))
    assert board_file.results.select("name_in_source", "score").rows() == expected


def test_settings_are_not_drafted_as_models(tmp_path: Path) -> None:
    path = tmp_path / "run_spec.json"
    path.write_text(json.dumps({"scenario": {"shots": 5}, "adapter": {"temperature": 0.0}, "metrics": {"n": 3}}))
    with pytest.raises(UnreadableFile):
        draft(path)


def test_a_version_of_bfcl_is_told_by_what_it_asked() -> None:
    header = "Rank,Overall Acc,Model,Model Link,AST Summary,Exec Summary,{}Relevance Detection"
    row = "1,80.5%,Alpha-7B (FC),https://example.org,81%,82%,{}90%"
    for column, cell, version in (("", "", "v1"), ("Irrelevance Detection,", "70.2%,", "v2")):
        board_file = read("data.csv", f"{header.format(column)}\n{row.format(cell)}\n".encode())
        assert set(board_file.results["benchmark_version"]) == {version}


@pytest.mark.parametrize("words", ["no reasoning", "non-reasoning", "without thinking", "no-thinking"])
def test_who_does_not_reason_does_not_think(words: str) -> None:
    assert parsed_name(f"Alpha 7B ({words})").mode == "non-thinking"
