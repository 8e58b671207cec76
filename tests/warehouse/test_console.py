"""Strangers' SQL: what they may ask is answered, and nothing else of the machine can be read, written or worn out."""

import datetime as dt
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import polars as pl
import pytest

from api.answers import Rows
from warehouse import console_worker, spreadsheets
from warehouse.console import Console, ConsoleBusy, Limits, Places, QueryCancelled, QueryFailed, QueryRefused
from warehouse.database import connect
from warehouse.lake import Lake
from warehouse.publish import NotPublished, current, publish

from .small_tables import TABLES, write_version

CANARY = "canary-4711"

# Ways out that were tried against DuckDB 2.0.0. `{folder}` holds files with the secret.
ESCAPES = (
    # Files, read by function, by name, and through what reads a relation by name
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_csv_auto('{folder}/secret.csv')",
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_blob('{folder}/secret.csv')",
    "SELECT * FROM read_json('{folder}/secret.json')",
    "SELECT * FROM read_ndjson_objects('{folder}/secret.json')",
    "SELECT * FROM read_parquet('{folder}/secret.parquet')",
    "SELECT * FROM parquet_scan('{folder}/secret.parquet')",
    "SELECT * FROM parquet_metadata('{folder}/secret.parquet')",
    "SELECT * FROM parquet_kv_metadata('{folder}/secret.parquet')",
    "SELECT * FROM read_duckdb('{folder}/secret.duckdb')",
    "SELECT * FROM sniff_csv('{folder}/secret.csv')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{folder}/secret.csv'",
    "SELECT * FROM '{folder}/secret.parquet'",
    'SELECT * FROM "{folder}/secret.json"',
    "SELECT * FROM '{folder}/secret.duckdb'",
    "SELECT * FROM query_table('{folder}/secret.csv')",
    "SELECT * FROM query_table(['{folder}/secret.csv', '{folder}/secret.csv'])",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM '/proc/self/fd/0'",
    "SELECT (SELECT content FROM read_text('{folder}/secret.csv'))",
    "SELECT * FROM (SELECT 1), LATERAL (FROM read_text('{folder}/secret.csv'))",
    "WITH x AS MATERIALIZED (FROM READ_TEXT('{folder}/secret.csv')) FROM x",
    "VALUES ((SELECT count(*) FROM glob('{folder}/*')))",
    # The network and extensions
    "SELECT * FROM 'https://example.com/x.csv'",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{folder}/secret.csv'",
    "FORCE INSTALL spatial FROM community",
    # Writing
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY marts.versions TO '{folder}/out.parquet'",
    "WITH x AS (COPY (SELECT 1) TO '{folder}/out.csv') FROM x",
    "EXPORT DATABASE '{folder}/out'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/out.csv'",
    "CREATE TABLE t (x INTEGER)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE TABLE memory.main.t AS SELECT 1",
    "CREATE MACRO read_it() AS TABLE FROM read_text('{folder}/secret.csv')",
    "INSERT INTO marts.versions VALUES (1, 1)",
    "WITH d AS (DELETE FROM marts.versions RETURNING *) FROM d",
    "UPDATE marts.versions SET version = 9",
    "DROP TABLE marts.versions",
    "CHECKPOINT",
    "FROM checkpoint()",
    "FROM force_checkpoint()",
    "VACUUM",
    # Other databases
    "ATTACH '{folder}/secret.duckdb' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH skyline",
    "USE memory",
    # Settings
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "SET lock_configuration = false",
    "RESET memory_limit",
    "SET VARIABLE x = 1",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "PRAGMA enable_external_access = true",
    "CALL enable_logging()",
    "FROM enable_logging()",
    "FROM enable_profiling()",
    "FROM duckdb_settings()",
    "FROM duckdb_secrets()",
    "FROM which_secret('s3://x', 's3')",
    "FROM pg_catalog.pg_settings",
    # What runs other SQL, or takes addresses of memory
    "FROM query('FROM read_text(''{folder}/secret.csv'')')",
    "FROM json_execute_serialized_sql('{{}}')",
    "EXECUTE x",
    "PREPARE x AS SELECT 1",
    "FROM arrow_scan(1::UBIGINT::POINTER, 1::UBIGINT::POINTER, 1::UBIGINT::POINTER)",
    "FROM pandas_scan(1::UBIGINT::POINTER)",
    "FROM python_map_function(1)",
    "FROM create_external_resource('x')",
    "FROM register_external_resource('x')",
    # Where it lies, and the environment
    "SELECT getenv('SKYLINE_CANARY')",
    # What waits, writes or counts, wherever it stands
    "SELECT sleep_ms(10)",
    "SELECT pg_sleep(1)",
    'SELECT "Sleep_MS"(10)',
    "SELECT main.sleep_ms(10)",
    "SELECT list_transform([1], lambda x: sleep_ms(x))",
    "FROM range(3) WHERE sleep_ms(range) IS NULL",
    "EXPLAIN ANALYZE SELECT sleep_ms(10)",
    "PIVOT (SELECT sleep_ms(10) AS x, 'a' AS y) ON y USING sum(x)",
    "SELECT write_log('x')",
    "SELECT nextval('x')",
    "EXPLAIN FROM read_text('{folder}/secret.csv')",
    "EXPLAIN ANALYZE FROM read_text('{folder}/secret.csv')",
    "EXPLAIN (ANALYZE) FROM read_text('{folder}/secret.csv')",
    "EXPLAIN CREATE TABLE t (x INTEGER)",
    "EXPLAIN (FORMAT json) DELETE FROM marts.versions",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "PIVOT (FROM read_text('{folder}/secret.csv')) ON filename USING count(*)",
    "PIVOT (FROM query('SELECT 1 AS x')) ON x USING count(*)",
    "PIVOT (FROM query_table('duckdb' || '_databases')) ON path USING count(*)",
    "PIVOT duckdb_databases ON path USING count(*)",
    "PIVOT '{folder}/secret.csv' ON a USING count(*)",
    "CREATE TABLE t AS PIVOT marts.versions ON version USING count(*)",
    "COPY (PIVOT marts.versions ON version USING count(*)) TO '{folder}/out.csv'",
    "PIVOT marts.versions ON version USING count(*)) ; COPY (SELECT 1) TO '{folder}/out.csv'; FROM (SELECT 1",
    "WITH x AS (SELECT 1) INSERT INTO marts.versions FROM x",
    "FROM duckdb_databases()",
    "FROM duckdb_databases",
    "FROM system.main.PRAGMA_DATABASE_LIST",
    "FROM query_table('duckdb_databases')",
    "FROM query_table('duckdb' || '_databases')",
    "FROM query_table(['system.main.' || 'duckdb' || '_databases'])",
    "FROM pragma_database_size()",
    "FROM duckdb_logs()",
    "FROM duckdb_temporary_files()",
    "FROM duckdb_extensions()",
    # Several at once
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE marts.versions",
    "SELECT 1) LIMIT 1; COPY (SELECT 1) TO '{folder}/out.csv'; --",
    "SELECT 1) UNION ALL (SELECT 2",
    "BEGIN",
    "",
    "-- nothing",
)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "secret.csv").write_text(f"a\n{CANARY}\n")
    (folder / "secret.json").write_text(f'{{"a": "{CANARY}"}}\n')
    pl.DataFrame({"a": [CANARY]}).write_parquet(folder / "secret.parquet")
    with duckdb.connect(str(folder / "secret.duckdb")) as connection:
        connection.execute(f"CREATE TABLE kept AS SELECT '{CANARY}' AS a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYLINE_CANARY", CANARY)
        yield folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("console")
    lake = Lake(folder / "lake")
    write_version(lake, 1, rows=3)
    publish(lake, TABLES, folder / "published", "first")
    return folder / "published"


