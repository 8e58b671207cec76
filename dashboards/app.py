"""The served application: one session per visitor, every page in one shell, and what happens when data is missing."""

import functools
import gc
import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import panel as pn
from bokeh.document import Document
from bokeh.util.warnings import BokehUserWarning
from jinja2 import Environment, FileSystemLoader, Template
from panel.io.resources import component_resource_path
from tornado.web import ErrorHandler, RedirectHandler

from dashboards import bringing, chart_files, documentation, finding, glossary, serving
from dashboards.data import Data
from dashboards.own_files import COOKIE, OwnFiles
from dashboards.pages import CHART, PAGES, SUBJECTS, Content, Page, groups
from dashboards.parts import formats, theme
from dashboards.parts.page import NothingToShow, card, html, together, working
from dashboards.parts.session import CALM_MS
from dashboards.parts.templates import SHARED, macro
from dashboards.places import address_of, bound_connections, has_left
from dashboards.room import room_for
from dashboards.sockets import Allowance, bound_sockets
from warehouse import logs
from warehouse.listening import listening_at
from warehouse.publish import NotPublished, Release
from warehouse.settings import Settings

LOGGER = logging.getLogger(__name__)
_OTHER_PORT = "`skyline serve --port` or SKYLINE_PORT"
_ASSETS = Path(__file__).parent / "assets"
_LOOK_FOR_RELEASE_MS = 5_000
_WAIT_FOR_FIRST_RELEASE_MS = 1_500


def serve(settings: Settings, show: bool = False) -> None:
    """Serve the pages until interrupted, and print their addresses.

    Args:
        settings: Which home to read, and where to listen.
        show: Whether to open a browser.

    Raises:
        Unguarded: strangers would be let in.
        CannotListen: the port is taken, or the address is not of this machine.
    """
    serving.require_guarded(settings)
    pn.extension("tabulator", design=theme.DESIGN, notifications=False)
    logs.start(settings)
    logging.getLogger("asyncio").addFilter(serving.is_no_visitor_who_left)
    # A browser describes what it was sent since it last spoke once more; Bokeh keeps what it has, and complains.
    warnings.filterwarnings("ignore", "reference already known", BokehUserWarning)
    room = room_for(settings)
    bound_sockets(Allowance(), room, settings.trusted_proxies)
    data, metrics = Data(settings), serving.Metrics(settings)
    own = OwnFiles(settings, data)
    pages = (*PAGES, *SUBJECTS, CHART)
    sessions = {page.slug or "/": _opener(page, own, metrics, settings.trusted_proxies) for page in pages}
    handlers = [
        *finding.patterns(data, PAGES),
        *chart_files.patterns(data, (*PAGES, *SUBJECTS), own),
        *bringing.patterns(own, room),
        *documentation.patterns(),
        ("/docs", RedirectHandler, {"url": "docs/", "permanent": False}),
    ]
    with listening_at(settings.address, settings.port, what="the pages", settings=_OTHER_PORT):
        server = pn.serve(
            sessions,
            address=settings.address,
            port=settings.port,
            title={page.slug or "/": f"{page.title} · Skyline" for page in pages},
            static_dirs={"assets": str(_ASSETS)},
            show=show,
            start=False,
            verbose=False,
            admin=False,
            **serving.options(settings, data, metrics, handlers),
        )
    # Bokeh hands them out no other way.
    server._tornado.add_transform(serving.Headers)
    # No file has such a name; tornado fails where it looks for one. Below an address that ends with a slash Bokeh
    # answers with a page that finds none of its scripts.
    slugs = "|".join(page.slug for page in pages if page.slug)
    refused = [("/.*%00.*", ErrorHandler, {"status_code": 404})]
    server._tornado.add_handlers(".*", [*refused, (f"/({slugs})/", RedirectHandler, {"url": "../{0}"})])
    bound_connections(server._http, settings.trusted_proxies)
    width = max(len(page.title) for page in PAGES)
    for page in PAGES:
        print(f"{page.title:<{width}} http://{settings.address}:{settings.port}/{page.slug}", flush=True)
    spare_collections()
    try:
        server.run_until_shutdown()
    except KeyboardInterrupt:
        server.stop()
    finally:
        gc.unfreeze()  # DuckDB complains on the way out of what nobody gave back


