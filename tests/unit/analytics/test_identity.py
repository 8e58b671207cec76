"""Who a model is and how large, where names, boards and base models mislead."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.identity.model_names import family_in_name, names_quantisation, size_in_name
from analytics.identity.models import BITS_PER_WEIGHT, entry_sizes, resolve_models
from analytics.units import GIB
from warehouse.contracts.leaderboards import LEADERBOARD_ENTRIES, MODELS, REPORTED_ENTRIES
from warehouse.contracts.violations import violations
from warehouse.lake import Lake

BILLION = 10**9


def reported(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of `raw.reported_entries` of one snapshot; what is not given is null."""
    known = {
        "snapshot_id": "s",
        "board": "open_llm_v2",
        "as_of_date": dt.date(2025, 3, 13),
        "metric_version": "v2",
        "precision": "bfloat16",
    }
    full = [
        {**known, "row_number": number, "entry_id": f"entry {number}", **row}
        for number, row in enumerate(rows, start=1)
    ]
    return pl.DataFrame(full, schema=REPORTED_ENTRIES.polars_schema)


def models(*rows: dict[str, Any], counted: tuple[Any, ...] = ()) -> dict[str, dict[str, Any]]:
    schema = {"model_id": pl.String, "parameters_total": pl.Int64, "parameters_active": pl.Int64}
    architectures = pl.DataFrame(counted, {**schema, "parameters_non_embedding": pl.Int64}, orient="row")
    resolved = resolve_models(reported(*rows), architectures)
    return {row["model_id"]: row for row in MODELS.conform(resolved.select(MODELS.column_names)).to_dicts()}


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        ("internlm/internlm2-1_8b", 1.8, 1.8),
        ("stabilityai/stablelm-2-1_6b", 1.6, 1.6),
        ("Marsouuu/MiniMathExpert-2_61B-ECE-PRYMMAL-Martial", 2.61, 2.61),
        ("x/llama-3_8B", 8, 8),
        ("x/model-v2_7B", 7, 7),
        ("mistralai/Mixtral-8x7B-v0.1", 46.702792704, None),
        ("allenai/OLMoE-1B-7B-0924", 7, 1),
        ("Qwen/Qwen2-57B-A14B", 57, 14),
        ("Qwen/Qwen1.5-MoE-A2.7B", None, 2.7),
        ("microsoft/Phi-3-mini-128k-instruct", None, None),
        ("Qwen/Qwen2.5-7B-Instruct-1M", 7, 7),
        ("x/Llama-2-7b-4bit", 7, 7),
        ("x/phi-4-bnb-4bit", None, None),
        ("EleutherAI/pythia-410m", 0.41, 0.41),
        ("70B-labs/nameless", None, None),
    ],
)
def test_a_size_in_a_name_is_told_from_versions_contexts_and_bit_widths(
    name: str, total: float | None, active: float | None
) -> None:
    size = size_in_name(name)
    assert (size.total, size.active) == (total and round(total * BILLION), active and round(active * BILLION))


@given(st.integers(1, 999), st.sampled_from(["Llama-{}B-chat", "org/{}b", "foo-{}B", "bar_{}b_it"]))
def test_a_plain_size_is_found_wherever_it_stands(tenths: int, template: str) -> None:
    size = size_in_name(template.format(f"{tenths / 10:g}"))
    assert size.total == size.active == round(tenths / 10 * BILLION)


@given(st.text(max_size=40))
@settings(deadline=None)
def test_no_name_whatever_states_more_active_than_total(name: str) -> None:
    size = size_in_name(name)
    assert size.total is None or size.active is None or 0 <= size.active <= size.total
    assert family_in_name(name) is None or family_in_name(name) != ""


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Llama-2-7b", "llama-2"),
        ("huggyllama/llama-7b", "llama"),
        ("meta-llama/Llama-3.2-1B", "llama-3.2"),
        ("meta-llama/Meta-Llama-3-8B", "llama-3"),
        ("some/llama3-8B-tuned", "llama-3"),
        ("upstage/llama-30b-instruct", "llama"),
        ("some/llama-33b-merged", "llama"),
        ("some/llama-3b", "llama"),
        ("openlm-research/open_llama_3b_v2", "open-llama"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen2.5"),
        ("TinyLlama/TinyLlama-1.1B", "tinyllama"),
        ("google/gemma-2b", "gemma"),
        ("google/gemma-2-2b", "gemma-2"),
        ("mistralai/Mixtral-8x7B", "mixtral"),
        ("mistralai/something-else", None),
        ("meta-llama/nothing", None),
    ],
)
def test_a_family_is_in_the_name_of_the_model_never_in_that_of_its_organisation(name: str, family: str | None) -> None:
    assert family_in_name(name) == family


def test_a_name_says_that_weights_are_packed_or_only_contains_the_letters_of_a_number() -> None:
    packed = ["x/y-GPTQ", "x/y-AWQ", "x/y-4bit", "x/y-bnb", "x/y-int8", "x/y.gguf"]
    assert [name for name in packed if not names_quantisation(name)] == []
    assert not any(names_quantisation(name) for name in ["64bits/LexPodLM-13B", "GPTQ-labs/model-7B", "x/rabbit-7b"])


