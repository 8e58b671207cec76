"""Writing the static copy: pages, a page per chart with its files, the tables, and the scripts they need."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bokeh
import duckdb
import panel as pn
from bokeh.embed import components

from dashboards import downloads, objects
from dashboards.data import Data
from dashboards.pages import PAGES, SUBJECTS, Page, groups
from dashboards.parts import formats, theme
from dashboards.parts.page import Content, NothingToShow
from dashboards.parts.templates import render
from dashboards.site.passed_on import passed_on
from dashboards.site.render import addresses, file_of, relinked, static
from warehouse.settings import Settings

_HERE = Path(__file__).parent
_ASSETS = _HERE.parent / "assets"
_SCRIPTS = ("bokeh.min.js", "bokeh-gl.min.js")
_MOST_CSV_ROWS = 200_000
_SCHEMAS = ("core", "marts", "meta")


@dataclass(frozen=True)
class Written:
    """What a copy holds.

    Attributes:
        folder: Where it lies.
        pages: Pages, those of charts alone not counted.
        charts: Charts.
        tables: Tables.
        left_out: What is not in it, and why; a line each.
    """

    folder: Path
    pages: int
    charts: int
    tables: int
    left_out: tuple[str, ...]


def write(
    folder: Path, settings: Settings, pages: Sequence[Page] = (*PAGES, *SUBJECTS), named: Sequence[str] | None = None
) -> Written:
    """Write the copy of what is published.

    Args:
        folder: Made where it is not there; must be empty or hold an earlier copy.
        settings: Which home to read.
        pages: What it shows.
        named: Addresses of models and devices (`model/Qwen/Qwen3-32B`) that get a page each; None: all that the other
            pages link to.

    Raises:
        FileExistsError: the folder holds something else.
        NotPublished: nothing is published.
    """
    _require_own(folder)
    # What figures ask of a server is nothing that a copy could answer.
    logging.getLogger("bokeh.embed.util").setLevel(logging.ERROR)
    pn.extension("tabulator", design=theme.DESIGN, notifications=False)
    with passed_on(settings.published) as passed:
        return _written(folder, Data(settings, passed.folder), pages, named, list(passed.left_out))


def _written(
    folder: Path, data: Data, pages: Sequence[Page], named: Sequence[str] | None, left_out: list[str]
) -> Written:
    release = data.release()
    site = _Site(folder, data)
    site.assets()

    def make(page: Page, address: str, search: str) -> _Made | None:
        try:
            return site.make(page, address, page.build(data, search))
        except (NothingToShow, duckdb.Error) as error:
            left_out.append(f"page {address or page.title}: {error}")
            return None

    made = [page_copy for page in pages if (page_copy := make(page, page.slug, ""))]
    if named is None:
        # What lists all there are leads to none of them by itself.
        named = list(
            dict.fromkeys(
                link for page_copy in made if page_copy.page not in SUBJECTS for link in addresses(page_copy.body)
            )
        )
    about = {page.slug: page for page in SUBJECTS if page in pages or named}
    for address in named:
        kind, _, name = address.partition("/")
        if kind in about and name and (page_copy := make(about[kind], address, f"?id={quote(name)}")):
            made.append(page_copy)
    files = {
        page_copy.address: f"{file_of(page_copy.address) if page_copy.address else 'index'}.html" for page_copy in made
    } | {"data": "data.html"}
    charts = sum(site.write(page_copy, files) for page_copy in made)
    tables = site.tables(release.path)
    (folder / "skyline-site.json").write_text(json.dumps({"release": release.path.name}), "utf-8")
    return Written(folder, len(made), charts, tables, tuple(left_out))


def _require_own(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "skyline-site.json").is_file():
        raise FileExistsError(f"{folder} holds something other than a copy of the pages; name an empty folder.")
    if (folder / "skyline-site.json").is_file():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # From the first moment, so that a copy broken off can be written again.
    (folder / "skyline-site.json").write_text("{}", "utf-8")


@dataclass(frozen=True)
class _Made:
    """A page that is made and not yet written."""

    page: Page
    address: str
    body: str
    script: str
    charts: tuple[objects.Chart, ...]


class _Site:
    """One copy being written."""

    def __init__(self, folder: Path, data: Data) -> None:
        self._folder, self._data = folder, data
        self._release = data.release()

    def assets(self) -> None:
        """Scripts from the installed packages, and the look of the pages."""
        assets = self._folder / "assets"
        assets.mkdir()
        scripts = Path(bokeh.__file__).parent / "server" / "static" / "js"
        for name in _SCRIPTS:
            shutil.copy(scripts / name, assets / name)
        for name in ("skyline.css", "skyline.svg"):
            shutil.copy(_ASSETS / name, assets / name)
        # In widgets `:host` is the part itself; here the parts are elements of the page.
        widgets = (_ASSETS.parent / "parts" / theme.WIDGET_CSS).read_text("utf-8")
        plain = widgets.replace(":host(.", ".\0").replace(":host", ":root")
        plain = "".join(piece.replace(")", "", 1) if at else piece for at, piece in enumerate(plain.split("\0")))
        (assets / "parts.css").write_text(plain + (_HERE / "site.css").read_text("utf-8"), "utf-8")

    def make(self, page: Page, address: str, content: Content) -> _Made:
        """A page as HTML whose links are those of the server."""
        charts = objects.charts(content, address)
        script, places = components({chart.name: chart.figure for chart in charts.values()}) if charts else ("", {})

        def place(figure: Any) -> str:
            return str(places.get(figure.name, ""))

        return _Made(page, address, static(content.main, place), script, tuple(charts.values()))

    def write(self, made: _Made, files: Mapping[str, str]) -> int:
        """A page and its charts; returns how many charts."""
        root = "../" * made.address.count("/")
        body = relinked(made.body, root, made.address, files)
        title = made.address.partition("/")[2] or made.page.title
        self._write(files[made.address], "page.html", made.page.name, title=title, body=body, script=made.script)
        for chart in made.charts:
            self._chart(made.page, chart, files[made.address])
        return len(made.charts)

    def _chart(self, page: Page, chart: objects.Chart, file: str) -> None:
        base = f"chart/{file_of(chart.page) if chart.page else 'home'}/{chart.name}"
        rows, about = objects.rows(chart), objects.describe(chart, self._data, "")
        script, place = components(chart.figure)
        files = {
            "csv": downloads.file("csv", rows, about),
            "json": downloads.file("json", rows, about),
            "bib": about["bibtex"].encode("utf-8"),
        }
        for suffix, content in files.items():
            target = self._folder / f"{base}.{suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        lines = [[formats.value(value) for value in row] for row in rows.head(1000).iter_rows()]
        facts = [
            ("How to read it", about["how_to_read"]),
            ("Source", about["source"] or "computed from the release"),
            ("Licence", ", ".join(about["licence"]) or "none stated by the source"),
            ("As of", about["as_of"]),
            ("Citation", about["citation"]),
            ("Query", about["query"] or ""),
        ]
        self._write(
            f"{base}.html", "chart.html", page.name, title=chart.title, script=script, chart=chart, place=place,
            forms=tuple(files), file=file, page=page, rows=rows.height, columns=rows.columns, lines=lines,
            facts=[line for line in facts if line[1]],
        )  # fmt: skip

    def _write(self, name: str, template: str, here: str, *, script: str = "", **values: Any) -> None:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = render(
            __file__, template, here=here, script=script, root="../" * name.count("/"), groups=groups(),
            scripts=_SCRIPTS, published=f"{self._release.published_at:%Y-%m-%d}", release=self._release.path.stem,
            **values,
        )  # fmt: skip
        target.write_text(text, "utf-8")

    def tables(self, database: Path) -> int:
        """Every table as Parquet and CSV, and a page that lists them; returns how many."""
        folder = self._folder / "data"
        folder.mkdir()
        listed: list[tuple[str, int, list[str]]] = []
        with duckdb.connect(database, read_only=True) as connection:
            for schema, name in _tables(connection):
                table = f'{schema}."{name}"'
                rows = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
                target = folder / f"{schema}.{name}"
                connection.execute(f"COPY {table} TO '{target}.parquet' (FORMAT parquet, COMPRESSION zstd)")
                kinds = ["parquet"]
                if rows <= _MOST_CSV_ROWS:
                    frame, query = connection.sql(f"FROM {table}").pl(), f"FROM {schema}.{name}"
                    about = downloads.about(f"{schema}.{name}", frame, {"query": query}, self._data)
                    target.with_name(f"{target.name}.csv").write_bytes(downloads.file("csv", frame, about))
                    kinds.append("csv")
                listed.append((f"{schema}.{name}", rows, kinds))
        self._write("data.html", "data.html", "data", title="Tables", tables=listed)
        return len(listed)


def _tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return connection.execute(
        f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN {_SCHEMAS} ORDER BY ALL"
    ).fetchall()
