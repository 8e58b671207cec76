"""Ways to break a file: bytes of any kind, values of JSON, cells of CSV, columns of Parquet; by seeded chance."""

import io
import json
import random
from collections.abc import Callable
from typing import Any

import polars as pl

from profiling.foreign_parquet import read_parquet

WORDS: tuple[bytes, ...] = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b'"', b"'", b",", b"{", b"[", b"]", b"}", b":",
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1", b"0", b"9" * 400, b"null", b"true", b"\\ud800", b"\\u0000",
    b"[" * 5000, b"=cmd|' /C calc'!A0", b"<img src=x onerror=alert(1)>", b"../../../etc/passwd", b"2024-02-31",
    b"9999-12-31", b"0000-00-00", b"%s%n", b"\xe2\x80\xae", b"&a [*a,*a]", b"!!python/object:os.system", b"PAR1",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    float("-inf"), "", " ", "x", "\ud800", "\x00", "NaN", "1e999", "2024-02-31", "9999-12-31", "../../x", "a" * 5000,
    [], {}, [[]], {"": None}, [None], ["x", 1], {"a": {"b": [1]}},
)  # fmt: skip
_MOST_BYTES = 1 << 21


def mutated(payload: bytes, name: str, others: list[bytes], chance: random.Random) -> bytes:
    """The file, broken in one to four ways, knowing its kind in half of the cases."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        known = _OF_KIND.get(name.rpartition(".")[2])
        if known and chance.random() < 0.6:
            payload = known(payload, chance)
        else:
            payload = chance.choice(_OF_BYTES)(payload, others, chance)
    return payload[:_MOST_BYTES]


def _place(payload: bytes, chance: random.Random) -> int:
    # Headers and footers decide more than the middle.
    end = len(payload)
    if end == 0 or chance.random() < 0.5:
        return chance.randint(0, end)
    near = chance.randint(0, min(end, 400))
    return near if chance.random() < 0.5 else end - near


def _flip(payload: bytes, _others: list[bytes], chance: random.Random) -> bytes:
    content = bytearray(payload)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        if content:
            content[min(_place(payload, chance), len(content) - 1)] = chance.randrange(256)
    return bytes(content)


def _cut(payload: bytes, _others: list[bytes], chance: random.Random) -> bytes:
    start = _place(payload, chance)
    return payload[:start] + payload[start + chance.choice((1, 2, 10, 100, 10_000, len(payload))) :]


def _put(payload: bytes, _others: list[bytes], chance: random.Random) -> bytes:
    start = _place(payload, chance)
    word = chance.choice(WORDS) * chance.choice((1, 1, 1, 3, 200))
    return payload[:start] + word + payload[start + chance.choice((0, 0, len(word))) :]


def _repeat(payload: bytes, _others: list[bytes], chance: random.Random) -> bytes:
    start = _place(payload, chance)
    part = payload[start : start + chance.choice((1, 10, 100, 1000))]
    return payload[:start] + part * chance.choice((2, 3, 50)) + payload[start:]


def _splice(payload: bytes, others: list[bytes], chance: random.Random) -> bytes:
    other = chance.choice(others)
    return payload[: _place(payload, chance)] + other[_place(other, chance) :]


_OF_BYTES: tuple[Callable[[bytes, list[bytes], random.Random], bytes], ...] = (
    _flip,
    _flip,
    _cut,
    _put,
    _repeat,
    _splice,
)


def break_document(document: Any, chance: random.Random) -> Any:
    """The document with one of its values replaced, dropped, renamed or doubled."""
    holders: list[Any] = []
    waiting = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list) and each:
            holders.append(each)
            waiting += each.values() if isinstance(each, dict) else each
    if not holders:
        return chance.choice(VALUES)
    holder = chance.choice(holders)
    key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(chance.choice(VALUES))] = holder.pop(key)
        case 2 if isinstance(holder, list):
            holder.append(holder[key])
        case _:
            holder[key] = chance.choice(VALUES)
    return document


def _json(payload: bytes, chance: random.Random) -> bytes:
    try:
        document = json.loads(payload)
        return json.dumps(break_document(document, chance)).encode()
    except (ValueError, RecursionError):
        return payload


def _lines(payload: bytes, chance: random.Random) -> bytes:
    lines = payload.split(b"\n")
    place = chance.randrange(len(lines))
    lines[place] = _json(lines[place], chance)
    return b"\n".join(lines)


def _csv(payload: bytes, chance: random.Random) -> bytes:
    lines = payload.split(b"\n")
    # The header among them: names of columns break more than values.
    place = 0 if chance.random() < 0.15 else chance.randrange(len(lines))
    cells = lines[place].split(b",")
    spot = chance.randrange(len(cells))
    match chance.randrange(5):
        case 0:
            del cells[spot]
        case 1:
            cells.insert(spot, cells[spot])
        case 2:
            cells[spot] = chance.choice(cells)
        case _:
            word = chance.choice(WORDS) if chance.random() < 0.5 else _text(chance.choice(VALUES))
            cells[spot] = word
    lines[place] = b",".join(cells)
    return b"\n".join(lines)


def _text(value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def _parquet(payload: bytes, chance: random.Random) -> bytes:
    try:
        return _broken_table(read_parquet(payload), chance)
    except (pl.exceptions.PolarsError, OSError, ValueError, OverflowError):
        return payload  # broken before, or not to be broken so


def _broken_table(frame: pl.DataFrame, chance: random.Random) -> bytes:
    if not frame.width:
        raise ValueError("nothing to break")
    name = chance.choice(frame.columns)
    column = pl.col(name)
    match chance.randrange(6):
        case 0:
            frame = frame.drop(name)
        case 1:
            frame = frame.with_columns(
                column.cast(chance.choice((pl.String, pl.Float64, pl.Int64, pl.Boolean)), strict=False)
            )
        case 2:
            frame = frame.with_columns(pl.lit(None).alias(name))
        case 3:
            frame = frame.with_columns(
                pl.struct(column.alias("inner")).alias(name)
                if chance.random() < 0.5
                else pl.concat_list(column, column).alias(name)
            )
        case 4:
            frame = frame.head(chance.choice((0, 1)))
        case _:
            frame = _with_value(frame, name, chance)
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _with_value(frame: pl.DataFrame, name: str, chance: random.Random) -> pl.DataFrame:
    dtype = frame.schema[name]
    value: Any = chance.choice((None, "", "x", "../..", "\x00", "2024-02-31"))
    if dtype.is_float():
        value = chance.choice((None, 0.0, -1.0, 1e308, float("nan"), float("inf")))
    elif dtype.is_integer():
        value = chance.choice((None, 0, -1, 2**31 - 1, -(2**31)))
    elif dtype != pl.String:
        value = None
    place = chance.randrange(max(frame.height, 1))
    at = pl.int_range(pl.len()) == place
    return frame.with_columns(pl.when(at).then(pl.lit(value, dtype)).otherwise(pl.col(name)).alias(name))


_OF_KIND: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "json": _json, "jsonl": _lines, "ndjson": _lines, "csv": _csv, "parquet": _parquet,
}  # fmt: skip
