"""Accounting for stored files: what each one is, and what of it could not be loaded."""

import json
from collections.abc import Iterable
from typing import Any

import polars as pl

from pipelines.sources.raw_store import RawSnapshot
from pipelines.sources.tables import ROW
from warehouse.contracts.sources import REJECTED_ROWS

WHOLE_FILE = "whole file set aside: "
"""How the reason begins of a file of which nothing is loaded."""
MOST_CHARACTERS = 2_000
"""Of a reason or of the content of a row."""


def account(
    stored: RawSnapshot, coverage: str, rows_read: int, rows_loaded: int, rows_rejected: int | None = None
) -> dict[str, Any]:
    """What `meta.snapshots` says of a stored file.

    Args:
        stored: The file.
        coverage: What part of its board it holds, as the contract names it.
        rows_read: Rows in it.
        rows_loaded: Rows accepted.
        rows_rejected: Rows set aside; None: all others.
    """
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
        "coverage": coverage,
        "rows_read": rows_read,
        "rows_loaded": rows_loaded,
        "rows_rejected": rows_read - rows_loaded if rows_rejected is None else rows_rejected,
    }


def by_its_name(stored: RawSnapshot, sentence: str) -> str:
    """The sentence with the file's own name; the store knows it by its digest."""
    uri = stored.manifest.uri
    return sentence.replace(str(stored.path), uri).replace(stored.path.name, uri)


def rejected_file(stored: RawSnapshot, reason: str) -> pl.DataFrame:
    """Row of `meta.rejected_rows` for a file of which nothing is loaded."""
    return rejected_row(None, stored.manifest.uri, f"{WHOLE_FILE}{reason}")


def rejected_row(
    snapshot_id: str | None, uri: str, reason: str, content: str | None = None, row_number: int | None = None
) -> pl.DataFrame:
    """One row of `meta.rejected_rows`; without a number it is not about a single row of the file."""
    row = {"snapshot_id": snapshot_id, "uri": uri, "row_number": row_number, "reason": reason, "content": content}
    return REJECTED_ROWS.frame([row])


def rejected_cells(text: pl.DataFrame, wrong: pl.DataFrame, snapshot_id: str, uri: str) -> pl.DataFrame:
    """Rows of `meta.rejected_rows` for rows of a file, each once, with its cells and all that is wrong with it.

    Args:
        text: Cells of the file, with `row_number`.
        wrong: `row_number, reason`; a row may stand in it several times.
        snapshot_id: Of the file.
        uri: Of the file.
    """
    reasons = wrong.group_by(ROW).agg(pl.col("reason").unique(maintain_order=True).str.join("; ")).sort(ROW)
    rows = text.join(reasons, on=ROW, how="semi").sort(ROW)
    content = [json.dumps(row, ensure_ascii=False)[:MOST_CHARACTERS] for row in rows.drop(ROW).iter_rows(named=True)]
    identified = reasons.with_columns(pl.Series("content", content, pl.String), snapshot_id=pl.lit(snapshot_id))
    return REJECTED_ROWS.conform(identified.with_columns(uri=pl.lit(uri)))


def unread_columns(names: Iterable[str], snapshot_id: str, uri: str) -> pl.DataFrame:
    """Row of `meta.rejected_rows` for columns that a file has beyond its layout, of which all else is loaded."""
    listed = ", ".join(sorted(names))
    if not listed:
        return REJECTED_ROWS.empty()
    return rejected_row(snapshot_id, uri, f"columns not read: {listed}"[:MOST_CHARACTERS])
