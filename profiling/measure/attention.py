"""Which kernel computes attention: chosen by name or by torch, and what torch chose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from profiling.measure.model.shape import ModelShape

_BACKENDS = {
    "math": SDPBackend.MATH,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}
KERNELS = ("auto", *_BACKENDS)


@contextmanager
def chosen(kernel: str) -> Iterator[None]:
    """Allow only this kernel; `auto` leaves the choice to torch. Torch raises where it cannot run."""
    if kernel == "auto":
        yield
        return
    with sdpa_kernel([_BACKENDS[kernel]]):
        yield


def used(kernel: str, shape: ModelShape, stage: str, batch: int, context: int, like: torch.Tensor) -> str:
    """Name of the kernel that runs for these shapes, of the device and format of `like`."""
    if kernel != "auto":
        return kernel
    tokens = 1 if stage == "decode" else context
    spec, window = shape.layers[0], next((spec.window for spec in shape.layers if spec.window), None)
    if window and tokens > window:
        return "auto, with a mask"
    query = torch.empty(batch, spec.heads, tokens, spec.head_dim, device=like.device, dtype=like.dtype)
    key = torch.empty(batch, spec.kv_heads, context, spec.head_dim, device=like.device, dtype=like.dtype)
    causal = tokens > 1 and spec.causal
    # What scaled_dot_product_attention itself asks; the public function does not tell.
    choice = torch._fused_sdp_choice(query, key, key, is_causal=causal, enable_gqa=spec.heads != spec.kv_heads)
    names = {int(backend.value): name for name, backend in _BACKENDS.items()}
    return names.get(choice, f"number {choice}")


def runs(kernel: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel computes a small causal attention here."""
    query = torch.zeros(1, 2, 16, 64, device=device, dtype=dtype)
    try:
        with chosen(kernel):
            torch.nn.functional.scaled_dot_product_attention(query, query, query, is_causal=True)
    except RuntimeError:
        return False
    return True
