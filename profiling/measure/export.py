"""Rows of bundles as tables for other programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Any, TextIO

from profiling.measure.bundle import Bundle

_LEADS_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def write_table(bundles: Sequence[Bundle], table: str, form: str, out: TextIO) -> None:
    """Write `points` (last attempts), `layers`, `ceilings` or `telemetry` with run and environment as CSV or lines.

    Lists of raw values are JSON text in a CSV cell.
    """
    rows: list[dict[str, Any]] = []
    for bundle in bundles:
        tables = {
            "points": bundle.final_points(), "layers": bundle.final_layers(), "ceilings": list(bundle.ceilings),
            "telemetry": list(bundle.telemetry),
        }[table]  # fmt: skip
        named = {"run_id": bundle.run_id, "environment_id": bundle.environment_id}
        rows += [{**named, **row} for row in tables]
    if form == "jsonl":
        out.writelines(json.dumps(row, allow_nan=False) + "\n" for row in rows)
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(out)
    writer.writerow([_cell(name) for name in columns])
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])


def _cell(value: Any) -> Any:
    text = json.dumps(value) if isinstance(value, list | dict) else value
    # Spreadsheets run texts that begin so (OWASP, "CSV Injection"); the warehouse disarms its CSV alike.
    return f"'{text}" if isinstance(text, str) and text[:1] in _LEADS_FORMULA else text
