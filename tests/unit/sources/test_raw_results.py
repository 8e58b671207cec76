"""Raw result files of both boards give the very scores that the boards showed, or say why they cannot."""

import copy
import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.sources.leaderboards.raw_results import NotRawResults, parse, read_run
from pipelines.sources.raw_store import Manifest, RawStore
from pipelines.sources.recognition import recognise
from tests.leaderboards import load_snapshots
from warehouse.contracts.leaderboards import LEADERBOARD_ENTRIES
from warehouse.lake import Lake

V1 = "v1_HenryJJ_Mistral7B_2024-01-04_nommlu.json"
V2 = "v2_pythia-2.8b_results_2024-06-17.json"
MMLU = 0.6270910206  # mean of the 57 tasks, from the mean over all 61 with an `acc`


def document(shared_data: Path, name: str) -> dict[str, Any]:
    run_document = json.loads((shared_data / "open_llm_leaderboard" / "raw" / name).read_bytes())
    assert isinstance(run_document, dict)
    return run_document


@pytest.fixture
def fragment(shared_data: Path) -> dict[str, Any]:
    """A real v1 result file from which the 57 MMLU tasks were left out."""
    return document(shared_data, V1)


@pytest.fixture
def complete(fragment: dict[str, Any]) -> dict[str, Any]:
    """The fragment with 57 MMLU tasks of the known mean, spread around it."""
    for number in range(57):
        accuracy = MMLU + (number - 28) / 1000
        fragment["results"][f"harness|hendrycksTest-task_{number}|5"] = {"acc": accuracy, "acc_norm": accuracy}
    return fragment


def scores(run_document: dict[str, Any], uri: str = "x/results_2024-01-04T13-27-32.660899.json") -> dict[str, float]:
    return {benchmark: score for benchmark, (score, _, _) in read_run(run_document, uri).scores.items()}


@pytest.mark.data
def test_pythia_from_its_raw_results_is_its_row_on_the_board_to_the_last_bit(
    shared_data: Path, leaderboard_home: Path
) -> None:
    contents = pl.read_parquet(shared_data / "open_llm_leaderboard" / "v2" / "2024-10-15_contents.parquet")
    row = contents.row(by_predicate=pl.col("fullname") == "EleutherAI/pythia-2.8b", named=True)
    run = read_run(document(shared_data, V2), V2)
    assert run.model_id == "EleutherAI/pythia-2.8b"
    assert list(run.scores) == ["IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO"]
    for benchmark, (score, raw, _) in run.scores.items():
        assert (benchmark, score) == (benchmark, row[benchmark])
        assert (benchmark, raw) == (benchmark, pytest.approx(row[f"{benchmark} Raw"], abs=1e-15))
    entries = Lake(leaderboard_home / "lake").read(LEADERBOARD_ENTRIES)
    loaded = entries.filter(pl.col("as_of_date") == dt.date(2024, 6, 17))
    assert loaded["average"].item() == row["Average ⬆️"]


@pytest.mark.data
def test_a_v1_run_without_its_mmlu_tasks_gives_the_published_row_all_the_same(fragment: dict[str, Any]) -> None:
    published = fragment["leaderboard_row"]
    score_by_benchmark = scores(fragment)
    average = sum(score_by_benchmark.values()) / 6
    assert {name: round(score, 2) for name, score in score_by_benchmark.items()} | {
        "Average": round(average, 2)
    } == published


@pytest.mark.data
def test_mmlu_is_the_mean_of_its_57_tasks(complete: dict[str, Any]) -> None:
    published = complete["leaderboard_row"]
    run = read_run(complete, "results_2024-01-04T13-27-32.660899.json")
    assert run.scores["MMLU"][0] == pytest.approx(100 * MMLU, abs=1e-9)
    assert run.scores["MMLU"][2] == "mean acc of 57 hendrycksTest tasks"
    assert {name: round(score, 2) for name, (score, _, _) in run.scores.items()} == {
        name: published[name] for name in run.scores
    }
    assert (run.task_rows, run.problems) == (62, {})


