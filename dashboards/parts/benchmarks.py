"""Benchmarks, and arenas with their categories, by the names that people know: one place for every page."""

import re
from collections.abc import Iterable, Mapping

from dashboards.parts import formats

_ARENAS = {
    "text": "Text", "vision": "Vision", "text_to_image": "Text to image", "code": "Code", "webdev": "Web development",
}  # fmt: skip
_CATEGORIES = {
    "overall": "Overall",
    "full": "Overall",
    "hard_6": "Hard prompts",
    "hard_english_6": "Hard prompts, English",
    "math": "Maths",
    "if": "Instruction following",
    "long_user": "Long prompts",
    "multiturn": "Several turns",
    "no_tie": "Without ties",
    "no_short": "Without short prompts",
    "no_refusal": "Without refusals",
}
_OF_ARENA = re.compile(r"Arena (\w+)(?:: (\w+))?")


def benchmark(name: str) -> str:
    """A benchmark: `Arena text: hard_6` is `Arena, text: hard prompts`; others are called as their boards call them."""
    match = _OF_ARENA.fullmatch(name)
    if match is None:
        return name
    of = f": {formats.running(category(match[2]))}" if match[2] else ""
    return f"Arena, {formats.running(arena(match[1]))}{of}"


def arena(name: str) -> str:
    """An arena in words."""
    return _ARENAS.get(name) or formats.label(name).capitalize()


def category(name: str) -> str:
    """A category of an arena in words."""
    return _CATEGORIES.get(name) or formats.label(name.removeprefix("industry_")).capitalize()


def arenas(names: Iterable[str]) -> dict[str, str]:
    """Words and names of arenas, the best known first."""
    return {arena(name): name for name in _in_order(names, _ARENAS)}


def categories(names: Iterable[str]) -> dict[str, str]:
    """Words and names of categories, overall first."""
    return {category(name): name for name in _in_order(names, _CATEGORIES)}


def _in_order(names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    order = list(known)
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))
