"""The ability of judged open models in each precision that choices are made in; a pure frame."""

import polars as pl

from pipelines.defs.performance.tables import FORMATS
from profiling.answers.advise import CACHE_TASKS
from profiling.answers.door import Door
from profiling.answers.evidence import Evidence, in_format
from profiling.models.names import resolve_model
from profiling.models.sources import catalogue
from warehouse.contracts.ability import OVERALL
from warehouse.contracts.choices import ABILITY_BY_PRECISION

_USE = "chat"
"""The use of the Advisor whose domain is the overall one."""


def ability_by_precision(evidence: Evidence, door: Door) -> pl.DataFrame:
    """Rows of `marts.ability_by_precision`.

    Args:
        evidence: Abilities, and what formats cost.
        door: Knows the shapes of models.
    """
    judged = evidence.abilities.filter(
        pl.col("is_headline"), pl.col("domain") == OVERALL, pl.col("evidence_class") != "prior"
    )
    rows = []
    for name, *interval in judged.select("model_id", "ability_low", "ability", "ability_high").iter_rows():
        if (model := door.judged_model(name)) is None:
            continue
        architecture_id = resolve_model(name, [*catalogue(), *door.own_models], suggest=False).require()
        low, likely, high = interval
        for precision, (weights, kv_bits) in FORMATS.items():
            lost = evidence.lost(model, weights, kv_bits, CACHE_TASKS[_USE])
            ends = in_format((low, likely, high), lost)
            rows.append((name, precision, architecture_id, ends[1], ends[0], ends[2]))
    return pl.DataFrame(rows, schema=ABILITY_BY_PRECISION.polars_schema, orient="row")
