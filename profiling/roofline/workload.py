"""What is asked of a model: stage, batch, lengths, number formats, attention kernel, parallelism.

Every number may be a numpy array as long as all of them broadcast; the formulas in operators.py then answer for
the whole grid at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from profiling.errors import IllegalParallelism, InvalidWorkload, UnsupportedPrecision, nearest
from profiling.models.architecture import Architecture, fact_of
from profiling.models.steps import Experts
from profiling.models.stored import TWO_OF_FOUR_INDEX_BITS, Group
from profiling.reference_files import reference_rows

Values: TypeAlias = float | npt.NDArray[np.float64]
"""One number, or an array of them that broadcasts against the others of a workload."""

Stage = Literal["prefill", "decode", "encode", "generate"]
AttentionKernel = Literal["flash", "naive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Bits per number, each class of its own. Fractions are welcome: AWQ stores 4.156 bits per weight."""

    weight_bits: Values = 16
    """Of dense and shared feed-forward blocks, and of every group that has no width of its own."""
    activation_bits: Values = 16
    kv_bits: Values = 16
    embedding_bits: Values | None = None
    """Of input tables and head; None: as the weights."""
    expert_bits: Values | None = None
    """Of routed experts (gpt-oss stores only those in MXFP4); None: as the weights."""
    attention_weight_bits: Values | None = None
    """Of the matrices of attention and of states; None: as the weights."""
    other_bits: Values | None = None
    """Of routers and other small matrices; None: as the weights."""
    head_bits: Values | None = None
    """Of the output matrix; None: as the input tables."""
    computes: tuple[tuple[Group, str], ...] = ()
    """Format that the products of a group run in where the device has it, else in fp16 (weights are then opened
    first); groups that are not named run in the narrowest format that holds both operands."""
    two_of_four: bool = False
    """Whether two of every four weights are zero, so that units made for it multiply twice as many."""
    padding: tuple[tuple[Group, int], ...] = ()
    """Multiple up to which engines fill rows and columns of a group's matrices."""
    spread: tuple[float, float] = (1.0, 1.0)
    """Least and most that files of such a format hold over these widths, where publishers choose layer by layer."""

    @property
    def embedding(self) -> Values:
        """Bits of input tables."""
        return self.weight_bits if self.embedding_bits is None else self.embedding_bits

    @property
    def head(self) -> Values:
        """Bits of the output matrix."""
        return self.embedding if self.head_bits is None else self.head_bits

    @property
    def experts(self) -> Values:
        """Bits of routed experts."""
        return self.weight_bits if self.expert_bits is None else self.expert_bits

    @property
    def attention_weights(self) -> Values:
        """Bits of the matrices of attention."""
        return self.weight_bits if self.attention_weight_bits is None else self.attention_weight_bits

    @property
    def others(self) -> Values:
        """Bits of routers and other small matrices."""
        return self.weight_bits if self.other_bits is None else self.other_bits

    def compute_of(self, group: Group) -> str | None:
        """The format that products of a group run in, where it is stated."""
        return next((compute for name, compute in self.computes if name == group), None)

    def padded_to(self, group: Group) -> int:
        """Multiple up to which engines fill matrices of a group; 1: they do not."""
        return next((multiple for name, multiple in self.padding if name == group), 1)

    def bits_of(self, group: Group) -> Values:
        """Bits of a group of tensors."""
        return getattr(self, _WIDTHS[group])  # type: ignore[no-any-return]

    def number_bits(self, group: Group) -> Values:
        """Bits of a number of a group as it is multiplied: of 2:4 without the indices, for all that was kept."""
        bits = self.bits_of(group)
        return 2 * bits - TWO_OF_FOUR_INDEX_BITS if self.two_of_four and group not in {"embedding", "head"} else bits

    @property
    def product_bits(self) -> Values:
        """Width a matrix product runs at: that of the wider operand, as hardware multiplies like with like."""
        return np.maximum(np.maximum(self.weight_bits, self.experts), self.activation_bits)

    @property
    def attention_bits(self) -> Values:
        """Width of products inside attention: that of the wider of activations and cache."""
        return np.maximum(self.activation_bits, self.kv_bits)


