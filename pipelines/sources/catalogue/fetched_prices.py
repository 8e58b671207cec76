"""Prices that declared sources published since the bundled lists: newer ones take the bundled ones' place."""

from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.sources.boards.declaration import Declared
from pipelines.sources.boards.documents import Member
from pipelines.sources.boards.prices import DAY, prices_of
from pipelines.sources.boards.read import as_declared
from pipelines.sources.boards.recognition import PREFIX, match
from pipelines.sources.boards.templates import PRICE_TABLES
from pipelines.sources.raw_store import RawSnapshot, RawStore
from pipelines.sources.tables import UnreadableFile

SAME: Mapping[str, Sequence[str]] = {
    "accelerator_prices": ("accelerator", "provider", "provider_tier", "price_kind", "region"),
    "api_prices": ("hf_model_id", "provider"),
    "electricity_prices": ("kind", "country_code"),
}
"""What two prices of a table have in common when they are one price at two times."""
_PRICE = {"accelerator_prices": "usd_per_device_hour", "electricity_prices": "usd_per_kwh"}
BUNDLED_DAY = "bundled_as_of_date"


def fetched_prices(store: RawStore, boards: Mapping[str, Declared]) -> dict[str, pl.DataFrame]:
    """The newest stored state of every declared list of prices, by table; addresses of models are not resolved yet.

    Args:
        store: Raw snapshots; every earlier state stays there under its date.
        boards: Declared sources.
    """
    parts: dict[str, list[pl.DataFrame]] = {}
    for name, declared in boards.items():
        lists = {file.name: file.prices.table for file in declared.board.files if file.prices is not None}
        stored = store.snapshots(f"{PREFIX}{name}") if lists else []
        for layout, table in lists.items():
            states = [snapshot for snapshot in stored if snapshot.manifest.layout == layout]
            if states:
                newest = max(states, key=lambda state: (state.manifest.as_of, state.manifest.retrieved_at))
                parts.setdefault(table, []).append(_rows(newest, declared))
    return {table: pl.concat(rows) for table, rows in parts.items()}


def _rows(stored: RawSnapshot, declared: Declared) -> pl.DataFrame:
    manifest = stored.manifest
    matched = match(Member(manifest.uri.rsplit("/", 1)[-1], stored.path.read_bytes()), [declared])
    if matched is None or matched.file.prices is None:
        raise UnreadableFile(f"{manifest.uri} is no longer any file that {declared.board.name} declares.")
    frame = as_declared(matched.rows.frame, matched.file)
    rows, _, _ = prices_of(frame, matched.file, matched.file.prices, manifest.as_of)
    version = manifest.revision or f"retrieved {manifest.retrieved_at:%Y-%m-%d}"
    provenance = {"source": f"{declared.board.homepage} {manifest.uri}", "source_version": version}
    if "licence" in rows.columns:
        provenance["licence"] = manifest.licence or "not confirmed; prices are facts"
    table = matched.file.prices.table
    return _one_per_key(rows.with_columns(**{name: pl.lit(value) for name, value in provenance.items()}), table)


def _one_per_key(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """One row per key: of several offers alike, the median price, and how many there were."""
    price = _PRICE.get(table)
    if price is None or rows.is_empty():
        return rows
    key = [name for name in PRICE_TABLES[table].key if name != "note"]
    several = pl.when(pl.len() > 1).then(pl.format("median of {} offers", pl.len())).otherwise(pl.col("note").first())
    others = [name for name in rows.columns if name not in {*key, price, "note"}]
    grouped = rows.group_by(key, maintain_order=True).agg(
        *(pl.col(name).first() for name in others), pl.col(price).median(), several.alias("note")
    )
    return grouped.select(rows.columns)


def addressed(fetched: pl.DataFrame, bundled: pl.DataFrame, known: Sequence[str]) -> pl.DataFrame:
    """Offers of models whose address on the hub is known: by the bundled list's names of them, or as they are listed.

    Args:
        fetched: Rows of `core.api_prices` without addresses.
        bundled: The bundled list, which says what providers call which model.
        known: Addresses of the hub.
    """
    by_name: dict[str, set[str]] = {}
    for listed, address in bundled.select("model_as_listed", "hf_model_id").iter_rows():
        by_name.setdefault(str(listed).casefold(), set()).add(str(address))
    same = {name.casefold(): {name} for name in {*known, *bundled["hf_model_id"]}}
    addresses = [
        next(iter(names)) if len(names := same.get(listed.casefold()) or by_name.get(listed.casefold(), set())) == 1
        else None for listed in fetched["model_as_listed"]
    ]  # fmt: skip
    kinds = dict(bundled.select("provider", "provider_kind").iter_rows())
    return fetched.with_columns(
        pl.Series("hf_model_id", addresses, pl.String),
        pl.col("provider").replace_strict(kinds, default="host", return_dtype=pl.String).alias("provider_kind"),
    ).filter(pl.col("hf_model_id").is_not_null())


def with_newer(bundled: pl.DataFrame, fetched: pl.DataFrame, table: str) -> pl.DataFrame:
    """The bundled list, with newer fetched prices in place of its own; each keeps the day of what it replaced.

    Args:
        bundled: Rows of the table.
        fetched: Rows of the same table.
        table: Its name.
    """
    same = list(SAME[table])
    before = bundled.group_by(same).agg(pl.col(DAY).max().alias(BUNDLED_DAY), pl.lit(value=True).alias("was_bundled"))
    newer = (
        fetched.drop(BUNDLED_DAY)
        .join(before, on=same, how="left", maintain_order="left")
        .filter(pl.col("was_bundled").is_null() | pl.col(BUNDLED_DAY).is_null() | (pl.col(DAY) > pl.col(BUNDLED_DAY)))
        .select(bundled.columns)
    )
    unchanged = bundled.join(newer.select(same).unique(), on=same, how="anti", maintain_order="left")
    # A list that sorts a provider elsewhere than before states the same offer: its newest state counts.
    return pl.concat([unchanged, newer]).unique(PRICE_TABLES[table].key, keep="last", maintain_order=True)
