"""Families that pass through the same layers several times (HRM-Text, Ouro, ALBERT): stored once, worked each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from profiling.errors import InvalidConfig
from profiling.models.architecture import Architecture, Layer, Stack
from profiling.models.families.assembly import Config, Ends, max_position, stack
from profiling.models.families.blocks import transformer_layer
from profiling.models.families.encoders import narrow_tables
from profiling.models.families.forms import Form, base, plain_numbers
from profiling.models.families.spec import LayerSpec
from profiling.models.families.traits import ENCODER
from profiling.models.steps import AttentionCore, Linear, Normalisation, Step


def _again(step: Step) -> Step:
    """The step with numbers that are stored elsewhere."""
    if isinstance(step, Linear):
        return replace(step, tied=True, bias=False)
    return replace(step, gains=0) if isinstance(step, Normalisation) else step


def _passes(spec: LayerSpec, first: Sequence[bool]) -> tuple[tuple[Layer, Layer], tuple[int, ...]]:
    """Layers that are stored and layers that are passed again, and the order in which they follow.

    Args:
        spec: What all of them are.
        first: For each passage whether its layer was not passed before.
    """
    stored = transformer_layer("layer", spec, sum(first))
    again = Layer("layer_again", tuple(_again(step) for step in stored.steps), len(first) - sum(first))
    return (stored, again), tuple(0 if new else 1 for new in first)


def hrm_text(config: Config) -> Architecture:
    """HRM-Text: a slow stack of layers after every few passages of a quick one, each with its cache.

    Configs that transformers has written state the passages (`num_hidden_layers`) beside the layers of a stack.
    """
    spec = base(config, Form(norm="without_gains", output_gate="elementwise", windows=False))
    spec = replace(spec, kv_heads=spec.heads)
    layers = config.integer("num_layers_per_stack", "num_hidden_layers")
    slow, quick = config.integer("H_cycles", default=2), config.integer("L_cycles", default=3)
    passage = [[index == 0] * layers for index in range(quick)] + [[True] * layers]
    once = [new for part in passage for new in part]
    stored_layers, order = _passes(spec, [*once, *[False] * (len(once) * (slow - 1))])
    vocabulary, hidden = config.integer("vocab_size"), spec.hidden_size
    ends = Ends(norm="without_gains", tied=config.flag("tie_word_embeddings", default=False),
                before_steps=(plain_numbers("quick_state", hidden),))  # fmt: skip
    only = stack("decoder", stored_layers, ends, vocabulary=vocabulary, hidden=hidden, order=order)
    note = f"each token passes {len(order)} layers, of which {2 * layers} are stored"
    return Architecture(
        config.name, config.model_type, hidden, vocabulary, (only,), max_position(config), notes=(note,)
    )


def ouro(config: Config) -> Architecture:
    """Ouro (arXiv 2510.25741): all layers passed several times, each time with a cache; tokens may leave earlier."""
    spec = base(config, Form(placement="sandwich", windows=False))
    count, times = config.integer("num_hidden_layers"), config.integer("total_ut_steps", default=4)
    layers, order = _passes(spec, [True] * count + [False] * count * (times - 1))
    vocabulary, hidden = config.integer("vocab_size"), spec.hidden_size
    leaving = Linear(name="leaving", inputs=("layers",), width_in=hidden, width_out=1, bias=True)
    ends = Ends(tied=config.flag("tie_word_embeddings", default=False), after_steps=(leaving,))
    only = stack("decoder", layers, ends, vocabulary=vocabulary, hidden=hidden, order=order)
    note = f"each token passes {count * times} layers, of which {count} are stored"
    return Architecture(
        config.name, config.model_type, hidden, vocabulary, (only,), max_position(config), notes=(note,)
    )


def iquest_loop_coder(config: Config) -> Architecture:
    """IQuest Coder Loop: Llama's layers passed twice; the second time each looks back a little, and at the first's."""
    spec = base(config, Form(windows=False))
    count = config.integer("num_hidden_layers")
    gates = plain_numbers("gate", spec.heads * (spec.head_dim + 1))
    stored = transformer_layer("layer", replace(spec, layer_steps=(gates,)), count)
    of_first = AttentionCore(name="attention_of_first", inputs=("rotary",), heads=spec.heads, kv_heads=spec.kv_heads,
                             head_dim=spec.head_dim, value_head_dim=spec.head_dim, owns_cache=False)  # fmt: skip
    second = replace(spec, window=config.integer("loop_window_size", default=64), attention_steps=(of_first,))
    again = Layer("layer_again", tuple(_again(step) for step in transformer_layer("layer", second).steps), count)
    vocabulary, hidden = config.integer("vocab_size"), spec.hidden_size
    ends = Ends(tied=config.flag("tie_word_embeddings", default=False))
    only = stack("decoder", (stored, again), ends, vocabulary=vocabulary, hidden=hidden,
                 order=[0] * count + [1] * count)  # fmt: skip
    note = f"each token passes {2 * count} layers, of which {count} are stored"
    return Architecture(
        config.name, config.model_type, hidden, vocabulary, (only,), max_position(config), notes=(note,)
    )


def albert(config: Config) -> Architecture:
    """ALBERT (arXiv 1909.11942): one layer, or a few, passed over and over; tables narrower than the layers.

    Raises:
        InvalidConfig: The layers do not divide into the stated groups.
    """
    count, groups = config.integer("num_hidden_layers"), config.integer("num_hidden_groups", default=1)
    inner = config.integer("inner_group_num", default=1)
    if count % groups:
        raise InvalidConfig(f"{config.name}: num_hidden_groups {groups} does not divide {count} layers")
    spec = base(config, ENCODER)
    first = [index % (count // groups) == 0 for index in range(count) for _ in range(inner)]
    layers, order = _passes(spec, first)
    vocabulary = config.integer("vocab_size")
    before, after = narrow_tables(config, spec.hidden_size, pooler=True)
    kept = tuple(layer for layer in layers if layer.count)
    only = Stack("encoder", before, kept, after, order if len(kept) > 1 else ())
    return Architecture(config.name, config.model_type, spec.hidden_size, vocabulary, (only,), max_position(config))


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "hrm_text": hrm_text, "albert": albert, "iquestloopcoder": iquest_loop_coder, "ouro": ouro,
}  # fmt: skip