@pytest.fixture
def console(published: Path) -> Console:
    return Console(published, Limits(seconds=20, memory_mib=128))


def in_this_process(sql: str, published: Path) -> pl.DataFrame:
    """What the worker answers, without its process and without what the operating system forbids it."""
    with (published / "skyline.duckdb").open("rb") as database:
        request = {"sql": sql, "database": database.fileno(), "memory_mib": 128, "rows": 100, "threads": 1}
        request["cells"] = 10_000
        frame: pl.DataFrame = pl.DataFrame(pl.from_arrow(console_worker.ask(request)[0]))
        return frame


@pytest.mark.parametrize("statement", ESCAPES)
def test_there_is_no_way_out(statement: str, published: Path, secrets: Path) -> None:
    before = sorted(path.name for path in secrets.iterdir())
    with pytest.raises((console_worker.Refused, duckdb.Error)) as refused:
        in_this_process(statement.format(folder=secrets), published)
    assert CANARY not in str(refused.value)
    assert sorted(path.name for path in secrets.iterdir()) == before


def test_every_function_that_reads_a_relation_was_judged() -> None:
    # A new version of DuckDB brings new functions; whoever allows one looks at what it does.
    known = {name for (name,) in duckdb.sql("SELECT function_name FROM duckdb_functions()").fetchall()}
    assert known >= console_worker.TABLE_FUNCTIONS
    for name in console_worker.TABLE_FUNCTIONS:
        assert not name.startswith(("read_", "parquet", "arrow", "pandas", "python", "enable"))


