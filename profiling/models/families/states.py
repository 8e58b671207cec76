"""Layers that mix tokens by a state of fixed size: Mamba 1 and 2, DeltaNet, lightning attention, short convolution."""

from __future__ import annotations

from functools import singledispatch

from profiling.models.families.spec import DeltaNet, Lightning, MambaOne, MambaTwo, ShortConvolution, State
from profiling.models.steps import Convolution, Linear, Normalisation, Pointwise, StateUpdate, Step


@singledispatch
def state_steps(state: State, hidden: int, source: str) -> list[Step]:
    """Steps from the normed hidden state to what joins the residual stream; the last is the output projection."""
    raise TypeError(f"no steps for {type(state).__name__} of width {hidden} after {source}")


def _column(name: str, source: str, width_in: int, width_out: int, units: int, *, bias: bool = False) -> Linear:
    return Linear(name=name, inputs=(source,), width_in=width_in, width_out=width_out, bias=bias, split="column",
                  units=units)  # fmt: skip


def _gated(name: str, width: int, *inputs: str) -> Pointwise:
    return Pointwise(name=name, inputs=inputs, width=width, operands=len(inputs), operations=5, split="column")


@state_steps.register
def _mamba_two(state: MambaTwo, hidden: int, source: str) -> list[Step]:
    inner = state.heads * state.head_dim
    mixed = inner + 2 * state.groups * state.state
    steps: list[Step] = [
        # Gate, what is convolved, and one step size per head come out of one product.
        _column("state_input", source, hidden, inner + mixed + state.heads, state.heads, bias=state.projection_bias),
        Convolution(name="state_convolution", inputs=("state_input",), channels=mixed, kernel=state.kernel,
                    bias=state.convolution_bias),
        StateUpdate(name="state_update", inputs=("state_convolution", "state_input"), heads=state.heads,
                    key_width=state.state, value_width=state.head_dim, keys=state.groups,
                    state_bits=state.state_bits, extra_parameters=3 * state.heads),
        _gated("state_gate", inner, "state_update", "state_input"),
    ]  # fmt: skip
    if state.norm:
        steps.append(Normalisation(name="state_norm", inputs=("state_gate",), width=inner, gains=inner,
                                   split="column"))  # fmt: skip
    steps.append(Linear(name="state_output", inputs=(steps[-1].name,), width_in=inner, width_out=hidden,
                        bias=state.projection_bias, split="row", units=state.heads))  # fmt: skip
    return steps


@state_steps.register
def _mamba_one(state: MambaOne, hidden: int, source: str) -> list[Step]:
    inner, narrow = state.inner, state.step_rank + 2 * state.state
    steps: list[Step] = [
        _column("state_input", source, hidden, 2 * inner, 0, bias=state.projection_bias),
        Convolution(name="state_convolution", inputs=("state_input",), channels=inner, kernel=state.kernel,
                    bias=state.convolution_bias),
        Linear(name="state_parameters", inputs=("state_convolution",), width_in=inner, width_out=narrow, split="row"),
    ]  # fmt: skip
    if state.inner_norms:
        steps.append(Normalisation(name="state_parameters_norm", inputs=("state_parameters",), width=narrow,
                                   gains=narrow))  # fmt: skip
    steps += [
        _column("state_step", steps[-1].name, state.step_rank, inner, 0, bias=True),
        StateUpdate(name="state_update", inputs=("state_convolution", "state_step"), heads=1, key_width=state.state,
                    value_width=inner, state_bits=state.state_bits, extra_parameters=inner * (state.state + 1)),
        _gated("state_gate", inner, "state_update", "state_input"),
        Linear(name="state_output", inputs=("state_gate",), width_in=inner, width_out=hidden,
               bias=state.projection_bias, split="row"),
    ]  # fmt: skip
    return steps


def _through(name: str, source: str, hidden: int, rank: int | None, width: int, units: int) -> list[Step]:
    """One matrix, or two with a narrow width between them."""
    if rank is None:
        return [_column(name, source, hidden, width, units)]
    return [
        Linear(name=f"{name}_down", inputs=(source,), width_in=hidden, width_out=rank),
        _column(name, f"{name}_down", rank, width, units),
    ]


@state_steps.register
def _delta_net(state: DeltaNet, hidden: int, source: str) -> list[Step]:
    heads = state.value_heads
    keys, values = state.key_heads * state.key_dim, heads * state.value_dim
    decays = heads * state.key_dim if state.decay_per_channel else heads
    return [
        _column("state_input", source, hidden, 2 * keys + values, state.key_heads),
        *_through("state_decay", source, hidden, state.decay_rank, decays, heads),
        _column("state_strength", source, hidden, heads, heads),
        *_through("state_gate", source, hidden, state.gate_rank, values, heads),
        Convolution(name="state_convolution", inputs=("state_input",), channels=2 * keys + values,
                    kernel=state.kernel),
        StateUpdate(name="state_update", inputs=("state_convolution", "state_decay", "state_strength"), heads=heads,
                    key_width=state.key_dim, value_width=state.value_dim, products=3, keys=state.key_heads,
                    state_bits=state.state_bits, extra_parameters=heads + decays),
        Normalisation(name="state_norm", inputs=("state_update",), width=values, gains=state.value_dim,
                      split="column"),
        _gated("state_gated", values, "state_norm", "state_gate"),
        Linear(name="state_output", inputs=("state_gated",), width_in=values, width_out=hidden, split="row",
               units=heads),
    ]  # fmt: skip


@state_steps.register
def _lightning(state: Lightning, hidden: int, source: str) -> list[Step]:
    width = state.heads * state.head_dim
    return [
        _column("state_input", source, hidden, 3 * width, state.heads),
        _column("state_gate", source, hidden, width, state.heads),
        StateUpdate(name="state_update", inputs=("state_input",), heads=state.heads, key_width=state.head_dim,
                    value_width=state.head_dim, keys=state.heads, state_bits=state.state_bits),
        Normalisation(name="state_norm", inputs=("state_update",), width=width, gains=width, split="column"),
        _gated("state_gated", width, "state_norm", "state_gate"),
        Linear(name="state_output", inputs=("state_gated",), width_in=width, width_out=hidden, split="row",
               units=state.heads),
    ]  # fmt: skip


@state_steps.register
def _short_convolution(state: ShortConvolution, hidden: int, source: str) -> list[Step]:
    return [
        _column("state_input", source, hidden, 3 * hidden, 0, bias=state.bias),
        _gated("state_gate", hidden, "state_input"),
        Convolution(name="state_convolution", inputs=("state_gate",), channels=hidden, kernel=state.kernel,
                    bias=state.bias, state_inputs=state.kernel),
        _gated("state_gated", hidden, "state_convolution", "state_input"),
        Linear(name="state_output", inputs=("state_gated",), width_in=hidden, width_out=hidden, bias=state.bias,
               split="row"),
    ]  # fmt: skip
