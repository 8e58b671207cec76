"""HTML from Jinja templates that lie beside the page that uses them, or here if shared; values are escaped."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from dashboards.parts import formats

SHARED = Path(__file__).parent
"""Where the templates lie that several pages use."""

_QUOTED = re.compile(r"`([^`]+)`")
_OPTION = re.compile(r"(?<![^\s>(`])--?[A-Za-z][\w-]*")
# A figure, perhaps with its sign, error or short unit; no date, no name that begins with a digit, no `8 × H100`.
_FIGURE = re.compile(r"[−+<>≈±(-]?\d[\d,.]*(?![\w-])(?!.*([^\W\d_]{4,}|× ?\w))")


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, SHARED]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["significant"] = lambda value: formats.MISSING if value is None else formats.significant(value)
    environment.filters |= {"count": formats.count, "age": formats.age, "board": formats.board, "label": formats.label}
    environment.filters |= {
        "boards": formats.boards,
        "coded": _coded,
        "sentence": _sentence,
        "command": command,
        "number_columns": _number_columns,
    }
    environment.globals["missing"] = formats.MISSING
    return environment


def _sentence(words: str) -> str:
    """A text that begins with a capital, unless it begins with a name, such as `gemini-3-pro`; markup stays markup."""
    return words[:1].upper() + words[1:] if words.partition(" ")[0].strip(",;:").isalpha() else words


def _coded(text: object) -> Markup:
    """Escaped text in which what stands between backticks, as messages quote commands, is set as code."""
    escaped = command(text)
    return Markup(_QUOTED.sub(lambda match: block("code", Markup(match[1])), escaped))  # noqa: S704 - escaped before


def command(text: object) -> Markup:
    """Escaped text whose options, such as `--source`, do not break at their hyphens; markup stays what it is."""
    return Markup(_OPTION.sub(lambda match: block("option", Markup(match[0])), str(escape(text))))  # noqa: S704 - escaped


def _number_columns(lines: Sequence[Sequence[object]]) -> set[int]:
    """Places of the columns that hold figures, and beside them at most the mark of what is missing."""
    columns = [
        [str(cell) for cell in column if cell not in ("", formats.MISSING)] for column in zip(*lines, strict=True)
    ]
    return {place for place, column in enumerate(columns) if column and all(map(_FIGURE.match, column))}


def render(page_file: str, template: str, **values: Any) -> str:
    """A template filled.

    Args:
        page_file: `__file__` of the module that asks; the template lies in its folder.
        template: Name of the file.
        values: What it shows.
    """
    return _environment(Path(page_file).parent).get_template(template).render(**values)


def block(name: str, *values: object) -> str:
    """A macro of `blocks.html`, which templates import too, filled."""
    return macro(__file__, "blocks.html", name, *values)


def macro(file: str, template: str, name: str, *values: object) -> str:
    """A macro of a template filled.

    Args:
        file: `__file__` of the module that asks; the template lies in its folder.
        template: Name of the template.
        name: Of the macro.
        values: What it shows.
    """
    return str(getattr(_module(Path(file).parent, template), name)(*values))


@cache
def _module(folder: Path, template: str) -> Any:
    return _environment(folder).get_template(template).module
