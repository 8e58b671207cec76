"""Which architecture of the catalogue a model of a leaderboard has, by declared rules; pure, and no I/O.

A fine-tune runs exactly as what it was made from, so one known architecture times thousands of models.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics.identity.model_names import family_in_name

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
_COLUMNS = ("model_id", "architecture", "parameters_total", "family")
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
    classes = {name: _Class(rows) for name, rows in by_class.items()}
    alike: dict[tuple[Any, ...], str | None] = {}
    rows = []
    for model in models.select(_COLUMNS).iter_rows(named=True):
        link = _itself(model, catalogue) or _up_the_chain(model, catalogue, bases) or _alike(model, classes, alike)
        if link is not None:
            rows.append((model["model_id"], *link))
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
    return (
        base,
        "base_model",
        f"architecture of base model {base}, {steps} up, parameters within {100 * _SAME_SIZE:.0f} %",
    )


class _Class:
    """Rows of the catalogue of one class, and which of them are about as large as a count."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows
        ends = (
            (row["parameters_total"], 2 * row["hidden_size"] * _CHANGED_VOCABULARY + _HALF_A_MILLION) for row in rows
        )
        self._ends = [(count - reach, count + reach) for count, reach in ends]
        self._edges = sorted({end for ends in self._ends for end in ends})

    def place(self, count: int) -> tuple[int, int]:
        """Between which edges a count lies: the same rows are as large as all counts of one place."""
        return bisect_left(self._edges, count), bisect_right(self._edges, count)

    def as_large(self, count: int) -> list[dict[str, Any]]:
        """Rows that differ from the count by no more than a changed vocabulary."""
        return [row for row, (low, high) in zip(self._rows, self._ends, strict=True) if low <= count <= high]


_NOBODY = _Class([])


def _alike(
    model: dict[str, Any], classes: Mapping[str, _Class], known: dict[tuple[Any, ...], str | None]
) -> tuple[str, str, str] | None:
    """By class and count; `known` keeps what was found, for thousands of models ask what others have asked."""
    stated, count = model["architecture"], model["parameters_total"]
    if stated is None or count is None or count % _COARSE == 0:
        return None
    name = _CLASS_ENDING.sub("", stated).lower()
    own, other = classes.get(name, _NOBODY), classes.get(_ALSO_STORED_AS.get(name, ""), _NOBODY)
    key = (name, own.place(count), other.place(count), model["family"])
    if key not in known:
        known[key] = _chosen(own.as_large(count) or other.as_large(count), model["family"])
    chosen = known[key]
    if chosen is None:
        return None
    return chosen, "same_class_and_count", f"{stated} with {count / 1e9:.3f} billion parameters, as {chosen} has"


def _chosen(near: list[dict[str, Any]], family: str | None) -> str | None:
    if len({tuple(row[column] for column in SHAPE) for row in near}) != 1:
        return None
    same_family = [row for row in near if family_in_name(row["model_id"]) == family]
    # Of what is left, take what promises least: the whole cache kept, the shortest context.
    chosen = min(
        same_family or near,
        key=lambda row: (row["sliding_window"] is not None, row["max_position"] or 0, row["model_id"]),
    )
    return str(chosen["model_id"])
