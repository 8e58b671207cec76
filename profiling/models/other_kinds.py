"""Models that no question here is about: those of speech, pictures and films, and those whose weights nobody has."""

from __future__ import annotations

import re
from functools import cache

from profiling.reference_files import reference_rows

ANSWERED = "Skyline answers for published models that read text and write it token by token"


@cache
def _kinds() -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = reference_rows("other_models.csv")
    return tuple((re.compile(rf"(?<![a-z0-9])(?:{row['pattern']})(?![a-z0-9])"), row["does"]) for row in rows)


def other_work(name: str) -> str | None:
    """What a model of that name or `model_type` does instead, in words; None where it is none of these."""
    plain = re.sub(r"[\s_]+", "-", name.casefold())
    return next((does for pattern, does in _kinds() if pattern.search(plain)), None)
