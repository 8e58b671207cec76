"""How one replica may be laid out: legal splits, their names, and what starts an engine so."""

from __future__ import annotations

from profiling.errors import InvalidWorkload
from profiling.memory.engines import runs_on
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Parallelism, expert_counts, legal_tensor_ways
from profiling.serving.replica import Options

NODE = 8
"""Devices of a node within which matrices are shared."""
_STAGES = (2, 4, 8)
_GROUPS = (2, 4, 8, 16, 32)
SPREADS_EXPERTS = frozenset({"vllm-v1", "vllm-v0", "sglang", "tensorrt-llm"})
"""Engines that give whole experts to devices, and let groups of devices attend to requests of their own."""


def layouts(model: Architecture, options: Options) -> list[Parallelism]:
    """Layouts of one replica of at most `options.most_devices` devices that can be asked for.

    Tensor parallel within a node; beyond it whole nodes as stages. Of mixtures also with whole experts on devices,
    under attention that is tensor parallel within a node, or data parallel with a device a group: what vLLM calls
    `--enable-expert-parallel` and `--data-parallel-size`, SGLang `--ep` and `--enable-dp-attention`.

    Raises:
        InvalidWorkload: A split is asked for that the model or the engine does not allow.
    """
    ways = [tensor for tensor in legal_tensor_ways(model, NODE) if NODE % tensor == 0]
    splits = [Parallelism(count) for count in ways]
    splits += [Parallelism(ways[-1], count) for count in _STAGES if count <= model.main.depth]
    counts = expert_counts(model) if runs_on(options.engine) in SPREADS_EXPERTS else frozenset()
    if counts:
        splits += [Parallelism(count, 1, count) for count in ways if count > 1 and _divides(count, counts)]
        splits += [Parallelism(1, 1, count, count) for count in _GROUPS if _divides(count, counts)]
    for name, number in (("tensor", options.tensor), ("expert", options.expert), ("data", options.data)):
        if number is None:
            continue
        # A number of devices that share layers is meant without stages.
        matching = [split for split in splits if getattr(split, name) == number and split.pipeline == 1]
        if not matching:
            legal = sorted({getattr(split, name) for split in splits})
            raise InvalidWorkload(f"{model.name} cannot be split {number} ways ({name} parallel); legal are {legal}")
        splits = matching
    return [split for split in splits if split.devices <= options.most_devices]


def _divides(ways: int, counts: frozenset[int]) -> bool:
    return all(count % ways == 0 for count in counts)


def split_words(split: Parallelism) -> str:
    """A split in words: `tensor parallel 8, experts over 8`; empty for a single device."""
    parts = (
        (split.tensor, "tensor parallel"), (split.data, "attention data parallel"), (split.expert, "experts over"),
        (split.pipeline, "pipeline parallel"),
    )  # fmt: skip
    return ", ".join(f"{name} {ways}" for ways, name in parts if ways > 1)
