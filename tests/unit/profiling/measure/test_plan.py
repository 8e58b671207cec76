"""From grids to plans: order, refusals, shards; and predictions from tables that are known exactly."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from profiling.measure.archive import build
from profiling.measure.plan import InvalidPlan, load_plan, make_plan, read_grid, shards
from profiling.measure.prediction import CannotPredict, Ceilings, memory_of, predict
from profiling.models.sources import catalogue, from_config

SMOL = "HuggingFaceTB/SmolLM2-135M"
BERT = "google-bert/bert-base-uncased"


def test_a_grid_becomes_points_small_ones_first_and_an_encoder_is_asked_for_its_one_pass() -> None:
    grid = {"models": [SMOL, BERT], "batches": [4, 1], "contexts": [64, 16], "exclude": [{"batch": 4, "context": 64}]}
    plan = make_plan(grid)
    order = [(p["model"], p["stage"], p["batch"], p["context"]) for p in plan["points"]]
    sizes = [(1, 16), (1, 64), (4, 16)]
    assert order == [
        *((SMOL, "prefill", *size) for size in sizes),
        *((SMOL, "decode", *size) for size in sizes),
        *((BERT, "encode", *size) for size in sizes),
    ]
    assert len({point["point_id"] for point in plan["points"]}) == 9
    assert plan == make_plan({**grid, "batches": [1, 4], "contexts": [16, 64]})


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({}, "`models` is empty"),
        ({"models": ["SmolLM2-136M"]}, "nearest: .*SmolLM2-135M"),
        ({"models": [SMOL], "batch": [1]}, "unknown field 'batch'; nearest: batches"),
        ({"models": [SMOL], "batches": []}, "`batches` must be a list"),
        ({"models": [SMOL], "batches": [0]}, "not a positive whole number"),
        ({"models": [SMOL], "precisions": ["int3"]}, "'int3' is none of"),
        ({"models": [SMOL], "exclude": [{"size": 1}]}, "'size' is none of"),
        ({"models": [SMOL], "exclude": [{"batch": 1}]}, "nothing is left to run"),
    ],
)
def test_a_grid_that_cannot_be_run_is_refused_with_what_to_write(grid: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidPlan, match=words):
        make_plan(grid)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("grid.json", json.dumps({"models": [SMOL], "batches": [1, 2]})),
        ("grid.yaml", f"models: [{SMOL}]\nbatches: [1, 2]\n"),
        ("grid.toml", f'models = ["{SMOL}"]\nbatches = [1, 2]\n'),
    ],
)
def test_a_grid_may_be_json_yaml_or_toml(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert len(make_plan(read_grid(tmp_path / name))["points"]) == 4


def test_shards_hold_every_point_once_and_keep_together_what_can_rule_each_other_out() -> None:
    plan = make_plan({"models": [SMOL, BERT], "batches": [1, 2, 4], "precisions": ["float32", "bfloat16"]})
    parts = shards(plan, 3)
    ids = [point["point_id"] for part in parts for point in part["points"]]
    assert sorted(ids) == sorted(point["point_id"] for point in plan["points"])
    groups = [{(p["model"], p["precision"]) for p in part["points"]} for part in parts]
    assert sum(len(group) for group in groups) == len(set.union(*groups)) == 4
    assert len({part["run_id"] for part in parts}) == 3
    assert all(set(part["models"]) == {p["model"] for p in part["points"]} for part in parts)
    with pytest.raises(InvalidPlan, match="at least one"):
        shards(plan, 0)


def test_what_is_not_a_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(InvalidPlan, match="make one with"):
        load_plan(tmp_path / "plan.json")


def test_predicted_memory_holds_weights_and_cache_to_the_byte() -> None:
    point = {"model": SMOL, "stage": "decode", "batch": 3, "context": 100, "precision": "float32"}
    config = catalogue()[SMOL].config()
    memory, model = memory_of(point, config), from_config(config)
    assert memory["predicted_weights_bytes"] == 4 * model.parameters_total
    assert memory["predicted_cache_bytes"] == 3 * 100 * model.kv_bytes_per_token(32)
    assert memory["predicted_peak_bytes"] > memory["predicted_weights_bytes"] + memory["predicted_cache_bytes"]


RATE = 1e11
TABLES = (
    [{"kind": "copy", "bytes": 2e9, "time_s": 1.0}, {"kind": "read", "bytes": 1e9, "time_s": 1.0}]
    + [
        {"kind": "gemm", "precision": "float32", "m": m, "n": n, "k": 64, "time_s": 2 * m * n * 64 / RATE}
        for m in (1, 8, 64) for n in (64, 4096)
    ]
    + [
        {"kind": f"{stage}_attention", "precision": "float32", "context": length, "head_dim": 128, "pairs": 100,
         "time_s": 100 * 128 * 2 / RATE}
        for stage in ("prefill", "decode") for length in (16, 1024)
    ]
    + [
        {"kind": "elementwise", "precision": "float32", "operation": name, "elements": size, "time_s": 1e-12}
        for name in ("rms_norm", "rotary", "gated_activation", "add", "lookup") for size in (1, 1 << 30)
    ]
)  # fmt: skip


@pytest.mark.parametrize(("stage", "context"), [("prefill", 32), ("prefill", 777), ("decode", 500)])
def test_on_a_device_of_one_rate_the_prediction_is_operations_over_that_rate(stage: str, context: int) -> None:
    point = {"model": SMOL, "stage": stage, "batch": 2, "context": context, "precision": "float32"}
    config = catalogue()[SMOL].config()
    predicted = predict(point, config, Ceilings(tuple(TABLES), "float32"))
    from profiling.measure.prediction import work_of  # noqa: PLC0415

    assert predicted["uncorrected_s"] == pytest.approx(work_of(point, config)["flops"] / RATE, rel=0.02)


def test_a_prediction_without_its_tables_says_which_is_missing() -> None:
    point = {"model": SMOL, "stage": "decode", "batch": 1, "context": 8, "precision": "bfloat16"}
    with pytest.raises(CannotPredict, match="no gemm in bfloat16"):
        predict(point, catalogue()[SMOL].config(), Ceilings(tuple(TABLES), "bfloat16"))


def test_the_one_file_plans_alone_and_holds_every_module_that_its_modules_import(tmp_path: Path) -> None:
    build(tmp_path / "profiling.pyz")
    (tmp_path / "grid.json").write_text(json.dumps({"models": [SMOL], "batches": [1], "contexts": [16]}))
    command = [sys.executable, "profiling.pyz", "plan", "grid.json", "--out", "plan.json"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert load_plan(tmp_path / "plan.json")["points"] == make_plan(read_grid(tmp_path / "grid.json"))["points"]
    with zipfile.ZipFile(tmp_path / "profiling.pyz") as archive:
        sources = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".py")}
    asked = {module for text in sources.values() for module in re.findall(r"from (profiling\.\S+) import", text)}
    held = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in sources}
    assert sorted(asked - held) == []
