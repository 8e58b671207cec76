"""Price lists that ship, as the frames of their tables, and the market's medians of them."""

import polars as pl

from profiling.answers.prices import day_of, market_price
from warehouse.contracts.prices import MARKET_PRICES, PRICE_KINDS
from warehouse.contracts.table import Table
from warehouse.reference_files import reference_table


def price_list(table: Table) -> pl.DataFrame:
    """Rows of a table of prices, from the list of its name; days as the list states them, months by their first."""
    frame = reference_table(table.name, typed=True, schema_overrides={"as_of_date": pl.String})
    days = [day_of(stated) for stated in frame["as_of_date"]]
    dated = frame.with_columns(
        pl.Series("as_of_date", days, dtype=pl.Date), pl.lit(None, pl.Date).alias("bundled_as_of_date")
    )
    return dated.select(table.column_names)


def market_prices(offers: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.accelerator_market_prices` from those of `core.accelerator_prices`."""
    rows = []
    for (accelerator,), listed in offers.group_by("accelerator", maintain_order=True):
        named = listed.to_dicts()
        for kind in PRICE_KINDS:
            prices = {is_hyperscaler: market_price(str(accelerator), named, kind, is_hyperscaler=is_hyperscaler)
                     for is_hyperscaler in (False, True)}  # fmt: skip
            for is_hyperscaler, price in prices.items():
                if price is None:
                    continue
                rows.append(
                    {
                        "accelerator": accelerator, "price_kind": kind, "is_hyperscaler": is_hyperscaler,
                        "usd_per_device_hour": price.usd_per_device_hour, "usd_low_per_device_hour": price.low,
                        "usd_high_per_device_hour": price.high, "providers": price.providers, "offers": price.offers,
                        "newest_date": price.newest_date, "oldest_date": price.oldest_date, "undated": price.undated,
                        "is_usual": not is_hyperscaler or prices[False] is None,
                        "basis": price.basis, "sources": price.sources,
                    }
                )  # fmt: skip
    return MARKET_PRICES.frame(rows)
