"""What fits where, against published sizes, engine logs and worked examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.answers.door import shipped_door
from profiling.answers.known_models import models
from profiling.answers.split import longest_on
from profiling.devices.accelerators import GIB, find
from profiling.devices.names import resolve_device
from profiling.errors import DoesNotFit, InvalidWorkload
from profiling.memory.engines import EngineProfile, engine_profile
from profiling.memory.need import (
    gpus_needed,
    kv_cache_bytes,
    max_batch,
    max_context,
    memory_need,
    require_fit,
    rule_of_thumb_gpus,
)
from profiling.memory.weights import weight_bytes
from profiling.models.load import load
from profiling.roofline.precisions import least_weight_bytes, precision_for
from profiling.roofline.workload import Parallelism, Precision, Workload, precision_of

ENDS = ("low", "high")
# Devices of 80 GB that 18 models need in 16 bits: by the rule, at 4k context with one sequence, with sixteen.
WORKED = {
    "meta-llama/Llama-2-7b-hf": (1, 1, 1), "meta-llama/Llama-2-13b-hf": (1, 1, 2),
    "meta-llama/Llama-2-70b-hf": (3, 2, 4), "meta-llama/Meta-Llama-3-8B": (1, 1, 1),
    "meta-llama/Meta-Llama-3-70B": (3, 2, 4), "mistralai/Mixtral-8x7B-v0.1": (2, 2, 2),
    "mistralai/Mixtral-8x22B-v0.1": (5, 4, 8), "tiiuae/falcon-40b": (2, 2, 2),
    "tiiuae/falcon-180B": (6, 8, 8), "databricks/dbrx-instruct": (4, 4, 8), "xai-org/grok-1": (10, 16, 16),
    "Qwen/Qwen1.5-72B": (3, 4, 8), "Qwen/Qwen1.5-110B": (4, 4, 4),
    "CohereForAI/c4ai-command-r-plus": (4, 4, 4), "deepseek-ai/DeepSeek-V2": (8, 8, 8),
    "deepseek-ai/DeepSeek-V3": (21, 24, 24), "meta-llama/Meta-Llama-3.1-405B": (13, 16, 16),
    "bigscience/bloom": (6, 8, 16),
}  # fmt: skip


def test_the_stored_size_of_gpt_oss_120b_is_met_to_the_byte() -> None:
    # 65,248,815,744 bytes of files (hf-mem issue 60): routed experts in MXFP4, the rest in bf16.
    assert weight_bytes(load("openai/gpt-oss-120b"), Precision(expert_bits=4.25)) == 65_248_815_744


def test_devices_needed_by_18_models_equal_the_worked_examples() -> None:
    def engine(gib: float) -> EngineProfile:
        return EngineProfile(fixed_gib=(gib, gib), utilisation=0.9, basis="worked examples", windows="unknown")

    a100 = find("A100-SXM4-80GB")
    for name, expected in WORKED.items():
        model = load(name)
        few = gpus_needed(model, a100, Workload(context=4096, batch=1), engine(1.45)).devices
        production = engine(8.15 if model.is_mixture_of_experts else 5.65)
        many = gpus_needed(model, a100, Workload(context=4096, batch=16), production).devices
        assert (rule_of_thumb_gpus(model.parameters_total, 16, a100), few, many) == expected, name


def test_embeddings_in_16_bits_make_a_4_bit_model_larger_than_4_bits_per_weight() -> None:
    model = load("meta-llama/Meta-Llama-3-8B")
    stored = weight_bytes(model, precision_of("awq-4bit-g128"))
    assert stored == pytest.approx(5.7e9, rel=0.02)  # 4.0 bits throughout would be 4.0e9
    # llama.cpp's own table: Q4_K_M of Llama-3.1-8B has 4.58 GiB.
    assert weight_bytes(model, precision_of("gguf-q4_k_m")) / GIB == pytest.approx(4.58, abs=0.01)


def test_weights_never_take_less_than_what_rules_a_model_out_unseen() -> None:
    formats = (
        None,
        "q2_k",
        "ud-iq1_s",
        "iq3_xs",
        "iq2_m",
        "q8_0",
        "mlx-4bit",
        "awq-4bit-g128",
        "exl3-2.0bpw",
        "nvfp4",
        "fp8",
    )
    decoders = [model for model in models().values() if model.kind == "decoder"]
    for model in (*decoders[::40], load("openai/gpt-oss-20b"), load("google/gemma-3-1b-it")):
        for weight_format in formats:
            stored = float(weight_bytes(model, precision_for(model, weight_format)))
            assert least_weight_bytes(model, weight_format) <= stored, (model.name, weight_format)


def test_windows_give_the_cache_a_lower_and_an_upper_bound() -> None:
    # gpt-oss-20b, 8192 tokens, 32 sequences: 6.09 GiB with windows kept exactly, 12.00 with whole pages.
    cache = kv_cache_bytes(load("openai/gpt-oss-20b"), Workload(context=8192, batch=32))
    assert float(cache.low) / GIB == pytest.approx(6.09, abs=0.005)
    assert float(cache.high) / GIB == pytest.approx(12.0)
    plain = kv_cache_bytes(load("meta-llama/Llama-2-7b-hf"), Workload(context=1024))
    assert plain.low == plain.high == 536_870_912


def test_latents_are_not_divided_by_tensor_parallelism_and_scarce_kv_heads_are_copied() -> None:
    for name, divisor in (("deepseek-ai/DeepSeek-V3", 1), ("meta-llama/Meta-Llama-3-8B", 8)):
        model = load(name)
        whole = kv_cache_bytes(model, Workload())
        split = kv_cache_bytes(model, Workload(parallelism=Parallelism(tensor=16)))
        assert split.high == pytest.approx(float(whole.high) / divisor)


def test_a_model_that_does_not_fit_says_what_is_missing_and_what_would_do() -> None:
    model, card = load("meta-llama/Llama-2-70b-hf"), find("H100-SXM5-80GB")
    assert memory_need(model, card, Workload()).verdict == "does not fit"
    with pytest.raises(DoesNotFit, match=r"needs at least 134\.\d GiB per device.*has 71\.3 GiB.*tp=2 x pp=1"):
        require_fit(model, card, Workload())
    with pytest.raises(InvalidWorkload, match="nearest: vllm-v1"):
        memory_need(model, card, Workload(), "vlm-v1")


def test_between_the_ends_of_the_engines_interval_the_verdict_is_borderline() -> None:
    model, card = load("meta-llama/Meta-Llama-3-8B"), find("RTX-4090")
    need = memory_need(model, card, Workload(context=36_000, batch=1))
    assert (need.verdict, need.low < need.budget < need.high) == ("borderline", True)


@given(context=st.sampled_from([512, 4096, 30_000]), name=st.sampled_from(["L40S", "H100-SXM5-80GB"]))
def test_the_largest_batch_fits_and_one_more_does_not(context: int, name: str) -> None:
    model, card = load("meta-llama/Meta-Llama-3-8B"), find(name)
    batch = max_batch(model, card, Workload(context=context))
    assert memory_need(model, card, Workload(context=context, batch=batch)).verdict == "fits"
    assert memory_need(model, card, Workload(context=context, batch=batch + 1)).verdict != "fits"
    longest = max_context(model, card, Workload(batch=batch))
    assert memory_need(model, card, Workload(context=longest + 1, batch=batch)).verdict != "fits"
    assert longest >= context


def test_llama_cpp_keeps_window_and_one_micro_batch_for_windowed_layers() -> None:
    # Measured (ollama#17037): two caches of 2,560 and 174 MiB at 131,072 tokens, 5.2 GiB in all on a T4.
    model = load("google/gemma-3-4b-it")
    asked = Workload(context=131_072, precision=precision_of("gguf-q4_k_m"))
    cache = kv_cache_bytes(model, asked, engine_profile("llama.cpp"))
    assert float(cache.low) == float(cache.high) == (2560 + 174) * 2**20
    need = memory_need(model, find("T4"), asked, "llama.cpp")
    assert need.verdict == "fits"
    assert float(need.low) / 2**20 < 5305 < float(need.high) / 2**20


def test_vllm_takes_less_of_small_cards_than_of_large_ones() -> None:
    profile = engine_profile("vllm-v1")

    def overhead_gib(model: str, card: str, tensor: int = 1, width: float = 8) -> tuple[float, float]:
        asked = Workload(precision=Precision(weight_bits=width), parallelism=Parallelism(tensor))
        need = memory_need(load(model), find(card), asked, profile)
        return tuple(float(getattr(need, end) - need.weights - getattr(need.kv_cache, end)) / GIB for end in ENDS)

    low, high = overhead_gib("meta-llama/Meta-Llama-3.1-8B", "H100-SXM5-80GB")
    assert low < 4.8
    assert high > 5.6  # llm-d-planner's measurements, activations alone
    low, high = overhead_gib("google/gemma-3-27b-it", "RTX-5090")
    assert low < 2.80 + 0.41 < high  # a log of a 27B model on a 32 GB card
    low, high = overhead_gib("Qwen/Qwen3-235B-A22B", "H100-SXM5-80GB", tensor=4)
    assert low < 8.1 < high  # vllm#21348


def test_what_fits_without_end_is_said_up_to_the_most_that_can_be_asked() -> None:
    model = load("Qwen/Qwen2.5-0.5B")
    assert max_context(model, find("B300-SXM-288GB"), Workload()) == 2**20
    assert (
        longest_on(shipped_door(), model, resolve_device("B300-SXM-288GB").fleet, Workload(context=30_000.0)) == 2**20
    )


def test_two_rtx_4090_hold_81536_tokens_at_a_utilisation_of_98_percent() -> None:
    # vllm#13061
    engine = engine_profile("vllm-v1").with_options(utilisation=0.98)
    asked = Workload(context=81_536, parallelism=Parallelism(2))
    need = memory_need(load("Qwen/Qwen2.5-14B"), find("RTX-4090"), asked, engine)
    assert need.verdict in {"fits", "borderline"}
    with pytest.raises(InvalidWorkload, match=r"gpu_memory_utilization is 1.2"):
        engine.with_options(utilisation=1.2)


def test_every_engine_people_name_has_a_profile_and_no_other() -> None:
    for name in ("llama.cpp-cuda", "Ollama", "LM Studio", "MLX", "exllamav2", "vLLM", "SGLang", "TensorRT-LLM",
                 "Transformers", "OpenVINO"):  # fmt: skip
        assert engine_profile(name).basis
    with pytest.raises(InvalidWorkload, match="known: vllm-v1"):
        engine_profile("warp drive")


@pytest.mark.parametrize(
    ("model", "device", "engine", "weight_format", "tensor", "context"),
    [
        ("meta-llama/Meta-Llama-3.1-70B", "RTX-A6000", "vllm-v0", "awq-4bit-g128", 1, 16_384),  # sglang#922
        ("deepseek-ai/DeepSeek-V3", "H20-96GB", "vllm-v1", "fp8", 8, 4096),  # lmdeploy#2960
    ],
)
def test_what_people_serve_on_cards_of_binary_gigabytes_is_not_refused(
    model: str, device: str, engine: str, weight_format: str, tensor: int, context: int
) -> None:
    architecture = load(model)
    workload = Workload(
        context=float(context), precision=precision_for(architecture, weight_format),
        parallelism=Parallelism(tensor=tensor),
    )  # fmt: skip
    assert memory_need(architecture, find(device), workload, engine).verdict != "does not fit"
