"""Lasting addresses of charts over HTTP: to the page of a chart alone, and to its data in each of `objects.FILES`."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from bokeh.server.views.auth_request_handler import AuthRequestHandler
from tornado.web import RequestHandler, authenticated

from dashboards import downloads, objects
from dashboards.data import Data
from dashboards.own_files import COOKIE, OwnFiles
from dashboards.parts.page import NothingToShow, Page
from dashboards.places import root_of_request
from warehouse.publish import NotPublished

_MOST_CACHED = 64
_LONGEST_SEARCH = 4_000
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "bib": "application/x-bibtex; charset=utf-8",
}


class Charts:
    """Charts of pages as they are with some choices; made one at a time, outside of every session."""

    def __init__(self, data: Data, pages: Sequence[Page]) -> None:
        self.data = data
        self._pages = {page.slug or "home": page for page in pages}
        self._cache: OrderedDict[tuple[str, str, str], dict[str, objects.Chart]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, slug: str, search: str, data: Data | None = None) -> dict[str, objects.Chart]:
        """Charts of a page by name; none where there is no such page, or nothing that it could show.

        Args:
            slug: Address of the page.
            search: Its choices.
            data: A visitor's, with what he brought; of those no chart is kept.

        Raises:
            NotPublished: nothing is published.
        """
        page = self._pages.get(slug)
        if page is None:
            return {}
        with self._lock:
            if data is not None and data.own_files:
                return _made(page, data, search)
            key = (self.data.release().path.name, slug, search)
            if key not in self._cache:
                if not (made := _made(page, self.data, search)):
                    return {}
                self._cache[key] = made
                while len(self._cache) > _MOST_CACHED:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(key)
            return self._cache[key]


def _made(page: Page, data: Data, search: str) -> dict[str, objects.Chart]:
    try:
        return objects.charts(page.build(data, search), page.slug, search)
    except NothingToShow:
        return {}


class Alone(RequestHandler):
    """`/chart/pareto/pareto_front`: the address that lasts, which leads to the page of the chart with its choices."""

    def get(self, slug: str, name: str) -> None:
        """Lead there, by a path that holds below any prefix of a proxy."""
        chosen = f"&{self.request.query}" if self.request.query else ""
        self.redirect(f"../../chart?of={slug}/{name}{chosen}")


class File(AuthRequestHandler):
    """`/chart/pareto/pareto_front.csv`: the chart's data as a file; for whoever may see the pages."""

    def initialize(self, charts: Charts, own: OwnFiles) -> None:
        """Remember who makes charts, and who knows what visitors brought."""
        self._charts, self._own = charts, own

    @authenticated
    async def get(self, slug: str, name: str, suffix: str) -> None:
        """Answer with the data, or say that there is no such chart."""
        search = f"?{self.request.query}" if self.request.query else ""
        if len(search) > _LONGEST_SEARCH:
            self.set_status(414)
            return
        root = root_of_request(self.request, self._charts.data.proxies)
        try:
            content = await asyncio.get_running_loop().run_in_executor(
                None, self._file, slug, name, suffix, search, root, self._own.data_of(self.get_cookie(COOKIE) or "")
            )
        except NotPublished as error:
            self.set_status(503)
            self.write({"detail": str(error)})
            return
        if content is None:
            self.set_status(404)
            self.write({"detail": f"The page {slug} draws no chart {name} with these choices."})
            return
        self.set_header("Content-Type", _TYPES[suffix])
        self.set_header("Content-Disposition", f'attachment; filename="{name}.{suffix}"')
        self.set_header("Cache-Control", "no-cache")
        # Other pages may read what anybody may: no cookie goes with it.
        self.set_header("Access-Control-Allow-Origin", "*")
        if suffix == "csv":
            self.set_header("Link", f'<{name}.json{search}>; rel="describedby"; type="application/json"')
        self.write(content)

    def _file(self, slug: str, name: str, suffix: str, search: str, root: str, data: Data) -> bytes | None:
        chart = self._charts.of(slug, search, data).get(name)
        if chart is None:
            return None
        about: dict[str, Any] = objects.describe(chart, data, root)
        if suffix == "bib":
            return str(about["bibtex"]).encode("utf-8")
        return downloads.file(suffix, objects.rows(chart), about)


def patterns(data: Data, pages: Sequence[Page], own: OwnFiles) -> list[tuple[Any, ...]]:
    """What the server is to answer beside the pages."""
    charts = Charts(data, pages)
    chart = r"/chart/([a-z-]+)/([a-z0-9_]+)"
    return [
        (rf"{chart}\.({'|'.join(objects.FILES)})", File, {"charts": charts, "own": own}),
        (chart, Alone),
    ]
