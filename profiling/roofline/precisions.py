"""The precision of a model's weights in a stored format: as published, or in another by its name."""

from __future__ import annotations

from profiling.models.architecture import Architecture, fact_of
from profiling.models.format_names import format_widths, grouped_format
from profiling.models.gguf import gguf_spread
from profiling.models.gguf_rules import file_types, least_bits
from profiling.models.stored import Group, StoredFormat, means_published
from profiling.roofline.workload import ACTIVATION_BITS, NARROW, Precision, precision_of, weight_formats

MATRICES: tuple[Group, ...] = ("attention", "feed_forward", "experts")
"""Groups that formats of products speak of; the others are multiplied at 16 bits."""
GROUPS: tuple[Group, ...] = ("feed_forward", "attention", "experts", "other", "embedding", "head")


@fact_of
def precision_for(model: Architecture, weight_format: str | None = None, kv_bits: float = 16) -> Precision:
    """Bits of every group of a model's weights and the formats that its products run in.

    Args:
        model: The model; GGUF formats choose types by its layers.
        weight_format: A stored format such as `awq-4bit-g128`, `q4_k_m` or `mlx-4bit`; None: as published.
        kv_bits: Bits per number of the cache.

    Raises:
        UnsupportedPrecision: No such format; the message names the nearest.
    """
    if weight_format is None or means_published(weight_format, model.published_format):
        return published_precision(model.published_format, kv_bits)
    if weight_format.casefold() in weight_formats() and not weight_format.casefold().startswith("gguf-"):
        return precision_of(weight_format, kv_bits)
    widths = format_widths(model, weight_format.removeprefix("gguf-"))
    # Formats of GGUF are opened to 16 bits before the product, and so are most others.
    form = grouped_format(weight_format)
    compute = form.compute if form else "fp16"
    return Precision(
        weight_bits=widths.feed_forward, attention_weight_bits=widths.attention, expert_bits=widths.experts,
        embedding_bits=widths.embedding, head_bits=widths.head, other_bits=widths.other, kv_bits=kv_bits,
        activation_bits=ACTIVATION_BITS.get(compute, 16.0), spread=gguf_spread(model, weight_format),
        computes=tuple((group, compute if group in MATRICES else "fp16") for group in GROUPS),
    )  # fmt: skip


def least_weight_bytes(model: Architecture, weight_format: str | None) -> float:
    """Bytes that the model's weights take at the least, from its parameters alone: what exceeds a machine cannot fit.

    Args:
        model: The model, none of whose tensors is looked at.
        weight_format: As `precision_for` takes it.

    Raises:
        UnsupportedPrecision: No such format; the message names the nearest.
    """
    if weight_format is not None and weight_format.casefold().removeprefix("gguf-") in file_types():
        return model.parameters_total * least_bits(weight_format) / 8
    precision = precision_for(model, weight_format)
    return model.parameters_total * float(min(precision.bits_of(group) for group in GROUPS)) / 8


def published_precision(stored: StoredFormat, kv_bits: float = 16) -> Precision:
    """The precision of a checkpoint's own format."""
    widths = {group: stored.of(group) for group in GROUPS}
    stated = {group for group, _ in stored.widths}
    computes = [widths[group].compute for group in MATRICES if group in stated]
    narrow = [compute for compute in computes if compute in NARROW]
    # Between products numbers pass as the widest of the formats of the blocks need them.
    activations = 16.0
    if computes and len(narrow) == len(computes):
        activations = max(ACTIVATION_BITS[compute] for compute in narrow)
    if "fp32" in computes:
        activations = 32.0
    return Precision(
        weight_bits=widths["feed_forward"].bits, attention_weight_bits=widths["attention"].bits,
        expert_bits=widths["experts"].bits, embedding_bits=widths["embedding"].bits, head_bits=widths["head"].bits,
        other_bits=widths["other"].bits, activation_bits=activations, kv_bits=kv_bits,
        computes=tuple((group, width.compute) for group, width in widths.items()),
        padding=tuple((group, width.padded_to) for group, width in widths.items() if width.padded_to > 1),
    )  # fmt: skip
