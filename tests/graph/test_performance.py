"""The performance model through the graph: facts, calibrations, rooflines, sizes, costs, and kernels brought."""

import json
from itertools import pairwise
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.defs.performance.tables import judged_in_catalogue
from pipelines.runs.refresh import refresh
from pipelines.sources.collect import collect
from pipelines.sources.kernels.read import calibrations_in_use, load_kernels
from pipelines.sources.raw_store import RawStore
from profiling.answers.cost import serving_cost
from profiling.calibration.calibrate import Calibration
from profiling.calibration.predictors import operator_models
from profiling.calibration.shipped import shipped
from profiling.devices.accelerators import find, table
from profiling.kernels.operators import kernel_models
from profiling.memory.need import gpus_needed, rule_of_thumb_gpus
from profiling.models.load import load
from profiling.models.sources import catalogue
from profiling.roofline.estimate import estimate
from profiling.roofline.workload import Workload, precision_of
from warehouse.contracts import performance as tables
from warehouse.contracts.boards import BENCHMARK_RESULTS
from warehouse.contracts.catalogue import ACCELERATORS, ARCHITECTURES, MODEL_ARCHITECTURES
from warehouse.lake import Lake
from warehouse.publish import current
from warehouse.settings import Settings

LLAMA = "meta-llama/Meta-Llama-3-8B"


@pytest.fixture
def lake(bundled_home: Path) -> Lake:
    return Lake(bundled_home / "lake")


def test_the_catalogue_holds_every_model_with_its_exact_cache_and_nothing_from_memory(lake: Lake) -> None:
    models = lake.read(ARCHITECTURES)
    assert models.height == len(catalogue()) > 440
    rows = {row["model_id"]: row for row in models.iter_rows(named=True)}
    assert rows["meta-llama/Meta-Llama-3.1-8B"]["kv_bytes_per_token"] == 131_072
    assert rows["deepseek-ai/DeepSeek-V3"]["kv_bytes_per_token"] == 70_272
    for model_id, row in rows.items():
        if not row["is_timed"]:
            continue
        counted = load(model_id)
        assert row["parameters_total"] == counted.parameters_total
        assert row["parameters_non_embedding"] == counted.parameters_non_embedding
        assert row["parameters_active"] == counted.parameters_active
    assert models["source"].null_count() == 0


def test_models_of_leaderboards_have_their_own_architecture_or_that_of_a_base_as_large(lake: Lake) -> None:
    links = lake.read(MODEL_ARCHITECTURES)
    known = set(lake.read(ARCHITECTURES)["model_id"])
    assert set(links["architecture_id"]) <= known
    itself = links.filter(pl.col("link") == "itself")
    assert (itself["model_id"] == itself["architecture_id"]).all()
    assert itself.height > 100


def test_calibrations_ship_with_their_held_out_errors_and_predict_as_they_are_read(lake: Lake) -> None:
    rows = lake.read(tables.CALIBRATIONS)
    assert set(rows["accelerator"]) >= {"h200_sxm", "a100_sxm"}
    errors = lake.read(tables.PREDICTION_ERROR)
    assert errors.height == rows.height
    for row in rows.iter_rows(named=True):
        calibration = Calibration.from_json(row["predictor"])
        assert calibration.held_out_mape_pct == row["held_out_mape_pct"]
        assert json.loads(row["parameters"]) == calibration.parameters
        assert 75 <= row["interval_coverage_pct"] <= 85
    calibrated = lake.read(ACCELERATORS).filter(pl.col("calibrated_from").is_not_null())
    assert set(calibrated["accelerator"]) == set(rows["device"])


