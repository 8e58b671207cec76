"""One statement of a stranger, in a process made for it: no files, no network, little memory, and an end.

Run as a script by `warehouse.console`, isolated from our packages and from the environment. It reads one request from
standard input, and writes one line of JSON and then, if that says `ok`, the rows as an Arrow stream.
"""

import contextlib
import io
import json
import os
import resource
import sys
from collections.abc import Iterator, Set
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

# What a statement may call in FROM. Everything else is refused by its name, whatever DuckDB adds: some read files,
# some write logs, some take addresses of memory, and `query` runs SQL that nobody has looked at.
TABLE_FUNCTIONS = frozenset({
    "duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_keywords", "duckdb_schemas", "duckdb_tables",
    "duckdb_types", "duckdb_views", "generate_series", "histogram", "histogram_values", "icu_calendar_names",
    "json_each", "json_tree", "pg_timezone_names", "query_table", "range", "repeat", "repeat_row", "unnest",
})  # fmt: skip
# Views that tell where the database lies, and functions that read whatever relation a text names.
TELLING = ("duckdb_databases", "database_list", "pg_settings")
_READS_BY_NAME = "query_table"
_MIB = 1 << 20
# Threads, code and Arrow's own buffers lie beside DuckDB's limit.
_ADDRESS_SPACE_BESIDE_MIB = 1536
_LOCKED: dict[str, str | bool | int] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "max_temp_directory_size": "0B",
}
# Arrow has no such types, or readers of it do not.
_AS_TEXT = ("INTERVAL", "BIT", "UNION", "MAP", "VARIANT", "TIME WITH TIME ZONE", "TIMETZ", "GEOMETRY", "BIGNUM")


class Refused(Exception):
    """The statement is not one that may be asked; the message says why."""


def main() -> None:
    """Answer the request on standard input."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answer
    request = json.loads(sys.stdin.buffer.read())
    try:
        _limit(request)
        rows = ask(request)
        payload = _encode(rows, request["result_mib"] * _MIB)
    except Refused as refused:
        _say(answers, {"status": "refused", "reason": str(refused)})
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        _say(answers, {"status": "refused", "reason": f"it needs more than {request['memory_mib']} MiB of memory"})
    except duckdb.Error as error:
        _say(answers, {"status": "error", "reason": str(error)})
    except pa.ArrowException as error:
        _say(answers, {"status": "error", "reason": f"the result cannot be sent: {error}"})
    else:
        _say(answers, {"status": "ok"})
        answers.write(payload)
    answers.flush()
    # Nothing here is worth an orderly end, which could take longer than the answer.
    os._exit(0)


def _say(answers: BinaryIO, header: dict[str, str]) -> None:
    answers.write(json.dumps(header).encode() + b"\n")


def _limit(request: dict[str, Any]) -> None:
    """Tie this process down by means of the operating system, before it sees the statement."""
    space = (request["memory_mib"] + _ADDRESS_SPACE_BESIDE_MIB) * _MIB
    seconds = int(request["seconds"]) * request["threads"] + 2
    for what, most in (
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        # Not every system has every limit; the deadline of the caller holds on all.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def ask(request: dict[str, Any]) -> pa.Table:
    """Rows of the statement, one more than asked for if there are more.

    Raises:
        Refused: it is not one SELECT statement, or calls what may not be called.
        duckdb.Error: it is wrong, or goes beyond the limits.
    """
    connection = duckdb.connect(
        config={**_LOCKED, "memory_limit": f"{request['memory_mib']}MiB", "threads": request["threads"]}
    )
    # An open file instead of a path: DuckDB tells paths to whoever asks for them.
    open_files = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"  # noqa: PTH112 - spares an import
    connection.execute(f"ATTACH '{open_files}/{request['database']:d}' AS skyline (READ_ONLY)")
    connection.execute("USE skyline")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")  # nothing of it can be taken back
    sql = _one_select(connection, request["sql"])
    wrapped = f"FROM (\n{sql}\n) LIMIT {request['rows'] + 1}"
    shape = connection.sql(wrapped)
    columns = [
        f'"{name}"::VARCHAR AS "{name}"' if any(text in str(kind) for text in _AS_TEXT) else f'"{name}"'
        for name, kind in zip((name.replace('"', '""') for name in shape.columns), shape.types, strict=True)
    ]
    return connection.sql(f"SELECT {', '.join(columns)} FROM ({wrapped})").to_arrow_table()


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The statement without its semicolon.

    Raises:
        Refused: it is not exactly one SELECT, or calls a table function that is not for strangers.
        duckdb.ParserException: it is no SQL.
    """
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise Refused(f"one statement at a time; these are {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name.replace("_", " ")
        raise Refused(
            f"only SELECT (or FROM, VALUES, WITH, DESCRIBE, SUMMARIZE, SHOW) can be asked;"
            f" this is {kind}, and the warehouse is read-only"
        )
    text = statements[0].query
    parsed = json.loads(connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()[0][0])
    if parsed["error"]:
        raise Refused(f"this kind of statement cannot be examined: {parsed['error_message']}")
    macros = connection.sql(
        "SELECT DISTINCT function_name, macro_definition FROM duckdb_functions()"
        " WHERE function_type = 'table_macro' AND database_name = current_database() AND NOT internal"
    ).fetchall()
    by_name = {_READS_BY_NAME, *(name for name, definition in macros if _READS_BY_NAME in definition)}
    _examine(parsed, TABLE_FUNCTIONS | {name for name, _ in macros}, by_name)
    return _without_semicolon(text)


def _without_semicolon(text: str) -> str:
    words = [begin for begin, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment]
    raw = text.encode()
    return raw[: words[-1]].decode() if raw[words[-1] : words[-1] + 1] == b";" else text


def _examine(parsed: object, available: Set[str], by_name: Set[str]) -> None:
    """Look at every node of a serialised statement.

    Args:
        parsed: What `json_serialize_sql` made of the statement.
        available: Functions that may stand in FROM.
        by_name: Those of them whose first argument is the name of a relation.

    Raises:
        Refused: a function in FROM is not for strangers, or a relation is.
    """
    for node in _nodes(parsed):
        if isinstance(node, str) and any(word in node.lower() for word in TELLING):
            raise Refused("where the database lies is not told")
        if isinstance(node, dict) and node.get("type") == "TABLE_FUNCTION":
            function = node["function"]
            name = str(function["function_name"]).lower()
            if name not in available:
                raise Refused(f"the function {name} is not available here")
            if name in by_name and any(map(_computes, _nodes(function["arguments"][:1]))):
                raise Refused(f"the table that {name} reads must be named in one piece")


def _computes(node: object) -> bool:
    """Whether a node of an argument makes a text that does not stand there."""
    if not isinstance(node, dict) or "class" not in node:
        return False
    return node["class"] != "CONSTANT" and node.get("function_name") != "list_value"


def _nodes(parsed: object) -> Iterator[object]:
    """Every value in a tree of lists and mappings, without recursion: statements may be nested deeply."""
    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _encode(rows: pa.Table, most_bytes: int) -> bytes:
    if rows.nbytes > most_bytes:
        raise Refused(f"the result is larger than {most_bytes // _MIB} MiB; ask for fewer columns or rows")
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return sink.getvalue()


if __name__ == "__main__":
    main()
