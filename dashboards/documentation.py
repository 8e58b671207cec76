"""The documentation of the repository, served below `/docs` in the look of the pages."""

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

from bokeh.server.views.auth_request_handler import AuthRequestHandler
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin
from tornado.web import authenticated

from dashboards import serving
from dashboards.parts.templates import command, render

_ROOT = Path(__file__).resolve().parents[1]
_FOLDERS = {"": "Start", "how-to": "How to", "explanation": "Explanation", "adding": "Adding", "decisions": "Decisions"}
# Lists of what tests leave out are for who works on Skyline.
_INTERNAL = frozenset({"not-run"})
_HEADING = re.compile(r"^# (.+)$", re.MULTILINE)
_HEADINGS = re.compile(r"^#{1,3} .+$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"<code.*?</code>", re.DOTALL)
_SPEAKS_OF = 2
"""How often a section has a word that it speaks of."""
_BY_TITLE = frozenset({"changelog"})
_ROOT_PAGES = {"README": "index", "CONTRIBUTING": "contributing", "CHANGELOG": "changelog"}

EXPLAINED = {
    "advisor": "explanation/ability", "which_gpu": "explanation/memory-cost-carbon", "serve": "how-to/serve",
    "choices": "explanation/memory-cost-carbon", "leaderboard": "explanation/scores", "pareto": "explanation/fronts",
    "scaling": "explanation/scores", "patterns": "explanation/statistics", "compare": "explanation/scores",
    "arena": "explanation/ratings", "open_vs_proprietary": "explanation/ratings",
    "roofline": "explanation/performance", "measured": "how-to/own-gpu", "how_far_off": "accuracy",
    "footprint": "explanation/memory-cost-carbon", "sql": "how-to/sql", "model": "explanation/ability",
    "device": "how-to/devices", "home": "tutorial", "chart": "how-to/charts",
    "processors": "explanation/performance", "own": "how-to/own-files",
}  # fmt: skip
"""Which document says how a page comes to its figures."""


@cache
def documents() -> dict[str, Path]:
    """Every document by its address below `/docs/`; the first is the README. None where the repository is not there."""
    folder = _ROOT / "docs"
    root_pages = {name: _ROOT / f"{file}.md" for file, name in _ROOT_PAGES.items()}
    pages = {name: path for name, path in root_pages.items() if path.is_file()}
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name not in _INTERNAL:
            pages[name] = path
    return pages


@cache
def title(name: str) -> str:
    """First heading of a document; empty where there is no such document."""
    path = documents().get(name)
    heading = _HEADING.search(path.read_text("utf-8")) if path else None
    return heading[1].strip() if heading else ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of a document."""

    name: str
    document: str
    """The document's title; empty where the heading is it."""
    address: str
    """Below `/docs/`."""
    text: str = field(default="", repr=False)
    """What stands below it, in small letters."""


@cache
def _sections() -> list[Section]:
    """Titles first, then headings of the second and third level; of the list of changes its title alone."""
    titles = [Section(title(name), "", name) for name in documents()]
    below = []
    for name, path in documents().items():
        text = _FENCE.sub("", path.read_text("utf-8")) if name not in _BY_TITLE else ""
        # Headings alone: what stands between them would take a second to read.
        tokens = _reader().parse("\n\n".join(_HEADINGS.findall(text)))
        headings = [(each, words) for each, words in pairwise(tokens) if each.type == "heading_open"]
        for (opening, words), passage in zip(headings, _HEADINGS.split(text)[1:], strict=True):
            if opening.tag != "h1":
                heading = "".join(part.content for part in words.children or ())
                address = f"{name}#{opening.attrGet('id')}"
                below.append(Section(heading, title(name), address, passage.casefold()))
    return titles + below


def named(text: str) -> list[Section]:
    """Sections whose heading has, for each word of a text, a word that begins so; then those that speak of it most."""
    words = [re.compile(rf"(?<!\w){re.escape(word)}") for word in text.casefold().split()]
    headed = [section for section in _sections() if all(word.search(section.name.casefold()) for word in words)]
    counts = {section: min(len(word.findall(section.text)) for word in words) for section in _sections()}
    speaking = [section for section, count in counts.items() if count >= _SPEAKS_OF and section not in headed]
    return headed + sorted(speaking, key=counts.__getitem__, reverse=True)


@cache
def _contents() -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in documents():
        folder = PurePosixPath(name).parent.as_posix().removeprefix(".")
        groups.setdefault(_FOLDERS.get(folder, folder), []).append((name, title(name)))
    order = list(_FOLDERS.values())
    return sorted(groups.items(), key=lambda group: order.index(group[0]) if group[0] in order else len(order))


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").use(anchors_plugin, max_level=3)


@cache
def _body(name: str) -> str:
    path = documents()[name]
    text = path.read_text("utf-8")
    # Pictures of the README are not served; what they show is one press away.
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    reader = _reader()
    addresses = {target.resolve(): address for address, target in documents().items()}
    up = "../" * name.count("/") or "./"

    def linked(target: str) -> str | None:
        """Address of what a document links to; None for what only the repository or the built site has."""
        file, _, part = target.partition("#")
        if ":" in file or not file:
            return target
        address = addresses.get((path.parent / file).resolve())
        return None if address is None else f"{up}{address}{'#' if part else ''}{part}"

    tokens = list(_in_frames(reader.parse(text)))
    for token in tokens:
        token.children = list(_relinked(token.children, linked)) if token.children else token.children
    body = str(reader.renderer.render(tokens, reader.options, {}))
    return _CODE.sub(lambda match: str(command(Markup(match[0]))), body)  # noqa: S704 - rendered, not read


def _in_frames(tokens: Sequence[Token]) -> Iterator[Token]:
    """Tables as lists in a frame that scrolls, by keyboard too."""
    for token in tokens:
        if token.type == "table_open":
            token.attrSet("class", "list")
            yield Token("frame_open", "div", 1, {"class": "scroll", "tabindex": "0"})
        yield token
        if token.type == "table_close":
            yield Token("frame_close", "div", -1)


def _relinked(tokens: Sequence[Token], linked: Callable[[str], str | None]) -> Iterator[Token]:
    """Links to where documents stand on the server; what is not there is named, not linked."""
    target: str | None = None
    for token in tokens:
        if token.type == "link_open":
            target = linked(str(token.attrGet("href")))
            token.attrSet("href", target or "")
        if target is not None or token.type not in {"link_open", "link_close"}:
            yield token


class Document(AuthRequestHandler):
    """`/docs/how-to/sql`."""

    @authenticated
    def get(self, name: str) -> None:
        """Answer with the document, or say that there is none."""
        name = name.removesuffix("/").removesuffix(".html").removesuffix(".md") or "index"
        self.set_header("Content-Type", "text/html; charset=utf-8")
        if name not in documents():
            self.set_status(404)
            self.write(serving.wrong(404, self.request.path))
            return
        root = "../" * (name.count("/") + 1)
        self.write(
            render(
                __file__, "document.html", title=html.unescape(title(name)), body=_body(name), here=name,
                groups=_contents(), root=root, docs=f"{root}docs/",
            )
        )  # fmt: skip


def patterns() -> list[tuple[Any, ...]]:
    """What the server is to answer beside the pages."""
    return [(r"/docs/(.*)", Document)]
