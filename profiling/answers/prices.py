"""What devices and tokens cost on the market: medians with their range and their age, never one undated figure.

Rents, purchases, electricity and APIs come in as rows of the price tables; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any

from profiling.errors import InvalidWorkload

Row = Mapping[str, Any]
HYPERSCALER = "hyperscaler"
HOURS_PER_YEAR = 8766.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars per device and hour: the median of providers, their range, and how old that is."""

    usd_per_device_hour: float
    """Median over providers."""
    low: float
    high: float
    providers: int
    offers: int
    newest_date: date | None
    """Newest day among them; None: no provider states one."""
    oldest_date: date | None
    undated: int
    """Providers whose list carries no date."""
    kind: str
    is_hyperscaler: bool | None
    """Whether hyperscalers were asked; None: all providers."""
    sources: str

    @property
    def basis(self) -> str:
        """The price in one line: who, how many, and from when."""
        who = {True: "hyperscalers", False: "providers", None: "providers"}[self.is_hyperscaler]
        who = who.removesuffix("s") if self.providers == 1 else who
        kind = self.kind.replace("_", " ")
        when = "undated" if self.newest_date is None else f"newest {self.newest_date.isoformat()}"
        spread = "" if self.providers == 1 else f", {self.low:.2f} to {self.high:.2f}"
        without = ", hyperscalers apart" if self.is_hyperscaler is False else ""
        return f"median of {self.providers} {who}{spread}, {kind}{without}, {when}"


def market_price(
    accelerator: str, offers: Iterable[Row], kind: str = "on_demand", *, is_hyperscaler: bool | None = False
) -> Price | None:
    """The price of a device on the market, or None where nobody offers it so.

    Each provider counts once: the median over its regions and configurations on the newest day that it lists.

    Args:
        accelerator: Name of the device.
        offers: Rows of `core.accelerator_prices`; those that are not usable for medians are left out.
        kind: on_demand, spot, reserved_1y or reserved_3y.
        is_hyperscaler: Only hyperscalers, only others (two to three times cheaper), or all (None).
    """
    usable: dict[str, list[Row]] = {}
    for row in offers:
        fits = row["accelerator"] == accelerator and row["price_kind"] == kind and _truth(row["is_usable_for_medians"])
        if fits and is_hyperscaler in {None, row["provider_tier"] == HYPERSCALER}:
            usable.setdefault(str(row["provider"]), []).append(row)
    if not usable:
        return None
    newest = {provider: _newest(rows) for provider, rows in usable.items()}
    per_provider = {p: median(float(row["usd_per_device_hour"]) for row in rows) for p, (_, rows) in newest.items()}
    days = [day for day, _ in newest.values() if day is not None]
    return Price(
        usd_per_device_hour=median(per_provider.values()),
        low=min(per_provider.values()),
        high=max(per_provider.values()),
        providers=len(per_provider),
        offers=sum(len(rows) for _, rows in newest.values()),
        newest_date=max(days, default=None),
        oldest_date=min(days, default=None),
        undated=len(newest) - len(days),
        kind=kind,
        is_hyperscaler=is_hyperscaler,
        sources="; ".join(
            sorted({f"{row['source']} @ {row['source_version']}" for _, rows in newest.values() for row in rows})
        ),
    )


def typical_price(accelerator: str, offers: Iterable[Row], *, spot: bool = False) -> Price | None:
    """What costs are computed with: providers that are no hyperscalers; these where nobody else has the device."""
    rows, kind = list(offers), "spot" if spot else "on_demand"
    price = market_price(accelerator, rows, kind)
    return price or market_price(accelerator, rows, kind, is_hyperscaler=True)


def _newest(rows: list[Row]) -> tuple[date | None, list[Row]]:
    dated = [(day, row) for row in rows if (day := day_of(row["as_of_date"]))]
    if not dated:
        return None, rows
    newest = max(day for day, _ in dated)
    return newest, [row for day, row in dated if day == newest]


def day_of(stated: object) -> date | None:
    """A day as tables state it (`2026-10-07`, `2026-10`, `2026`: the first of these); None where there is none."""
    if isinstance(stated, date):
        return stated
    parts = str(stated or "").split("-")
    if not parts[0].isdigit() or len(parts[0]) != 4 or not all(part.isdigit() for part in parts):
        return None
    numbers = [*map(int, parts), 1, 1][:3]
    try:
        return date(*numbers)
    except ValueError:
        return None


def _truth(value: object) -> bool:
    return value is True or str(value).casefold() == "true"


