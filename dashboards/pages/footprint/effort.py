"""What evaluating took: the figures published in December 2023, reconciled term by term beside our own count."""

from analytics.fronts.effort import NODE_DEVICES, Term, implied_usd_per_hour, terms
from dashboards.parts import formats, page
from profiling.answers.door import Door

DEVICE = "H100-SXM5-80GB"
_HEAD = (
    "What is counted", "Runs", "Hours", "Hours per run", "US dollars at prices then", "US dollars at prices now",
    "Where the hours come from",
)  # fmt: skip


def reconciled(door: Door, runs: int, hours: float, as_of: str) -> str:
    """The terms as a table, at which prices, and why some runs have no time."""
    price = door.usd_per_device_hour(DEVICE) if DEVICE in door.devices else None
    today = "no price is known" if price is None else f"${price * NODE_DEVICES:.2f} for {NODE_DEVICES} × {DEVICE}"
    return (
        page.heading(
            "What evaluation took, term by term",
            "346 thousand hours and 2.7 million dollars, as published in December 2023, next to our count of each run "
            "once",
        )
        + page.table(_HEAD, [_line(term) for term in terms(price, (runs, hours, as_of))])
        + page.caption(
            f"An hour then: ${implied_usd_per_hour():.2f}, which the published figures imply. An hour today: "
            f"{today}, the node that the second board counts; the machine of the first is not stated. "
            "Runs without a recorded time have no hours: raw result files need not state it, and the second board "
            "writes −1 where it did not keep it; they are left out, not treated as zero. "
            "The two boards ran different tasks on different machines, so their hours are not added."
        )
    )


def _line(term: Term) -> list[str]:
    each = term.hours_per_run
    return [
        term.what, _count(term.runs), formats.count(term.hours), formats.MISSING if each is None else f"{each:.2f}",
        _count(term.usd_then), _count(term.usd_today), term.how,
    ]  # fmt: skip


def _count(number: float | None) -> str:
    return formats.MISSING if number is None else formats.count(number)
