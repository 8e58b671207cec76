"""`skyline roofline`, `fit` and `profile calibrate`: what the warehouse says, and one sentence when it cannot be."""

import io
import json
from pathlib import Path

import polars as pl
import pytest

from .conftest import Skyline

LLAMA, H200 = "meta-llama/Meta-Llama-3-8B", "H200-SXM-141GB"
RATES = ("tokens_per_s", "time_to_first_token_s", "time_per_output_token_s", "joules_per_token")


@pytest.mark.parametrize("stage", ["prefill", "decode"])
@pytest.mark.parametrize("device", [H200, "RTX-6000-Ada"])
def test_the_warehouse_and_the_command_say_the_same(
    skyline: Skyline, bundled_home: Path, device: str, stage: str
) -> None:
    asked = ("--stage", stage, "--batch", "32", "--seq", "1024", "--engine", "vllm-v1", "--format", "json")
    (answer,) = json.loads(skyline("roofline", LLAMA, device, *asked, home=bundled_home).out)
    query = (
        f"FROM marts.roofline_points WHERE model_id = '{LLAMA}' AND accelerator = '{device}' AND stage = '{stage}'"
        " AND batch = 32 AND context = 1024 AND precision = 'w16a16kv16' AND tensor_parallel = 1"
    )
    (row,) = json.loads(skyline("sql", query, "--format", "json", home=bundled_home).out)
    shared = (set(answer) & set(row)) - {"accelerator"}
    assert shared >= {"flops", "moved_bytes", "bound_s", "predicted_s", "tokens_per_s", "memory_high_gib", "verdict"}
    for name in shared:
        expected = pytest.approx(row[name], rel=1e-9) if isinstance(row[name], float) else row[name]
        assert answer[name] == expected, name


def test_bits_of_a_stored_format_are_its_true_ones_and_operators_add_up(skyline: Skyline) -> None:
    asked = ("roofline", LLAMA, H200, "--stage", "prefill", "--weight-format", "awq-4bit-g128")
    (total,) = json.loads(skyline(*asked, "--format", "json").out)
    assert (total["weight_bits"], total["activation_bits"], total["is_calibrated"]) == (4.15625, 16, False)
    operators = pl.read_csv(io.StringIO(skyline(*asked, "--operators", "--format", "csv").out))
    assert (operators["occurrences"] * operators["flops"]).sum() == pytest.approx(total["flops"])


def test_a_generation_is_its_prefill_and_its_steps(skyline: Skyline) -> None:
    (row,) = json.loads(
        skyline("roofline", LLAMA, H200, "--stage", "generate", "--generated", "16", "--format", "json").out
    )
    expected = row["time_to_first_token_s"] + 15 * row["time_per_output_token_s"]
    assert row["predicted_s"] == pytest.approx(expected)
    assert row["tokens_per_s"] == pytest.approx(16 / expected)


def test_a_table_for_people_says_what_holds_and_what_the_prediction_rests_on(skyline: Skyline) -> None:
    shown = skyline("roofline", LLAMA, "RTX-4090")
    assert shown.code == 0
    assert "tokens_per_s" in shown.out
    assert "default efficiencies" in shown.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("roofline", "Lama-3-8B", H200), "nearest: meta-llama/Meta-Llama-3-8B"),
        (("roofline", LLAMA, "H20O"), "nearest: H20-96GB"),
        (("roofline", LLAMA, "A100"), "could be A100-SXM4-40GB, A100-SXM4-80GB, A100-PCIe-80GB"),
        (("fit", LLAMA, "mac", "studio", "m3", "ultra", "256gb"), "could be Apple-M3-Ultra-60core-256GB"),
        (("roofline", LLAMA), "name one device after the model, such as 4090"),
        (("roofline", LLAMA, H200, "--stage", "prefil"), "nearest: prefill"),
        (("roofline", LLAMA, H200, "--attention", "flush"), "nearest: flash"),
        (("roofline", LLAMA, H200, "--weight-format", "awq-4bti-g128"), "nearest: awq-4bit-g128"),
        (("roofline", LLAMA, H200, "--engine", "vlm"), "nearest: vllm"),
        (("roofline", LLAMA, H200, "--batch", "-4"), "batch is -4; it must lie between 1 and"),
        (("roofline", LLAMA, H200, "--seq", "0"), "context is 0; it must lie between 1 and"),
        (("roofline", LLAMA, H200, "--weight-bits", "900"), "weight_bits is 900.0; it must lie between 1 and 32"),
        (("roofline", LLAMA, H200, "--kv-bits", "nan"), "kv_bits is nan; it must lie between 1 and 32"),
        (("roofline", LLAMA, H200, "--tp", "3"), "tp=3 does not divide the 32 attention heads"),
        (("roofline", LLAMA, H200, "--tp", "3"), "nearest legal: 2, 4"),
        (("roofline", LLAMA, H200, "--tp", "0"), "tp=0 is not possible; the smallest is 1"),
        (("roofline", LLAMA, "V100-SXM2-32GB", "--weight-bits", "4", "--activation-bits", "4"), "no 4-bit products"),
        (("roofline", "google-bert/bert-base-uncased", H200), "use stage encode"),
        (("roofline", "meta-llama/Meta-Llama-3-70B", "RTX-A6000"), "tp=1 x pp=3 (3 devices) would do"),
        (("fit", "Meta-Llama-3-70"), "nearest: meta-llama/Meta-Llama-3-70B"),
        (("fit", LLAMA, "--accelerator", "RTX9000"), "no accelerator 'RTX9000'"),
        (("fit", LLAMA, "--batch", "0"), "batch is"),
        (("fit", LLAMA, "--accelerators", "none.toml"), "there is no file none.toml"),
        (("profile", "calibrate", "--kernels", "nowhere"), "nowhere is not a folder; give one that holds gemm_perf"),
    ],
)
def test_bad_input_is_one_sentence_with_the_nearest_choice_and_prints_no_numbers(
    skyline: Skyline, arguments: tuple[str, ...], sentence: str
) -> None:
    done = skyline(*arguments)
    assert done.code == 1
    assert done.out == ""
    assert sentence in done.err
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1