@pytest.mark.data
def test_56_of_57_tasks_are_no_mmlu_and_the_reason_is_told(complete: dict[str, Any]) -> None:
    del complete["results"]["harness|hendrycksTest-task_7|5"]
    run = read_run(complete, "results_2024-01-04T13-27-32.json")
    assert "MMLU" not in run.scores
    assert run.problems == {"MMLU": "56 of 57 hendrycksTest tasks"}


@pytest.mark.data
def test_mmlu_of_the_harness_version_that_the_board_withdrew_is_not_computed(complete: dict[str, Any]) -> None:
    complete["versions"] = {"harness|hendrycksTest-task_0|5": 0, "harness|arc:challenge|25": 0}
    run = read_run(complete, "results_2024-01-04T13-27-32.json")
    assert set(run.scores) == {"ARC", "HellaSwag", "TruthfulQA", "Winogrande", "GSM8K"}
    assert run.problems == {"MMLU": "hendrycksTest in version 0, which the board withdrew"}


@pytest.mark.data
def test_a_run_that_is_not_a_number_somewhere_has_no_average_and_its_reason_is_among_the_rejected(
    complete: dict[str, Any], store: RawStore
) -> None:
    complete["results"]["harness|truthfulqa:mc|0"]["mc2"] = float("nan")
    uri = "results_2024-01-04T13-27-32.json"
    payload = json.dumps(complete).encode()
    what = recognise(payload, ".json", uri)
    now = dt.datetime.now(dt.UTC)
    store.add(payload, ".json", Manifest(what.source, what.layout, what.subject, what.as_of, uri, None, None, now))
    loaded = load_snapshots(store)
    assert loaded.entries["average"].to_list() == [None]
    assert loaded.scores["benchmark"].to_list() == ["ARC", "HellaSwag", "MMLU", "Winogrande", "GSM8K"]
    assert loaded.rejected["reason"].to_list() == [
        "TruthfulQA could not be computed: no mc2 of harness|truthfulqa:mc|0"
    ]


@pytest.mark.data
def test_a_benchmark_of_subtasks_is_not_computed_from_some_of_them(shared_data: Path) -> None:
    run_document = document(shared_data, V2)
    del run_document["results"]["leaderboard_bbh_snarks"]
    run_document["results"]["leaderboard_musr_team_allocation"] = {"acc_norm,none": "N/A"}
    run = read_run(run_document, V2)
    assert run.problems == {"BBH": "no result for snarks", "MUSR": "no result for team_allocation"}
    assert set(run.scores) == {"IFEval", "MATH Lvl 5", "GPQA", "MMLU-PRO"}


@pytest.mark.data
@pytest.mark.parametrize("section", ["config_general", "summary_general"])
def test_the_run_time_is_found_in_either_place_where_v1_files_keep_it(fragment: dict[str, Any], section: str) -> None:
    general = {"model_name": "org/model", "model_sha": "abc", "model_dtype": "torch.bfloat16", "model_size": "15.08 GB"}
    fragment["config_general"] = general
    fragment.setdefault(section, {})["total_evaluation_time_secondes"] = "3579.858985528117"  # sic, and as text
    run = read_run(fragment, "results_2024-01-04T13-27-32.json")
    assert run.evaluation_time_s == 3579.858985528117
    assert (run.model_id, run.revision, run.precision, run.size_gib) == ("org/model", "abc", "bfloat16", 15.08)


@pytest.mark.data
def test_older_files_name_the_model_in_its_arguments_and_small_sizes_are_in_mib(fragment: dict[str, Any]) -> None:
    fragment["config"] = {"model_args": "pretrained=org/model,revision=abc,dtype=float16", "model_size": "512 MB"}
    run = read_run(fragment, "results_2023-08-01T00:00:00.json")
    assert (run.model_id, run.revision, run.size_gib) == ("org/model", "abc", 0.5)
    assert run.ran_on == dt.date(2023, 8, 1)


@pytest.mark.data
def test_the_folder_names_the_model_where_the_file_does_not_and_without_either_it_is_refused(
    fragment: dict[str, Any],
) -> None:
    del fragment["_provenance"]
    at = "results/org/model/results_2024-01-04T13-27-32.660899.json"
    assert read_run(fragment, at).model_id == "org/model"
    with pytest.raises(NotRawResults, match="does not state which model it evaluated"):
        read_run(fragment, "results_2024-01-04T13-27-32.json")
    with pytest.raises(NotRawResults, match="does not state when it ran"):
        read_run(fragment, "results/org/model/results_2024-13-44.json")