def test_no_view_that_can_be_read_tells_where_the_database_lies(published: Path) -> None:
    views = in_this_process("SELECT schema_name || '.' || view_name AS v FROM duckdb_views() WHERE internal", published)
    readable = [view for view in views["v"] if not any(word in view for word in console_worker.TELLING)]
    assert len(readable) > 30
    contents = ", ".join(f"(SELECT string_agg(x::VARCHAR, ' ') FROM system.{view} x)" for view in readable)
    contents_text = in_this_process(f"SELECT {contents}", published).row(0)
    assert [view for view, text in zip(readable, contents_text, strict=True) if str(published) in str(text)] == []
    for word in console_worker.TELLING:
        with pytest.raises(console_worker.Refused, match="not disclosed"):
            in_this_process(f"FROM {word}", published)


def test_every_kind_of_question_is_answered_with_rows(console: Console) -> None:
    for sql, columns in (
        ("EXPLAIN FROM marts.versions", ["explain_key", "explain_value"]),
        ("EXPLAIN ANALYZE SELECT sum(version) FROM marts.versions", ["explain_key", "explain_value"]),
        ("EXPLAIN (FORMAT json) SELECT (1 + 2) AS x", ["explain_key", "explain_value"]),
        ("explain /* a comment */ (SELECT 1)", ["explain_key", "explain_value"]),
        (
            "PIVOT (SELECT row, 'v' || version AS v FROM marts.versions) ON v USING count(*) GROUP BY row;",
            ["row", "v1"],
        ),
        ("FROM (PIVOT marts.versions ON version USING count(*) GROUP BY row)", ["row", "1"]),
        ("WITH x AS (FROM marts.versions) PIVOT x ON version USING count(*) GROUP BY row", ["row", "1"]),
        ("UNPIVOT marts.versions ON row, version", ["name", "value"]),
        ("DESCRIBE marts.versions", ["column_name"]),
        ("SUMMARIZE marts.versions", ["column_name"]),
        ("SHOW ALL TABLES", ["database"]),
        ("TABLE marts.versions", ["row", "version"]),
    ):
        answer = console.ask(sql)
        assert answer.frame.columns[: len(columns)] == columns, sql
        assert answer.frame.height > 0, sql


VALUES = {
    "170141183460469231731687303715884105727::HUGEINT": "170141183460469231731687303715884105727",
    "(-170141183460469231731687303715884105728)::HUGEINT": "-170141183460469231731687303715884105728",
    "340282366920938463463374607431768211455::UHUGEINT": "340282366920938463463374607431768211455",
    "9223372036854775808::HUGEINT": "9223372036854775808",
    "9223372036854775807::HUGEINT": 9223372036854775807,
    "18446744073709551615::UBIGINT": 18446744073709551615,
    "'infinity'::DATE": "infinity",
    "'-infinity'::DATE": "-infinity",
    "DATE '290000-01-01'": "290000-01-01",
    "DATE '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "DATE '9999-12-31'": dt.date(9999, 12, 31),
    "'infinity'::TIMESTAMP": "infinity",
    "TIMESTAMP '290000-01-01'": "290000-01-01 00:00:00",
    "'-infinity'::TIMESTAMPTZ": "-infinity",
    "'infinity'::TIMESTAMP_NS": "infinity",
    "'2024-01-02 03:04:05.123456789'::TIMESTAMP_NS": "2024-01-02 03:04:05.123456789",
    "'infinity'::TIMESTAMP_S": "infinity",
    "TIME '24:00:00'": "24:00:00",
    "TIME '23:59:59'": dt.time(23, 59, 59),
    "'24:00:00+15'::TIMETZ": "24:00:00+15",
    "'\\xFF\\x00a'::BLOB": "\\xFF\\x00a",
    "['\\xFF'::BLOB]": "['\\\\xFF']",
    "['infinity'::DATE]": "[infinity]",
    "{'a': 'infinity'::DATE}": "{'a': infinity}",
    "[TIME '24:00:00']": "['24:00:00']",
    "[170141183460469231731687303715884105727::HUGEINT]": "[170141183460469231731687303715884105727]",
    "array_value('infinity'::DATE)": "[infinity]",
    "[MAP {1: 'a'}]": "[{1=a}]",
    "'NaN'::DOUBLE": math.nan,
    "'a'::ENUM ('a')": "a",
    "NULL": None,
    "uuid() IS NULL": False,
}


