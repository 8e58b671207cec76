"""Every published file of a board loads with all its rows, or is refused for a reason that a person accepts."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from pipelines.defs.boards.tables import Boards
from pipelines.sources.collect import collect
from warehouse.contracts import boards as contracts
from warehouse.contracts.violations import violations
from warehouse.settings import Settings

pytestmark = pytest.mark.data

# File → rows, as counted by whoever collected them.
ROWS = {
    "aider/2025-05-09_polyglot_leaderboard.yml": 50,
    "aider/2025-10-04_polyglot_leaderboard.yml": 69,
    "aider/2025-10-04_quant.yml": 14,
    "aider/2025-10-04_qwen3_leaderboard.yml": 10,
    "artificial_analysis/2026-07-10_llms_slim.csv": 570,
    "bfcl/2025-06-14_data_overall.csv": 109,
    "bfcl/2025-08-26_data_overall.csv": 118,
    "epoch/2025-12-03_benchmarks_runs.csv": 541,
    "epoch/2026-08-11_eci_benchmarks.csv": 2249,
    "epoch/2026-08-11_eci_scores.csv": 222,
    "livebench/2026-07-01_table_2026_01_08.csv": 127,
    "livebench/2026-08-22_table_2026_06_25.csv": 46,
    "lmarena/2025-12-16_rank_data.json": 285,
    "lmarena/2026-04-19_text.json": 50,
    "models_dev/2026-07-02_models_toml.zip": 231,
    "openevals/2026-03-25_leaderboard-data.json": 93,
    "teci/2026-08-16_obs_ours.csv": 1522,
    "teci/2026-08-16_results_methods.csv": 124,
    "vectara/2025-10-16_README.md": 172,
    "vectara/2026-03-10_README.md": 96,
}
# File → why it holds no results.
REFUSED = {
    "epoch/2026-08-11_edi_scores.csv": "holds difficulties of benchmarks as Epoch fitted them",
    "every_eval_ever/2026-08-13_eval.schema.json": "is a schema by which records are checked",
    "every_eval_ever/2026-08-13_instance_level_eval.schema.json": "is a schema by which records are checked",
    **{
        f"livebench/{name}": "lists which tasks make up which category"
        for name in (
            "2026-07-01_categories_2025_05_30.json", "2026-07-01_categories_2025_11_25.json",
            "2026-07-01_categories_2025_12_23.json", "2026-07-01_categories_2026_01_08.json",
            "2026-08-22_categories_2026_06_25.json",
        )
    },
}  # fmt: skip
# No data: a page's source, and the account of where the files are from.
PASSED_OVER = {"livebench/2026-08-22_modelLinks.js", "PROVENANCE.md"}


def test_every_file_is_stored_or_refused_for_a_reason(board_files: Path, boards: Boards, tmp_path: Path) -> None:
    collected = collect([str(board_files)], Settings.model_validate({"home": str(tmp_path)}))
    reasons = dict(collected.set_aside)
    assert reasons.keys() == REFUSED.keys()
    assert all(REFUSED[name] in reason for name, reason in reasons.items())
    files = {str(path.relative_to(board_files)) for path in board_files.rglob("*") if path.is_file()}
    assert set(boards.snapshots["uri"]) == files - REFUSED.keys() - PASSED_OVER


def test_every_row_of_every_file_is_counted(boards: Boards) -> None:
    counted = dict(boards.snapshots.select("uri", "rows_read").iter_rows())
    assert {name: counted[name] for name in ROWS} == ROWS


def test_every_row_is_loaded_or_told_why_not(boards: Boards) -> None:
    passed = boards.rejected.filter(pl.col("reason").str.contains("none of the board")).with_columns(
        pl.col("reason").str.extract(r"^([\d,]+) rows? ").str.replace_all(",", "").cast(pl.Int64).alias("count")
    )
    passed_over = dict(passed.group_by("snapshot_id").agg(pl.col("count").sum()).iter_rows())
    left = {
        row["uri"]: row["rows_read"]
        - row["rows_loaded"]
        - row["rows_rejected"]
        - passed_over.get(row["snapshot_id"], 0)
        for row in boards.snapshots.iter_rows(named=True)
    }
    # Three members of this zip are empty lists: they have no row, and are told as members.
    assert {uri: count for uri, count in left.items() if count} == {"llm_stats/2025-10-16_data.zip": -3}


def test_every_table_keeps_its_contract(boards: Boards) -> None:
    tables = {
        contracts.SNAPSHOTS: boards.snapshots, contracts.REJECTED_ROWS: boards.rejected,
        contracts.BENCHMARK_RESULTS: boards.results, contracts.MODEL_ALIASES: boards.aliases,
        contracts.MODEL_FACTS: boards.facts, contracts.REDEFINITIONS: boards.redefinitions,
        contracts.BOARD_SOURCES: boards.sources,
    }  # fmt: skip
    assert {table.relation: violations(table, frame) for table, frame in tables.items()} == {
        table.relation: {} for table in tables
    }


def test_a_row_whose_cells_stand_in_wrong_columns_is_rejected_not_padded(boards: Boards) -> None:
    rejected = boards.rejected.filter(pl.col("uri").str.ends_with("table_2026_01_08.csv"))
    assert rejected["reason"].to_list() == ["has 21 of 24 fields, so its cells are in the wrong columns"]
    of_release = boards.results.filter(pl.col("source") == "livebench", pl.col("benchmark_version") == "2026_01_08")
    assert of_release.filter(pl.col("name_in_source").str.contains("nemotron-3-super")).is_empty()


# Source, benchmark, name, further conditions → published score, unit, whether higher is better.
PUBLISHED = [
    ("epoch_eci", "Epoch Capabilities Index", "GPT-5.6 Sol", {}, 161.65, "index", True),
    ("epoch_eci", "GPQA diamond", "gpt-oss-120b", {}, 0.677, "fraction", True),
    (
        "epoch",
        "GPQA diamond",
        "openai/gpt-oss-120b_high",
        {"snapshot_date": dt.date(2026, 4, 19)},
        0.758,
        "fraction",
        True,
    ),
    ("bfcl", "BFCL", "Qwen3-32B (FC)", {"benchmark_version": "v4"}, 48.71, "percent", True),
    ("bfcl", "BFCL", "Qwen3-32B (Prompt)", {"benchmark_version": "v4"}, 46.78, "percent", True),
    ("vectara", "Vectara hallucination", "microsoft/Phi-4", {"metric": "hallucination_rate"}, 3.7, "percent", False),
    ("tau2", "τ²-bench banking", "Kimi K3", {"metric": "pass_1"}, 37.11340206185567, "percent", True),
    (
        "tau2",
        "τ²-bench retail",
        "RAFT-30B-A3B",
        {"metric": "pass_1", "snapshot_date": dt.date(2026, 8, 18)},
        82.45614,
        "percent",
        True,
    ),  # a submission that states no version
    ("aider", "Aider polyglot", "gpt-oss-120b (high)", {"metric": "pass_rate_2"}, 41.8, "percent", True),
    ("lmarena", "Arena text: chinese", "gemini-3-pro", {"benchmark_version": "style control"}, 1521.5315, "elo", True),
    ("lmarena", "Arena webdev", "claude-opus-4-6", {"snapshot_date": dt.date(2026, 3, 19)}, 1547.0, "elo", True),
    ("helm_capabilities", "MMLU-Pro", "qwen/qwen3-next-80b-a3b-thinking", {}, 0.786, "fraction", True),
    ("openevals", "GSM8K", "meta-llama/Llama-3.1-405B", {}, 96.8, "percent", True),
    ("swe_bench", "SWE-bench bash-only", "Claude 4.5 Sonnet (20250929)", {}, 70.6, "percent", True),
    ("llm_stats", "Aider", "qwen3-32b", {}, 0.502, "fraction", True),
    ("lechmazur_connections", "Extended NYT Connections", "Kimi K3", {}, 95.8, "percent", True),
]


@pytest.mark.parametrize(
    ("source", "benchmark", "name", "also", "score", "unit", "higher"), PUBLISHED, ids=lambda x: str(x)[:24]
)
def test_a_published_figure_is_in_the_table_as_published(
    boards: Boards,
    source: str,
    benchmark: str,
    name: str,
    also: dict[str, object],
    score: float,
    unit: str,
    higher: bool,
) -> None:
    conditions = {"source": source, "benchmark": benchmark, "name_in_source": name, "is_newest": True, **also}
    if "snapshot_date" in also:
        del conditions["is_newest"]
    rows = boards.results.filter(pl.all_horizontal(pl.col(column) == value for column, value in conditions.items()))
    assert rows.height == 1
    row = rows.row(0, named=True)
    assert row["score"] == pytest.approx(score, abs=6e-4)
    assert (row["unit"], row["higher_is_better"]) == (unit, higher)


def test_errors_are_as_published_or_say_how_they_were_had(boards: Boards) -> None:
    origins = dict(
        boards.results.filter(pl.col("standard_error").is_not_null())
        .group_by("source")
        .agg(pl.col("standard_error_origin").unique().sort())
        .iter_rows()
    )
    assert origins["lmarena"] == origins["epoch_eci"] == ["interval"]
    assert origins["bfcl"] == origins["aider"] == ["binomial"]
    assert "published" in origins["epoch"]
    index = boards.results.filter(pl.col("benchmark") == "Epoch Capabilities Index", pl.col("source") == "epoch_eci")
    widths = index.filter(pl.col("ci_level").is_not_null()).select(
        (pl.col("ci_high") - pl.col("ci_low")) / pl.col("standard_error")
    )
    # A 90 % interval is 2 × 1.645 standard errors wide.
    assert widths.to_series().to_list() == pytest.approx([3.28971] * widths.height, abs=1e-4)


def test_addresses_of_submitters_are_stored_in_no_table(boards: Boards) -> None:
    for frame in (boards.results, boards.facts, boards.rejected, boards.aliases):
        assert not any(
            frame[name].str.contains("@example").any() for name, dtype in frame.schema.items() if dtype == pl.String
        )


def test_what_may_not_be_passed_on_says_so_row_by_row(boards: Boards) -> None:
    passed = boards.results.filter("may_bundle")
    assert passed["licence"].null_count() == 0
    assert not set(passed["source"]) & {
        "artificial_analysis",
        "livebench",
        "openevals",
        "swe_bench",
        "helm_capabilities",
    }
    # The matrix behind the index mixes 75 upstreams: of it only what Epoch ran.
    matrix = boards.results.filter(pl.col("source") == "epoch_eci", pl.col("benchmark_version") == "ECI matrix")
    assert matrix["may_bundle"].sum() == 691
    external = boards.results.filter(pl.col("source") == "epoch", pl.col("benchmark_version") == "external")
    assert not external["may_bundle"].any()


def test_estimates_and_self_reports_are_told_from_measurements(boards: Boards) -> None:
    index = boards.results.filter(
        pl.col("source") == "artificial_analysis",
        pl.col("benchmark") == "Intelligence Index",
        pl.col("snapshot_date") == dt.date(2026, 7, 10),
    )
    assert index.filter(pl.col("reporter") == "estimate").height > 250
    llm_stats = boards.results.filter(pl.col("source") == "llm_stats")
    assert llm_stats.filter(pl.col("reporter") == "vendor").height > 0.98 * llm_stats.height


def test_thinking_and_effort_are_read_from_names_and_columns(boards: Boards) -> None:
    def of(source: str, name: str) -> set[tuple[str | None, str | None]]:
        rows = boards.results.filter(pl.col("source") == source, pl.col("name_in_source") == name)
        return set(rows.select("mode", "effort").iter_rows())

    assert of("epoch", "gpt-oss-120b_high") == {("thinking", "high")}
    assert of("livebench", "claude-4-1-opus-20250805-thinking-32k") == {("thinking", "32k")}
    assert of("livebench", "claude-4-1-opus-20250805-base") == {("non-thinking", None)}
    assert of("artificial_analysis", "GLM-4.5V (Non-reasoning)") == {("non-thinking", None)}
    assert of("teci", "Qwen3.5-35B-A3B [Thinking (default)]") == {("thinking", None)}
    # The same weights are asked in both modes elsewhere, and here nobody says in which.
    assert {mode for mode, _ in of("vectara", "qwen/qwen3-32b")} == {"hybrid-unknown"}
