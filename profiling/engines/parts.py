"""What the time of a pass is made of, by what limits it: the columns that an engine's factors multiply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import Engine, launch_s_of, opening_rate
from profiling.models.architecture import Architecture, fact_of
from profiling.models.steps import AttentionCore, Experts, Linear, StateUpdate
from profiling.models.stored import group_of
from profiling.roofline.workload import Values, Workload

if TYPE_CHECKING:
    from profiling.roofline.operator_time import OperatorTime

PARTS = (
    "product_compute", "product_memory", "expert_compute", "expert_memory", "prefill_attention", "decode_attention",
    "other", "unpacking", "expert_padding", "communication", "launches", "eager_launches", "mixture_layers", "passes",
    "sequences", "collectives",
)  # fmt: skip
"""Seconds of kernels by what limits them, then counts in seconds of a nominal cost each.

Products are shared out between compute and memory by the squares of the two sides, as the times themselves are put
together, so that a product on the ridge counts half to each. Unpacking is work of the vector units per weight
below 16 bits read: stored weights are converted before they are multiplied, which is what bounds small batches where
bandwidth is plentiful against those units. Launches are of every kernel that a step takes. Padding is what kernels of
experts compute beside the rows that tokens ask for.
"""
PLACES: Mapping[str, int] = {name: place for place, name in enumerate(PARTS)}

MIXTURE_LAYER_S, PASS_S, SEQUENCE_S, COLLECTIVE_S = 5e-6, 50e-6, 1e-6, 10e-6
"""What one occurrence is counted as before an engine's own figure multiplies it."""

PART_OF_CLASS: Mapping[str, str] = {
    "gemm": "product", "expert_gemm": "expert", "prefill_attention": "prefill_attention",
    "decode_attention": "decode_attention", "elementwise": "other", "lookup": "other",
    "communication": "communication", "exchange": "communication", "index_scores": "other", "state_update": "other",
}  # fmt: skip
"""Which part operators of a class belong to; of `product` and `expert` there are two, `_compute` and `_memory`."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds by part, each a number or an array; all broadcast."""

    seconds: dict[str, Values]
    network_s: Values = 0.0
    """As `NETWORK`."""

    def stacked(self) -> npt.NDArray[np.float64]:
        """One array whose last axis is `PARTS`."""
        return np.stack(np.broadcast_arrays(*(np.asarray(self.seconds[name], float) for name in PARTS)), axis=-1)


NETWORK = "network"
"""What the network between nodes and measured exchanges take, whatever the engine; beside the parts."""


def parts_of(
    times: Sequence[OperatorTime], model: Architecture, workload: Workload, engine: Engine, device: Accelerator
) -> Parts:
    """The parts of a pass from its operators.

    Args:
        times: Operators of the pass.
        model: The model.
        workload: What is asked of it.
        engine: What launches kernels.
        device: What they run on.
    """
    opened_per_s = opening_rate(engine, device)
    seconds: dict[str, Values] = dict.fromkeys((*PARTS, NETWORK), 0.0)
    passes: Values = 1.0
    for time in times:
        for part, spent in parts_of_operator(time, opened_per_s):
            seconds[part] = seconds[part] + spent
        passes = np.maximum(passes, time.operator.launches)
    network = seconds.pop(NETWORK)
    return Parts(seconds | host_parts(model, workload, passes, Launches.of(engine, device)), network)


_CHUNK_TOKENS, _OF_DELTA_RULE, _OF_CHUNK = 64, 44, 9
"""Kernels of the gated delta rule where it is made of small ones, and more for each 64 tokens: operations but views of
`build_delta_net_chunking` in src/models/delta-net-base.cpp of ggml-org/llama.cpp (February 2026)."""


def _composed_delta_rule(model: Architecture, workload: Workload, passes: Values) -> Values:
    """Kernels of a pass beside the one that does all of it."""
    layers = [layer for stack in model.stacks for layer in stack.layers]
    updates = sum(
        layer.count * sum(isinstance(step, StateUpdate) and step.is_delta_rule for step in layer.steps)
        for layer in layers
    )
    tokens = 1.0 if workload.stage == "decode" else (np.asarray(workload.context) - workload.prefix) / passes
    return updates * (_OF_DELTA_RULE + _OF_CHUNK * np.ceil(tokens / _CHUNK_TOKENS) - 1)


