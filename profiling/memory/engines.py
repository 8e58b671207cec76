"""What inference engines take of a device beside weights and cache, and what they keep for windowed layers.

An engine's share has two parts. One grows with the tokens of a step: activations of the widest layer, and logits of
every sequence over the vocabulary. The other does not: the context of the driver, captured graphs, buffers of the
communication library. Each profile names the measurements it rests on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import GIB, Accelerator
from profiling.errors import InvalidWorkload, nearest
from profiling.models.architecture import Architecture, fact_of
from profiling.models.steps import Experts, Linear
from profiling.reference_files import reference_rows
from profiling.roofline.workload import Values

Span = tuple[float, float]
Windows = Literal["short", "whole", "unknown"]
LARGE_CARD_BYTES = 70 * GIB
"""From this memory on vLLM reads 8,192 tokens a step and runs 1,024 sequences by default, below it 2,048 and 256
(vllm/engine/arg_utils.py, `get_batch_defaults`)."""
_STEP_TOKENS = (2048, 8192)
"""Tokens of a step on small and large cards where an engine's own are not stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """What an engine takes per device beside weights and cache.

    Attributes:
        utilisation: Part of the device's memory that the engine allows itself by default.
        basis: What the figures rest on, in words.
        windows: Whether layers with a window keep only the window, or every token, or which is not known.
        window_padding: Tokens by which the engine enlarges a window that it keeps short: those of one step, and the
            size of its blocks.
        step_tokens: Tokens of one step on small and on large cards; None: those of the workload alone.
        sequences: Sequences for which logits are kept, on small and on large cards.
        activation_copies: Copies of the widest activation that are alive at once.
        mixture_copies: The same where the widest layer has experts.
        logit_copies: Copies of the logits (32 bits) that sampling keeps.
        fixed_gib: What does not grow: driver context, graphs, communication; on devices with memory of their own.
        fixed_shared_gib: The same where the device shares the memory of its machine.
        allocator_gib: The same as PyTorch's allocator counts it, which benchmarks print: without the driver's context.
        fills_tiles: Whether matrices of formats with tiles are filled up to whole ones; blocks of GGUF and of MLX
            divide the rows that they store.
        by_layers: Whether it deals whole layers out to several devices; the others split every layer.
    """

    utilisation: float
    basis: str
    windows: Windows
    window_padding: tuple[int, int] = (0, 1)
    step_tokens: tuple[int, int] | None = None
    sequences: tuple[int, int] = (1, 1)
    activation_copies: Span = (0.0, 0.0)
    mixture_copies: Span = (0.0, 0.0)
    logit_copies: Span = (0.0, 0.0)
    fixed_gib: Span = (0.0, 0.0)
    fixed_shared_gib: Span | None = None
    allocator_gib: Span | None = None
    fills_tiles: bool = True
    by_layers: bool = False

    def with_options(
        self, *, utilisation: float | None = None, step_tokens: int | None = None, eager: bool = False
    ) -> EngineProfile:
        """The engine as somebody starts it.

        Args:
            utilisation: Part of the memory it may use (vLLM: `--gpu-memory-utilization`).
            step_tokens: Tokens of one step (vLLM: `--max-num-batched-tokens`; llama.cpp: `--ubatch-size`).
            eager: Without captured graphs, which take up to half of what does not grow.

        Raises:
            InvalidWorkload: A value cannot be.
        """
        if utilisation is not None and not 0 < utilisation <= 1:
            raise InvalidWorkload(f"gpu_memory_utilization is {utilisation:g}; it must lie between 0 and 1")
        if step_tokens is not None and not 1 <= step_tokens <= 2**20:
            raise InvalidWorkload(f"batched tokens are {step_tokens}; they must lie between 1 and {2**20:,}")
        tokens = self.step_tokens if step_tokens is None else (step_tokens, step_tokens)
        fixed = (self.fixed_gib[0] / 2, self.fixed_gib[1] / 2) if eager else self.fixed_gib
        return replace(self, utilisation=utilisation or self.utilisation, step_tokens=tokens, fixed_gib=fixed)

    def tokens_of_a_step(self, capacity_bytes: float) -> int:
        """Most tokens of one step on a device of that memory, as the engine is started by default."""
        return (self.step_tokens or _STEP_TOKENS)[capacity_bytes >= LARGE_CARD_BYTES]

    def step_bytes(self, model: Architecture, tensor: int, capacity_bytes: Values) -> tuple[Values, Values]:
        """Low and high bytes of what grows with the tokens of a step, on one device of that memory."""
        if self.step_tokens is None or model.kind == "encoder":
            # An encoder's pass is its own batch, and samples no tokens.
            return 0.0, 0.0
        large = np.greater_equal(capacity_bytes, LARGE_CARD_BYTES)
        tokens = np.where(large, self.step_tokens[1], self.step_tokens[0])
        sequences = np.where(large, self.sequences[1], self.sequences[0])
        widest = 2.0 * widest_activation(model, tensor)
        logits = 4.0 * model.vocabulary_size
        copies = self.mixture_copies if model.is_mixture_of_experts else self.activation_copies
        low, high = (
            tokens * widest * alive + sequences * logits * logit_copies
            for alive, logit_copies in zip(copies, self.logit_copies, strict=True)
        )
        return low, high

    def fixed_bytes(self, *, shared_memory: bool | npt.NDArray[np.bool_]) -> tuple[Values, Values]:
        """Low and high bytes of what does not grow."""
        shared = self.fixed_shared_gib or self.fixed_gib
        low, high = (
            np.where(shared_memory, inside, own) * GIB for inside, own in zip(shared, self.fixed_gib, strict=True)
        )
        return low, high

    def cached_tokens(self, length: Values, window: int | None) -> tuple[Values, Values]:
        """Fewest and most tokens that a layer keeps of a sequence of that length."""
        if window is None:
            return length, length
        step, block = self.window_padding
        padded = np.minimum(length, np.ceil((window + step) / block) * block)
        least = np.minimum(length, window) if self.windows == "unknown" else padded
        return (length, length) if self.windows == "whole" else (least, padded if self.windows == "short" else length)


_TRANSFORMERS = EngineProfile(
    utilisation=1.0,
    windows="short",
    fixed_gib=(0.5, 1.8),
    allocator_gib=(0.0, 0.8),
    basis="1,401 rows of LLM-Perf, batch 1: 0.5 to 0.8 GiB, on an A100 about 1.3 of driver context beside them; "
    "76 runs of Qwen3 and AutoAWQ: 0.03 to 0.8 GiB in the allocator",
)
PROFILES: Mapping[str, EngineProfile] = {
    "vllm-v1": EngineProfile(
        utilisation=0.9, windows="short", window_padding=(0, 16), step_tokens=(2048, 8192), sequences=(256, 1024),
        activation_copies=(5.0, 8.0), mixture_copies=(3.0, 13.0), logit_copies=(3.0, 4.5), fixed_gib=(0.25, 1.2),
        basis="activations of a step and logits of its sequences: 4.8 to 5.6 GiB dense and 7.4 to 8.0 for mixtures on "
        "80 GB cards (llm-d-planner), 0.7 to 3.2 GiB on 24 and 32 GB cards (logs of vLLM v1)",
    ),
    "vllm-v0": EngineProfile(
        utilisation=0.9, windows="whole", fixed_gib=(0.3, 5.0),
        basis="logs of vLLM v0 and eager runs: 0.2 to 1.4 GiB of activations, 0.1 to 3.6 beside them",
    ),
    "sglang": EngineProfile(
        utilisation=0.88, windows="unknown", fixed_gib=(0.0, 0.6),
        basis="its default static fraction of about 0.88 leaves activations the rest (documentation; not measured)",
    ),
    "tensorrt-llm": EngineProfile(
        utilisation=0.9, windows="short", window_padding=(0, 32), step_tokens=(8192, 8192), sequences=(256, 2048),
        activation_copies=(2.0, 8.0), mixture_copies=(2.0, 10.0), logit_copies=(1.0, 2.0), fixed_gib=(0.5, 1.5),
        basis="90 % of free memory goes to the cache (documentation); activations as in vLLM, not measured",
    ),
    "lmdeploy": EngineProfile(
        utilisation=0.9, windows="unknown", fixed_gib=(0.5, 2.5),
        basis="80 % of free memory goes to the cache (documentation; not measured)",
    ),
    "transformers": _TRANSFORMERS,
    "transformers-4bit": _TRANSFORMERS,
    "llama.cpp": EngineProfile(
        utilisation=1.0, windows="short", window_padding=(512, 256), step_tokens=(512, 512), sequences=(512, 512),
        activation_copies=(0.0, 2.0), mixture_copies=(0.0, 2.0), logit_copies=(0.1, 1.1),
        fixed_gib=(0.05, 1.2), fixed_shared_gib=(0.02, 0.3), fills_tiles=False,
        basis="compute buffer of 512 tokens and driver context: 105 runs on shared memory (0.1 GiB beside weights and "
        "cache), oobabooga's fit of 19,517 runs on cards; windows in a cache of their own of window + 512 cells",
        by_layers=True,
    ),
    "mlx": EngineProfile(
        utilisation=1.0, windows="short", fixed_gib=(0.05, 0.6), fills_tiles=False,
        basis="rotating caches for windowed layers (source of mlx-lm); overhead as llama.cpp on shared memory",
        by_layers=True,
    ),
    "exllama": EngineProfile(
        utilisation=1.0, windows="whole", step_tokens=(2048, 2048), activation_copies=(1.0, 4.0),
        mixture_copies=(1.0, 6.0), sequences=(1, 1), logit_copies=(1.0, 2.0), fixed_gib=(0.3, 1.0),
        basis="chunks of 2,048 tokens (documentation; not measured)",
        by_layers=True,
    ),
    "openvino": EngineProfile(
        utilisation=1.0, windows="whole", step_tokens=(1024, 1024), sequences=(1024, 1024), logit_copies=(0.0, 5.0),
        fixed_gib=(0.1, 0.8), fixed_shared_gib=(0.05, 0.9),
        basis="34 runs on an Arc 140V, prompts of 1,024 tokens: 0.4 to 0.9 GiB, and the logits of every token of a "
        "prompt (32 bits) up to five times",
    ),
}  # fmt: skip
"""By name. Engines that only start another (Ollama, LM Studio) have its profile: see `ALIASES`."""

ALIASES: Mapping[str, str] = {
    "vllm": "vllm-v1", "ollama": "llama.cpp", "lm-studio": "llama.cpp", "llamafile": "llama.cpp", "mlc": "mlx",
    "exllamav2": "exllama", "exllamav3": "exllama", "autoawq": "transformers-4bit", "tgi": "vllm-v0",
    "optimum-habana": "transformers", "transformers-neuronx": "transformers",
}  # fmt: skip


_UNMEASURED: Mapping[str, str] = {
    "tgi": "The speed of tgi and the memory it needs beyond weights and cache are not known; those of vllm-v0 are used",
    **{
        name: f"The memory {name} needs beyond weights and cache is not known; that of {ALIASES[name]} is used"
        for name in ("mlc", "optimum-habana", "transformers-neuronx")
    },
}
"""What is said of aliases that are engines of their own, of which something was not measured."""


def borrowed(name: str) -> tuple[str, ...]:
    """A sentence where figures of an engine are those of another one: it builds on that one, or was not measured.

    Raises:
        InvalidWorkload: No such engine.
    """
    engine, program = known_engine(name), _program(name)
    built = program and program["relation"] != "spelling"
    notes = (f"{name} {program['relation']} {engine}: its figures are those of {engine}.",) if program and built else ()
    return (*notes, f"{_UNMEASURED[engine]} instead.") if engine in _UNMEASURED else notes


def engine_profile(name: str | EngineProfile) -> EngineProfile:
    """The profile of that engine, or the one given.

    Raises:
        InvalidWorkload: No such engine; the message names those there are.
    """
    return name if isinstance(name, EngineProfile) else PROFILES[runs_on(name)]


_FIRST_OF_V1 = 8
"""The minor version of vLLM 0 since which its second engine is the default."""


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


@cache
def _programs() -> Mapping[str, Mapping[str, str]]:
    """Rows of reference/engine_names.csv by name, which is letters and digits alone."""
    return {row["name"]: row for row in reference_rows("engine_names.csv")}


def _program(name: str) -> Mapping[str, str] | None:
    return _programs().get(_bare(name)) or _programs().get(_bare(re.split(r"[ =@-]", name.strip())[0]))


def known_engine(name: str) -> str:
    """The engine by its name here, however it is spelled; a backend or version after it ("llama.cpp-cuda") is ignored.

    vLLM before 0.8 is its first engine.

    Raises:
        InvalidWorkload: No such engine; the message names those there are.
    """
    spelling = re.sub(r"[ =@]+", "-", name.strip().casefold())
    names = [*PROFILES, *ALIASES]
    if (version := re.fullmatch(r"vllm-v?0\.(\d+)(?:\..*)?", spelling)) and int(version[1]) < _FIRST_OF_V1:
        return "vllm-v0"
    program = _program(name)
    if program and program["relation"] == "nearest":
        raise InvalidWorkload(f"{name} is an engine of its own, not predicted here; nearest: {program['engine']}")
    bare = {_bare(each): each for each in names}
    engine = spelling if spelling in names else program["engine"] if program else None
    engine = engine or next((each for each in names if spelling.startswith(f"{each}-")), None)
    engine = engine or bare.get(_bare(spelling)) or bare.get(_bare(spelling.partition("-")[0]))
    if engine is None:
        near = nearest(name, names, 1)
        raise InvalidWorkload(f"no engine {name!r}{f'; nearest: {near}' if near else ''}; known: {', '.join(names)}")
    return engine


def runs_on(name: str) -> str:
    """The engine that computes: llama.cpp where Ollama or LM Studio start it, else the one of that name.

    Raises:
        InvalidWorkload: No such engine.
    """
    engine = known_engine(name)
    return ALIASES.get(engine, engine)


_OLDEST: Mapping[str, float] = {"vllm-v1": 7.0, "vllm-v0": 7.0, "sglang": 7.5}
"""Least compute capability of NVIDIA's cards: vLLM's documentation (installation on GPUs; wheels for CUDA 12.8 and
later ask for 7.5), SGLang's model runner ("only supports sm75 and above")."""