def spare_collections() -> None:
    """Look no more through what stays for good: Panel collects garbage after each session, while others wait."""
    gc.collect()
    gc.freeze()


def _opener(
    page: Page, own: OwnFiles, metrics: serving.Metrics, proxies: Sequence[str]
) -> Callable[[], pn.Template | pn.Column]:
    # Panel calls plain functions only, once per session.
    def open_session() -> pn.Template | pn.Column:
        began = time.perf_counter()
        context: Any = pn.state.curdoc.session_context if pn.state.curdoc else None
        if has_left(context.request):  # nobody will see it, and the next reader waits
            metrics.began("left", 0.0)
            return pn.Column()
        # The page that asks to come back takes no place.
        has_place = metrics.places.take(context.id, address_of(context.request, proxies), context)
        shown = page if has_place else _FULL
        token = pn.state.cookies.get(COOKIE, "")
        if own.enter(token):
            pn.state.on_session_destroyed(lambda _gone: own.leave(token))

        def made() -> None:
            metrics.places.sent(context.id)
            metrics.began(shown.name, time.perf_counter() - began)

        pn.state.on_session_destroyed(lambda gone: metrics.places.leave(gone.id))
        return _session(shown, own.data_of(token), made)

    return open_session


class _Shell(pn.Template):
    """A template that does not go through all its parts anew with every part that it is given.

    As notebooks want it, Panel describes them; and Bokeh looks through the document for models that came or went.
    """

    def __repr__(self) -> str:
        return type(self).__name__

    def _init_doc(self, doc: Document | None = None, *args: Any, **options: Any) -> Document:
        document = doc or pn.state.curdoc or Document()
        with document.models.freeze():
            made: Document = super()._init_doc(document, *args, **options)
        return made


def _session(page: Page, data: Data, made: Callable[[], object] = lambda: None) -> pn.Template:
    """A page for one session: its shell at once, its content while the browser loads the scripts.

    Args:
        page: The page.
        data: What it shows.
        made: Called when its content is made.
    """
    template = _Shell(_shell(), design=theme.DESIGN, location=True)
    document = documentation.EXPLAINED.get(page.name, "")
    variables = {
        "groups": groups(),
        "here": page.name,
        "slug": page.slug,
        "versions": _versions(),
        "document": (document, documentation.title(document)),
        "glossary_version": glossary.version(),
        "bare": page.is_bare(_search()),
        "published": _published(data),
        "published_title": str(data.home),
        "widget_css": component_resource_path(theme.DESIGN, "modifiers", theme.WIDGET_CSS),
        "sidebar_title": page.sidebar,
        "is_sidebar_last": page.is_sidebar_last,
    }
    for name, value in variables.items():
        template.add_variable(name, value)
    # What is to come is told from what is empty by the mark of all that waits.
    main, sidebar = (
        pn.Column(html(working("Drawing the page …"), css_classes=["waiting"]), sizing_mode="stretch_width", margin=0)
        for _ in range(2)
    )
    overlay = pn.Column(margin=0)
    for name, root in {"main": main, "overlay": overlay, **({"sidebar": sidebar} if page.sidebar else {})}.items():
        template.add_panel(name, root)

    def fill() -> None:
        hint = html()
        content = _content(page, data, hint)
        brought = _own_files(page, data)
        main.objects = [hint, *([html(brought)] if brought else []), content.main]
        if content.overlay is not None:
            overlay.objects = [content.overlay]
        if page.sidebar:
            pn.state.onload(functools.partial(_fill_sidebar, sidebar, content))
        if content.state is not None:
            _keep_address(content)
        made()

    _once_sent(fill)
    return template


def _fill_sidebar(sidebar: pn.Column, content: Content) -> None:
    """Filters come after the first chart, which nobody can filter before it is there."""
    with together():
        if content.sidebar is None:
            sidebar.param.update(objects=[], css_classes=["nothing"])
        else:
            sidebar.objects = [content.sidebar()]