def test_points_cover_every_model_that_can_be_timed_and_carry_a_rate_only_where_it_runs(lake: Lake) -> None:
    points = lake.read(tables.ROOFLINE_POINTS)
    timed = lake.read(ARCHITECTURES).filter("is_timed")
    # Models that are known by their configs alone are timed when asked, and in the grids where a board judged them.
    judged = judged_in_catalogue(lake.read(BENCHMARK_RESULTS)["model_id"].drop_nulls())
    tabulated = [name for name, entry in catalogue().items() if entry.is_tabulated or name in judged]
    timed = timed.filter(pl.col("model_id").is_in(tabulated))
    assert set(timed["model_id"]) - set(points["model_id"]) == {"EleutherAI/pythia-14m"}  # made for 512 tokens
    assert points.height < 500_000
    stuck = points.filter(pl.col("verdict") == "does not fit")
    rates = ["tokens_per_s", "time_to_first_token_s", "time_per_output_token_s", "joules_per_token"]
    assert stuck.height > 0
    assert stuck.select(pl.col(rates).null_count()).row(0) == (stuck.height,) * len(rates)
    runs = points.filter(pl.col("verdict") != "does not fit")
    assert runs["tokens_per_s"].null_count() == 0
    ordered = ["bound_s", "predicted_low_s", "predicted_s", "predicted_high_s"]
    for less, more in pairwise(ordered):
        assert (points[less] <= points[more] * (1 + 1e-12)).all()
    calibrated, laws = set(points.filter("is_calibrated")["accelerator"]), {"H200-SXM-141GB", "A100-SXM4-80GB"}
    # Elsewhere only mixtures are, whose experts were measured on the device or on one of the same chip.
    assert laws <= calibrated <= laws | {name for name, device in table().items() if kernel_models(device)}


def test_operators_of_a_pass_add_up_to_its_point(lake: Lake) -> None:
    key = ["model_id", "accelerator", "stage", "precision", "batch", "context"]
    operators = lake.read(tables.ROOFLINE_OPERATORS)
    summed = operators.group_by(key).agg(
        (pl.col("occurrences") * pl.col(name)).sum().alias(name) for name in ("flops", "bound_s")
    )
    points = lake.read(tables.ROOFLINE_POINTS).filter(pl.col("tensor_parallel") == 1)
    both = summed.join(points, on=key, suffix="_point")
    assert both.height == summed.height == 80
    # A predicted pass is what the engine makes of its operators, with what lies between them.
    for name in ("flops", "bound_s"):
        assert (both[name] / both[f"{name}_point"] - 1).abs().max() < 1e-9  # type: ignore[operator]


def test_sizes_and_the_rule_of_thumb_are_those_of_single_questions(lake: Lake) -> None:
    rows = lake.read(tables.GPU_REQUIREMENTS)
    asked = Workload(batch=32, context=4096, precision=precision_of("awq-4bit-g128"))
    chosen = rows.filter(
        (pl.col("model_id") == "meta-llama/Meta-Llama-3-70B") & (pl.col("precision") == "w4a16kv16")
        & (pl.col("batch") == 32) & (pl.col("context") == 4096)
    )  # fmt: skip
    model = load("meta-llama/Meta-Llama-3-70B")
    for name in ("RTX-4090", "A100-SXM4-80GB", "H200-SXM-141GB"):
        row = chosen.filter(pl.col("accelerator") == name).row(0, named=True)
        plan = gpus_needed(model, find(name), asked)
        assert (row["tensor_parallel"], row["pipeline_parallel"]) == (plan.tensor, plan.pipeline)
        assert row["rule_of_thumb_devices"] == rule_of_thumb_gpus(model.parameters_total, 4.15625, find(name))


def test_cost_and_carbon_of_a_point_are_those_of_its_estimate(lake: Lake) -> None:
    served = (
        (pl.col("model_id") == LLAMA) & (pl.col("accelerator") == "H200-SXM-141GB") & (pl.col("stage") == "decode")
        & (pl.col("precision") == "w16a16kv16") & (pl.col("batch") == 32) & (pl.col("context") == 1024)
    )  # fmt: skip
    cost = lake.read(tables.SERVING_COST).filter(served).row(0, named=True)
    carbon = lake.read(tables.CARBON_FOOTPRINT).filter(served).row(0, named=True)
    device = find("H200-SXM-141GB")
    known = lake.read(tables.CALIBRATIONS).filter(pl.col("device") == device.name)["predictor"]
    fitted = operator_models(Calibration.from_json(text) for text in known)
    whole = serving_cost(
        estimate(load(LLAMA), device, Workload(batch=32, context=1024), fitted),
        device,
        usd_per_device_hour=cost["usd_per_device_hour"],
        grams_co2e_per_kwh=carbon["grid_g_co2e_per_kwh"],
        power_usage_effectiveness=carbon["power_usage_effectiveness"],
    )
    assert whole.usd_per_million_tokens is not None
    assert whole.energy is not None
    assert whole.grams_co2e_per_million_tokens is not None
    for end, column in (("low", "low_"), ("likely", ""), ("high", "high_")):
        assert cost[f"usd_{column}per_million_tokens"] == pytest.approx(getattr(whole.usd_per_million_tokens, end))
        assert carbon[f"joules_{column}per_million_tokens"] == pytest.approx(1e6 * getattr(whole.energy.devices, end))
        assert carbon[f"host_joules_{column}per_million_tokens"] == pytest.approx(1e6 * getattr(whole.energy.host, end))
        assert carbon[f"g_co2e_{column}per_million_tokens"] == pytest.approx(
            getattr(whole.grams_co2e_per_million_tokens, end)
        )


