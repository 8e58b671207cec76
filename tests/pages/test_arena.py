"""The page of arena ratings: boards and votes, addresses, downloads, and what is said where nothing can be."""

import csv
import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from dashboards.charts import ratings_history, win_rates
from dashboards.data import Data
from dashboards.pages import arena, arena_boards, page
from pipelines.arena_tables import rate_vote_files
from warehouse.contracts import TABLES, VIEWS
from warehouse.contracts import arena as contracts
from warehouse.lake import Lake
from warehouse.publish import publish
from warehouse.settings import Settings

from .served_pages import Served, Visit, serve, visiting

EVIL = '=cmd <img src=q onerror="window.ran=1">&'
LEADER = "Gemini-2.5-Pro"


def models(visit: Visit) -> list[str]:
    return visit.page.locator(".tabulator-row [tabulator-field=Model]").all_inner_texts()


def data_of(home: Path) -> Data:
    return Data(Settings.model_validate({"home": str(home)}))


@pytest.mark.page
def test_another_board_changes_the_ratings_and_its_address_restores_them(visit: Visit) -> None:
    shown = visit.open("arena")
    assert shown.get_by_text(f"{LEADER} leads with 1,470 (1,465 to 1,475)").first.is_visible()
    # The bundled dates share few models, so nothing says that levels held between them.
    assert shown.get_by_text("5 models on both moved by +17.0 points in the median").first.is_visible()
    before = models(visit)
    assert before[0] == LEADER
    shown.get_by_label("Board of", exact=True).select_option(index=1)
    shown.wait_for_function("location.search.includes('date=2025-02-10')")
    visit.settle()
    after = models(visit)
    assert after != before
    visit.open(visit.address())
    assert models(visit) == after
    assert visit.errors == []


@pytest.mark.page
def test_a_hostile_address_of_the_arena_falls_back_visibly(visit: Visit) -> None:
    evil = "%3Cimg+src%3Dq+onerror%3D%22window.ran%3D1%22%3E"
    shown = visit.open(f"arena?source={evil}&date=9999-99-99&top=1e9&models={evil}&licence=free&zzz=1")
    noted = shown.locator(".note").all_inner_texts()
    assert len(noted) == 6
    assert any("<img" in line for line in noted)
    assert shown.evaluate("window.ran") is None
    assert models(visit)[0] == LEADER
    assert visit.errors == []


@pytest.fixture(scope="module")
def evil_pages(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages on the bundled boards, in which the best model has a harmful name."""
    home = tmp_path_factory.mktemp("evil") / "home"
    shutil.copytree(bundled_home / "lake", home / "lake")
    lake = Lake(home / "lake")
    for table in TABLES:
        named = [name for name in table.column_names if name in ("model", "best_model", "best_proprietary_model")]
        if table.capability == "arena" and named and lake.has(table):
            lake.write(table, lake.read(table).with_columns(pl.col(named).replace(LEADER, EVIL)))
    publish(lake, TABLES, home / "published", "evil", views=VIEWS)
    yield from serve(home, tmp_path_factory.mktemp("served"))


@pytest.mark.page
def test_a_harmful_model_name_does_no_harm_on_a_phone_nor_in_a_spreadsheet(
    browser: Browser, evil_pages: Served, tmp_path: Path
) -> None:
    for visit in visiting(browser, evil_pages.url, width=390, scheme="dark"):
        shown = visit.open("arena?search=cmd;gpt")
        assert shown.get_by_text(f"{EVIL} leads with").first.is_visible()
        with shown.expect_download() as waiting:
            shown.get_by_text("CSV", exact=True).first.click()
        waiting.value.save_as(tmp_path / "rows.csv")
        with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as lines:
            names = [row["Model"] for row in csv.DictReader(lines)]
        assert names[0] == f"'{EVIL}"
        assert all("GPT" in name for name in names[1:])
        visit.open("open-vs-proprietary")
        assert shown.get_by_text(f"the best proprietary one, {EVIL}").first.is_visible()
        assert shown.evaluate("window.ran") is None
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.errors == []
        assert visit.foreign == []


def test_a_warehouse_without_boards_says_which_command_brings_them(tmp_path: Path) -> None:
    publish(Lake(tmp_path / "lake"), TABLES, tmp_path / "published", "nothing", views=VIEWS)
    with pytest.raises(page.NothingToShow, match="skyline refresh --source bundled"):
        arena.build(data_of(tmp_path), "")


@pytest.mark.data
# Panel uses names that it and pandas will drop in their next major versions; here it runs in the tests' own process.
@pytest.mark.filterwarnings("ignore:Widget.name is deprecated:PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")
def test_votes_rated_here_show_observed_win_rates_and_why_a_chart_is_missing(shared_data: Path, tmp_path: Path) -> None:
    rated = rate_vote_files([shared_data / "arena/votes/pandalm_human_battles.csv"], "judges")
    lake = Lake(tmp_path / "lake")
    lake.write(contracts.ARENA_RATINGS, rated.ratings)
    lake.write(contracts.ARENA_WIN_RATES, rated.win_rates)
    publish(lake, TABLES, tmp_path / "published", "votes", views=VIEWS)
    data = data_of(tmp_path)
    asked = "?source=votes:judges&wins=observed&method=elo"
    shown = arena.Arena(data, asked, data.ask("arena_sources"), data.ask("arena_votes_sets"))
    assert shown.state.method == "elo"
    assert shown.state.address() == "?method=elo&wins=observed"  # the only source is the default
    assert shown.rated.height == 5
    main = shown.content().main
    text = " ".join(str(getattr(part, "object", "")) for part in main.select())
    assert "as voted, ties left out" in text
    assert "These votes carry no time" in text
    assert "no ratings both without and with style" in text
    cells = main.select(lambda part: getattr(getattr(part, "object", None), "name", "") == win_rates.NAME)
    assert len(cells) == 1


@given(st.lists(st.floats(0, 3000), min_size=2, max_size=8))
def test_predicted_win_rates_of_a_pair_add_up_to_one(ratings: list[float]) -> None:
    names = [f"m{place}" for place in range(len(ratings))]
    rates = win_rates.predicted(names, ratings)
    both = {(m, o): p for m, o, p in rates.select("model", "opponent", "predicted_win_rate").iter_rows()}
    assert len(both) == len(names) * (len(names) - 1)
    assert all(np.isclose(share + both[other, model], 1) for (model, other), share in both.items())


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60)))
def test_no_line_crosses_a_break_and_no_point_is_lost(days: set[int], breaks: set[int]) -> None:
    start = dt.date(2025, 1, 1)
    dates = [start + dt.timedelta(day) for day in sorted(days)]
    after = [start + dt.timedelta(day) for day in breaks]
    runs = ratings_history.pieces(pl.DataFrame({"as_of_date": dates}), after)
    assert [day for run in runs for day in run["as_of_date"]] == dates
    for run in runs:
        first, last = run["as_of_date"][0], run["as_of_date"][-1]
        assert not any(first < date <= last for date in after)


def test_a_choice_that_was_made_is_kept_and_a_default_follows_the_data() -> None:
    state = arena_boards.ArenaState.from_address("")
    assert arena_boards.offer(state, "date", {"b": "b", "a": "a"}, "b") == []
    assert arena_boards.offer(state, "date", {"c": "c", "b": "b"}, "c") == []
    assert state.date == "c"
    state.date = "b"
    assert arena_boards.offer(state, "date", {"d": "d", "b": "b"}, "d") == []
    assert state.date == "b"
    assert "b" in arena_boards.offer(state, "date", {"e": "e"}, "e")[0]
    assert state.date == "e"
