"""The size of a model's GGUF file: a sum over its tensors, each with the type that llama.cpp's quantiser gives it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from profiling.errors import UnsupportedPrecision
from profiling.models.architecture import Architecture, Layer, Stack, fact_of
from profiling.models.gguf_rules import (
    LOW_BITS,
    FileType,
    Place,
    Role,
    Traits,
    block_types,
    file_type,
    place_of,
    tensor_type,
)
from profiling.models.steps import Embedding, Experts, Linear, StateUpdate, Step

Group = Literal["attention", "feed_forward", "experts", "embedding", "head", "other", "mtp"]
"""Tensors that share a width in practice. `feed_forward`: dense blocks and shared experts; `other`: norms, biases,
routers and small convolutions; `mtp`: layers that predict ahead, which no width answers for."""

_METADATA_BYTES_PER_TOKEN = 40
"""Tokeniser in the file: a token's text with its length and type, and a merge. 23 (no merges) to 60 in real files."""

_RULE_TOLERANCE = 0.005
"""Converters differ in which small tensors they keep whole; whatever differs by more is no file of these rules."""

_RAISED_RATIO = (0.995, 1.0, 1.04)
"""The same of a file with raised tables: its publisher raises attention too in some models. Seen: 1.000 (Qwen3-4B),
1.001 (Gemma-3-12B), 1.025 (GLM-4.5-Air), 1.036 (Qwen3.5-27B)."""

_OWN_MIX_RATIO = (0.955, 1.05)
"""The same of plain names of mixtures and of models with states, whose small tensors some publishers raise, and whose
experts they lower: bartowski's Qwen3-Coder-Next Q3_K_M is 0.958 of the rules' size and Qwen3.5-27B Q3_K_S 1.047."""

_DYNAMIC_RATIO = (0.88, 1.03, 1.12)
_DYNAMIC_RATIO_LARGE = (0.86, 0.93, 1.08)
_DYNAMIC_RATIO_LOW_BITS = (0.92, 1.15, 1.45)
_LARGE = 100e9
"""Least, usual and largest ratio of a published dynamic file to the plain mix of its name. Seen of UD-Q4_K_XL: 1.05 to
1.06 (0.8B to 35B), 0.95 (Qwen3-30B-A3B), 0.91 (397B); UD-Q2_K_XL 0.93 (671B); UD-IQ1_S 1.41 (30B), whose rescued
tensors weigh most."""

_FUSED_QUERY_KEY_VALUE = frozenset({
    "bloom", "chatglm", "codeshell", "dbrx", "falcon", "gpt2", "gpt_bigcode", "gpt_neox", "mpt", "persimmon", "phi3",
    "phi3small", "qwen",
})  # fmt: skip
"""Model types whose query, key and value are one matrix in the file: as sensitive as the value alone."""

_EXPERTS_STAY_MXFP4 = frozenset({"gpt_oss"})
"""Model types published with experts in MXFP4, which converters keep whatever the file's format."""

_ROLES: dict[str, tuple[Role, Group]] = {
    "query": ("query", "attention"), "key": ("key", "attention"), "value": ("value", "attention"),
    "output": ("attention_output", "attention"),
    "gate": ("gate", "feed_forward"), "up": ("up", "feed_forward"), "down": ("down", "feed_forward"),
    "experts_down": ("other", "feed_forward"), "experts_up": ("other", "feed_forward"),
    "router": ("f32", "other"), "per_layer_gate": ("other", "feed_forward"),
    "per_layer_projection": ("other", "feed_forward"),
}  # fmt: skip
"""Role and group of a matrix by the name of its step; others are matrices of the attention without a rule."""

_PLACED: frozenset[Role] = frozenset({"value", "down", "gate", "up"})
"""Roles whose rules ask for the layer."""

_MIDDLE = {middle: Place(middle=middle) for middle in (False, True)}

_STAY_WHOLE = ("per_layer_model", "low_rank", "stream", "attention_mix", "feed_forward_mix")
"""Beginnings of the names of small matrices that the quantiser leaves as the converter wrote them, at 16 bits."""

