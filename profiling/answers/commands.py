"""Commands to copy: the one that runs a model so, and the one whose output checks the prediction."""

from __future__ import annotations

from profiling.devices.accelerators import Accelerator
from profiling.models.architecture import Architecture

PROMPT = 2048
"""Tokens of the prompt whose time is said and checked."""


def commands(
    model: Architecture, weight_format: str, engine: str, device: Accelerator, *, devices: int = 1, context: int,
    users: int = 1, flags: str | None = None,
) -> tuple[str, str]:  # fmt: skip
    """The command that runs the model so, and the one that measures what was predicted.

    Args:
        model: The model.
        weight_format: How its weights are stored.
        engine: What runs it.
        device: One of the devices.
        devices: How many.
        context: Tokens of each user.
        users: Slots.
        flags: Where llama.cpp puts layers and experts; None: everything on the devices.
    """
    name = model.name.rsplit("/", maxsplit=1)[-1]
    if engine.startswith(("llama.cpp", "ollama", "lm-studio")):
        file = f"{name}-{weight_format.removeprefix('gguf-').split()[0].upper()}.gguf"
        where = f" {flags}" if flags else "" if device.kind == "cpu" else " -ngl 99"
        # llama-bench separates devices of -ts by slashes, as commas separate its tests.
        benched = " ".join(
            word.replace(",", "/") if before == "-ts" else word
            for before, word in zip(["", *where.split()], where.split(), strict=False)
        )
        benched = f" {benched}" if benched else ""
        return (
            f"llama-server -m {file} -c {context * users} -np {users}{where} -fa on",
            f"llama-bench -m {file} -p {PROMPT} -n 128 -d {max(context - 128, 0)}{benched} -fa 1 -o json",
        )
    if engine.startswith("mlx"):
        return f"mlx_lm.server --model {model.name}", f"mlx_lm.benchmark --model {model.name} -p {PROMPT} -g 128"
    split = f" --tensor-parallel-size {devices}" if devices > 1 else ""
    quantised = " --quantization fp8" if weight_format == "fp8" else ""
    return (
        f"vllm serve {model.name} --max-model-len {context}{split}{quantised}",
        (
            f"vllm bench serve --model {model.name} --random-input-len {PROMPT} --random-output-len 128"
            f" --max-concurrency {users} --save-result"
        ),
    )
