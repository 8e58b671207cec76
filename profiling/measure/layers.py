"""The pass over modules: own time, operations, bytes and allocation of each, by hooks around all of them.

It is a pass of its own: hooks delay what they watch, so that no headline comes from here. A module's own time is its
time without that of its parts: of an attention block the rotation and the cache, of a layer the residual sums.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from profiling.measure.model.blocks import Attention, Experts, Norm
from profiling.measure.module_memory import WHY_NOT, allocated_by_module
from profiling.measure.subject import Subject

BUDGET_S = 3.0
_REPEATS = (3, 20)


def kind_of(path: str, module: nn.Module) -> str:
    """What a module does, in the words of the performance model."""
    if isinstance(module, Attention):
        return "attention"
    if isinstance(module, Experts):
        return "experts"
    if isinstance(module, Norm):
        return "norm"
    if isinstance(module, nn.Embedding):
        return "embedding"
    if path == "lm_head":
        return "head"
    return "between" if any(True for _ in module.children()) else "linear"


@dataclass
class _Watched:
    path: str
    module: nn.Module
    seconds: list[float] = field(default_factory=list)
    marks: list[Any] = field(default_factory=list)
    moved_bytes: int = 0
    allocated: int | None = None
    peak: int | None = None
    before: int = 0


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values if isinstance(values, Sequence) else (values,):
        if isinstance(value, Tensor):
            yield value


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _moved(module: nn.Module, inputs: Any, output: Any) -> int:
    """Bytes of inputs, output and weights, each once; of a table the rows looked up, of experts those chosen."""
    passing = sum(_bytes(t) for t in _tensors(inputs)) + sum(_bytes(t) for t in _tensors(output))
    own = sum(_bytes(p) for p in (*module.parameters(recurse=False), *module.buffers(recurse=False)))
    if isinstance(module, nn.Embedding):
        own = sum(_bytes(t) for t in _tensors(output))
    elif isinstance(module, Experts):
        chosen = inputs[1]
        own = own * int(torch.unique(chosen).numel()) // module.down_proj.shape[0]
    return passing + own


class _Watch:
    """Hooks on every module while the context lasts."""

    def __init__(self, model: nn.Module, run: Callable[[], object], device: torch.device) -> None:
        self.run, self.device = run, device
        self.on_device = device.type == "cuda"
        self.watched = [
            _Watched(path, module) for path, module in model.named_modules() if not isinstance(module, nn.ModuleList)
        ]
        self.handles: list[Any] = []

    def __enter__(self) -> _Watch:
        for watched in self.watched:
            self.handles.append(watched.module.register_forward_pre_hook(self._before(watched)))
            self.handles.append(watched.module.register_forward_hook(self._after(watched)))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _mark(self) -> Any:
        if not self.on_device:
            return time.perf_counter_ns()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _before(self, watched: _Watched) -> Any:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            if self.on_device:
                watched.before = torch.cuda.memory_allocated(self.device)
                if not any(True for _ in watched.module.children()):  # of the parts, peaks are those since they began
                    torch.cuda.reset_peak_memory_stats(self.device)
            watched.marks = [self._mark()]

        return hook

    def _after(self, watched: _Watched) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            watched.marks.append(self._mark())
            if not watched.moved_bytes and kind_of(watched.path, module) != "between":
                watched.moved_bytes = _moved(module, inputs, output)
                if self.on_device:
                    watched.allocated = torch.cuda.memory_allocated(self.device) - watched.before
                    if not any(True for _ in module.children()):
                        watched.peak = torch.cuda.max_memory_allocated(self.device) - watched.before

        return hook

    def step(self) -> None:
        """Run once and take the times."""
        for watched in self.watched:
            watched.marks = []
        self.run()
        if self.on_device:
            torch.cuda.synchronize(self.device)
        whole = {watched.path: self._elapsed(watched) for watched in self.watched if len(watched.marks) == 2}
        own = dict(whole)
        for path, seconds in whole.items():
            if path:
                own[self._parent(path, whole)] -= seconds
        for watched in self.watched:
            if watched.path in own:
                watched.seconds.append(max(own[watched.path], 0.0))

    def _elapsed(self, watched: _Watched) -> float:
        first, last = watched.marks
        return float(first.elapsed_time(last)) / 1e3 if self.on_device else (last - first) / 1e9

    @staticmethod
    def _parent(path: str, known: dict[str, float]) -> str:
        """The nearest module above that was watched; lists of layers are not."""
        while path:
            path = path.rpartition(".")[0]
            if path in known:
                return path
        return ""


def measure_layers(subject: Subject, budget_s: float = BUDGET_S) -> list[dict[str, Any]]:
    """Rows of `measure_modules` for a step of the subject, with the operations of each module."""
    try:
        flops, why = subject.module_flops(), None
    except Exception as error:  # noqa: BLE001 - the counter is torch's; without it times still stand
        flops, why = {}, f"torch's counter failed: {type(error).__name__}: {error}"
    rows = measure_modules(subject.model, subject.run, subject.device, budget_s)
    for row in rows:
        # Where torch counts nothing there are no products; those of the parts stand with the parts.
        row["flops"] = None if not flops else 0 if row["kind"] == "between" else flops.get(row["path"], 0)
        if why:
            row["flops_why"] = why
    return rows


def measure_modules(
    model: nn.Module, run: Callable[[], object], device: torch.device, budget_s: float = BUDGET_S
) -> list[dict[str, Any]]:
    """One row per module that ran: median of its own time over repeats, bytes, growth of allocated memory."""
    with _Watch(model, run, device) as watch:
        watch.step()
        for watched in watch.watched:
            watched.seconds.clear()
        started = time.perf_counter()
        for repeat in range(_REPEATS[1]):
            if repeat >= _REPEATS[0] and time.perf_counter() - started > budget_s:
                break
            watch.step()
    sizes = {} if watch.on_device else allocated_by_module({each.path: each.module for each in watch.watched}, run)
    rows = []
    for place, watched in enumerate(watch.watched):
        if not watched.seconds:
            continue
        between = kind_of(watched.path, watched.module) == "between"
        row: dict[str, Any] = {
            "position": place,
            "path": watched.path or "model",
            "kind": kind_of(watched.path, watched.module),
            "repeats": len(watched.seconds),
            "time_s": statistics.median(watched.seconds),
            "moved_bytes": None if between else watched.moved_bytes,
            "allocated_bytes": watched.allocated if watch.on_device else sizes.get(watched.path, (None, None))[0],
            "peak_bytes": watched.peak if watch.on_device else sizes.get(watched.path, (None, None))[1],
        }
        if between:
            row["moved_bytes_why"] = "several kernels between the parts, not watched one by one"
        for name in ("allocated_bytes", "peak_bytes"):
            if row[name] is None:
                row[f"{name}_why"] = "its parts reset the counter; see their figures" if watch.on_device else WHY_NOT
        rows.append(row)
    return rows
