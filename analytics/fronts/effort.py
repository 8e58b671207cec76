"""What evaluating a leaderboard took: the figures published in December 2023, term by term, beside our own count."""

from dataclasses import dataclass

PUBLISHED_ROWS = 101_054
"""Called models; rows of a table with one row per run and task (blog, December 2023)."""
PUBLISHED_HOURS = 346_011.0
"""Their evaluation times, added over these rows."""
PUBLISHED_USD = 2.7e6
"""What these hours would have cost, as stated."""
TASKS_PER_RUN = 62
"""Task rows of most runs of the first Open LLM Leaderboard; between 60 and 63."""
NODE_DEVICES = 8
"""Devices of the node whose 5.6 kW the board's own CO₂ formula counts: eight at 700 W."""
DOUBLED_SINCE = "2025-02-13"
"""After this state the board states twice the CO₂ for the same runs."""


@dataclass(frozen=True)
class Term:
    """One line of the reconciliation.

    Attributes:
        what: What is counted.
        runs: Runs it is of; None where rows are counted instead.
        hours: Hours of evaluation.
        usd: Their cost at the price of `how`; None where no price is known.
        how: Where the line comes from.
    """

    what: str
    runs: float | None
    hours: float
    usd: float | None
    how: str


def implied_usd_per_hour() -> float:
    """The price of an hour that the published hours and dollars imply."""
    return PUBLISHED_USD / PUBLISHED_HOURS


def published_terms() -> list[Term]:
    """From the published 346 K hours and 2.7 M dollars to each run once, at the price of then."""
    rate = implied_usd_per_hour()
    once = PUBLISHED_HOURS / TASKS_PER_RUN
    return [
        Term(
            "published: every task row of every run", None, PUBLISHED_HOURS, PUBLISHED_USD,
            f"{PUBLISHED_ROWS:,} rows, called models; the time of a run stands on each of its rows",
        ),
        Term(
            "the same, each run once", PUBLISHED_ROWS / TASKS_PER_RUN, once, once * rate,
            f"divided by {TASKS_PER_RUN} tasks; at {rate:.2f} USD an hour, which the published figures imply",
        ),
    ]  # fmt: skip


def own_terms(runs: int, hours: float, as_of: str, usd_per_device_hour: float | None, device: str) -> list[Term]:
    """Our count of one state of the second board, at today's price, as stated and as before the board doubled CO₂.

    Args:
        runs: Runs with a time.
        hours: Theirs, each run once, from the CO₂ that the board states.
        as_of: Date of the state, ISO.
        usd_per_device_hour: Today's price of one device; None where none is known.
        device: The device that the price is of.
    """
    price = None if usd_per_device_hour is None else usd_per_device_hour * NODE_DEVICES
    at = f"at {price:.2f} USD an hour for {NODE_DEVICES} × {device} today" if price is not None else "no price is known"

    def usd(taken: float) -> float | None:
        return None if price is None else taken * price

    terms = [Term(f"second board, {as_of}, each run once", runs, hours, usd(hours), f"from the CO₂ as stated; {at}")]
    if as_of > DOUBLED_SINCE:
        half = hours / 2
        said = f"as the board counted until {DOUBLED_SINCE}: the same runs, half the CO₂; {at}"
        terms.append(Term(f"second board, {as_of}, by its earlier count", runs, half, usd(half), said))
    return terms
