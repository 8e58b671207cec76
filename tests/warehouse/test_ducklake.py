"""Releases in a DuckLake. DuckDB 2.0 has no such extension here; where another Python has one, the real thing is tried.

SKYLINE_DUCKLAKE_PYTHON=/path/to/python; it has duckdb 1.5, duckdb-extension-ducklake, polars, pydantic-settings and
filelock.
"""

import os
import subprocess
from pathlib import Path

import duckdb
import pytest

from warehouse.ducklake import NoDuckLake, connect
from warehouse.lake import Lake

ROOT = Path(__file__).resolve().parents[2]
PUBLISHES = """
import sys
from pathlib import Path
import duckdb, duckdb_extension_ducklake, polars
sys.path.insert(0, sys.argv[1])
from warehouse.contracts import TABLES, VIEWS
from warehouse.ducklake import connect, publish
from warehouse.lake import Lake
from warehouse.publish import BrokenRelease

work, lake = Path(sys.argv[2]), Lake(Path(sys.argv[3]))
extension = str(next(Path(duckdb_extension_ducklake.__file__).parent.rglob("ducklake.duckdb_extension")))
places = (str(work / "catalogue.ducklake"), str(work / "data"))
with connect(*places, extension=extension) as writer:
    first = publish(writer, lake, TABLES, VIEWS)
    second = publish(writer, lake, TABLES, VIEWS)
    assert second > first, (first, second)

    class Torn(Lake):
        def scan(self, table):
            return super().scan(table).head(1)

    try:
        publish(writer, Torn(lake.folder), TABLES, VIEWS)
    except BrokenRelease:
        pass
    else:
        raise AssertionError("a torn release was published")
with connect(*places, read_only=True, extension=extension) as reader:
    for table in TABLES:
        if table.schema != "raw" and lake.has(table):
            ((rows,),) = reader.sql(f"SELECT count(*) FROM {table.relation}").fetchall()
            assert rows == lake.read(table).height, table.relation
    assert reader.sql("SELECT count(*) FROM marts.choices").fetchall()[0][0] > 0
    assert reader.sql("SELECT count(*) FROM duckdb_columns() WHERE comment IS NOT NULL").fetchall()[0][0] > 500
    try:
        reader.execute("DROP TABLE marts.pareto_front")
    except duckdb.Error:
        pass
    else:
        raise AssertionError("a reader could write")
print("ok")
"""


def test_without_the_extension_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoDuckLake, match=r"has no extension `ducklake` here; .*`INSTALL ducklake` brings it"):
        connect(str(tmp_path / "catalogue"), str(tmp_path / "data"), extension=str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_a_release_in_a_ducklake_is_whole_or_the_one_before(bundled_home: Path, tmp_path: Path) -> None:
    python = os.environ.get("SKYLINE_DUCKLAKE_PYTHON")
    if not python:
        pytest.skip(f"no DuckLake for DuckDB {duckdb.__version__}; SKYLINE_DUCKLAKE_PYTHON names a Python that has one")
    arguments = [str(ROOT), str(tmp_path), str(Lake(bundled_home / "lake").folder)]
    done = subprocess.run([python, "-c", PUBLISHES, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
