"""How many devices a model needs: `memory.gpus_needed` and `memory.max_batch` for whole grids at once.

Per model one array computation for each way to split it, until all cells of the grid have a split that fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.memory.engines import EngineProfile, engine_profile
from profiling.memory.need import activation_peak_of, kv_cache_bytes, most_activations, possible_splits
from profiling.memory.weights import additional_weight_bytes, weight_bytes
from profiling.models.architecture import Architecture
from profiling.roofline.operators import operators
from profiling.roofline.workload import Parallelism, Precision, Values, Workload, stacked_precision

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
MOST_SEQUENCES = 2**20


@dataclass(frozen=True, slots=True)
class Requirements:
    """Answers of one model; arrays of (accelerators, precisions, batches, contexts), bytes, 0 for "not on 128".

    Memory parts are those of a single device that holds the whole model.
    """

    tensor: Whole
    pipeline: Whole
    max_batch: Whole
    weights: Array
    kv_cache_low: Array
    kv_cache_high: Array
    overhead_low: Array
    overhead_high: Array
    budget: Array

    @property
    def devices(self) -> Whole:
        """Fewest on which it fits for sure."""
        return self.tensor * self.pipeline


def requirements(
    model: Architecture,
    accelerators: Sequence[Accelerator],
    precisions: Sequence[Precision],
    batches: Sequence[int],
    contexts: Sequence[int],
    engine: str | EngineProfile = "vllm-v1",
) -> Requirements:
    """Devices and largest batch for decoding (encoders: one pass) on every combination.

    Raises:
        InvalidWorkload: A value on an axis cannot be, or the engine is not known.
    """
    profile = engine_profile(engine)
    shape = (len(accelerators), len(precisions), len(batches), len(contexts))
    capacity = np.array([device.usable_memory_bytes for device in accelerators])[:, None, None, None]
    shared = np.array([device.unified_memory for device in accelerators])[:, None, None, None]
    budget = capacity * profile.utilisation
    other = profile.fixed_bytes(shared_memory=shared)

    workload = Workload(
        stage="encode" if model.kind == "encoder" else "decode",
        batch=np.array(batches, dtype=np.float64)[:, None],
        context=np.array(contexts, dtype=np.float64),
        precision=stacked_precision(precisions),
    )
    workload.check(model)
    one_sequence = replace(workload, batch=1.0)
    tensor, pipeline, largest = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    whole, single = _Peaks(model, workload), _Peaks(model, one_sequence)
    extreme = replace(workload, batch=max(batches), context=max(contexts))
    ceiling = max(np.max(most_activations(model, replace(extreme, precision=each))) for each in precisions)
    for split in possible_splits(model, profile):
        least, most = profile.step_bytes(model, split.tensor, capacity)
        # Splitting never makes activations larger: those that vanish in the engine's share stay there.
        hidden = bool(np.all(ceiling <= least) or np.all(whole.of(1) <= least))
        peak = np.zeros(()) if hidden else whole.of(split.tensor)
        weights = np.asarray(weight_bytes(model, workload.precision, split))
        weights = weights + _more_weights(model, precisions, split, profile)
        cache = kv_cache_bytes(model, replace(workload, parallelism=split), profile)
        fits = (weights + cache.high + np.maximum(most, peak) + other[1] <= budget) & (tensor == 0)
        if fits.any():
            cache_of_one = kv_cache_bytes(model, replace(one_sequence, parallelism=split), profile).high
            room = budget - weights - other[1]
            by_cache = _sequences(room - most, cache_of_one)
            # Activations matter only where a batch outgrows the engine's own share; unsplit ones are the largest.
            if np.any((_sequences(room, cache_of_one + ceiling / workload.batch) < by_cache) & fits) and np.any(
                (_sequences(room, cache_of_one + whole.of(1) / workload.batch) < by_cache) & fits
            ):
                by_cache = np.minimum(by_cache, _sequences(room, cache_of_one + single.of(split.tensor)))
            tensor[fits], pipeline[fits] = split.tensor, split.pipeline
            largest[fits] = np.broadcast_to(by_cache, shape)[fits]
        if tensor.all():
            break
    cache = kv_cache_bytes(model, workload, profile)
    least, most = profile.step_bytes(model, 1, capacity)
    peak = np.zeros(()) if np.all(ceiling <= least) else whole.of(1)
    parts = {
        "weights": weight_bytes(model, workload.precision),
        "kv_cache_low": cache.low,
        "kv_cache_high": cache.high,
        "overhead_low": np.maximum(least, peak) + other[0],
        "overhead_high": np.maximum(most, peak) + other[1] + _more_weights(model, precisions, Parallelism(), profile),
        "budget": budget,
    }
    spread = {name: np.broadcast_to(np.asarray(part, dtype=np.float64), shape) for name, part in parts.items()}
    return Requirements(tensor=tensor, pipeline=pipeline, max_batch=largest, **spread)


def _more_weights(
    model: Architecture, precisions: Sequence[Precision], split: Parallelism, profile: EngineProfile
) -> Array:
    """What may come on top of the weights on a device, a row per precision: as `memory.need_of` counts it."""
    more = [
        additional_weight_bytes(model, each, split, fills_tiles=profile.fills_tiles)
        + (each.spread[1] - 1) * np.asarray(weight_bytes(model, each, split))
        for each in precisions
    ]
    return np.array(more, dtype=np.float64).reshape(-1, 1, 1)


class _Peaks:
    """Largest set of activations alive at once, by tensor parallel degree; each degree is computed once."""

    def __init__(self, model: Architecture, workload: Workload) -> None:
        self._model, self._workload = model, workload
        self._known: dict[int, Array] = {}

    def of(self, tensor: int) -> Array:
        """Bytes on one device."""
        if tensor not in self._known:
            split = replace(self._workload, parallelism=Parallelism(tensor))
            steps = operators(self._model, split, check=False)
            self._known[tensor] = np.asarray(activation_peak_of(steps, self._model, split.precision))
        return self._known[tensor]


def _sequences(room: Array, bytes_of_one: Values) -> Whole:
    """How many sequences fit into the room; as many as one likes where one takes nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.floor(np.divide(room, bytes_of_one))
    limited = np.clip(np.nan_to_num(count, nan=0.0, posinf=MOST_SEQUENCES), 0, MOST_SEQUENCES)
    return np.asarray(limited, dtype=np.int64)
