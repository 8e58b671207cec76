"""A copy for others is made from a database that holds nothing that must stay at home."""

from pathlib import Path

import duckdb
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


def test_an_ability_that_rests_only_on_what_must_stay_is_not_in_a_copy(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": str(tmp_path)})
    release = publish(Lake(tmp_path / "lake"), TABLES, settings.published, "test", views=VIEWS)
    with duckdb.connect(release.path) as connection:
        for source, model, may_bundle in (("open", "org/both", True), ("closed", "org/both", False),
                                          ("closed", "org/alone", False), ("open", "org/other", True)):  # fmt: skip
            connection.execute(
                "INSERT INTO core.benchmark_results BY NAME"
                " SELECT $source AS source, $model AS model_id, $may_bundle AS may_bundle",
                {"source": source, "model": model, "may_bundle": may_bundle},
            )
        for model, sources in (("org/both", "closed, open"), ("org/alone", "closed"), ("a name", "closed"),
                               ("another", "open"), ("org/old", "")):  # fmt: skip
            connection.execute(
                "INSERT INTO marts.ability BY NAME SELECT 'overall' AS domain, $model AS model_id, $sources AS sources",
                {"model": model, "sources": sources},
            )
    with passed_on(settings.published) as passed:
        models = Data(settings, passed.folder).console.ask("SELECT model_id FROM marts.ability ORDER BY ALL").frame
    assert models["model_id"].to_list() == ["another", "org/both", "org/old"]
    assert "2 rows of marts.ability: all results they rest on have such a licence" in passed.left_out
