"""One statement of a stranger, in a process made for it: no files, no network, little memory, and an end.

Run as a script by `warehouse.console`, isolated from our packages and from the environment. It reads one request from
standard input, a line of JSON and the asker's own rows as Arrow streams, and writes one line of JSON and then, if that
says `ok`, the rows as an Arrow stream.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
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
_ADDRESS_SPACE_OVERHEAD_MIB = 1536
_LOCKED: dict[str, str | bool | int] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "max_temp_directory_size": "0B",
}
# Arrow has no such types, or readers of it do not; within lists and records nor those whose values may not fit.
_AS_TEXT = (
    "INTERVAL", "BIT", "UNION", "MAP", "VARIANT", "TIME WITH TIME ZONE", "TIMETZ", "TIME_NS", "GEOMETRY", "BIGNUM",
    "BLOB",
)  # fmt: skip
_MAY_NOT_FIT = ("DATE", "TIME", "HUGEINT")
# Where a whole column is text if one of its values does not fit what holds it elsewhere: infinite days, years beyond
# those of calendars, the hour 24, and whole numbers of more than 64 bits, which are such again where all fit.
_FITS = {
    "DATE": "isfinite({0}) AND year({0}) BETWEEN 1 AND 9999",
    "TIMESTAMP": "isfinite({0}) AND year({0}) BETWEEN 1 AND 9999",
    "TIMESTAMP_S": "isfinite({0}) AND year({0}) BETWEEN 1 AND 9999",
    "TIMESTAMP_MS": "isfinite({0}) AND year({0}) BETWEEN 1 AND 9999",
    "TIMESTAMP_NS": "isfinite({0}) AND epoch_ns({0}) % 1000 = 0",
    "TIMESTAMP WITH TIME ZONE": "isfinite({0}) AND year({0}) BETWEEN 2 AND 9998",
    "TIME": "{0} < TIME '24:00:00'",
    "HUGEINT": "try_cast({0} AS BIGINT) IS NOT NULL",
    "UHUGEINT": "try_cast({0} AS BIGINT) IS NOT NULL",
}
# What tells or changes nothing, though its value is another each time; other such functions wait, write or count.
_HARMLESS = frozenset({
    "current_connection_id", "current_query", "current_query_id", "current_transaction_id", "error", "gen_random_uuid",
    "random", "setseed", "stats", "uuid", "uuidv4", "uuidv7", "vector_type",
})  # fmt: skip


class Refused(Exception):
    """The statement is not one that may be asked; the message says why."""


def main() -> None:
    """Answer the request on standard input."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answer
    request = json.loads(sys.stdin.buffer.readline())
    own = {relation: sys.stdin.buffer.read(size) for relation, size in request["own"].items()}
    try:
        _limit(request)
        rows, most = ask(request, own)
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
        _say(answers, {"status": "ok", "rows": str(most)})
        answers.write(payload)
    answers.flush()
    # Nothing here is worth an orderly end, which could take longer than the answer.
    os._exit(0)


def _say(answers: BinaryIO, header: dict[str, str]) -> None:
    answers.write(json.dumps(header).encode() + b"\n")


def _limit(request: dict[str, Any]) -> None:
    """Tie this process down by means of the operating system, before it sees the statement."""
    import resource  # noqa: PLC0415 - Windows has none, and there the caller starts no worker

    space = (request["memory_mib"] + _ADDRESS_SPACE_OVERHEAD_MIB) * _MIB
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


