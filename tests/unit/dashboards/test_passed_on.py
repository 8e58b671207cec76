"""A copy for others is made from a database that holds nothing that must stay at home."""

from pathlib import Path

import polars as pl

from dashboards.data import Data
from dashboards.site.passed_on import passed_on
from pipelines.defs.accuracy.tables import identified
from pipelines.sources.measurements.rows import Stated, frame_of, measured
from warehouse.contracts import TABLES, VIEWS
from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS
from warehouse.lake import Lake
from warehouse.publish import publish
from warehouse.settings import Settings


def test_rows_that_must_stay_are_in_no_query_of_a_copy_and_the_release_keeps_them(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": str(tmp_path)})
    rows = frame_of(
        [measured("tokens_per_s", value, "decode", source=f"test {value}") for value in (10, 20, 30)], Stated()
    )
    lake = Lake(tmp_path / "lake")
    lake.write(END_TO_END_MEASUREMENTS, identified(rows.with_columns(may_bundle=pl.col("value") < 15)))
    release = publish(lake, TABLES, settings.published, "test", views=VIEWS)
    count = "SELECT count(*) AS rows FROM core.end_to_end_measurements"
    with passed_on(settings.published) as passed:
        copy = Data(settings, passed.folder)
        assert copy.release().path.name == release.path.name
        assert copy.console.ask(count).frame["rows"].to_list() == [1]
        assert passed.left_out == (
            "2 rows of core.end_to_end_measurements: their licence does not let them be passed on",
        )
    assert Data(settings).console.ask(count).frame["rows"].to_list() == [3]
