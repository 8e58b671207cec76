"""What a downloaded table is and says of itself: one form of headers, units, source, licence, release and query.

Headers are the names of columns in the contracts, in small letters with the unit at the end where it has a short form;
titles stay on the pages. JSON and Parquet carry what the table is; a CSV holds the rows alone, and has a twin in JSON.
"""

import functools
import io
import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from dashboards.data import Data
from dashboards.parts import formats
from warehouse import spreadsheets
from warehouse.contracts import TABLES, VIEWS
from warehouse.contracts.table import Column
from warehouse.publish import Release

FORMS = ("csv", "json", "parquet")
"""Forms in which rows are downloaded."""
# An end that says which of several estimates of one quantity a column holds.
_END = re.compile(r"_(low|high|lower|upper|likely|least|most|p\d+|before|published)$")
_UNIT_AT_THE_END: Mapping[str, str] = {
    "per_million_tokens": "", "tokens_per_s": "tokens/s", "requests_per_s": "1/s", "flops_per_s": "FLOP/s",
    "bytes_per_s": "byte/s", "per_hour": "", "_gib": "GiB", "_bytes": "bytes", "_pct": "%", "_percent": "%",
    "_ms": "ms", "_s": "s", "_kg": "kg", "_kwh": "kWh", "_w": "W", "_j": "J", "_days": "days", "_months": "months",
    "_hours": "h", "_points": "points", "_tokens": "tokens", "_billion": "billion parameters", "_gflop": "GFLOP",
    "_log2": "log2", "_usd": "USD",
}  # fmt: skip
_ON_PAGES: Mapping[str, str] = {
    "above": "index points", "expected": "index points", "lost": "index points", "ability_in_format": "index points",
    "longest_context": "tokens", "replicas": "replicas", "output_tokens_per_s_per_device": "tokens/s",
    "measured_over_predicted": "1", "quality": "points", "quality_error": "points", "ratio": "1",
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
def _contracted() -> Mapping[str, Column]:
    """A column of the contracts by its name; of several tables the one that states a unit."""
    found: dict[str, Column] = {}
    for table in (*TABLES, *VIEWS):
        for column in table.columns:
            if column.name not in found or (column.unit and not found[column.name].unit):
                found[column.name] = column
    return found


def unit_of(name: str) -> str:
    """Unit of a column by its name: as the contracts state it, else as its end says; empty for counts and words."""
    for asked in (name, _END.sub("", name)):
        if (column := _contracted().get(asked)) is not None and column.unit and column.unit != "see unit":
            return column.unit
    plain = _END.sub("", name)
    if plain in _ON_PAGES:
        return _ON_PAGES[plain]
    for what, unit in _MONEY_OR_MASS:
        for rate, per in _RATES:
            if plain.startswith(what) and rate in plain:
                return f"{unit} {per}"
    return next((unit for end, unit in _UNIT_AT_THE_END.items() if unit and plain.endswith(end)), "")


def columns_of(frame: pl.DataFrame) -> dict[str, dict[str, str]]:
    """What every column of a frame is: its type, its unit and, where a contract has it, its meaning."""
    return {
        name: {
            "type": _type(dtype), "unit": unit_of(name) if dtype.is_numeric() else "",
            "meaning": found.meaning if (found := _contracted().get(name)) else "",
        }
        for name, dtype in frame.schema.items()
    }  # fmt: skip


def _type(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    return {pl.Boolean: "boolean", pl.Date: "date"}.get(type(dtype), "datetime" if dtype.is_temporal() else "text")


def origin(data: Data, told: str) -> dict[str, Any]:
    """Where rows come from: the stored files that a text names, their licences and newest date, and the release.

    Args:
        data: What was asked.
        told: Caption, query and choices.
    """
    release = data.release()
    sources = [
        {"source": row["uri"], "licence": row["licence"] or "", "as_of_date": str(row["as_of_date"] or "")}
        for row in data.ask("stored_sources").iter_rows(named=True)
        if row["uri"] in told or row["snapshot_id"] in told
    ]
    return {
        "sources": sources,
        "licence": sorted({one["licence"] for one in sources if one["licence"]}),
        "as_of": max((one["as_of_date"] for one in sources), default=release.published_at.date().isoformat()),
        "warehouse": _warehouse(release),
    }


def _warehouse(release: Release) -> dict[str, str]:
    made = release.published_at.isoformat(timespec="seconds")
    return {"release": release.path.name, "fingerprint": release.fingerprint, "made": made}


def about(name: str, frame: pl.DataFrame, said: Mapping[str, Any], data: Data) -> dict[str, Any]:
    """What a table is: what, its columns with units, source, licence, date, release of the warehouse, and query.

    Args:
        name: Of the table.
        frame: Its rows, under their headers.
        said: What its page says of it; `source`, `query` and `what` where it knows them.
        data: What was asked.
    """
    told = json.dumps(dict(said), default=str, ensure_ascii=False)
    from_files = origin(data, told)
    return {
        "name": name,
        "what": said.get("what") or formats.label(name).capitalize(),
        "columns": columns_of(frame),
        "source": said.get("source") or "worked out by Skyline from the release named below",
        **from_files,
        "query": said.get("query") or said.get("sql"),
        **{key: value for key, value in said.items() if key not in {"what", "source", "query"}},
    }


def file(form: str, frame: pl.DataFrame, about_it: Mapping[str, Any]) -> bytes:
    """Rows in one of `FORMS`."""
    if form == "csv":
        return spreadsheets.to_csv(frame)
    if form == "json":
        return formats.to_json(frame, dict(about_it)).getvalue()
    target = io.BytesIO()
    stated = {key: json.dumps(value, default=str, ensure_ascii=False) for key, value in about_it.items()}
    frame.write_parquet(target, metadata=stated)
    return target.getvalue()