def ask(request: dict[str, Any], own: Mapping[str, bytes] | None = None) -> tuple[pa.Table, int]:
    """Rows of the statement, one more than it may have if there are more, and how many it may have.

    Rows of the asker's own lie in a database in memory that is called `yours`, in tables named as those published.

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
    if own:
        _create_own_tables(connection, own)
    connection.execute("USE skyline")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")  # nothing of it can be taken back
    sql, explain = _one_select(connection, request["sql"])
    if explain:
        return _explain_table(connection, f"{explain} {sql}"), request["rows"]
    described = connection.sql(f"FROM (\n{sql}\n) LIMIT 0")
    columns = [
        _Column(place, *named) for place, named in enumerate(zip(described.columns, described.types, strict=True))
    ]
    most = min(request["rows"], request["cells"] // len(columns))
    if not most:
        raise Refused(f"its {len(columns):,} columns are more than {request['cells']:,} cells; ask for fewer")
    # Asked for once: a second time it would cost as much, and random numbers would be others. And not kept in a table:
    # a statement that lists tables would list it.
    expressions = ", ".join(part for column in columns for part in column.expressions())
    places = ", ".join(column.place for column in columns)
    rows = connection.sql(
        f"SELECT {expressions} FROM (\n{sql}\n) AS answer({places}) LIMIT {most + 1}"
    ).to_arrow_table()
    return pa.table([column.answer(rows) for column in columns], [column.name for column in columns]), most


def _create_own_tables(connection: duckdb.DuckDBPyConnection, own: Mapping[str, bytes]) -> None:
    """Make tables of the asker's own rows."""
    connection.execute("ATTACH ':memory:' AS yours")
    for relation, stream in own.items():
        schema, name = (part.replace('"', '""') for part in relation.split("."))
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS yours."{schema}"')
        connection.register("arriving", pa.ipc.open_stream(stream).read_all())
        connection.execute(f'CREATE TABLE yours."{schema}"."{name}" AS FROM arriving')
        connection.unregister("arriving")


class _Column:
    """A column of an answer: as it is, or as text where readers could not hold its values.

    Attributes:
        name: What the asker calls it.
        place: What we call it meanwhile, for it may have any name.
    """

    def __init__(self, number: int, name: str, kind: object) -> None:
        self.name, self.place, self._text, self._kind = name, f"c{number}", f"c{number}_text", str(kind)

    def expressions(self) -> list[str]:
        """SQL of what is asked of it; where only some values may not fit, as text too."""
        is_nested = self._kind not in _FITS and any(text in self._kind for text in _MAY_NOT_FIT)
        if is_nested or any(text in self._kind for text in _AS_TEXT):
            return [f"{self.place}::VARCHAR AS {self.place}"]
        if self._kind not in _FITS:
            return [self.place]
        value = f"try_cast({self.place} AS BIGINT)" if self._kind.endswith("HUGEINT") else self.place
        fits = _FITS[self._kind].format(self.place)
        return [f"CASE WHEN {fits} THEN {value} END AS {self.place}", f"{self.place}::VARCHAR AS {self._text}"]

    def answer(self, rows: pa.Table) -> pa.ChunkedArray:
        """Its values; all of them as text, where one does not fit and is lost among the others."""
        values = rows[self.place]
        if self._text in rows.column_names and values.null_count > rows[self._text].null_count:
            return rows[self._text]
        return values


def _explain_table(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    rows = connection.execute(sql).fetchall()
    return pa.table({"explain_key": [row[0] for row in rows], "explain_value": [row[1] for row in rows]})


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, str]:
    """The statement without its semicolon; and apart from it `EXPLAIN` with its options, if it begins so.

    Raises:
        Refused: it is not exactly one SELECT, or calls a function that is not for strangers.
        duckdb.ParserException: it is no SQL.
    """
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise Refused(f"one statement at a time; these are {len(statements)}")
    text = _without_semicolon(statements[0].query)
    kind = statements[0].type
    words = _words(text)
    explain = ""
    if words and words[0][1] == "explain":
        rest = _after_explain(words)
        explain, text = text.encode()[:rest].decode(), text.encode()[rest:].decode()
        words = _words(text)
        kind = duckdb.extract_statements(text)[0].type
    available = _FunctionRules.of(connection)
    # A PIVOT whose values are not named is several statements to DuckDB; those that are not to be read change a type.
    if kind.name == "MULTI" and words[0][1] in {"pivot", "pivot_wider", "from", "with", "select", "("}:
        _examine_words([word for _, word in words], available)
        if len(duckdb.extract_statements(f"FROM (\n{text}\n)")) != 1:
            raise Refused("one statement at a time")
        return text, explain
    if kind != duckdb.StatementType.SELECT:
        raise Refused(
            f"only SELECT (or FROM, VALUES, WITH, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN) can be asked;"
            f" this is {kind.name.replace('_', ' ')}, and the warehouse is read-only"
        )
    parsed = json.loads(connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()[0][0])
    if parsed["error"]:
        raise Refused(f"this kind of statement cannot be examined: {parsed['error_message']}")
    _examine(parsed, available)
    return text, explain


