"""The parts of pages that need no browser: search, filters, addresses, formats, corners of a front."""

import datetime as dt
import io
import re
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from bokeh.models import Scatter, Segment, VArea
from bokeh.util.warnings import BokehUserWarning
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import front, scatter
from dashboards.charts.many_points import readable
from dashboards.charts.thinning import MOST_POINTS
from dashboards.data import Data
from dashboards.pages.pareto import history
from dashboards.parts import fields, filters, formats, page
from dashboards.parts.state import LeaderboardState
from warehouse.publish import Release
from warehouse.settings import Settings
from warehouse.spreadsheets import to_csv

ENTRIES = pl.DataFrame(
    {
        "entry_id": ["a", "b", "c", "d"],
        "model_id": ["google/gemma-2b", "Qwen/Qwen2-7B", "org/llama-qwen", "solo"],
        "organisation": ["google", "Qwen", "org", "solo"],
        "architecture": ["Gemma", "Qwen2ForCausalLM", None, "Llama"],
        "family": ["gemma", "qwen2", "llama", "unknown"],
        "licence": ["gemma", "apache-2.0", "mit", None],
        "precision": ["bfloat16", "float16", "4bit", None],
        "model_type": ["chat", "pretrained", "fine_tuned", None],
        "is_merged": [True, False, None, False],
        "size_gib": [5.0, 14.0, None, 0.5],
        "average": [20.0, 40.0, 30.0, 0.0],
    }
)


def found(text: str) -> list[str]:
    return filters.apply(ENTRIES, filters.Filters(search=text))["entry_id"].to_list()


def test_search_takes_words_together_parts_apart_and_fields() -> None:
    assert found("QWEN") == ["b", "c"]
    assert found("qwen llama") == ["c"]
    assert found("gemma; qwen2") == ["a", "b"]
    assert found("@licence:mit; @license:apache") == ["b", "c"]
    assert found("qwen @precision:float16") == ["b"]
    assert found('@type:"fine_tuned"') == ["c"]
    assert found("@org:google") == ["a"]
    assert found(" ; ") == ["a", "b", "c", "d"]
    assert filters.parse_search("@colour:red")[1][0].startswith("@colour is not a search field")


@given(st.text(max_size=60))
def test_no_search_text_is_an_error(text: str) -> None:
    assert set(found(text)) <= {"a", "b", "c", "d"}


def test_unknown_sizes_and_flags_are_kept_or_left_out_as_asked() -> None:
    def kept(**asked: object) -> list[str]:
        return filters.apply(ENTRIES, filters.Filters(**asked))["entry_id"].to_list()  # type: ignore[arg-type]

    assert kept(size_gib=(1.0, 10.0)) == ["a", "c"]
    assert kept(size_gib=(1.0, 10.0), unknown_size=False) == ["a"]
    assert kept(unknown_size=False) == ["a", "b", "d"]
    assert kept(flags=(("is_merged", "without"),)) == ["b", "c", "d"]
    assert kept(flags=(("is_merged", "only"),)) == ["a"]


@given(
    st.lists(st.sampled_from(["chat", "merge, with; comma&"]), unique=True),
    st.tuples(st.floats(-4, 11), st.floats(-4, 11)).map(lambda pair: tuple(sorted(round(x, 2) for x in pair))),
    st.booleans(),
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=50).filter(str.isprintable),
)
def test_an_address_gives_back_the_state_that_wrote_it(
    types: list[str], size: tuple[float, float], unknown: bool, search: str
) -> None:
    offered = ["chat", "merge, with; comma&", "other"]
    state = LeaderboardState.from_address("")
    state.offer("type", offered, [])
    state.param.update(type=types, size=size, unknown_size=unknown, search=search)
    again = LeaderboardState.from_address(state.address())
    assert again.offer("type", offered, []) == []
    assert again.settle() == []
    assert (again.type, again.unknown_size, again.search) == (types, unknown, search)
    assert again.size == pytest.approx(size, abs=1e-4)


@given(st.text(max_size=300))
def test_whatever_stands_in_an_address_the_state_stays_valid(search: str) -> None:
    state = LeaderboardState.from_address(search)
    state.offer("x", ["average", "size_gib"], "size_gib")
    state.settle()
    assert state.x in ("average", "size_gib")
    low, high = state.size
    assert -4 <= low <= high <= 11


def test_a_refused_value_is_named_and_replaced() -> None:
    state = LeaderboardState.from_address("?x=evil&size=5..1&merged=perhaps&nonsense=1")
    notes = state.offer("x", {"Average": "average"}, "average") + state.settle()
    assert state.x == "average"
    assert state.merged == "any"
    assert [any(word in note for note in notes) for word in ("evil", "5..1", "perhaps", "nonsense")] == [True] * 4
    assert state.address() == "?x=average"


def test_text_that_a_spreadsheet_would_run_is_disarmed_and_numbers_are_not() -> None:
    frame = pl.DataFrame({"text": ["=1+1", "+a", "-b", "@c", "\td", "fine", None], "number": [-1.0] * 7})
    lines = to_csv(frame).decode().splitlines()
    assert [line.split(",")[0] for line in lines[1:7]] == ["'=1+1", "'+a", "'-b", "'@c", "'\td", "fine"]
    assert lines[1].endswith(",-1.0")


def test_what_rows_are_stands_in_comments_that_lose_no_row() -> None:
    frame = pl.DataFrame({"text": ["#1", 'said "so"', None], "number": [1.5, None, -2.0]})
    written = to_csv(frame, {"what": "two\nlines", "licence": [], "columns": {"number": {"unit": "s"}}})
    assert written.decode().splitlines()[:3] == ["# what: two", "#   lines", '# columns: {"number": {"unit": "s"}}']
    assert pl.read_csv(written, comment_prefix="#").equals(frame)
    assert pd.read_csv(io.BytesIO(written), comment="#")["text"].tolist()[:2] == ["#1", 'said "so"']


