"""Charts whose data is swapped keep columns for all that their marks ask for."""

import polars as pl
import pytest
from bokeh.core.validation import check_integrity

from dashboards.charts import house


def _rows(*colours: str) -> pl.DataFrame:
    rows = [(float(place), 1.0, colour, "circle") for place, colour in enumerate(colours)]
    return pl.DataFrame(rows, {"x": pl.Float64, "y": pl.Float64, "colour": pl.String, "mark": pl.String}, orient="row")


@pytest.mark.parametrize("before", [(), ("#aa0000", "#00aa00")])
@pytest.mark.parametrize("after", [(), ("#aa0000",), ("#aa0000", "#aa0000"), ("#aa0000", "#00aa00")])
def test_dots_of_any_colours_may_follow_any_others(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    chart = house.HouseChart(
        "dots", lambda rows: house.dots(rows, "x", "y", [], []), _rows(*before), height=200, kinds=("linear", "linear")
    )
    chart.swap(_rows(*after))
    assert [issue.name for issue in check_integrity(chart.figure.references()).error] == []
    source = chart.figure.renderers[0].data_source
    glyph = chart.figure.renderers[0].glyph
    for colour in (glyph.fill_color, glyph.line_color):
        drawn = [colour] * len(after) if isinstance(colour, str) else list(source.data[colour.field])
        assert drawn == list(after)
