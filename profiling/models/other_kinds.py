"""Models that no question here is about: those of speech, pictures and films, and those whose weights nobody has."""

from __future__ import annotations

import re
from functools import cache

from profiling.reference_files import reference_rows

ANSWERED = "Skyline answers for published models that read text and write it token by token"
_MAKER = (
    r"(?:openai|anthropic|google|nvidia|meta|facebook|microsoft|amazon|aws|xai|x-ai|alibaba|stability-?ai|upstage)-"
)
"""Makers whose name people write before that of such a model. What comes later in a name is what a language model was
taught by (…-Claude-Opus-Distill) or treated with (…-SVD): it says nothing of its kind.
"""


@cache
def _kinds() -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = reference_rows("other_models.csv")
    return tuple((re.compile(rf"(?:^|/)(?:{_MAKER})?(?:{row['pattern']})(?![a-z0-9])"), row["does"]) for row in rows)


def other_work(name: str) -> str | None:
    """What a model of that name or `model_type` does instead, in words; None where it is none of these."""
    plain = re.sub(r"[\s_]+", "-", name.casefold())
    return next((does for pattern, does in _kinds() if pattern.search(plain)), None)
