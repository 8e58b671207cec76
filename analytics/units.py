"""Units that every room converts between, and numbers as sentences write them."""

GIB = 1 << 30
"""Bytes of a gibibyte (IEC 80000-13)."""
JOULES_PER_KWH = 3.6e6
"""1 kW for 3600 s."""
DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12


def counted(number: int, noun: str) -> str:
    """The number and the noun, in the singular for one: `1 row`, `1,204 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def decimal(number: float, digits: int = 0, *, signed: bool = False) -> str:
    """A number with so many digits after the point, as a sentence writes it: `1,204`, `−0.5`, never `-0`.

    Args:
        number: The number.
        digits: Digits after the point.
        signed: Whether a number above zero has its plus, as a change has.
    """
    return f"{number:{'+' if signed else ''}z,.{digits}f}".replace("-", "−")
