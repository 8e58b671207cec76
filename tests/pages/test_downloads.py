"""Every table and chart that can be downloaded: one form of headers, units, and what the rows are, in every form."""

import io
import json
import re
from pathlib import Path

import panel as pn
import polars as pl
import pytest

from dashboards import downloads, objects
from dashboards.data import Data
from dashboards.pages import PAGES, SUBJECTS
from warehouse.columns import unit_of
from warehouse.contracts import TABLES, VIEWS
from warehouse.settings import Settings

# Of what Panel does, and what it will do otherwise one day.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword", "ignore::PendingDeprecationWarning")

HEADER = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
SAID = {"what", "columns", "source", "licence", "as_of", "warehouse", "query", "address"}
OPENED = {
    "model": "?id=Qwen/Qwen3-32B", "device": "?id=RTX-4090", "leaderboard": "?board=open_llm",
    "pareto": "?board=open_llm", "scaling": "?board=open_llm", "patterns": "?board=open_llm",
}  # fmt: skip
ASKED = [(page, "") for page in PAGES]
ASKED += [(page, OPENED[page.name]) for page in (*PAGES, *SUBJECTS) if page.name in OPENED]


@pytest.fixture(scope="module")
def data(bundled_home: Path) -> Data:
    """What pages ask."""
    return Data(Settings.model_validate({"home": str(bundled_home)}))


@pytest.mark.parametrize(("page", "search"), ASKED, ids=lambda value: getattr(value, "name", value))
def test_tables_and_charts_have_one_form_of_headers_and_say_what_they_are(data: Data, page, search: str) -> None:  # type: ignore[no-untyped-def]
    content = page.build(data, search)
    for button in content.main.select(pn.widgets.FileDownload):
        name, _, form = str(button.filename).rpartition(".")
        written = button.callback().getvalue()
        if form == "csv":
            comments = [line for line in written.decode().splitlines() if line.startswith("#")]
            said = {line[2:].partition(":")[0] for line in comments}
            assert said >= {"what", "source", "as_of", "warehouse"}, name
            # Where nothing was asked for yet, there are no columns.
            is_empty = len(written.splitlines()) == len(comments)
            frame = pl.DataFrame() if is_empty else pl.read_csv(written, infer_schema=False, comment_prefix="#")
        elif form == "parquet":
            frame, about = pl.read_parquet(written), pl.read_parquet_metadata(io.BytesIO(written))
            assert about.keys() >= SAID - {"address"}, name
        else:
            about = json.loads(written)
            assert about.keys() >= SAID, name
            frame = pl.DataFrame(about["rows"], infer_schema_length=None)
            assert set(about["columns"]) >= set(frame.columns), name
        if name != "query_result":
            assert [column for column in frame.columns if not HEADER.fullmatch(column)] == [], name
    for chart in objects.charts(content, page.slug, search).values():
        rows = objects.rows(chart)
        assert [column for column in rows.columns if not HEADER.fullmatch(column)] == [], chart.name
        assert objects.describe(chart, data, "http://here/").keys() >= SAID, chart.name
        assert pl.read_parquet(downloads.file("parquet", rows, {})).equals(rows), chart.name


def test_a_column_has_one_unit_wherever_it_stands() -> None:
    units: dict[str, set[str]] = {}
    for table in (*TABLES, *VIEWS):
        for column in table.columns:
            units.setdefault(column.name, set()).add(column.unit)
    # Scores are in the unit of their board, which a column beside them states.
    of_a_board = {
        "score", "standard_error", "error_pct", "mmlu", "change", "gap_points", "gap_least", "gap_most", "intercept",
        "points_per_doubling", "points_per_doubling_lower", "points_per_doubling_upper", "root_mean_square_error",
        "parameters",
    }  # fmt: skip
    assert {name for name, several in units.items() if len(several) > 1} == of_a_board


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("tokens_per_s_low", "tokens/s"), ("memory_high_gib", "GiB"), ("ability_low", "index points"),
        ("g_co2e_low_per_million_tokens", "g per million tokens"), ("usd_per_hour", "USD per hour"),
        ("time_to_first_token_p90_s", "s"), ("model_id", ""),
    ],
)  # fmt: skip
def test_the_unit_of_a_column_is_that_of_the_contracts_or_of_its_end(column: str, unit: str) -> None:
    assert unit_of(column) == unit