@pytest.mark.parametrize(
    ("number", "text"), [(None, "–"), (7.24e9, "7.24 B"), (135e6, "135 M"), (1.5e12, "1.50 T"), (20, "20")]
)
def test_parameters_are_written_in_their_usual_multiple(number: float | None, text: str) -> None:
    assert formats.parameters(number) == text


def test_the_staircase_rises_at_each_member_and_runs_on_to_the_edge() -> None:
    members = pl.DataFrame({"x": [4.0, 1.0], "y": [30.0, 10.0]})
    assert front.staircase(members, 9.0, 0.0) == ([1.0, 1.0, 1.0, 4.0, 4.0, 9.0], [0.0, 0.0, 10.0, 10.0, 30.0, 30.0])


def test_what_a_browser_writes_into_a_chart_reaches_no_other_visitor() -> None:
    entries = ENTRIES.rename({"size_gib": "x", "average": "y"}).select("entry_id", "model_id", "precision", "x", "y")
    members = entries.head(2).with_columns(standard_error=1.0, beyond_noise_of_previous=True)
    measures = fields.measures([])
    drawn = front.Front(entries.drop_nulls("x"), members, measures["size_gib"], measures["average"])
    shared = front.drawing(drawn, "front", 400)
    charts = [front.FrontChart("front", 400) for _ in range(2)]
    for chart in charts:
        chart.show(shared)
    cloud, corners, marks = (
        next(each.data_source for each in charts[0].figure.renderers if isinstance(each.glyph, kind))
        for kind in (Scatter, VArea, Segment)
    )
    with pytest.warns(BokehUserWarning, match="immutable"):
        cloud.patch({"y": [(0, 99.0)]})
    corners.patch({"y": [(0, 99.0)]})
    marks.patch({"name": [(0, "the best model of all")]})
    for other in charts[1].figure.renderers:
        values = [value for column in readable(other.data_source).values() for value in column]
        assert 99.0 not in values
        assert "the best model of all" not in values


def test_a_choice_that_leaves_no_point_is_drawn_and_the_points_come_back() -> None:
    choice = scatter.Choice(fields.measures([])["size_gib"], fields.measures([])["average"], fields.KINDS[0])
    chart = scatter.Scatter(lambda _entry: None)
    names = []
    for entries in (ENTRIES, ENTRIES.clear(), ENTRIES):
        chart.show(scatter.points(entries, choice), choice)
        names.append(sorted(readable(chart.points.source)["name"]))
    assert names == [["Qwen/Qwen2-7B", "google/gemma-2b", "solo"], [], ["Qwen/Qwen2-7B", "google/gemma-2b", "solo"]]


def test_what_all_choose_is_worked_out_once_until_there_is_a_newer_release(tmp_path: Path) -> None:
    data = Data(Settings(home=tmp_path))
    made: list[str] = []

    def worked_out(_data: Data, choice: str) -> str:
        made.append(choice)
        return choice

    releases = iter([Release(tmp_path / name, "") for name in ("first", "first", "first", "second")])
    data.release = lambda: next(releases)  # type: ignore[method-assign]
    assert [data.shared(worked_out, choice) for choice in "aaba"] == list("aaba")
    assert made == ["a", "b", "a"]


def test_entries_that_cannot_be_drawn_are_counted_not_lost() -> None:
    measures = fields.measures([])
    drawn = scatter.points(ENTRIES, scatter.Choice(x=measures["size_gib"], y=measures["average"], log_y=True))
    assert sorted(drawn.frame["entry_id"].to_list()) == ["a", "b"]
    assert drawn.undrawn == 2


def test_more_points_than_a_browser_draws_are_sampled_and_said_to_be() -> None:
    many = pl.concat([ENTRIES.head(2)] * (MOST_POINTS // 2 + 1))
    measures = fields.measures([])
    drawn = scatter.points(many, scatter.Choice(x=measures["size_gib"], y=measures["average"]))
    assert drawn.frame.height == MOST_POINTS
    assert drawn.thinned_from == many.height


def test_the_front_of_a_day_has_those_who_entered_and_not_those_who_left() -> None:
    day = dt.date
    intervals = pl.DataFrame(
        {
            "model_id": ["old", "new", "late"],
            "entry_id": ["old", "new", "late"],
            "precision": ["float16"] * 3,
            "score": [10.0, 20.0, 30.0],
            "cost": [1e9, 1e9, 2e9],
            "entered_on": [day(2024, 1, 1), day(2024, 2, 1), day(2024, 3, 1)],
            "left_on": [day(2024, 2, 1), None, None],
        }
    )
    hypervolume = pl.DataFrame({"on_date": [day(2024, 1, 1)], "hypervolume": [1.0], "front_members": [1]})
    past = history.by_submission(intervals, hypervolume, 1e-9)
    assert past.labels == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert past.members("2024-02-01")["entry_id"].to_list() == ["new"]
    assert past.members("2024-03-01")["x"].to_list() == [1.0, 2.0]


def test_columns_of_figures_stand_to_the_right_and_dates_and_names_do_not() -> None:
    lines = [
        ("4bit", "2026-11-29", "1,234", "5.3 %", "2 ± 0.1", "8 × H100"),
        ("a", "", "–", "−1 ms", "3 (2 to 4)", "2"),
    ]
    shown = page.table(("Name", "Day", "n", "Error", "Points", "Fleet"), lines)
    assert set(re.findall(r"class=number>(\w+)</th>", shown)) == {"n", "Error", "Points"}
    assert shown.count("<td class=number>") == 6