@dataclass(frozen=True)
class _FunctionRules:
    """Functions by what strangers may do with them.

    Attributes:
        tables: May stand in FROM.
        by_name: Those of them whose first argument is the name of a relation.
        refused: May stand nowhere: they wait, write, count, or run texts.
        elsewhere: May not stand in FROM.
    """

    tables: Set[str]
    by_name: Set[str]
    refused: Set[str]
    elsewhere: Set[str]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "_FunctionRules":
        """What DuckDB and the warehouse have."""
        functions = connection.sql(
            "SELECT function_name, function_type, stability, macro_definition,"
            " database_name = current_database() AND NOT internal FROM duckdb_functions()"
        ).fetchall()
        ours = {
            name: definition for name, kind, _, definition, is_ours in functions if is_ours and kind == "table_macro"
        }
        refused = {
            name
            for name, kind, stability, _, _ in functions
            if "sleep" in name or (kind == "scalar" and stability == "VOLATILE" and name not in _HARMLESS)
        }
        refused |= {
            name
            for name, kind, _, definition, is_ours in functions
            if kind == "macro" and not is_ours and any(f"{name}(" in (definition or "") for name in refused)
        }
        tables = TABLE_FUNCTIONS | set(ours)
        return cls(
            tables,
            {_READS_BY_NAME, *(name for name, definition in ours.items() if _READS_BY_NAME in definition)},
            refused,
            {name for name, kind, *_ in functions if kind in {"table", "table_macro", "pragma"}} - tables,
        )


def _words(text: str) -> list[tuple[int, str]]:
    """Every word of a statement but comments: where it begins, and how it reads in lower case without quotes."""
    raw = text.encode()
    tokens = [(begin, kind) for begin, kind in duckdb.tokenize(text)]
    ends = [begin for begin, _ in tokens[1:]] + [len(raw)]
    return [
        (begin, raw[begin:end].decode("utf-8", "replace").strip().strip('"').lower())
        for (begin, kind), end in zip(tokens, ends, strict=True)
        if kind != duckdb.token_type.comment
    ]


def _after_explain(words: list[tuple[int, str]]) -> int:
    """Where what is to be explained begins."""
    place = 1
    if place < len(words) and words[place][1] in {"analyze", "analyse"}:
        place += 1
    options = {
        "analyze",
        "analyse",
        "format",
        "json",
        "text",
        "yaml",
        "html",
        "graphviz",
        "mermaid",
        "default",
        ",",
        ")",
    }
    if place + 1 < len(words) and words[place][1] == "(" and words[place + 1][1] in options:
        while place < len(words) and words[place][1] != ")":
            place += 1
        place += 1
    if place >= len(words):
        raise Refused("there is nothing to explain")
    return words[place][0]


def _examine_words(words: list[str], available: _FunctionRules) -> None:
    """Look at the words of a statement that DuckDB does not take apart for us: stricter than need be.

    Raises:
        Refused: one is the name of what is not for strangers.
    """
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if any(telling in word for telling in TELLING):
            raise Refused("the location of the database is not disclosed")
        if following == "(" and word in available.refused | available.elsewhere | available.by_name:
            raise Refused(f"{word} is not available in a PIVOT whose values are not named (ON … IN (…))")


def _without_semicolon(text: str) -> str:
    words = [begin for begin, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment]
    raw = text.encode()
    return raw[: words[-1]].decode() if raw[words[-1] : words[-1] + 1] == b";" else text


def _examine(parsed: object, available: _FunctionRules) -> None:
    """Look at every node of a serialised statement.

    Raises:
        Refused: a function or a relation is not for strangers.
    """
    for node in _nodes(parsed):
        if isinstance(node, str) and any(word in node.lower() for word in TELLING):
            raise Refused("the location of the database is not disclosed")
        if not isinstance(node, dict):
            continue
        if node.get("type") == "TABLE_FUNCTION":
            function = node["function"]
            name = str(function["function_name"]).lower()
            if name not in available.tables:
                raise Refused(f"the function {name} is not available here")
            if name in available.by_name and any(map(_computes, _nodes(function["arguments"][:1]))):
                raise Refused(f"the table that {name} reads must be named in one piece")
        elif str(node.get("function_name", "")).lower() in available.refused:
            raise Refused(f"the function {node['function_name']} is not available here: it waits, writes or counts")


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
