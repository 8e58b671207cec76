"""The model that the text of a `config.json` describes; what is wrong with it is said by line and column."""

import re

from profiling.errors import InvalidConfig, ProfilingError
from profiling.foreign import NotJson, json_object
from profiling.models.architecture import Architecture
from profiling.models.sources import from_config

_FIELD = re.compile(r'"(\w+)"\s*:')
_WORD = re.compile(r"\w+")


def from_config_text(text: str, name: str) -> Architecture:
    """The architecture that a text describes.

    Args:
        text: Of a `config.json`.
        name: By which the model is asked about.

    Raises:
        NotJson: It is no JSON object; the message names line and column.
        ProfilingError: It describes no model that is understood; the message begins with line and column of the field
            at fault, unless one is missing.
    """
    config = json_object(text, "config.json", NotJson)
    try:
        return from_config(config, name)
    except ProfilingError as error:
        is_missing = isinstance(error, InvalidConfig) and " lacks " in str(error)
        raise type(error)(f"{'' if is_missing else _place(text, str(error))}{error}") from error


def _place(text: str, message: str) -> str:
    """Where the first field stands that a message names, as the beginning of a sentence; empty where none does."""
    stated = {field[1]: field.start() for field in reversed(list(_FIELD.finditer(text)))}
    named = next((word for word in _WORD.findall(message) if word in stated), None)
    if named is None:
        return ""
    before = text[: stated[named]]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}: "
