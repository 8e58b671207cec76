"""What is installed: locked by digest, of licences that are known, and no more than is asked for."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.supply import LOCKS, ROOT, bill_of_materials, components, licence_table, locked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINNED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([^#=\s]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
}
PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense|Zlib|CC0|CC-BY-4\.0|HPND|MPL|Mozilla|LGPL|Lesser"
)
# Used as libraries, unchanged; whoever hands on the image hands on their licence.
WEAKLY_COPYLEFT = {"moocore", "psycopg2-binary", "certifi", "tqdm"}


def asked_for(extras: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    while waiting:
        for text in waiting.pop():
            asked = Requirement(text)
            if canonicalize_name(asked.name) == PROJECT["name"]:
                waiting += [PROJECT["optional-dependencies"][extra] for extra in asked.extras]
            else:
                found.add(canonicalize_name(asked.name))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_file_has_a_digest_and_the_version_that_is_pinned(name: str) -> None:
    text = (ROOT / "locks" / f"{name}.txt").read_text("utf-8")
    versions = locked(name)
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(entries) >= len(versions) > 90
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert {
        each: (version, PINNED[each]) for each, version in versions.items() if PINNED.get(each, version) != version
    } == {}
    assert asked_for(LOCKS[name]) - {"torch"} <= versions.keys()


def test_extras_add_what_they_say_and_a_torch_that_is_here_stays() -> None:
    assert not locked("base").keys() & {"torch", "ray", "pytest", "psycopg2-binary", "mkdocs-material", "nvidia-ml-py"}
    assert locked("deploy").keys() >= {"psycopg2-binary", "dagster-postgres"}
    assert not any(re.match(r"torch$|triton|nvidia-(?!ml-py)|cuda", each) for each in locked("test"))
    (torch,) = [Requirement(each) for each in PROJECT["optional-dependencies"]["profiling"] if each.startswith("torch")]
    for own in ("2.6.0+cu118", "2.8.1+rocm6.4", "2.13.0+cu130", "2.13.0"):
        assert torch.specifier.contains(own, prereleases=True), own


def test_every_licence_is_known_and_none_reaches_beyond_its_library() -> None:
    unknown = {each.name: each.licence for each in components(("deploy",)) if not PERMISSIVE.search(each.licence)}
    assert unknown == {}
    copyleft = {each.name for each in components(("deploy",)) if re.search("GPL|Lesser|MPL|Mozilla", each.licence)}
    assert copyleft <= WEAKLY_COPYLEFT
    assert "| duckdb |" in licence_table()


def test_the_bill_of_materials_names_every_component_once() -> None:
    bill = bill_of_materials()
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    urls = [each["purl"] for each in bill["components"]]
    assert len(urls) == len(set(urls)) > 60
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9._-]+@\S+", url) for url in urls)
    assert all(each["licenses"] for each in bill["components"])