_WIDTHS: Mapping[Group, str] = {
    "feed_forward": "weight_bits", "attention": "attention_weights", "experts": "experts", "other": "others",
    "embedding": "embedding", "head": "head",
}  # fmt: skip
WIDTH_FIELDS: Mapping[str, str] = {
    "weight_bits": "weight_bits", "activation_bits": "activation_bits", "kv_bits": "kv_bits",
    "embedding_bits": "embedding", "expert_bits": "experts", "attention_weight_bits": "attention_weights",
    "other_bits": "others", "head_bits": "head",
}  # fmt: skip
"""Fields of `Precision` that hold bits, and the property that says what each comes to."""


def stacked_precision(precisions: Sequence[Precision]) -> Precision:
    """One precision whose widths are arrays over several, shape (n, 1, 1)."""

    def of(name: str) -> npt.NDArray[np.float64]:
        return np.array([getattr(each, name) for each in precisions], dtype=np.float64).reshape(-1, 1, 1)

    return replace(Precision(), **{field: of(name) for field, name in WIDTH_FIELDS.items()})  # type: ignore[arg-type]


@cache
def weight_formats() -> Mapping[str, Mapping[str, str]]:
    """Formats weights are stored in, with their true bits per weight and source, by name."""
    return {row["format"]: row for row in reference_rows("weight_formats.csv")}


def precision_of(weight_format: str, kv_bits: float = 16) -> Precision:
    """The precision of a stored format: real bits per weight, embeddings as that format keeps them.

    Activations have 8 bits for fp8 and int8 (products run in them) and 16 for formats that are opened first. The
    head and routers are multiplied in 16 bits, as checkpoints of these formats keep them.

    Raises:
        UnsupportedPrecision: The format is not in reference/weight_formats.csv; the message names the nearest.
    """
    formats = weight_formats()
    row = formats.get(weight_format.casefold())
    if row is None:
        near = nearest(weight_format, formats) or ", ".join(formats)
        raise UnsupportedPrecision(f"no weight format {weight_format!r}; nearest: {near}")
    compute = row["compute_format"]
    groups = get_args(Group) if compute in NARROW else ()
    return Precision(
        weight_bits=float(row["bits_per_weight"]),
        activation_bits=ACTIVATION_BITS.get(compute, 16.0),
        kv_bits=kv_bits,
        embedding_bits=float(row["embedding_bits"]),
        computes=tuple((group, compute if group in _MATRICES else "fp16") for group in groups),
    )


