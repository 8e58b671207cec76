"""What the pages about one model and one device share: the facts at the top, and the list where none is named."""

from collections.abc import Sequence
from typing import Any

from dashboards.parts.declared_table import Fact
from dashboards.parts.templates import render

MEASURED = {
    "weight_format": Fact("Format", width=100),
    "engine": Fact("Engine", width=100),
    "devices": Fact("Devices", "0", 76),
    "batch": Fact("Requests", "0", 80),
    "compared_as": Fact("Quantity", width=140),
    "measured": Fact("Measured", "0,0.[00]", 96, stays=True),
    "predicted": Fact("Predicted", "0,0.[00]", 96),
    "low": Fact("Predicted, low", "0,0.[00]", 110),
    "high": Fact("Predicted, high", "0,0.[00]", 114),
    "error_pct": Fact("Error (%)", "+0.0", 84),
    "unit": Fact("Unit", width=90, stays=True),
    "source": Fact("Source", width=240),
}
"""Columns of measurements beside predictions, but for whose they are."""


def identity(title: str, lead: str, rows: Sequence[dict[str, str]], links: Sequence[tuple[str, str]] = ()) -> str:
    """The name and its facts.

    Args:
        title: The name.
        lead: A sentence below it.
        rows: `fact`, `value`, `basis` and `address` (where the value leads; may be empty).
        links: Text and address of what else there is.
    """
    return render(__file__, "subject_identity.html", title=title, lead=lead, rows=rows, links=links)


def index(title: str, lead: str, groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """A list of all that has a page: groups of names and their addresses."""
    return render(__file__, "subject_index.html", title=title, lead=lead, groups=groups)


def grouped(names: Sequence[tuple[str, str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups in alphabetical order from triples of group, name and address."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for group, name, address in sorted(names, key=lambda each: (each[0].casefold(), each[1].casefold())):
        groups.setdefault(group, []).append((name, address))
    return list(groups.items())


def describe(address: str, **more: Any) -> dict[str, Any]:
    """What a downloaded table says of itself."""
    return {"address": address, **{key: value for key, value in more.items() if value not in (None, "")}}
