"""Accounting for stored files: what each one is, and what of it could not be loaded."""

from typing import Any

import polars as pl

from pipelines.sources.raw_store import RawSnapshot
from warehouse.contracts.sources import REJECTED_ROWS

WHOLE_FILE = "whole file set aside: "
"""How the reason begins of a file of which nothing is loaded."""


def described(stored: RawSnapshot) -> dict[str, Any]:
    """What `meta.snapshots` says of a stored file apart from its coverage and its rows."""
    manifest = stored.manifest
    return {
        "snapshot_id": stored.snapshot_id,
        "source": manifest.source,
        "board": manifest.subject,
        "as_of_date": manifest.as_of,
        "is_dated": manifest.is_dated,
        "layout": manifest.layout,
        "uri": manifest.uri,
        "revision": manifest.revision,
        "licence": manifest.licence,
        "sha256": stored.sha256,
        "size_bytes": stored.path.stat().st_size,
        "retrieved_at": manifest.retrieved_at,
    }


def rejected_file(stored: RawSnapshot, reason: str) -> pl.DataFrame:
    """Row of `meta.rejected_rows` for a file of which nothing is loaded."""
    return rejected_row(None, stored.manifest.uri, f"{WHOLE_FILE}{reason}")


def rejected_row(snapshot_id: str | None, uri: str, reason: str, content: str | None = None) -> pl.DataFrame:
    """One row of `meta.rejected_rows` that is not about a single line of the file."""
    row = {"snapshot_id": snapshot_id, "uri": uri, "row_number": None, "reason": reason, "content": content}
    return pl.DataFrame([row], schema=REJECTED_ROWS.polars_schema)