_MATRICES = frozenset({"feed_forward", "attention", "experts"})
ACTIVATION_BITS = {"fp32": 32.0, "fp8": 8.0, "int8": 8.0, "fp4": 4.0, "int4": 4.0}
"""What engines round the inputs of products to, by the format these run in; 16 for others."""
NARROW = frozenset({"fp8", "int8", "fp4", "int4"})
"""Formats of products that are narrower than 16 bits."""


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How a model is spread: `tensor` × `pipeline` × `data` devices.

    Attributes:
        tensor: Devices that share every matrix and every head.
        pipeline: Groups that hold some of the layers each.
        expert: Groups that hold some of the experts each, among the `ways` devices of a stage.
        data: Groups of `tensor` devices that hold attention and all dense matrices whole and attend to sequences of
            their own, while they share the experts (data-parallel attention of vLLM, SGLang and TensorRT-LLM).
    """

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    data: int = 1

    @property
    def ways(self) -> int:
        """Devices that hold every layer of a stage together."""
        return self.tensor * self.data

    @property
    def devices(self) -> int:
        """Number of accelerators."""
        return self.ways * self.pipeline

    def check(self, model: Architecture) -> None:
        """Nothing, if the model can be split so.

        Raises:
            IllegalParallelism: The message says what does not divide what, and names the nearest legal choice.
        """
        tensor, pipeline, expert = self.tensor, self.pipeline, self.expert
        if self == Parallelism():
            return
        for label, ways in (("tp", tensor), ("pp", pipeline), ("ep", expert), ("dp", self.data)):
            if ways < 1:
                raise IllegalParallelism(f"{label}={ways} is not possible; the smallest is 1")
        if tensor not in legal_tensor_ways(model):
            legal = legal_tensor_ways(model)
            below = max(ways for ways in legal if ways < tensor)
            above = [ways for ways in legal if ways > tensor]
            near = ", ".join(str(ways) for ways in (below, *above[:1]))
            raise IllegalParallelism(
                f"tp={tensor} does not divide the {model.heads} attention heads of {model.name}; nearest legal: {near}"
            )
        if pipeline > model.main.depth:
            raise IllegalParallelism(
                f"pp={pipeline} exceeds the {model.main.depth} layers of {model.name}; "
                f"the largest is {model.main.depth}"
            )
        if expert > 1 or self.data > 1:
            counts = expert_counts(model)
            if not counts and self.data > 1:
                raise IllegalParallelism(f"dp={self.data}: {model.name} has no routed experts to share; use replicas")
            if not counts:
                raise IllegalParallelism(f"ep={expert}: {model.name} has no routed experts; use ep=1")
            dealt = [ways for ways in range(1, self.ways + 1)
                     if self.ways % ways == 0 and all(count % ways == 0 for count in counts)]  # fmt: skip
            if expert not in dealt:
                among = f"tp={tensor}" if self.data == 1 else f"tp × dp = {self.ways}"
                raise IllegalParallelism(
                    f"ep={expert} must divide {among} and the {max(counts)} experts of {model.name}; "
                    f"legal: {', '.join(map(str, dealt))}"
                )


def _all_between(value: Values, low: float, high: float) -> bool:
    if isinstance(value, float | int):
        return low <= value <= high
    return bool(np.all((np.asarray(value) >= low) & (np.asarray(value) <= high)))


def legal_tensor_ways(model: Architecture, largest: int = 1024) -> list[int]:
    """Tensor parallel degrees that divide the heads of every layer; KV heads divide or are copied."""
    return [ways for ways in _legal_ways(model) if ways <= largest]


@fact_of
def expert_counts(model: Architecture) -> frozenset[int]:
    """Numbers of routed experts of the layers that have any; empty for a dense model."""
    return frozenset(step.count for _, step in model.counted_steps() if isinstance(step, Experts))


_MOST_WAYS = 1024


@fact_of
def _legal_ways(model: Architecture) -> tuple[int, ...]:
    cores = list(model.attention_cores())
    return tuple(
        ways
        for ways in range(1, min(_MOST_WAYS, max(model.heads, 1)) + 1)
        if all(
            core.heads % ways == 0 and (core.latent_width or core.kv_heads % ways == 0 or ways % core.kv_heads == 0)
            for core in cores
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Low-rank adapters beside the weights, whose own products are computed (LoRA, arXiv 2106.09685)."""

    rank: int
    targets: frozenset[str]
    """Groups of matrices, or names of single ones."""
    count: int = 1
    """Adapters that are loaded; sequences choose among them evenly."""


