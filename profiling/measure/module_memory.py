"""What each module allocates on a processor: its allocator keeps no counters, but torch's profiler sees every event."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

_PREFIX = "skyline module "
WHY_NOT = "torch's profiler reported no allocations"


def allocated_by_module(modules: Mapping[str, nn.Module], run: Callable[[], object]) -> dict[str, tuple[int, int]]:
    """Growth and peak of allocated bytes during the first call of each module, parts included, by its name.

    Growth is what a call leaves allocated when it returns (its output, mostly); peak is the most that it held at once
    beyond what was allocated when it began.

    Args:
        modules: By name.
        run: One pass over them.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    open_marks: dict[str, list[Any]] = {}
    handles: list[Any] = []

    def watch(name: str, module: nn.Module) -> None:
        def before(_module: nn.Module, _inputs: Any) -> None:
            mark = torch.autograd.profiler.record_function(f"{_PREFIX}{name}")
            mark.__enter__()
            open_marks.setdefault(name, []).append(mark)

        def after(_module: nn.Module, _inputs: Any, _output: Any) -> None:
            open_marks[name].pop().__exit__(None, None, None)

        handles.extend((module.register_forward_pre_hook(before), module.register_forward_hook(after)))

    for name, module in modules.items():
        watch(name, module)
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
            run()
    finally:
        for handle in handles:
            handle.remove()
    results = profiler.profiler.kineto_results if profiler.profiler is not None else None
    events = list(results.events()) if results is not None else []
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    if not changes:
        return {}
    spans: dict[str, tuple[int, int]] = {}
    for event in sorted(events, key=lambda event: int(event.start_ns())):
        if event.name().startswith(_PREFIX):
            began = int(event.start_ns())
            spans.setdefault(event.name().removeprefix(_PREFIX), (began, began + int(event.duration_ns())))
    return {name: _within(changes, *span) for name, span in spans.items()}


def _within(changes: list[tuple[int, int]], began: int, ended: int) -> tuple[int, int]:
    allocated = peak = 0
    for moment, change in changes:
        if began <= moment <= ended:
            allocated += change
            peak = max(peak, allocated)
    return allocated, peak