def test_the_family_of_an_unnamed_model_comes_up_the_chain_of_base_models_then_from_its_architecture() -> None:
    rows = models(
        {"model_id": "a/Nameless", "base_model": "b/Middle (Merge)", "architecture": "LlamaForCausalLM"},
        {"model_id": "b/Middle", "base_model": "mistralai/Mistral-7B-v0.1"},
        {"model_id": "c/Orphan", "base_model": "meta-llama/Removed", "architecture": "Gemma2ForCausalLM"},
        {"model_id": "d/Unknown", "base_model": "meta-llama/something", "architecture": "LlamaForCausalLM"},
        {"model_id": "e/Yi-34B", "architecture": "LlamaForCausalLM"},
    )
    families = {name: (row["family"], row["family_source"], row["root_model"]) for name, row in rows.items()}
    assert families == {
        "a/Nameless": ("mistral", "base_model", "mistralai/Mistral-7B-v0.1"),
        "b/Middle": ("mistral", "base_model", "mistralai/Mistral-7B-v0.1"),
        "c/Orphan": ("gemma-2", "architecture", "meta-llama/Removed"),
        # LlamaForCausalLM is used by many families, and who made the base model says nothing.
        "d/Unknown": ("unknown", "none", "meta-llama/something"),
        "e/Yi-34B": ("yi", "name", None),
    }


def test_chains_end_at_themselves_at_cycles_and_at_what_was_removed() -> None:
    rows = models(
        {"model_id": "a/self", "base_model": "a/self"},
        {"model_id": "a/x", "base_model": "a/y"},
        {"model_id": "a/y", "base_model": "A/X"},
        {"model_id": "a/z", "base_model": "a/x (Merge)"},
        {"model_id": "a/removed", "base_model": None},  # the board writes "Removed", which reads as absent
    )
    assert {name: (row["base_model"], row["root_model"]) for name, row in rows.items()} == {
        "a/self": (None, None),
        "a/x": ("a/y", "a/y"),
        "a/y": ("A/X", "A/X"),
        "a/z": ("a/x", "a/y"),
        "a/removed": (None, None),
    }


@pytest.mark.parametrize(
    ("row", "total", "source"),
    [
        # What the boards stated of these very models.
        ({"model_id": "TheBloke/Llama-2-70B-GPTQ", "reported_parameters": 9_100_000_000}, 70, "name"),
        ({"model_id": "TheBloke/Llama-2-13B-GPTQ", "reported_parameters": 16_000_000_000}, 13, "name"),
        ({"model_id": "TheBloke/Llama-2-7b-Chat-AWQ", "reported_parameters": 1_130_000_000}, 7, "name"),
        ({"model_id": "y/Llama-3.2-1B-Instruct-gptqmodel-4bit", "reported_parameters": 5_453_000_000}, 1, "name"),
        ({"model_id": "unsloth/phi-4-bnb-4bit", "reported_parameters": 8_058_000_000}, None, None),
        ({"model_id": "maldv/Awqward2.5-32B", "reported_parameters": 32_764_000_000}, 32.764, "board"),
        ({"model_id": "internlm/internlm2-1_8b", "reported_parameters": 8_000_000_000}, 1.8, "name"),
        ({"model_id": "x/zephyr-7b-ipo", "reported_parameters": 14_483_000_000, "weight_type": "Adapter"}, 7, "name"),
        ({"model_id": "x/nameless", "reported_parameters": 16_061_000_000, "weight_type": "Adapter"}, None, None),
        ({"model_id": "x/lora-0.5B", "reported_parameters": 630_000_000, "weight_type": "Adapter"}, 0.63, "board"),
        ({"model_id": "x/plain-7b", "reported_parameters": 7_242_000_000}, 7.242, "board"),
    ],
)
def test_a_count_that_boards_are_known_to_get_wrong_is_not_taken(
    row: dict[str, Any], total: float | None, source: str | None
) -> None:
    (model,) = models(row).values()
    assert model["parameters_total"] == (total and round(total * BILLION))
    assert model["parameters_total_source"] == source


def test_what_a_model_lacks_it_has_from_its_base_unless_it_is_a_merge() -> None:
    base = {"model_id": "microsoft/phi-4", "reported_parameters": 14_660_000_000}
    adapter = {"reported_parameters": 29_320_000_000, "weight_type": "Adapter", "base_model": "microsoft/phi-4"}
    rows = models(base, {"model_id": "x/tuned", **adapter}, {"model_id": "x/merged", "is_merged": True, **adapter})
    tuned, merged = rows["x/tuned"], rows["x/merged"]
    assert (tuned["parameters_total"], tuned["parameters_total_source"]) == (14_660_000_000, "base_model")
    assert (merged["parameters_total"], merged["parameters_total_source"]) == (None, None)