ADAPTER_BITS = 16
"""Width of an adapter's numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One question, or a grid of them.

    Attributes:
        stage: prefill, decode (one step), encode (one pass), generate (prefill and all decode steps).
        batch: Sequences in flight.
        context: Prefill and generate: prompt length. Decode: tokens attended, the new one among them. Encode:
            sequence length. For encoder–decoder models prefill is the encoder pass and the first decoder token.
        generated: Tokens made after the prompt (generate only).
        prefix: Tokens of the prompt whose keys and values are reused from an earlier request.
        chunk: Largest number of tokens per prefill pass; None: the whole prompt at once.
        draft: Speculative decoding: tokens proposed and verified per step.
        acceptance: Probability that a proposed token is accepted.
        draft_cost: Time of one draft token as a share of one step of the model.
        source: Encoder length (encoder–decoder models); None: as the context.
        all_logits: The head runs for every token, as in scoring, instead of the last.
        cache_tokens: Most tokens the cache holds of a sequence (generate only): once full, its older half is dropped,
            as by llama.cpp's `--context-shift`; None: it grows to the end.
        adapters: Low-rank adapters that are not merged into the weights.
    """

    stage: Stage = "decode"
    batch: Values = 1
    context: Values = 1024
    generated: int = 0
    precision: Precision = field(default_factory=Precision)
    attention: AttentionKernel = "flash"
    parallelism: Parallelism = field(default_factory=Parallelism)
    prefix: Values = 0
    chunk: Values | None = None
    draft: int = 0
    acceptance: float = 0.7
    draft_cost: float = 0.05
    source: Values | None = None
    all_logits: bool = False
    cache_tokens: int | None = None
    adapters: Adapters | None = None

    def check(self, model: Architecture) -> None:
        """Nothing, if the question can be asked of the model.

        Raises:
            InvalidWorkload: A value cannot be; the message names it and its limits.
            IllegalParallelism: See `Parallelism.check`.
        """
        precision = self.precision
        limits: tuple[tuple[str, Values | None, float, float], ...] = (
            ("batch", self.batch, 1, 2**20),
            ("context", self.context, 1, 2**27),
            ("chunk", self.chunk, 1, 2**27),
            ("source", self.source, 1, 2**27),
            ("prefix", self.prefix, 0, 2**27),
            ("cache_tokens", self.cache_tokens, 2, 2**27),
            ("draft", self.draft, 0, 64),
            ("acceptance", self.acceptance, 0, 1),
            ("draft_cost", self.draft_cost, 0, 1),
            ("weight_bits", precision.weight_bits, 1, 32),
            ("activation_bits", precision.activation_bits, 1, 32),
            ("kv_bits", precision.kv_bits, 1, 32),
            ("embedding_bits", precision.embedding_bits, 1, 32),
            ("expert_bits", precision.expert_bits, 1, 32),
            ("attention_weight_bits", precision.attention_weight_bits, 1, 32),
            ("other_bits", precision.other_bits, 1, 32),
            ("head_bits", precision.head_bits, 1, 32),
        )
        for name, value, low, high in limits:
            if value is not None and not _all_between(value, low, high):
                least, most = np.min(value), np.max(value)
                several = f"{least:g}" if least == most else f"between {least:g} and {most:g}"
                shown = several if np.ndim(value) else f"{value}"
                raise InvalidWorkload(f"{name} is {shown}; it must lie between {low} and {high}")
        if not np.all(np.less(self.prefix, self.context)):
            raise InvalidWorkload("the reused prefix must be shorter than the prompt: one token has to be new")
        if self.cache_tokens is not None and not bool(np.all(np.asarray(self.context) <= self.cache_tokens)):
            raise InvalidWorkload(f"the prompt does not fit into a cache of {self.cache_tokens:,} tokens")
        if self.stage == "generate" and self.generated < 1:
            raise InvalidWorkload("stage generate needs generated >= 1")
        if self.stage in {"decode", "generate"} and model.kind == "encoder":
            raise InvalidWorkload(f"{model.name} is an encoder and generates no tokens; use stage encode")
        if self.stage == "encode" and model.kind == "decoder":
            raise InvalidWorkload(f"{model.name} has no encoder; use stage prefill")
        self.parallelism.check(model)

    @property
    def tokens_per_step(self) -> float:
        """Expected tokens a decode step yields (Leviathan, Kalman & Matias 2023, equation 1)."""
        if self.acceptance >= 1:
            return float(self.draft + 1)
        return float((1 - self.acceptance ** (self.draft + 1)) / (1 - self.acceptance))

    @property
    def own_sequences(self) -> Values:
        """Sequences that a device attends to: all, or where attention is data parallel those of the fullest group."""
        groups = self.parallelism.data
        return self.batch if groups == 1 else np.ceil(np.divide(self.batch, groups))

    def at(self, stage: Stage, context: Values | None = None) -> Workload:
        """The same question at another stage and context."""
        return replace(self, stage=stage, context=self.context if context is None else context)
