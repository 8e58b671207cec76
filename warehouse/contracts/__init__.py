"""Every table of the warehouse, by capability."""

from warehouse.contracts import frontier, leaderboards
from warehouse.contracts.table import Column, ContractBroken, Table

TABLES: tuple[Table, ...] = (*leaderboards.TABLES, *frontier.TABLES)
BY_RELATION: dict[str, Table] = {table.relation: table for table in TABLES}

__all__ = ["BY_RELATION", "TABLES", "Column", "ContractBroken", "Table"]
