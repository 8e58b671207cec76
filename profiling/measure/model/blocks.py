"""The modules a model is made of, in the order data flows; attention and experts are modules of their own.

A hook on a module then times it under a name that says what it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from profiling.measure.model.shape import ModelShape, NormKind
from profiling.models.families.spec import LayerSpec, Mixture

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
}


class Norm(nn.Module):
    """RMS norm (Zhang & Sennrich 2019) or layer norm (Ba et al. 2016) over the last dimension."""

    def __init__(self, width: int, kind: NormKind, epsilon: float) -> None:
        super().__init__()
        self.kind, self.epsilon = kind, epsilon
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width)) if kind == "layer" else None

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        if self.kind.startswith("layer"):
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)
        if self.kind == "rms_plus_one":
            # Gemma scales in float32 and rounds once, after the product.
            wide = F.rms_norm(x.float(), self.weight.shape, None, self.epsilon)
            return (wide * (1.0 + self.weight.float())).to(x.dtype)
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Attention(nn.Module):
    """Scaled dot products of queries with keys, softmax, weighted sum; torch chooses the kernel or is told to."""

    def __init__(self, grouped: bool) -> None:
        super().__init__()
        self.grouped = grouped

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """`query` is batch × heads × queries × width; `key` and `value` have the key-value heads."""
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=self.grouped
        )


class KeyValueCache:
    """Keys and values of every layer, allocated once: layers × 2 × batch × kv heads × length × width."""

    def __init__(self, shape: ModelShape, batch: int, length: int, device: torch.device, dtype: torch.dtype) -> None:
        self.length = length
        self.layers = [
            torch.zeros(2, batch, spec.kv_heads, length, spec.head_dim, device=device, dtype=dtype)
            for spec in shape.layers
        ]


class SelfAttention(nn.Module):
    """Projections, rotation, cache and attention of one layer."""

    def __init__(self, shape: ModelShape, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.spec = spec = shape.layers[layer]
        bias, width = spec.query_key_value_bias, spec.head_dim
        self.q_proj = nn.Linear(spec.hidden_size, spec.heads * width, bias)
        self.k_proj = nn.Linear(spec.hidden_size, spec.kv_heads * width, bias)
        self.v_proj = nn.Linear(spec.hidden_size, spec.kv_heads * width, bias)
        self.o_proj = nn.Linear(spec.heads * width, spec.hidden_size, spec.output_bias)
        if spec.query_key_norm != "none":
            self.q_norm = Norm(width, "rms", shape.norm_epsilon)
            self.k_norm = Norm(width, "rms", shape.norm_epsilon)
        self.attention = Attention(spec.heads != spec.kv_heads)

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor] | None, cache: KeyValueCache | None, start: int
    ) -> Tensor:
        """Attend from the tokens of `x`, which stand at `start` and after, to all before them and themselves."""
        spec, (batch, tokens, _) = self.spec, x.shape
        query = self.q_proj(x).view(batch, tokens, spec.heads, spec.head_dim)
        key = self.k_proj(x).view(batch, tokens, spec.kv_heads, spec.head_dim)
        value = self.v_proj(x).view(batch, tokens, spec.kv_heads, spec.head_dim).transpose(1, 2)
        if spec.query_key_norm != "none":
            query, key = self.q_norm(query), self.k_norm(key)
        query, key = query.transpose(1, 2), key.transpose(1, 2)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        if cache is not None:
            stored = cache.layers[self.layer]
            stored[0, :, :, start : start + tokens] = key
            stored[1, :, :, start : start + tokens] = value
            first = max(0, start + 1 - spec.window) if spec.window else 0
            if start:
                key, value = stored[:, :, :, first : start + tokens].unbind(0)
        mask, causal = self._mask(tokens, start, x.device)
        attended = self.attention(query, key, value, mask, causal)
        out: Tensor = self.o_proj(attended.transpose(1, 2).reshape(batch, tokens, -1))
        return out

    def _mask(self, tokens: int, start: int, device: torch.device) -> tuple[Tensor | None, bool]:
        """A mask where torch's own triangle does not do: a window inside the prompt, or a chunk after a prefix."""
        spec = self.spec
        if not spec.causal or tokens == 1:
            return None, False
        windowed = spec.window is not None and start + tokens > spec.window
        if not windowed and not start:
            return None, True
        first = max(0, start + 1 - spec.window) if spec.window and start else 0
        queries = torch.arange(start, start + tokens, device=device)[:, None]
        keys = torch.arange(first, start + tokens, device=device)[None, :]
        seen = keys <= queries
        return (seen & (keys > queries - spec.window) if spec.window else seen), False


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the first numbers of each head by its position, the halves being the pairs (GPT-NeoX's order)."""
    cosine, sine = rotation
    width = cosine.shape[-1]
    turned, rest = (x, None) if width == x.shape[-1] else (x[..., :width], x[..., width:])
    low, high = turned.chunk(2, dim=-1)
    turned = turned * cosine + torch.cat((-high, low), dim=-1) * sine
    return turned if rest is None else torch.cat((turned, rest), dim=-1)


class FeedForward(nn.Module):
    """Two matrices, or three with a gate (Shazeer 2020)."""

    def __init__(self, shape: ModelShape, spec: LayerSpec, width: int) -> None:
        super().__init__()
        bias, hidden = spec.feed_forward_bias, spec.hidden_size
        self.activation = _ACTIVATIONS[shape.activation]
        self.gate_proj = nn.Linear(hidden, width, bias) if spec.gated else None
        self.up_proj = nn.Linear(hidden, width, bias)
        self.down_proj = nn.Linear(width, hidden, bias)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        up = self.up_proj(x)
        inner = self.activation(up) if self.gate_proj is None else self.activation(self.gate_proj(x)) * up
        out: Tensor = self.down_proj(inner)
        return out


class Experts(nn.Module):
    """The routed experts, weights stacked: gate and up in one tensor, experts × 2 width × hidden."""

    def __init__(self, shape: ModelShape, mixture: Mixture, hidden: int) -> None:
        super().__init__()
        count, width = mixture.experts, mixture.intermediate_size
        self.activation = _ACTIVATIONS[shape.activation]
        self.gate_up_proj = nn.Parameter(torch.empty(count, 2 * width, hidden))
        self.down_proj = nn.Parameter(torch.empty(count, hidden, width))
        self.by_token = False
        """Gather the weights of each token's experts, in shapes that do not depend on the routing: what a captured
        graph needs. Otherwise each expert that was chosen runs once over its tokens."""

    def forward(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        """`x` is tokens × hidden, `chosen` and `weights` tokens × experts per token."""
        if self.by_token:
            gate, up = torch.einsum("tkfh,th->tkf", self.gate_up_proj[chosen], x).chunk(2, dim=-1)
            inner = self.activation(gate) * up
            return torch.einsum("tkhf,tkf,tk->th", self.down_proj[chosen], inner, weights)
        out = torch.zeros_like(x)
        for expert in torch.unique(chosen).tolist():
            token, place = torch.where(chosen == expert)
            gate, up = F.linear(x[token], self.gate_up_proj[expert]).chunk(2, dim=-1)
            part = F.linear(self.activation(gate) * up, self.down_proj[expert])
            out.index_add_(0, token, part * weights[token, place, None])
        return out


class MixtureOfExperts(nn.Module):
    """A router, the experts it sends tokens to, and where there is one, an expert that sees every token."""

    def __init__(self, shape: ModelShape, spec: LayerSpec, mixture: Mixture) -> None:
        super().__init__()
        self.per_token, self.normalise = mixture.per_token, shape.normalises_experts
        self.gate = nn.Linear(spec.hidden_size, mixture.experts, bias=False)
        self.experts = Experts(shape, mixture, spec.hidden_size)
        shared = mixture.shared_intermediate_size
        self.shared_expert = FeedForward(shape, spec, shared) if shared else None
        self.shared_expert_gate = nn.Linear(spec.hidden_size, 1, bias=False) if shared else None

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        flat = x.reshape(-1, x.shape[-1])
        shares = F.softmax(self.gate(flat), dim=-1, dtype=torch.float32)
        weights, chosen = torch.topk(shares, self.per_token, dim=-1)
        if self.normalise:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        out: Tensor = self.experts(flat, chosen, weights.to(x.dtype))
        if self.shared_expert is not None and self.shared_expert_gate is not None:
            out = out + torch.sigmoid(self.shared_expert_gate(flat)) * self.shared_expert(flat)
        return out.view_as(x)


class Layer(nn.Module):
    """One transformer layer."""

    def __init__(self, shape: ModelShape, index: int) -> None:
        super().__init__()
        spec = shape.layers[index]
        self.placement = spec.placement
        self.input_layernorm = Norm(spec.hidden_size, shape.norm, shape.norm_epsilon)
        self.self_attn = SelfAttention(shape, index)
        self.post_attention_layernorm = Norm(spec.hidden_size, shape.norm, shape.norm_epsilon)
        self.mlp: nn.Module = (
            MixtureOfExperts(shape, spec, spec.mixture)
            if spec.mixture
            else FeedForward(shape, spec, spec.intermediate_size)
        )

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor] | None, cache: KeyValueCache | None, start: int
    ) -> Tensor:
        """The same shape."""
        if self.placement == "post":
            x = self.input_layernorm(x + self.self_attn(x, rotation, cache, start))
            out: Tensor = self.post_attention_layernorm(x + self.mlp(x))
            return out
        attended = self.self_attn(self.input_layernorm(x), rotation, cache, start)
        if self.placement == "parallel_two_norms":
            parallel: Tensor = x + attended + self.mlp(self.post_attention_layernorm(x))
            return parallel
        x = x + attended
        sequential: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return sequential
