"""Names of models and devices in what pages say: each leads to its page, as names in tables do."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from markupsafe import Markup, escape

from dashboards.data import Data
from dashboards.finding import address_of_device, address_of_model, judged
from dashboards.parts.templates import block
from profiling.devices import accelerators
from profiling.models.sources import catalogue

_APART = re.compile(r"(`[^`]*`|<a\b.*?</a>|<code\b.*?</code>|<[^>]*>)", re.DOTALL)
"""Commands, and what is a link or a tag already."""
_BEGINS = re.compile(r"(?<![\w/.-])\w[\w/.+-]*")
_GOES_ON = re.compile(r"[\w/-]|\.\d")
"""What follows where a name is only the beginning of another."""


def named(text: str) -> Markup:
    """A text, escaped where it is no markup, in which models with known shapes and devices are links.

    Commands between backticks stay as they are.
    """
    return _with_links(text, _known())


def linked(
    sentence: str,
    models: Iterable[str | None] = (),
    devices: Iterable[str] = (),
    pages: Mapping[str, str] | None = None,
    addresses: Mapping[str, str] | None = None,
) -> Markup:
    """As `named`, for a sentence that names more than have known shapes.

    Args:
        sentence: In plain text.
        models: Models that it names as their pages do.
        devices: Devices that it names.
        pages: Models that it names otherwise, each with the name of its page.
        addresses: Names that lead elsewhere than to their page.
    """
    there = {name: address_of_model(page) for name, page in (pages or {}).items()}
    there |= {name: address_of_model(name) for name in models if name}
    there |= {name: address_of_device(name) for name in devices}
    there |= addresses or {}
    known = _known()
    more = {begin: {**known.get(begin, {}), **names} for begin, names in _by_beginning(there).items()}
    return _with_links(sentence, {**known, **more})


@cache
def _known() -> Mapping[str, Mapping[str, str]]:
    addresses = {name: address_of_model(name) for name in catalogue()}
    return _by_beginning(addresses | {name: address_of_device(name) for name in accelerators.table()})


def _by_beginning(addresses: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Addresses by name, by what a name has before its first space or other sign."""
    grouped: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name, address in addresses.items():
        if begin := _BEGINS.match(name):
            grouped[begin[0]][name] = address
    return grouped


def _with_links(text: str, addresses: Mapping[str, Mapping[str, str]]) -> Markup:
    # No name holds a character that is escaped.
    pieces = enumerate(_APART.split(escape(text)))
    return Markup("".join(part for at, piece in pieces for part in ([piece] if at % 2 else _pieces(piece, addresses))))  # noqa: S704 - escaped


def _pieces(text: str, addresses: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    end = 0
    for word in _BEGINS.finditer(text):
        begin = word[0].rstrip(".+-/")
        there = addresses.get(begin, {})
        name = max((name for name in there if text.startswith(name, word.start())), key=len, default="")
        if not name or word.start() < end or _GOES_ON.match(text, word.start() + len(name)):
            continue
        yield text[end : word.start()]
        yield block("link", there[name], name)
        end = word.start() + len(name)
    yield text[end:]


def arena_pages(data: Data, names: Iterable[str | None]) -> dict[str, str]:
    """Of names on the arena, those of models that have a page, each with its name there."""
    pages = {name: name for name in judged(data)}
    pages |= dict(data.ask("arena_model_pages").select("name", "page_of").iter_rows())
    return {name: pages[name] for name in names if name is not None and name in pages}
