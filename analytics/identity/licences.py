"""Licence strings as classes, and the class of each model over time; pure, on rows of published boards.

Also who a row is about: boards spell one model and one maker in several ways.
"""

from collections.abc import Mapping

import polars as pl

PUBLICATION_PRECEDENCE = ("board_csv", "reference", "space_table", "alltime", "leaderboard_dataset", "boards_2026")
"""Whose word on a licence counts where two publications speak on the same day."""

ORGANISATIONS: Mapping[str, str] = {
    "DeepSeek AI": "DeepSeek",
    "Nexusflow": "NexusFlow",
    "Zhipu": "Z.ai",
    "Zhipu AI": "Z.ai",
    "Allen AI": "Ai2",
    "AllenAI/UW": "Ai2",
    "NVIDIA": "Nvidia",
    "Bytedance": "ByteDance",
    "Moonshot AI": "Moonshot",
    "01 AI": "01.AI",
    "alibaba": "Alibaba",
    "Qwen": "Alibaba",
    "cohere": "Cohere",
    "Cohere,Cohere for AI": "Cohere",
    "Google DeepMind": "Google",
    "Meta AI": "Meta",
    "Microsoft Research": "Microsoft",
    "mistral": "Mistral",
    "Mistral AI": "Mistral",
    "nvidia": "Nvidia",
    "zhipuai": "Z.ai",
    "Z.ai (Zhipu AI)": "Z.ai",
    "Z.ai (Zhipu AI),Tsinghua University": "Z.ai",
}
"""One spelling of each maker."""

OPEN = ("restricted", "open_weights", "open_source")
"""Classes whose weights can be downloaded."""


def normalised(name: pl.Expr) -> pl.Expr:
    """A model's name without case and punctuation: `GPT-4o (2024-05-13)` and `gpt-4o-2024-05-13` are one.

    A plus sign is part of the name: Command R+ is not Command R.
    """
    return name.str.to_lowercase().str.replace_all("+", "plus", literal=True).str.replace_all(r"[^a-z0-9]+", "")


def identities(board: pl.DataFrame) -> pl.DataFrame:
    """Names that lead to another name of the same model: `name, identity`, both normalised.

    Publications with both columns say which key a shown name has. Where several keys share a shown name, all lead
    to the most frequent one; a name that is not listed stands for itself.

    Args:
        board: Columns `model, model_key` and any others.
    """
    pairs = (
        board.select(shown=normalised(pl.col("model")), key=normalised(pl.col("model_key")))
        .filter(pl.col("key") != pl.col("shown"))
        .group_by("shown", "key")
        .len()
        .sort("len", "key", descending=[True, False])
    )
    shown = pairs.unique("shown", keep="first", maintain_order=True).select(name="shown", identity="key")
    keys = (
        pairs.unique("key", keep="first", maintain_order=True)
        .join(shown.rename({"name": "shown"}), on="shown")
        .select(name="key", identity="identity")
    )
    listed = pl.concat([keys, shown]).unique("name", keep="first", maintain_order=True)
    return listed.filter(pl.col("name") != pl.col("identity")).sort("name")


def with_identity(frame: pl.DataFrame, names: pl.DataFrame, name: pl.Expr) -> pl.DataFrame:
    """The rows with `identity`, equal for rows about one model.

    Args:
        frame: Any rows.
        names: From `identities`.
        name: The model's key or shown name in those rows.
    """
    plain = normalised(name)
    replaced = plain.replace(names["name"].implode(), names["identity"].implode()) if names.height else plain
    return frame.with_columns(identity=replaced)


def identified(board: pl.DataFrame) -> pl.DataFrame:
    """Board rows with `identity`, and `organization` in one spelling."""
    name = pl.coalesce(pl.col("model_key"), pl.col("model"))
    rows = with_identity(board, identities(board), name)
    return rows.with_columns(pl.col("organization").replace(ORGANISATIONS))


