"""Every row of the published systems names a page, a command, a table and a test that are there."""

import re
from pathlib import Path

from dashboards.pages import PAGES
from warehouse.contracts import BY_RELATION
from warehouse.reader import Reader

from .shown import ROOT, Page

SYSTEMS = Page("docs/systems.md")
ROWS = re.findall(
    r"^\| (.+?) \| `([\w-]+)` \| `(.+?)` \| `([\w.]+)` \| `(\S+)` \|$", (ROOT / SYSTEMS.name).read_text(), re.MULTILINE
)


def test_there_is_a_line_for_each_of_the_39_rows() -> None:
    assert len(ROWS) == 39
    assert len({what for what, *_ in ROWS}) == 39


def test_a_row_names_a_page_a_table_and_a_test_that_are_there_and_a_command_that_is_run() -> None:
    run = set(SYSTEMS.run())
    slugs = {page.slug or "home" for page in PAGES}
    wrong = [
        what
        for what, page, command, table, test in ROWS
        if page not in slugs or table not in BY_RELATION or not (ROOT / test).is_file() or command not in run
    ]
    assert wrong == []


def test_every_table_has_rows_on_the_bundled_facts_but_for_those_that_the_page_names(bundled_home: Path) -> None:
    reader = Reader(bundled_home / "published")
    tables = {table for *_, table, _ in ROWS}
    empty = {table for table in tables if not reader.query(f"SELECT count(*) FROM {table}").item()}
    head = (ROOT / SYSTEMS.name).read_text("utf-8").partition("\n## ")[0]
    assert empty == set(re.findall(r"`(\w+\.\w+)`", head))
