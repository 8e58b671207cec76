"""What the time of a pass is made of, by what limits it: the columns that an engine's factors multiply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from profiling.models.architecture import Architecture
from profiling.models.steps import Experts
from profiling.roofline.workload import Values, Workload

if TYPE_CHECKING:
    from profiling.roofline.estimate import OperatorTime

PARTS = (
    "product_compute", "product_memory", "expert_compute", "expert_memory", "prefill_attention", "decode_attention",
    "other", "unpacking", "expert_padding", "communication", "layers", "mixture_layers", "passes", "sequences",
    "collectives",
)  # fmt: skip
"""Seconds of kernels by what limits them, then counts in seconds of a nominal cost each.

Products are shared out between compute and memory by the squares of the two sides, as the times themselves are put
together, so that a product on the ridge counts half to each. Unpacking is work of the vector units per weight
read: stored weights are converted before they are multiplied, which is what bounds small batches where bandwidth is
plentiful against those units. Padding is what kernels of experts compute beside the rows that tokens ask for.
"""
PLACES: Mapping[str, int] = {name: place for place, name in enumerate(PARTS)}

MIXTURE_LAYER_S, PASS_S, SEQUENCE_S, COLLECTIVE_S = 30e-6, 50e-6, 1e-6, 10e-6
"""What one occurrence is counted as before an engine's own figure multiplies it."""

PART_OF_CLASS: Mapping[str, str] = {
    "gemm": "product", "expert_gemm": "expert", "prefill_attention": "prefill_attention",
    "decode_attention": "decode_attention", "elementwise": "other", "lookup": "other",
    "communication": "communication", "index_scores": "other", "state_update": "other",
}  # fmt: skip
"""Which part operators of a class belong to; of `product` and `expert` there are two, `_compute` and `_memory`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds by part, each a number or an array; all broadcast."""

    seconds: dict[str, Values]
    network_s: Values = 0.0
    """What the network between nodes takes, whatever the engine; beside the parts."""

    def stacked(self) -> npt.NDArray[np.float64]:
        """One array whose last axis is `PARTS`."""
        return np.stack(np.broadcast_arrays(*(np.asarray(self.seconds[name], float) for name in PARTS)), axis=-1)


def parts_of(
    times: Sequence[OperatorTime], model: Architecture, workload: Workload, opening_rate: Values, layer_s: float
) -> Parts:
    """The parts of a pass from its operators.

    Args:
        times: Operators of the pass.
        model: The model.
        workload: What is asked of it.
        opening_rate: Stored numbers that are opened per second; see `table.opening_rate`.
        layer_s: Host time of a layer before the engine's own factor.
    """
    seconds: dict[str, Values] = dict.fromkeys(PARTS, 0.0)
    passes: Values = 1.0
    network: Values = 0.0
    for time in times:
        operator = time.operator
        total = operator.count * time.prediction.likely_s
        part = PART_OF_CLASS[operator.operator_class]
        if part in {"product", "expert"}:
            compute, memory = np.square(time.unhindered_s), np.square(time.waiting_s)
            share = compute / np.maximum(compute + memory, 1e-60)
            opened = operator.count * np.divide(operator.numbers_opened, opening_rate)
            seconds[f"{part}_compute"] = seconds[f"{part}_compute"] + share * total
            seconds[f"{part}_memory"] = seconds[f"{part}_memory"] + (1 - share) * total
            if part == "expert" and time.calibrated:
                continue  # what was measured holds the opening of weights and the padding of rows
            seconds["unpacking"] = seconds["unpacking"] + opened
            padded = operator.count * time.unhindered_s * operator.padding
            seconds["expert_padding"] = seconds["expert_padding"] + padded
        else:
            seconds[part] = seconds[part] + total - operator.count * time.network_s
            network = network + operator.count * time.network_s
        if operator.operator_class == "communication":
            calls = operator.count * np.multiply(COLLECTIVE_S, operator.launches)
            seconds["collectives"] = seconds["collectives"] + calls
        passes = np.maximum(passes, operator.launches)
    return Parts(seconds | host_parts(model, workload, passes, layer_s), network)


def host_parts(model: Architecture, workload: Workload, passes: Values, layer_s: Values) -> dict[str, Values]:
    """Seconds of what the host does: layers, mixtures, passes, and sequences that decode."""
    mixtures = sum(
        layer.count
        for stack in model.stacks
        for layer in stack.layers
        if any(isinstance(step, Experts) for step in layer.steps)
    )
    return {
        "layers": layer_s * sum(stack.depth for stack in model.stacks) * passes,
        "mixture_layers": MIXTURE_LAYER_S * mixtures * passes,
        "passes": PASS_S * passes,
        "sequences": SEQUENCE_S * np.asarray(workload.batch, float) if workload.stage == "decode" else 0.0,
    }
