"""What the first page says of sources: their own dates, each under its kind, and what an ability was measured on."""

import datetime as dt
import html
import re
from pathlib import Path
from urllib.parse import parse_qs

import duckdb
import polars as pl
import pytest

from dashboards.data import Data
from dashboards.pages import PAGES, home
from dashboards.parts.templates import render
from pipelines.sources.arena.recognition import recognise
from pipelines.sources.recognised import Unread
from warehouse.contracts import BY_RELATION
from warehouse.contracts.sources import SNAPSHOTS
from warehouse.reader import Reader
from warehouse.settings import Settings

FOLDER = Path(home.__file__).parent
TODAY = dt.datetime.now(dt.UTC)


def asked(name: str, *rows: dict[str, object], boards: pl.DataFrame | None = None) -> list[dict[str, object]]:
    """Answer of a query of the page on such stored files and declared boards."""
    common = {
        "as_of_date": TODAY.date(), "layout": "x", "uri": "x", "sha256": "0", "size_bytes": 1, "rows_read": 1,
        "rows_loaded": 1, "rows_rejected": 0, "retrieved_at": TODAY, "coverage": "full", "is_dated": True,
    }  # fmt: skip
    stored = pl.DataFrame(
        [common | {"snapshot_id": str(n)} | row for n, row in enumerate(rows)], SNAPSHOTS.polars_schema
    )
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA meta")
        connection.register("stored", stored)
        connection.execute("CREATE TABLE meta.snapshots AS FROM stored")
        connection.register("boards", BY_RELATION["meta.board_sources"].empty() if boards is None else boards)
        connection.execute("CREATE TABLE meta.board_sources AS FROM boards")
        return connection.sql((FOLDER / f"{name}.sql").read_text()).to_arrow_table().to_pylist()


def test_a_source_that_says_no_date_has_none() -> None:
    kernels = {"source": "kernel_tables", "board": "H100-SXM", "is_dated": False}
    board = {"source": "board_aider", "board": "aider", "as_of_date": dt.date(2025, 10, 4)}
    dated, undated = asked("freshness", kernels, board)
    assert (dated["board"], dated["first"], dated["latest"]) == ("aider", dt.date(2025, 10, 4), dt.date(2025, 10, 4))
    assert (undated["board"], undated["first"], undated["latest"]) == ("kernel_tables", None, None)
    assert [row["as_of_date"] for row in asked("retrieved", kernels, board)] == [dt.date(2025, 10, 4), None]


def test_a_source_that_is_down_is_shown_though_it_never_gave_anything() -> None:
    boards = pl.DataFrame(
        [
            {"source": "aider", "freshness": "late", "last_outcome": "it answers 500"},
            {"source": "gone", "freshness": "never", "last_outcome": "no route to it"},
            {"source": "never_asked", "freshness": "never"},
        ],
        schema=BY_RELATION["meta.board_sources"].polars_schema,
    )
    rows = asked("freshness", {"source": "board_aider", "board": "aider"}, boards=boards)
    assert [(row["board"], row["snapshots"], row["last_outcome"]) for row in rows] == [
        ("aider", 1, "it answers 500"), ("gone", 0, "no route to it")
    ]  # fmt: skip
    text = render(home.__file__, "contents.html", part="freshness", rows=rows)
    assert "late: it answers 500" in text
    assert "never: no route to it" in text


def test_raw_results_of_a_board_are_no_measured_runs() -> None:
    raw = {"source": "open_llm_leaderboard", "board": "open_llm_v2", "coverage": "run"}
    bundle = {"source": "profile_bundles", "board": "cc74f8ca3b0caaa2", "coverage": "run"}
    counted = {row["board"]: row["snapshots"] for row in asked("freshness", raw, raw, bundle)}
    assert counted == {"open_llm_v2_raw_results": 2, "measured_runs": 1}


def test_a_file_without_a_date_is_known_to_have_none() -> None:
    votes = b"model_a,model_b,winner\nx,y,model_a\n"
    undated = recognise(Unread(votes, ".csv", "votes.csv", {}))
    dated = recognise(Unread(votes, ".csv", "votes-2024-01-02.csv", {}))
    assert undated is not None
    assert dated is not None
    assert (undated.is_dated, dated.is_dated, dated.as_of) == (False, True, dt.date(2024, 1, 2))


def text_of(settings: Settings, address: str) -> str:
    """Texts of a page as its markup has them, or the answer to the query that the address asks."""
    slug, _, search = address.partition("?")
    if slug == "sql":
        return Reader(settings.published).query(parse_qs(search)["sql"][0]).write_csv(separator="\t")
    (page,) = (page for page in PAGES if page.slug == slug)
    shown = (getattr(part, "object", None) for part in page.build(Data(settings), f"?{search}").main.select())
    return " ".join(part for part in shown if isinstance(part, str))


@pytest.mark.filterwarnings("ignore:The inplace keyword", "ignore::PendingDeprecationWarning")
def test_the_first_page_states_only_what_the_views_that_it_links_state(bundled_home: Path) -> None:
    settings = Settings.model_validate({"home": str(bundled_home)})
    findings = re.findall(r"<li>(.*?) <a href=\"([^\"]*)\">See it", text_of(settings, ""))
    assert {link.partition("?")[0] for _, link in findings} >= {
        "advisor", "open-vs-proprietary", "scaling", "sql", "choices"
    }  # fmt: skip
    for sentence, link in findings:
        text = re.sub(r"\d{4}-\d\d-\d\d", "", html.unescape(re.sub(r"<[^>]*>", "", sentence)))
        figures = {
            figure.rstrip(".,").replace(",", "") for figure in re.findall(r"(?<![\w.-])\d[\d,.]*(?![\w-])", text)
        }
        stated = re.sub(r"<[^>]*>", " ", text_of(settings, html.unescape(link))).replace(",", "")
        absent = [figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d|\.\d)", stated)]
        assert absent == [], (sentence, link)
