"""The prepared script for a GPU node: it plans what it promises, and runs on the processor here from one file alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profiling.measure.archive import build
from profiling.measure.bundle import verify, write_json
from profiling.measure.plan import make_plan, read_grid

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "name": "here", "models": ["gpt2"], "stages": ["decode"], "batches": [1], "contexts": [32],
    "precisions": ["float32"],
}  # fmt: skip


def test_the_plan_is_five_models_in_three_formats_and_fits_the_time() -> None:
    points = make_plan(read_grid(ROOT / "deploy" / "gpu-ten-minutes.yaml"))["points"]
    assert len({point["model"] for point in points}) == 5
    assert len({point["precision"] for point in points}) == 3
    assert len(points) * 15 <= 540 - 60


@pytest.mark.slow
def test_the_script_brings_a_whole_bundle_from_one_file_and_a_plan(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    build(tmp_path / "profiling.pyz")
    write_json(tmp_path / "plan.json", make_plan(SMALL))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "PYTHON": sys.executable, "DEVICE": "cpu", "SECONDS_IN_ALL": "120", "CEILINGS": "5", "POINT": "1",
    }  # fmt: skip
    command = ["sh", str(ROOT / "deploy" / "measure_gpu.sh"), "plan.json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    verify(tmp_path / "gpu.bundle")
    assert (tmp_path / "gpu.bundle.tar").is_file()
