"""Engines as an input of time: names, units, bounds, and a fit that finds what was put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from profiling.answers.commands import commands
from profiling.answers.engine_choice import engine_for
from profiling.devices.accelerators import find
from profiling.engines.effects import EFFECTS, Setting, attention_of, setting_of
from profiling.engines.families import reads
from profiling.engines.fit import Rows, factors, fit, folds_of, parts_named, predicted_s
from profiling.engines.formats import formats_of
from profiling.engines.parts import PARTS, PLACES, Launches, host_parts
from profiling.engines.table import ENGINES, Engine, device_class, engine_of, launch_s_of, product_rate
from profiling.engines.time import shipped_times
from profiling.errors import InvalidWorkload
from profiling.memory.engines import borrowed, cannot_run, default_engine, known_engine, too_old
from profiling.models.load import load
from profiling.models.sources import supported_model_types
from profiling.reference_files import reference_rows
from profiling.roofline.estimate import estimate
from profiling.roofline.operator_time import operator_times
from profiling.roofline.precisions import precision_for
from profiling.roofline.roof import roof_of
from profiling.roofline.sums import least_time
from profiling.roofline.whole import less_what_is_cached, pipelined
from profiling.roofline.workload import Parallelism, Precision, Workload

RTX, H200 = find("RTX-4090"), find("H200-SXM-141GB")
LLAMA = load("meta-llama/Meta-Llama-3-8B")


@pytest.mark.parametrize(
    ("spelling", "device", "engine"),
    [
        ("vllm-v1", "H200-SXM-141GB", "vllm"),
        ("TensorRT 10.11, CUDA 12.9", "H200-SXM-141GB", "tensorrt-llm"),
        ("ollama", "RTX-4090", "llama.cpp-cuda"),
        ("llama.cpp", "RX-7900-XT-20GB", "llama.cpp-rocm"),
        ("llama.cpp-vulkan", "RX-7900-XT-20GB", "llama.cpp-vulkan"),
        ("llama.cpp", "Xeon-8480+ (1 socket)", "llama.cpp-cpu"),
    ],
)
def test_an_engine_goes_by_the_names_people_use(spelling: str, device: str, engine: str) -> None:
    assert engine_of(spelling, find(device)).name == engine


def test_a_time_says_of_when_the_rows_behind_it_are() -> None:
    times = shipped_times()
    assert times.median_months.keys() <= times.measured.keys() | times.classes.keys()  # not every source says when
    own = times.basis(ENGINES["llama.cpp-cuda"], RTX, ("decode",))
    assert str(own).startswith(f"{own.own_rows:,} rows of llama.cpp-cuda on this device, median 2024-05; held-out")


@pytest.mark.parametrize(
    ("spelling", "memory", "time"),
    [
        ("llamacpp", "llama.cpp", "llama.cpp-cuda"), ("llama-server", "llama.cpp", "llama.cpp-cuda"),
        ("oobabooga", "llama.cpp", "llama.cpp-cuda"), ("lmstudio", "lm-studio", "llama.cpp-cuda"),
        ("trt-llm", "tensorrt-llm", "tensorrt-llm"), ("TensorRT", "tensorrt-llm", "tensorrt-llm"),
        ("mlx_lm", "mlx", "mlx"), ("huggingface", "transformers", "transformers"), ("vLLM 0.11", "vllm", "vllm"),
        ("vllm==0.6.3", "vllm-v0", "vllm"), ("exl3", "exllamav3", "exllamav2"),
        ("text-generation-inference", "tgi", "vllm"), ("TGI", "tgi", "vllm"), ("tabbyAPI", "exllamav3", "exllamav2"),
        ("ktransformers", "sglang", "sglang"), ("mlc-llm", "mlc", "mlc"), ("aphrodite 0.9", "vllm", "vllm"),
    ],
)  # fmt: skip
def test_memory_and_time_take_the_same_spellings(spelling: str, memory: str, time: str) -> None:
    assert (known_engine(spelling), engine_of(spelling, RTX).name) == (memory, time)


def test_a_program_around_an_engine_says_so_and_one_of_its_own_names_the_nearest() -> None:
    assert borrowed("koboldcpp") == ("koboldcpp builds on llama.cpp: its figures are those of llama.cpp.",)
    assert borrowed("llama-server") == borrowed("vllm") == ()
    for named in (known_engine, lambda spelling: engine_of(spelling, RTX)):
        with pytest.raises(InvalidWorkload, match=r"mistral\.rs is an engine of its own.*nearest: llama\.cpp"):
            named("mistral.rs")


def test_an_unknown_engine_names_those_that_are_known() -> None:
    with pytest.raises(InvalidWorkload, match="vllm"):
        engine_of("abacus", RTX)


def test_quantised_products_of_llama_cpp_are_bounded_by_8_bit_integers_on_geforce() -> None:
    engine = ENGINES["llama.cpp-cuda"]
    assert product_rate(engine, RTX, "fp16", 4.9) == RTX.peaks["int8"]
    assert product_rate(engine, RTX, "fp16", 16) == RTX.peaks_with_fp16_sums["fp16"]
    assert product_rate(ENGINES["vllm"], RTX, "fp16", 4.9) == RTX.peaks["fp16"]


@pytest.mark.parametrize(
    ("engine", "device", "weight_bits", "format_"),
    [
        ("llama.cpp-vulkan", "RTX-3090", 16.0, "fp16 sums"),
        ("exllamav2", "RTX-4090", 4.0, "fp16 sums"),
        ("llama.cpp-rocm", "Radeon-AI-PRO-R9700-32GB", 4.5, "int8"),
        ("llama.cpp-rocm", "Radeon-AI-PRO-R9700-32GB", 16.0, "fp16"),
        ("openvino", "Core-Ultra-258V (Arc-140V, Lunar-Lake)", 4.25, "int8"),
        ("vllm", "RTX-4090", 4.25, "fp16"),
    ],
)
def test_a_bound_is_of_the_fastest_unit_that_any_build_uses_and_moves_no_likely_time(
    engine: str, device: str, weight_bits: float, format_: str
) -> None:
    card = find(device)
    precision = Precision(weight_bits=weight_bits, computes=())
    roof, own = roof_of(card, precision, ENGINES[engine]), roof_of(card, precision, _usual(ENGINES[engine]))
    rates = {**card.peaks, "fp16 sums": card.peaks_with_fp16_sums.get("fp16")}
    assert roof.product_peaks["feed_forward"] == rates[format_]
    for group, rate in own.product_peaks.items():
        reached = own.product_efficiencies[group] * rate
        assert roof.product_efficiencies[group] * roof.product_peaks[group] == pytest.approx(reached)


def _usual(engine: Engine) -> Engine:
    return replace(engine, some_integer_products=False, some_half_sums=False)


def test_the_bound_of_a_mixture_counts_the_experts_of_one_token() -> None:
    model = load("Qwen/Qwen3-30B-A3B")
    single, many = (
        {time.operator.name: time for time in operator_times(model, H200, Workload(batch=batch, context=100))}
        for batch in (1, 16)
    )
    experts = next(name for name, time in single.items() if time.operator.operator_class == "expert_gemm")
    weights = single[experts].operator.weight_bytes / H200.bandwidth_bytes_per_s
    assert many[experts].memory_s > 5 * weights
    assert many[experts].bound_s < 1.2 * weights


def test_stages_of_a_pipeline_read_a_prompt_at_the_same_time() -> None:
    assert pipelined(512, 512, 4, 4) == pytest.approx(1.0)
    assert pipelined(1024, 512, 4, 4) == pytest.approx((2 + 3) / (2 * 4))
    assert pipelined(4096, 512, 4, 4) == pytest.approx((4 + 3) / (4 * 4))  # handed over 2,048 tokens at a time
    assert pipelined(4096, 512, 4, 1) == pytest.approx(1.0)
    assert pipelined(4096, None, 4, 4) == pytest.approx(1.0)
    single, four = (
        float(estimate(LLAMA, RTX, Workload(stage="prefill", context=4096, parallelism=Parallelism(1, stages)),
                       engine="llama.cpp").time.likely_s)
        for stages in (1, 4)
    )  # fmt: skip
    assert four < 0.5 * single


def test_a_step_of_a_model_as_small_as_the_cache_may_be_faster_than_memory() -> None:
    assert less_what_is_cached(1e-3, 1e8, 2e7, 1e11) == pytest.approx(1e-3 - 2e7 / 1e11)
    assert less_what_is_cached(1e-3, 1e10, 2e7, 1e11) == pytest.approx(1e-3)


@pytest.mark.parametrize("engine", ["vllm", "llama.cpp", "transformers", "sglang"])
def test_an_interval_lies_above_the_bound_and_around_the_likely_time(engine: str) -> None:
    for stage in ("prefill", "decode"):
        workload = Workload(stage=stage, context=2000, precision=precision_for(LLAMA, "bf16"))  # type: ignore[arg-type]
        answer = estimate(LLAMA, H200, workload, engine=engine)
        time = answer.time
        assert float(time.bound_s) <= float(time.low_s) <= float(time.likely_s) <= float(time.high_s)
        assert answer.basis.engine.startswith(engine)
        assert "held-out error" in str(answer.basis)


def test_an_answer_says_how_many_devices_or_models_its_interval_rests_on() -> None:
    times = shipped_times()
    other = str(times.basis(ENGINES["openvino"], find("Arc-A770-16GB"), ["prefill"]))
    assert "(34 rows of one device: so few devices that the interval is wider)" in other
    own = str(times.basis(ENGINES["llama.cpp-cuda"], find("RTX-4090"), ["decode"]))
    assert own.endswith(" models)")


TWO_NODES = (
    # DeepSeek-R1 in fp8 on sixteen H100 in two nodes, SGLang, tensor parallel 16: in flight, mean context, ms a token.
    # 2025-07: tenstorrent/tt-inference-server issue 356; 2026-02: ai-dynamo/aiconfigurator @095f58a (Apache-2.0).
    (1, 192, 23.1), (1, 1088, 23.2), (1, 4160, 23.7), (1, 8256, 24.0),
    (1, 4600, 17.0), (1, 7800, 17.8), (2, 4600, 18.1), (2, 7800, 18.9), (4, 4600, 18.7), (4, 7800, 19.7),
    (8, 4600, 20.3), (8, 7800, 21.7), (16, 4600, 23.3), (16, 7800, 26.0), (32, 4600, 29.8), (32, 7800, 33.3),
    (64, 4600, 33.9), (64, 7800, 38.8),
)  # fmt: skip


def test_two_nodes_are_timed_by_what_crosses_the_network() -> None:
    model, h100 = load("deepseek-ai/DeepSeek-R1"), find("H100-SXM5-80GB")
    precision = precision_for(model, "fp8")
    inside, errors = [], []
    for batch, context, measured_ms in TWO_NODES:
        workload = Workload(batch=batch, context=context, precision=precision, parallelism=Parallelism(16))
        time = estimate(model, h100, workload, engine="sglang").time
        inside.append(float(time.low_s) < measured_ms / 1000 < float(time.high_s))
        errors.append(abs(float(time.likely_s) * 1000 / measured_ms - 1))
    assert np.median(errors) < 0.2
    assert np.mean(inside) > 0.75


def _settings(devices: int, per_device: int) -> list[Setting]:
    base = setting_of(ENGINES["llama.cpp-cuda"], RTX, Precision(weight_bits=4.9), "flash", "decode")
    return [
        Setting({**base.labels, "device": f"card {card}"}, base.vector_share)
        for card in range(devices)
        for _ in range(per_device)
    ]


def test_a_fit_finds_the_factors_that_were_put_in_and_shrugs_at_an_absurd_row() -> None:
    rng = np.random.default_rng(3)
    settings = _settings(8, 20)
    parts = np.zeros((len(settings), len(PARTS)))
    parts[:, PLACES["product_memory"]] = rng.uniform(1e-3, 1e-2, len(settings))
    parts[:, PLACES["launches"]] = 2e-4
    true = 1.25 * parts[:, PLACES["product_memory"]] + 2 * parts[:, PLACES["launches"]]
    measured = true * np.exp(rng.normal(0, 0.03, len(settings)))
    measured[5] *= 40
    rows = Rows(parts, measured, settings)
    fitted = predicted_s(fit(rows), rows)
    assert np.median(np.abs(fitted / true - 1)) < 0.05


def test_a_device_without_measurements_has_the_factors_of_its_class() -> None:
    settings = _settings(6, 10)
    parts = np.zeros((len(settings), len(PARTS)))
    parts[:, PLACES["product_compute"]] = 1e-2
    rows = Rows(parts, np.full(len(settings), 2e-2), settings)
    stranger = Setting({**settings[0].labels, "device": "unseen"}, settings[0].vector_share)
    assert factors(fit(rows), stranger)[PLACES["product_compute"]] == pytest.approx(2.0, rel=0.15)


def test_every_part_has_the_effects_that_are_declared_for_it() -> None:
    assert parts_named(EFFECTS) == PARTS


def test_folds_keep_equal_names_together() -> None:
    names = ["a"] * 30 + ["b"] * 5 + ["c"] * 5 + ["d"]
    folds = folds_of(names, 3)
    assert len({fold for fold, name in zip(folds, names, strict=True) if name == "a"}) == 1
    assert len(set(folds)) == 3


def test_classes_tell_geforce_from_workstation_and_data_centre() -> None:
    kinds = {
        name: device_class(find(name)) for name in ("RTX-4090", "RTX-6000-Ada", "A100-SXM4-80GB", "H200-SXM-141GB")
    }
    assert list(kinds.values()) == [
        "geforce",
        "nvidia workstation",
        "nvidia data centre",
        "nvidia hopper and blackwell",
    ]


def test_bound_of_a_prompt_over_stages_is_shared() -> None:
    workload = Workload(stage="prefill", context=4096, parallelism=Parallelism(1, 4))
    times = operator_times(LLAMA, RTX, workload)
    whole = sum(float(time.operator.count * time.bound_s) for time in times)
    assert float(least_time(times, RTX, workload)) == pytest.approx(whole / 4)


def test_launches_go_with_kernels_and_balancing_of_streams_costs_engines_without_a_kernel_for_it() -> None:
    # 43 layers, two mixes each, twenty rounds of five small kernels (config: hc_sinkhorn_iters).
    model, step = load("deepseek-ai/DeepSeek-V4-Flash"), Workload(stage="decode", batch=1, context=1024)
    fused, composed = (host_parts(model, step, 1.0, Launches(1e-6, each))["launches"] for each in (0.0, 1e-6))
    assert composed - fused == pytest.approx(43 * 2 * 20 * 5 * 1e-6)
    dense = host_parts(load("meta-llama/Llama-2-7b-hf"), step, 1.0, Launches(1e-6, 1e-6))["launches"]
    assert dense == pytest.approx(1e-6 * (32 * (7 + 3 + 6) + 3))


def test_cores_meet_at_the_end_of_a_kernel_and_servers_launch_those_of_prompts_from_python() -> None:
    cpu = ENGINES["llama.cpp-cpu"]
    many, few = (find(name) for name in ("AmpereOne-A192-32X (DDR5-5200)", "Ryzen-7-7840HS (DDR5-5600)"))
    assert launch_s_of(cpu, many) / launch_s_of(cpu, few) == pytest.approx(192 / 8)
    assert launch_s_of(ENGINES["llama.cpp-cuda"], RTX) == ENGINES["llama.cpp-cuda"].launch_s
    model = load("meta-llama/Llama-2-7b-hf")
    prompt, step = (Workload(stage=stage, batch=1, context=1024) for stage in ("prefill", "decode"))
    narrow = replace(prompt, precision=precision_for(model, "fp8"))
    launches = Launches(1e-6, eager_s=8e-6)
    eager = [host_parts(model, each, 1.0, launches)["eager_launches"] / 8e-6 for each in (prompt, narrow, step)]
    # Queries, keys and values are one product, gate and up another; before each of four, activations are made narrow.
    assert eager == pytest.approx([32 * (4 + 3 + 6) + 3, 32 * (4 + 4 + 3 + 6) + 3, 0])
    # Latent attention copies three times what it rebuilds, in each of 58 layers of experts and three dense ones.
    latent = host_parts(load("deepseek-ai/DeepSeek-R1"), prompt, 1.0, launches)["eager_launches"] / 8e-6
    assert latent == pytest.approx(58 * (28 + 3) + 3 * (18 + 3) + 3)


def test_mxfp4_experts_take_activations_of_8_bits_on_blackwell_where_an_engine_has_the_kernel() -> None:
    precision = precision_for(load("openai/gpt-oss-120b"), "mxfp4")
    b200, workstation = find("B200-SXM-180GB"), find("RTX-PRO-6000-Blackwell")
    roofs = [roof_of(device, precision, ENGINES[engine]) for device, engine in (
        (b200, "vllm"), (b200, "tensorrt-llm"), (H200, "vllm"), (b200, "lmdeploy"), (workstation, "vllm"),
    )]  # fmt: skip
    assert [roof.group_formats.get("experts") for roof in roofs] == ["fp8", "fp8", None, None, None]
    assert roofs[0].product_peaks["experts"] == b200.peaks["fp8"]
    four_bits = precision_for(load("Qwen/Qwen3-30B-A3B"), "awq-4bit-g128")
    assert roof_of(b200, four_bits, ENGINES["vllm"]).product_peaks["experts"] == b200.peaks["fp16"]


def test_effects_of_attention_tell_latent_from_plain_and_from_chosen_entries() -> None:
    names = ("meta-llama/Meta-Llama-3-8B", "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V4-Flash")
    assert [attention_of(load(name), "flash") for name in names] == ["flash", "latent", "chosen"]
    assert attention_of(load("deepseek-ai/DeepSeek-R1"), "naive") == "naive"


@pytest.mark.parametrize(
    ("device", "usual"),
    [("H200-SXM-141GB", "vllm-v1"), ("T4", "vllm-v1"), ("RTX-4090", "llama.cpp"), ("P40", "llama.cpp"),
     ("P100-SXM2-16GB", "llama.cpp"), ("V100-PCIe-16GB", "vllm-v1"), ("tesla m40 24gb", "llama.cpp"),
     ("tesla k80", "llama.cpp"), ("TPU-v5e", "vllm-v1"), ("MI50-32GB", "llama.cpp"), ("Radeon-VII-16GB", "llama.cpp"),
     ("MI210-64GB", "vllm-v1"), ("TITAN-V-12GB", "llama.cpp"), ("CMP-170HX-8GB", "llama.cpp")],
)  # fmt: skip
def test_what_people_own_and_cards_older_than_vllm_run_llama_cpp(device: str, usual: str) -> None:
    assert default_engine(find(device)) == usual


def test_a_card_too_old_for_an_engine_is_named_with_what_it_lacks() -> None:
    assert too_old("vllm", find("P100-PCIe-16GB")) == (
        "vllm needs compute capability 7.0 or more; P100-PCIe-16GB has 6.0."
    )
    old = [too_old("sglang", find(name)) != "" for name in ("V100-PCIe-16GB", "T4", "RTX-2000-Ada-16GB", "MI50-32GB")]
    assert old == [True, False, False, True]
    # docs.vllm.ai, installation on GPUs, ROCm.
    assert too_old("vllm", find("RX 6800")) == (
        "vllm needs gfx90a (MI200) and, of Radeons, gfx1100 (RX 7900) or later; RX-6800-16GB is a gfx103x."
    )
    assert not too_old("vllm", find("7900 xtx"))
    assert not too_old("llama.cpp", find("RX 6800"))


@pytest.mark.parametrize(
    ("engine", "device", "why"),
    [
        ("openvino", "RTX-4090", "openvino runs on processors and Intel's graphics, not on RTX-4090."),
        ("exllama", "RX-7900-XTX-24GB",
         "exllama runs on NVIDIA's cards (its second version on AMD's too), not on RX-7900-XTX-24GB."),
        ("tensorrt-llm", "MI300X-192GB", "tensorrt-llm runs on NVIDIA's cards, not on MI300X-192GB."),
        ("ollama", "TPU-v5e", "ollama runs on graphics devices, processors and Ascend, not on TPU-v5e."),
        ("mlx", "RTX-4090", ""), ("openvino", "EPYC-9654 (1 socket)", ""), ("vllm", "Apple-M3-Max-40core-64GB", ""),
        ("llama.cpp", "other: 16 GB at 288 GB/s, 30 TFLOPS", ""),
    ],
)  # fmt: skip
def test_no_command_starts_an_engine_on_a_device_that_it_does_not_run_on(engine: str, device: str, why: str) -> None:
    is_on = find(device)
    assert cannot_run(engine, is_on) == why
    model = load("Qwen/Qwen2.5-7B")
    stored = formats_of(engine)[-1] or "bf16"
    started = commands(model, stored, engine, is_on, context=4096)
    assert [line == f"# {why}" for line in started] == [bool(why)] * 2


@pytest.mark.parametrize(
    ("name", "device", "engine"),
    [
        ("google/t5gemma-2b-2b-ul2", "RTX-4090", "transformers"), ("openbmb/MiniCPM-SALA", "RTX-4090", "transformers"),
        ("openbmb/MiniCPM-SALA", "H100-SXM5-80GB", "sglang"),
        ("google/paligemma2-3b-pt-224", "RTX-4090", "transformers"),
        ("google/paligemma2-3b-pt-224", "H100-SXM5-80GB", "vllm-v1"),
        ("thinkingmachines/Inkling", "RTX-4090", "llama.cpp"),
        ("Qwen/Qwen3.8-Flash-Next", "RTX-4090", "llama.cpp"),
    ],
)  # fmt: skip
def test_a_model_runs_by_default_on_an_engine_that_reads_its_family(name: str, device: str, engine: str) -> None:
    assert engine_for(load(name), find(device)) == engine


def test_cards_of_moore_threads_run_llama_cpps_cuda_code_and_multiply_at_the_rate_that_is_known() -> None:
    small, large = find("MTT-S80-16GB"), find("MTT-S4000-48GB")
    assert {engine_of("llama.cpp", card).name for card in (small, large)} == {"llama.cpp-cuda"}
    assert (small.peak(small.format_for(16)), large.peak(large.format_for(16))) == (14.4e12, 100e12)
    assert cannot_run("llama.cpp", small) == ""
    for card in (small, large):  # bus and rate give the bandwidth that is published
        row = next(row for row in reference_rows("accelerators.csv") if row["name"] == card.name)
        assert card.bandwidth_bytes_per_s == int(row["bus_bits"]) / 8 * float(row["data_rate_gbps_per_pin"]) * 1e9


def test_no_command_is_named_for_an_engine_that_is_not_known_to_read_the_family() -> None:
    t5gemma, kolibri = load("google/t5gemma-2b-2b-ul2"), load("Aleph-Alpha/Kolibri-1")
    run, check = commands(t5gemma, "gguf-q8_0", "ollama", RTX, context=4096)
    assert run == check == "# ollama does not read t5gemma; Transformers has its code"
    assert commands(kolibri, "bf16", "llama.cpp", RTX, context=4096)[0] == (
        "# no list here says that llama.cpp reads kolibri1; Transformers has its code"
    )
    assert commands(kolibri, "bf16", "vllm", H200, context=4096)[0].startswith("vllm serve Aleph-Alpha/Kolibri-1 ")
    # A class of its own, one of transformers that its attention backend takes, and one that this refuses.
    names = ("Qwen/Qwen3.5-9B", "HuggingFaceTB/SmolLM3-3B", "tiiuae/falcon-7b")
    assert [reads("sglang", load(name)) for name in names] == ["yes", "yes", "no"]
    table = {row["model_type"] for row in reference_rows("engine_families.csv")}
    assert set(supported_model_types()) <= table
