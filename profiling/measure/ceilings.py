"""What this device reaches: copies, reads, products over the number of rows, attention over length, small work.

Medians, not bests, so that a ceiling can be met. Buffers of copies and reads are far larger than the cache; the weights
of products and the keys of decoding take turns, as those of a model's layers do, so that none is read from a cache
that a model would have flushed. All of it within a minute; what does not fit into the budget is left out and said so.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from profiling.measure import gates
from profiling.measure.model.blocks import Norm, rotate
from profiling.measure.quantised import PLAIN, activation_dtype, quantised_linear
from profiling.measure.timing import Clock, CudaClock, ProcessorClock, quantile

BUDGET_S = 60.0
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_CONTEXTS = (16, 64, 256, 1024, 4096)
_ELEMENTS = tuple(4**power for power in range(4, 13))
# Outputs and inputs of the products: square and both ways oblong.
_SIZES_PROCESSOR = ((256, 256), (576, 576), (1024, 1024), (4096, 1024), (1024, 4096), (32768, 768))
_SIZES_DEVICE = ((1024, 1024), (4096, 1024), (4096, 4096), (14336, 4096), (4096, 14336), (32768, 4096))

Row = dict[str, Any]


class _Bench:
    """Times small steps on a device, each within its share of the budget."""

    def __init__(self, device: torch.device, precision: str, share_s: float) -> None:
        self.device, self.precision, self.share_s = device, precision, share_s
        self.dtype = activation_dtype(precision)
        self.clock: Clock = CudaClock() if device.type == "cuda" else ProcessorClock()
        self.generator = torch.Generator(device=device).manual_seed(1)
        self.pool = torch.randn(
            self.largest_buffer_bytes // self.dtype.itemsize, device=device, dtype=self.dtype, generator=self.generator
        ).mul_(0.02)

    def taking_turns(self, *shape: int) -> Iterator[torch.Tensor]:
        """Tensors of that shape without end, each from another part of a pool that no cache holds."""
        size = math.prod(shape)
        places = max(1, self.pool.numel() // size)
        return (self.pool[place * size : (place + 1) * size].view(shape) for place in cycle(range(places)))

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=self.device, dtype=self.dtype, generator=self.generator)

    def time(self, step: Callable[[], object]) -> Row:
        """Median and tenths of repeats, after warming up."""
        before = gates.scheduling()
        with torch.no_grad():
            step()
            first, _ = self.clock.run(step, 1)
            repeats = max(5, min(400, int(self.share_s / max(first[0], 1e-7))))
            wall, used = self.clock.run(step, repeats)
        spent = [value for value in used if value is not None]
        return {
            "time_s": statistics.median(wall), "time_p10_s": quantile(wall, 0.1), "time_p90_s": quantile(wall, 0.9),
            "processor_s": statistics.median(spent) if spent else None, "repeats": repeats,
            "waiting_share": gates.share_between(before, gates.scheduling(), of_sum=True),
        }  # fmt: skip

    @property
    def largest_buffer_bytes(self) -> int:
        """Many times any cache."""
        return 1 << 30 if self.device.type == "cuda" else 1 << 28


def measure_ceilings(device: str, precisions: list[str], budget_s: float = BUDGET_S) -> Iterator[Row]:
    """Rows of `ceilings.jsonl`, each as soon as it is measured, until the budget is spent."""
    end = time.monotonic() + budget_s
    target = torch.device(device)
    # Many short measurements: each gets its share of four fifths of the time, products two repeats at least.
    share_s = 0.5 * budget_s / (140 * max(1, len(precisions)))
    left_out = 0
    for precision in precisions:
        bench = _Bench(target, precision, share_s)
        for described, step in _steps(bench):
            if time.monotonic() > end:
                left_out += 1
                continue
            yield {**described, **bench.time(step())}
    if left_out:
        yield {"kind": "left_out", "count": left_out, "why": f"the budget of {budget_s:g} s was spent"}


def _steps(bench: _Bench) -> Iterator[tuple[Row, Callable[[], Callable[[], object]]]]:
    """What to measure, and how to make its step: nothing is allocated before its turn."""
    yield from _traffic(bench)
    yield from _products(bench)
    yield from _attention(bench)
    yield from _elementwise(bench)


def _traffic(bench: _Bench) -> Iterator[tuple[Row, Callable[[], Callable[[], object]]]]:
    size = bench.largest_buffer_bytes
    count = size // 4

    def buffer() -> torch.Tensor:
        return torch.randn(count, device=bench.device, generator=bench.generator)

    def copy() -> Callable[[], object]:
        source = buffer()
        target = torch.empty_like(source)
        return lambda: target.copy_(source)

    def read() -> Callable[[], object]:
        source = buffer()
        return source.sum

    # A copy reads and writes every byte.
    yield {"kind": "copy", "precision": None, "bytes": 2 * size}, copy
    yield {"kind": "read", "precision": None, "bytes": size}, read


def _products(bench: _Bench) -> Iterator[tuple[Row, Callable[[], Callable[[], object]]]]:
    on_device = bench.device.type == "cuda"
    for rows in _ROWS:
        for outputs, inputs in _SIZES_DEVICE if on_device else _SIZES_PROCESSOR:
            if not on_device and 2.0 * rows * outputs * inputs > 6e9:
                continue

            def product(rows: int = rows, outputs: int = outputs, inputs: int = inputs) -> Callable[[], object]:
                x = bench.normal(rows, inputs)
                weights = bench.taking_turns(outputs, inputs)
                if bench.precision in PLAIN:
                    return lambda: F.linear(x, next(weights))
                linear = torch.nn.Linear(inputs, outputs, bias=False, device=bench.device, dtype=bench.dtype)
                linear.weight.data.copy_(next(weights))
                # Eight copies bound the memory; narrow weights of large matrices leave no cache warm.
                layers = cycle([quantised_linear(linear, bench.precision) for _ in range(8)])
                return lambda: next(layers)(x)

            yield {"kind": "gemm", "precision": bench.precision, "m": rows, "n": outputs, "k": inputs}, product


def _attention(bench: _Bench) -> Iterator[tuple[Row, Callable[[], Callable[[], object]]]]:
    heads, kv_heads, width = (32, 8, 128) if bench.device.type == "cuda" else (8, 4, 64)
    for stage in ("prefill", "decode"):
        for context in _CONTEXTS:
            if bench.device.type == "cpu" and stage == "prefill" and context > 1024:
                continue
            for batch in (1, 4) if stage == "decode" else (1,):
                tokens = 1 if stage == "decode" else context

                def attend(batch: int = batch, tokens: int = tokens, context: int = context) -> Callable[[], object]:
                    query = bench.normal(batch, heads, tokens, width)
                    stored = bench.taking_turns(2, batch, kv_heads, context, width)

                    def step() -> object:
                        keys, values = next(stored)
                        return F.scaled_dot_product_attention(
                            query, keys, values, is_causal=tokens > 1, enable_gqa=True
                        )

                    return step

                pairs = batch * heads * (context if stage == "decode" else context * (context + 1) // 2)
                described = {
                    "kind": f"{stage}_attention", "precision": bench.precision, "batch": batch, "context": context,
                    "heads": heads, "kv_heads": kv_heads, "head_dim": 2 * width, "pairs": pairs,
                }  # fmt: skip
                yield described, attend


def _elementwise(bench: _Bench) -> Iterator[tuple[Row, Callable[[], Callable[[], object]]]]:
    width = 1024

    def tensor(elements: int) -> torch.Tensor:
        return bench.normal(max(1, elements // width), min(elements, width))

    def norm(kind: str) -> Callable[[int], Callable[[], object]]:
        def make(elements: int) -> Callable[[], object]:
            x = tensor(elements)
            layer = Norm(x.shape[-1], "layer" if kind == "layer_norm" else "rms", 1e-6).to(bench.device, bench.dtype)
            for parameter in layer.parameters():
                torch.nn.init.ones_(parameter)
            return lambda: layer(x)

        return make

    def rotary(elements: int) -> Callable[[], object]:
        # A head of query and one of key per token, as a layer turns them.
        x = bench.normal(2, max(1, elements // 128), 64)
        cosine, sine = torch.cos(x[0]), torch.sin(x[0])
        return lambda: (rotate(x[0], (cosine, sine)), rotate(x[1], (cosine, sine)))

    def gated(elements: int) -> Callable[[], object]:
        gate, up = tensor(elements), tensor(elements)
        return lambda: F.silu(gate) * up

    def activation(elements: int) -> Callable[[], object]:
        x = tensor(elements)
        return lambda: F.gelu(x)

    def add(elements: int) -> Callable[[], object]:
        x, y = tensor(elements), tensor(elements)
        return lambda: x + y

    def lookup(elements: int) -> Callable[[], object]:
        table = bench.normal(4096, 256)
        rows = torch.randint(4096, (max(1, elements // 256),), device=bench.device)
        return lambda: F.embedding(rows, table)

    operations: Mapping[str, Callable[[int], Callable[[], object]]] = {
        "rms_norm": norm("rms_norm"), "layer_norm": norm("layer_norm"), "rotary": rotary, "gated_activation": gated,
        "activation": activation, "add": add, "lookup": lookup,
    }  # fmt: skip
    for name, make in operations.items():
        for elements in _ELEMENTS:
            yield (
                {"kind": "elementwise", "precision": bench.precision, "operation": name, "elements": elements},
                lambda make=make, elements=elements: make(elements),  # type: ignore[misc]
            )
