"""Which votes a rating counts: what may be asked for, as conditions on the fields of a vote, and limits per judge."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pipelines.sources.arena.layouts import CATEGORY_ALIASES
from pipelines.sources.votes.layouts import CATEGORIES, LANGUAGES
from warehouse.database import literal


class FilterUnavailable(ValueError):
    """A filter was asked for that the files hold no column for."""


@dataclass(frozen=True)
class VoteFilter:
    """Which votes count.

    Attributes:
        category: Key of `CATEGORIES`; `overall` is all.
        language: Name, as in `LANGUAGES`, or any spelling that the files use.
        anonymous_only: Only votes cast before the models were named, where the files say.
        deduplicate: Thin out prompts above the 99.99th percentile of frequency, where the files say or hold
            the prompts.
        votes_per_judge_per_day: Only the first so many votes of a judge on a UTC day; None for all.
        votes_per_judge: Only the first so many votes of a judge; None for all. Who judged is not said counts.
        since: First UTC day counted.
        until: First UTC day no longer counted.
    """

    category: str = "overall"
    language: str | None = None
    anonymous_only: bool = True
    deduplicate: bool = True
    votes_per_judge_per_day: int | None = None
    votes_per_judge: int | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Condition:
    """What a vote must fulfil to count.

    Attributes:
        why: Reason given for a vote that does not.
        sql: On the fields of a vote.
        needs: Fields without which nobody can tell.
        purpose: What they are needed for.
    """

    why: str
    sql: str
    needs: tuple[str, ...]
    purpose: str


def conditions(keep: VoteFilter) -> Iterator[Condition]:
    """What a filter asks of the category, language and time of a vote.

    Raises:
        FilterUnavailable: No such category.
    """
    name = CATEGORY_ALIASES.get(keep.category, keep.category)
    if name not in CATEGORIES:
        raise FilterUnavailable(f"No category {keep.category!r}; there are {', '.join(CATEGORIES)}.")
    if name != "overall":
        category = CATEGORIES[name]
        yield Condition(
            f"outside category {keep.category}", category.condition, category.needs, f"category {keep.category!r}"
        )
    if keep.language is not None:
        spellings = LANGUAGES.get(keep.language.lower(), (keep.language.lower(),))
        listed = ", ".join(literal(spelling) for spelling in spellings)
        yield Condition(f"not in {keep.language}", f"lower(language) IN ({listed})", ("language",), "a language")
    for bound, comparison, why in ((keep.since, ">=", "before"), (keep.until, "<", "from")):
        if bound is not None:
            seconds = datetime(bound.year, bound.month, bound.day, tzinfo=UTC).timestamp()
            yield Condition(f"{why} {bound}", f"battle_at {comparison} {seconds}", ("battle_at",), "a period")


def only_first(votes: int, of: str, order: str, why: str, query: str) -> str:
    """SELECT that leaves out what a judge casts beyond a number of votes.

    Args:
        votes: That many count.
        of: Of what the number is counted, as a list of SQL expressions: of a judge, or of a judge's day.
        order: Which are the first.
        why: Reason given for those beyond.
        query: Votes with `excluded`; those left out already count towards no limit.
    """
    place = f"row_number() OVER (PARTITION BY {of}, excluded IS NULL ORDER BY {order})"
    return (
        f"SELECT * REPLACE (CASE WHEN excluded IS NULL AND judge IS NOT NULL AND {place} > {int(votes)}"
        f" THEN {literal(why)} ELSE excluded END AS excluded) FROM ({query})"
    )
