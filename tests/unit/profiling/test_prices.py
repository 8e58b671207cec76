"""Prices of the market against the published table of November 2026, and what serving or buying tokens costs."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.answers.buying import compare, purchase_price, typical_tariff
from profiling.answers.prices import (
    Ownership,
    api_price,
    break_even_load,
    market_price,
    rented_usd_per_million_tokens,
    typical_price,
)
from profiling.errors import InvalidWorkload

REFERENCE = Path(__file__).resolve().parents[3] / "warehouse" / "reference"


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("accelerator", "others", "hyperscalers", "spot"),
    # Median (lowest to highest provider, providers) per device and hour, by the research of 2026-11-28.
    [
        ("H100-SXM5-80GB", (3.99, 2.69, 6.16, 11), 10.68, 2.15),
        ("H200-SXM-141GB", (4.73, 3.59, 6.30, 9), 10.30, 3.48),
        ("B200-SXM-180GB", (7.37, 5.98, 8.60, 8), 14.12, 4.95),
        ("B300-SXM-288GB", (8.62, 6.94, 9.94, 7), 16.40, 4.48),
        ("A100-SXM4-80GB", (1.79, 1.07, 2.79, 8), 4.53, 1.25),
        ("L40S", (1.54, 0.60, 2.25, 9), 3.08, 0.88),
        ("MI300X-192GB", (2.59, 2.39, 3.45, 3), 6.38, 1.18),
        ("RTX-4090", (0.39, 0.34, 0.54, 3), None, 0.39),
    ],
)
def test_a_price_is_the_median_of_providers_with_its_range_and_age(
    accelerator: str, others: tuple[float, float, float, int], hyperscalers: float | None, spot: float
) -> None:
    offers = rows("accelerator_prices")
    price = market_price(accelerator, offers)
    assert price is not None
    stated = (price.usd_per_device_hour, price.low, price.high, price.providers)
    assert stated == pytest.approx(others, abs=0.006)
    large = market_price(accelerator, offers, is_hyperscaler=True)
    assert (large.usd_per_device_hour if large else None) == pytest.approx(hyperscalers, abs=0.006)
    bid = market_price(accelerator, offers, "spot", is_hyperscaler=None)
    assert bid is not None
    assert bid.usd_per_device_hour == pytest.approx(spot, abs=0.006)
    assert price.newest_date is not None
    assert date(2026, 8, 1) <= price.newest_date <= date(2026, 10, 20)
    assert f"median of {price.providers} providers" in price.basis


def test_slices_placeholders_and_stale_offers_are_no_prices() -> None:
    offers = [row for row in rows("accelerator_prices") if row["accelerator"] == "B300-SXM-288GB"]
    assert any("MIG" in row["offered_as"] and float(row["usd_per_device_hour"]) == 0.5 for row in offers)
    price = market_price("B300-SXM-288GB", offers)
    assert price is not None
    assert price.low > 5


def test_what_only_hyperscalers_rent_out_has_their_price_and_says_so() -> None:
    offers = rows("accelerator_prices")
    assert market_price("TPU-v5p", offers) is None
    price = typical_price("TPU-v5p", offers)
    assert price is not None
    assert price.usd_per_device_hour == pytest.approx(4.2)
    assert "hyperscaler" in price.basis
    assert typical_price("i9-13900K", offers) is None


@pytest.mark.parametrize(
    ("tokens_per_s", "devices", "usd_per_hour", "own", "api", "load"),
    # "Serve it yourself or buy it": measured throughput of ML.ENERGY 2026-02, rents and APIs of the same research.
    [
        (8535, 1, 3.99, 0.13, 0.20, 0.65),  # Qwen3-8B
        (6018, 4, 3.99, 0.74, 0.81, 0.91),  # Llama-3.3-70B
        (6018, 4, 3.99, 0.74, 0.25, None),
        (13303, 4, 7.37, 0.62, 0.94, 0.66),  # Qwen3-235B
        (3016, 4, 3.99, 1.47, 0.94, None),
        (9302, 8, 7.37, 1.76, 1.63, None),  # DeepSeek-V3.1
        (17766, 1, 7.37, 0.115, 0.64, 0.18),  # gpt-oss-120b
        (280, 1, 0.39, 0.39, 0.16, None),  # gpt-oss-20b on an RTX 4090, one user
    ],
)
def test_serving_or_buying_is_the_published_table(
    tokens_per_s: float, devices: int, usd_per_hour: float, own: float, api: float, load: float | None
) -> None:
    cost = rented_usd_per_million_tokens(tokens_per_s, devices * usd_per_hour)
    assert cost == pytest.approx(own, abs=0.006)
    assert break_even_load(cost, api) == (pytest.approx(load, abs=0.01) if load else None)


def test_own_devices_cost_their_purchase_whether_they_serve_or_not() -> None:
    # An RTX 4090 for 1,550 USD over three years at 510 W from the wall (1.82 J/token at 280 tokens/s), 0.18 USD/kWh.
    own = Ownership(purchase_usd=1550, years=3, power_at_the_wall_w=1.82 * 280, usd_per_kwh=0.18)
    assert own.energy_usd_per_hour / (280 * 0.0036) == pytest.approx(0.09, abs=0.002)
    assert own.capital_usd_per_hour == pytest.approx(1550 / 26298)
    assert own.usd_per_million_tokens(280) == pytest.approx(0.091 + 0.0585, abs=0.001)
    assert own.usd_per_million_tokens(280, load=0.1) == pytest.approx(0.091 + 0.585, abs=0.002)
    with pytest.raises(InvalidWorkload):
        Ownership(purchase_usd=1, years=0, power_at_the_wall_w=1, usd_per_kwh=1)
    with pytest.raises(InvalidWorkload, match="load lies in"):
        own.usd_per_million_tokens(280, load=0)


@given(st.floats(0.001, 100), st.floats(0.001, 100), st.floats(0, 1))
def test_at_the_break_even_load_both_ways_cost_the_same(fixed: float, api: float, share: float) -> None:
    energy = api * share * 0.99
    load = break_even_load(fixed + energy, api, energy)
    if load is None:
        assert fixed + energy > api * (1 - 1e-9)
    else:
        assert fixed / load + energy == pytest.approx(api)


def test_tokens_of_a_hosted_model_have_a_median_and_a_cheapest_host() -> None:
    offers = rows("api_prices")
    price = api_price("openai/gpt-oss-120b", offers, 0.25)
    assert price is not None
    assert price.hosts > 20
    assert 0 < price.cheapest_usd < price.median_usd
    assert price.median_usd == pytest.approx(0.64, abs=0.01)
    assert price.newest_date is not None
    assert api_price("nobody/hosts-this", offers, 0.25) is None


def test_the_load_at_which_devices_win_is_that_of_the_collected_prices() -> None:
    # Llama-3.3-70B on four H100: 6,018 tokens per second (ML.ENERGY), rented at 3.99 an hour and device.
    offers = [
        {"hf_model_id": "m", "provider": name, "provider_kind": "host", "is_retired": False, "as_of_date": "2026-11",
         "usd_per_million_input": 0.0, "usd_per_million_output": usd}
        for name, usd in (("cheap", 0.25), ("usual", 0.81), ("dear", 1.2))
    ]  # fmt: skip
    api = api_price("m", offers, 0.25)
    rent = typical_price("H100-SXM5-80GB", rows("accelerator_prices"))
    purchase = purchase_price("H100-SXM5-80GB", rows("hardware_purchase_prices"))
    tariff = typical_tariff(rows("electricity_prices"))
    assert api is not None
    assert purchase is not None
    assert purchase.usd_per_device == pytest.approx(27_500)  # a server at 250,000 is only assumed by its source
    assert not purchase.is_whole_machine
    comparison = compare(api, 4, 6018, rent, purchase, 955, tariff)
    assert comparison.rented is not None
    assert comparison.rented.load == pytest.approx(0.91, abs=0.01)
    assert comparison.rented.load_low < comparison.rented.load
    assert (comparison.rented.load_high, comparison.rented.load_against_cheapest) == (None, None)
    assert "newest 2026-10-10" in comparison.rented.basis
    assert comparison.owned is not None
    assert comparison.owned.load < comparison.rented.load
    assert comparison.owned.low < comparison.owned.usd_per_million_output_tokens < comparison.owned.high
    # At the load from which on they win, both ways cost the same.
    own = comparison.owned
    energy = 4 * 0.955 * 1.2 * tariff[1] / (6018 * 0.0036)
    assert (own.usd_per_million_output_tokens - energy) / own.load + energy == pytest.approx(0.81, rel=1e-3)
