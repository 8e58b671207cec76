"""Money, energy and carbon per million tokens, always of a stated batch on stated accelerators.

Prices and grid intensities come in as rows of the reference tables; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analytics.units import GIB, JOULES_PER_KWH
from profiling.answers.energy import Spread, TokenEnergy, energy_per_token
from profiling.answers.prices import rented_usd_per_million_tokens
from profiling.devices.accelerators import Accelerator
from profiling.errors import DoesNotFit, InvalidWorkload, nearest
from profiling.roofline.estimate import Estimate

POWER_USAGE_EFFECTIVENESS = 1.2
"""Energy of the building over that of the devices: between the 1.1 that the largest operators report and the 1.54 of
the industry's survey (Uptime Institute 2025)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCost:
    """What a million tokens cost."""

    usd_per_million_tokens: Spread | None
    """None where no price is known."""
    energy: TokenEnergy | None
    """Per token, in its parts; None where the power of the devices is not published."""
    grams_co2e_per_million_tokens: Spread | None
    """Of all parts that are known."""


def grams_co2e_per_million_tokens(
    joules_per_token: float, grams_co2e_per_kwh: float, power_usage_effectiveness: float = POWER_USAGE_EFFECTIVENESS
) -> float:
    """Operational emissions: energy of devices and host × the building's overhead × the grid's intensity."""
    return joules_per_token * 1e6 / JOULES_PER_KWH * power_usage_effectiveness * grams_co2e_per_kwh


def grid_intensity(country_code: str, rows: Iterable[Mapping[str, str]], source: str = "codecarbon") -> float:
    """Grams of CO2e per kWh of a country (ISO 3166 alpha-3, or WLD).

    Sources differ (France: 56 by CodeCarbon, 41 by EcoLogits), so the source is part of the question.

    Raises:
        InvalidWorkload: No such country or source; the message names the nearest.
    """
    column = f"{source}_g_co2e_per_kwh"
    by_code = {row["country_code"]: row for row in rows}
    row = by_code.get(country_code.upper())
    if row is None:
        names = {entry["country"]: code for code, entry in by_code.items()}
        near = nearest(country_code, [*by_code, *names])
        raise InvalidWorkload(f"no grid intensity for {country_code!r}; nearest: {near}")
    if not row.get(column):
        raise InvalidWorkload(f"no figure of source {source!r} for {country_code}; known: codecarbon, ecologits")
    return float(row[column])


def serving_cost(
    estimate: Estimate,
    accelerator: Accelerator,
    *,
    usd_per_device_hour: float | None,
    grams_co2e_per_kwh: float,
    power_usage_effectiveness: float = POWER_USAGE_EFFECTIVENESS,
) -> ServingCost:
    """Cost, energy and carbon of an estimate; low cost goes with the fast end of its interval.

    Raises:
        DoesNotFit: The configuration does not run, so it has no cost.
    """
    rate = estimate.tokens_per_s
    devices = estimate.workload.parallelism.devices
    if rate is None:
        raise DoesNotFit(
            f"{estimate.model} does not fit on {devices} x {estimate.accelerator} "
            f"(at least {float(estimate.need.low) / GIB:.1f} GiB per device needed), so it has no cost per token"
        )
    slow, likely, fast = float(rate.low_s), float(rate.likely_s), float(rate.high_s)
    money = None
    if usd_per_device_hour is not None:
        hourly = devices * usd_per_device_hour
        money = Spread(*(rented_usd_per_million_tokens(tokens, hourly) for tokens in (fast, likely, slow)))
    energy = energy_per_token(accelerator, devices, Spread(slow, likely, fast))
    carbon = None
    if energy is not None:
        carbon = Spread(*(grams_co2e_per_million_tokens(joules, grams_co2e_per_kwh, power_usage_effectiveness)
                          for joules in (energy.total.low, energy.total.likely, energy.total.high)))  # fmt: skip
    return ServingCost(usd_per_million_tokens=money, energy=energy, grams_co2e_per_million_tokens=carbon)
