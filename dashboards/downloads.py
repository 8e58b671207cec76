"""What a downloaded table is and says of itself: one form of headers, units, source, licence, release and query.

Headers are the names of columns in the contracts, in small letters with the unit at the end where it has a short form;
titles stay on the pages. Every form says what the rows are: CSV in lines above the head that begin with `#`, JSON in
keys beside the rows, Parquet in its metadata.
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from dashboards.data import Data
from dashboards.parts import formats
from warehouse import spreadsheets
from warehouse.columns import columns_of, meanings_in
from warehouse.publish import Release

FORMS = ("csv", "json", "parquet")
"""Forms in which rows are downloaded."""


def origin(data: Data, text: str) -> dict[str, Any]:
    """Where rows come from: the stored files that a text names, their licences and newest date, and the release.

    Args:
        data: What was asked.
        text: Caption, query and choices.
    """
    release = data.release()
    sources = [
        {"source": row["uri"], "licence": row["licence"] or "", "as_of_date": str(row["as_of_date"] or "")}
        for row in data.ask("stored_sources").iter_rows(named=True)
        if row["uri"] in text or row["snapshot_id"] in text
    ]
    return {
        "sources": sources,
        "licence": sorted({source["licence"] for source in sources if source["licence"]}),
        "as_of": max((source["as_of_date"] for source in sources), default=release.published_at.date().isoformat()),
        "warehouse": _warehouse(release),
    }


def _warehouse(release: Release) -> dict[str, str]:
    made = release.published_at.isoformat(timespec="seconds")
    return {"release": release.path.name, "fingerprint": release.fingerprint, "made": made}


def about(name: str, frame: pl.DataFrame, description: Mapping[str, Any], data: Data) -> dict[str, Any]:
    """What a table is: what, its columns with units, source, licence, date, release of the warehouse, and query.

    Args:
        name: Of the table.
        frame: Its rows, under their headers.
        description: What its page says of it; `source`, `query` and `what` where it knows them.
        data: What was asked.
    """
    text = json.dumps(dict(description), default=str, ensure_ascii=False)
    from_files = origin(data, text)
    query = description.get("query") or description.get("sql")
    return {
        "name": name,
        "what": description.get("what") or formats.label(name).capitalize(),
        "columns": columns_of(frame, meanings_in(str(query))),
        "source": description.get("source") or "worked out by Skyline from the release named below",
        **from_files,
        "query": query,
        **{key: value for key, value in description.items() if key not in {"what", "source", "query"}},
    }


def file(form: str, frame: pl.DataFrame, about_it: Mapping[str, Any]) -> bytes:
    """Rows in one of `FORMS`."""
    if form == "csv":
        return spreadsheets.to_csv(frame, about_it)
    if form == "json":
        return formats.to_json(frame, dict(about_it)).getvalue()
    target = io.BytesIO()
    stated = {key: json.dumps(value, default=str, ensure_ascii=False) for key, value in about_it.items()}
    frame.write_parquet(target, metadata=stated)
    return target.getvalue()
