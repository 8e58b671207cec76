"""The site: built strictly from this repository alone; every table and column is in it, nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from warehouse.publish import current

from .shown import ROOT

# What a browser would fetch by itself when it opens a page; a link that a reader may follow is not among these.
_FETCHED = re.compile(r"""<(?:script|img|iframe|source)[^>]+src=["'](?:https?:)?//|<link[^>]+href=["'](?:https?:)?//""")
_FETCHED_BY_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # A proxy that nobody answers: whoever asks another host while building fails.
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1",
        "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",
    }  # fmt: skip
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-3000:]
    return folder


def test_every_table_and_column_that_is_published_stands_in_the_reference(site: Path, bundled_home: Path) -> None:
    text = "".join(page.read_text("utf-8") for page in (site / "reference" / "tables").glob("*.html"))
    with duckdb.connect(str(current(bundled_home / "published").path), read_only=True) as connection:
        columns = connection.sql(
            "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    assert len(columns) > 600
    assert [f"{table}.{column}" for table, column, comment in columns if not comment] == []
    headings = {heading.partition("<")[0] for heading in re.findall(r"<h2 id=\"[^\"]+\">([^<]+)<", text)}
    assert {table for table, _, _ in columns} <= headings
    assert [column for _, column, _ in columns if f"<code>{column}</code>" not in text] == []


def test_every_command_and_route_stands_in_the_reference(site: Path) -> None:
    commands = (site / "reference" / "commands.html").read_text("utf-8")
    for name in ("refresh", "rollback", "profile run", "profile endpoint"):
        assert f"skyline {name}</code>" in commands
    assert "/api/v1/roofline" in (site / "reference" / "http.html").read_text("utf-8")


def test_functions_are_there_with_the_source_of_their_formula(site: Path) -> None:
    page = (site / "reference" / "python" / "analytics.html").read_text("utf-8")
    assert "analytics.fronts.pareto.pareto_front" in page
    assert "Luccio" in page


def test_nothing_is_fetched_from_another_host(site: Path) -> None:
    pages = [page for page in site.rglob("*.html") if _FETCHED.search(page.read_text("utf-8"))]
    styles = [style for style in site.rglob("*.css") if _FETCHED_BY_STYLE.search(style.read_text("utf-8"))]
    assert len(list(site.rglob("*.html"))) > 40
    assert [*pages, *styles] == []
