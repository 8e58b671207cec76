"""The date of which a file speaks, as its name says it, and which dates can be meant at all."""

import datetime as dt
import re

import polars as pl

EARLIEST = dt.date(2020, 1, 1)
"""No board, vote or measurement that is read here is older."""
_FORMS = (
    (re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)"), "%Y-%m-%d"),
    (re.compile(r"(?<!\d)(20\d{6})(?!\d)"), "%Y%m%d"),
)


class UndatedFile(ValueError):
    """Nothing in a file or its name says which date it speaks of."""


class WrongDate(ValueError):
    """A file says a date that cannot be meant."""


def is_plausible(day: dt.date) -> bool:
    """Whether the day can be meant: from 2020 on, and at most tomorrow."""
    return EARLIEST <= day <= tomorrow()


def require_plausible(day: dt.date, uri: str) -> None:
    """Refuse a date that cannot be meant.

    Raises:
        WrongDate: it lies before 2020 or after tomorrow.
    """
    if not is_plausible(day):
        raise WrongDate(_refusal(uri, day.isoformat()))


def date_in_name(uri: str) -> dt.date | None:
    """The first date in the name of a file that can be meant, as `2025-07-27` or `20250727`; None where there is none.

    Raises:
        WrongDate: it says dates in the form of `2025-07-27`, and none of them can be meant.
    """
    name = uri.rsplit("/", 1)[-1]
    for pattern, form in _FORMS:
        for text in pattern.findall(name):
            try:
                day = dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC).date()
            except ValueError:
                continue
            if is_plausible(day):
                return day
    # Eight digits may be any number; what has hyphens is meant as a date.
    if wrong := _FORMS[0][0].findall(name):
        raise WrongDate(_refusal(uri, wrong[0]))
    return None


def iso_day(text: pl.Expr) -> pl.Expr:
    """Date with which a text begins in ISO 8601, as a timestamp does; null where it begins with none."""
    return text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)


def today() -> dt.date:
    """Of UTC."""
    return dt.datetime.now(dt.UTC).date()


def tomorrow() -> dt.date:
    """Of UTC; which it is already somewhere."""
    return today() + dt.timedelta(days=1)


def _refusal(uri: str, date: str) -> str:
    return f"{uri} says {date}, which is not a day between {EARLIEST} and tomorrow; put the right date into its name."