def test_what_does_not_fit_has_times_on_request_but_never_a_throughput(skyline: Skyline) -> None:
    done = skyline("roofline", "meta-llama/Meta-Llama-3-70B", "RTX-A6000", "--ignore-memory", "--format", "json")
    (row,) = json.loads(done.out)
    assert row["verdict"] == "does not fit"
    assert row["predicted_s"] > row["bound_s"] > 0
    assert [row[name] for name in RATES] == [None] * len(RATES)
    assert "no latency and no throughput" in done.err


def test_fit_lists_every_accelerator_and_for_one_the_longest_context(skyline: Skyline) -> None:
    everywhere = pl.read_csv(io.StringIO(skyline("fit", "deepseek-ai/DeepSeek-V3", "--format", "csv").out))
    assert everywhere.height > 50
    eight = everywhere.filter(pl.col("accelerator") == H200)
    assert eight["devices"].item() == 8  # 627 GiB as published in fp8; 16 bits would need more than one node
    (row,) = json.loads(skyline("fit", LLAMA, "--accelerator", "RTX-4090", "--format", "json").out)
    assert (row["verdict_on_one"], row["devices"], row["max_context"]) == ("fits", 1, 8192)
    assert row["run"].startswith("llama-server -m ")
    asked = skyline(
        "fit", "meta-llama/Meta-Llama-3-70B", "--accelerator", "H100-SXM5-80GB", "--engine", "vllm", "--format", "json"
    )
    assert " --tensor-parallel-size 4" in json.loads(asked.out)[0]["run"]


@pytest.mark.parametrize(
    "named", [("rtx 3060 12gb",), ("rtx", "3060", "12gb"), ("--device", "3060 12gb"), ("--accelerator", "3060 12gb")]
)
@pytest.mark.parametrize("command", ["fit", "roofline"])
def test_a_device_is_named_after_the_model_with_or_without_quotes_or_by_option(
    skyline: Skyline, command: str, named: tuple[str, ...]
) -> None:
    (row,) = json.loads(skyline(command, "Qwen/Qwen3-8B", *named, "--weight-format", "q4_k_m", "--format", "json").out)
    assert row["accelerator"] == "RTX-3060-12GB"


def test_an_accelerator_of_ones_own_is_asked_like_any_other(skyline: Skyline, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('["Mine"]\nfp16_dense_tflops = 500\nmemory_bandwidth_gb_per_s = 3000\nmemory_gb = 96\n')
    (row,) = json.loads(skyline("roofline", LLAMA, "Mine", "--accelerators", mine, "--format", "json").out)
    assert row["bound_s"] > row["moved_bytes"] * 0.9 / 3e12


@pytest.mark.data
def test_calibrating_prints_one_row_per_class_and_saves_what_predicts(
    skyline: Skyline, shared_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "kernels" / "a100_sxm"
    folder.mkdir(parents=True)
    name = "context_attention_perf.parquet"
    folder.joinpath(name).symlink_to(shared_data / "kernels" / "a100_sxm" / name)
    asked = ("profile", "calibrate", "--kernels", folder.parent, "--save", tmp_path / "saved", "--format", "json")
    (row,) = json.loads(skyline(*asked).out)
    assert list(row) == [
        "accelerator", "operator_class", "held_out_mape_pct", "held_out_median_error_pct", "interval_coverage_pct",
        "below_bound_pct", "parameters",
    ]  # fmt: skip
    assert (row["accelerator"], row["operator_class"], row["below_bound_pct"]) == ("a100_sxm", "prefill_attention", 0)
    assert row["held_out_mape_pct"] <= 10
    assert 75 <= row["interval_coverage_pct"] <= 85
    assert set(row["parameters"]["q16_kv16"]) >= {"compute_efficiency", "launch_overhead_us"}
    saved = json.loads((tmp_path / "saved" / "a100_sxm.json").read_text())
    assert (saved["device"], len(saved["calibrations"])) == ("A100-SXM4-80GB", 1)


@pytest.mark.parametrize("command", [("roofline",), ("fit",), ("profile",), ("profile", "calibrate")])
def test_help_shows_an_example(skyline: Skyline, command: tuple[str, ...]) -> None:
    shown = skyline(*command, "--help")
    assert shown.code == 0
    assert "Example: skyline" in shown.out.replace("\n", " ")