# Owning ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Devices that one owns: what they cost per hour, used or not."""

    purchase_usd: float
    """Of all devices, with the machine around them."""
    years: float
    """Time over which the purchase is written off."""
    power_at_the_wall_w: float
    """While serving, of everything that the purchase covers."""
    usd_per_kwh: float
    power_usage_effectiveness: float = 1.0
    """Energy of the building over that of the machine: 1.0 at home, 1.54 in the industry (Uptime Institute 2025)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            InvalidWorkload: A negative price or power, no lifetime, or a building that uses less than its machines.
        """
        if min(self.purchase_usd, self.power_at_the_wall_w, self.usd_per_kwh) < 0 or self.years <= 0:
            raise InvalidWorkload(
                "purchase price, power and tariff must not be negative, and the lifetime must be positive"
            )
        if self.power_usage_effectiveness < 1:
            raise InvalidWorkload("a building cannot use less energy than its machines: PUE must be 1 or more")

    @property
    def capital_usd_per_hour(self) -> float:
        """Share of the purchase that every hour costs, whether it is used or not."""
        return self.purchase_usd / (self.years * HOURS_PER_YEAR)

    @property
    def energy_usd_per_hour(self) -> float:
        """Electricity of an hour of serving."""
        return self.power_at_the_wall_w / 1000 * self.power_usage_effectiveness * self.usd_per_kwh

    def usd_per_million_tokens(self, tokens_per_s: float, load: float = 1.0) -> float:
        """Dollars per million tokens when the machine serves that share of the time and rests otherwise.

        Raises:
            InvalidWorkload: A rate or a share that cannot be.
        """
        _require_rate(tokens_per_s, load)
        return (self.capital_usd_per_hour / load + self.energy_usd_per_hour) / (tokens_per_s * 0.0036)


def rented_usd_per_million_tokens(tokens_per_s: float, usd_per_hour: float) -> float:
    """Dollars per million tokens of rented devices that are paid for whether they serve or not.

    Args:
        tokens_per_s: Of all devices together, while they serve.
        usd_per_hour: Of all devices together.

    Raises:
        InvalidWorkload: A rate or a rent that cannot be.
    """
    _require_rate(tokens_per_s)
    if usd_per_hour < 0:
        raise InvalidWorkload(f"a rent of {usd_per_hour:g} USD/h cannot be")
    return usd_per_hour / (tokens_per_s * 3600) * 1e6


def _require_rate(tokens_per_s: float, load: float = 1.0) -> None:
    if tokens_per_s <= 0 or not 0 < load <= 1:
        raise InvalidWorkload(f"{tokens_per_s:g} tokens/s at a load of {load:g} cannot be: load lies in (0, 1]")


# Buying tokens --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPrice:
    """Dollars per million output tokens from the hosts that offer a model, its input counted in."""

    median_usd: float
    cheapest_usd: float
    cheapest_provider: str
    hosts: int
    newest_date: date | None


def api_price(model_id: str, offers: Iterable[Row], input_share: float) -> ApiPrice | None:
    """What the tokens of a model cost from those who host it, or None where nobody lists it.

    Free and retired offers and batch or resold ones (aggregators) are left out; each host counts once, by its newest
    list.

    Args:
        model_id: Its address on the hub.
        offers: Rows of `core.api_prices`.
        input_share: Input tokens per output token that are paid for.
    """
    by_host: dict[str, list[tuple[date, float]]] = {}
    for row in offers:
        if row["hf_model_id"] != model_id or _truth(row["is_retired"]) or row["provider_kind"] == "aggregator":
            continue
        output_usd, input_usd = row["usd_per_million_output"], row["usd_per_million_input"]
        if output_usd in {None, ""} or input_usd in {None, ""} or float(output_usd) <= 0:
            continue
        cost = float(output_usd) + input_share * float(input_usd)
        by_host.setdefault(str(row["provider"]), []).append((day_of(row["as_of_date"]) or date.min, cost))
    if not by_host:
        return None
    newest = {host: max(day for day, _ in listed) for host, listed in by_host.items()}
    costs = {host: median(cost for day, cost in listed if day == newest[host]) for host, listed in by_host.items()}
    cheapest = min(costs, key=lambda host: costs[host])
    last = max(newest.values())
    return ApiPrice(
        median_usd=median(costs.values()),
        cheapest_usd=costs[cheapest],
        cheapest_provider=cheapest,
        hosts=len(costs),
        newest_date=None if last == date.min else last,
    )


def break_even_load(own_usd_at_full_load: float, api_usd: float, energy_usd: float = 0.0) -> float | None:
    """The share of the time that own or rented devices must serve to cost no more than the API; None: never.

    What is paid by the hour is spread over the tokens that are served, so its cost per token goes with 1 / load;
    energy is paid per token.

    Args:
        own_usd_at_full_load: Dollars per million tokens when the devices always serve, energy included.
        api_usd: Dollars per million tokens from the API.
        energy_usd: The part of the former that is paid only while serving (own electricity; 0 for rents).

    Raises:
        InvalidWorkload: A price that cannot be.
    """
    if own_usd_at_full_load < 0 or api_usd < 0 or not 0 <= energy_usd <= own_usd_at_full_load:
        raise InvalidWorkload("prices are not negative, and energy is a part of the whole")
    fixed, margin = own_usd_at_full_load - energy_usd, api_usd - energy_usd
    if margin <= 0:
        return None
    load = fixed / margin
    return load if load <= 1 else None
