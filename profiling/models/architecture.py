"""What a model is: stacks of layers of steps, with exact parameter and KV-cache counts.

How a `config.json` becomes one is in families/, where to find configs in sources.py.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from profiling.models.steps import (
    AttentionCore,
    Convolution,
    Embedding,
    Experts,
    IndexScores,
    Linear,
    StateUpdate,
    Step,
)
from profiling.models.stored import BF16, StoredFormat

Kind = Literal["decoder", "encoder", "encoder-decoder"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One kind of layer and how many of them a stack has."""

    name: str
    steps: tuple[Step, ...]
    count: int = 1

    @property
    def attention(self) -> AttentionCore | None:
        """The self-attention of the layer, if it has one."""
        cores = (step for step in self.steps if isinstance(step, AttentionCore) and not step.cross)
        return next(cores, None)

    @property
    def experts(self) -> Experts | None:
        """The routed experts of the layer, if it has any."""
        return next((step for step in self.steps if isinstance(step, Experts)), None)

    @property
    def output(self) -> str:
        """Name of the step that leaves the layer."""
        return self.steps[-1].name


@dataclass(frozen=True, slots=True)
class Stack:
    """A decoder or an encoder: what comes before its layers, the layers in order, what comes after."""

    role: Literal["decoder", "encoder"]
    before: tuple[Step, ...]
    layers: tuple[Layer, ...]
    after: tuple[Step, ...]
    order: tuple[int, ...] = ()
    """Index into `layers` of each layer from bottom to top; empty when all layers are alike."""

    @property
    def depth(self) -> int:
        """Number of layers."""
        return sum(layer.count for layer in self.layers)

    def counted_steps(self) -> Iterator[tuple[int, Step]]:
        """Every step with the number of times the stack holds it."""
        for step in self.before:
            yield 1, step
        for layer in self.layers:
            for step in layer.steps:
                yield layer.count, step
        for step in self.after:
            yield 1, step


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower:
    """Widths of a tower that reads images or sound, and how many patches (frames) it makes of them."""

    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    gated: bool
    patches_per_token: float
    """Patches that one token of the decoder stands for."""
    patches_per_image: int | None
    """Where every image has as many; None: an image has as many as its size asks for. Of sound: frames that attend
    each other."""
    is_conformer: bool = False
    """Whether a layer has two feed-forward blocks and a convolution between them."""
    projector: tuple[tuple[int, int], ...] = ()
    """Widths in and out of the matrices that make the decoder's tokens of merged patches; none: not stated."""


