"""Buy or serve it yourself: what the same tokens cost from hosts of a model, and the load at which devices win."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from statistics import median

from profiling.answers.cost import POWER_USAGE_EFFECTIVENESS
from profiling.answers.prices import (
    ApiPrice,
    Ownership,
    Price,
    Row,
    break_even_load,
    day_of,
    rented_usd_per_million_tokens,
)

YEARS = 4.0
"""Time over which devices that one owns are written off."""
_TARIFFS = frozenset({"non_household", "commercial"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """Dollars for one device before tax, with its share of the machine around it where whole machines are listed."""

    usd_per_device: float
    low: float
    high: float
    listings: int
    newest_date: date | None
    is_whole_machine: bool
    """Whether it is a share of a whole machine; else of the device alone."""


def purchase_price(accelerator: str, listings: Iterable[Row]) -> Purchase | None:
    """What a new device costs: the median of whole machines per device, of devices alone where none is listed.

    What a list only assumes is no price.

    Args:
        accelerator: Name of the device.
        listings: Rows of `core.hardware_purchase_prices`.
    """
    price_rows = [
        row
        for row in listings
        if row["accelerator"] == accelerator and "new" in str(row["condition"]) and row["evidence"] != "assumption"
    ]
    whole = [row for row in price_rows if int(row["devices"]) > 1]
    chosen = whole or price_rows
    if not chosen:
        return None
    typical = [float(row["usd_before_tax"]) / int(row["devices"]) for row in chosen]
    ends = [
        float(row[end] or row["price_typical"]) / float(row["price_typical"]) * usd
        for row, usd in zip(chosen, typical, strict=True)
        for end in ("price_low", "price_high")
    ]
    days = [day for row in chosen if (day := day_of(row["as_of_date"]))]
    return Purchase(
        usd_per_device=median(typical), low=min(ends), high=max(ends), listings=len(chosen),
        newest_date=max(days, default=None), is_whole_machine=bool(whole),
    )  # fmt: skip


def typical_tariff(tariffs: Iterable[Row]) -> tuple[float, float, float] | None:
    """Low, median and high dollars per kWh that companies pay, over countries; None where none is known.

    Args:
        tariffs: Rows of `core.electricity_prices`.
    """
    prices = [float(row["usd_per_kwh"]) for row in tariffs if row["kind"] in _TARIFFS and row["usd_per_kwh"]]
    return (min(prices), median(prices), max(prices)) if prices else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to have devices, against buying the tokens.

    Costs are dollars per million output tokens, those of the prompts counted in, at full load: the traffic is there
    at all times. Loads are the share of the time that it must be there; None: even at all times it costs more.
    """

    usd_per_million_output_tokens: float
    low: float
    """At the cheapest price of the devices."""
    high: float
    load: float | None
    """From which on it costs less than the median host."""
    load_low: float | None
    """Likewise, at the cheapest price of the devices."""
    load_high: float | None
    """Likewise, at the dearest."""
    load_against_cheapest: float | None
    """Against the cheapest host, at the usual price of the devices."""
    basis: str
    newest_date: date | None = None
    """Newest day of the price of the devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the tokens cost from hosts, rented and owned; None where no price is known."""

    api: ApiPrice
    rented: Way | None
    owned: Way | None
    output_tokens_per_s: float

    def tokens_per_day(self, load: float) -> float:
        """Output tokens a day at that load."""
        return load * self.output_tokens_per_s * 86_400


def compare(
    api: ApiPrice,
    devices: int,
    output_tokens_per_s: float,
    rent: Price | None,
    purchase: Purchase | None,
    wall_w: float | None,
    tariff: tuple[float, float, float] | None,
) -> Comparison:
    """Devices that make so many tokens per second, rented and owned, against the hosts.

    Args:
        api: What the hosts ask, the input of this traffic counted in.
        devices: How many of one kind.
        output_tokens_per_s: Of all of them together.
        rent: Price of one for an hour.
        purchase: Price of one to own.
        wall_w: What one draws under load with its share of the host (`energy.counted_w`).
        tariff: Low, median and high dollars per kWh.
    """
    rented = owned = None
    if rent is not None:
        usd = [
            rented_usd_per_million_tokens(output_tokens_per_s, devices * hourly)
            for hourly in (rent.low, rent.usd_per_device_hour, rent.high)
        ]
        rented = _way(api, usd, [0.0, 0.0, 0.0], rent.basis, rent.newest_date)
    if purchase is not None and wall_w and tariff is not None:
        ways = [
            Ownership(
                purchase_usd=devices * price, years=YEARS, power_at_the_wall_w=devices * wall_w,
                usd_per_kwh=kwh, power_usage_effectiveness=POWER_USAGE_EFFECTIVENESS,
            )
            for price, kwh in zip((purchase.low, purchase.usd_per_device, purchase.high), tariff, strict=True)
        ]  # fmt: skip
        usd = [way.usd_per_million_tokens(output_tokens_per_s) for way in ways]
        energy = [way.energy_usd_per_hour / (output_tokens_per_s * 0.0036) for way in ways]
        when = "undated" if purchase.newest_date is None else f"newest {purchase.newest_date.isoformat()}"
        what = "of a whole machine" if purchase.is_whole_machine else "without the machine around it"
        basis = (
            f"${purchase.usd_per_device:,.0f} a device ({purchase.low:,.0f} to {purchase.high:,.0f}, {what}, "
            f"{purchase.listings} listing{'' if purchase.listings == 1 else 's'}, {when}) over {YEARS:g} years; "
            f"electricity at ${tariff[1]:.2f} per kWh ({tariff[0]:.2f} to {tariff[2]:.2f})"
        )
        owned = _way(api, usd, energy, basis, purchase.newest_date)
    return Comparison(api=api, rented=rented, owned=owned, output_tokens_per_s=output_tokens_per_s)


def _way(api: ApiPrice, usd: list[float], energy: list[float], basis: str, newest: date | None) -> Way:
    low, usual, high = (break_even_load(all_, api.median_usd, part) for all_, part in zip(usd, energy, strict=True))
    return Way(
        usd_per_million_output_tokens=usd[1], low=usd[0], high=usd[2], load=usual, load_low=low, load_high=high,
        load_against_cheapest=break_even_load(usd[1], api.cheapest_usd, energy[1]), basis=basis,
        newest_date=newest,
    )  # fmt: skip