def _search() -> str:
    return pn.state.location.search if pn.state.location else ""


def _published(data: Data) -> str:
    try:
        return f"data published {formats.age(data.release().published_at)}"
    except NotPublished:
        return ""


def _message(name: str, *values: object) -> str:
    return macro(__file__, "messages.html", name, *values)


def _once_sent(fill: Callable[[], None]) -> None:
    """Do this when the browser has what it needs to load the scripts, so that both work at the same time."""
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        fill()
    else:
        document.add_next_tick_callback(fill)


def _own_files(page: Page, data: Data) -> str:
    """That a page shows what its visitor brought, where it does."""
    names = [
        file.name for file in data.own_files if any(address.split("?")[0] == page.slug for _, address in file.places())
    ]
    if not names:
        return ""
    return _message("own_files", names)


def _come_back(_data: Data, _search: str) -> Content:
    return Content(card(html(_message("full"))))


_FULL = Page("full", "Skyline", "", _come_back)


@functools.cache
def _versions() -> dict[str, str]:
    """Of every asset, by its content: browsers keep what has one for a year, and ask for it again once it changed."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in _ASSETS.iterdir() if path.is_file()
    }


@functools.cache
def _shell() -> Template:
    """The template of all pages; given its text, Panel would compile it anew for each session."""
    loader = FileSystemLoader([_ASSETS, SHARED])
    environment = Environment(loader=loader, autoescape=False, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - Panel's own way
    return environment.get_template("shell.html")


def _content(page: Page, data: Data, hint: pn.pane.HTML) -> Content:
    """Content of a page; where there is none, what to do about it.

    Args:
        page: The page.
        data: What it shows.
        hint: Says so once there are newer data.
    """
    try:
        release = data.release()
        content = page.build(data, _search())
    except NotPublished as error:
        return _nothing_yet(data, str(error))
    except NothingToShow as error:
        return _nothing_yet(data, str(error), data.release())
    except Exception as error:
        LOGGER.exception("Page %s could not be built.", page.name)
        return _broken(error)
    _watch_for_newer(data, release, hint)
    return content


def _nothing_yet(data: Data, reason: str, seen: Release | None = None) -> Content:
    """What stands where the data will be; reloads the page when a release other than the one seen is there."""

    def look() -> None:
        try:
            ready = data.release() != seen
        except NotPublished:
            return
        if ready and pn.state.location is not None:
            pn.state.location.reload = True

    _repeatedly(look, _WAIT_FOR_FIRST_RELEASE_MS)
    return Content(card(html(_message("nothing_yet", reason))))


def _broken(error: Exception) -> Content:
    line = f"{type(error).__name__}: {error}"
    return Content(card(html(_message("broken", isinstance(error, duckdb.Error), line))))


def _watch_for_newer(data: Data, shown: Release, hint: pn.pane.HTML) -> None:
    def look() -> None:
        try:
            newer = data.release() != shown
        except NotPublished:
            return
        if newer and not hint.object:
            hint.object = _message("newer")

    _repeatedly(look, _LOOK_FOR_RELEASE_MS)


def _repeatedly(look: Callable[[], None], period_ms: int) -> None:
    # The callback belongs to the session and ends with it. Panel's own would have all sessions count what is busy.
    def start() -> None:
        if pn.state.curdoc is not None:
            pn.state.curdoc.add_periodic_callback(look, period_ms)

    pn.state.onload(start)


def _keep_address(content: Content) -> None:
    state = content.state
    if state is None:
        return

    waiting = False

    def write() -> None:
        nonlocal waiting
        waiting = False
        if pn.state.location is not None:
            begins = urlencode(content.address_begins, safe="/")
            choices = state.address()
            pn.state.location.search = f"?{begins}{choices.replace('?', '&', 1)}" if begins else choices

    def write_later(*_events: Any) -> None:
        nonlocal waiting
        if pn.state.curdoc is not None and not waiting:
            waiting = True
            pn.state.curdoc.add_timeout_callback(write, CALM_MS)

    state.param.watch(write_later, state.keys())
    pn.state.onload(write)
