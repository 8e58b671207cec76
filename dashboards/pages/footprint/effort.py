"""What evaluating took: the figures published in December 2023, reconciled term by term beside our own count."""

from analytics.fronts.effort import Term, own_terms, published_terms
from dashboards.parts import formats, page
from profiling.answers.door import Door

DEVICE = "H100-SXM5-80GB"
_HEAD = ("What is counted", "Runs", "Hours", "US dollars", "Where it comes from")


def reconciled(door: Door, runs: int, hours: float, as_of: str) -> str:
    """The terms as a table, and why some runs have no time."""
    price = door.usd_per_device_hour(DEVICE) if DEVICE in door.devices else None
    terms = [*published_terms(), *own_terms(runs, hours, as_of, price, DEVICE)]
    return (
        "<h2>What evaluation took, term by term</h2><p class='counts'>346 thousand hours and 2.7 million dollars were "
        "published in December 2023; here beside our count, each run once</p>"
        f"{page.table(_HEAD, [_line(term) for term in terms])}"
        + page.caption(
            "Runs without a time have no hours: result files of raw results need not hold the time of the run, "
            "and the second board writes −1 where it did not keep it; they are left out, not counted as nothing. "
            "The two boards ran other tasks on other machines: their hours are not added."
        )
    )


def _line(term: Term) -> list[str]:
    usd = formats.MISSING if term.usd is None else formats.count(term.usd)
    return [term.what, formats.MISSING if term.runs is None else formats.count(term.runs), formats.count(term.hours),
            usd, term.how]  # fmt: skip
