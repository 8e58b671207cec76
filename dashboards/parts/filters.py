"""Which entries a reader asked for: filters of a frame, and the search language. Pure; no widgets, no SQL."""

import re
from dataclasses import dataclass

import polars as pl

from dashboards.parts.state import EITHER, ONLY

SEARCH_FIELDS = {
    "architecture": "architecture",
    "family": "family",
    "licence": "licence",
    "license": "licence",
    "org": "organisation",
    "precision": "precision",
    "type": "model_type",
}
_CONDITION = re.compile(r'@([A-Za-z_]+):("[^"]*"|\S*)')


@dataclass(frozen=True)
class Filters:
    """What is asked of entries; empty lists and `any` ask nothing.

    Attributes:
        within: Pairs of a column and the values of it that are wanted.
        flags: Pairs of a Boolean column and `any`, `only` or `without`; an unknown flag passes `without`.
        size_gib: Least and greatest size, inclusive; None where any size will do.
        unknown_size: Whether entries without a size pass.
        search: Search text.
    """

    within: tuple[tuple[str, tuple[str, ...]], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()
    size_gib: tuple[float, float] | None = None
    unknown_size: bool = True
    search: str = ""


def apply(entries: pl.DataFrame, filters: Filters) -> pl.DataFrame:
    """The entries that pass every filter, in their order."""
    wanted = [pl.col(column).is_in(values) for column, values in filters.within if values]
    for column, choice in filters.flags:
        if choice != EITHER:
            flag = pl.col(column).fill_null(value=False)
            wanted.append(flag if choice == ONLY else ~flag)
    if filters.size_gib is not None:
        inside = pl.col("size_gib").is_between(*filters.size_gib)
        wanted.append(inside.fill_null(value=filters.unknown_size))
    elif not filters.unknown_size:
        wanted.append(pl.col("size_gib").is_not_null())
    searched, _ = parse_search(filters.search)
    if searched is not None:
        wanted.append(searched)
    return entries.filter(pl.all_horizontal(wanted)) if wanted else entries


def parse_search(text: str) -> tuple[pl.Expr | None, list[str]]:
    """The condition that a search text asks for, None where it asks nothing, and what was not understood.

    Parts between `;` are alternatives. Within a part, every word must stand in the model's name and every
    `@field:value` must stand in that field; case does not matter, quotes hold a value with spaces together.
    """
    alternatives: list[pl.Expr] = []
    notes: list[str] = []
    for part in text.split(";"):
        wanted: list[pl.Expr] = []
        for name, value in _CONDITION.findall(part):
            column = SEARCH_FIELDS.get(name.lower())
            if column is None:
                notes.append(f"@{name} is not a search field; the fields are @{', @'.join(SEARCH_FIELDS)}.")
            elif sought := value.strip('"'):
                wanted.append(_contains(column, sought))
        words = _CONDITION.sub(" ", part).split()
        wanted.extend(_contains("model_id", word) for word in words)
        if wanted:
            alternatives.append(pl.all_horizontal(wanted))
    return (pl.any_horizontal(alternatives) if alternatives else None), notes


def searched(rows: pl.DataFrame, text: str, *columns: str) -> pl.DataFrame:
    """Rows whose columns hold every word of one of the parts between semicolons; case does not matter."""
    parts = [part.lower().split() for part in text.split(";") if part.strip()]
    if not parts:
        return rows
    names = pl.concat_str(pl.col(columns).fill_null(""), separator=" ").str.to_lowercase()
    return rows.filter(
        pl.any_horizontal(pl.all_horizontal(names.str.contains(word, literal=True) for word in part) for part in parts)
    )


def _contains(column: str, text: str) -> pl.Expr:
    lowered = pl.col(column).str.to_lowercase()
    return lowered.str.contains(text.lower(), literal=True).fill_null(value=False)
