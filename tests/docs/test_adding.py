"""The pages on adding things are followed to the letter, each on a copy of the project of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .shown import ADDING, ROOT, Page

NEEDS_A_HOME = {"docs/adding/metric.md", "docs/adding/page.md", "docs/adding/board.md"}


def copied(target: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout, and only git tells which files are the project's")
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(("tests/", "locks/", "docs/")) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


@pytest.mark.slow
@pytest.mark.parametrize("page", ADDING, ids=lambda page: Path(page.name).stem)
def test_a_thing_is_added_as_its_page_says(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    project, tools = tmp_path / "project", tmp_path / "bin"
    copied(project)
    home = tmp_path / "home"
    if page.name in NEEDS_A_HOME:
        shutil.copytree(request.getfixturevalue("bundled_home"), home, symlinks=True)
    tools.mkdir()
    for name, arguments in {"python": "", "skyline": "-m pipelines.commands.app"}.items():
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (tools / name).chmod(0o755)
    environment = os.environ | {
        "SKYLINE_HOME": str(home), "PYTHONPATH": str(project), "PATH": f"{tools}:{os.environ['PATH']}",
    }  # fmt: skip
    script = "\n".join(["set -eu -o pipefail", *page.commands()])
    done = subprocess.run(
        ["bash", "-c", script], cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_there_is_a_page_for_everything_that_can_be_added() -> None:
    assert {Path(page.name).stem for page in ADDING} == {
        "model-family", "device", "engine", "board", "benchmark", "metric", "chart", "page",
    }  # fmt: skip
