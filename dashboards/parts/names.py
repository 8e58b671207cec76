"""Names of models and devices in sentences: each leads to its page, as names in tables do."""

import re
from collections.abc import Iterable, Mapping

from markupsafe import Markup, escape

from dashboards.data import Data
from dashboards.finding import address_of_device, address_of_model
from dashboards.parts.templates import block


def linked(
    sentence: str,
    models: Iterable[str | None] = (),
    devices: Iterable[str] = (),
    pages: Mapping[str, str] | None = None,
) -> Markup:
    """A sentence, escaped, whose names are links.

    Args:
        sentence: In plain text.
        models: Models that it names as their pages do.
        devices: Devices that it names.
        pages: Models that it names otherwise, each with the name of its page.
    """
    addresses = {name: address_of_model(page) for name, page in (pages or {}).items()}
    addresses |= {name: address_of_model(name) for name in models if name}
    addresses |= {name: address_of_device(name) for name in devices}
    if not addresses:
        return escape(sentence)
    names = "|".join(map(re.escape, sorted(addresses, key=len, reverse=True)))
    parts = re.split(rf"(?<![\w/-])({names})(?![\w/-]|\.\d)", sentence)
    links = (block("link", addresses[part], part) if at % 2 else escape(part) for at, part in enumerate(parts))
    return Markup("".join(links))  # noqa: S704 - both are escaped


def arena_pages(data: Data, names: Iterable[str | None]) -> dict[str, str]:
    """Of names on the arena, those of models that have a page, each with its name there."""
    pages = dict(data.ask("arena_model_pages").select("name", "page_of").iter_rows())
    return {name: pages[name] for name in names if name is not None and name in pages}
