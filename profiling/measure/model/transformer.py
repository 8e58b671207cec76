"""The whole model: embeddings, layers, head; a decoder with its cache, or an encoder with its pooler."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from profiling.measure.model.blocks import Experts, KeyValueCache, Layer, Norm
from profiling.measure.model.shape import ModelShape


class Transformer(nn.Module):
    """A decoder or an encoder of the shape given, without values in its parameters until they are filled."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        ends, hidden = shape.ends, shape.layers[0].hidden_size
        self.embed_tokens = nn.Embedding(shape.vocabulary_size, hidden)
        self.embed_positions = nn.Embedding(ends.positions, hidden) if ends.positions else None
        self.embed_segments = nn.Embedding(ends.segments, hidden) if ends.segments else None
        self.embed_norm = Norm(hidden, shape.norm, shape.norm_epsilon) if ends.embedding_norm else None
        self.layers = nn.ModuleList(Layer(shape, index) for index in range(len(shape.layers)))
        self.norm = Norm(hidden, shape.norm, shape.norm_epsilon) if ends.final_norm else None
        self.pooler = nn.Linear(hidden, hidden) if ends.pooler else None
        self.lm_head = nn.Linear(hidden, shape.vocabulary_size, ends.head_bias) if ends.head else None
        self.register_buffer("frequencies", torch.empty(len(shape.rotary_frequencies)), persistent=False)
        self.frequencies: Tensor
        self.embedding_scale = shape.embedding_scale
        self.tie()

    def tie(self) -> None:
        """Share the table of tokens with the head, where the model does."""
        if self.shape.ends.tied and self.lm_head is not None:
            self.lm_head.weight = self.embed_tokens.weight

    def fill_constants(self) -> None:
        """Set what is neither a weight nor a shape, once the model stands on its device in its number format."""
        weight = self.embed_tokens.weight
        self.frequencies = torch.tensor(self.shape.rotary_frequencies, dtype=torch.float32, device=weight.device)
        # Published models round the scale of embeddings to the number format first.
        self.embedding_scale = torch.tensor(self.shape.embedding_scale, dtype=weight.dtype).item()

    def cache(self, batch: int, length: int) -> KeyValueCache:
        """Room for `length` tokens of `batch` sequences, on the device and in the format of the weights."""
        weight = self.embed_tokens.weight
        return KeyValueCache(self.shape, batch, length, weight.device, weight.dtype)

    def forward(
        self, tokens: Tensor, cache: KeyValueCache | None = None, start: int = 0, *, last_only: bool = False
    ) -> Tensor:
        """Logits of the tokens (of the last one only, as generation needs them), or an encoder's hidden states.

        Args:
            tokens: batch × tokens.
            cache: Keys and values of the tokens before `start`; filled with those of these tokens.
            start: Position of the first token.
            last_only: Compute the head for the last token alone.
        """
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        x = self.embed_tokens(tokens)
        if self.embedding_scale != 1.0:
            x = x * self.embedding_scale
        if self.embed_positions is not None:
            x = x + self.embed_positions(positions + self.shape.position_offset)
        if self.embed_segments is not None:
            x = x + self.embed_segments(torch.zeros_like(tokens))
        if self.embed_norm is not None:
            x = self.embed_norm(x)
        rotation = self.rotation(positions, x.dtype) if self.shape.rotary_frequencies else None
        for layer in self.layers:
            x = layer(x, rotation, cache, start)
        if self.norm is None or self.lm_head is None:
            states: Tensor = x
            return states
        if last_only:
            x = x[:, -1:]
        logits: Tensor = self.lm_head(self.norm(x))
        return logits

    def pooled(self, states: Tensor) -> Tensor:
        """What BERT gives for a whole sequence: its first token through a matrix and tanh."""
        if self.pooler is None:
            raise TypeError("a decoder has no pooler")
        return torch.tanh(self.pooler(states[:, 0]))

    def rotation(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines, tokens × rotated width; computed in float32 as the published models do."""
        angles = positions.float()[:, None] * self.frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(dtype), angles.sin().to(dtype)

    def use_fixed_shapes(self) -> None:
        """Route tokens to experts in shapes that a captured graph can repeat."""
        for module in self.modules():
            if isinstance(module, Experts):
                module.by_token = True


def empty_model(shape: ModelShape, device: torch.device, dtype: torch.dtype) -> Transformer:
    """A model on the device whose parameters have no values yet."""
    with torch.device("meta"):
        model = Transformer(shape)
    model = model.to(dtype).to_empty(device=device)
    model.tie()
    model.fill_constants()
    return model.eval().requires_grad_(requires_grad=False)


def random_model(shape: ModelShape, device: torch.device, dtype: torch.dtype, seed: int) -> Transformer:
    """A model with normal weights of deviation 0.02, made on the device; zeros would run faster than real ones do."""
    model = empty_model(shape, device, dtype)
    generator = torch.Generator(device=device).manual_seed(seed)
    for name, parameter in model.named_parameters():
        parameter.normal_(0.0, 0.02, generator=generator)
        if name.endswith("norm.weight") and shape.norm != "rms_plus_one":
            parameter.add_(1.0)
    return model
