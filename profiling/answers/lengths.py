"""Lengths and times as people write them: `32k`, `128K`, `1M` tokens; `2s`, `50ms`.

k and M are powers of two, as models state their contexts: 32k is 32,768 tokens, 128k 131,072 and 1M 1,048,576.
"""

from __future__ import annotations

import re

from profiling.errors import InvalidWorkload

_LENGTH = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?(k|m)?i?(?: ?tokens?| ?ctx)?", re.IGNORECASE)
_SCALES = {"": 1, "k": 1 << 10, "m": 1 << 20}


def tokens(text: str | int) -> int:
    """The number of tokens that a text states.

    Raises:
        InvalidWorkload: It is no length; the message says how one is written.
    """
    plain = re.sub(r"(?<=\d)[,_ \u00a0\u202f](?=\d{3}(?!\d))", "", str(text).strip())
    match = _LENGTH.fullmatch(plain)
    length = float(match[1]) * _SCALES[(match[2] or "").casefold()] if match else 0.0
    if not match or length < 1 or length != int(length):
        raise InvalidWorkload(f"{text!r} is not a length in tokens; write 4096, 32k (32,768) or 1M (1,048,576)")
    return int(length)


def length(text: str | int) -> int:
    """A number of tokens as somebody asks for it: a whole number as it stands, anything else as `tokens` reads it.

    Whole numbers that no context can have are refused where contexts are known.

    Raises:
        InvalidWorkload: It is no length; the message says how one is written.
    """
    return int(text) if re.fullmatch(r"-?\d{1,18}", str(text).strip()) else tokens(text)


def seconds(text: str | float) -> float:
    """A time as somebody asks for it: `2s`, `50ms`, `0.05`.

    Raises:
        InvalidWorkload: It is no time; the message says how one is written.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s)?\s*", str(text))
    if match is None:
        raise InvalidWorkload(f"{text!r} is not a duration; write 2s or 50ms")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)