_OLDEST_OF_AMD: Mapping[str, str] = {
    "vllm-v1": "gfx90a (MI200) and, of Radeons, gfx1100 (RX 7900)",
    "vllm-v0": "gfx90a (MI200) and, of Radeons, gfx1100 (RX 7900)",
    "sglang": "gfx942 (MI300)",
}  # fmt: skip
"""vLLM's documentation (installation on GPUs, ROCm) and SGLang's (AMD GPUs): what they ask for at least."""
_OWNED = re.compile(r"titan|quadro|cmp|drive|radeon|rx-|vega")
"""Cards with the memory of data centres that stand in people's machines."""


@cache
def _older_card(name: str) -> str | None:
    """Compute capability or architecture of an older card (reference/compute_capability.csv); None: not among them."""
    rows = reference_rows("compute_capability.csv")
    older = next((row for row in rows if re.match(rf"(?:{row['pattern']})(?![a-z0-9])", name.casefold())), None)
    return older["capability"] if older else None


def too_old(engine: str, device: Accelerator) -> str:
    """A sentence where a card is older than the engine's oldest; empty where it is not.

    Raises:
        InvalidWorkload: No such engine.
    """
    program, is_a = runs_on(engine), _older_card(device.name)
    if is_a is None:
        return ""
    if is_a.startswith("gfx"):
        least = _OLDEST_OF_AMD.get(program)
        return f"{engine} needs {least} or later; {device.name} is a {is_a}." if least else ""
    if device.vendor.casefold() != "nvidia" or float(is_a) >= _OLDEST.get(program, 0.0):
        return ""
    return f"{engine} needs compute capability {_OLDEST[program]:.1f} or more; {device.name} has {float(is_a):.1f}."


