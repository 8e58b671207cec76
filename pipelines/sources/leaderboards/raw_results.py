"""Raw result files of single evaluations, of both boards, turned into the scores that the boards show.

v1 files name tasks `harness|TASK|SHOTS`, v2 files (lm-evaluation-harness) `leaderboard_TASK`.
"""

import contextlib
import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from analytics.fronts.normalisation import (
    BBH_CHOICES,
    GPQA_ITEMS,
    MATH_HARD_ITEMS,
    MMLU_TASKS,
    MUSR_CHOICES,
    MissingTask,
    group_mean,
    mmlu_from_all,
    normalised,
    subtask_mean,
)
from pipelines.sources.accounts import rejected_row
from pipelines.sources.leaderboards.layouts import BENCHMARKS, V1, V2
from pipelines.sources.leaderboards.tables import scores_frame
from pipelines.sources.raw_store import RawSnapshot
from pipelines.sources.tables import UnreadableFile
from profiling.foreign import json_object
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, EVALUATION_RUNS, REJECTED_ROWS, REPORTED_ENTRIES

LAYOUT = {V1: "v1_raw_results", V2: "v2_raw_results"}
METRIC_VERSION = {V1: "v1_six_tasks", V2: "v2"}
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})T\d{2}[-:]\d{2}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH_2001, _EPOCH_2100 = 1e9, 4_102_444_800
_PATH = re.compile(r"(?:^|/)(?P<model>[\w.-]+/[\w.-]+)/results_[^/]*\.json$")
# From the start of a word and of bounded length: else the search takes minutes in a long text.
_HUB_ID = re.compile(r"(?<![\w.-])([\w.-]{1,96})/[\w.-]{1,96}")
_LETTER = re.compile("[A-Za-z]")
# What the hub can hold; a path on somebody's disk tells of him and names no model.
_NAME_ON_HUB = re.compile(r"(?![.~])[\w.-]{1,96}(?:/(?![.])[\w.-]{1,96})?")
_PRETRAINED = re.compile(r"(?:^|,)pretrained=([^,]+)")
_REVISION = re.compile(r"(?:^|,)revision=([^,]+)")


class NotRawResults(ValueError):
    """A JSON document is not a raw result file of either board."""


@dataclass(frozen=True)
class Run:
    """One evaluation.

    Attributes:
        board: Board whose tasks it ran.
        model_id: Model as the hub spells it.
        ran_on: Date of the run.
        revision: Commit of the model, if said.
        precision: Number format as the file says it, if it does.
        evaluation_time_s: Wall time of the whole run, if said.
        task_rows: Tasks with a result.
        harness_revision: Commit of the harness, if said.
        size_gib: Resident weights, if measured (v1).
        scores: Benchmark → (score in points, raw accuracy, how it was computed).
        problems: Benchmarks that could not be computed, and why.
    """

    board: str
    model_id: str
    ran_on: dt.date
    revision: str | None
    precision: str | None
    evaluation_time_s: float | None
    task_rows: int
    harness_revision: str | None
    size_gib: float | None
    scores: Mapping[str, tuple[float, float, str]]
    problems: Mapping[str, str]


def board_of(document: Mapping[str, Any], name: str) -> str:
    """Board whose raw results the document holds.

    Raises:
        NotRawResults: it has no results of either board; the message names its keys.
    """
    results = document.get("results")
    tasks = list(results) if isinstance(results, dict) else []
    if any(task.startswith("harness|") for task in tasks):
        return V1
    if any(task.startswith("leaderboard_") for task in tasks):
        return V2
    raise NotRawResults(
        f"{name} is of no declared board and no raw result of the Open LLM Leaderboard: its keys are"
        f" {', '.join(map(repr, list(document)[:12]))}"
        f"{' and its tasks ' + ', '.join(map(repr, tasks[:6])) if tasks else ''}."
        " `skyline boards add` drafts a declaration."
    )


def read_run(document: Mapping[str, Any], uri: str) -> Run:
    """The evaluation that a raw result document describes.

    Raises:
        NotRawResults: no results of either board, or neither content nor path name the model or the date.
    """
    board = board_of(document, uri)
    config = {**_section(document, "config"), **_section(document, "config_general")}
    summary = _section(document, "summary_general")
    arguments = str(config.get("model_args") or "")
    results = {task: values for task, values in document["results"].items() if isinstance(values, dict)}
    if not results.keys() - {"all"}:
        raise NotRawResults(f"{uri} names tasks and holds results of none.")
    problems: dict[str, str] = {}
    scores = (_v1_scores if board == V1 else _v2_scores)(results, problems)
    versions = _section(document, "versions")
    if any(task.startswith("harness|hendrycksTest-") and versions[task] == 0 for task in versions):
        # The harness first asked these questions wrongly; the board never showed such scores.
        scores.pop("MMLU", None)
        problems["MMLU"] = "hendrycksTest in version 0, which the board withdrew"
    seconds = (
        config.get("total_evaluation_time_secondes")
        or summary.get("total_evaluation_time_secondes")
        or document.get("total_evaluation_time_seconds")
    )
    precision = str(config.get("model_dtype") or "").removeprefix("torch.") or None
    return Run(
        board=board,
        model_id=_model_of(document, config, arguments, uri),
        ran_on=_date_of(document, uri),
        revision=_text(config.get("model_sha") or document.get("model_sha")) or _first_group(_REVISION, arguments),
        precision=precision if precision in {"float16", "bfloat16", "float32", "4bit", "8bit", "GPTQ"} else None,
        evaluation_time_s=_number(seconds),
        task_rows=sum(task != "all" for task in results),
        harness_revision=_text(config.get("lighteval_sha") or document.get("git_hash")),
        size_gib=_gib(config.get("model_size")),
        scores=scores,
        problems=problems,
    )


