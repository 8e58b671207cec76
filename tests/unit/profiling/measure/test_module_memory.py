"""What modules allocate on a processor is known to the byte."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from profiling.measure.layers import measure_modules  # noqa: E402
from profiling.measure.module_memory import allocated_by_module  # noqa: E402

TOKENS, NARROW, WIDE, FLOAT = 64, 256, 1024, 4


def block() -> nn.Sequential:
    return nn.Sequential(nn.Linear(NARROW, WIDE, bias=False), nn.GELU(), nn.Linear(WIDE, NARROW, bias=False))


def test_a_module_holds_its_output_and_a_block_at_most_two_of_them() -> None:
    model, tokens = block(), torch.zeros(TOKENS, NARROW)
    with torch.no_grad():
        allocated = allocated_by_module(
            {name or "model": each for name, each in model.named_modules()}, lambda: model(tokens)
        )
    wide, narrow = TOKENS * WIDE * FLOAT, TOKENS * NARROW * FLOAT
    assert allocated == {"0": (wide, wide), "1": (wide, wide), "2": (narrow, narrow), "model": (narrow, 2 * wide)}


def test_every_measured_module_has_its_memory() -> None:
    model, tokens = block(), torch.zeros(TOKENS, NARROW)
    with torch.no_grad():
        rows = measure_modules(model, lambda: model(tokens), torch.device("cpu"), budget_s=0.1)
    assert {row["path"] for row in rows} == {"model", "0", "1", "2"}
    assert all(row["allocated_bytes"] > 0 and row["peak_bytes"] >= row["allocated_bytes"] for row in rows)