@pytest.mark.data
def test_the_epoch_in_a_v2_file_is_its_date(shared_data: Path) -> None:
    run_document = {**document(shared_data, V2), "date": 1718625000.25, "total_evaluation_time_seconds": "1234.5"}
    run = read_run(run_document, "org/model/results_2020-01-01T00-00-00.json")
    assert (run.ran_on, run.evaluation_time_s) == (dt.date(2024, 6, 17), 1234.5)


@pytest.mark.data
def test_a_parsed_run_counts_its_time_once_and_says_how_each_score_was_made(
    complete: dict[str, Any], store: RawStore
) -> None:
    complete["summary_general"] = {"total_evaluation_time_secondes": "3600"}
    uri = "results_2024-01-04T13-27-32.json"
    manifest = Manifest("runs", "v1", "open_llm_v1", dt.date(2024, 1, 4), uri, None, None, dt.datetime.now(dt.UTC))
    parsed = parse(store.add(json.dumps(copy.deepcopy(complete)).encode(), ".json", manifest))
    assert parsed.runs.select("evaluation_time_s", "task_rows").rows() == [(3600.0, 62)]
    made = dict(parsed.scores.select("benchmark", "score_source").rows())
    assert made["MMLU"] == "mean acc of 57 hendrycksTest tasks"
    assert made["ARC"] == "acc_norm of harness|arc:challenge|25"


@pytest.mark.parametrize("run_document", [{"results": {"hellaswag": {"acc": 1}}}, {"results": []}, {"a": 1}])
def test_a_document_of_neither_board_is_refused_by_its_keys(run_document: dict[str, Any]) -> None:
    with pytest.raises(NotRawResults, match=rf"its keys are '{next(iter(run_document))}'"):
        read_run(run_document, "x.json")


CASE = "08-harness-results-without-group-means/results_2024-07-29T10-00-00.000000.json"


@pytest.mark.data
def test_groups_without_a_mean_get_that_of_their_subtasks_weighted_by_questions(shared_data: Path) -> None:
    path = shared_data.parent / "cases" / CASE
    if not path.exists():
        pytest.skip("the case is not here")
    run = read_run(json.loads(path.read_bytes()), path.name)
    assert run.problems == {}
    score, raw, _ = run.scores["GPQA"]
    assert (raw, score) == (pytest.approx(0.258389, abs=1e-6), pytest.approx(1.1186, abs=1e-4))
    assert run.scores["MATH Lvl 5"][0] == pytest.approx(7.2981, abs=1e-4)


@pytest.mark.data
def test_the_mean_of_subtasks_is_the_mean_that_older_harnesses_wrote_for_the_group(shared_data: Path) -> None:
    written = document(shared_data, V2)
    bare = copy.deepcopy(written)
    for group in ("leaderboard_gpqa", "leaderboard_math_hard"):
        bare["results"][group] = {" ": " ", "alias": group}
    for benchmark in ("GPQA", "MATH Lvl 5"):
        assert scores(bare, V2)[benchmark] == pytest.approx(scores(written, V2)[benchmark], abs=1e-3)
    del bare["results"]["leaderboard_gpqa_diamond"]
    assert read_run(bare, V2).problems == {"GPQA": "no result for diamond"}


@pytest.mark.data
@pytest.mark.parametrize(
    "path",
    ["/home/someone/models/secret", "./out/model", "../model", "~/model", "C:\\models\\secret", "a/b/c", "file:///m/x"],
)
def test_a_path_on_somebodys_disk_is_no_model_and_is_shown_nowhere(shared_data: Path, path: str) -> None:
    run_document = document(shared_data, V2)
    run_document.pop("_provenance", None)
    run_document["model_name"] = path
    run_document["config"] = {"model_args": f"pretrained={path},dtype=bfloat16"}
    with pytest.raises(NotRawResults) as refused:
        read_run(run_document, "results_2024-07-29T10-00-00.json")
    assert "secret" not in str(refused.value)
    assert read_run(run_document, "org/model/results_2024-07-29T10-00-00.json").model_id == "org/model"