_KEEPS_MTP_LAYERS = {"glm4_moe": True, "glm4v_moe": True, "glm_moe_dsa": True, "exaone_moe": False}
"""Model types whose converter keeps the layers that predict ahead, and whether these have tables of their own."""


_NOT_STACKED = frozenset({"bailing_hybrid"})
"""Model types of which the quantiser knows experts by their names."""

_HEADS_BY_LAYER = frozenset({"lfm2", "lfm2_moe", "lfm3", "nemotron_h", "granitemoehybrid", "jamba", "bamba"})
"""Model types whose converter states key-value heads layer by layer; the rules ask the first layer, which has none."""

_OF_70B = {("llama", 80), ("qwen2", 80), ("nemotron-nas", 80), ("jais2", 68)}
"""Model types and numbers of layers that llama.cpp takes for its size 70B."""


class _Tensors(NamedTuple):
    """Tensors that the rules cannot distinguish, and how many numbers they hold together."""

    group: Group
    role: Role
    place: Place
    row_width: int
    numbers: int
    routed: bool = False
    stored_as: str | None = None


@dataclass(frozen=True, slots=True)
class _Tally:
    traits: Traits
    tensors: tuple[_Tensors, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a file, with the range in which a published file of that name lies, and what that rests on."""

    bytes: int
    """The file: tensors and metadata."""
    low: int
    high: int
    basis: str
    tensor_bytes: int
    """What is loaded as weights, as llama.cpp's own tables print it."""
    parameters: int

    @property
    def bits_per_weight(self) -> float:
        """Bits per parameter over all tensors."""
        return 8 * self.tensor_bytes / self.parameters


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits per number of each group of tensors, scales included; of a group without tensors, the format's own."""

    attention: float
    feed_forward: float
    experts: float
    embedding: float
    head: float
    other: float


def gguf_file_size_bytes(model: Architecture, form: str, *, importance: bool = True) -> Size:
    """The size of the model's GGUF file in a format.

    Args:
        model: The architecture. Vision towers are files of their own. Layers that predict ahead are in the file where
            the family's converter keeps them, and else in the upper end.
        form: A format's name in any case: `Q4_K_M`, `iq4_xs`, `UD-Q4_K_XL`, `Q4_K_L`, …
        importance: An importance matrix was used, as by most publishers; moves few tensors of few formats.

    Raises:
        UnsupportedPrecision: No such format.
    """
    chosen = file_type(form)
    tensors = _bytes(model, chosen, importance=importance)
    other = _bytes(model, chosen, importance=not importance)
    mtp_bytes = 0 if model.model_type in _KEEPS_MTP_LAYERS else _mtp_bytes(model, tensors)
    metadata = model.vocabulary_size * _METADATA_BYTES_PER_TOKEN
    least, usual, most = 1 - _RULE_TOLERANCE, 1.0, 1 + _RULE_TOLERANCE
    basis = f"sum over tensors by the rules of llama.cpp for {chosen.name}"
    if chosen.tables:
        least, usual, most = _RAISED_RATIO
        basis = f"{basis}; its publisher raises further tensors in some models"
    if _has_own_mixes(model, chosen):
        least, most = min(least, _OWN_MIX_RATIO[0]), max(most, _OWN_MIX_RATIO[1])
        basis = f"{basis}; some publishers choose types of their own under plain names of such models"
    if chosen.dynamic:
        least, usual, most = _dynamic_ratio(model, chosen)
        basis = f"the publisher chose types per layer and model: {least} to {most} times the plain {chosen.mix}"
    return Size(
        bytes=round(tensors * usual) + metadata,
        low=round(min(tensors, other) * least) + metadata // 2,
        high=round(max(tensors, other) * most) + mtp_bytes + metadata * 3 // 2,
        basis=basis,
        tensor_bytes=round(tensors * usual),
        parameters=sum(kind.numbers for kind in _tally_of(model).tensors),
    )


def _has_own_mixes(model: Architecture, form: FileType) -> bool:
    narrow = block_types()[form.base].bits < block_types()["q8_0"].bits
    if not narrow or model.model_type in _EXPERTS_STAY_MXFP4:
        return False
    return model.is_mixture_of_experts or model.state_bytes_per_sequence() > 0


def _dynamic_ratio(model: Architecture, form: FileType) -> tuple[float, float, float]:
    if form.mix in LOW_BITS:
        return _DYNAMIC_RATIO_LOW_BITS
    return _DYNAMIC_RATIO_LARGE if model.parameters_total > _LARGE else _DYNAMIC_RATIO


def gguf_spread(model: Architecture, form: str) -> tuple[float, float]:
    """Least and most that a file of this format holds over `gguf_widths`: 1 but for formats chosen layer by layer."""
    try:
        chosen = file_type(form)
    except UnsupportedPrecision:
        return 1.0, 1.0
    least, _, most = _dynamic_ratio(model, chosen) if chosen.dynamic else (1.0, 1.0, 1.0)
    return least, most


def gguf_widths(model: Architecture, form: str, *, importance: bool = True) -> Widths:
    """Bits per number of each group of the model's tensors in a GGUF format.

    Weighted with these, the numbers of all groups come to `gguf_file_size_bytes(...).tensor_bytes`; of a dynamic
    format these are the widths of the plain mix of its name. Layers that predict ahead are left out.

    Raises:
        UnsupportedPrecision: No such format.
    """
    chosen = file_type(form)
    numbers: Counter[Group] = Counter()
    bits: dict[Group, float] = defaultdict(float)
    for tensors, width in _typed(_tally_of(model), chosen, importance=importance):
        numbers[tensors.group] += tensors.numbers
        bits[tensors.group] += tensors.numbers * width
    base = block_types()[chosen.base].bits

    def mean(group: Group, otherwise: float = base) -> float:
        return bits[group] / numbers[group] if numbers[group] else otherwise

    embedding = mean("embedding")
    return Widths(
        attention=mean("attention"), feed_forward=mean("feed_forward"), experts=mean("experts"),
        embedding=embedding, head=mean("head", embedding), other=mean("other", 32.0),
    )  # fmt: skip


def _mtp_bytes(model: Architecture, tensor_bytes: int) -> int:
    """About what layers that predict ahead add to a file whose converter keeps them."""
    parameters = sum(part.parameters or 0 for part in model.not_counted if part.mtp_layers)
    return round(parameters * tensor_bytes / max(1, model.parameters_total))


def tensor_numbers(model: Architecture) -> Counter[Group]:
    """How many numbers each group of the decoder's tensors holds."""
    numbers: Counter[Group] = Counter()
    for tensors in _tally_of(model).tensors:
        if tensors.group != "mtp":
            numbers[tensors.group] += tensors.numbers
    return numbers


def _bytes(model: Architecture, form: FileType, *, importance: bool) -> int:
    typed = _typed(_tally_of(model), form, importance=importance)
    return round(sum(tensors.numbers * width for tensors, width in typed) / 8)


def _typed(tally: _Tally, form: FileType, *, importance: bool) -> Iterator[tuple[_Tensors, float]]:
    """Each kind of tensor with its bits per number."""
    for tensors in tally.tensors:
        if tensors.stored_as:
            yield tensors, block_types()[tensors.stored_as].bits
            continue
        type_name = tensor_type(
            form, tensors.role, tensors.place, tally.traits, tensors.row_width,
            importance=importance, routed=tensors.routed,
        )  # fmt: skip
        yield tensors, type_name.bits


@fact_of
def _tally_of(model: Architecture) -> _Tally:
    tallied: Counter[_Tensors] = Counter()
    for stack in model.stacks:
        for tensors in _stack_tensors(model, stack):
            tallied[tensors._replace(numbers=0)] += tensors.numbers
    return _Tally(_traits(model), tuple(kind._replace(numbers=n) for kind, n in tallied.items() if n))


def _traits(model: Architecture) -> Traits:
    core = next(model.attention_cores(), None)
    queries = core.heads // max(1, core.kv_heads) if core and not core.latent_width else 0
    first = model.main.layers[model.main.order[0] if model.main.order else 0]
    if model.model_type in _HEADS_BY_LAYER and first.attention is None:
        queries = 0
    experts = max((step.count for _, step in model.counted_steps() if isinstance(step, Experts)), default=0)
    head = next((step for _, step in model.counted_steps() if isinstance(step, Linear) and step.is_head), None)
    return Traits(
        many_queries=queries >= 4,
        experts=experts,
        tied=head is None or head.tied,
        falcon=model.model_type == "falcon",
        llama_70b=(model.model_type, model.main.depth) in _OF_70B and queries > 1,
    )


def _stack_tensors(model: Architecture, stack: Stack) -> Iterator[_Tensors]:
    order = stack.order or tuple(index for index, layer in enumerate(stack.layers) for _ in range(layer.count))
    depth = len(order)
    if stack is model.main and model.model_type in _KEEPS_MTP_LAYERS:
        mtp_layers = sum(part.mtp_layers for part in model.not_counted)
        order = (*order, *(order[-1:] * mtp_layers))
        for tensors in _mtp_tensors(model, mtp_layers):
            yield tensors._replace(group="mtp")
    layers = [_layer_tensors(model, layer) for layer in stack.layers]
    value = down = 0
    mixture = model.is_mixture_of_experts
    inside, mtp_counts = Counter(order[:depth]), Counter(order[depth:])
    for index, layer in enumerate(layers):  # most tensors have no rule that asks for their layer
        for tensors in layer:
            if tensors.role not in _PLACED:
                yield tensors._replace(numbers=tensors.numbers * inside[index])
                yield tensors._replace(numbers=tensors.numbers * mtp_counts[index], group="mtp")
    roles = [[(number, tensors.role) for number, tensors in enumerate(layer) if tensors.role in _PLACED]
             for layer in layers]  # fmt: skip
    each = [sum(role == "value" for _, role in layer) for layer in roles]
    values = sum(each[index] for index in order)
    times: Counter[tuple[int, int, Place, bool]] = Counter()
    for position, index in enumerate(order):
        usual = _MIDDLE[place_of(position, len(order)).middle]
        for number, role in roles[index]:
            place = usual
            if role == "value":
                place = place_of(value, values)
                value += 1
            elif role == "down":
                place = place_of(position if mixture else down, len(order), counted=down)
                down += 1
            times[index, number, place, position < depth] += 1
    for (index, number, place, is_inside), count in times.items():
        tensors = layers[index][number]
        group: Group = tensors.group if is_inside else "mtp"
        yield tensors._replace(place=place, group=group, numbers=tensors.numbers * count)
    for step in (*stack.before, *stack.after):
        yield from _end_tensors(step)


def _mtp_tensors(model: Architecture, layers: int) -> Iterator[_Tensors]:
    """What layers that predict ahead have beside a layer: what joins two hidden states, norms, sometimes tables."""
    hidden = model.hidden_size
    yield _Tensors("mtp", "other", Place(), 2 * hidden, layers * 2 * hidden**2)
    yield _unquantised(layers * 3 * hidden)
    if _KEEPS_MTP_LAYERS[model.model_type]:
        yield _Tensors("mtp", "other", Place(), hidden, layers * 2 * model.vocabulary_size * hidden)


def _end_tensors(step: Step) -> Iterator[_Tensors]:
    if isinstance(step, Embedding):
        table = step.scales_with_vocabulary
        role: Role = "embedding" if table else "f32"
        yield _Tensors("embedding" if table else "other", role, Place(), step.width, step.parameters)
    elif isinstance(step, Linear):
        if not step.tied:
            whole: Role = "whole" if step.name.startswith(_STAY_WHOLE) else "other"
            group: Group = "head" if step.is_head else "other"
            numbers = step.width_in * step.width_out
            yield _Tensors(group, "output" if step.is_head else whole, Place(), step.width_in, numbers)
        yield _unquantised(step.width_out if step.bias else 0)
    else:
        yield _unquantised(step.parameters)


def _unquantised(numbers: int) -> _Tensors:
    return _Tensors("other", "f32", Place(), 1, numbers)


def _layer_tensors(model: Architecture, layer: Layer) -> list[_Tensors]:
    """The tensors of one layer, not yet placed."""
    tensors: list[_Tensors] = []
    fused = model.model_type in _FUSED_QUERY_KEY_VALUE
    core = layer.attention
    latent = core is not None and core.latent_width > 0
    names = {step.name for step in layer.steps}
    for step in layer.steps:
        if isinstance(step, Experts):
            tensors += _expert_tensors(step, "mxfp4" if model.model_type in _EXPERTS_STAY_MXFP4 else None)
        elif isinstance(step, Embedding):
            tensors += _end_tensors(step)
        elif not isinstance(step, Linear):
            tensors.append(_unquantised(step.parameters))
        else:
            if step.bias:
                tensors.append(_unquantised(step.width_out))
            if step.tied or (fused and step.name in {"key", "value"}):
                continue
            numbers = step.width_in * step.width_out
            if latent and step.name == "key_value_up" and core is not None:
                stacked = model.model_type not in _NOT_STACKED
                tensors += _latent_up(step, core.value_head_dim * core.heads, stacked=stacked)
                continue
            if step.name == "state_input":
                tensors += _state_input(step, layer, names)
                continue
            role, group = _role_of(step, low_rank_query="query_down" in names)
            if step.name in {"index_query", "index_key"} and not latent:  # MiniMax M3's, which are tiny
                role = "whole"
            if fused and step.name == "query":
                role, numbers = "value", step.width_in * max(step.fused_width, step.width_out)
            tensors.append(_Tensors(group, role, Place(), step.width_in, numbers))
    return tensors


def _role_of(step: Linear, *, low_rank_query: bool) -> tuple[Role, Group]:
    name = step.name.removeprefix("cross_")
    plain = name.removeprefix("shared_")
    if step.width_out == 1:
        return "f32", "other"
    if name.startswith(_STAY_WHOLE):
        return "whole", "other"
    if low_rank_query and name == "query":
        return "other", "attention"
    if plain in _ROLES:
        return _ROLES[plain]
    return "other", "attention"


def _state_input(step: Linear, layer: Layer, names: set[str]) -> list[_Tensors]:
    """Query, key and value of linear attention: one matrix, or three where the decay is per channel (Kimi).

    What enters Mamba or a short convolution has no rule of its own.
    """
    linear_attention = "state_strength" in names or ("state_gate" in names and "state_convolution" not in names)
    update = next((each for each in layer.steps if isinstance(each, StateUpdate)), None)
    if not linear_attention or update is None:
        return [_Tensors("attention", "other", Place(), step.width_in, step.width_in * step.width_out)]
    if "state_decay_down" not in names:
        return [_Tensors("attention", "value", Place(), step.width_in, step.width_in * step.width_out)]
    values = update.heads * update.value_width
    keys = (step.width_out - values) // 2
    parts: tuple[tuple[Role, int], ...] = (("query", keys), ("key", keys), ("value", values))
    return [_Tensors("attention", role, Place(), step.width_in, step.width_in * width) for role, width in parts]


def _latent_up(step: Linear, values: int, *, stacked: bool) -> list[_Tensors]:
    """The converter stores the key part of this matrix per head and transposed, so that it can be absorbed.

    Both parts are matrices in a stack, as experts are, and the quantiser takes them for such where it asks for that.
    """
    plain = step.width_out - values
    heads = max(1, step.units)
    return [
        _Tensors("attention", "other", Place(), plain // heads, step.width_in * plain, stacked),
        _Tensors("attention", "other", Place(), step.width_in, step.width_in * values, stacked),
    ]


def _expert_tensors(step: Experts, stored_as: str | None) -> list[_Tensors]:
    each = step.count * step.hidden_size * step.intermediate_size
    ups: list[Role] = ["gate", "up"] if step.gated else ["up"]
    tensors = [_Tensors("experts", role, Place(), step.hidden_size, each, True, stored_as) for role in ups]
    tensors.append(_Tensors("experts", "down", Place(), step.intermediate_size, each, True, stored_as))
    matrices = each * (len(ups) + 1)
    return [*tensors, _unquantised(step.parameters - matrices)]