def cannot_run(engine: str, device: Accelerator) -> str:
    """A sentence where an engine does not run on such a device, or on one so old; empty where it does or may.

    Raises:
        InvalidWorkload: No such engine.
    """
    is_a = f"{device.vendor} {device.kind}".casefold()
    rows = reference_rows("engine_devices.csv") if device.vendor else ()
    row = next((row for row in rows if re.fullmatch(row["engine"], known_engine(engine))), None)
    if row and not re.fullmatch(row["devices"], is_a):
        return f"{engine} runs on {row['runs_on']}, not on {device.name}."
    return too_old(engine, device)


def default_engine(device: Accelerator) -> str:
    """What people run on such a device: vLLM on data-centre cards, llama.cpp on what they own and on cards too old."""
    centre = device.memory_kind in {"hbm", "gddr with inline ecc", "sram"} and not _OWNED.match(device.name.casefold())
    return "vllm-v1" if centre and not too_old("vllm-v1", device) else "llama.cpp"


@fact_of
def widest_activation(model: Architecture, tensor: int = 1) -> float:
    """Numbers per token of the widest layer's output and the residual stream, on one of `tensor` devices."""
    widest = 0.0
    for _, step in model.counted_steps():
        if isinstance(step, Experts):
            ups = 2 if step.gated else 1
            widest = max(widest, step.per_token * (ups * step.intermediate_size / tensor + step.hidden_size))
        elif isinstance(step, Linear) and not step.is_head:
            width = max(step.fused_width, step.width_out)
            widest = max(widest, width / (tensor if step.split == "column" else 1))
    return widest + model.hidden_size


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStart:
    """How an engine is started; without a word it starts by itself.

    Attributes:
        gpu_memory_utilization: Part of the memory that the engine may use; None: its default.
        batched_tokens: Most tokens of one step, those decoded and a chunk of prompts, which bound activations and cut
            prompts; None: the engine's default.
        eager: Whether the engine runs without captured graphs; counted in memory, not in time.
    """

    gpu_memory_utilization: float | None = None
    batched_tokens: int | None = None
    eager: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What was asked for, by name."""
        named = {
            "gpu_memory_utilization": self.gpu_memory_utilization, "batched_tokens": self.batched_tokens,
            "eager": self.eager or None,
        }  # fmt: skip
        return {name: value for name, value in named.items() if value is not None}

    def profile(self, engine: str) -> EngineProfile:
        """What an engine that is started so adds to the memory.

        Raises:
            InvalidWorkload: No such engine, or an option cannot be.
        """
        return engine_profile(engine).with_options(
            utilisation=self.gpu_memory_utilization, step_tokens=self.batched_tokens, eager=self.eager
        )
