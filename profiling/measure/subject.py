"""What is measured at one point: a model on a device, its inputs, and the step that is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from profiling.measure import attention
from profiling.measure.model.shape import ModelShape, shape_of
from profiling.measure.model.transformer import Transformer, random_model
from profiling.measure.model.weights import load_checkpoint
from profiling.measure.quantised import activation_dtype, quantise
from profiling.measure.timing import Clock, CudaClock, ProcessorClock

Step = Callable[[], Any]


class CannotRun(RuntimeError):
    """The point asks for something that this device, this torch, or this build does not do."""


class Subject:
    """A model with the inputs of one point.

    Args:
        point: The point's configuration, as in a plan.
        config: The model's `config.json`.
        device: `cpu` or `cuda` with its index.
    """

    def __init__(self, point: Mapping[str, Any], config: Mapping[str, Any], device: str) -> None:
        self.point, self.device = point, torch.device(device)
        self.stage, self.batch, self.context = str(point["stage"]), int(point["batch"]), int(point["context"])
        self.precision, self.kernel = str(point["precision"]), str(point["attention_kernel"])
        self.dtype = activation_dtype(self.precision)
        started = time.perf_counter()
        self.shape: ModelShape = shape_of(config, str(point["model"]))
        if self.shape.is_encoder != (self.stage == "encode"):
            raise CannotRun(f"stage {self.stage} cannot be run on {self.shape.model_type}")
        if self.shape.positions and self.context + self.shape.position_offset > self.shape.positions:
            raise CannotRun(
                f"{point['model']} has {self.shape.positions} positions, fewer than {self.context} tokens need"
            )
        weights = point.get("weights")
        self.model: Transformer = (
            load_checkpoint(Path(weights), self.device, self.dtype)
            if weights
            else random_model(self.shape, self.device, self.dtype, int(point["seed"]))
        )
        quantise(self.model, self.precision)
        self.build_s = time.perf_counter() - started
        generator = torch.Generator(device=self.device).manual_seed(int(point["seed"]))
        tokens = 1 if self.stage == "decode" else self.context
        self.tokens = torch.randint(
            self.shape.vocabulary_size, (self.batch, tokens), device=self.device, generator=generator
        )
        self.cache = None if self.shape.is_encoder else self.model.cache(self.batch, self.context)
        if self.cache is not None and self.stage == "decode":
            for stored in self.cache.layers:
                stored.normal_(generator=generator)
        if point["execution"] == "graph":
            if self.device.type != "cuda":
                raise CannotRun("graphs are captured on CUDA devices only")
            self.model.use_fixed_shapes()
        self.kernel_used = attention.used(self.kernel, self.shape, self.stage, self.batch, self.context, self._like())

    def _like(self) -> Tensor:
        return torch.empty(0, device=self.device, dtype=self.dtype)

    @property
    def clock(self) -> Clock:
        """What times steps on this device."""
        return CudaClock() if self.device.type == "cuda" else ProcessorClock()

    @property
    def tokens_per_step(self) -> int:
        """Tokens that a step reads (prefill, encode) or makes (decode), over the batch."""
        return self.batch * (1 if self.stage == "decode" else self.context)

    def run(self) -> Tensor:
        """One step: a prefill, one decoded token of every sequence, or one pass of an encoder."""
        with torch.no_grad(), attention.chosen(self.kernel):
            if self.cache is None:
                states: Tensor = self.model(self.tokens)
                return states
            start = self.context - 1 if self.stage == "decode" else 0
            logits: Tensor = self.model(self.tokens, self.cache, start, last_only=True)
            return logits

    def captured(self) -> Step:
        """The step as a CUDA graph that is replayed; warmed up on a side stream as capture requires."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.run()
        return graph.replay

    def synchronise(self) -> None:
        """Wait until the device has done all it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def weights_bytes(self) -> int:
        """Bytes of all weights as they lie on the device, shared ones once."""
        held = {
            tensor.data_ptr(): tensor.numel() * tensor.element_size()
            for tensor in (*self.model.parameters(), *self.model.buffers())
        }
        return sum(held.values())

    def cache_bytes(self) -> int:
        """Bytes of keys and values."""
        return sum(t.numel() * t.element_size() for t in self.cache.layers) if self.cache is not None else 0


def flops_by_module(subject: Subject) -> dict[str, int]:
    """Operations of each module by torch's own counter, on a model without memory; attention with its full mask.

    Raises:
        Whatever the counter raises for a model it cannot run without values.
    """
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - imports much

    with torch.device("meta"):
        model = Transformer(subject.shape)
    model.fill_constants()
    model = model.to(subject.dtype).eval()
    model.use_fixed_shapes()
    tokens = torch.empty(subject.tokens.shape, dtype=torch.long, device="meta")
    cache = None if subject.cache is None else model.cache(subject.batch, subject.context)
    start = subject.context - 1 if subject.stage == "decode" else 0
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(tokens) if cache is None else model(tokens, cache, start, last_only=True)
    counts = counter.get_flop_counts()
    root = type(model).__name__
    return {
        name.removeprefix(f"{root}."): int(sum(by_operator.values()))
        for name, by_operator in counts.items()
        if name.startswith(f"{root}.")
    } | {"": int(counter.get_total_flops())}
