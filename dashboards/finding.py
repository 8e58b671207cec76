"""Finding models, devices, pages and documents by the names people use: the search field, and addresses that last."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import duckdb
from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import RequestHandler, authenticated

from dashboards import documentation, glossary
from dashboards.data import Data
from profiling.answers.door import Door
from profiling.devices.names import resolve_device
from profiling.devices.names import words as device_words
from profiling.models.format_names import format_in_name
from profiling.models.names import ModelName, resolve_model
from profiling.models.names import words as model_words
from profiling.models.sources import catalogue, same_shapes
from warehouse.publish import NotPublished

LONGEST_QUERY = 100
_MOST_OF_A_KIND = 6
_FEWEST_LETTERS = 3
"""From which on what is typed is looked for in more than titles."""
_HUB_ADDRESS = re.compile(r"[\w.-]+/[\w.:-]+")
# What Bokeh serves below the address of a page.
_SUBJECTS = r"/({})/(?!(?:ws|autoload\.js|metadata)$)(.+)"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a query may mean.

    Attributes:
        kind: model, device, page, document or term.
        name: As shown.
        address: Below the root.
        note: What was assumed, or what the page answers.
        is_meant: Whether the query names it; else it is only spelled alike.
    """

    kind: str
    name: str
    address: str
    note: str = ""
    is_meant: bool = True


def address_of_model(name: str) -> str:
    """The lasting address of a model's page, below the root."""
    return f"model/{quote(name, safe='/:')}"


def address_of_device(name: str) -> str:
    """The lasting address of a device's page, below the root."""
    return f"device/{quote(name, safe='/:')}"


def judged(data: Data) -> list[str]:
    """Models that a board, a list or a price names by their identity."""
    try:
        return data.ask("known_models")["model_id"].to_list()
    except duckdb.Error:
        return []


def named_model(data: Data, text: str) -> ModelName:
    """The model that a text names: of those whose shapes are known, else of those that boards have judged."""
    shaped = [*catalogue(), *data.door().own_models]
    others = judged(data)
    if text in others and text not in shaped:
        _, why = same_shapes().get(text, ("", "its name on the boards"))
        return ModelName(text, text, resolve_model(text, shaped).catalogue_id, evidence=why)
    match = resolve_model(text, shaped)
    if match.model_id is None or match.catalogue_id is None:
        of_boards = resolve_model(text, others).catalogue_id
        if of_boards is not None and model_words(of_boards) == model_words(text):
            return ModelName(text, of_boards, None, match.weight_format, evidence="its name on the boards")
    elif match.model_id == match.catalogue_id and format_in_name(match.catalogue_id) and not format_in_name(text):
        # Where only a quantised copy has known shapes, who names no format means the model that it was made from.
        same = [name for name in others if "/" in name and model_words(name) == model_words(match.catalogue_id)]
        if original := min((name for name in same if not format_in_name(name)), key=_shortest, default=None):
            return ModelName(text, original, match.catalogue_id, evidence=f"the same name as {match.catalogue_id}")
    return match


def find(data: Data, pages: Sequence[Any], text: str) -> list[Found]:
    """What a query may mean, the likeliest first; what is only spelled alike where nothing is meant.

    Args:
        data: Whose models and devices.
        pages: Pages to choose from (`dashboards.parts.page.Page`).
        text: As typed.
    """
    query = text.strip()[:LONGEST_QUERY]
    if not query:
        return []
    hits = _pages(pages, query)
    if len(query) > 1:
        hits += [
            Found("document", section.name, f"docs/{section.address}", section.document)
            for section in documentation.named(query)[:_MOST_OF_A_KIND]
        ]
        terms = glossary.named(query)[:_MOST_OF_A_KIND]
        hits += [Found("term", term, f"glossary?term={quote(term)}", meaning) for term, meaning in terms]
    try:
        hits = [*_devices(data.door(), query), *_models(data, query), *hits]
    except NotPublished:
        return hits
    best = [hit for hit in hits if hit.is_meant]
    # Who types the whole title of a page means that page, whatever else begins so.
    return sorted(best or hits, key=lambda hit: hit.kind != "page" or hit.name.casefold() != query.casefold())


