"""Writing the static copy: pages, a page per chart with its files, the tables, and the scripts they need."""

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bokeh
import duckdb
import panel as pn
from bokeh.embed import components
from jinja2 import Environment, FileSystemLoader

from dashboards import objects
from dashboards.data import Data
from dashboards.pages import PAGES, SUBJECTS, Page
from dashboards.parts import formats, theme
from dashboards.parts.page import Content, NothingToShow, table
from dashboards.site.render import relinked, static
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


def write(folder: Path, settings: Settings, pages: Sequence[Page] = (*PAGES, *SUBJECTS)) -> Written:
    """Write the copy of what is published.

    Args:
        folder: Made where it is not there; must be empty or hold an earlier copy.
        settings: Which home to read.
        pages: What it shows.

    Raises:
        FileExistsError: the folder holds something else.
        NotPublished: nothing is published.
    """
    _require_own(folder)
    # What figures ask of a server is nothing that a copy could answer.
    logging.getLogger("bokeh.embed.util").setLevel(logging.ERROR)
    pn.extension("tabulator", design=theme.DESIGN, notifications=False)
    data = Data(settings)
    release = data.release()
    left_out: list[str] = []
    site = _Site(folder, data)
    site.assets()
    made = charts = 0
    for page in pages:
        try:
            content = page.build(data, "")
        except (NothingToShow, duckdb.Error) as error:
            left_out.append(f"page {page.title}: {error}")
            continue
        charts += site.page(page, content)
        made += 1
    tables = site.tables(release.path, left_out)
    (folder / "skyline-site.json").write_text(json.dumps({"release": release.path.name}), "utf-8")
    return Written(folder, made, charts, tables, tuple(left_out))


def _require_own(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "skyline-site.json").is_file():
        raise FileExistsError(f"{folder} holds something other than a copy of the pages; name an empty folder.")
    if (folder / "skyline-site.json").is_file():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # From the first moment, so that a copy broken off can be written again.
    (folder / "skyline-site.json").write_text("{}", "utf-8")


class _Site:
    """One copy being written."""

    def __init__(self, folder: Path, data: Data) -> None:
        self._folder, self._data = folder, data
        self._shell = Environment(loader=FileSystemLoader(_HERE), autoescape=True).get_template("shell.html")
        self._slugs = {page.slug for page in (*PAGES, *SUBJECTS)}
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

    def page(self, page: Page, content: Content) -> int:
        """A page and its charts; returns how many charts."""
        charts = objects.charts(content, page.slug)
        script, places = components({chart.name: chart.figure for chart in charts.values()}) if charts else ("", {})

        def place(figure: Any) -> str:
            return str(places.get(figure.name, ""))

        body = relinked(static(content.main, place), "", page.slug, self._slugs)
        self._write(f"{page.slug or 'index'}.html", page.title, body, script, "", page.name)
        for chart in charts.values():
            self._chart(page, chart)
        return len(charts)

    def _chart(self, page: Page, chart: objects.Chart) -> None:
        base = f"chart/{page.slug or 'home'}/{chart.name}"
        rows, about = objects.rows(chart), objects.describe(chart, self._data, "")
        script, place = components(chart.figure)
        files = {
            "csv": formats.to_csv(rows).getvalue(),
            "json": formats.to_json(rows, about).getvalue(),
            "bib": about["bibtex"].encode("utf-8"),
        }
        for suffix, content in files.items():
            target = self._folder / f"{base}.{suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        lines = [[formats.value(value) for value in row] for row in rows.head(1000).iter_rows()]
        links = " · ".join(f'<a href="{chart.name}.{suffix}" download>{suffix.upper()}</a>' for suffix in files)
        facts = [
            ("How to read it", about["how_to_read"]),
            ("Source", about["source"] or "computed from the release"),
            ("Licence", ", ".join(about["licence"]) or "none stated by the source"),
            ("As of", about["as_of"]),
            ("Citation", about["citation"]),
            ("Query", about["query"] or ""),
        ]
        body = (
            f'<section class="card"><h1>{formats.escape(chart.title)}</h1><p class="counts">'
            f'{formats.escape(chart.subtitle)}</p>{place}<p class="caption">{formats.escape(chart.caption)}</p>'
            f'<p class="links">{links} · <a href="../../{page.slug or "index"}.html">'
            f"{formats.escape(page.title)}</a></p>"
            f'</section><section class="card"><h2>Its data</h2><p class="counts">{rows.height:,} rows</p>'
            f"{table(rows.columns, lines)}</section>"
            f'<section class="card"><h2>About these data</h2>'
            f"{table(('', ''), [line for line in facts if line[1]])}</section>"
        )
        self._write(f"{base}.html", chart.title, body, script, "../../", page.name)

    def _write(self, name: str, title: str, body: str, script: str, root: str, here: str) -> None:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = self._shell.render(
            title=title, body=body, script=script, root=root, here=here, pages=PAGES, scripts=_SCRIPTS,
            published=f"{self._release.published_at:%Y-%m-%d}", release=self._release.path.stem,
        )  # fmt: skip
        target.write_text(text, "utf-8")

    def tables(self, database: Path, left_out: list[str]) -> int:
        """Every table as Parquet and CSV, and a page that lists them; returns how many."""
        folder = self._folder / "data"
        folder.mkdir()
        lines: list[str] = []
        with duckdb.connect(database, read_only=True) as connection:
            for schema, name, has_terms in _tables(connection):
                # What a licence does not let pass on, a copy for others does not hold.
                passed = " WHERE may_bundle" if has_terms and schema != "meta" else ""
                whole, rows = (
                    connection.execute(f'SELECT count(*) FROM {schema}."{name}"{where}').fetchall()[0][0]
                    for where in ("", passed)
                )
                if whole > rows:
                    left_out.append(
                        f"{whole - rows:,} rows of {schema}.{name}: their licence does not let them be passed on"
                    )
                target = folder / f"{schema}.{name}"
                selected = f'(SELECT * FROM {schema}."{name}"{passed})'
                connection.execute(f"COPY {selected} TO '{target}.parquet' (FORMAT parquet, COMPRESSION zstd)")
                kinds = ["parquet"]
                if rows <= _MOST_CSV_ROWS:
                    connection.execute(f"COPY {selected} TO '{target}.csv' (HEADER)")
                    kinds.append("csv")
                links = " ".join(f'<a href="data/{schema}.{name}.{kind}" download>{kind}</a>' for kind in kinds)
                lines.append(
                    f"<tr><td><code>{schema}.{name}</code></td><td class='number'>{rows:,}</td><td>{links}</td></tr>"
                )
        body = (
            '<section class="card"><h1>Data</h1><p class="lead">Every published table, as Parquet and as CSV; what'
            " columns mean is in <code>meta.columns</code>, where rows come from in <code>meta.snapshots</code>.</p>"
            "<div class='scroll'><table class='list'><thead><tr><th scope='col'>Table</th><th scope='col'>Rows</th>"
            f"<th scope='col'>Files</th></tr></thead><tbody>{''.join(lines)}</tbody></table></div></section>"
        )
        self._write("data.html", "Data", body, "", "", "data")
        return len(lines)


def _tables(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, bool]]:
    found = connection.execute(
        "SELECT table_schema, table_name, bool_or(column_name = 'may_bundle') FROM information_schema.columns"
        f" WHERE table_schema IN {_SCHEMAS} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    yield from found
