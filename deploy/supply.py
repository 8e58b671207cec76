"""The supply chain: locks with hashes, a bill of materials, and licences of everything that is installed.

`make lock`, `make audit`, `make sbom`, `make licences`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warehouse.project import DISTRIBUTION, version

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"base": (), "deploy": ("deploy",), "test": ("test",)}
"""What is installed from hashes: name of the lock and the extras in it."""
ALONE = ("ducklake", "uv")
"""Locks of what is asked for in a file of its own, `locks/<name>.in`."""
# torch is chosen by who has the device; what comes with it is as large as all else together.
_LEFT_OUT = ("torch",)
# Needed to install the project itself beside what is locked, without fetching anything more.
_BUILD = ("setuptools>=77",)
_OLDEST_SUPPORTED = "3.11"


@dataclass(frozen=True)
class Component:
    """One installed distribution."""

    name: str
    version: str
    licence: str

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{canonicalize_name(self.name)}@{self.version}"


def lock(upgrade: list[str]) -> None:
    """Write the locks anew from pyproject.toml and constraints.txt.

    Args:
        upgrade: Packages to take the newest version of; constraints.txt is renewed too.
    """
    with tempfile.TemporaryDirectory() as folder:
        without, build = Path(folder, "without.txt"), Path(folder, "build.in")
        without.write_text("".join(f'{name} ; python_version < "3"\n' for name in _LEFT_OUT))
        build.write_text("\n".join(_BUILD) + "\n")
        constraints = ROOT / "constraints.txt"
        if upgrade:
            kept = [line for line in constraints.read_text("utf-8").splitlines() if not _is_of(line, upgrade)]
            constraints.write_text("\n".join(kept) + "\n", "utf-8")
        resolved: dict[str, str] = {}
        for name, extras in LOCKS.items():
            target = ROOT / "locks" / f"{name}.txt"
            target.parent.mkdir(exist_ok=True)
            command = [
                "uv", "pip", "compile", "--quiet", "--universal", "--python-version", _OLDEST_SUPPORTED,
                "--generate-hashes", "--no-strip-extras", "--no-header", "--no-annotate", "--no-cache",
                "--constraints", str(constraints), "--overrides", str(without), *(f"--extra={each}" for each in extras),
                "--output-file", str(target), str(ROOT / "pyproject.toml"), str(build),
            ]  # fmt: skip
            target.unlink(missing_ok=True)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
            resolved |= locked(name)
        for name in ALONE:
            _lock_alone(name, Path(folder))
            resolved |= {each: version for each, version in locked(name).items() if each == name}
        if upgrade:
            newer = [f"{name}=={version}" for name, version in resolved.items() if _is_of(f"{name}==", upgrade)]
            lines = constraints.read_text("utf-8").splitlines()
            head = [line for line in lines if line.startswith("#")]
            rest = sorted({*(line for line in lines if not line.startswith("#")), *newer}, key=str.lower)
            constraints.write_text("\n".join([*head, *rest]) + "\n", "utf-8")


def _lock_alone(name: str, folder: Path) -> None:
    """The lock of what stands beside our Python: our versions of all but DuckDB."""
    ours = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    constraints = folder / "alone.txt"
    constraints.write_text("\n".join(line for line in ours if not line.startswith("duckdb==")) + "\n", "utf-8")
    command = [
        "uv", "pip", "compile", "--quiet", "--universal", "--python-version", _OLDEST_SUPPORTED, "--generate-hashes",
        "--no-header", "--no-annotate", "--no-cache", "--constraints", str(constraints),
        "--output-file", str(ROOT / "locks" / f"{name}.txt"), str(ROOT / "locks" / f"{name}.in"),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words


def _is_of(line: str, names: list[str]) -> bool:
    name = re.split(r"[=<>~! ;\[]", line, maxsplit=1)[0]
    return bool(name) and canonicalize_name(name) in {canonicalize_name(each) for each in names}


def locked(name: str) -> dict[str, str]:
    """Version of every package in a lock, by canonical name."""
    text = (ROOT / "locks" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^ \\;]+)", text, flags=re.MULTILINE))


def components(extras: tuple[str, ...] = ()) -> list[Component]:
    """What is installed here because Skyline needs it, directly or through others, by name."""
    components_by_name: dict[str, Component] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(DISTRIBUTION, frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        if place[0] == DISTRIBUTION:  # as it is written, not as it was when it was installed
            waiting += _requirements(_project_requires(), place[1])
            continue
        try:
            distribution = metadata.distribution(place[0])
        except metadata.PackageNotFoundError:
            continue
        components_by_name[place[0]] = Component(distribution.name, distribution.version, licence_of(distribution))
        waiting += _requirements(distribution.requires or [], place[1])
    return [components_by_name[name] for name in sorted(components_by_name)]


def _requirements(requires: Iterable[str], extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in requires:
        asked = Requirement(text)
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(asked.name), frozenset(asked.extras)


def _project_requires() -> Iterator[str]:
    import tomllib  # noqa: PLC0415

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    yield from project["dependencies"]
    for extra, asked in project["optional-dependencies"].items():
        yield from (f"{text.partition('#')[0].strip()} ; extra == '{extra}'" for text in asked if ";" not in text)


def licence_of(distribution: metadata.Distribution) -> str:
    """What a distribution says of its licence: the expression, else classifiers, else the first line of the text."""
    said = distribution.metadata
    if "License-Expression" in said:
        return str(said["License-Expression"])
    classified = [
        value.rpartition(" :: ")[2] for value in said.get_all("Classifier") or () if value.startswith("License ::")
    ]
    if named := [value for value in classified if value != "OSI Approved"]:
        return "; ".join(named)
    lines = (said.get_all("License") or [""])[0].splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    return first[:80] or "not said"


def bill_of_materials(extras: tuple[str, ...] = ()) -> dict[str, Any]:
    """CycloneDX 1.6 of what is installed here."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "name": DISTRIBUTION, "version": version(), "bom-ref": DISTRIBUTION}
        },
        "components": [
            {
                "type": "library",
                "name": each.name,
                "version": each.version,
                "purl": each.purl,
                "bom-ref": each.purl,
                "licenses": [{"license": {"name": each.licence}}],
            }
            for each in components(extras)
        ],
    }


def licence_table(extras: tuple[str, ...] = ()) -> str:
    """Every dependency and its licence, in Markdown."""
    rows = [f"| {each.name} | {each.version} | {each.licence} |" for each in components(extras)]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows, ""])


def main() -> None:
    """Do what is asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("lock", "sbom", "licences"))
    options.add_argument("--upgrade", nargs="*", default=[], metavar="PACKAGE", help="lock: take their newest versions")
    options.add_argument("--extra", nargs="*", default=[], help="sbom, licences: what is installed for these too")
    asked = options.parse_args()
    os.chdir(ROOT)
    if asked.what == "lock":
        lock(asked.upgrade)
    elif asked.what == "sbom":
        json.dump(bill_of_materials(tuple(asked.extra)), sys.stdout, indent=1)
    else:
        sys.stdout.write(licence_table(tuple(asked.extra)))


if __name__ == "__main__":
    main()