def _pages(pages: Sequence[Any], query: str) -> list[Found]:
    """Pages whose title holds what was typed, then those that answer it: by their summary, then by words for it."""
    begins = [re.compile(rf"(?<!\w){re.escape(word)}") for word in query.casefold().split()]

    def rank(page: Any) -> int | None:
        summary = f"{page.title} {page.summary}"
        said = page.title if len(query) < _FEWEST_LETTERS else f"{summary} {page.answers}"
        if query.casefold() in page.title.casefold():
            return 0
        if not all(begin.search(said.casefold()) for begin in begins):
            return None
        return 1 if all(begin.search(summary.casefold()) for begin in begins) else 2

    ranked = sorted((place, at) for at, page in enumerate(pages) if (place := rank(page)) is not None)
    found = [pages[at] for _, at in ranked[:_MOST_OF_A_KIND]]
    return [Found("page", page.title, page.slug or "./", page.summary) for page in found]


def _models(data: Data, query: str) -> list[Found]:
    match = named_model(data, query)
    names: dict[str, str] = {}
    if match.model_id and (match.catalogue_id or match.model_id in judged(data)):
        names[match.model_id] = "" if match.catalogue_id in {None, match.model_id} else match.evidence
    terms = model_words(query)
    known = [*catalogue(), *data.door().own_models, *judged(data)]
    near = [name for name in match.candidates if not terms or not terms <= model_words(name)]
    holding = [name for name in match.candidates if name not in near]
    begins = _begins_a_word(query)
    holding += sorted((name for name in known if (terms and terms <= model_words(name)) or begins(name)), key=_shortest)
    names |= {name: "" for name in holding if name not in names}
    hits = [Found("model", name, address_of_model(name), note) for name, note in [*names.items()][:_MOST_OF_A_KIND]]
    return hits or [Found("model", name, address_of_model(name), "spelled alike", False) for name in near[:3]]


def _devices(door: Door, query: str) -> list[Found]:
    match = resolve_device(query, door.devices)
    devices = [device.name for device, _ in match.devices if device.name in door.devices]
    names = dict.fromkeys(devices, match.note)
    if match.devices and not devices:  # described in a line, or with another amount of memory
        names[query] = match.note
    terms = device_words(query)
    near = [name for name in match.candidates if not terms <= device_words(name) and not match.devices]
    holding = [name for name in match.candidates if name not in near]
    begins = _begins_a_word(query)
    holding += sorted((name for name in door.devices if begins(name)), key=_shortest)
    names |= {name: "" for name in holding if name not in names}
    hits = [Found("device", name, address_of_device(name), note) for name, note in [*names.items()][:_MOST_OF_A_KIND]]
    return hits or [Found("device", name, address_of_device(name), "spelled alike", False) for name in near[:3]]


def _begins_a_word(query: str) -> Callable[[str], bool]:
    """Whether a name has what was typed so far, from the beginning of one of its words; a gap may be a hyphen."""
    pattern = re.compile("(?<![a-z0-9])" + "[ -]".join(map(re.escape, query.casefold().split())))
    return lambda name: pattern.search(name.casefold()) is not None


def _shortest(name: str) -> tuple[bool, int, str]:
    """Models with an address on the hub first, then by length."""
    return _HUB_ADDRESS.fullmatch(name) is None, len(name), name


def publisher_of(name: str) -> str:
    """Who published a model, by its address on the hub; of names that are none, what they are."""
    return name.split("/", maxsplit=1)[0] if _HUB_ADDRESS.fullmatch(name) else "Known only by name"


class Search(AuthRequestHandler):
    """What a query may mean, for the field in the header; for whoever may see the pages."""

    def initialize(self, data: Data, pages: Sequence[Any]) -> None:
        """Remember where to look."""
        self._data, self._pages = data, pages

    @authenticated
    def get(self) -> None:
        """Answer `q` as JSON."""
        query = self.get_argument("q", "")
        self.set_header("Cache-Control", "no-store")
        self.write(
            {"query": query[:LONGEST_QUERY], "found": [asdict(hit) for hit in find(self._data, self._pages, query)]}
        )


class Subject(RequestHandler):
    """`/model/Qwen/Qwen3.6-27B`: the address that lasts, which leads to the page with its choices in the query."""

    def get(self, kind: str, name: str) -> None:
        """Lead there, by a path that holds below any prefix of a proxy."""
        raw = self.request.path.split(f"/{kind}/", 1)[1]
        chosen = f"&{self.request.query}" if self.request.query else ""
        self.redirect(f"{'../' * (raw.count('/') + 1)}{kind}?id={quote(name, safe='/:')}{chosen}")


def patterns(data: Data, pages: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What the server is to answer beside the pages."""
    return [
        ("/search", Search, {"data": data, "pages": pages}),
        (_SUBJECTS.format("model|device"), Subject),
    ]