def parts_of_operator(time: OperatorTime, opened_per_s: Values) -> Iterator[tuple[str, Values]]:
    """Parts, or `NETWORK`, with the seconds of all occurrences of an operator.

    Args:
        time: The operator, with its times.
        opened_per_s: Numbers of weights that the engine opens per second.
    """
    operator = time.operator
    count, part = operator.count, PART_OF_CLASS[operator.operator_class]
    if part in {"product", "expert"}:
        total = count * time.likely_s
        computing = time.compute_share * total
        yield f"{part}_compute", computing
        yield f"{part}_memory", total - computing
        opened = count * np.divide(operator.numbers_opened, opened_per_s)
        if part == "product":
            yield "unpacking", opened
            return
        # What was measured holds the opening of weights and the padding of rows.
        padded = count * time.unhindered_s * operator.padding
        yield "unpacking", np.where(time.calibrated, 0.0, opened)
        yield "expert_padding", np.where(time.calibrated, 0.0, padded)
    elif operator.communicates:
        # A library's own time was measured, which engines take as it is.
        network = np.where(time.calibrated, time.likely_s, time.network_s)
        yield NETWORK, count * network
        yield part, count * (time.likely_s - network)
        yield "collectives", count * COLLECTIVE_S * np.where(time.calibrated, 0.0, operator.launches)
    else:
        yield part, count * time.likely_s


def engine_seconds(time: OperatorTime, opened_per_s: Values, factors: npt.NDArray[np.float64]) -> Values:
    """Likely seconds of all occurrences of an operator by an engine, whose factors of `PARTS` are the last axis."""
    total: Values = 0.0
    for part, seconds in parts_of_operator(time, opened_per_s):
        total = total + (seconds if part == NETWORK else seconds * factors[..., PLACES[part]])
    return total


_PLAIN_BITS = 16
_QUANTISED_OF_EXPERTS, _COPIES_OF_LATENT = 2, 3
"""Kernels that narrow what goes into experts and what goes into their last product; that put keys together of their two
parts, fill values up to the width of keys, and cut the result to their own (`mla/common.py` of vLLM)."""


@fact_of
def _prompt_kernels(model: Architecture) -> tuple[float, float]:
    """Kernels of a step that reads prompts as servers launch them, and how many more where activations are narrowed.

    Products that are made in one count once. Narrower activations are made by a kernel before each product; in graphs,
    which steps that make tokens run as, it costs next to nothing.
    """
    kernels = narrowing = 0.0
    for stack in model.stacks:
        kernels += sum(step.kernels for step in (*stack.before, *stack.after))
        for layer in stack.layers:
            for step in layer.steps:
                share, narrowed = 1.0, 0.0
                if isinstance(step, Linear):
                    share = step.width_out / step.fused_width if step.fused_width else 1.0
                    narrowed = share if group_of(step) in {"attention", "feed_forward"} else 0.0
                elif isinstance(step, Experts):
                    narrowed = _QUANTISED_OF_EXPERTS
                copies = _COPIES_OF_LATENT if isinstance(step, AttentionCore) and step.latent_width else 0
                kernels += layer.count * (share * step.kernels + copies)
                narrowing += layer.count * narrowed
    return kernels, narrowing


@dataclass(frozen=True, slots=True)
class Launches:
    """Seconds of a launch before an engine's own factor, by what is launched: numbers, or arrays over devices."""

    kernel_s: Values
    composed_s: Values = 0.0
    """Of kernels that are launched where an engine has none of its own for a step."""
    delta_rule_s: Values = 0.0
    """Of those where the gated delta rule is made of small ones."""
    eager_s: Values = 0.0
    """Of what a prompt takes more where graphs are captured for steps alone."""

    @classmethod
    def of(cls, engine: Engine, device: Accelerator) -> Launches:
        """What launches of an engine take on a device."""
        launch_s = launch_s_of(engine, device)
        composed = launch_s if engine.composes_steps else 0.0
        return cls(launch_s, composed, launch_s if engine.composes_delta_rule else 0.0, engine.eager_launch_s)


def host_parts(model: Architecture, workload: Workload, passes: Values, launches: Launches) -> dict[str, Values]:
    """Seconds of what the host does: launches, mixtures, passes, and sequences that decode."""
    layers = [layer for stack in model.stacks for layer in stack.layers]
    ends = [step for stack in model.stacks for step in (*stack.before, *stack.after)]
    own = sum(layer.count * sum(step.kernels for step in layer.steps) for layer in layers)
    composed = sum(layer.count * sum(step.composed_kernels for step in layer.steps) for layer in layers)
    mixtures = sum(layer.count for layer in layers if any(isinstance(step, Experts) for step in layer.steps))
    own += sum(step.kernels for step in ends)
    kernels_s = launches.kernel_s * own + launches.composed_s * composed
    if np.any(launches.delta_rule_s):
        kernels_s = kernels_s + launches.delta_rule_s * _composed_delta_rule(model, workload, passes)
    eager_s = launches.eager_s if workload.stage == "prefill" else 0.0
    launched, narrowing = _prompt_kernels(model)
    is_narrow = np.asarray(workload.precision.activation_bits, dtype=np.float64) < _PLAIN_BITS
    kernels: Values = np.where(is_narrow, launched + narrowing, launched)
    return {
        "launches": kernels_s * passes,
        "eager_launches": eager_s * kernels * passes,
        "mixture_layers": MIXTURE_LAYER_S * mixtures * passes,
        "passes": PASS_S * passes,
        "sequences": SEQUENCE_S * np.asarray(workload.batch, float) if workload.stage == "decode" else 0.0,
    }
