"""Every table of the warehouse, by capability."""

import importlib
import pkgutil

from warehouse.contracts.choices import VIEWS
from warehouse.contracts.table import Column, ContractBroken, Table

_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
_DECLARED = (value for module in _MODULES for value in vars(module).values() if isinstance(value, Table))
TABLES: tuple[Table, ...] = tuple(table for table in dict.fromkeys(_DECLARED) if table not in VIEWS)
BY_RELATION: dict[str, Table] = {table.relation: table for table in (*TABLES, *VIEWS)}
SNAPSHOT_TABLES = tuple(table for table in TABLES if table.schema == "raw" and table.name.endswith("_snapshots"))
"""What each capability stored; together `meta.snapshots`."""
REJECTED_TABLES = tuple(table for table in TABLES if table.schema == "raw" and table.name.endswith("_rejected_rows"))
"""What each capability set aside; together `meta.rejected_rows`."""

__all__ = ["BY_RELATION", "REJECTED_TABLES", "SNAPSHOT_TABLES", "TABLES", "VIEWS", "Column", "ContractBroken", "Table"]