@pytest.mark.data
@pytest.mark.slow
def test_kernel_tables_that_are_brought_are_stored_judged_and_fitted_once(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = tmp_path / "brought" / "my_a100"
    brought.mkdir(parents=True)
    original = shared_data / "kernels" / "a100_sxm" / "generation_attention_perf.parquet"
    kernels = pl.read_parquet(original)
    kernels.write_parquet(brought / original.name)
    settings = Settings.model_validate({"home": str(tmp_path / "home")})
    refresh([str(tmp_path / "brought")], settings)
    lake = settings.lake
    measured = lake.read(tables.KERNEL_MEASUREMENTS)
    assert set(measured["device"]) == {"A100-SXM4-80GB"}
    assert (measured["latency_s"] >= measured["bound_s"]).all()
    with duckdb.connect(str(current(settings.published).path), read_only=True) as connection:
        rejected = connection.sql(
            "SELECT reason FROM meta.rejected_rows WHERE reason LIKE 'above its roof%'"
        ).fetchall()
        account = connection.sql(
            "SELECT rows_read, rows_loaded, rows_rejected FROM meta.snapshots WHERE board = 'my_a100'"
        ).fetchall()
    assert len(rejected) > 100
    assert account == [(kernels.height, measured.height, kernels.height - measured.height)]
    fitted = lake.read(tables.CALIBRATIONS).filter(pl.col("accelerator") == "my_a100").row(0, named=True)
    assert fitted["fitted_in"] == "this warehouse"
    assert fitted["below_bound_pct"] > 1
    assert load_kernels(RawStore(settings.raw)).measured[0].accelerator == "my_a100"

    def never(*arguments: object) -> None:
        raise AssertionError("fitted twice")

    monkeypatch.setattr("pipelines.sources.kernels.read.calibrate", never)
    assert [
        fitted_set.accelerator for fitted_set, origin in calibrations_in_use(settings).sets if origin != "shipped"
    ] == ["my_a100"]


def test_a_kernel_table_of_an_unknown_device_is_set_aside_with_the_nearest_name(tmp_path: Path) -> None:
    folder = tmp_path / "brought" / "zx81"
    folder.mkdir(parents=True)
    row = {"framework": "x", "version": "1", "device": "ZX81", "op_name": "gemm", "kernel_source": "x",
           "gemm_dtype": "bfloat16", "m": 1, "n": 2, "k": 3, "latency": 1.0}  # fmt: skip
    pl.DataFrame([row]).write_parquet(folder / "gemm_perf.parquet")
    settings = Settings.model_validate({"home": str(tmp_path / "home")})
    collect([str(tmp_path / "brought")], settings)
    stored = load_kernels(RawStore(settings.raw))
    assert stored.measured == []
    assert "no accelerator 'zx81'" in str(pl.concat(stored.rejected)["reason"][0])


def test_the_accuracy_page_prints_the_errors_that_ship() -> None:
    page = Path(__file__).resolve().parents[2].joinpath("docs", "accuracy.md").read_text("utf-8")
    for calibration_set in shipped():
        for fitted in calibration_set.calibrations:
            assert (
                f"| {calibration_set.accelerator} | {fitted.operator_class} | {fitted.kernels:,} |"
                f" {fitted.held_out_mape_pct:.2f} % | {fitted.held_out_median_error_pct:.2f} %"
                f" | {fitted.interval_coverage_pct:.1f} % | {fitted.below_bound_pct:.2f} % |"
            ) in page
