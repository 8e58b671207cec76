"""Which board a page about quality shows: ability, from all boards together, or entries of one leaderboard."""

from collections.abc import Container
from urllib.parse import parse_qs

import duckdb
import panel as pn

from dashboards.data import Data
from dashboards.parts import page
from dashboards.parts.templates import block

ABILITY, ENTRIES = "ability", "open_llm"
BOARDS = {ABILITY: "Ability (all boards)", ENTRIES: "Open LLM Leaderboard"}


def has_ability(data: Data) -> bool:
    """Whether the release that is read holds judged models."""
    try:
        return not data.ask("ability_domains").is_empty()
    except duckdb.Error:  # a release of before there was ability
        return False


def chosen(data: Data, search: str, of_ability: Container[str]) -> str:
    """The board that an address asks for: by name, or because it chooses what only entries have; else ability.

    Args:
        data: What is asked; without any ability the answer is the leaderboard.
        search: Query string of the address.
        of_ability: Choices of the page's view of ability.
    """
    try:
        fields = parse_qs(search.lstrip("?"), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        fields = {}
    if fields.get("board") == [ENTRIES] or any(name not in of_ability for name in fields):
        return ENTRIES
    return ABILITY if has_ability(data) else ENTRIES


def switch(slug: str, shown: str) -> pn.pane.HTML:
    """Links between the boards of a page, the one shown marked."""
    links = [
        (slug if name == ABILITY else f"{slug}?board={name}", label, name == shown) for name, label in BOARDS.items()
    ]
    return page.html(block("boards", links), margin=(6, 0, 12, 0))
