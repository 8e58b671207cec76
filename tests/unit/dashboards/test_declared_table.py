"""Tables of facts: what a cell reads as."""

import polars as pl
import pytest

from dashboards.parts import ability as words
from dashboards.parts.declared_table import Fact, FactTable
from warehouse.contracts.boards import MODES

# Bokeh calls pandas so; it is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index")


def test_yes_no_and_unknown_are_words_and_unknown_is_no_no() -> None:
    table = FactTable({"name": Fact("Name"), "beyond_noise": Fact("Beyond noise")})
    table.show(pl.DataFrame({"name": ["a", "b", "c"], "beyond_noise": [True, False, None]}))
    assert table.widget[0].value["Beyond noise"].tolist() == ["yes", "no", ""]


def test_a_column_goes_by_the_name_and_unit_of_what_was_chosen() -> None:
    table = FactTable({"x": Fact("Cost", "0.0")})
    table.show(pl.DataFrame({"x": [1.5]}), {"x": Fact("Size (GiB)", "0.0", header="weights_gib")})
    assert list(table.widget[0].value.columns) == ["Size (GiB)"]
    assert table.rows().columns == ["weights_gib"]


def test_modes_of_answering_are_said_in_words() -> None:
    table = FactTable({"mode": words.FACTS["mode"]})
    table.show(pl.DataFrame({"mode": MODES}))
    assert list(table.widget[0].value["Mode"]) == ["thinking", "non-thinking", "either, not stated"]
    assert table.rows()["mode"].to_list() == list(MODES)


def test_a_table_is_made_in_the_browser_with_its_columns_and_not_before() -> None:
    table = FactTable({"name": Fact("Name")})
    assert list(table.widget) == []
    table.show(pl.DataFrame({"name": ["a"]}))
    table.show(pl.DataFrame({"name": ["b"]}))
    (shown,) = table.widget
    assert shown.value["Name"].tolist() == ["b"]