def _section(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name)
    return section if isinstance(section, dict) else {}


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]  # v1 writes seconds as text
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < math.inf else None


def _first_group(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match.group(1) if match else None


def _gib(value: object) -> float | None:
    """`15.08 GB` of v1 is GiB; `512.3 MB` is MiB."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d*)?)\s*(GB|MB)\s*", str(value or ""), re.ASCII)
    if not match:
        return None
    return float(match.group(1)) / (1 if match.group(2) == "GB" else 1024)


def _model_of(document: Mapping[str, Any], config: Mapping[str, Any], arguments: str, uri: str) -> str:
    in_path = _PATH.search(uri)
    # Transcriptions name it in a note, beside dates with slashes.
    noted = (match[0] for match in _HUB_ID.finditer(str(document.get("_provenance", ""))) if _LETTER.search(match[1]))
    for candidate in (
        _text(config.get("model_name")),
        _text(document.get("model_name")),
        _first_group(_PRETRAINED, arguments),
        in_path.group("model") if in_path else None,
        next(noted, None),
    ):
        if candidate and _NAME_ON_HUB.fullmatch(candidate):
            return candidate
    raise NotRawResults(
        f"{uri} does not state which model it evaluated, or only a path on a disk; keep it as"
        " ORG/MODEL/results_TIME.json."
    )


def _date_of(document: Mapping[str, Any], uri: str) -> dt.date:
    epoch = document.get("date")
    if isinstance(epoch, (int, float)) and _EPOCH_2001 < epoch < _EPOCH_2100:
        return dt.datetime.fromtimestamp(epoch, tz=dt.UTC).date()
    for text in (uri.rsplit("/", 1)[-1], str(document.get("_provenance", "")), uri):
        for stamp in (*_STAMP.findall(text), *_DAY.findall(text)):
            with contextlib.suppress(ValueError):  # digits that look like a date and are none
                return dt.date.fromisoformat(stamp)
    raise NotRawResults(f"{uri} does not state when it ran; keep the name results_YYYY-MM-DDTHH-MM-SS.json.")


def _metric(results: Mapping[str, Mapping[str, Any]], task: str, *names: str) -> float | None:
    values = results.get(task, {})
    for name in names:
        value = values.get(name)
        # A share of right answers; what lies outside is not one, whatever the file calls it.
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
    return None


def _v1_scores(
    results: Mapping[str, Mapping[str, Any]], problems: dict[str, str]
) -> dict[str, tuple[float, float, str]]:
    metrics = {
        "ARC": ("harness|arc:challenge|25", "acc_norm"),
        "HellaSwag": ("harness|hellaswag|10", "acc_norm"),
        "TruthfulQA": ("harness|truthfulqa:mc|0", "mc2"),
        "Winogrande": ("harness|winogrande|5", "acc"),
        "GSM8K": ("harness|gsm8k|5", "acc"),
    }
    scores: dict[str, tuple[float, float, str]] = {}
    for benchmark, (task, metric) in metrics.items():
        if (value := _metric(results, task, metric)) is None:
            problems[benchmark] = f"no {metric} of {task}"
        else:
            scores[benchmark] = (100 * value, value, f"{metric} of {task}")
    mmlu = [
        value
        for task in results
        if task.startswith("harness|hendrycksTest-") and (value := _metric(results, task, "acc")) is not None
    ]
    if len(mmlu) == MMLU_TASKS:
        mean = sum(mmlu) / MMLU_TASKS
        scores["MMLU"] = (100 * mean, mean, f"mean acc of {MMLU_TASKS} hendrycksTest tasks")
    elif not mmlu and (overall := _metric(results, "all", "acc")) is not None:
        others = [value for task in results if task != "all" and (value := _metric(results, task, "acc")) is not None]
        mean = mmlu_from_all(overall, others)
        if 0 <= mean <= 1:
            scores["MMLU"] = (100 * mean, mean, "recovered from the mean of all tasks")
        else:
            problems["MMLU"] = "the mean of all tasks contradicts those of the others"
    else:
        problems["MMLU"] = f"{len(mmlu)} of {MMLU_TASKS} hendrycksTest tasks"
    return scores


def _v2_scores(
    results: Mapping[str, Mapping[str, Any]], problems: dict[str, str]
) -> dict[str, tuple[float, float, str]]:
    def group(prefix: str, choices: Mapping[str, int]) -> tuple[float, float, str]:
        values = {
            task: value
            for task in choices
            if (value := _metric(results, f"leaderboard_{prefix}_{task}", "acc_norm,none")) is not None
        }
        score, raw = subtask_mean(values, choices)
        return score, raw, f"mean of {len(choices)} subtasks, each normalised"

    def single(task: str, metric: str, chance: float) -> tuple[float, float, str]:
        value = _metric(results, f"leaderboard_{task}", f"{metric},none")
        if value is None:
            raise MissingTask(f"no {metric} of leaderboard_{task}")
        return normalised(value, chance), value, f"{metric} of leaderboard_{task}"

    def whole(task: str, prefix: str, metric: str, items: Mapping[str, int], chance: float) -> tuple[float, float, str]:
        """Value of the group; newer harnesses write none, so the mean of its subtasks, weighted as the harness did."""
        if _metric(results, f"leaderboard_{task}", f"{metric},none") is not None:
            return single(task, metric, chance)
        values = {
            part: value
            for part in items
            if (value := _metric(results, f"leaderboard_{prefix}_{part}", f"{metric},none")) is not None
        }
        if not values:
            raise MissingTask(f"no {metric} of leaderboard_{task}")
        mean = group_mean(values, items)
        return normalised(mean, chance), mean, f"mean {metric} of {len(items)} subtasks, weighted by questions"

    def ifeval() -> tuple[float, float, str]:
        parts = [single("ifeval", f"{level}_level_strict_acc", 0.0)[1] for level in ("inst", "prompt")]
        # The board takes the mean of points, not the points of the mean; the last bit depends on it.
        points = sum(100 * part for part in parts) / 2
        return points, sum(parts) / 2, "mean of strict accuracy by instruction and by prompt"

    computed: Mapping[str, Callable[[], tuple[float, float, str]]] = {
        "IFEval": ifeval,
        "BBH": lambda: group("bbh", BBH_CHOICES),
        "MATH Lvl 5": lambda: whole("math_hard", "math", "exact_match", MATH_HARD_ITEMS, 0.0),
        "GPQA": lambda: whole("gpqa", "gpqa", "acc_norm", GPQA_ITEMS, 1 / 4),
        "MUSR": lambda: group("musr", MUSR_CHOICES),
        "MMLU-PRO": lambda: single("mmlu_pro", "acc", 1 / 10),
    }
    scores: dict[str, tuple[float, float, str]] = {}
    for benchmark, compute in computed.items():
        try:
            scores[benchmark] = compute()
        except MissingTask as error:
            problems[benchmark] = str(error)
    return scores


@dataclass(frozen=True)
class ParsedRun:
    """What one stored result file says, as rows of the tables it fills."""

    entries: pl.DataFrame
    scores: pl.DataFrame
    runs: pl.DataFrame
    rejected: pl.DataFrame
    rows_read: int = 1


def parse(snapshot: RawSnapshot) -> ParsedRun:
    """Read a stored raw result file.

    Raises:
        UnreadableFile: the stored bytes are damaged.
        NotRawResults: it cannot be said of which model or day it is.
    """
    uri = snapshot.manifest.uri
    run = read_run(json_object(snapshot.path.read_bytes(), uri, UnreadableFile), uri)
    complete = len(run.scores) == len(BENCHMARKS[run.board])
    identity: dict[str, Any] = {
        "snapshot_id": snapshot.snapshot_id,
        "board": run.board,
        "as_of_date": run.ran_on,
        "metric_version": METRIC_VERSION[run.board],
        "entry_id": "_".join(filter(None, (run.model_id.replace("/", "_"), run.precision))),
        "model_id": run.model_id,
    }
    wide = pl.DataFrame(
        [
            {
                **identity,
                **{f"score {name}": score for name, (score, _, _) in run.scores.items()},
                **{f"raw {name}": raw for name, (_, raw, _) in run.scores.items()},
            }
        ]
    )
    scores = scores_frame(wide, run.board, "raw")
    how = {name: method for name, (_, _, method) in run.scores.items()}
    entry = {
        **identity,
        "row_number": 1,
        "revision": run.revision,
        "precision": run.precision,
        "reported_size_gib": run.size_gib,
        "average": sum(score for score, _, _ in run.scores.values()) / len(run.scores) if complete else None,
        "submitted_on": run.ran_on,
    }
    return ParsedRun(
        entries=REPORTED_ENTRIES.frame([entry]),
        scores=BENCHMARK_SCORES.conform(
            scores.with_columns(pl.col("benchmark").replace_strict(how, return_dtype=pl.String).alias("score_source"))
        )
        if how
        else scores,
        runs=EVALUATION_RUNS.frame([identity | vars(run)]),
        rejected=REJECTED_ROWS.concat(
            rejected_row(snapshot.snapshot_id, uri, f"{benchmark} could not be computed: {reason}", row_number=1)
            for benchmark, reason in run.problems.items()
        ),
    )
