"""Whether a file is a table of measured kernels, told from its columns.

A table is `<accelerator>/<operation>_perf.parquet`; its accelerator is told by the folder in its address.
"""

import datetime as dt
import io
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import polars as pl

from pipelines.sources.recognised import Recognised

KERNELS = "kernel_tables"
_COLUMNS = frozenset({"framework", "version", "device", "op_name", "latency"})
_LAYOUTS = {
    "gemm": "gemm_perf",
    "context_attention": "context_attention_perf",
    "generation_attention": "generation_attention_perf",
}


def recognise_table(header: Sequence[str], payload: bytes, suffix: str, uri: str) -> Recognised | None:
    """What a Parquet file is, or None where it is no kernel table that is known here."""
    if suffix != ".parquet" or not frozenset(header) >= _COLUMNS:
        return None
    first = pl.read_parquet(io.BytesIO(payload), columns=["op_name", "device"], n_rows=1)
    layout = _LAYOUTS.get(str(first["op_name"][0])) if first.height else None
    if layout is None:
        return None
    device = re.sub(r"[^a-z0-9]+", "_", str(first["device"][0]).casefold()).removeprefix("nvidia_")
    # Nothing in a table says a date: it is what the source said when it was retrieved.
    return Recognised(KERNELS, layout, PurePosixPath(uri).parent.name or device, dt.datetime.now(dt.UTC).date())
