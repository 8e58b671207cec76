"""Families whose layers keep a state in ways of their own: RWKV, xLSTM, Zamba, RecurrentGemma and more."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.errors import InvalidConfig, UnsupportedModelType
from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.forms import plain_numbers
from profiling.models.families.spec import LayerSpec, Lightning, MambaTwo, State
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
            Convolution(name="time_shift", inputs=("attention_norm",), channels=hidden, kernel=1, state_inputs=1),
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

    channel_shift = Convolution(
        name="channel_shift", inputs=("feed_forward_norm",), channels=hidden, kernel=1, state_inputs=1
    )
    spec = LayerSpec(
        hidden_size=hidden, heads=heads, kv_heads=heads, head_dim=dim, gated=False, norm="layer", rotary=False,
        intermediate_size=config.integer("intermediate_size", default=4 * hidden), layer_steps=(channel_shift,),
        own_attention=time_mix(first=False),
    )  # fmt: skip
    specs = [replace(spec, own_attention=time_mix(first=True)), *[spec] * (reading.layer_count(config) - 1)]
    ends = Ends(norm="layer", embedding_norm=True, tied=config.flag("tie_word_embeddings", default=False))
    return decoder(config, specs, ends)


def rwkv(config: Config) -> Architecture:
    """RWKV-4 (arXiv 2305.13048, section 3), and RWKV-5 and 6 (Eagle and Finch, arXiv 2404.05892, section 4).

    RWKV-4 keeps for each channel a sum of values by decaying weights, the sum of these, and the largest exponent so
    far, for stability; the later ones a matrix per head, behind a norm and a gate. RWKV-6 mixes and decays by narrow
    matrices of the token itself. The feed-forward block has a gate over what it gives.
    """
    version = {"rwkv5": 5, "rwkv6": 6}.get(config.model_type, 4)
    hidden = config.integer("hidden_size")
    inner = config.integer("attention_hidden_size", default=hidden)
    dim = inner if version == 4 else config.integer("head_size", default=64)
    heads = inner // dim

    def product(name: str, width_in: int, width_out: int, source: str = "time_shift") -> Step:
        return Linear(name=name, inputs=(source,), width_in=width_in, width_out=width_out, split="column",
                      units=heads if version > 4 else 0)  # fmt: skip

    def narrow(name: str, rank: int, mixtures: int, width_out: int) -> tuple[Step, ...]:
        """Each of the mixtures has a narrow matrix of its own behind a shared one."""
        shared = Linear(name=f"{name}_down", inputs=("time_shift",), width_in=hidden, width_out=mixtures * rank)
        return (shared, product(name, rank, mixtures * width_out, f"{name}_down"))

    names = ("receptance", "key", "value") if version == 4 else ("receptance", "key", "value", "gate")
    large = hidden == 4096  # wider ranks, by the code beside its checkpoints
    by_token: tuple[Step, ...] = ()
    if version == 6:
        mixing, decaying = (64, 128) if large else (32, 64)
        by_token = (*narrow("mixture", mixing, 5, hidden), *narrow("decay", decaying, 1, inner))
    mixtures = {4: 3, 5: 4, 6: 6}[version]
    # The convolution's numbers are one of the mixtures; decay and bonus are of each channel.
    numbers = (mixtures - 1) * hidden + 2 * inner
    update = (
        StateUpdate(name="state_update", inputs=names[:3], heads=1, key_width=3, value_width=inner, state_bits=32,
                    extra_parameters=numbers)
        if version == 4 else
        StateUpdate(name="state_update", inputs=names[:3], heads=heads, key_width=dim, value_width=dim, keys=heads,
                    state_bits=32, extra_parameters=numbers)
    )  # fmt: skip
    norm = Normalisation(name="state_norm", inputs=("state_update",), width=inner, gains=2 * inner, split="column")
    time_mix: tuple[Step, ...] = (
        Convolution(name="time_shift", inputs=("attention_norm",), channels=hidden, kernel=1, state_inputs=1),
        *(product(name, hidden, inner) for name in names), *by_token, update,
        *((norm,) if version > 4 else ()),
        Pointwise(name="state_gated", inputs=("state_update", names[-1]), width=inner, operands=2, split="column"),
        Linear(name="output", inputs=("state_gated",), width_in=inner, width_out=hidden, split="row"),
    )  # fmt: skip
    channel_mix: tuple[Step, ...] = (
        Convolution(name="channel_shift", inputs=("feed_forward_norm",), channels=hidden, kernel=1, state_inputs=1),
        Linear(name="channel_gate", inputs=("channel_shift",), width_in=hidden, width_out=hidden),
        plain_numbers("channel_mixture", hidden),
    )
    usual = 4 * hidden if version == 4 else int(3.5 * hidden) // 32 * 32
    spec = LayerSpec(
        hidden_size=hidden, heads=heads, kv_heads=heads, head_dim=dim, gated=False, norm="layer", rotary=False,
        intermediate_size=config.integer("intermediate_size", default=usual), layer_steps=channel_mix,
        own_attention=time_mix,
    )  # fmt: skip
    ends = Ends(norm="layer", embedding_norm=True, tied=config.flag("tie_word_embeddings", default=False))
    stated = Config({"max_position_embeddings": config.get("context_length"), **config.fields})
    return decoder(stated, [spec] * reading.layer_count(config), ends)


def xlstm(config: Config) -> Architecture:
    """XLSTM 7B (arXiv 2503.13427): a matrix per head as memory (mLSTM), which it decays, adds to and reads."""
    hidden, heads = config.integer("hidden_size", "embedding_dim"), config.integer("num_heads", default=8)
    keys, values = (
        _rounded(hidden * float(config.get(name, default=usual)), 64)
        for name, usual in (("qk_dim_factor", 0.5), ("v_dim_factor", 1.0))
    )
    bias = config.flag("use_bias", default=False)

    def product(name: str, width: int, *, biased: bool) -> Step:
        return Linear(name=name, inputs=("attention_norm",), width_in=hidden, width_out=width, bias=biased,
                      split="column", units=heads)  # fmt: skip

    memory: tuple[Step, ...] = (
        product("query", keys, biased=bias), product("key", keys, biased=bias), product("value", values, biased=bias),
        product("output_gate", values, biased=bias),
        product("input_gate", heads, biased=True), product("forget_gate", heads, biased=True),
        # Beside the matrix a vector by which what is read is divided: one more column.
        StateUpdate(name="state_update", inputs=("query", "key", "value", "input_gate", "forget_gate"), heads=heads,
                    key_width=keys // heads, value_width=values // heads + 1, keys=heads, state_bits=32),
        Normalisation(name="state_norm", inputs=("state_update",), width=values,
                      gains=values * (2 if bias else 1), split="column"),
        Pointwise(name="state_gated", inputs=("state_norm", "output_gate"), width=values, operands=2, operations=5,
                  split="column"),
        Linear(name="output", inputs=("state_gated",), width_in=values, width_out=hidden, bias=bias, split="row",
               units=heads),
    )  # fmt: skip
    wide = float(config.get("ffn_proj_factor", default=2.667)) * hidden
    spec = LayerSpec(
        hidden_size=hidden, heads=heads, kv_heads=heads, head_dim=keys // heads, own_attention=memory,
        intermediate_size=_rounded(wide, config.integer("ffn_round_up_to_multiple_of", default=64)),
        feed_forward_bias=bias,
    )  # fmt: skip
    layers = config.integer("num_hidden_layers", "num_blocks")
    return decoder(config, [spec] * layers, Ends(tied=config.flag("tie_word_embeddings", default=False)))


def _rounded(width: float, multiple: int) -> int:
    """The next multiple that is not narrower."""
    return -(-math.ceil(width) // multiple) * multiple


def zamba(config: Config) -> Architecture:
    """Zamba (arXiv 2405.16712) and Zamba 2 (arXiv 2411.15242): Mamba, and now and then a shared transformer block.

    A shared block reads the token's embedding beside the stream. Zamba has Mamba-1 and one block; Zamba 2 has Mamba-2,
    a few blocks, and narrow matrices of its own for each use.
    """
    first = config.model_type == "zamba"
    hidden, rank = config.integer("hidden_size"), config.integer("adapter_rank", "lora_rank", default=128)
    wide = config.integer("attention_hidden_size", default=2 * hidden)
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=heads)
    dim = config.integer("attention_head_dim", default=wide // heads)
    width = config.integer("intermediate_size", "ffn_hidden_size", default=4 * hidden)
    on_attention = config.flag("use_shared_attention_adapter", "use_shared_attention_lora", default=False)
    state: State = replace(reading.mamba_one(config), inner_norms=False) if first else MambaTwo(
        heads=config.integer("n_mamba_heads"), head_dim=config.integer("mamba_headdim", default=64),
        groups=config.integer("mamba_ngroups", default=1), state=config.integer("mamba_d_state", "state_size"),
        kernel=config.integer("mamba_d_conv", "conv_dimension", default=4),
    )  # fmt: skip
    plain = LayerSpec(hidden_size=hidden, heads=heads, kv_heads=kv_heads, head_dim=dim, intermediate_size=width,
                      attention=False, feed_forward=False, state=state)  # fmt: skip

    def adapter(name: str, source: str, width_in: int, width_out: int) -> tuple[Step, ...]:
        return (
            ()
            if first
            else (
                Linear(name=f"{name}_adapter_down", inputs=(source,), width_in=width_in, width_out=rank),
                Linear(name=f"{name}_adapter_up", inputs=(f"{name}_adapter_down",), width_in=rank, width_out=width_out),
            )
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
            Pointwise(name="shared_activation", width=width, operands=2, operations=5, split="column",
                      inputs=("shared_gate_up",) if first else ("shared_gate_up", "gate_up_adapter_up")),
            Linear(name="shared_down", inputs=("shared_activation",), width_in=width, width_out=hidden, split="row",
                   tied=again),
            Linear(name="shared_linear", inputs=("shared_down",), width_in=hidden, width_out=hidden),
        )  # fmt: skip

    kinds = config.get("layers_block_type", "layer_types", default=_usual_kinds(config) if first else [])
    uses = config.get("hybrid_layer_ids", default=[index for index, kind in enumerate(kinds) if kind == "hybrid"])
    blocks = config.integer("num_mem_blocks", default=1)
    specs = [plain] * reading.layer_count(config)
    for use, index in enumerate(uses):
        specs[index] = replace(plain, layer_steps=shared(again=use >= blocks))
    return decoder(config, specs, Ends(tied=config.flag("tie_word_embeddings", default=True)))


def _usual_kinds(config: Config) -> list[str]:
    """Where Zamba uses its shared block unless a config says so: in its third layer, and in turns from there on."""
    period, offset = config.integer("attn_layer_period", default=6), int(config.get("attn_layer_offset", default=4))
    later = range(reading.layer_count(config) - 3)
    return ["", "", "hybrid", *("hybrid" if index % period == offset else "" for index in later)]


def recurrent_gemma(config: Config) -> Architecture:
    """RecurrentGemma (Griffin, arXiv 2402.19427): a gated linear recurrence, attention within a window in between."""
    hidden = config.integer("hidden_size")
    heads, width = config.integer("num_attention_heads"), config.integer("lru_width", default=hidden)
    block = width // heads
    plain = LayerSpec(
        hidden_size=hidden, heads=heads, kv_heads=config.integer("num_key_value_heads", default=heads),
        head_dim=hidden // heads, query_key_value_bias=config.flag("attention_bias", default=False), output_bias=True,
        # The stated width is that of gate and up together.
        intermediate_size=config.integer("intermediate_size") // 2, feed_forward_bias=True,
        window=config.integer("attention_window_size", "sliding_window", default=2048),
    )  # fmt: skip
    mixing: tuple[Step, ...] = (
        *(
            Linear(name=name, inputs=("attention_norm",), width_in=hidden, width_out=width, bias=True, split="column")
            for name in ("state_gate", "state_input")
        ),
        Convolution(name="state_convolution", inputs=("state_input",), channels=width, bias=True,
                    kernel=config.integer("conv1d_width", default=4)),
        # Each head has a square matrix of its own for either gate.
        *(
            Linear(name=name, inputs=("state_convolution",), width_in=block, width_out=width, bias=True,
                   split="column", units=heads)
            for name in ("input_gate", "recurrent_gate")
        ),
        StateUpdate(name="state_update", inputs=("state_convolution", "input_gate", "recurrent_gate"), heads=heads,
                    key_width=1, value_width=block, products=1, state_bits=32, extra_parameters=width),
        Pointwise(name="state_gated", inputs=("state_update", "state_gate"), width=width, operands=2, operations=5,
                  split="column"),
        Linear(name="output", inputs=("state_gated",), width_in=width, width_out=hidden, bias=True, split="row",
               units=heads),
    )  # fmt: skip
    recurrent = replace(plain, own_attention=mixing, window=None)
    blocks = [str(block) for block in config.get("block_types", default=("recurrent", "recurrent", "attention"))]
    specs = [
        recurrent if blocks[index % len(blocks)] == "recurrent" else plain
        for index in range(reading.layer_count(config))
    ]
    return decoder(config, specs, Ends(tied=config.flag("tie_word_embeddings", default=True)))


def plamo2(config: Config) -> Architecture:
    """PLaMo 2 (arXiv 2509.04897): Mamba with a decay per head and narrow steps, and attention, in turns.

    Its own code limits attention to a window; engines keep and read the whole cache, and so it is counted.
    """
    hidden, dim = config.integer("hidden_size"), config.integer("hidden_size_per_head", default=128)
    count, step = config.integer("num_hidden_layers"), config.integer("mamba_step", default=2)
    heads, state = config.integer("mamba_num_heads", default=64), config.integer("mamba_d_state", default=64)
    inner, rank = heads * dim, max(64, hidden // 16)
    narrow = rank + 2 * state
    attention = LayerSpec(
        hidden_size=hidden, heads=config.integer("num_attention_heads"), kv_heads=config.integer("num_key_value_heads"),
        head_dim=dim, intermediate_size=config.integer("intermediate_size"), placement="sandwich",
        query_key_norm="width",
    )  # fmt: skip
    mixing: tuple[Step, ...] = (
        Linear(name="state_input", inputs=("attention_norm",), width_in=hidden, width_out=2 * inner, split="column",
               units=heads),
        Convolution(name="state_convolution", inputs=("state_input",), channels=inner,
                    kernel=config.integer("mamba_d_conv", default=4)),
        Linear(name="state_parameters", inputs=("state_convolution",), width_in=inner, width_out=narrow, split="row"),
        Normalisation(name="state_parameters_norm", inputs=("state_parameters",), width=narrow, gains=narrow),
        Linear(name="state_step", inputs=("state_parameters_norm",), width_in=rank, width_out=heads, split="column",
               units=heads),
        StateUpdate(name="state_update", inputs=("state_convolution", "state_step"), heads=heads, key_width=state,
                    value_width=dim, state_bits=32, extra_parameters=3 * heads),
        Pointwise(name="state_gated", inputs=("state_update", "state_input"), width=inner, operands=2, operations=5,
                  split="column"),
        Linear(name="output", inputs=("state_gated",), width_in=inner, width_out=hidden, split="row", units=heads),
    )  # fmt: skip
    mamba = replace(attention, own_attention=mixing)
    enabled = config.flag("mamba_enabled", default=True)

    def is_mamba(index: int) -> bool:
        return enabled and (index < count - 1 if count <= step // 2 else index % step != step // 2)

    specs = [mamba if is_mamba(index) else attention for index in range(count)]
    model = decoder(config, specs, Ends(tied=config.flag("tie_word_embeddings", default=True)))
    note = "its own code attends within a window; engines keep and read the whole cache, and so it is counted"
    return replace(model, notes=(*model.notes, note))


def minicpm_sala(config: Config) -> Architecture:
    """MiniCPM-SALA: lightning attention, and now and then attention without positions, each behind a gate.

    Beyond `sparse_config.dense_len` tokens its own code reads chosen blocks alone; engines read all, and so it is
    counted. The keys' means by which blocks are chosen are not.
    """
    base = LayerSpec(
        hidden_size=config.integer("hidden_size"), heads=config.integer("num_attention_heads"),
        kv_heads=config.integer("num_key_value_heads"), head_dim=config.integer("head_dim"),
        intermediate_size=config.integer("intermediate_size"), rotary=config.flag("attn_use_rope", default=False),
        output_gate="elementwise" if config.flag("attn_use_output_gate", default=True) else "none",
    )  # fmt: skip
    state = Lightning(
        heads=config.integer("lightning_nh", default=base.heads),
        head_dim=config.integer("lightning_head_dim", default=base.head_dim),
    )
    if config.integer("lightning_nkv", default=state.heads) != state.heads:
        raise UnsupportedModelType(f"{config.name}: lightning_nkv differs from lightning_nh, which is not known here")
    norms = plain_numbers("state_query_key_norm", 2 * state.head_dim)
    lightning = replace(base, attention=False, state=state, layer_steps=(norms,))
    kinds = [str(kind) for kind in config.get("mixer_types", default=())]
    if set(kinds) - {"minicpm4", "lightning-attn"} or len(kinds) != config.integer("num_hidden_layers"):
        raise InvalidConfig(f"{config.name}: mixer_types must name minicpm4 or lightning-attn for every layer")
    specs = [base if kind == "minicpm4" else lightning for kind in kinds]
    model = decoder(config, specs, Ends(tied=config.flag("tie_word_embeddings", default=False)))
    note = (
        "in long texts its own code reads chosen blocks of the cache alone; all of it is counted as read, and the "
        "means of keys by which blocks are chosen are not counted"
    )
    return replace(model, notes=(*model.notes, note))


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "rwkv7": rwkv7, "rwkv": rwkv, "rwkv5": rwkv, "rwkv6": rwkv, "xlstm": xlstm, "zamba": zamba,
    "zamba2": zamba, "recurrent_gemma": recurrent_gemma, "plamo2": plamo2,
    "minicpm_sala": minicpm_sala,
}  # fmt: skip
