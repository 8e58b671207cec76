"""Cost, energy and carbon against measured and published figures."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from profiling.answers.cost import (
    grams_co2e_per_million_tokens,
    grid_intensity,
    serving_cost,
)
from profiling.answers.energy import drawn_w, power_shares
from profiling.devices.accelerators import find
from profiling.engines.time import shipped_times
from profiling.errors import DoesNotFit, InvalidWorkload
from profiling.models.load import load
from profiling.roofline.estimate import estimate
from profiling.roofline.workload import Workload

REFERENCE = Path(__file__).parents[3] / "warehouse" / "reference"


def _rows(table: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_measured_energy_of_llama_70b_gives_the_published_carbon() -> None:
    # 0.373 J/token on four H100s (ML.ENERGY v3): 0.104 kWh, 57 g on the world's grid, 7 g in France.
    grid = _rows("grid_carbon_intensity")
    assert grams_co2e_per_million_tokens(0.373, grid_intensity("WLD", grid, "ecologits")) == pytest.approx(57, abs=0.5)
    assert grams_co2e_per_million_tokens(0.373, grid_intensity("fra", grid)) == pytest.approx(7, abs=0.1)
    with pytest.raises(InvalidWorkload, match="nearest: France"):
        grid_intensity("Frence", grid)


def test_measured_energy_of_chat_on_an_h100_lies_within_the_spread() -> None:
    # Llama-3.1-8B at batch 64: 0.119 J/token and 0.159 USD per million tokens (ML.ENERGY v3, H100 at 2.95 USD/h).
    h100, model = find("H100-SXM5-80GB"), load("meta-llama/Meta-Llama-3.1-8B")
    answer = estimate(model, h100, Workload(stage="generate", batch=64, context=512, generated=512))
    cost = serving_cost(answer, h100, usd_per_device_hour=2.95, grams_co2e_per_kwh=475)
    assert cost.energy is not None
    assert cost.energy.devices.low < 0.119 < cost.energy.devices.high
    assert cost.usd_per_million_tokens is not None
    assert cost.usd_per_million_tokens.low < 0.159 < cost.usd_per_million_tokens.high


@pytest.mark.parametrize("name", ["H100-SXM5-80GB", "B200-SXM-180GB", "RTX-4090", "MI300X-192GB"])
def test_a_device_draws_the_share_of_its_power_that_measured_energy_is_held_against(name: str) -> None:
    device = find(name)
    low, likely, high = power_shares(device)
    assert likely == shipped_times().power_share(device)
    assert low < likely < high == 1
    assert drawn_w(device) == pytest.approx(tuple(share * (device.power_w or 0) for share in (low, likely, high)))
    answer = estimate(load("meta-llama/Meta-Llama-3.1-8B"), device, Workload(batch=8, context=512))
    cost = serving_cost(answer, device, usd_per_device_hour=None, grams_co2e_per_kwh=475)
    assert cost.energy is not None
    assert answer.tokens_per_s is not None
    drawn = likely * (device.power_w or 0)
    assert cost.energy.devices.likely == pytest.approx(drawn / float(answer.tokens_per_s.likely_s))


def test_a_machine_at_the_wall_draws_another_share_than_its_device_alone() -> None:
    times = shipped_times()
    b200 = find("B200-SXM-180GB")
    assert times.power_share(b200, "machine") != times.power_share(b200)
    assert times.power_share(find("TPU-v5p")) == times.energy["device"]


def test_what_does_not_fit_has_no_cost() -> None:
    card = find("RTX-4090")
    answer = estimate(load("meta-llama/Llama-2-70b-hf"), card, Workload())
    with pytest.raises(DoesNotFit, match=r"does not fit on 1 x RTX-4090.*no cost per token"):
        serving_cost(answer, card, usd_per_device_hour=0.4, grams_co2e_per_kwh=475)