def test_a_count_from_the_architecture_beats_what_boards_state_and_a_mixture_has_fewer_active() -> None:
    counted = [("mistralai/Mixtral-8x7B-v0.1", 46_702_792_704, 12_879_900_000, 46_440_600_000)]
    mixtral = {"model_id": "mistralai/Mixtral-8x7B-v0.1", "reported_parameters": 46 * BILLION}
    tuned = {
        "model_id": "x/Mixtral-tuned",
        "base_model": "mistralai/Mixtral-8x7B-v0.1",
        "reported_parameters": 46_703_000_000,
    }
    flags = {"architecture": "MixtralForCausalLM", "is_moe": False}  # a scrape once said so
    rows = models({**mixtral, **flags}, {**tuned, **flags}, counted=tuple(counted))
    original, derived = rows["mistralai/Mixtral-8x7B-v0.1"], rows["x/Mixtral-tuned"]
    assert original["is_moe"]
    assert (original["parameters_total"], original["parameters_total_source"]) == (46_702_792_704, "architecture")
    assert (derived["parameters_total"], derived["parameters_total_source"]) == (46_703_000_000, "board")
    assert (derived["parameters_active"], derived["parameters_active_source"]) == (12_879_900_000, "base_model")


def test_the_newest_statement_counts_and_a_finer_count_beats_a_rounded_one() -> None:
    early, late = dt.date(2024, 10, 15), dt.date(2025, 3, 13)
    row = models(
        {"model_id": "a/b", "as_of_date": early, "licence": "mit", "reported_parameters": 7_242_000_000},
        {"model_id": "a/b", "as_of_date": late, "licence": "apache-2.0", "reported_parameters": 7 * BILLION},
    )["a/b"]
    assert (row["licence"], row["parameters_total"]) == ("apache-2.0", 7_242_000_000)
    assert (row["first_seen_on"], row["last_seen_on"]) == (early, late)


@given(st.sampled_from(sorted(BITS_PER_WEIGHT)), st.integers(100, 500_000))
@settings(deadline=None, max_examples=30)
def test_a_size_is_bits_per_weight_times_parameters(precision: str, millions: int) -> None:
    rows = reported({"model_id": "a/b", "precision": precision, "reported_parameters": millions * 10**6})
    resolved = resolve_models(rows, NOTHING_COUNTED)
    (entry,) = entry_sizes(rows, resolved).to_dicts()
    assert entry["size_bytes"] == round(millions * 10**6 * BITS_PER_WEIGHT[precision] / 8)
    assert entry["size_gib"] * GIB == pytest.approx(entry["size_bytes"])
    assert (entry["parameters_source"], entry["size_source"]) == ("board", "board")


NOTHING_COUNTED = pl.DataFrame(
    schema={
        "model_id": pl.String,
        "parameters_total": pl.Int64,
        "parameters_active": pl.Int64,
        "parameters_non_embedding": pl.Int64,
    }
)


def test_the_gb_of_the_hub_are_gib_and_measured_and_computed_sizes_never_mix_in_a_snapshot() -> None:
    rows = reported(
        {"model_id": "a/measured-7B", "reported_size_gib": 13.74, "average": 60.0},
        {"model_id": "a/unmeasured-7B", "average": 61.0},
        {"model_id": "a/elsewhere-7B", "snapshot_id": "t", "average": 62.0},
    )
    sized = entry_sizes(rows, resolve_models(rows, NOTHING_COUNTED))
    assert sized.select("size_gib", "size_source").rows() == [
        (13.74, "measured"),
        (None, None),
        (7e9 * 2 / GIB, "name"),
    ]
    assert sized["size_bytes"][0] == round(13.74 * 2**30)
    assert sized["error_pct"].to_list() == [40.0, 39.0, 38.0]


@pytest.mark.data
def test_every_figure_of_every_real_model_and_entry_says_where_it_is_from(leaderboard_home: Path) -> None:
    lake = Lake(leaderboard_home / "lake")
    stored, entries = lake.read(MODELS), lake.read(LEADERBOARD_ENTRIES)
    assert stored.height == stored["model_id"].n_unique() > 12_000
    for figure in ("parameters_total", "parameters_active", "parameters_non_embedding"):
        assert (stored[figure].is_null() == stored[f"{figure}_source"].is_null()).all()
    assert (entries["parameters_total"].is_null() == entries["parameters_source"].is_null()).all()
    assert (entries["size_bytes"].is_null() == entries["size_source"].is_null()).all()
    assert (entries["size_gib"].is_null() == entries["size_bytes"].is_null()).all()
    assert stored.filter(pl.col("parameters_active") > pl.col("parameters_total")).is_empty()
    assert violations(MODELS, stored) == {}


@pytest.mark.data
def test_measured_sizes_of_half_precision_models_are_gib_to_within_a_tenth(leaderboard_home: Path) -> None:
    lake = Lake(leaderboard_home / "lake")
    entries = lake.read(LEADERBOARD_ENTRIES)
    measured = entries.filter(pl.col("size_source") == "measured", pl.col("precision") == "float16")
    named = [size_in_name(name).total for name in measured["model_id"]]
    ratio = measured.select(pl.col("size_bytes") / (2 * pl.Series(named, dtype=pl.Int64))).to_series().drop_nulls()
    assert len(ratio) > 800
    # In GB of ten to the ninth the same ratio would be 0.93.
    assert ratio.median() == pytest.approx(1.0, abs=0.05)
