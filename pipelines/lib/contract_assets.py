"""How a table of the warehouse becomes an asset: its spec from the contract, its metadata from what was written."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from analytics.units import counted
from pipelines.runs.progress import announce
from warehouse.contracts import Table
from warehouse.contracts.violations import violations
from warehouse.lake import Lake

_PREVIEW_ROWS = 5
# Of what is fetched where a source lives: two missed days in a row are worth a look.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=48))


def spec(table: Table, deps: Iterable[Table | dg.AssetKey], kinds: Iterable[str] = ("polars",)) -> dg.AssetSpec:
    """The asset of a table: key, description, owner, kinds and column schema, all from its contract.

    Args:
        table: The table.
        deps: Tables, or keys of assets that are not tables, it is made from.
        kinds: What makes it; `parquet` is added.
    """
    return dg.AssetSpec(
        key=table.asset_key,
        deps=[dep.asset_key if isinstance(dep, Table) else dep for dep in deps],
        description=table.meaning,
        group_name=table.capability,
        kinds={*kinds, "parquet"},
        tags={"layer": table.schema},
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    dg.TableColumn(
                        column.name,
                        str(column.dtype),
                        description=f"{column.meaning} [{column.unit}]" if column.unit else column.meaning,
                        constraints=dg.TableColumnConstraints(
                            nullable=not column.required, unique=table.key == (column.name,)
                        ),
                    )
                    for column in table.columns
                ]
            ),
            "dagster/relation_identifier": table.relation,
        },
    )


CONTRACT_CHECK = "contract"


def makes(*specs: dg.AssetSpec) -> dict[str, Any]:
    """Arguments of `multi_asset` for tables: their specs, and for each the blocking check of its contract."""
    checks = [
        dg.AssetCheckSpec(
            CONTRACT_CHECK,
            asset=table_spec.key,
            blocking=True,
            description="Keys are unique, required values present, and values within their ranges and vocabularies.",
        )
        for table_spec in specs
    ]
    return {"specs": list(specs), "check_specs": checks}


def write(lake: Lake, table: Table, frame: pl.DataFrame, **facts: Any) -> dg.MaterializeResult[None]:
    """Write the frame by the table's contract, taking its columns by name; say what was written, and if it is sound.

    Args:
        lake: Where to.
        table: Contract; columns of the frame outside it are dropped here, columns that it lacks raise.
        frame: Rows.
        facts: Further metadata.

    Raises:
        ContractBroken: a column is missing or has values outside its type.
    """
    present = [name for name in table.column_names if name in frame.columns]
    conforming = lake.write(table, frame.select(present))
    return _result(lake, table, conforming.height, conforming.head(_PREVIEW_ROWS), violations(table, conforming), facts)


def written(lake: Lake, table: Table, **facts: Any) -> dg.MaterializeResult[None]:
    """Say what a table that is kept by snapshot was written to be, and if it is sound; only new parts were looked at.

    Args:
        lake: Where it is.
        table: Contract.
        facts: Further metadata.
    """
    parts = lake.parts(table)
    rule_counts: Counter[str] = Counter()
    for part in parts:
        rule_counts.update(part.violations)
    first = lake.scan(table).head(_PREVIEW_ROWS).collect()
    return _result(lake, table, lake.rows(table), first, rule_counts, {"parts": len(parts), **facts})


def _result(
    lake: Lake, table: Table, rows: int, first: pl.DataFrame, rule_counts: Mapping[str, int], facts: Mapping[str, Any]
) -> dg.MaterializeResult[None]:
    announce(f"{table.relation}: {counted(rows, 'row')}")
    key = dg.AssetKey(table.asset_key)
    return dg.MaterializeResult(
        asset_key=key,
        check_results=[
            dg.AssetCheckResult(
                passed=not rule_counts,
                check_name=CONTRACT_CHECK,
                asset_key=key,
                metadata={"violations": dg.MetadataValue.json(dict(rule_counts))},
                description="; ".join(f"{what}: {counted(rows, 'row')}" for what, rows in rule_counts.items()) or None,
            )
        ],
        metadata={
            "dagster/row_count": rows,
            "size": dg.MetadataValue.int(lake.size_bytes(table)),
            "preview": dg.MetadataValue.md(_as_markdown(first)),
            **facts,
        },
    )


def _as_markdown(frame: pl.DataFrame) -> str:
    columns = frame.columns[:8]
    cells = [["" if cell is None else str(cell).replace("|", "\\|") for cell in row] for row in frame[columns].rows()]
    return "\n".join("| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *cells])
