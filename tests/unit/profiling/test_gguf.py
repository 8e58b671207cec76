"""Sizes of GGUF files against published ones, and names of formats."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.errors import UnsupportedPrecision
from profiling.models.format_names import (
    file_size_bytes,
    format_in_name,
    format_widths,
    known_formats,
    kv_format,
    kv_formats,
)
from profiling.models.gguf import gguf_file_size_bytes, gguf_widths, tensor_numbers
from profiling.models.gguf_rules import block_types, file_types
from profiling.models.load import load
from profiling.models.sources import from_config

GIB = 2**30

# Sizes of the tensors as llama-bench prints them (GiB to 0.01), of files that llama.cpp's own quantiser made.
PUBLISHED_TENSORS = {
    ("Qwen/Qwen3-30B-A3B", "Q2_K"): 10.48,
    ("Qwen/Qwen3-30B-A3B", "Q4_K_M"): 17.28,
    ("MiniMaxAI/MiniMax-M2.5", "Q4_K_S"): 121.10,
    ("MiniMaxAI/MiniMax-M2.5", "IQ4_XS"): 113.99,
    ("deepseek-ai/DeepSeek-V3", "Q4_K_M"): 376.65,
    ("deepseek-ai/DeepSeek-V3", "Q5_K_M"): 442.74,
    ("deepseek-ai/DeepSeek-V3", "Q8_0"): 664.29,
    ("google/gemma-3-27b-it", "Q8_0"): 26.73,
    ("microsoft/phi-4", "Q4_K_M"): 8.43,
    ("openai/gpt-oss-20b", "MXFP4"): 11.27,
    ("openai/gpt-oss-20b", "F16"): 12.83,
    ("openai/gpt-oss-120b", "MXFP4"): 59.02,
    ("meta-llama/Meta-Llama-3.1-405B", "Q4_K_M"): 226.37,
    ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "Q4_K_M"): 60.86,
    ("mistralai/Mixtral-8x7B-v0.1", "Q4_K_M"): 26.49,
    ("deepseek-ai/DeepSeek-V2-Lite", "Q4_K_M"): 9.65,
    ("google/gemma-4-31B-it", "Q4_K_M"): 17.39,
    ("Qwen/Qwen2.5-14B", "Q5_K_S"): 9.56,
    ("Qwen/Qwen3-32B", "Q6_K"): 25.03,
    ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "Q5_K_M"): 20.23,
    ("Qwen/Qwen3.5-27B", "Q3_K_M"): 12.37,
}
# In nobody's rule: llama.cpp's README scales the 8B file by size for its 249.1 GB of 405B; of the sizes collected under
# plain names, GLM-4.5-Air's 43.49 GiB is a Q2_K_L, its 51.01 GiB a UD-Q3_K_XL, MiniMax-M2's 157.23 GiB a UD-Q5_K_M.
# Bytes of the files as the hub states them (ibm-granite, bartowski, tiiuae, LiquidAI, LGAI-EXAONE, unsloth).
PUBLISHED_BYTES = {
    ("ibm-granite/granite-4.0-h-small", "Q4_K_M"): 19_476_621_984,
    ("CohereLabs/aya-expanse-8b", "Q4_K_M"): 5_056_982_720,
    ("ByteDance-Seed/Seed-OSS-36B-Instruct", "Q4_K_M"): 21_762_149_024,
    ("Qwen/Qwen3-Next-80B-A3B-Instruct", "Q4_K_M"): 48_506_100_512,
    ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "Q4_K_M"): 6_525_629_280,
    ("arcee-ai/AFM-4.5B", "Q4_K_M"): 2_916_301_824,
    ("HuggingFaceTB/SmolLM3-3B", "Q4_K_M"): 1_915_306_528,
    ("LGAI-EXAONE/EXAONE-4.0-1.2B", "Q4_K_M"): 812_437_792,
    ("tencent/Hunyuan-0.5B-Instruct", "Q4_K_M"): 354_970_464,
    ("LiquidAI/LFM2-350M", "Q4_K_M"): 229_309_376,
    ("tiiuae/Falcon-H1-0.5B-Instruct", "Q4_K_M"): 314_806_560,
}
# Sizes of the files in GB (bartowski/Qwen_Qwen3-4B-GGUF, llama.cpp's tools/quantize/README.md).
PUBLISHED_FILES = {
    ("Qwen/Qwen3-4B", "BF16"): 8.05, ("Qwen/Qwen3-4B", "Q6_K_L"): 3.40, ("Qwen/Qwen3-4B", "Q6_K"): 3.31,
    ("Qwen/Qwen3-4B", "Q5_K_M"): 2.89, ("Qwen/Qwen3-4B", "Q5_K_S"): 2.82, ("Qwen/Qwen3-4B", "Q4_K_L"): 2.59,
    ("Qwen/Qwen3-4B", "Q4_K_M"): 2.50, ("Qwen/Qwen3-4B", "Q4_0"): 2.38, ("meta-llama/Meta-Llama-3.1-8B", "Q4_K_M"): 4.9,
}  # fmt: skip
# Bits per weight of every file type of Llama-3.1-8B (llama.cpp tools/quantize/README.md @311c2c9), made without an
# importance matrix where that changes anything and none is required.
LLAMA_BITS = {
    "IQ1_S": 2.0042, "IQ1_M": 2.1460, "IQ2_XXS": 2.3824, "IQ2_XS": 2.5882, "IQ2_S": 2.7403, "IQ2_M": 2.9294,
    "IQ3_XXS": 3.2548, "IQ3_XS": 3.4977, "IQ3_S": 3.6606, "IQ3_M": 3.7628, "IQ4_XS": 4.4597, "IQ4_NL": 4.6818,
    "Q2_K_S": 2.9697, "Q2_K": 3.1593, "Q3_K_S": 3.6429, "Q3_K_L": 4.2979, "Q4_K_S": 4.6672, "Q4_K_M": 4.8944,
    "Q5_K_S": 5.5704, "Q5_K_M": 5.7036, "Q6_K": 6.5633, "Q8_0": 8.5008, "F16": 16.0005,
}  # fmt: skip
WITHOUT_IMPORTANCE = {"IQ4_XS", "IQ4_NL"}


# Of one publisher, who raises small tensors of mixtures and of models with states, and lowers experts, under plain
# names (bartowski; llama-bench tables of one machine, GiB).
OWN_MIXES = {
    ("Qwen/Qwen3.5-27B", "Q3_K_S"): 11.76, ("Qwen/Qwen3.5-27B", "Q4_K_M"): 15.94, ("Qwen/Qwen3.5-27B", "Q5_K_S"): 17.79,
    ("Qwen/Qwen3.5-35B-A3B", "Q2_K"): 11.76, ("Qwen/Qwen3.5-35B-A3B", "Q4_K_L"): 20.27,
    ("Qwen/Qwen3.5-122B-A10B", "IQ1_M"): 27.27, ("Qwen/Qwen3.5-122B-A10B", "IQ2_XXS"): 31.47,
    ("Qwen/Qwen3-Coder-Next", "Q3_K_M"): 34.13, ("Qwen/Qwen3-Coder-Next", "Q2_K_L"): 26.51,
    ("zai-org/GLM-4.7-Flash", "Q4_K_M"): 17.20, ("zai-org/GLM-4.5-Air", "Q2_K_L"): 43.49,
}  # fmt: skip


def test_files_with_types_of_a_publishers_own_lie_in_the_interval_and_the_basis_says_so() -> None:
    for (name, form), gib in OWN_MIXES.items():
        size = gguf_file_size_bytes(load(name), form)
        assert size.low <= gib * GIB <= size.high, (name, form)
        assert "types of their own under plain names" in size.basis
    # Dense models are quantised by the rules alone: Gemma 3 27B in Q6_K_L has 20.96 GiB.
    dense = gguf_file_size_bytes(load("google/gemma-3-27b-it"), "Q6_K")
    assert dense.high < 1.01 * dense.bytes


def test_tensors_of_published_files_are_met_within_half_a_percent() -> None:
    errors = {
        case: gguf_file_size_bytes(load(case[0]), case[1]).tensor_bytes / (gib * GIB) - 1
        for case, gib in PUBLISHED_TENSORS.items()
    }
    assert {case: round(error, 4) for case, error in errors.items() if abs(error) > 0.005} == {}


def test_published_files_lie_within_one_percent_metadata_included() -> None:
    errors = {
        case: gguf_file_size_bytes(load(case[0]), case[1]).bytes / (gb * 1e9) - 1
        for case, gb in PUBLISHED_FILES.items()
    }
    assert {case: round(error, 4) for case, error in errors.items() if abs(error) > 0.01} == {}


def test_every_file_type_of_llama_3_1_has_the_bits_that_llama_cpp_states_to_the_fourth_digit() -> None:
    model = load("meta-llama/Meta-Llama-3.1-8B")
    ours = {
        name: round(gguf_file_size_bytes(model, name, importance=name not in WITHOUT_IMPORTANCE).bits_per_weight, 4)
        for name in LLAMA_BITS
    }
    assert ours == pytest.approx(LLAMA_BITS, abs=1.01e-4)


# Tensors in GiB as above, and files in GB (ggml-org/Llama-macOS pull request 63), of models whose configs are not in
# the catalogue.
PUBLISHED_2026 = {
    ("tencent/Hunyuan-A13B-Instruct", "Q4_K_M"): 45.43 * GIB, ("Qwen/Qwen3-Coder-Next", "Q8_0"): 78.99 * GIB,
    ("Qwen/Qwen3-Coder-Next", "Q4_1"): 46.62 * GIB, ("Qwen/Qwen3-Coder-Next", "Q2_K"): 27.48 * GIB,
    ("Qwen/Qwen3-Coder-Next", "IQ2_M"): 24.26 * GIB, ("Qwen/Qwen3.5-27B", "Q4_K_M"): 15.39 * GIB,
    ("Qwen/Qwen3.5-0.8B", "Q8_0"): 0.812e9, ("Qwen/Qwen3.5-2B", "Q8_0"): 2.0e9, ("Qwen/Qwen3.5-27B", "Q8_0"): 28.6e9,
    ("zai-org/GLM-4.5-Air", "Q4_K_S"): 62.27 * GIB, ("zai-org/GLM-4.5-Air", "Q4_K_M"): 67.96 * GIB,
    ("Qwen/Qwen3.5-35B-A3B", "Q8_0"): 36.9e9, ("Qwen/Qwen3.5-397B-A17B", "Q8_0"): 421.5e9,
}  # fmt: skip


@pytest.mark.data
def test_files_of_models_of_2026_lie_within_one_percent(shared_data: Path) -> None:
    lines = (shared_data.parent / "facts" / "model_configs_2026.jsonl").read_text("utf-8").splitlines()
    configs = {row["hf_model_id"]: row["config"] for row in map(json.loads, lines)}
    errors = {
        case: gguf_file_size_bytes(from_config(configs[case[0]], case[0]), case[1]).bytes / published - 1
        for case, published in PUBLISHED_2026.items()
    }
    assert {case: round(error, 4) for case, error in errors.items() if abs(error) > 0.01} == {}


@pytest.mark.data
def test_layers_that_predict_ahead_are_in_the_file_where_converters_keep_them(shared_data: Path) -> None:
    lines = (shared_data.parent / "facts" / "model_configs_2026.jsonl").read_text("utf-8").splitlines()
    configs = {row["hf_model_id"]: row["config"] for row in map(json.loads, lines)}
    model = from_config(configs["zai-org/GLM-4.5-Air"], "zai-org/GLM-4.5-Air")
    size = gguf_file_size_bytes(model, "Q4_K_M")
    assert size.parameters == pytest.approx(110_468_824_832, rel=1e-5)
    assert gguf_widths(model, "Q4_K_M").head == 6.5625
    # Qwen3.6-27B in Q8_0 is 28.6 GB without and 29.03 GB with the layer: the upper end covers both.
    left_out = gguf_file_size_bytes(from_config(configs["Qwen/Qwen3.5-27B"], "Qwen/Qwen3.5-27B"), "Q8_0")
    assert left_out.parameters == 26_895_998_464
    assert left_out.low < 28.6e9
    assert left_out.high > 29.034e9


@pytest.mark.data
def test_the_shared_table_of_block_types_is_ours(shared_data: Path) -> None:
    with (shared_data.parent / "facts" / "gguf_types.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tensor = {row["type"].casefold(): float(row["bits_per_weight"]) for row in rows if row["kind"] == "tensor type"}
    assert {name: block_types()[name].bits for name in tensor} == tensor
    mixes = {row["type"].casefold() for row in rows if row["kind"].endswith("mix") or "ftype" in row["kind"]}
    assert mixes <= set(file_types())
    caches = {row["type"]: row["bits_per_weight"] for row in rows if row["kind"] == "KV cache"}
    named = {
        name: bits
        for name, bits in caches.items()
        if name in kv_formats() and bits[0].isdigit() and name != "fp8_ds_mla"
    }
    assert len(named) == 11
    assert {name: kv_format(name) for name in named} == {name: float(bits) for name, bits in named.items()}
    grouped = {("GPTQ", "4-bit g128 asym"): "gptq-4bit-g128", ("GPTQ", "4-bit g128 sym"): "gptq-4bit-g128-sym",
               ("GPTQ", "4-bit g32"): "gptq-4bit-g32", ("GPTQ", "8-bit g128"): "gptq-8bit-g128",
               ("AWQ", "4-bit g64"): "awq-4bit-g64", ("MLX", "2-bit g64"): "mlx-2bit", ("MLX", "4-bit g64"): "mlx-4bit",
               ("MLX", "4-bit g32"): "mlx-4bit-g32", ("MLX", "6-bit g64"): "mlx-6bit", ("HQQ", "4-bit g64"): "hqq-4bit",
               ("compressed-tensors", "fp8 block 128x128"): "fp8-block"}  # fmt: skip
    stated = {(row["kind"], row["type"]): row["bits_per_weight"] for row in rows}
    model = load("meta-llama/Meta-Llama-3.1-8B")
    for key, name in grouped.items():
        assert format_widths(model, name).attention == pytest.approx(float(stated[key]), abs=5e-6), name


def test_rows_that_are_no_whole_blocks_fall_back_to_wider_types() -> None:
    # 1,856 and 2,880 are no multiples of 256: Q4_K becomes Q5_0, Q6_K becomes Q8_0, and the file is 10 to 20 % larger.
    fields = {"model_type": "llama", "num_hidden_layers": 8, "num_attention_heads": 16, "num_key_value_heads": 16,
              "vocab_size": 32000, "tie_word_embeddings": False}  # fmt: skip
    whole = from_config({**fields, "hidden_size": 2048, "intermediate_size": 2048, "head_dim": 128})
    odd = from_config({**fields, "hidden_size": 1856, "intermediate_size": 1856, "head_dim": 116})
    assert gguf_widths(whole, "q4_k_s").embedding == 4.5
    assert gguf_widths(odd, "q4_k_s").embedding == 5.5
    assert gguf_widths(odd, "q6_k").head == 8.5
    assert (
        gguf_file_size_bytes(odd, "q4_k_m").bits_per_weight
        > 1.1 * gguf_file_size_bytes(whole, "q4_k_m").bits_per_weight
    )


def test_rules_ask_the_first_layer_and_the_stack_of_a_matrix_as_the_quantiser_does() -> None:
    # The converter of LFM2 states no key-value heads for convolutions, with which the model begins: values stay narrow.
    assert gguf_widths(load("LiquidAI/LFM2-1.2B"), "iq4_xs").attention == block_types()["iq4_xs"].bits
    # What opens DeepSeek's latents is stored as a stack of matrices, as experts are: 61 layers of 16.8 million numbers.
    deepseek = load("deepseek-ai/DeepSeek-V3")
    whole = tensor_numbers(deepseek)["attention"]
    up = 61 * 512 * 128 * (128 + 128)
    share = (up * 4.25 + (whole - up) * 8.5) / whole
    assert gguf_widths(deepseek, "mxfp4_moe").attention == pytest.approx(share)


def test_the_native_mxfp4_experts_of_gpt_oss_stay_in_every_format() -> None:
    model = load("openai/gpt-oss-20b")
    assert {gguf_widths(model, name).experts for name in ("Q2_K", "Q4_K_M", "Q8_0", "F16")} == {4.25}
    sizes = [gguf_file_size_bytes(model, name).bytes / GIB for name in ("Q2_K", "Q4_K_M", "Q8_0", "F16")]
    assert sizes == sorted(sizes)
    assert 10.5 < sizes[0] < sizes[-1] < 12.9


def test_a_mix_of_a_publisher_is_an_interval_that_holds_the_published_file() -> None:
    published = {("Qwen/Qwen3-30B-A3B", "UD-Q4_K_XL"): 16.49, ("Qwen/Qwen3-30B-A3B", "UD-IQ1_S"): 8.42,
                 ("deepseek-ai/DeepSeek-V3", "UD-Q2_K_XL"): 211.03, ("MiniMaxAI/MiniMax-M2.5", "UD-Q5_K_M"): 157.23,
                 ("zai-org/GLM-4.5-Air", "UD-Q3_K_XL"): 51.01, ("Qwen/Qwen3-Coder-Next", "UD-Q4_K_XL"): 46.20,
                 ("zai-org/GLM-4.5-Air", "Q2_K_L"): 43.49, ("Qwen/Qwen3.5-27B", "Q5_K_L"): 19.30,
                 ("google/gemma-3-12b-it", "Q5_K_L"): 8.09}  # fmt: skip
    for (name, form), gib in published.items():
        size = gguf_file_size_bytes(load(name), form)
        assert size.low < gib * GIB < size.high, (name, form)
        assert "publisher" in size.basis


@given(
    st.sampled_from(known_formats()),
    st.sampled_from(["meta-llama/Llama-3.2-1B", "Qwen/Qwen3-30B-A3B", "openai-community/gpt2"]),
)
def test_widths_and_size_are_two_views_of_one_sum(form: str, name: str) -> None:
    model = load(name)
    size = file_size_bytes(model, form)
    assert size.low <= size.bytes <= size.high
    assert sum(tensor_numbers(model).values()) == size.parameters == model.parameters_total
    widths = format_widths(model, form)
    summed = sum(count * getattr(widths, group) for group, count in tensor_numbers(model).items()) / 8
    if "publisher chose" not in size.basis:
        assert summed == pytest.approx(size.tensor_bytes, abs=2)


def test_formats_go_by_any_case_and_by_their_short_names() -> None:
    model = load("Qwen/Qwen3-4B")
    same = {gguf_file_size_bytes(model, name) for name in ("Q4_K_M", "q4_k_m", "gguf-q4_k_m", " Q4_K ", "q4-k-m")}
    assert len(same) == 1
    assert gguf_file_size_bytes(model, "ud_q4_k_xl") == gguf_file_size_bytes(model, "UD-Q4_K_XL")
    with pytest.raises(UnsupportedPrecision, match=r"nearest: .*q4_k_m"):
        file_size_bytes(model, "q4_k_n")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "q4_k_m"),
        ("Qwen3-235B-A22B-UD-Q4_K_XL-00001-of-00003.gguf", "ud-q4_k_xl"),
        ("UD-IQ1_S/DeepSeek-R1-UD-IQ1_S-00001-of-00003.gguf", "ud-iq1_s"),
        ("llama-2-7b.Q5_K_S.gguf", "q5_k_s"),
        ("Foo-8B.i1-IQ4_XS.gguf", "iq4_xs"),
        ("qwen2.5:14b-instruct-q4_K_M", "q4_k_m"),
        ("llama3.1:8b-instruct-fp16", "f16"),
        ("gpt-oss-20b-mxfp4.gguf", "mxfp4_moe"),
        ("nvidia/Qwen3.5-397B-A17B-NVFP4", "nvfp4"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "awq-4bit-g128"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", "gptq-8bit-g128"),
        ("TheBloke/Llama-2-7B-GPTQ-4bit-32g", "gptq-4bit-g32"),
        ("mlx-community/Qwen3-8B-4bit", "mlx-4bit"),
        ("turboderp/Llama-3.1-8B-exl3-4.0bpw", "exl3-4.0bpw"),
        ("neuralmagic/Meta-Llama-3.1-405B-Instruct-FP8", "fp8"),
        ("unsloth/llama-3-8b-bnb-4bit", "nf4-double"),
        ("ik/Model-IQ4_KS.gguf", None),
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", None),
        ("Qwen/Qwen3-8B", None),
    ],
)  # fmt: skip
def test_a_file_name_gives_its_format(name: str, form: str | None) -> None:
    assert format_in_name(name) == form
    if form:
        assert file_size_bytes(load("Qwen/Qwen3-4B"), form).bytes > 0


def test_cache_formats_go_by_name_alone_or_as_a_pair() -> None:
    assert [kv_format(name) for name in ("q8_0", "Q4_0", "fp8", "bf16", "f16", "auto", "8")] == [
        8.5,
        4.5,
        8,
        16,
        16,
        16,
        8,
    ]
    assert kv_format("q8_0/q4_0") == 6.5
    with pytest.raises(UnsupportedPrecision, match="turbo3"):
        kv_format("turbo3")


@pytest.mark.parametrize(("name", "form"), PUBLISHED_BYTES)
def test_files_of_many_families_are_within_two_thousandths_of_the_hubs_bytes(name: str, form: str) -> None:
    assert file_size_bytes(load(name), form.casefold()).bytes == pytest.approx(PUBLISHED_BYTES[name, form], rel=2e-3)
