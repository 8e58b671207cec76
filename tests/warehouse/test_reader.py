"""Reading: named parameters, whole results, nothing written, and the newest release at the next question."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from warehouse.lake import Lake
from warehouse.publish import NotPublished, publish
from warehouse.reader import Reader

from .small_tables import TABLES, write_version


@pytest.fixture
def reader(lake: Lake, published: Path) -> Reader:
    write_version(lake, 1, rows=3)
    publish(lake, TABLES, published, "first")
    return Reader(published)


def test_a_query_takes_named_parameters_and_gives_a_whole_frame(reader: Reader) -> None:
    frame = reader.query('SELECT "row" FROM marts.versions WHERE "row" >= $least ORDER BY 1', {"least": 1})
    assert frame["row"].to_list() == [1, 2]
    assert reader.query("FROM core.points").is_empty()


def test_a_new_release_is_read_at_the_next_query(reader: Reader, lake: Lake, published: Path) -> None:
    assert reader.query("SELECT max(version) AS v FROM marts.versions")["v"].item() == 1
    write_version(lake, 2, rows=3)
    newer = publish(lake, TABLES, published, "second")
    assert reader.release() == newer
    assert reader.query("SELECT max(version) AS v FROM marts.versions")["v"].item() == 2


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM marts.versions",
        "CREATE TABLE marts.more (x INTEGER)",
        "DROP TABLE marts.versions",
        "UPDATE marts.versions SET version = 9",
    ],
)
def test_nothing_can_be_written_through_a_reader(reader: Reader, sql: str) -> None:
    with pytest.raises(duckdb.Error, match="read-only"):
        reader.query(sql)
    assert reader.query("SELECT count(*) AS n FROM marts.versions")["n"].item() == 3


def test_where_nothing_is_published_the_reader_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="run `skyline refresh` first"):
        Reader(tmp_path / "nothing").query("SELECT 1")


def test_a_process_that_looks_interactive_prints_no_bar(reader: Reader) -> None:
    asked = (
        "import sys; from pathlib import Path; from warehouse.reader import Reader; "
        "print(Reader(Path(sys.argv[1])).query(\"SELECT current_setting('enable_progress_bar') AS bar\")['bar'].item())"
    )
    folder = str(reader.release().path.parent)
    run = subprocess.run([sys.executable, "-c", asked, folder], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
