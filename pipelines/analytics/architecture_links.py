"""Which architecture of the catalogue a model of a leaderboard has, by declared rules; pure, and no I/O.

A fine-tune runs exactly as what it was made from, so one known architecture times thousands of models.
"""

import re
from collections import defaultdict
from typing import Any

import polars as pl

from pipelines.analytics.model_names import family_in_name

_LONGEST_CHAIN = 12
# Fine-tunes add a few tokens to the vocabulary; more than that is another architecture.
_SAME_SIZE = 0.03
_CHANGED_VOCABULARY = 1024
_HALF_A_MILLION = 500_000
# Exports that round to whole billions cannot tell one architecture from another.
_COARSE = 100_000_000
_CLASS_ENDING = re.compile(r"(ForCausalLM|LMHeadModel|ForConditionalGeneration|Model)$")
# Phi-3 and Phi-4 are republished as Llama: the same products, of fused matrices taken apart.
_ALSO_STORED_AS = {"llama": "phi3"}
SHAPE = (
    "hidden_size", "layers", "heads", "kv_heads", "head_dim", "intermediate_size", "experts", "experts_per_token",
    "expert_intermediate_size", "shared_experts", "first_dense_layers",
)  # fmt: skip
"""Columns of `core.architectures` that fix how a model runs; vocabulary, window and context vary around them."""
LINKED = {"model_id": pl.String, "architecture_id": pl.String, "link": pl.String, "evidence": pl.String}


def link_architectures(models: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Which architecture of the catalogue each model has, where that is known, and by what rule.

    A model has its own; or that of the nearest model up its chain of base models, if it is about as large, for who
    merges or prunes layers names a base of another shape; or else the one shape of its class in the catalogue whose
    parameter count differs by no more than a changed vocabulary. Two shapes of one class and count give none.

    Args:
        models: `model_id`, `base_model`, `architecture` (class name), `family`, `parameters_total`; all but the first
            may be missing.
        known: `model_id`, `model_type`, `parameters_total`, `max_position`, `sliding_window` and the columns of
            `SHAPE` of the catalogue.

    Returns:
        Columns of `core.model_architectures`; models without a known architecture are left out.
    """
    catalogue = {row["model_id"]: row for row in known.iter_rows(named=True)}
    bases = dict(models.select("model_id", "base_model").iter_rows())
    by_class: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in catalogue.values():
        by_class[row["model_type"].replace("_", "")].append(row)
    rows = []
    for model in models.iter_rows(named=True):
        found = _itself(model, catalogue) or _up_the_chain(model, catalogue, bases) or _alike(model, by_class)
        if found is not None:
            rows.append((model["model_id"], *found))
    return pl.DataFrame(rows, schema=LINKED, orient="row")


def _itself(model: dict[str, Any], catalogue: dict[str, dict[str, Any]]) -> tuple[str, str, str] | None:
    if model["model_id"] not in catalogue:
        return None
    return model["model_id"], "itself", "its own configuration"


def _up_the_chain(
    model: dict[str, Any], catalogue: dict[str, dict[str, Any]], bases: dict[str, str | None]
) -> tuple[str, str, str] | None:
    base, steps = bases[model["model_id"]], 1
    while base is not None and base not in catalogue and steps < _LONGEST_CHAIN:
        base, steps = bases.get(base), steps + 1
    count = model["parameters_total"]
    if base is None or base not in catalogue or count is None:
        return None
    if abs(count / catalogue[base]["parameters_total"] - 1) > _SAME_SIZE:
        return None
    return base, "base_model", f"architecture of base model {base}, {steps} up, parameters within {_SAME_SIZE:.0%}"


def _alike(model: dict[str, Any], by_class: dict[str, list[dict[str, Any]]]) -> tuple[str, str, str] | None:
    stated, count = model["architecture"], model["parameters_total"]
    if stated is None or count is None or count % _COARSE == 0:
        return None
    name = _CLASS_ENDING.sub("", stated).lower()
    near = _as_large(by_class[name], count) or _as_large(by_class[_ALSO_STORED_AS.get(name, "")], count)
    if len({tuple(row[column] for column in SHAPE) for row in near}) != 1:
        return None
    same_family = [row for row in near if family_in_name(row["model_id"]) == model["family"]]
    # Of what is left, take what promises least: the whole cache kept, the shortest context.
    chosen = min(
        same_family or near,
        key=lambda row: (row["sliding_window"] is not None, row["max_position"] or 0, row["model_id"]),
    )
    evidence = f"{stated} with {count / 1e9:.3f} billion parameters, as {chosen['model_id']} has"
    return chosen["model_id"], "same_class_and_count", evidence


def _as_large(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return [
        row
        for row in rows
        if abs(row["parameters_total"] - count) <= 2 * row["hidden_size"] * _CHANGED_VOCABULARY + _HALF_A_MILLION
    ]
