"""Number formats: plain ones, and weights in 8 bits through kernels of torch; what is emulated says so.

Emulation opens the weights before each product. It costs time that no kernel would, so it tells of accuracy and
memory, never of speed, and stays off rooflines.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PLAIN = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
EMULATED = frozenset({"int8_emulated"})
PRECISIONS = (*PLAIN, "int8", "fp8", "int8_emulated")
_FP8_LARGEST = 448.0  # of float8_e4m3fn (Micikevicius et al. 2022, table 1)


def activation_dtype(precision: str) -> torch.dtype:
    """Format of activations and cache; 8-bit weights go with bfloat16."""
    return PLAIN.get(precision, torch.bfloat16)


class Int8Linear(nn.Module):
    """Weights in int8 with a scale per output: one kernel of torch, or opened first (`emulated`)."""

    def __init__(self, linear: nn.Linear, emulated: bool) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale = weight.float().abs().amax(dim=1).clamp_min(1e-8) / 127
        self.weight: Tensor
        self.scale: Tensor
        self.register_buffer("weight", (weight.float() / scale[:, None]).round().clamp(-127, 127).to(torch.int8))
        self.register_buffer("scale", scale.to(weight.dtype))
        self.bias, self.emulated = linear.bias, emulated

    def forward(self, x: Tensor) -> Tensor:
        """As the linear layer it replaces, to the rounding of its weights."""
        flat = x.reshape(-1, x.shape[-1])
        if self.emulated:
            out = torch.nn.functional.linear(flat, self.weight.to(x.dtype) * self.scale[:, None])
        else:
            out = torch._weight_int8pack_mm(flat, self.weight, self.scale)
        out = out if self.bias is None else out + self.bias
        return out.view(*x.shape[:-1], -1)


class Fp8Linear(nn.Module):
    """Weights and activations in float8 (e4m3), one scale each, products by `torch._scaled_mm`; CUDA only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale = weight.float().abs().amax().clamp_min(1e-8) / _FP8_LARGEST
        self.weight: Tensor
        self.scale: Tensor
        self.register_buffer("weight", (weight.float() / scale).to(torch.float8_e4m3fn))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """As the linear layer it replaces, to the rounding of both factors."""
        flat = x.reshape(-1, x.shape[-1])
        scale = flat.abs().amax().float().clamp_min(1e-8) / _FP8_LARGEST
        narrow = (flat / scale).to(torch.float8_e4m3fn)
        out: Tensor = torch._scaled_mm(narrow, self.weight.t(), scale_a=scale, scale_b=self.scale, out_dtype=x.dtype)
        out = out if self.bias is None else out + self.bias
        return out.view(*x.shape[:-1], -1)


def quantise(model: nn.Module, precision: str) -> float:
    """Replace the matrices of the layers, not the head, by 8-bit ones; nothing to do for plain formats.

    Returns:
        Share of the model's numbers that stand in the format; experts that are stacked in one tensor stay as they are.
    """
    if precision in PLAIN:
        return 1.0
    of_all, narrowed = sum(each.numel() for each in model.parameters()), 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name not in {"lm_head", "gate", "shared_expert_gate", "pooler"}:
                narrowed += child.weight.numel()
                setattr(parent, name, quantised_linear(child, precision))
    return narrowed / of_all


def quantised_linear(linear: nn.Linear, precision: str) -> nn.Module:
    """A layer with the same weights in `fp8` or 8-bit integers."""
    return Fp8Linear(linear) if precision == "fp8" else Int8Linear(linear, precision in EMULATED)


def works(precision: str, device: torch.device) -> bool:
    """Whether a small product in this format runs on the device."""
    linear = nn.Linear(64, 64, bias=False, device=device, dtype=activation_dtype(precision))
    x = torch.ones(16, 64, device=device, dtype=activation_dtype(precision))
    try:
        layer = linear if precision in PLAIN else quantised_linear(linear, precision)
        with torch.no_grad():
            layer(x)
    except (RuntimeError, NotImplementedError):
        return False
    return True
