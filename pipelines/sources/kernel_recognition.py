"""Whether a file is a table of measured kernels, told from its columns.

A table is `<accelerator>/<operation>_perf.parquet`; its accelerator is told by the folder in its address.
"""

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from pipelines.sources.recognised import Recognised
from pipelines.sources.tables import UnreadableFile, read_columns_as_text

KERNELS = "kernel_tables"
_COLUMNS = frozenset({"framework", "version", "device", "op_name", "latency"})
_LAYOUTS = {
    "gemm": "gemm_perf",
    "context_attention": "context_attention_perf",
    "generation_attention": "generation_attention_perf",
}


def recognise_table(header: Sequence[str], payload: bytes, suffix: str, uri: str) -> Recognised | None:
    """What a Parquet file is, or None where it is no kernel table that is known here.

    Raises:
        UnreadableFile: it cannot be read, or names no accelerator.
    """
    if suffix != ".parquet" or not frozenset(header) >= _COLUMNS:
        return None
    first = read_columns_as_text(payload, suffix, uri, ["op_name", "device"], rows=1)
    layout = _LAYOUTS.get(str(first["op_name"][0])) if first.height else None
    if layout is None:
        return None
    # The name becomes that of a folder.
    names = (PurePosixPath(uri).parent.name, str(first["device"][0]).casefold().removeprefix("nvidia "))
    accelerator = next(filter(None, (re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_") for name in names)), None)
    if accelerator is None:
        raise UnreadableFile(f"{uri} does not say of which accelerator its kernels are.")
    # Nothing in a table says a date: it is what the source said when it was retrieved.
    return Recognised(KERNELS, layout, accelerator, dt.datetime.now(dt.UTC).date())
