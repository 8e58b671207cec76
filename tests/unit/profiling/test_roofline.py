"""Bounds and predictions, against measured and published times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from profiling.devices.accelerators import find, from_toml
from profiling.errors import IllegalParallelism, InvalidWorkload, UnsupportedPrecision
from profiling.models.load import load
from profiling.roofline.estimate import estimate
from profiling.roofline.operator_time import Prediction, operator_times
from profiling.roofline.operators import Operator
from profiling.roofline.whole import pass_time
from profiling.roofline.workload import Parallelism, Precision, Values, Workload, precision_of

LLAMA_8B = load("meta-llama/Meta-Llama-3.1-8B")
H100 = find("H100-SXM5-80GB")


def test_a_decode_step_is_bound_by_reading_the_weights_once() -> None:
    answer = estimate(LLAMA_8B, H100, Workload(stage="decode", batch=1, context=1024))
    read = (8_030_261_248 - 128_256 * 4096) * 2 + 1024 * 131_072
    assert float(answer.time.bound_s) == pytest.approx(read / 3.35e12, rel=2e-3)
    assert (answer.bound_by, answer.fits, answer.calibrated) == ("memory", "fits", False)
    assert answer.time_per_output_token is not None


def test_prefill_is_bound_by_compute_at_the_rate_of_the_narrowest_common_format() -> None:
    workload = Workload(stage="prefill", batch=4, context=4096)
    sixteen = estimate(LLAMA_8B, H100, workload)
    eight = estimate(LLAMA_8B, H100, Workload(stage="prefill", batch=4, context=4096,
                                              precision=precision_of("fp8", kv_bits=8)))  # fmt: skip
    stored_in_four = estimate(LLAMA_8B, H100, Workload(stage="prefill", batch=4, context=4096,
                                                       precision=precision_of("awq-4bit-g128")))  # fmt: skip
    assert sixteen.bound_by == "compute"
    assert float(sixteen.time.bound_s) / float(eight.time.bound_s) == pytest.approx(2, rel=0.03)
    assert float(stored_in_four.time.bound_s) == pytest.approx(float(sixteen.time.bound_s), rel=0.01)


def test_measured_speeds_of_other_people_lie_within_the_default_interval() -> None:
    # FasterTransformer, 13B on one A100-40G, 512 prompt tokens: prefill 63.2 ms, decode 22.0 ms (kipply 2022).
    model, a100 = load("meta-llama/Llama-2-13b-hf"), find("A100-SXM4-40GB")
    for stage, measured_s in (("prefill", 0.0632), ("decode", 0.0220)):
        time = pass_time(operator_times(model, a100, Workload(stage=stage, batch=1, context=512)))  # type: ignore[arg-type]
        assert float(time.bound_s) < measured_s
        assert float(time.low_s) < measured_s < float(time.high_s)


@pytest.mark.parametrize("name", ["deepseek-ai/DeepSeek-V3", "google/gemma-3-27b-it", "openai/gpt-oss-120b"])
def test_no_interval_reaches_below_the_bound(name: str) -> None:
    tp = Parallelism(tensor=8)
    for stage in ("prefill", "decode"):
        workload = Workload(stage=stage, batch=np.array([1.0, 300.0]), context=3000, parallelism=tp)
        for time in operator_times(load(name), find("H200"), workload):
            assert np.all(time.prediction.low_s >= np.asarray(time.bound_s) * (1 - 1e-12))
            assert np.all(time.prediction.likely_s >= time.prediction.low_s)


def test_generation_is_prefill_and_every_single_decode_step() -> None:
    answer = estimate(LLAMA_8B, H100, Workload(stage="generate", batch=8, context=500, generated=4))
    prefill = estimate(LLAMA_8B, H100, Workload(stage="prefill", batch=8, context=500))
    steps = [estimate(LLAMA_8B, H100, Workload(stage="decode", batch=8, context=500 + i)) for i in (1, 2, 3)]
    expected = float(prefill.time.likely_s) + sum(float(step.time.likely_s) for step in steps)
    assert float(answer.time.likely_s) == pytest.approx(expected, rel=1e-3)
    assert answer.tokens_per_s is not None
    assert float(answer.tokens_per_s.likely_s) == pytest.approx(8 * 4 / expected, rel=1e-3)


def test_what_does_not_fit_has_no_latency_and_no_throughput() -> None:
    answer = estimate(load("meta-llama/Llama-2-70b-hf"), find("RTX-4090"), Workload())
    assert answer.fits == "does not fit"
    assert answer.tokens_per_s is answer.time_per_output_token is answer.time_to_first_token is None


def test_a_calibration_replaces_the_default_for_its_class_only() -> None:
    class TwiceTheBound:
        def __call__(self, operator: Operator, compute_s: Values, memory_s: Values, default: Prediction) -> Prediction:
            assert operator.operator_class == "gemm"
            bound = np.maximum(compute_s, memory_s)
            assert np.all(default.likely_s >= bound)
            return Prediction(2 * bound, 1.9 * bound, 2.1 * bound)

        def measured(self, operator: Operator) -> npt.NDArray[np.bool_]:
            return np.asarray(operator.operator_class == "gemm")

    answer = estimate(LLAMA_8B, H100, Workload(), {"gemm_bf16": TwiceTheBound()})
    by_name = {time.operator.name: time for time in answer.operators}
    assert by_name["gate"].bound_s / by_name["gate"].likely_s == pytest.approx(0.5)
    assert (by_name["gate"].calibrated, by_name["attention"].calibrated, answer.calibrated) == (True, False, True)


def test_a_precision_or_split_the_accelerator_lacks_is_refused() -> None:
    eight = Precision(weight_bits=8, activation_bits=8, kv_bits=8)
    with pytest.raises(UnsupportedPrecision, match="Grace-72c has no 4-bit products"):
        estimate(LLAMA_8B, find("Grace-72c"), Workload(precision=Precision(weight_bits=4, activation_bits=4)))
    assert estimate(LLAMA_8B, find("RTX-A6000"), Workload(precision=eight)).fits == "fits"
    with pytest.raises(IllegalParallelism, match="nearest legal: 4, 8"):
        estimate(LLAMA_8B, H100, Workload(parallelism=Parallelism(tensor=5)))
    lonely = from_toml('["One"]\nfp16_dense_tflops=100\nmemory_bandwidth_gb_per_s=1000\nmemory_gb=80')["One"]
    with pytest.raises(InvalidWorkload, match="One has no known link bandwidth"):
        estimate(LLAMA_8B, lonely, Workload(parallelism=Parallelism(tensor=2)))


def test_tensor_parallelism_pays_for_its_communication() -> None:
    workload = Workload(stage="prefill", batch=1, context=8192)
    alone = estimate(LLAMA_8B, find("L40S"), workload)
    four = estimate(LLAMA_8B, find("L40S"), Workload(stage="prefill", context=8192, parallelism=Parallelism(4)))
    speedup = float(alone.time.bound_s) / float(four.time.bound_s)
    assert 1.2 < speedup < 1.4  # over PCIe the all-reduces take most of what the split saves
    assert any(time.bound_by == "communication" for time in four.operators)
