"""What the columns of computed answers mean: the words of columns.toml, and those of the ends of a quantity's name."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

_END = re.compile(r"_(low|high|p\d+)(?=_|$)")
_ENDS = {"low": "Low end", "high": "High end", "p10": "10th percentile", "p50": "Median", "p90": "90th percentile",
         "p99": "99th percentile"}  # fmt: skip


@cache
def _words() -> Mapping[str, str]:
    return tomllib.loads(resources.files("api").joinpath("columns.toml").read_text("utf-8"))


def meanings(columns: Iterable[str]) -> Mapping[str, str]:
    """What each column means; one that nothing is said of is left out."""
    return {name: text for name in columns if (text := _meaning(name))}


def _meaning(name: str) -> str:
    if name in _words():
        return _words()[name]
    base = _words().get(_END.sub("", name), "")
    return ": ".join([*(_ENDS[end] for end in _END.findall(name)), f"{base[:1].lower()}{base[1:]}"]) if base else ""
