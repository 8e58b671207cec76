"""Which model of the hub an arena means by a name, by declared rules; pure, and no I/O."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import polars as pl

from analytics.identity.licences import normalised

IDENTIFIED = {
    "model": pl.String, "model_id": pl.String, "architecture_id": pl.String, "rule": pl.String, "evidence": pl.String,
}  # fmt: skip


def identify(
    names: Iterable[str], models: pl.DataFrame, catalogue: Iterable[str], declared: pl.DataFrame
) -> pl.DataFrame:
    """The hub's model behind each name of an arena, with the rule that found it, or why none did.

    A declared identity holds first. Else names are compared without case and punctuation, the account left out: a
    model of the catalogue, the only one that an official provider submitted, or the only account that has the name.

    Args:
        names: Models as arenas show them.
        models: `model_id`, `organisation` and `is_official_provider` of the leaderboards' models.
        catalogue: Models whose architecture is known.
        declared: `arena_model`, `model_id`, `architecture_id` (may be null), `source`.

    Returns:
        Columns of `core.arena_identities`, a row per name; where `model_id` is null, `rule` says why.
    """
    stated = dict(zip(_keys(declared["arena_model"]), declared.iter_rows(named=True), strict=True))
    model_ids = pl.Series("model_id", sorted(catalogue), dtype=pl.String)
    shipped = dict(zip(_keys(model_ids), model_ids, strict=True))
    owned = models.filter(pl.col("organisation").is_not_null()).sort("model_id")
    listed: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for key, row in zip(_keys(owned["model_id"]), owned.iter_rows(named=True), strict=True):
        listed[key].append(row)
    shown = pl.Series("model", sorted(set(names)), dtype=pl.String)
    rows = []
    for name, key in zip(shown, _keys(shown), strict=True):
        if key in stated:
            declared_row = stated[key]
            rows.append(
                (name, declared_row["model_id"], declared_row["architecture_id"], "declared", declared_row["source"])
            )
        elif key in shipped:
            rows.append((name, shipped[key], None, "same_name", "the catalogue has a model of that name"))
        else:
            rows.append((name, *_of_the_boards(listed[key])))
    return pl.DataFrame(rows, schema=IDENTIFIED, orient="row")


def _keys(names: pl.Series) -> list[str]:
    """Names without account, case and punctuation."""
    name = pl.col("name").str.split("/").list.last()
    return pl.DataFrame({"name": names.cast(pl.String)}).select(normalised(name))["name"].to_list()


def _of_the_boards(candidates: list[dict[str, Any]]) -> tuple[str | None, None, str, str]:
    official = [row["model_id"] for row in candidates if row["is_official_provider"]]
    if len(official) == 1:
        return official[0], None, "same_name", "the only official submission of that name to the leaderboards"
    accounts = {row["model_id"].lower(): row["model_id"] for row in candidates}
    if len(accounts) == 1:
        return next(iter(accounts.values())), None, "same_name", "the only account on the leaderboards with that name"
    if not candidates:
        return None, None, "no_such_name", "no model of that name on the leaderboards or in the catalogue"
    return None, None, "ambiguous", f"several accounts have it: {', '.join(sorted(accounts.values()))}"
