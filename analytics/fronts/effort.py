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
WHOLE_BOARD = (4_576, 12_022.85, "2025-03-13")
"""Our count of the whole second board: runs, hours by its CO₂, each run once, and the date of that state."""


@dataclass(frozen=True)
class Term:
    """One line of the reconciliation.

    Attributes:
        what: What is counted.
        runs: Runs it is of; None where rows are counted instead.
        hours: Hours of evaluation.
        usd_then: Their cost at the price of December 2023, which the published figures imply.
        usd_today: Their cost at today's price of a node of eight; None where no price is known.
        how: Where the hours come from.
    """

    what: str
    runs: float | None
    hours: float
    usd_then: float
    usd_today: float | None
    how: str

    @property
    def hours_per_run(self) -> float | None:
        """Hours of one run; None where rows are counted."""
        return None if self.runs is None else self.hours / self.runs


def implied_usd_per_hour() -> float:
    """The price of an hour that the published hours and dollars imply."""
    return PUBLISHED_USD / PUBLISHED_HOURS


def terms(usd_per_device_hour: float | None = None, state: tuple[int, float, str] | None = None) -> list[Term]:
    """From the published 346 K hours and 2.7 M dollars to each run once, and our count of the second board.

    Args:
        usd_per_device_hour: Today's price of one device; None where none is known.
        state: Runs, hours and date of what the warehouse holds; its lines come last, where it is not the whole
            board.
    """
    then = implied_usd_per_hour()
    today = None if usd_per_device_hour is None else usd_per_device_hour * NODE_DEVICES

    def term(what: str, of: float | None, taken: float, how: str) -> Term:
        return Term(what, of, taken, taken * then, None if today is None else taken * today, how)

    rows = [
        term(
            "published: every task row of every run", None, PUBLISHED_HOURS,
            f"{PUBLISHED_ROWS:,} rows, called models; the time of a run stands on each of its rows",
        ),
        term(
            "the same, each run once", PUBLISHED_ROWS / TASKS_PER_RUN, PUBLISHED_HOURS / TASKS_PER_RUN,
            f"divided by {TASKS_PER_RUN} tasks",
        ),
    ]  # fmt: skip
    states = {"second board": WHOLE_BOARD}
    if state is not None and (state[0], state[2]) != (WHOLE_BOARD[0], WHOLE_BOARD[2]):
        states["the runs of it in this warehouse"] = state
    for name, (runs, hours, as_of) in states.items():
        board = f"{name}, {as_of}"
        rows.append(term(f"{board}, each run once", runs, hours, "from the CO₂ as the board states it"))
        if as_of > DOUBLED_SINCE:
            how = f"as the board counted until {DOUBLED_SINCE}: the same runs, half the CO₂"
            rows.append(term(f"{board}, by its earlier count", runs, hours / 2, how))
    return rows
