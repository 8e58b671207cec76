"""Shapes in which a table is written as a document: by record, by column, by index; and records made flat."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_MOST_DEPTH = 12
_MOST_KEYS = 100
"""An object of more keys, within a record, is a list of something: its keys are no columns."""
_HEADERS, _BODIES = ("columns", "headers", "header"), ("data", "rows")
"""Keys under which columns and rows stand apart, as `DataFrame.to_json(orient="split")` of pandas writes them."""

_KEYS_OF_ROWS = frozenset({"data", "rows", "results", "records", "entries", "models", "leaderboard", "items", "table"})


def whole_table(document: Any) -> list[dict[str, Any]]:
    """Records of a document that is a table as a whole; none where it is anything else.

    A list of records; the only list of records under a key; columns and rows apart; a list for each column, or an
    object of the same keys for each column or each row (`orient` of pandas: records, split, list, columns, index).
    """
    if isinstance(document, list):
        return document if document and all(isinstance(each, dict) for each in document) else []
    if not isinstance(document, dict) or not document:
        return []
    return _split(document) or _under_a_key(document) or _by_column(document) or _by_key(document)


def _split(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    header = next((document[key] for key in _HEADERS if isinstance(document.get(key), list)), None)
    body = next((document[key] for key in _BODIES if isinstance(document.get(key), list)), None)
    names = [_bare(name) for name in header or ()]
    if not names or not body or not all(isinstance(name, str) for name in names):
        return []
    if not all(isinstance(row, list) and len(row) == len(names) for row in body):
        return []
    return [dict(zip(names, map(_bare, row), strict=True)) for row in body]


def _bare(cell: Any) -> Any:
    """What a cell says; HELM writes each as an object, with its style beside its value."""
    return cell.get("value") if isinstance(cell, dict) else cell


def _under_a_key(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The only list of records, where its key says that these are the rows, or nothing else is nested."""
    lists = {key: each for key, each in document.items() if isinstance(each, list) and each and _are_all(dict, each)}
    named = [each for key, each in lists.items() if key.casefold() in _KEYS_OF_ROWS]
    if len(named) == 1:
        return named[0]
    others = (each for key, each in document.items() if key not in lists)
    return next(iter(lists.values())) if len(lists) == 1 and not any(isinstance(o, dict | list) for o in others) else []


def _by_column(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    columns = list(document.values())
    if len(columns) < 2 or not _are_all(list, columns) or len({len(column) for column in columns}) != 1:
        return []
    return [dict(zip(document, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _by_key(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Objects of the same keys: counted ones are rows, so that the others are columns."""
    inner = list(document.values())
    if not _are_all(dict, inner) or len({frozenset(each) for each in inner}) != 1 or not inner[0]:
        return []
    if all(key.isdigit() for key in document):
        return inner
    if all(key.isdigit() for key in inner[0]):
        return [{name: column[key] for name, column in document.items()} for key in inner[0]]
    return []


def _are_all(kind: type, values: Sequence[Any]) -> bool:
    return all(isinstance(each, kind) for each in values)


def flat(node: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> dict[str, str | None]:
    """A record as text by key, what is nested under the path to it; of lists of records the first."""
    cells: dict[str, str | None] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            if depth >= _MOST_DEPTH or len(value) > _MOST_KEYS:
                continue
            cells.update(flat(value, f"{name}.", depth + 1))
        elif isinstance(value, list):
            if value and all(not isinstance(each, dict | list) for each in value):
                cells[name] = "; ".join(text_of_value(each) or "" for each in value[:50])
            elif value and isinstance(value[0], dict):
                cells.update(flat(value[0], f"{name}.0.", depth + 1) if depth < _MOST_DEPTH else {})
        else:
            cells[name] = text_of_value(value)
    return cells


def text_of_value(value: object) -> str | None:
    """A value of a document as a cell; null where it says nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
