"""Every table of the warehouse, by capability."""

from warehouse.contracts import (
    ability,
    ability_models,
    accuracy,
    arena,
    arena_race,
    boards,
    catalogue,
    choices,
    frontier,
    leaderboards,
    performance,
    prices,
    profiles,
    quantisation,
    scaling,
    sources,
    statistics,
)
from warehouse.contracts.table import Column, ContractBroken, Table

VIEWS = choices.VIEWS
# Where several tables have a column of one name, the first says what it means in general.
_MODULES = (
    sources, leaderboards, frontier, scaling, arena, arena_race, boards, ability, ability_models, catalogue, prices,
    performance, statistics, choices, profiles, quantisation, accuracy,
)  # fmt: skip
_DECLARED = (value for module in _MODULES for value in vars(module).values() if isinstance(value, Table))
TABLES: tuple[Table, ...] = tuple(table for table in dict.fromkeys(_DECLARED) if table not in VIEWS)
BY_RELATION: dict[str, Table] = {table.relation: table for table in (*TABLES, *VIEWS)}
SNAPSHOT_TABLES = tuple(table for table in TABLES if table.schema == "raw" and table.name.endswith("_snapshots"))
"""What each capability stored; together `meta.snapshots`."""
REJECTED_TABLES = tuple(table for table in TABLES if table.schema == "raw" and table.name.endswith("_rejected_rows"))
"""What each capability set aside; together `meta.rejected_rows`."""

__all__ = ["BY_RELATION", "REJECTED_TABLES", "SNAPSHOT_TABLES", "TABLES", "VIEWS", "Column", "ContractBroken", "Table"]