@pytest.mark.parametrize("sql", VALUES)
def test_a_value_that_no_frame_can_hold_is_text_and_never_another_value(published: Path, sql: str) -> None:
    frame = in_this_process(f"SELECT {sql} AS v, NULL::INTEGER AS beside", published)
    (value,) = frame["v"].to_list()
    expected = VALUES[sql]
    assert type(value) is type(expected), value
    assert repr(value) == repr(expected)
    # Whoever writes it down can.
    assert Rows(rows=frame.to_dicts()).model_dump_json()
    assert spreadsheets.to_csv(frame)


@pytest.mark.parametrize("sql", ["SHOW TABLES", "SHOW ALL TABLES", "SELECT table_name AS name FROM duckdb_tables()"])
def test_who_lists_tables_sees_what_is_published_and_nothing_that_answering_needs(published: Path, sql: str) -> None:
    with connect(current(published).path, read_only=True) as connection:
        expected = connection.sql(f"SELECT name FROM ({sql}) ORDER BY 1").fetchall()
    assert sorted(in_this_process(sql, published)["name"]) == [name for (name,) in expected]


def test_cells_are_bounded_as_rows_are(console: Console) -> None:
    wide = "SELECT " + ", ".join(f"range AS c{n}" for n in range(100)) + " FROM range(1000)"
    answer = console.ask(wide, Limits(cells=5_000))
    assert (answer.frame.shape, answer.is_cut) == ((50, 100), True)
    with pytest.raises(QueryRefused, match="its 100 columns are more than 50 cells"):
        console.ask(wide, Limits(cells=50))


def test_nobody_has_a_second_place_while_somebody_waits_for_a_first() -> None:
    places = Places(4)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(places.place("greedy"))
        with pytest.raises(ConsoleBusy, match="2 of your statements"), places.place("greedy"):
            pass
        held.enter_context(places.place("another"))
        with pytest.raises(ConsoleBusy, match="1 of your statements"), places.place("another"):
            pass
        # The last place is for whoever has none; the next of these waits until one is free.
        last = held.enter_context(ExitStack())
        last.enter_context(places.place("third"))
        threading.Timer(0.3, last.close).start()
        began = time.monotonic()
        with places.place("fourth"):
            assert 0.2 < time.monotonic() - began < 3
            with pytest.raises(ConsoleBusy, match="Too many statements"), places.place("fifth"):
                pass


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1 AS a, 2 AS a", [(1, 2)]),
        ("FROM marts.versions WHERE version = 1 ORDER BY ALL DESC; -- the end", [(2, 1), (1, 1), (0, 1)]),
        ("WITH x AS (SELECT sum(version) AS s FROM marts.versions) FROM x", [(3,)]),
        ("FROM query_table('marts.versions') LIMIT 1", [(0, 1)]),
        ("SELECT count(*) FROM pareto_front('core.points', size, score)", [(0,)]),
        ("FROM front_on(DATE '2024-01-01' + 1)", []),
        ("SELECT column_name FROM (DESCRIBE marts.versions)", [("row",), ("version",)]),
        ("SELECT count(*) > 3 FROM meta.columns", [(True,)]),
        ("SELECT INTERVAL 1 DAY, MAP {1: 2}, '101'::BIT, [1], '<b>'", [("1 day", "{1=2}", "101", [1], "<b>")]),
    ],
)
def test_what_may_be_asked_is_answered(console: Console, sql: str, rows: list[object]) -> None:
    assert console.ask(sql).frame.rows() == rows


def test_the_whole_way_keeps_the_same_walls(console: Console, secrets: Path) -> None:
    for statement in ("FROM read_text('{folder}/secret.csv')", "COPY (SELECT 1) TO '{folder}/out.csv'", "SET x = 1"):
        with pytest.raises(QueryRefused, match=r"Refused: .*(not available|only SELECT)"):
            console.ask(statement.format(folder=secrets))
    for statement in ("FROM '{folder}/secret.csv'", "SELECT getenv('SKYLINE_CANARY')", "FROM nothing", "SELEC 1"):
        with pytest.raises(QueryFailed, match="The query failed: ") as failed:
            console.ask(statement.format(folder=secrets))
        assert "LIMIT" not in str(failed.value)
        assert CANARY not in str(failed.value)


