"""The package as one file: it finds all that it needs in itself, where the package is not installed."""

import json
import subprocess
import sys
from pathlib import Path

from profiling.measure.archive import build

GRID = {"models": ["meta-llama/Meta-Llama-3-8B"], "stages": ["decode"], "batches": [1], "contexts": [128],
        "precisions": ["bfloat16"]}  # fmt: skip
# An installed package would lend the archive what it lacks.
ALONE = """
import runpy, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
sys.path = [path for path in sys.path if path.endswith((".zip", "lib-dynload", "-packages")) or "/lib/python" in path]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_archive_plans_without_the_package_and_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    archive = tmp_path / "profile.pyz"
    build(archive)
    (tmp_path / "grid.json").write_text(json.dumps(GRID))
    command = [sys.executable, "-P", "-c", ALONE, str(archive), "plan", "grid.json", "--out", "plan.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (point,) = json.loads((tmp_path / "plan.json").read_text())["points"]
    assert point["model"] == GRID["models"][0]
    build(tmp_path / "again.pyz")
    assert (tmp_path / "again.pyz").read_bytes() == archive.read_bytes()
