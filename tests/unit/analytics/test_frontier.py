"""Fronts of snapshots: who is on them, since when, what they beat, and how published ones compare."""

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analytics.fronts.frontier import (
    AVERAGE,
    CARBON,
    PARAMETERS,
    SIZE,
    Objectives,
    compare_published,
    dominated,
    fronts,
    histories,
    objective_sets,
    wide_entries,
)
from warehouse.contracts.frontier import DOMINATED_BY, PARETO_FRONT, PARETO_FRONT_HISTORY, PARETO_HYPERVOLUME
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES
from warehouse.lake import Lake
from warehouse.publish import current

VS_SIZE = Objectives(AVERAGE, (SIZE,))
DAY = dt.date(2024, 1, 1)


def board(*rows: dict[str, Any]) -> pl.DataFrame:
    """Wide entries of one snapshot; what is not given is null or plain."""
    plain = {"snapshot_id": "s", "board": "open_llm_v2", "as_of_date": DAY, "metric_version": "v2", "family": "f"}
    schema = {
        **{c.name: c.dtype for c in LEADERBOARD_ENTRIES.columns if c.name != "average_standard_error"},
        "average standard_error": pl.Float64,
    }
    full = [{**plain, "entry_id": f"e{n}", "model_id": f"m{n}", **row} for n, row in enumerate(rows)]
    return pl.DataFrame(full, schema=schema)


entries = st.lists(
    st.fixed_dictionaries(
        {
            "size_gib": st.sampled_from([None, 0.0, 1.0, 2.0, 4.0, 8.0]),
            "average": st.sampled_from([None, float("nan"), 10.0, 20.0, 30.0, 40.0]),
            "precision": st.sampled_from([None, "float16", "4bit"]),
            "submitted_on": st.sampled_from([None, *(DAY + dt.timedelta(days=d) for d in range(4))]),
            "average standard_error": st.sampled_from([None, 0.5, 20.0]),
        }
    ),
    max_size=15,
)


