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

TABLES: tuple[Table, ...] = (
    *sources.TABLES,
    *leaderboards.TABLES,
    *frontier.TABLES,
    *arena.TABLES,
    *arena_race.TABLES,
    *boards.TABLES,
    *ability.TABLES,
    *ability_models.TABLES,
    *catalogue.TABLES,
    *prices.TABLES,
    *performance.TABLES,
    *statistics.TABLES,
    *scaling.TABLES,
    *choices.TABLES,
    *profiles.TABLES,
    *quantisation.TABLES,
    *accuracy.TABLES,
)
VIEWS: tuple[Table, ...] = choices.VIEWS
"""What is derived when it is asked for, from tables of the published warehouse."""
BY_RELATION: dict[str, Table] = {table.relation: table for table in (*TABLES, *VIEWS)}
SNAPSHOT_TABLES: tuple[Table, ...] = (
    leaderboards.SNAPSHOTS,
    arena.SNAPSHOTS,
    arena.VOTE_SNAPSHOTS,
    boards.SNAPSHOTS,
    performance.SNAPSHOTS,
    profiles.SNAPSHOTS,
)
"""What each capability stored; together `meta.snapshots`."""
REJECTED_TABLES: tuple[Table, ...] = (
    leaderboards.REJECTED_ROWS,
    arena.REJECTED_ROWS,
    arena.VOTE_REJECTED_ROWS,
    boards.REJECTED_ROWS,
    performance.REJECTED_ROWS,
    profiles.REJECTED_ROWS,
)
"""What each capability set aside; together `meta.rejected_rows`."""

__all__ = ["BY_RELATION", "REJECTED_TABLES", "SNAPSHOT_TABLES", "TABLES", "VIEWS", "Column", "ContractBroken", "Table"]
