"""Packed weights opened: what each quantiser packs comes out as the numbers that its own definition gives."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from profiling.errors import InvalidConfig

torch = pytest.importorskip("torch")

from profiling.measure.opened import opened  # noqa: E402

ROWS, COLUMNS, GROUP = 64, 256, 128
Packed = tuple[dict[str, Any], dict[str, Any], Any]


def words(numbers: Any, bits: int, order: tuple[int, ...] | None = None) -> Any:
    """Integers packed along the last dimension, one after the other from the lowest bit of an int32 on."""
    per_word = 32 // bits
    inner = numbers.to(torch.int64).unflatten(-1, (-1, per_word))
    if order:
        inner = inner[..., list(order)]
    return (inner << (torch.arange(per_word) * bits)).sum(-1).to(torch.int32)


def integers(bits: int) -> tuple[Any, Any, Any]:
    """Numbers of outputs × inputs, zero points and scales of outputs × groups."""
    generator = torch.Generator().manual_seed(3)
    groups = COLUMNS // GROUP
    numbers = torch.randint(1 << bits, (ROWS, COLUMNS), generator=generator)
    zeros = torch.randint(1, 1 << bits, (ROWS, groups), generator=generator)
    return numbers, zeros, torch.rand((ROWS, groups), generator=generator).half() / 100 + 0.001


def plain(numbers: Any, zeros: Any, scales: Any) -> Any:
    return (numbers - zeros.repeat_interleave(GROUP, 1)) * scales.float().repeat_interleave(GROUP, 1)


def gptq(bits: int, form: str) -> Packed:
    numbers, zeros, scales = integers(bits)
    less = 0 if form == "gptq_v2" else 1
    stored = {
        "qweight": words(numbers, bits).t(), "qzeros": words((zeros - less).t(), bits), "scales": scales.t(),
        "g_idx": torch.arange(COLUMNS) // GROUP,
    }  # fmt: skip
    stated = {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "checkpoint_format": form}
    return stored, stated, plain(numbers, zeros, scales)


def awq() -> Packed:
    numbers, zeros, scales = integers(4)
    order = (0, 2, 4, 6, 1, 3, 5, 7)
    stored = {"qweight": words(numbers.t(), 4, order), "qzeros": words(zeros.t(), 4, order), "scales": scales.t()}
    return stored, {"quant_method": "awq", "bits": 4, "group_size": GROUP}, plain(numbers, zeros, scales)


def compressed(bits: int) -> Packed:
    numbers, zeros, scales = integers(bits)
    stored = {
        "weight_packed": words(numbers, bits), "weight_scale": scales, "weight_shape": torch.tensor([ROWS, COLUMNS]),
        "weight_zero_point": words(zeros.t(), bits).t(), "input_scale": torch.ones(1),
    }  # fmt: skip
    return stored, {"quant_method": "compressed-tensors"}, plain(numbers, zeros, scales)


def fp8(block: tuple[int, int] | None) -> Packed:
    weight = torch.randn(ROWS + 8, COLUMNS, generator=torch.Generator().manual_seed(1)).to(torch.float8_e4m3fn)
    if block is None:
        scale = torch.rand(ROWS + 8, 1) + 0.5
        return {"weight": weight, "weight_scale": scale}, {"quant_method": "fbgemm_fp8"}, weight.float() * scale
    scale = torch.rand(-(-weight.shape[0] // block[0]), COLUMNS // block[1]) + 0.5
    whole = scale.repeat_interleave(block[0], 0)[: weight.shape[0]].repeat_interleave(block[1], 1)
    return {"weight": weight, "weight_scale_inv": scale}, {"weight_block_size": list(block)}, weight.float() * whole


E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def fp4(kind: str) -> Packed:
    codes = torch.randint(16, (ROWS, COLUMNS), generator=torch.Generator().manual_seed(2))
    halves = (codes[:, ::2] | codes[:, 1::2] << 4).to(torch.uint8)
    if kind == "mxfp4":
        exponents = torch.randint(120, 130, (ROWS, COLUMNS // 32)).to(torch.uint8)
        whole = E2M1[codes] * torch.exp2(exponents.float() - 127).repeat_interleave(32, 1)
        return {"weight_packed": halves, "weight_scale": exponents}, {}, whole
    scales = (torch.rand(ROWS, COLUMNS // 16) + 0.5).to(torch.float8_e4m3fn)
    whole = E2M1[codes] * scales.float().repeat_interleave(16, 1)
    if kind == "modelopt":
        return {"weight": halves, "weight_scale": scales, "weight_scale_2": torch.tensor(0.25)}, {}, whole * 0.25
    stored = {"weight_packed": halves, "weight_scale": scales, "weight_global_scale": torch.tensor([4.0])}
    return stored, {}, whole / 4


def bitsandbytes_8() -> Packed:
    numbers = torch.randint(-127, 128, (ROWS, COLUMNS), dtype=torch.int8)
    rows = torch.rand(ROWS) + 0.5
    return {"weight": numbers, "SCB": rows}, {}, numbers.float() * rows[:, None] / 127


def bitsandbytes_4() -> Packed:
    table, codes = torch.linspace(-1, 1, 16), torch.randint(16, (ROWS * COLUMNS,))
    again, nested = torch.rand(256), torch.rand(ROWS * COLUMNS // 64 // 256 + 1)
    absmax = torch.randint(256, (ROWS * COLUMNS // 64,)).to(torch.uint8)
    state = {"blocksize": 64, "shape": [ROWS, COLUMNS], "nested_blocksize": 256, "nested_offset": 0.1}
    scales = again[absmax.long()] * nested.repeat_interleave(256)[: absmax.numel()] + 0.1
    stored = {
        "weight": (codes[::2] << 4 | codes[1::2]).to(torch.uint8)[:, None], "weight.absmax": absmax,
        "weight.quant_map": table, "weight.nested_absmax": nested, "weight.nested_quant_map": again,
        "weight.quant_state.bitsandbytes__nf4": torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8),
    }  # fmt: skip
    return stored, {}, (table[codes] * scales.repeat_interleave(64)).view(ROWS, COLUMNS)


def mlx(bits: int) -> Packed:
    numbers, _, scales = integers(bits)
    stream = ((numbers.unsqueeze(-1) >> torch.arange(bits)) & 1).flatten(-2).unflatten(-1, (-1, 32))
    packed = (stream << torch.arange(32)).sum(-1).to(torch.uint32)
    biases = -scales * 3
    stored = {"weight": packed, "scales": scales, "biases": biases}
    whole = numbers * scales.float().repeat_interleave(GROUP, 1) + biases.float().repeat_interleave(GROUP, 1)
    return stored, {"bits": bits, "group_size": GROUP}, whole


@pytest.mark.parametrize(
    "packed",
    [
        lambda: gptq(4, "gptq"), lambda: gptq(8, "gptq"), lambda: gptq(2, "gptq_v2"), awq, lambda: compressed(4),
        lambda: compressed(8), lambda: fp8(None), lambda: fp8((32, 64)), lambda: fp4("mxfp4"), lambda: fp4("modelopt"),
        lambda: fp4("compressed"), bitsandbytes_8, bitsandbytes_4, lambda: mlx(4), lambda: mlx(6),
    ],
)  # fmt: skip
def test_what_is_packed_by_a_quantiser_s_definition_is_opened_to_the_same_numbers(
    packed: Callable[[], Packed],
) -> None:
    stored, stated, whole = packed()
    tensors = _opened({**stored, "bias": torch.ones(3)}, stated)
    assert set(tensors) == {"layers.0.q_proj.weight", "layers.0.q_proj.bias"}
    torch.testing.assert_close(tensors["layers.0.q_proj.weight"].float(), whole.float(), rtol=1e-6, atol=1e-7)


def test_a_packing_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfig, match=r"layers\.0\.q_proj\.W_q holds torch\.uint8"):
        _opened({"W_q": torch.zeros(4, 4, dtype=torch.uint8), "scale": torch.ones(4)}, {"quant_method": "hqq"})
    stored, stated, _ = gptq(4, "gptq")
    with pytest.raises(InvalidConfig, match="neither GPTQ nor AWQ"):
        _opened(stored, stated | {"quant_method": "auto-round"})


def _opened(stored: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    names = ((f"layers.0.q_proj.{part}", lambda tensor=tensor: tensor) for part, tensor in stored.items())
    return dict(opened(names, stated))
