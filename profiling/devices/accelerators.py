"""Accelerators under one name: the type, the reviewed table, and how an entry of either is made or found."""

from profiling.devices.device import GIB, GIGA, Accelerator, validate
from profiling.devices.names import find
from profiling.devices.table import from_record, from_toml, grid_devices, read_table, table

__all__ = [
    "GIB", "GIGA", "Accelerator", "find", "from_record", "from_toml", "grid_devices", "read_table", "table", "validate",
]  # fmt: skip
