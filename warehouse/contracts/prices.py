"""Contracts of what things cost: devices for rent and for sale, electricity, and tokens from those who host models."""

import polars as pl

from warehouse.contracts.catalogue import ACCELERATOR, count
from warehouse.contracts.common import SOURCE, flag, positive
from warehouse.contracts.table import Column, Table

PRICE_KINDS = ("on_demand", "spot", "reserved_1y", "reserved_3y")
PROVIDER_TIERS = ("hyperscaler", "neocloud", "marketplace", "cloud")
AS_OF = Column("as_of_date", pl.Date, "Day of the price, the first of a stated month or year; null: undated.")
REPLACED = Column(
    "bundled_as_of_date", pl.Date,
    "Day of the bundled price that this fetched, newer one took the place of; null: bundled itself, or new.",
)  # fmt: skip
VERSION = Column("source_version", pl.String, "Commit or version of the list.")

ACCELERATOR_PRICES = Table(
    "core.accelerator_prices",
    "One offer of a device for rent: provider, price per device and hour, terms, region and date.",
    (
        ACCELERATOR,
        Column("offered_as", pl.String, "Name of the offer.", required=True),
        Column("provider", pl.String, "Who rents it out.", required=True),
        Column("provider_tier", pl.String, "What sort of provider that is.", required=True, allowed=PROVIDER_TIERS),
        Column("price_kind", pl.String, "On demand, interruptible, or reserved.", required=True, allowed=PRICE_KINDS),
        positive("usd_per_device_hour", "Price of one device for one hour.", "USD/h", required=True),
        count("devices_per_instance", "Devices that are rented together.", required=True),
        Column("instance_type", pl.String, "The provider's name of the machine.", required=True),
        Column("region", pl.String, "Where it stands.", required=True),
        Column("currency", pl.String, "Currency of the offer.", required=True),
        flag("is_usable_for_medians", "Whether it is a whole device at a current price; the note says why not."),
        AS_OF,
        REPLACED,
        SOURCE,
        VERSION,
        Column("licence", pl.String, "Licence of the list."),
        Column("note", pl.String, "What the price is for."),
    ),
    ("accelerator", "offered_as", "provider", "price_kind", "instance_type", "region"),
    "catalogue",
)

MARKET_PRICES = Table(
    "marts.accelerator_market_prices",
    "What a device costs to rent: the median over providers with its range and age, hyperscalers apart from others.",
    (
        ACCELERATOR,
        Column("price_kind", pl.String, "On demand, interruptible, or reserved.", required=True, allowed=PRICE_KINDS),
        flag("is_hyperscaler", "Whether these are hyperscalers or the others.", required=True),
        positive("usd_per_device_hour", "Median of providers, each counted once.", "USD/h", required=True),
        positive("usd_low_per_device_hour", "The cheapest provider.", "USD/h", required=True),
        positive("usd_high_per_device_hour", "The dearest provider.", "USD/h", required=True),
        count("providers", "Providers that offer it so.", required=True),
        count("offers", "Their regions and configurations.", required=True),
        Column("newest_date", pl.Date, "Newest day of a price; null: none is dated."),
        Column("oldest_date", pl.Date, "Oldest day of a price."),
        count("undated", "Providers whose list carries no date.", required=True),
        flag("is_usual", "Whether costs are computed with it.", required=True),
        Column("basis", pl.String, "The price in one line.", required=True),
        Column("sources", pl.String, "Lists it is from, with their versions.", required=True),
    ),
    ("accelerator", "price_kind", "is_hyperscaler"),
    "catalogue",
)

HARDWARE_PURCHASE_PRICES = Table(
    "core.hardware_purchase_prices",
    "What a device costs to buy, new or used, as shops and lists state it.",
    (
        ACCELERATOR,
        Column("item", pl.String, "What is sold.", required=True),
        Column("condition", pl.String, "New, used, or the list price at launch.", required=True),
        positive("price_low", "The cheapest listing.", "", required=False),
        positive("price_typical", "The usual one.", "", required=True),
        positive("price_high", "The dearest listing.", ""),
        Column("currency", pl.String, "Currency of the three.", required=True),
        Column("tax", pl.String, "Whether tax is in them."),
        positive("usd_before_tax", "The usual one in dollars, before tax, by the day's rate.", "USD", required=True),
        count("devices", "Devices in what is sold.", "devices", required=True),
        Column("region", pl.String, "Where it is sold."),
        Column("evidence", pl.String, "What sort of statement that is.", required=True),
        SOURCE,
        VERSION,
        AS_OF,
        Column("note", pl.String, "What to know about it."),
    ),
    ("accelerator", "item", "condition", "source", "as_of_date"),
    "catalogue",
)

ELECTRICITY_PRICES = Table(
    "core.electricity_prices",
    "What electricity costs by country and user; and what buildings and servers add to the power of their devices.",
    (
        Column("kind", pl.String, "household, non_household or commercial tariff; pue; serving_power; system_power.",
               required=True),
        Column("country_code", pl.String, "ISO 3166 alpha-3; null where it is no country."),
        Column("place", pl.String, "Country, region, operator or server.", required=True),
        positive("value", "As stated, in `unit`.", "", required=True),
        Column("unit", pl.String, "Unit of the value.", required=True),
        positive("usd_per_kwh", "Tariffs in dollars.", "USD/kWh"),
        Column("period", pl.String, "When it holds, or under which load."),
        AS_OF,
        REPLACED,
        SOURCE,
        VERSION,
        Column("licence", pl.String, "Licence of the list."),
        Column("note", pl.String, "What is in it."),
    ),
    ("kind", "place", "period", "source", "note"),
    "catalogue",
)  # fmt: skip

API_PRICES = Table(
    "core.api_prices",
    "What the tokens of an open model cost from a provider, as one list states it.",
    (
        Column("hf_model_id", pl.String, "The model's address on the hub.", required=True),
        Column("model_as_listed", pl.String, "The provider's name for it.", required=True),
        Column("provider", pl.String, "Who hosts it.", required=True),
        Column("provider_kind", pl.String, "host, first party, via HF router or aggregator.", required=True),
        positive("usd_per_million_input", "Price of a million input tokens.", "USD per million tokens"),
        positive("usd_per_million_output", "Price of a million output tokens.", "USD per million tokens"),
        positive(
            "usd_per_million_cached_input",
            "Price of a million input tokens that were sent before.",
            "USD per million tokens",
        ),
        count("context_length", "Longest context that is offered.", "tokens"),
        flag("is_newest_for_provider", "Whether the provider's newer lists say the same."),
        flag("is_retired", "Whether the provider no longer offers it."),
        Column("open_weights_evidence", pl.String, "How it is known that the weights are open."),
        SOURCE,
        VERSION,
        AS_OF,
        REPLACED,
        Column("note", pl.String, "What to know about it."),
    ),
    ("hf_model_id", "model_as_listed", "provider", "source", "as_of_date"),
    "catalogue",
)

TABLES: tuple[Table, ...] = (
    ACCELERATOR_PRICES, MARKET_PRICES, HARDWARE_PURCHASE_PRICES, ELECTRICITY_PRICES, API_PRICES,
)  # fmt: skip
