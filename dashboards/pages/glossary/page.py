"""Glossary: every term that pages explain where it occurs, in one list."""

import itertools
from urllib.parse import parse_qs

import panel as pn

from dashboards import glossary
from dashboards.data import Data
from dashboards.parts.page import Content, card, html, opening
from dashboards.parts.templates import render

_OTHERS = "Others"


def build(_data: Data, search: str) -> Content:
    """Content of the page; `term` in the address puts one first."""
    term = parse_qs(search.lstrip("?")).get("term", [""])[-1].casefold()
    listed = sorted(
        ((names.split("|"), meaning) for names, meaning in glossary.entries()["terms"].items()),
        key=lambda each: (term not in {name.casefold() for name in each[0]}, each[0][0].casefold()),
    )
    columns = [(names.split("|"), meaning) for names, meaning in glossary.entries()["heads"].items()]
    columns.sort(key=lambda entry: (_letter(entry) == _OTHERS, entry[0][0].casefold()))
    # Hundreds of heads are looked up one at a time; a search in the browser opens what it finds.
    letters = [(letter, list(each)) for letter, each in itertools.groupby(columns, _letter)]
    return Content(
        pn.Column(
            html(
                opening(
                    "Glossary",
                    "What the terms on these pages mean. Hover over, tap or focus a term on any page for the same "
                    "explanation.",
                ),
                margin=(6, 0, 16, 0),
            ),
            card(html(render(__file__, "terms.html", title="Terms", terms=listed))),
            card(html(render(__file__, "letters.html", title="Columns and choices", letters=letters))),
            sizing_mode="stretch_width",
        )
    )


def _letter(entry: tuple[list[str], str]) -> str:
    """The heading of the glossary under which an entry stands."""
    first = entry[0][0][:1].upper()
    return first if first.isalpha() and first.isascii() else _OTHERS