def usable(rows: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Entry → size and score of those that may be compared at all."""
    return {
        f"e{n}": (row["size_gib"], row["average"])
        for n, row in enumerate(rows)
        if row["size_gib"] and row["average"] is not None and row["average"] == row["average"]
    }


def beaten(point: tuple[float, float], others: list[tuple[float, float]]) -> bool:
    return any(size <= point[0] and score >= point[1] and (size, score) != point for size, score in others)


@given(entries)
@settings(deadline=None, max_examples=60)
def test_a_front_is_everything_usable_that_nothing_usable_beats_and_all_the_rest_is_dominated_by_a_member(
    rows: list[dict[str, Any]],
) -> None:
    points = usable(rows)
    members = {name for name, point in points.items() if not beaten(point, list(points.values()))}
    front = fronts(board(*rows), VS_SIZE).filter(pl.col("segment_by") == "all")
    assert set(front["entry_id"]) == members
    off = dominated(board(*rows), VS_SIZE)
    assert sorted([*off["entry_id"], *members]) == sorted(points)
    assert set(off["dominated_by_entry_id"]) <= members
    for row in off.iter_rows(named=True):
        own, other = points[row["entry_id"]], points[row["dominated_by_entry_id"]]
        assert (row["score_gap"], row["cost_ratio"]) == (other[1] - own[1], own[0] / other[0])


@given(entries)
@settings(deadline=None, max_examples=40)
def test_within_a_precision_the_front_is_that_of_the_precision(rows: list[dict[str, Any]]) -> None:
    front = fronts(board(*rows), VS_SIZE).filter(pl.col("segment_by") == "precision")
    points = usable(rows)
    for precision in ("float16", "4bit"):
        within = {name: point for name, point in points.items() if rows[int(name[1:])]["precision"] == precision}
        members = {name for name, point in within.items() if not beaten(point, list(within.values()))}
        assert set(front.filter(pl.col("segment") == precision)["entry_id"]) == members


@given(entries)
@settings(deadline=None, max_examples=40)
def test_on_every_day_the_history_is_the_front_of_what_was_submitted_by_then_and_its_area_never_shrinks(
    rows: list[dict[str, Any]],
) -> None:
    points = {name: point for name, point in usable(rows).items() if rows[int(name[1:])]["submitted_on"]}
    assume(points)
    history, area = histories(board(*rows), VS_SIZE)
    for offset in range(5):
        day = DAY + dt.timedelta(days=offset)
        by_then = {name: point for name, point in points.items() if rows[int(name[1:])]["submitted_on"] <= day}
        members = {name for name, point in by_then.items() if not beaten(point, list(by_then.values()))}
        standing = history.filter(pl.col("entered_on") <= day, pl.col("left_on").is_null() | (pl.col("left_on") > day))
        assert set(standing["entry_id"]) == members
    assert area["hypervolume"].is_sorted()
    assert area["front_members"].to_list()[-1] == history["left_on"].null_count()


def test_equal_members_are_all_kept_and_share_one_step() -> None:
    rows = [{"size_gib": 1.0, "average": 20.0}, {"size_gib": 3.0, "average": 30.0}, {"size_gib": 3.0, "average": 30.0}]
    front = fronts(board(*rows), VS_SIZE).filter(pl.col("segment_by") == "all").sort("position")
    assert front.select("entry_id", "marginal_cost_per_point").rows() == [("e0", None), ("e1", 0.2), ("e2", 0.2)]
    assert front["position"].to_list() == [1, 2, 3]


def test_three_objectives_keep_who_is_best_in_any_balance_and_have_no_order() -> None:
    rows = [
        {"size_gib": 1.0, "evaluation_co2_kg": 9.0, "average": 20.0},
        {"size_gib": 9.0, "evaluation_co2_kg": 1.0, "average": 20.0},
        {"size_gib": 9.0, "evaluation_co2_kg": 9.0, "average": 20.0},
        {"size_gib": 9.0, "evaluation_co2_kg": None, "average": 99.0},
    ]
    front = fronts(board(*rows), Objectives(AVERAGE, (SIZE, CARBON))).filter(pl.col("segment_by") == "all")
    assert front["entry_id"].to_list() == ["e0", "e1"]
    assert front["objectives"].unique().to_list() == ["average_vs_size_gib_and_evaluation_co2_kg"]
    assert front["cost"].null_count() == front["position"].null_count() == 2


def test_every_measure_is_set_against_every_cost() -> None:
    names = {objectives.name for objectives in objective_sets(["IFEval"])}
    costs = ("size_gib", "parameters_total", "evaluation_co2_kg")
    pairs = {f"{measure}_vs_{cost}" for measure in ("average", "IFEval") for cost in costs}
    assert names == pairs | {"average_vs_size_gib_and_evaluation_co2_kg"}


def test_a_published_member_that_the_next_month_neither_holds_nor_beats_shows_that_months_are_not_cumulative() -> None:
    def member(cutoff: dt.date, name: str, size: float | None, error: float) -> dict[str, Any]:
        return {"publication": "p", "cutoff": cutoff, "model_id": name, "size_gib": size, "error_pct": error}

    september, october = dt.date(2023, 9, 1), dt.date(2023, 10, 1)
    published = pl.DataFrame(
        [
            member(september, "kept", 1.0, 50.0),
            member(september, "beaten later", 2.0, 45.0),
            member(september, "lost", 4.0, 20.0),
            member(september, "sizeless", None, 10.0),
            member(september, "never on the front", 5.0, 30.0),
            member(october, "kept", 1.0, 50.0),
            member(october, "better", 2.0, 40.0),
        ]
    )
    run_means = pl.DataFrame({"model_id": ["kept", "other"], "size_gib": [1.0, 2.0], "error_pct": [50.0, 39.0]})
    compared = compare_published(published, run_means)
    assert dict(compared.filter(cutoff=september).select("model_id", "verdict").rows()) == {
        "kept": "consistent",
        "beaten later": "consistent",
        "lost": "not cumulative",
        "sizeless": "no size",
        "never on the front": "dominated",
    }
    # Only the last cutoff can be held against ours, which knows all models.
    assert compared.filter(cutoff=september)["on_our_front"].null_count() == 5
    assert compared.filter(cutoff=october)["on_our_front"].to_list() == [True, False]


# ---- the real boards ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lake(leaderboard_home: Path) -> Lake:
    return Lake(leaderboard_home / "lake")


@pytest.fixture(scope="module")
def final(lake: Lake) -> pl.DataFrame:
    """Entries of the last snapshot of v2 with all scores."""
    rows = lake.read(LEADERBOARD_ENTRIES)
    newest = rows.filter(pl.col("as_of_date") == dt.date(2025, 3, 13))["snapshot_id"].unique().to_list()
    return wide_entries(rows, lake.read(BENCHMARK_SCORES), newest)


@pytest.mark.data
def test_the_22_published_members_are_the_front_in_the_warehouse_by_name_and_size(
    leaderboard_home: Path, shared_data: Path
) -> None:
    published = pl.read_csv(shared_data / "open_llm_leaderboard/blog/v1_pareto_front_2023-12-04.csv")
    with duckdb.connect(str(current(leaderboard_home / "published").path), read_only=True) as connection:
        ours = connection.sql(
            "SELECT model_id, size_gib, error_pct FROM marts.pareto_front WHERE as_of_date = DATE '2023-12-04'"
            " AND objectives = 'average_vs_size_gib' AND segment_by = 'all' ORDER BY size_gib, model_id"
        ).pl()
    expected = published.sort("model_size_gb", "model_name")
    assert ours["model_id"].to_list() == expected["model_name"].to_list()
    assert ours["size_gib"].to_list() == expected["model_size_gb"].to_list()
    assert ours["error_pct"].to_list() == pytest.approx((100 * expected["average_error"]).to_list(), abs=1e-9)
    assert ours.height == 22


@pytest.mark.data
def test_the_published_monthly_fronts_are_explained_member_by_member(lake: Lake) -> None:
    compared = pl.read_parquet(lake.folder / "marts" / "published_front_comparison.parquet")
    static = compared.filter(publication="geoalgo_2023_12")
    assert (static.height, static["on_our_front"].all(), set(static["verdict"])) == (22, True, {"consistent"})
    monthly = compared.filter(publication="geoalgo_2023_monthly")
    odd = monthly.filter(pl.col("verdict") != "consistent").group_by("cutoff", "verdict").len().sort("verdict")
    assert odd.rows() == [(dt.date(2023, 9, 1), "no size", 1), (dt.date(2023, 9, 1), "not cumulative", 11)]
    assert monthly.filter(verdict="no size")["model_id"].item() == "ORCA_LLaMA_70B_QLoRA"


@pytest.mark.data
def test_on_real_fronts_no_cost_is_missing_and_scores_rise_with_costs(lake: Lake) -> None:
    front = lake.read(PARETO_FRONT)
    of_two = front.filter(pl.col("cost").is_not_null())
    assert set(front.filter(pl.col("cost").is_null())["objectives"]) == {"average_vs_size_gib_and_evaluation_co2_kg"}
    assert of_two["cost"].min() > 0
    group = ["snapshot_id", "objectives", "segment_by", "segment"]
    steps = of_two.sort(*group, "cost", "score").with_columns(
        dearer=pl.col("cost").diff().over(group), better=pl.col("score").diff().over(group)
    )
    assert steps.filter((pl.col("dearer") > 0) & (pl.col("better") <= 0)).is_empty()
    assert steps.filter((pl.col("dearer") == 0) & (pl.col("better") != 0)).is_empty()


@pytest.mark.data
@pytest.mark.parametrize("cost", [SIZE, PARAMETERS, CARBON], ids=lambda cost: cost.column)
def test_every_usable_entry_of_a_real_board_is_on_the_front_or_dominated_by_a_member(
    lake: Lake, final: pl.DataFrame, cost: Any
) -> None:
    objectives = Objectives(AVERAGE, (cost,))
    of_final = pl.col("as_of_date") == dt.date(2025, 3, 13), pl.col("objectives") == objectives.name
    members = lake.read(PARETO_FRONT).filter(*of_final, segment_by="all")
    off = lake.read(DOMINATED_BY).filter(*of_final)
    usable_entries = final.filter(pl.col(cost.column) > 0, pl.col("average").is_not_null())["entry_id"]
    assert sorted([*members["entry_id"], *off["entry_id"]]) == usable_entries.sort().to_list()
    assert set(off["dominated_by_entry_id"]) <= set(members["entry_id"])
    # A gap within noise needs both errors, and noise that is at least as large as the gap.
    noisy = off.filter("within_noise")
    assert 0 < noisy.height < off.height
    assert (noisy["score_gap"] <= 1.96 * noisy["score_gap_standard_error"]).all()


@pytest.mark.data
def test_on_every_tenth_submission_day_the_history_of_the_real_board_is_the_front_of_what_was_there(
    lake: Lake, final: pl.DataFrame
) -> None:
    known = final.filter(pl.col("submitted_on").is_not_null())
    history = lake.read(PARETO_FRONT_HISTORY).filter(
        as_of_date=dt.date(2025, 3, 13), objectives="average_vs_parameters_total"
    )
    for day in known["submitted_on"].unique().sort().gather_every(10):
        by_then = fronts(known.filter(pl.col("submitted_on") <= day), Objectives(AVERAGE, (PARAMETERS,)))
        standing = history.filter(pl.col("entered_on") <= day, pl.col("left_on").is_null() | (pl.col("left_on") > day))
        assert set(standing["entry_id"]) == set(by_then.filter(segment_by="all")["entry_id"])


@pytest.mark.data
def test_the_area_under_real_fronts_never_shrinks_over_submission_dates(lake: Lake) -> None:
    area = lake.read(PARETO_HYPERVOLUME).sort("on_date")
    assert area.height > 1_000
    grown = area.with_columns(step=pl.col("hypervolume").diff().over("snapshot_id", "objectives", order_by="on_date"))
    assert grown["step"].min() >= 0


@pytest.mark.data
def test_what_the_boards_changed_between_snapshots_is_counted(lake: Lake) -> None:
    summary = pl.read_parquet(lake.folder / "marts" / "revision_summary.parquet")
    of_v2 = summary.filter(pl.col("board") == "open_llm_v2")
    rows = {
        (row["from_date"].isoformat(), row["to_date"].isoformat(), row["measure"]): row
        for row in of_v2.iter_rows(named=True)
    }
    came = rows["2024-10-15", "2024-12-08", "entry"]
    assert (came["common"], came["added"], came["removed"]) == (1499, 692, 1)
    reparsed = rows["2024-10-15", "2024-12-08", "average"]
    assert (reparsed["changed"], round(reparsed["largest_change"], 2)) == (1121, 7.83)
    assert rows["2024-12-08", "2025-02-13", "entry"]["added"] == 1636
    assert ("2024-12-08", "2025-02-13", "average") not in rows  # parameters became exact; no score moved
    assert rows["2025-02-13", "2025-03-13", "average"]["changed"] == 3498


@pytest.mark.data
def test_a_revision_names_both_definitions_of_the_score_and_fewer_digits_are_no_revision(lake: Lake) -> None:
    revisions = pl.read_parquet(lake.folder / "marts" / "score_revisions.parquet")
    verified = revisions.filter(to_date=dt.date(2025, 3, 13), measure="average")
    assert verified.select("from_metric_version", "to_metric_version").unique().rows() == [
        ("v2_math_reparsed", "v2_math_verify")
    ]
    # From 2024-05-28 in full to 2024-06-15 in two digits: one of 6,066 averages differs beyond rounding.
    rounded = revisions.filter(from_date=dt.date(2024, 5, 28), measure="average")
    assert rounded.height == 1
    assert abs(rounded["difference"].item()) > 0.005
