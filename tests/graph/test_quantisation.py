"""The tables of quantisation, made by their own assets from the facts that ship."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pipelines.defs.quantisation import assets
from pipelines.lib.resources import Home
from warehouse.contracts.quantisation import (
    QUANTISATION_ERRORS,
    QUANTISATION_LOSS,
    QUANTISATION_MEASUREMENTS,
    QUANTISATION_PAIRS,
)
from warehouse.lake import Lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home = Home(folder=str(tmp_path_factory.mktemp("home")))
    made = dg.materialize([assets.reference_quantisation, assets.quantisation_loss], resources={"skyline": home})
    assert made.success
    checks = made.get_asset_check_evaluations()
    assert {check.asset_key.path[-1] for check in checks if check.passed} == {
        "quantisation_measurements", "quantisation_loss", "quantisation_pairs", "quantisation_errors"
    }  # fmt: skip
    return home.lake


def test_every_format_size_and_task_is_answered_or_told_why_not(lake: Lake) -> None:
    rows = lake.read(QUANTISATION_LOSS)
    unanswered = rows.filter(pl.col("points_lost").is_null())
    assert unanswered["warnings"].is_not_null().all()
    assert (
        unanswered.filter(pl.col("task") == "long context").height
        == rows.filter(pl.col("task") == "long context").height
    )
    answered = rows.drop_nulls("points_lost")
    assert set(answered["task"]) >= {"knowledge", "common sense", "maths", "instructions"}
    assert (answered["points_lost_low"] <= answered["points_lost"]).all()
    assert (answered["points_lost"] <= answered["points_lost_high"]).all()
    assert answered.filter(pl.col("is_resolved") & (pl.col("points_lost") < pl.col("noise_floor_points"))).is_empty()


def test_intervals_hold_on_the_pairs_that_stand_beside_them(lake: Lake) -> None:
    pairs, errors = lake.read(QUANTISATION_PAIRS), lake.read(QUANTISATION_ERRORS)
    assert pairs.height == 1240
    assert pairs["is_inside"].mean() == pytest.approx(0.8, abs=0.03)
    stated = errors.filter(pl.col("tasks") != "MMLU")
    assert (stated["interval_coverage"] * stated["measurements"]).sum() == pytest.approx(pairs["is_inside"].sum())
    assert errors.filter(pl.col("tasks") != "MMLU")["interval_half_width"].is_not_null().all()


def test_a_gap_within_the_noise_of_a_single_run_is_not_resolved(lake: Lake) -> None:
    four = lake.read(QUANTISATION_PAIRS).filter(
        pl.col("metric").eq("benchmark_percent") & pl.col("layer_bits").is_between(3.9, 5.05)
    )
    assert 0.5 < 1 - four["is_resolved"].mean() < 0.9, "most 4-bit gaps show nothing by themselves"


def test_caches_have_rows_of_their_own(lake: Lake) -> None:
    caches = lake.read(QUANTISATION_LOSS).filter(pl.col("applies_to") == "kv cache")
    four = caches.filter((pl.col("format") == "q4_0") & (pl.col("task") == "knowledge")).row(0, named=True)
    assert four["points_lost"] == pytest.approx(0.74, abs=0.1)
    assert four["models"] == 7
    code = caches.filter((pl.col("format") == "q4_0") & (pl.col("task") == "code")).row(0, named=True)
    assert code["points_lost"] is None
    assert "code" in code["warnings"]


def test_measured_models_go_by_their_hub_ids_and_never_by_those_of_the_same_shapes(lake: Lake) -> None:
    ids = dict(lake.read(QUANTISATION_PAIRS).select("model", "model_id").unique().iter_rows())
    assert ids["Llama-3-8B-Instruct"] == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert ids["Qwen1.5-7B-Chat"] == "Qwen/Qwen1.5-7B-Chat"
    assert ids["Granite-3.1-2B-Base"] is None, "only the instructed one is known here"


@pytest.mark.data
def test_the_shipped_measurements_are_the_published_ones(shared_data: Path, lake: Lake) -> None:
    shared = pl.read_csv(shared_data.parent / "facts" / "quantisation_loss.csv", infer_schema_length=None)
    shipped = lake.read(QUANTISATION_MEASUREMENTS)
    assert shipped.height == shared.height == 1399
    assert shipped.columns == shared.columns
    assert shipped["delta"].sum() == pytest.approx(shared["delta"].sum())
