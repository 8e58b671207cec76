"""Requirements of a grid are those of its single configurations."""

from __future__ import annotations

import numpy as np
import pytest

from profiling.answers.door import shipped_door
from profiling.answers.sizing import shapes_of
from profiling.devices.accelerators import GIB, find
from profiling.errors import DoesNotFit
from profiling.memory.need import gpus_needed, max_batch, memory_need
from profiling.memory.requirements import requirements
from profiling.models.load import load
from profiling.roofline.workload import Precision, Workload

ACCELERATORS = [find(name) for name in ("T4", "RTX-4090", "H200-SXM-141GB")]
PRECISIONS = [Precision(), Precision(weight_bits=4.25, embedding_bits=16)]
BATCHES, CONTEXTS = [1, 64], [700, 32768]


def test_a_later_release_has_the_format_of_its_maker_and_somebody_elses_copy_that_of_nobody() -> None:
    door = shipped_door()
    for model_id, stored in {
        "deepseek-ai/DeepSeek-R1-0528": "fp8-block", "deepseek-ai/DeepSeek-R1": "fp8-block",
        "somebody/DeepSeek-R1-0528": "bf16", "Qwen/Qwen3-235B-A22B-Instruct-2507": "bf16",
    }.items():  # fmt: skip
        shapes = shapes_of(door, model_id)
        assert shapes is not None
        assert (model_id, shapes.model.published_format.name) == (model_id, stored)


@pytest.mark.parametrize(
    "name",
    ["Qwen/Qwen2.5-0.5B", "google/gemma-3-27b-it", "mistralai/Mixtral-8x7B-v0.1", "deepseek-ai/DeepSeek-V3",
     # With a vision tower beside its decoder.
     "Qwen/Qwen3.5-9B"],
)  # fmt: skip
def test_devices_batch_and_memory_equal_those_of_each_configuration(name: str) -> None:
    model = load(name)
    answer = requirements(model, ACCELERATORS, PRECISIONS, BATCHES, CONTEXTS)
    for cell in np.ndindex(answer.tensor.shape):
        device, precision = ACCELERATORS[cell[0]], PRECISIONS[cell[1]]
        workload = Workload(batch=BATCHES[cell[2]], context=CONTEXTS[cell[3]], precision=precision)
        alone = memory_need(model, device, workload)
        parts = [answer.weights, answer.kv_cache_high, answer.overhead_high]
        assert sum(float(part[cell]) for part in parts) == pytest.approx(float(alone.high), rel=1e-12)
        assert (answer.weights + answer.kv_cache_low + answer.overhead_low)[cell] == pytest.approx(float(alone.low))
        try:
            plan = gpus_needed(model, device, workload)
        except DoesNotFit:
            assert answer.devices[cell] == 0
            continue
        assert [int(answer.tensor[cell]), int(answer.pipeline[cell])] == [plan.tensor, plan.pipeline]
        split = Workload(context=workload.context, precision=precision, parallelism=plan)
        assert answer.max_batch[cell] == max_batch(model, device, split)
        assert answer.max_batch[cell] >= workload.batch
        assert answer.budget[cell] == pytest.approx(device.usable_memory_bytes * 0.9)
    assert answer.weights.max() / GIB > 0.5
