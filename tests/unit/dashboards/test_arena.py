"""The page of arena ratings without a browser: votes rated here, what is said where there is nothing, its lines."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import ratings_history, win_rates
from dashboards.data import Data
from dashboards.pages.arena import boards as arena_boards
from dashboards.pages.arena import explained
from dashboards.pages.arena import page as arena
from dashboards.parts import page
from pipelines.defs.arena.tables import rate_vote_files
from warehouse.contracts import TABLES, VIEWS
from warehouse.contracts import arena as contracts
from warehouse.lake import Lake
from warehouse.publish import publish
from warehouse.settings import Settings


def data_of(home: Path) -> Data:
    return Data(Settings.model_validate({"home": str(home)}))


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
    for table in (contracts.ARENA_RATINGS, contracts.ARENA_WIN_RATES):
        lake.write(table, rated.tables[table])
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
    assert "These votes have no timestamps" in text
    assert "no ratings both without and with style" in text
    best, worst = shown.rated["model"][0], shown.rated["model"][-1]
    shown.state.first, shown.state.second = worst, best
    vote = str(shown.vote._pane.object)
    assert f"Odds of {worst}" in vote
    # Elo's ratings are of this method, and Bradley–Terry's of the other, with its error.
    assert "95 % interval" in vote
    cells = main.select(lambda part: getattr(getattr(part, "object", None), "name", "") == win_rates.NAME)
    assert len(cells) == 1


def test_a_vote_is_worked_through_with_the_ratings_of_both_models_and_their_errors() -> None:
    pair = [
        {"model": name, "rating": rating, "rating_lower": rating - 6, "rating_upper": rating + 6}
        for name, rating in (("<A>", 1300.0), ("B", 1200.0))
    ]
    text = explained.worked(pair, pair)
    assert "= 0.640" in text  # the worked update of docs/explanation/ratings.md
    assert [f"{first}</td><td class=number>{second}" in text for first, second in (
        ("1,301.44", "1,198.56"), ("1,299.44", "1,200.56"), ("1,297.44", "1,202.56"),
    )] == [True, True, True]  # fmt: skip
    assert (
        "It expects 64.0 % for &lt;A&gt;, 95 % interval 62.9 % to 65.1 %: the lead of &lt;A&gt; exceeds its error"
        in text
    )
    assert "<A>" not in text
    near = [pair[0], pair[0] | {"model": "B", "rating": 1304.0, "rating_lower": 1298.0, "rating_upper": 1310.0}]
    assert "the difference is within its error" in explained.worked(near, near)
    assert "publishes no intervals" in explained.worked(pair, [row | {"rating_lower": None} for row in pair])


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
