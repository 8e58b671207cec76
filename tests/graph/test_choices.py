"""The view of choices on the bundled facts: it keeps its contract and says of money and carbon what the marts say."""

from pathlib import Path

import polars as pl
import pytest

from warehouse.contracts.choices import CHOICES
from warehouse.contracts.violations import violations
from warehouse.reader import Reader
from warehouse.settings import Settings

ON_ONE = "WHERE x.accelerator = 'H100-SXM5-80GB' AND x.devices = 1"


@pytest.fixture(scope="module")
def reader(bundled_home: Path) -> Reader:
    return Reader(Settings.model_validate({"home": str(bundled_home)}).published)


def test_the_view_keeps_the_contract_it_is_described_by(reader: Reader) -> None:
    rows = reader.query(f"FROM marts.choices AS x {ON_ONE}")
    assert rows.height
    assert violations(CHOICES, CHOICES.conform(rows)) == {}
    described = reader.query("SELECT column_name FROM meta.columns WHERE relation = 'marts.choices' ORDER BY position")
    assert described["column_name"].to_list() == CHOICES.column_names


@pytest.mark.parametrize(
    ("mart", "column"),
    [
        ("serving_cost", "usd{}_per_million_tokens"),
        ("carbon_footprint", "joules{}_per_million_tokens"),
        ("carbon_footprint", "host_joules{}_per_million_tokens"),
        ("carbon_footprint", "g_co2e{}_per_million_tokens"),
    ],
)
def test_money_energy_and_carbon_equal_those_of_the_marts(reader: Reader, mart: str, column: str) -> None:
    ends = [column.format(end) for end in ("_low", "", "_high")]
    pairs = reader.query(
        f"SELECT {', '.join(f'x.{name} AS a_{name}, m.{name} AS b_{name}' for name in ends)} "
        f"FROM (SELECT DISTINCT architecture_id, precision, accelerator, devices, batch, context, {', '.join(ends)} "
        f"FROM marts.choices AS x {ON_ONE}) AS x "
        f"JOIN marts.{mart} AS m ON m.model_id = x.architecture_id AND m.accelerator = x.accelerator "
        "AND m.precision = x.precision AND m.tensor_parallel = x.devices AND m.batch = x.batch "
        "AND m.context = x.context AND m.stage = 'decode'"
    )
    assert pairs.height > 50
    for name in ends:
        difference = pairs.select((pl.col(f"a_{name}") / pl.col(f"b_{name}") - 1).abs().max()).item()
        assert difference < 1e-9, f"{name} of the view and of marts.{mart} differ"


def test_what_fits_for_sure_is_within_the_budget_and_leaves_room_for_its_batch(reader: Reader) -> None:
    rows = reader.query(f"FROM marts.choices AS x {ON_ONE}")
    fits = rows.filter(pl.col("verdict") == "fits")
    assert (fits["memory_high_gib"] <= fits["memory_budget_gib"]).all()
    assert (rows.filter(pl.col("verdict") == "does not fit")["memory_low_gib"] > rows["memory_budget_gib"][0]).all()
    known = fits.drop_nulls("max_batch")
    assert (known["max_batch"] >= known["batch"]).all()
    assert rows.filter(pl.col("verdict") == "does not fit")["tokens_per_s"].is_null().all()


def test_devices_share_only_what_does_not_surely_fit_on_fewer(reader: Reader) -> None:
    key = ["model_id", "accelerator", "precision", "context"]
    choices = reader.query("SELECT DISTINCT model_id, accelerator, precision, context, devices, batch, verdict "
                         "FROM marts.choices WHERE accelerator IN ('RTX-4090', 'H100-SXM5-80GB')")  # fmt: skip
    for devices in (2, 4, 8):
        shared, fewer = choices.filter(devices=devices), choices.filter(pl.col("devices") < devices)
        enough = fewer.group_by(*key, "devices").agg((pl.col("verdict") == "fits").all()).filter("verdict")
        assert shared.height
        assert shared.join(enough, on=key, how="semi").is_empty()
        assert shared.group_by(key).agg((pl.col("verdict") != "does not fit").any())["verdict"].all()


def test_a_front_on_more_devices_is_no_worse_anywhere(reader: Reader) -> None:
    best = [
        reader.query(f"SELECT max(open_llm_v2_average) AS best FROM choice_front('RTX-4090', {devices}, 1, 8192)")[
            "best"
        ].item()
        for devices in (1, 2, 4)
    ]
    assert best == sorted(best)
    assert best[0] < best[-1]


def test_every_model_of_a_source_is_either_choosable_or_counted_with_the_reason(reader: Reader) -> None:
    counted = reader.query("SELECT sum(models) AS models FROM marts.choice_coverage WHERE source LIKE 'open_llm_v2%'")[
        "models"
    ].item()
    listed = reader.query("FROM marts.model_quality WHERE open_llm_v2_average IS NOT NULL").height
    assert counted == listed
