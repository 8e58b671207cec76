"""Families whose layers keep a state in ways of their own, or share one block of attention: RWKV-7, Zamba 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.spec import LayerSpec, MambaTwo
from profiling.models.steps import AttentionCore, Convolution, Linear, Normalisation, Pointwise, StateUpdate, Step


def rwkv7(config: Config) -> Architecture:
    """RWKV-7 (arXiv 2503.14456, section 4): a delta rule with decay and strength per channel, from narrow matrices.

    Each block sees a mixture of the token and the one before, of which a row is kept.
    """
    hidden, dim = config.integer("hidden_size"), config.integer("head_dim", "head_size", default=64)
    heads = hidden // dim
    ranks = {
        name: config.integer(field, default=usual)
        for name, field, usual in (
            ("decay", "decay_low_rank_dim", 64), ("strength", "a_low_rank_dim", 64),
            ("gate", "gate_low_rank_dim", 128), ("value_mix", "v_low_rank_dim", 32),
        )
    }  # fmt: skip

    def narrow(name: str) -> list[Step]:
        return [
            Linear(name=f"{name}_down", inputs=("time_shift",), width_in=hidden, width_out=ranks[name]),
            Linear(name=name, inputs=(f"{name}_down",), width_in=ranks[name], width_out=hidden, bias=name != "gate",
                   split="column", units=heads),
        ]  # fmt: skip

    def time_mix(*, first: bool) -> tuple[Step, ...]:
        names = ("decay", "strength", "gate", *(() if first else ("value_mix",)))  # later layers mix in its values
        return (
            Convolution(name="time_shift", inputs=("attention_norm",), channels=hidden, kernel=1, kept=1),
            *(
                Linear(name=name, inputs=("time_shift",), width_in=hidden, width_out=hidden, split="column",
                       units=heads)
                for name in ("receptance", "key", "value")
            ),
            *(step for name in names for step in narrow(name)),
            # Five more mixtures, and three vectors of the keys and the bonus of the token itself.
            StateUpdate(name="state_update", inputs=("receptance", "key", "value", "decay", "strength"), heads=heads,
                        key_width=dim, value_width=dim, products=3, keys=heads, state_bits=32,
                        extra_parameters=8 * hidden),
            Normalisation(name="state_norm", inputs=("state_update",), width=hidden, gains=2 * hidden, split="column"),
            Pointwise(name="state_gated", inputs=("state_norm", "gate"), width=hidden, operands=2, split="column"),
            Linear(name="output", inputs=("state_gated",), width_in=hidden, width_out=hidden, split="row", units=heads),
        )  # fmt: skip

    channel_shift = Convolution(name="channel_shift", inputs=("feed_forward_norm",), channels=hidden, kernel=1, kept=1)
    spec = LayerSpec(
        hidden_size=hidden, heads=heads, kv_heads=heads, head_dim=dim, gated=False, norm="layer", rotary=False,
        intermediate_size=config.integer("intermediate_size", default=4 * hidden), layer_steps=(channel_shift,),
        own_attention=time_mix(first=False),
    )  # fmt: skip
    specs = [replace(spec, own_attention=time_mix(first=True)), *[spec] * (reading.layer_count(config) - 1)]
    ends = Ends(norm="layer", embedding_norm=True, tied=config.flag("tie_word_embeddings", default=False))
    return decoder(config, specs, ends)


def zamba2(config: Config) -> Architecture:
    """Zamba 2 (arXiv 2411.15242): Mamba-2, and now and then one of a few shared transformer blocks before it.

    A shared block reads the token's embedding beside the stream; each use has narrow matrices of its own.
    """
    hidden, rank = config.integer("hidden_size"), config.integer("adapter_rank", "lora_rank", default=128)
    wide = config.integer("attention_hidden_size", default=2 * hidden)
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=heads)
    dim = config.integer("attention_head_dim", default=wide // heads)
    width = config.integer("intermediate_size", "ffn_hidden_size", default=4 * hidden)
    on_attention = config.flag("use_shared_attention_adapter", "use_shared_attention_lora", default=False)
    state = MambaTwo(
        heads=config.integer("n_mamba_heads"), head_dim=config.integer("mamba_headdim", default=64),
        groups=config.integer("mamba_ngroups", default=1), state=config.integer("mamba_d_state", "state_size"),
        kernel=config.integer("mamba_d_conv", "conv_dimension", default=4),
    )  # fmt: skip
    plain = LayerSpec(hidden_size=hidden, heads=heads, kv_heads=kv_heads, head_dim=dim, intermediate_size=width,
                      attention=False, feed_forward=False, state=state)  # fmt: skip

    def adapter(name: str, source: str, width_in: int, width_out: int) -> tuple[Step, ...]:
        return (
            Linear(name=f"{name}_adapter_down", inputs=(source,), width_in=width_in, width_out=rank),
            Linear(name=f"{name}_adapter_up", inputs=(f"{name}_adapter_down",), width_in=rank, width_out=width_out),
        )

    def shared(*, again: bool) -> tuple[Step, ...]:
        """The block; where it is used again its matrices are stored elsewhere."""
        gains = 0 if again else 1
        return (
            Normalisation(name="shared_norm", inputs=("input", "token_embedding"), width=wide, gains=gains * wide),
            *(
                Linear(name=f"shared_{name}", inputs=("shared_norm",), width_in=wide, width_out=count * dim,
                       split="column", units=count, tied=again, writes_cache=name != "query")
                for name, count in (("query", heads), ("key", kv_heads), ("value", kv_heads))
            ),
            *(
                step for name in (("query", "key", "value") if on_attention else ())
                for step in adapter(name, "shared_norm", wide, wide)
            ),
            AttentionCore(name="shared_attention", inputs=("shared_query", "shared_key", "shared_value"), heads=heads,
                          kv_heads=kv_heads, head_dim=dim, value_head_dim=dim),
            Linear(name="shared_output", inputs=("shared_attention",), width_in=heads * dim, width_out=hidden,
                   split="row", units=heads, tied=again),
            Normalisation(name="shared_feed_forward_norm", inputs=("shared_output",), width=hidden,
                          gains=gains * hidden),
            Linear(name="shared_gate_up", inputs=("shared_feed_forward_norm",), width_in=hidden, width_out=2 * width,
                   split="column", tied=again),
            *adapter("gate_up", "shared_feed_forward_norm", hidden, 2 * width),
            Pointwise(name="shared_activation", inputs=("shared_gate_up", "gate_up_adapter_up"), width=width,
                      operands=2, operations=5, split="column"),
            Linear(name="shared_down", inputs=("shared_activation",), width_in=width, width_out=hidden, split="row",
                   tied=again),
            Linear(name="shared_linear", inputs=("shared_down",), width_in=hidden, width_out=hidden),
        )  # fmt: skip

    kinds = config.get("layers_block_type", "layer_types", default=[])
    uses = config.get("hybrid_layer_ids", default=[index for index, kind in enumerate(kinds) if kind == "hybrid"])
    blocks = config.integer("num_mem_blocks", default=1)
    specs = [plain] * reading.layer_count(config)
    for use, index in enumerate(uses):
        specs[index] = replace(plain, layer_steps=shared(again=use >= blocks))
    return decoder(config, specs, Ends(tied=config.flag("tie_word_embeddings", default=True)))


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {"rwkv7": rwkv7, "zamba2": zamba2}