_SMALL = 1e7
"""Parameters below which parts are stated in millions: of fewer, two digits of billions say nothing."""


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A part of a checkpoint beside the decoder that is answered for: a vision tower, layers that predict ahead."""

    name: str
    parameters: int | None
    """As stored where its form is known, else from its widths without small parts; None: these are not stated."""
    is_tower: bool = True
    """Loaded beside the decoder by every engine; False: only for speculation."""
    mtp_layers: int = 0
    """Layers that predict ahead: each like the decoder's last, with one more matrix."""
    tower: Tower | None = None
    """Its widths, where the config states them."""

    def __str__(self) -> str:
        """As answers say it."""
        if not self.parameters:
            return f"{self.name}, size unknown"
        small = self.parameters < _SMALL
        return f"{self.name}, about {self.parameters / (1e6 if small else 1e9):.{1 if small else 2}f} {'MB'[not small]}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model as the performance model sees it. Build one with `profiling.models.sources.from_config`."""

    name: str
    model_type: str
    hidden_size: int
    vocabulary_size: int
    stacks: tuple[Stack, ...]
    max_position: int | None = None
    checkpoint_type: str = ""
    """`model_type` of the whole checkpoint, of which the decoder may be a part; empty: that of the model."""
    count_notes: tuple[str, ...] = field(default=())
    """Where our count departs from PyTorch's, and by how much."""
    not_counted: tuple[Uncounted, ...] = ()
    """What the checkpoint holds beside the decoder that is counted here."""
    is_inferred_form: bool = False
    """Whether the family is not known and was read by its fields: sizes are then likely, not certain."""
    published_format: StoredFormat = BF16
    """How the checkpoint stores its weights."""
    stored_bytes: int | None = None
    """Bytes of all tensors of the checkpoint as published, where an index or a header beside the config says it."""
    notes: tuple[str, ...] = ()
    """What an answer has to say of how the config was read."""
    facts: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was worked out of the shapes before: see `fact_of`. A changed copy starts without any."""

    def __hash__(self) -> int:
        """Of the name and a few sizes: what is kept by model is looked up more often than every step can be hashed."""
        return hash((self.name, self.hidden_size, self.vocabulary_size, self.max_position))

    @property
    def kind(self) -> Kind:
        """Decoder, encoder, or both."""
        return "encoder-decoder" if len(self.stacks) > 1 else self.stacks[0].role

    def stack(self, role: Literal["decoder", "encoder"]) -> Stack | None:
        """The stack of that role, or None."""
        return next((stack for stack in self.stacks if stack.role == role), None)

    @property
    def main(self) -> Stack:
        """The stack that makes the output: the decoder where there is one."""
        return self.stacks[-1]

    def counted_steps(self) -> Iterator[tuple[int, Step]]:
        """Every step of every stack with its multiplicity."""
        for stack in self.stacks:
            yield from stack.counted_steps()

    @property
    def parameters_total(self) -> int:
        """All stored parameters: what memory must hold."""
        return sum(count * step.parameters for count, step in self.counted_steps())

    @property
    def parameters_active(self) -> int:
        """Parameters one token uses: of the routed experts only those it is sent to; embeddings included."""
        return sum(count * step.active_parameters for count, step in self.counted_steps())

    @property
    def parameters_embedding(self) -> int:
        """Input tables (tokens, positions, segments) and the output matrix where it is stored separately.

        The definition of Kaplan et al. 2020 (section 2.1) and of Memory3 (arXiv 2407.01178, Table 16).
        """
        return sum(
            count * (step.parameters - (step.width_out if isinstance(step, Linear) and step.bias else 0))
            for count, step in self.counted_steps()
            if isinstance(step, Embedding) or (isinstance(step, Linear) and step.is_head)
        )

    @property
    def parameters_non_embedding(self) -> int:
        """Everything else."""
        return self.parameters_total - self.parameters_embedding

    @property
    def parameters_non_embedding_active(self) -> int:
        """Everything else that one token uses."""
        return self.parameters_active - self.parameters_embedding

    @property
    def heads(self) -> int:
        """Query heads of the widest attention layer."""
        return max((core.heads for core in self.attention_cores()), default=0)

    @property
    def kv_heads(self) -> int:
        """Key-value heads of the widest attention layer."""
        return max((core.kv_heads for core in self.attention_cores()), default=0)

    @property
    def attention_kind(self) -> str:
        """MHA, GQA, MQA or MLA, by the main stack's first attention layer."""
        core = next((layer.attention for layer in self.main.layers if layer.attention), None)
        if core is None:
            return "none"
        if core.latent_width:
            return "MLA"
        if core.kv_heads == core.heads:
            return "MHA"
        return "MQA" if core.kv_heads == 1 else "GQA"

    @property
    def is_mixture_of_experts(self) -> bool:
        """Whether any layer routes tokens to experts."""
        return _has_experts(self)

    def attention_cores(self) -> Iterator[AttentionCore]:
        """Every kind of attention in the model, once each."""
        for stack in self.stacks:
            for layer in stack.layers:
                yield from (step for step in layer.steps if isinstance(step, AttentionCore))

    def kv_bytes_per_token(self, kv_bits: float = 16, *, beyond_window: bool = False) -> float:
        """Growth of the KV cache per token of context, in bytes, over all layers.

        Args:
            kv_bits: Width of a cached number.
            beyond_window: Count only layers whose cache still grows when the context exceeds every window:
                the growth of an engine that gives back what has left the window.
        """
        total = 0.0
        for layer in self.main.layers if self.kind != "encoder" else ():
            for step in layer.steps:
                if isinstance(step, IndexScores):  # its keys have a width of their own
                    total += layer.count * step.cache_bytes_per_token
                elif isinstance(step, AttentionCore) and not step.cross and not step.keeps_only_window:
                    grows = not (beyond_window and step.window)
                    total += layer.count * step.cache_width * kv_bits / 8 if grows else 0.0
        return total

    def state_bytes_per_sequence(self, activation_bits: float = 16) -> float:
        """Bytes that every sequence holds whatever its length: states of Mamba, DeltaNet and short convolutions.

        Args:
            activation_bits: Width at which convolutions keep their last inputs; states have their own.
        """
        total = 0.0
        for layer in self.main.layers:
            for step in layer.steps:
                if isinstance(step, StateUpdate):
                    total += layer.count * step.state_width * step.state_bits / 8
                elif isinstance(step, Convolution):
                    total += layer.count * step.state_width * activation_bits / 8
        return total


_P = ParamSpec("_P")
_R = TypeVar("_R")
_MOST_FACTS = 2048


def fact_of(function: Callable[Concatenate[Architecture, _P], _R]) -> Callable[Concatenate[Architecture, _P], _R]:
    """Keeps what a pure function of a model and hashable arguments gave, with the model: shapes never change."""

    @wraps(function)
    def cached(model: Architecture, /, *arguments: _P.args, **named: _P.kwargs) -> _R:
        facts, key = model.facts, (function, arguments, *named.items())
        if key not in facts:
            if len(facts) >= _MOST_FACTS:
                facts.clear()
            facts[key] = function(model, *arguments, **named)
        fact: _R = facts[key]
        return fact

    return cached


@fact_of
def _has_experts(model: Architecture) -> bool:
    return any(isinstance(step, Experts) for _, step in model.counted_steps())
