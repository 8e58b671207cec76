"""The wheel: every module, query and fact of the packages is in it, and it works alone in a clean environment."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from warehouse.project import DISTRIBUTION

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("analytics", "api", "dashboards", "pipelines", "profiling", "warehouse")
PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that git knows."""
    pytest.importorskip("setuptools")
    place = tmp_path_factory.mktemp("wheel")
    for name in [*tracked(), "pyproject.toml", "README.md", "LICENSE"]:
        (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "source" / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, str(place / "source"), "-w", str(place)], check=True)
    (made,) = place.glob("*.whl")
    return made


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no git checkout, and only git tells which files are the project's")
    return [name for name in listed.stdout.split("\0") if name]


def test_no_requirement_is_of_the_strangers_package_that_has_our_short_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == DISTRIBUTION != "skyline"
    asked = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    assert [each for each in asked if each.partition("[")[0] == "skyline"] == []


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    assert wheel.name.startswith("skyline_models-")
    assert set(tracked()) - set(zipfile.ZipFile(wheel).namelist()) == set()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_answers_in_a_clean_environment_of_every_python_that_is_promised(
    version: str, wheel: Path, tmp_path: Path
) -> None:
    interpreter = shutil.which(f"python{version}")
    if interpreter is None or subprocess.run([interpreter, "-V"], capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {version} on this machine")
    subprocess.run([interpreter, "-m", "venv", str(tmp_path / "clean")], check=True)
    clean = tmp_path / "clean" / "bin"
    pip = [str(clean / "python"), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    fetched = subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "locks" / "base.txt")], check=False)
    if fetched.returncode:
        pytest.skip("the packages that are locked cannot be fetched here")
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SKYLINE_HOME": str(tmp_path / "home")}

    def skyline(*arguments: str) -> str:
        command = [str(clean / "skyline"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    skyline("refresh")
    assert "tokens/s" in skyline("advise", "rtx 4090")
    counted = skyline("sql", "SELECT count(*) AS models FROM marts.ability", "--format", "csv").split()
    assert int(counted[1]) > 100
    skyline("doctor")
