"""The wheel that the container image installs: every module, query and fact of the packages is in it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "dashboards", "pipelines", "profiling", "warehouse")


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    listed = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout, and only git tells which files are the project's")
    source = tmp_path / "source"
    for name in [*filter(None, listed.stdout.split("\0")), "pyproject.toml", "README.md", "LICENSE"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", str(source)]
    subprocess.run([*command, "-w", str(tmp_path)], check=True)
    (wheel,) = tmp_path.glob("skyline-*.whl")
    assert set(filter(None, listed.stdout.split("\0"))) - set(zipfile.ZipFile(wheel).namelist()) == set()
