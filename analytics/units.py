"""Units that every room converts between, and numbers with what they count."""

GIB = 1 << 30
"""Bytes of a gibibyte (IEC 80000-13)."""
JOULES_PER_KWH = 3.6e6
"""1 kW for 3600 s."""
DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12


def counted(number: int, noun: str) -> str:
    """The number and the noun, in the singular for one: `1 row`, `1,204 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
