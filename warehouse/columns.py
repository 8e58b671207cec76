"""What a column of any answer is, by its name: one form of headers, and the unit and meaning that contracts state."""

import functools
import re
from collections.abc import Mapping

import polars as pl

from warehouse.contracts import TABLES, VIEWS
from warehouse.contracts.table import Column

# A beginning that says whose part of a quantity a column holds.
_PART = re.compile(r"^(host|idle)_")
# An end that says which of several estimates of one quantity a column holds.
_END = re.compile(r"_(low|high|lower|upper|likely|least|most|p\d+|before|published)$")
_UNIT_AT_THE_END: Mapping[str, str] = {
    "tokens_per_s": "tokens/s", "requests_per_s": "1/s", "flops_per_s": "FLOP/s",
    "bytes_per_s": "byte/s", "_gib": "GiB", "_bytes": "bytes", "_pct": "%", "_percent": "%",
    "_ms": "ms", "_s": "s", "_kg": "kg", "_kwh": "kWh", "_w": "W", "_j": "J", "_days": "days", "_months": "months",
    "_hours": "h", "_points": "points", "_tokens": "tokens", "_billion": "billion parameters", "_gflop": "GFLOP",
    "_log2": "log2", "_usd": "USD",
}  # fmt: skip
_ON_PAGES: Mapping[str, str] = {
    "above": "index points", "expected": "index points", "lost": "index points", "ability_in_format": "index points",
    "ability_lost": "index points", "longest_context": "tokens", "replicas": "replicas", "bytes_moved": "bytes",
    "output_tokens_per_s_per_device": "tokens/s", "tokens_per_s_per_device": "tokens/s", "milliseconds": "ms",
    "tokens_per_s_per_user": "tokens/s", "measured_over_predicted": "1", "quality": "points",
    "quality_error": "points", "ratio": "1", "joules_per_output_token": "J", "running_share": "1",
}  # fmt: skip
"""Quantities that pages work out and no table holds."""
_MONEY_OR_MASS = (("usd_", "USD"), ("g_co2e_", "g CO₂e"), ("kwh_", "kWh"), ("joules_", "J"))
_RATES = (("per_million_", "per million tokens"), ("per_hour", "per hour"), ("per_device_hour", "per device and hour"))


def header(text: str) -> str:
    """The one form of a column's name in files: small letters, digits and underscores, the unit at its end."""
    plain = text.translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹", "01234567890123456789")).replace("%", " percent ")
    return "_".join(re.findall(r"[a-z0-9]+", plain.lower().replace("µ", "u"))) or "column"


def headed(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame under headers of the one form; what would be the same name twice is numbered."""
    names: list[str] = []
    for column in frame.columns:
        name, number = header(column), 2
        while name in names:
            name, number = f"{header(column)}_{number}", number + 1
        names.append(name)
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


@functools.cache
def _contract_columns() -> Mapping[str, Column]:
    """A column of the contracts by its name; of several tables the one that states a unit."""
    columns: dict[str, Column] = {}
    for table in (*TABLES, *VIEWS):
        for column in table.columns:
            if column.name not in columns or (column.unit and not columns[column.name].unit):
                columns[column.name] = column
    return columns


def unit_of(name: str) -> str:
    """Unit of a column by its name: as the contracts state it, else as its end says; empty for counts and words."""
    whole = _PART.sub("", name)
    for candidate in (name, _END.sub("", name), whole, _END.sub("", whole)):
        if (column := _contract_columns().get(candidate)) is not None and column.unit and column.unit != "see unit":
            return column.unit
    plain = _END.sub("", whole)
    if plain in _ON_PAGES:
        return _ON_PAGES[plain]
    for what, unit in _MONEY_OR_MASS:
        for rate, per in _RATES:
            if plain.startswith(what) and rate in plain:
                return f"{unit} {per}"
    return next((unit for end, unit in _UNIT_AT_THE_END.items() if plain.endswith(end)), "")


def meanings_in(sql: str) -> Mapping[str, str]:
    """What columns mean in the tables that a statement names; what means something else in another of them is left out.

    Args:
        sql: A statement, or any text; tables go by their full names, such as `core.models`.
    """
    named = set(re.findall(r"\b(?:core|marts|meta)\.\w+", sql))
    meanings: dict[str, set[str]] = {}
    for table in (*TABLES, *VIEWS):
        if table.relation in named:
            for column in table.columns:
                meanings.setdefault(column.name, set()).add(column.meaning)
    return {name: next(iter(texts)) for name, texts in meanings.items() if len(texts) == 1}


def columns_of(frame: pl.DataFrame, meanings: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What every column of a frame is: its type, its unit and, where that is stated, its meaning.

    Args:
        frame: Rows.
        meanings: What its columns mean, by name; a name means different things in different tables.
    """
    return {
        name: {
            "type": _type(dtype), "unit": unit_of(name) if dtype.is_numeric() else "",
            "meaning": meanings.get(name, ""),
        }
        for name, dtype in frame.schema.items()
    }  # fmt: skip


def _type(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    return {pl.Boolean: "boolean", pl.Date: "date"}.get(type(dtype), "datetime" if dtype.is_temporal() else "text")
