"""Whether a file is a table of measured kernels, told from its columns.

A table is `<accelerator>/<operation>_perf.parquet`; its accelerator is told by its folder, also where that is
what was named as the source, else by its column of devices.
"""

import re
from pathlib import PurePosixPath

from pipelines.sources.dates import today
from pipelines.sources.recognised import Recognised, Unread
from pipelines.sources.tables import UnreadableFile, read_columns_as_text
from profiling.devices.accelerators import find
from profiling.errors import ProfilingError

KERNELS = "kernel_tables"
_COLUMNS = frozenset({"framework", "version", "device", "op_name", "latency"})
_LAYOUTS = {
    "gemm": "gemm_perf",
    "context_attention": "context_attention_perf",
    "generation_attention": "generation_attention_perf",
}


def recognise(file: Unread) -> Recognised | None:
    """What a Parquet file is, or None where it is no kernel table that is known here.

    Raises:
        UnreadableFile: it cannot be read, or names no accelerator.
    """
    if file.suffix != ".parquet" or not frozenset(file.header) >= _COLUMNS:
        return None
    uri = file.uri
    first = read_columns_as_text(file.payload, file.suffix, uri, ["op_name", "device"], rows=1)
    layout = _LAYOUTS.get(str(first["op_name"][0])) if first.height else None
    if layout is None:
        return None
    # The name becomes that of a folder.
    device = str(first["device"][0]).casefold().removeprefix("nvidia ")
    names = (PurePosixPath(uri).parent.name, file.folder if _is_accelerator(file.folder) else "", device)
    accelerator = next(filter(None, (re.sub(r"[^A-Za-z0-9-]+", "_", name).strip("_") for name in names)), None)
    if accelerator is None:
        raise UnreadableFile(f"{uri} does not state the accelerator of its kernels.")
    # Nothing in a table says a date: it is what the source said when it was retrieved.
    return Recognised(KERNELS, layout, accelerator, today(), is_dated=False)


def _is_accelerator(folder: str) -> bool:
    """Whether the folder that was named is named for an accelerator; most, as an inbox, are not."""
    try:
        find(folder)
    except ProfilingError:
        return False
    return True
