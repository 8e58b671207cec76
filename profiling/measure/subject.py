"""What is measured at one point: a model on a device, its inputs, and the step that is repeated."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from profiling.measure import attention
from profiling.measure.model.shape import ModelShape, shape_of
from profiling.measure.model.transformer import Transformer, random_model
from profiling.measure.model.weights import load_checkpoint
from profiling.measure.quantised import activation_dtype, quantise
from profiling.measure.timing import Clock, CudaClock, ProcessorClock

Step = Callable[[], Any]


class CannotRun(RuntimeError):
    """The point asks for something that this device, this torch, or this build does not do."""


class Subject(ABC):
    """A model with the inputs of one point.

    Attributes:
        model: What is run; its modules can be watched.
        tokens: (batch, tokens) of a step, drawn at random.
        build_s: Seconds that building it took.
        kernel_used: What computes attention.
    """

    model: nn.Module
    tokens: Tensor
    build_s: float
    kernel_used: str

    def __init__(self, point: Mapping[str, Any], device: str) -> None:
        """Take the point's configuration, as in a plan, and `cpu` or `cuda` with its index."""
        self.point, self.device = point, torch.device(device)
        self.stage, self.batch, self.context = str(point["stage"]), int(point["batch"]), int(point["context"])
        self.precision, self.kernel = str(point["precision"]), str(point["attention_kernel"])
        self.dtype = activation_dtype(self.precision)
        self.generator = torch.Generator(device=self.device).manual_seed(int(point["seed"]))

    def _draw_tokens(self, vocabulary_size: int) -> Tensor:
        tokens = 1 if self.stage == "decode" else self.context
        return torch.randint(vocabulary_size, (self.batch, tokens), device=self.device, generator=self.generator)

    @property
    def clock(self) -> Clock:
        """What times steps on this device."""
        return CudaClock() if self.device.type == "cuda" else ProcessorClock()

    @property
    def tokens_per_step(self) -> int:
        """Tokens that a step reads (prefill, encode) or makes (decode), over the batch."""
        return self.batch * (1 if self.stage == "decode" else self.context)

    @abstractmethod
    def run(self) -> Tensor:
        """One step: a prefill, one decoded token of every sequence, or one pass of an encoder."""

    def captured(self) -> Step:
        """The step as a CUDA graph that is replayed."""
        raise CannotRun("graphs are captured of plain models only")

    @abstractmethod
    def cache_bytes(self) -> int:
        """Bytes of keys and values."""

    @abstractmethod
    def module_flops(self) -> dict[str, int]:
        """Operations of each module by torch's own counter; attention with its full mask.

        Raises:
            Whatever the counter raises for a model that it cannot run.
        """

    def synchronise(self) -> None:
        """Wait until the device has done all it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def weights_bytes(self) -> int:
        """Bytes of all weights as they lie on the device, shared ones once."""
        sizes = {
            tensor.data_ptr(): tensor.numel() * tensor.element_size()
            for tensor in (*self.model.parameters(), *self.model.buffers())
        }
        return sum(sizes.values())


class PlainSubject(Subject):
    """A model in plain torch."""

    model: Transformer

    def __init__(self, point: Mapping[str, Any], config: Mapping[str, Any], device: str) -> None:
        """Build it from its `config.json`."""
        super().__init__(point, device)
        started = time.perf_counter()
        self.shape: ModelShape = shape_of(config, str(point["model"]))
        if self.shape.is_encoder != (self.stage == "encode"):
            raise CannotRun(f"stage {self.stage} cannot be run on {self.shape.model_type}")
        positions = self.shape.ends.positions
        if positions and self.context + self.shape.position_offset > positions:
            raise CannotRun(f"{point['model']} has {positions} positions, fewer than {self.context} tokens need")
        weights = point.get("weights")
        self.model = (
            load_checkpoint(Path(weights), self.device, self.dtype)
            if weights
            else random_model(self.shape, self.device, self.dtype, int(point["seed"]))
        )
        quantise(self.model, self.precision)
        self.build_s = time.perf_counter() - started
        self.tokens = self._draw_tokens(self.shape.vocabulary_size)
        self.cache = None if self.shape.is_encoder else self.model.cache(self.batch, self.context)
        if self.cache is not None and self.stage == "decode":
            for stored in self.cache.layers:
                stored.normal_(generator=self.generator)
        if point["execution"] == "graph":
            if self.device.type != "cuda":
                raise CannotRun("graphs are captured on CUDA devices only")
            self.model.use_fixed_shapes()
        like = torch.empty(0, device=self.device, dtype=self.dtype)
        self.kernel_used = attention.used(self.kernel, self.shape, self.stage, self.batch, self.context, like)

    def run(self) -> Tensor:
        """One step, the last token's logits alone where text is made."""
        with torch.no_grad(), attention.chosen(self.kernel):
            if self.cache is None:
                states: Tensor = self.model(self.tokens)
                return states
            start = self.context - 1 if self.stage == "decode" else 0
            logits: Tensor = self.model(self.tokens, self.cache, start, last_only=True)
            return logits

    def captured(self) -> Step:
        """The step as a CUDA graph, warmed up on a side stream as capture requires."""
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

    def cache_bytes(self) -> int:
        """Bytes of keys and values."""
        return sum(t.numel() * t.element_size() for t in self.cache.layers) if self.cache is not None else 0

    def module_flops(self) -> dict[str, int]:
        """Operations of each module, counted on a model without memory."""
        with torch.device("meta"):
            model = Transformer(self.shape)
        model.fill_constants()
        model = model.to(self.dtype).eval()
        model.use_fixed_shapes()
        tokens = torch.empty(self.tokens.shape, dtype=torch.long, device="meta")
        cache = None if self.cache is None else model.cache(self.batch, self.context)
        start = self.context - 1 if self.stage == "decode" else 0
        return counted(model, lambda: model(tokens) if cache is None else model(tokens, cache, start, last_only=True))


def counted(model: nn.Module, run: Callable[[], object]) -> dict[str, int]:
    """Operations of each module of a model while it runs, by path; of all under an empty one."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - imports much

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    root = type(model).__name__
    return {
        name.removeprefix(f"{root}."): int(sum(by_operator.values()))
        for name, by_operator in counter.get_flop_counts().items()
        if name.startswith(f"{root}.")
    } | {"": int(counter.get_total_flops())}
