"""A copy of the published database without the rows that a licence does not let be passed on."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from warehouse.publish import POINTER, current

TERMS = "may_bundle"
"""Column that says whether a row may be passed on; in `meta` it is what is known of a source, not of rows."""


_MODE = ("domain", "model_id", "mode")
_EFFORT = (*_MODE, "effort")
_RESTS_ON_OTHERS = f"""
CREATE TEMP TABLE rests_on_others AS
WITH judged AS (
    SELECT DISTINCT domain, model_id, mode, effort, unnest(string_split(sources, ', ')) AS source
    FROM marts.ability WHERE sources <> ''
), passed AS (SELECT DISTINCT source, model_id FROM core.benchmark_results WHERE {TERMS}),
identified AS (SELECT DISTINCT model_id FROM core.benchmark_results WHERE model_id IS NOT NULL)
SELECT domain, model_id, mode, effort FROM judged GROUP BY ALL
HAVING NOT bool_or(CASE WHEN model_id IN (FROM identified) THEN (source, model_id) IN (FROM passed)
                        ELSE source IN (SELECT source FROM passed) END)
"""
"""Abilities of which every source says of that model only what may not be passed on: of few results, the ability gives
these away. One that rests on others too is a statistic of ours. Models that no source identifies count by source."""


@dataclass(frozen=True)
class PassedOn:
    """What may be passed on.

    Attributes:
        folder: A published folder with the same release, without the other rows.
        left_out: How many rows of which table are not in it, a line each.
    """

    folder: Path
    left_out: tuple[str, ...]


@contextmanager
def passed_on(published: Path) -> Iterator[PassedOn]:
    """The current release as others may have it, as long as the context is open.

    Pages, charts and tables of a copy for others are all made from it, so that no query can forget the terms.

    Args:
        published: Folder of the releases.

    Raises:
        NotPublished: nothing is published.
    """
    release = current(published)
    with TemporaryDirectory() as folder:
        path = Path(folder) / release.path.name
        shutil.copyfile(release.path, path)
        shutil.copyfile(published / POINTER, Path(folder) / POINTER)
        yield PassedOn(Path(folder), tuple(_without_others(path)))


def _without_others(database: Path) -> Iterator[str]:
    with duckdb.connect(database) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_schema, table_name) WHERE column_name = ? AND table_type = 'BASE TABLE'"
            " AND table_schema <> 'meta' ORDER BY ALL",
            [TERMS],
        ).fetchall()
        connection.execute(_RESTS_ON_OTHERS)
        for schema, name in tables:
            gone = connection.execute(f'DELETE FROM {schema}."{name}" WHERE NOT {TERMS}').fetchall()[0][0]
            if gone:
                yield f"{gone:,} rows of {schema}.{name}: their licence does not let them be passed on"
        for name, key in (("ability", _EFFORT), ("ability_changes", _EFFORT), ("ability_fronts", _MODE)):
            gone = connection.execute(
                f"DELETE FROM marts.{name} AS of_all WHERE EXISTS (FROM rests_on_others AS other WHERE "
                + " AND ".join(f"of_all.{column} IS NOT DISTINCT FROM other.{column}" for column in key)
                + ")"
            ).fetchall()[0][0]
            if gone:
                yield f"{gone:,} rows of marts.{name}: all results they rest on have such a licence"