@pytest.mark.parametrize(
    ("sql", "limits", "reason"),
    [
        ("SELECT count(*) FROM range(10000000000) a, range(1000000) b", Limits(seconds=1), "longer than 1 s"),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
            Limits(seconds=1),
            "longer than 1 s",
        ),
        ("SELECT repeat('x', 3000000000)", Limits(), "more than 512 MiB of memory"),
        ("SELECT list(x) FROM range(1000000000) t(x)", Limits(memory_mib=64), "more than 64 MiB of memory"),
        ("SELECT repeat('x', 1000) FROM range(9000)", Limits(result_mib=4), "larger than 4 MiB"),
        ("SELECT " + "(" * 40_000 + "1" + ")" * 40_000, Limits(), "memory|nested|depth"),
        ("SELECT " + "1+" * 60_000 + "1", Limits(), "100,000 bytes"),
        ("SELECT '\ud800'", Limits(), "holds half a character"),
    ],
)
def test_what_would_wear_the_machine_out_is_ended(console: Console, sql: str, limits: Limits, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises((QueryRefused, QueryFailed), match=reason):
        console.ask(sql, limits)
    assert time.monotonic() - began < limits.seconds + 10


def test_own_rows_are_tables_of_their_asker_alone_within_the_same_walls(console: Console) -> None:
    own = {"core.results": pl.DataFrame({"name": ["mine", None], "day": [dt.date(2026, 1, 2), None], "of": [[1], []]})}
    asked = "SELECT name, day, of FROM yours.core.results UNION ALL BY NAME SELECT 'theirs' AS name ORDER BY ALL"
    assert console.ask(asked, own=own).frame["name"].to_list() == ["mine", "theirs", None]
    assert console.ask("FROM yours.core.results", own=own).frame.rows() == own["core.results"].rows()
    with pytest.raises(QueryFailed, match="yours"):
        console.ask("FROM yours.core.results")
    with pytest.raises(QueryRefused, match="only SELECT"):
        console.ask("INSERT INTO yours.core.results BY NAME SELECT 'x' AS name", own=own)
    wide = {"core.results": pl.DataFrame({"name": ["x" * 1000] * 2000})}
    with pytest.raises(QueryRefused, match="more than 1 MiB"):
        console.ask("SELECT 1", Limits(own_mib=1), own=wide)


def test_more_rows_than_asked_for_are_cut_and_said_to_be(console: Console) -> None:
    answer = console.ask("FROM range(50)", Limits(rows=7))
    assert (answer.frame.height, answer.is_cut) == (7, True)
    exact = console.ask("FROM range(7)", Limits(rows=7))
    assert (exact.frame.height, exact.is_cut) == (7, False)


def test_a_question_can_be_taken_back_and_another_waits_for_no_one(published: Path, console: Console) -> None:
    narrow = Console(published, Limits(seconds=30), at_once=1)
    cancel = threading.Event()
    outcome: list[BaseException] = []

    def ask() -> None:
        try:
            narrow.ask("SELECT count(*) FROM range(10000000000) a, range(1000000) b", cancel=cancel)
        except QueryCancelled as cancelled:
            outcome.append(cancelled)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    with pytest.raises(ConsoleBusy, match="try again"):
        narrow.ask("SELECT 1")
    began = time.monotonic()
    cancel.set()
    asking.join()
    assert time.monotonic() - began < 5
    assert [str(error) for error in outcome] == ["The query was cancelled."]
    assert narrow.ask("SELECT 1").frame.item() == 1
    assert not _children()


def _children() -> list[str]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    if not tasks.is_dir():
        pytest.skip("only /proc tells the children of a process")
    listed = [child for task in tasks.iterdir() for child in (task / "children").read_text().split()]
    return [c for c in listed if b"console_worker" in Path(f"/proc/{c}/cmdline").read_bytes()]


def test_the_newest_release_is_asked_and_without_one_the_error_says_what_to_do(lake: Lake, tmp_path: Path) -> None:
    console = Console(tmp_path / "published")
    with pytest.raises(NotPublished, match="skyline refresh"):
        console.ask("SELECT 1")
    for version in (1, 2):
        write_version(lake, version, rows=3)
        newest = publish(lake, TABLES, tmp_path / "published", "f", keep=1)
    answer = console.ask("SELECT max(version) FROM marts.versions")
    assert (answer.frame.item(), answer.release) == (2, newest)
