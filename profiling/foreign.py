"""Reading text and JSON that others wrote: bounded in size and depth, and no value that later steps cannot hold.

Standard library only: nodes that measure have nothing else.
"""

from __future__ import annotations

import json
import math
import re
import stat
from pathlib import Path
from typing import Any

from profiling.errors import ProfilingError

LARGEST_DESCRIPTION_BYTES = 64 << 20
"""A model's config, a grid, a plan or a result is a text that people could read; one beyond this is none of them."""

_DEEPEST = 200
_LARGEST_WHOLE = 1 << 63
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MAY_HOLD_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class UnreadableText(ProfilingError):
    """A file that is not text of a sane size."""


class NotJson(ProfilingError):
    """Text that is not JSON, or JSON that is nested beyond all use."""


def text_of(path: Path, most_bytes: int = LARGEST_DESCRIPTION_BYTES) -> str:
    """The text of a file.

    Raises:
        UnreadableText: It is no ordinary file, cannot be read, is too large, or is not UTF-8.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise UnreadableText(f"{path} is not a file")
        if state.st_size > most_bytes:
            raise UnreadableText(f"{path} has {state.st_size:,} bytes; the most is {most_bytes:,}")
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableText):
            raise
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UnreadableText(f"{path} cannot be read: {reason}") from error


def parse_json(content: str | bytes) -> Any:
    """The document. NaN and infinities, which JSON does not have, are null; half a surrogate pair becomes U+FFFD.

    Whole numbers beyond 64 bits become floating-point numbers, or null where these end too.

    Raises:
        NotJson: It is not UTF-8, not JSON, or nested more than 200 deep.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        document = json.loads(text, parse_constant=_nothing, parse_float=_finite, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error) or "too deep") from error
    if text.count("[") + text.count("{") > _DEEPEST:
        _require_shallow(document)
    return _without_surrogates(document) if _MAY_HOLD_SURROGATE.search(text) else document


def json_object(content: str | bytes, name: str, refusal: type[Exception]) -> dict[str, Any]:
    """The object that a document holds, by `parse_json`.

    Raises:
        refusal: It is not JSON, or no object; the message says `name`.
    """
    try:
        document = parse_json(content)
    except NotJson as error:
        raise refusal(f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise refusal(f"{name} holds {type(document).__name__}, expected an object")
    return document


def _nothing(_name: str) -> None:
    return None


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _integer(digits: str) -> int | float | None:
    # Twenty digits are more than 64 bits; thousands of them would take long to read.
    value = int(digits) if len(digits) <= 20 else _LARGEST_WHOLE
    return value if -_LARGEST_WHOLE <= value < _LARGEST_WHOLE else _finite(digits)


def _require_shallow(document: Any) -> None:
    level = [document]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise NotJson(f"nested more than {_DEEPEST} deep")


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
    return value
