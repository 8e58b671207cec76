"""Which choices pass limits, why the others do not, and which of them no other beats."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.pages.which_gpu import text as which_gpu
from dashboards.parts import choices
from dashboards.parts.choices import Limits, Wish
from profiling.answers.door import shipped_door

PLAIN: dict[str, Any] = {
    "model_id": "org/a", "precision": "w16a16kv16", "weight_bits": 16.0, "devices": 1, "verdict": "fits",
    "memory_low_gib": 10.0, "memory_high_gib": 11.0, "memory_budget_gib": 21.24, "open_llm_v2_average": 30.0,
    "open_llm_v2_standard_error": 0.7, "ifeval": 60.0, "math_lvl_5": 20.0, "tokens_per_s": 50.0,
    "time_to_first_token_s": 1.0, "usd_per_million_tokens": None, "joules_per_million_tokens": 2.7e6,
    "host_joules_per_million_tokens": 0.9e6,
    "g_co2e_per_million_tokens": 570.0, "licence": "apache-2.0", "licence_class": "open_source", "is_on_hub": True,
    "is_flagged": False, "is_merged": False, "is_official_provider": True,
}  # fmt: skip


def rows(*changes: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([PLAIN | change for change in changes], infer_schema_length=None).with_columns(
        pl.col("usd_per_million_tokens").cast(pl.Float64)
    )


def judged(*changes: dict[str, Any], wish: Wish | None = None, **limits: Any) -> dict[str, Any]:
    verdicts = choices.judged(choices.priced(rows(*changes), wish or Wish(usd_per_kwh=0.2)), Limits(**limits))
    return {row["model_id"]: row for row in verdicts.iter_rows(named=True)}


def test_the_most_exact_precision_that_fits_is_chosen_and_all_are_listed() -> None:
    verdicts = judged(
        {"verdict": "does not fit"},
        {"precision": "w8a8kv8", "weight_bits": 8.0, "verdict": "borderline"},
        {"precision": "w4a16kv16", "weight_bits": 4.15},
    )["org/a"]
    assert verdicts["precision"] == "w4a16kv16"
    assert verdicts["reason"] is None
    assert verdicts["fits_at"] == "16-bit no · 8-bit perhaps · 4-bit yes"


def test_what_does_not_fit_says_what_the_smallest_needs_and_what_there_is() -> None:
    verdicts = judged(
        {"verdict": "does not fit", "memory_low_gib": 161.0},
        {"precision": "w4a16kv16", "weight_bits": 4.15, "verdict": "does not fit", "memory_low_gib": 46.12},
    )["org/a"]
    assert verdicts["reason"] == "needs 46.1 GiB a device in 4-bit, you have 21.2"


@pytest.mark.parametrize(
    ("limits", "change", "reason"),
    [
        ({"first_token_s": 0.5}, {}, "first token after 1.0 s in 16-bit"),
        ({"tokens_per_s": 60.0}, {}, "50.0 tokens/s in 16-bit"),
        ({"usd": 0.1}, {}, "0.2 USD per million tokens in 16-bit"),
        ({"grams": 500.0}, {}, "570.0 g CO₂e per million tokens in 16-bit"),
        ({"licence": "open_source"}, {"licence": "llama3.1", "licence_class": "open_weights"}, "licence llama3.1"),
        ({"licence": "commercial"}, {"licence": None, "licence_class": None}, "licence not stated"),
        ({"maker": "official"}, {"is_official_provider": None}, "not by an official provider"),
        ({"merges": False}, {"is_merged": True}, "made by merging weights"),
        ({}, {"is_on_hub": False}, "weights are no longer on the hub"),
        ({}, {"is_flagged": True}, "flagged by the board, for contamination and the like"),
    ],
)
def test_each_limit_names_itself(limits: dict[str, Any], change: dict[str, Any], reason: str) -> None:
    assert judged(change, **limits)["org/a"]["reason"] == reason
    assert judged({}, licence="commercial", maker="official", tokens_per_s=49.0)["org/a"]["reason"] is None


def test_money_is_rent_where_somebody_asks_it_else_electricity_unless_a_price_is_given() -> None:
    assert judged({})["org/a"]["usd"] == pytest.approx(0.2)
    assert judged({"usd_per_million_tokens": 3.0})["org/a"]["usd_basis"] == "rent"
    own = judged({"usd_per_million_tokens": 3.0}, wish=Wish(usd_per_device_hour=1.8))["org/a"]
    assert own["usd"] == pytest.approx(1.8 / 3600 * 1e6 / 50)


def test_weights_make_a_mean_and_a_missing_part_leaves_a_model_out() -> None:
    wish = Wish(quality="weighted", weights={"ifeval": 3, "math_lvl_5": 1})
    verdicts = judged({}, {"model_id": "org/b", "math_lvl_5": None}, wish=wish)
    assert verdicts.keys() == {"org/a"}
    assert verdicts["org/a"]["quality"] == pytest.approx(50.0)
    assert judged({}, wish=Wish(quality="weighted", weights={"ifeval": 0})) == {}


points = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=30)


@given(points, st.booleans())
def test_the_front_is_what_no_other_beats(pairs: list[tuple[int, int]], more: bool) -> None:
    frame = pl.DataFrame(
        [(str(place), float(x), float(y)) for place, (x, y) in enumerate(pairs)],
        schema=["model_id", "x", "quality"], orient="row",
    )  # fmt: skip
    sign = 1 if more else -1

    def beats(row: tuple[int, int], other: tuple[int, int]) -> bool:
        return sign * row[0] >= sign * other[0] and row[1] >= other[1] and row != other

    members = {str(place) for place, pair in enumerate(pairs) if not any(beats(other, pair) for other in pairs)}
    assert set(choices.front(frame, "x", more_is_better=more)["model_id"]) == members


def test_noise_counts_models_on_both_sides_and_knows_where_no_error_is_known() -> None:
    fitting = choices.priced(
        rows(
            {},
            {"model_id": "org/near", "open_llm_v2_average": 31.5},
            {"model_id": "org/far", "open_llm_v2_average": 33},
        ),
        Wish(),
    )
    best = fitting.row(0, named=True)
    assert choices.within_noise(fitting, best)["model_id"].to_list() == ["org/near"]
    assert choices.within_noise(fitting, best | {"quality_error": None}).is_empty()


def test_models_that_were_made_for_fewer_tokens_are_named() -> None:
    models = ["meta-llama/Llama-2-7b-hf", "meta-llama/Meta-Llama-3.1-8B"]
    assert which_gpu.beyond(shipped_door(), models, 32_768) == [
        "Made for fewer than 32,768 tokens: meta-llama/Llama-2-7b-hf (4,096)."
    ]
    assert which_gpu.beyond(shipped_door(), models, 4_096) == []
