"""Documents in JSON, YAML and TOML as they are in the wild, and the rows in them."""

import json
import tomllib
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import yaml

from pipelines.sources.boards.shapes import flat, text_of_value


@lru_cache(maxsize=2)
def parsed(form: str, text: str) -> Any:
    """The document of a text in `json`, `jsonl`, `yaml` or `toml`; kept, as several kinds of file are tried on it.

    Raises:
        ValueError, TypeError, RecursionError, yaml.YAMLError: it is not written in that form.
    """
    if form == "yaml":
        return _yaml(text)
    if form == "jsonl":
        return _json_lines(text)
    return tomllib.loads(text) if form == "toml" else _json(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):
            return _json_lines(text)
        raise


def _json_lines(text: str) -> list[Any]:
    """One document a line, as logs and exports of databases write them."""
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _yaml(text: str) -> Any:
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
        # A few lines of them can stand for more than fits.
        raise ValueError("aliases are not read")
    documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    return documents[0] if len(documents) == 1 else documents


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # of whichever is built
    """Safe, and dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def rows_at(
    node: Any, steps: Sequence[str], above: Mapping[str, str | None] = MappingProxyType({}), path: str = ""
) -> Iterator[dict[str, str | None]]:
    """Rows below a node, each as text by key.

    Args:
        node: A document, or a part of it.
        steps: Keys that lead to the rows; `[]` after one, or by itself: each of a list; `{name}`: each of an object,
            whose key is `name` of its rows.
        above: What stands on the way to the node, which its rows carry along.
        path: Of the node, under which they carry what stands beside it.
    """
    if not steps:
        own = flat(node) if isinstance(node, dict) else {"value": text_of_value(node)}
        if not isinstance(node, list):
            yield {**{name if name not in own else f"^{name}": value for name, value in above.items()}, **own}
        return
    step, *rest = steps
    if step == "[]" or (step.startswith("{") and isinstance(node, list)):
        for each in node if isinstance(node, list) else ():
            yield from rows_at(each, rest, above, path)
    elif step.startswith("{"):
        for key, each in node.items() if isinstance(node, dict) else ():
            yield from rows_at(each, rest, {**_of_key(above, str(key), step[1:-1], node), step[1:-1]: str(key)}, path)
    elif isinstance(node, dict):
        key, each_of = (step[:-2], True) if step.endswith("[]") else (step, False)
        siblings = flat({name: value for name, value in node.items() if name != key}, path)
        below = node.get(key)
        for each in (below if isinstance(below, list) else ()) if each_of else (below,):
            yield from rows_at(each, rest, {**above, **siblings}, f"{path}{key}.")


def _of_key(above: Mapping[str, str | None], key: str, name: str, keys: Container[str]) -> dict[str, str | None]:
    """What stands on the way, of one of the keys walked over: objects beside that have the same keys say more of it.

    `n-shot.gsm8k` is `n-shot.task` of the row of the task gsm8k, and of no other.
    """
    values = {}
    for path, value in above.items():
        parts = path.split(".")
        of = next((part for part in parts[1:] if part in keys), None)
        if of is None or of == key:
            values[".".join(name if part == key and of else part for part in parts)] = value
    return values
