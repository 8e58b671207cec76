"""Words of the SQL page: what can be asked, of which tables, and what was asked before. No widgets."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import polars as pl

from dashboards.parts.templates import render

EXAMPLES = {
    "The front": """SELECT model_id, precision, size_gib, score, standard_error
FROM marts.pareto_front
WHERE objectives = 'average_vs_size_gib' AND segment_by = 'all'
ORDER BY snapshot_id, size_gib""",
    "Best model per size": """SELECT round(log2(size_gib)) AS log2_size_gib, max(average) AS best,
       arg_max(model_id, average) AS model
FROM core.leaderboard_entries
WHERE size_gib > 0
GROUP BY ALL ORDER BY 1""",
    "What advanced the front": """SELECT entered_on, model_id, score, cost
FROM front_on(DATE '2024-12-31')
ORDER BY entered_on""",
    "Accelerators": """SELECT * FROM core.accelerators""",
    "Front of any two columns": """SELECT model_id, size_gib, average
FROM pareto_front('core.leaderboard_entries', size_gib, average)""",
    "All columns": """SELECT * FROM meta.columns""",
}
RULES = (
    "One SELECT, FROM, WITH, VALUES, PIVOT, DESCRIBE, SUMMARIZE or EXPLAIN. The warehouse is read-only; files, "
    "network, extensions and settings are out of reach."
)
COPY = (
    "A static copy answers no queries, a running server does. The tables are here as files (Data, Tables): "
    "`duckdb -c \"FROM 'data/marts.ability.parquet'\"`."
)
_LONGEST_SHOWN = 70


class PastQuery(NamedTuple):
    """A statement that was asked in this session, and how it went."""

    sql: str
    outcome: str


def examples() -> str:
    """Buttons that put an example into the field."""
    return render(
        __file__, "buttons.html", heading="Examples", buttons=[(title, sql, "") for title, sql in EXAMPLES.items()]
    )


def history(queries: Sequence[PastQuery]) -> str:
    """Buttons that put an earlier statement into the field, newest first; empty where there is none."""
    if not queries:
        return ""
    buttons = [(_short(query.sql), query.sql, f"{query.outcome}\n\n{query.sql}") for query in reversed(queries)]
    return render(__file__, "buttons.html", heading="Asked before", buttons=buttons)


def tables(contents: pl.DataFrame, columns: pl.DataFrame, own: Mapping[str, pl.DataFrame] | None = None) -> str:
    """Every table with its rows, meaning and columns, folded; first those of the reader's own rows."""
    described = {str(name): rows.to_dicts() for (name,), rows in columns.group_by("relation", maintain_order=True)}
    published = [{**row, "columns": described.get(row["relation"], ())} for row in contents.iter_rows(named=True)]
    description_of = {row["relation"]: row for row in published}
    rows = [
        {**description_of.get(name, {"meaning": "", "columns": ()}), "relation": f"yours.{name}", "rows": frame.height}
        for name, frame in (own or {}).items()
    ]
    rows += published
    schemas = [(schema, list(own)) for schema, own in groupby(rows, lambda row: str(row["relation"]).partition(".")[0])]
    return render(__file__, "tables.html", schemas=schemas)


def _short(sql: str) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"
