"""Who a model is: one row per model from everything boards say of it, and sizes for each of their entries."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from analytics.identity.model_names import (
    FAMILY_BY_ARCHITECTURE,
    MIXTURE_ARCHITECTURES,
    family_in_name,
    is_older_than,
    names_quantisation,
    size_in_name,
)
from analytics.units import GIB

BITS_PER_WEIGHT: Mapping[str, float] = {
    "float32": 32.0,
    "float16": 16.0,
    "bfloat16": 16.0,
    "8bit": 8.0,
    "4bit": 4.0,
    # Four bits, and per group of 128 a 16-bit scale and a 4-bit zero point: 4 + (16 + 4) / 128.
    "GPTQ": 4.15625,
}
_LONGEST_CHAIN = 12
_SMALL = 100_000_000


STATED_COLUMNS = [
    "model_id", "as_of_date", "row_number", "model_type", "architecture", "base_model", "precision", "licence",
    "weight_type", "is_merged", "is_moe", "is_on_hub", "uploaded_on", "submitted_on", "reported_parameters",
]  # fmt: skip
"""What `resolve_models` takes of an entry."""


def resolve_models(
    reported: pl.DataFrame, architectures: pl.DataFrame, too_small: Collection[str] | None = None
) -> pl.DataFrame:
    """One row per model: family, base, sizes with their source, dates.

    Family: by rules on the name; then by an architecture that one family alone uses, unless a base model of known
    family stands further up the chain; the organisation of the base model plays no part.

    Parameters, in this order: counted from the architecture; as the board states, unless packing or adapters make
    that figure wrong; from the name; from the nearest base model that has a count.

    Args:
        reported: STATED_COLUMNS of `raw.reported_entries`, of any boards and snapshots.
        architectures: `model_id`, `parameters_total`, `parameters_active`, `parameters_non_embedding` as counted.
        too_small: What `implausibly_small` said of all those entries; None: ask it now, of whole rows.

    Returns:
        Columns of `core.models`.
    """
    distrusted = implausibly_small(reported) if too_small is None else too_small
    latest = _latest_statements(reported)
    latest = latest.join(architectures, on="model_id", how="left", suffix="_counted")
    names = [_from_name(model_id) for model_id in latest["model_id"]]
    latest = latest.with_columns(pl.DataFrame(names, schema=_FROM_NAME).get_columns())
    is_distrusted = pl.col("model_id").is_in(list(distrusted))
    latest = latest.with_columns(pl.when(~is_distrusted).then(_trusted_board_count()).alias("board_count"))
    rows = {row["model_id"]: row for row in latest.to_dicts()}
    for row in rows.values():
        row.update(_family(row, rows))
        row.update(_sizes(row))
    for row in rows.values():
        _inherit_size(row, rows)
    return pl.DataFrame(list(rows.values()), schema_overrides=_INTEGERS, infer_schema_length=None).with_columns(
        pl.col("model_id").str.extract(r"^([^/]+)/").alias("organisation"),
        pl.col("model_id").str.extract(r"([^/]+)$").alias("name"),
    )


_INTEGERS = dict.fromkeys(
    ("parameters_total", "parameters_active", "parameters_non_embedding", "board_count"), pl.Int64
)
_FROM_NAME = {"named_total": pl.Int64, "named_active": pl.Int64, "named_family": pl.String, "packed": pl.Boolean}


def _from_name(model_id: str) -> dict[str, Any]:
    size = size_in_name(model_id)
    return {
        "named_total": size.total,
        "named_active": size.active,
        "named_family": family_in_name(model_id),
        "packed": names_quantisation(model_id),
    }


def _latest_statements(reported: pl.DataFrame) -> pl.DataFrame:
    """The newest non-null statement of each attribute of a model; the finest of its parameter counts."""
    whole_billions = pl.col("reported_parameters") % 1_000_000_000 == 0
    by_time = reported.sort("as_of_date", "row_number", descending=[True, False])
    attributes = ["model_type", "architecture", "base_model", "precision", "licence", "weight_type"]
    return by_time.group_by("model_id", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().first() for name in attributes),
        pl.col("is_merged").drop_nulls().first(),
        pl.col("is_moe").drop_nulls().first().alias("is_moe_reported"),
        pl.col("is_on_hub").drop_nulls().first().alias("is_open"),
        pl.col("uploaded_on").drop_nulls().first(),
        pl.col("submitted_on").min().alias("first_submitted_on"),
        pl.col("as_of_date").min().alias("first_seen_on"),
        pl.col("as_of_date").max().alias("last_seen_on"),
        pl.coalesce(
            pl.col("reported_parameters").filter(~whole_billions).first(),
            pl.col("reported_parameters").drop_nulls().first(),
        ).alias("reported_parameters"),
        (pl.col("weight_type") == "Adapter").any().alias("is_adapter"),
    )


def _trusted_board_count() -> pl.Expr:
    """The board's count, unless it is one that boards are known to get wrong.

    Packed integers hold several weights each, so that such uploads are counted at a fraction of their size, and one
    board multiplied the count back and overshot; some others are counted at half. `1_8b` was read as 8 billion.
    Adapters are counted together with the base they were merged into, that is twice.
    """
    count, named = pl.col("reported_parameters"), pl.col("named_total")
    packed = pl.col("packed") & (named.is_null() | ~(count / named).is_between(0.8, 1.2))
    halved = count.is_between(0.45 * named, 0.56 * named)
    misread = (count > named) & (count == named * 10 % 10_000_000_000)
    doubled = pl.col("is_adapter") & ((count > 1.6 * named) | named.is_null())
    wrong = (packed | halved | misread | doubled).fill_null(value=False)
    return pl.when(~wrong).then(count)


def implausibly_small(reported: pl.DataFrame) -> list[str]:
    """Models whose stated count is below 100 million though their evaluation took as long as a large model's.

    Boards misread the files of a few uploads and list them at a thousandth of their size, where they would beat
    everything small. Evaluation CO₂ is proportional to evaluation time; a count is distrusted when that exceeds four
    times the 95th percentile of at least five entries of the same snapshot with one to eight times the count.

    Args:
        reported: Rows of `raw.reported_entries`.
    """
    entries = reported.filter(pl.col("evaluation_co2_kg").is_not_null() & pl.col("reported_parameters").is_not_null())
    distrusted: list[str] = []
    for snapshot in entries.partition_by("snapshot_id"):
        small = snapshot.filter(pl.col("reported_parameters") < _SMALL)
        for model_id, count, carbon in small.select("model_id", "reported_parameters", "evaluation_co2_kg").iter_rows():
            peers = snapshot.filter(
                pl.col("reported_parameters").is_between(count, 8 * count) & (pl.col("model_id") != model_id)
            )["evaluation_co2_kg"]
            usual = peers.quantile(0.95)
            if len(peers) >= 5 and usual is not None and carbon > 4 * usual:
                distrusted.append(model_id)
    return sorted(set(distrusted))


def _chain(row: dict[str, Any], rows: Mapping[str, dict[str, Any]]) -> list[str]:
    """Base models from the nearest to the root; stops at itself, at a cycle, and at what boards no longer name."""
    chain: list[str] = []
    seen = {str(row["model_id"]).lower()}
    base = _base(row)
    while base and base.lower() not in seen and len(chain) < _LONGEST_CHAIN:
        chain.append(base)
        seen.add(base.lower())
        base = _base(rows[base]) if base in rows else None
    return chain


def _base(row: Mapping[str, Any]) -> str | None:
    base = str(row["base_model"] or "").removesuffix(" (Merge)").strip()
    return base if base and base != row["model_id"] else None


def _family(row: dict[str, Any], rows: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    chain = _chain(row, rows)
    by_architecture = FAMILY_BY_ARCHITECTURE.get(str(row["architecture"]))
    by_base = next((family for base in chain if (family := family_in_name(base))), None)
    there_on = min((day for name in ("uploaded_on", "first_submitted_on") if (day := row[name])), default=None)
    candidates = [(row["named_family"], "name"), (by_base, "base_model"), (by_architecture, "architecture")]
    # A model that was there before a family is not of it, whatever letters its name shares.
    fitting = ((family, source) for family, source in candidates if family and not is_older_than(family, there_on))
    family, source = next(fitting, ("unknown", "none"))
    return {
        "family": family,
        "family_source": source,
        "is_moe": _is_mixture(row),
        "base_model": chain[0] if chain else None,
        "root_model": chain[-1] if chain else None,
        "chain": chain,
    }


def _is_mixture(row: Mapping[str, Any]) -> bool | None:
    """By architecture where that decides; boards flag dense models too."""
    architecture = row["architecture"]
    if architecture in MIXTURE_ARCHITECTURES:
        return True
    if architecture in FAMILY_BY_ARCHITECTURE or architecture == "LlamaForCausalLM":
        return False
    stated: bool | None = row["is_moe_reported"]
    return stated


def _sizes(row: dict[str, Any]) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    for sort, named in (("total", "named_total"), ("active", "named_active"), ("non_embedding", None)):
        column = f"parameters_{sort}"
        board = row["board_count"] if sort == "total" else None
        candidates = [(row[column], "architecture"), (board, "board"), (row[named] if named else None, "name")]
        value, source = next(((v, s) for v, s in candidates if v), (None, None))
        sizes |= {column: value, f"{column}_source": source}
    # A dense model uses all its parameters for every token, whoever counted them.
    if not row["is_moe"] and sizes["parameters_total"] and sizes["parameters_active_source"] != "architecture":
        sizes["parameters_active"] = sizes["parameters_total"]
        sizes["parameters_active_source"] = sizes["parameters_total_source"]
    elif (
        row["is_moe"]
        and sizes["parameters_active"]
        and sizes["parameters_active"] >= (sizes["parameters_total"] or 0)
        and sizes["parameters_active_source"] != "architecture"
    ):
        sizes["parameters_active"] = sizes["parameters_active_source"] = None
    return sizes


def _inherit_size(row: dict[str, Any], rows: Mapping[str, dict[str, Any]]) -> None:
    """What the row lacks, from the nearest base model that has it; merges may differ in size and inherit nothing."""
    chain: list[str] = row.pop("chain")
    if row["is_merged"]:
        return
    for sort in ("total", "active", "non_embedding"):
        column = f"parameters_{sort}"
        own_total = row["parameters_total"]
        if row[column] is not None:
            continue
        for base in chain:
            other = rows.get(base)
            if not other or not other[column] or other[f"{column}_source"] == "base_model":
                continue
            other_total = other["parameters_total"]
            # An active or non-embedding count holds only for a model as large as the one it was counted on.
            if sort != "total" and own_total and other_total and not 1 / 1.1 < own_total / other_total < 1.1:
                continue
            row[column], row[f"{column}_source"] = other[column], "base_model"
            break


def _to_the_million(column: str) -> pl.Expr:
    """Boards state parameters to the million; finer counts of some models would break ties that are not there."""
    count = pl.col(column)
    return pl.when(count >= 10_000_000).then((count / 1_000_000).round(0).cast(pl.Int64) * 1_000_000).otherwise(count)


MODEL_COLUMNS = ["model_id", "family", "parameters_total", "parameters_active", "parameters_total_source"]
"""What `entry_sizes` takes of a model."""


def entry_sizes(reported: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """The reported entries with family, parameters and size in memory, each with its source.

    In a snapshot that measured sizes, a size is that measurement or unknown; elsewhere it is bits per weight of the
    entry's precision times the model's parameters. The two never mix in one snapshot: measured quantised entries are
    larger than the product, since embeddings and head stay at 16 bits, and a front would prefer the unmeasured.

    Args:
        reported: Rows of `raw.reported_entries`.
        models: MODEL_COLUMNS of `core.models`.

    Returns:
        The reported rows and `family`, `parameters_total` and `parameters_active` (to the million),
        `parameters_source`, `size_bytes`, `size_gib`, `size_source`, `error_pct`.
    """
    facts = models.select(MODEL_COLUMNS).select(
        "model_id",
        "family",
        _to_the_million("parameters_total"),
        _to_the_million("parameters_active"),
        pl.col("parameters_total_source").alias("parameters_source"),
    )
    bits = pl.col("precision").replace_strict(dict(BITS_PER_WEIGHT), default=None, return_dtype=pl.Float64)
    measured = (pl.col("reported_size_gib") * GIB).round(0).cast(pl.Int64)
    measures_sizes = pl.col("reported_size_gib").is_not_null().any().over("snapshot_id")
    product = (pl.col("parameters_total") * bits / 8).round(0).cast(pl.Int64)
    computed = pl.when(~measures_sizes).then(product)
    return (
        reported.join(facts, on="model_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce(measured, computed).alias("size_bytes"),
            pl.when(measured.is_not_null())
            .then(pl.lit("measured"))
            .when(computed.is_not_null())
            .then("parameters_source")
            .alias("size_source"),
        )
        .with_columns(
            pl.coalesce("reported_size_gib", pl.col("size_bytes") / GIB).alias("size_gib"),
            (100 - pl.col("average")).alias("error_pct"),
        )
    )