def with_licence_class(board: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """The rows with `licence_class` and `licence_evidence`.

    A correction declared for a model comes first, then the row's own licence, then, where the row says nothing,
    the last word of any board up to that day, or else the first one after it.

    Args:
        board: Rows from `identified`.
        rules: `licence, model, licence_class, is_specific, reason, source`; one of the first two is empty in each.
            Spellings that are not specific (`open`, `proprietary` in lower case) come from a publication that gives
            both to one model on different days: the most frequent one counts, and only for models that no specific
            spelling calls open, as published weights stay published.
    """
    by_licence = rules.filter(pl.col("licence") != "").select("licence", _own="licence_class", _specific="is_specific")
    corrections = rules.filter(pl.col("model") != "").select(
        identity=normalised(pl.col("model")), _corrected="licence_class", _reason="reason"
    )
    # A correction names the model as shown; boards may know it by another key.
    shown = corrections.rename({"identity": "_shown", "_corrected": "_corrected_shown", "_reason": "_reason_shown"})
    rows = (
        board.with_row_index("_row")
        .with_columns(_shown=normalised(pl.col("model")))
        .join(by_licence, on="licence", how="left", maintain_order="left")
        .join(corrections, on="identity", how="left", maintain_order="left")
        .join(shown, on="_shown", how="left", maintain_order="left")
        .with_columns(
            _corrected=pl.coalesce("_corrected", "_corrected_shown"), _reason=pl.coalesce("_reason", "_reason_shown")
        )
    )
    stated = (
        rows.filter(pl.col("_own").is_not_null() & pl.col("_specific"))
        .with_columns(_order=pl.col("publication").replace_strict(_order(), default=99, return_dtype=pl.Int64))
        .sort("as_of_date", "_order")
        .unique(["identity", "as_of_date"], keep="first", maintain_order=True)
        .select("identity", "as_of_date", _stated="_own")
    )
    silent = rows.select("_row", "identity", "as_of_date").sort("as_of_date")
    stated = stated.sort("as_of_date")
    before, after = stated.rename({"_stated": "_before"}), stated.rename({"_stated": "_after"})
    latest = silent.join_asof(
        before, on="as_of_date", by="identity", strategy="backward", check_sortedness=False
    ).join_asof(after, on="as_of_date", by="identity", strategy="forward", check_sortedness=False)
    rows = rows.join(latest.select("_row", "_before", "_after"), on="_row", how="left", maintain_order="left")
    prior = pl.coalesce("_before", "_after")
    vague = pl.col("_own").filter(~pl.col("_specific")).mode().sort().last().over("identity")
    known_open = prior.is_in(list(OPEN)).fill_null(value=False)
    own = pl.when(pl.col("_specific")).then("_own").when(pl.col("_own").is_not_null() & ~known_open).then(vague)
    evidence = (
        pl.when(pl.col("_corrected").is_not_null())
        .then(pl.format("declared correction: {}", "_reason"))
        .when(own.is_not_null())
        .then(pl.format("{} says {}", "publication", "licence"))
        .when(pl.coalesce(prior, vague).is_not_null())
        .then(pl.lit("another board"))
    )
    return rows.with_columns(
        licence_class=pl.coalesce("_corrected", own, prior, vague), licence_evidence=evidence
    ).select(*board.columns, "licence_class", "licence_evidence")


def unknown_licences(board: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """Spellings of licences that no rule knows: `licence, rows, models`; a check fails on any row here."""
    licences = rules.filter(pl.col("licence") != "")["licence"]
    return (
        board.filter(pl.col("licence").is_not_null() & ~pl.col("licence").is_in(licences.implode()))
        .group_by("licence")
        .agg(rows=pl.len(), models=pl.col("model").unique().sort().str.join(", "))
        .sort("licence")
    )


def licence_history(classified: pl.DataFrame) -> pl.DataFrame:
    """Licence class of each model over time, one row per period without change (`core.model_licences`).

    Args:
        classified: Rows from `with_licence_class`; rows of boards that state no licence are passed over.
    """
    stated = (
        classified.filter(pl.col("licence").is_not_null())
        .with_columns(_order=pl.col("publication").replace_strict(_order(), default=99, return_dtype=pl.Int64))
        .sort("identity", "as_of_date", "_order")
        .unique(["identity", "as_of_date"], keep="first", maintain_order=True)
        .with_columns(_period=pl.col("licence_class").rle_id().over("identity"))
    )
    periods = (
        stated.group_by("identity", "_period", maintain_order=True)
        .agg(
            model=pl.col("model").last(),
            licence=pl.col("licence").last(),
            licence_class=pl.col("licence_class").last(),
            valid_from=pl.col("as_of_date").min(),
            boards=pl.len().cast(pl.Int64),
            evidence=pl.col("licence_evidence").first(),
        )
        .with_columns(
            valid_to=pl.col("valid_from").shift(-1).over("identity"), model=pl.col("model").last().over("identity")
        )
    )
    columns = ["model", "licence", "licence_class", "valid_from", "valid_to", "boards", "evidence"]
    return periods.with_columns(pl.col("evidence").fill_null("licence spelling without a class")).select(columns)


def _order() -> dict[str, int]:
    return {name: place for place, name in enumerate(PUBLICATION_PRECEDENCE)}
