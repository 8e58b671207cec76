"""The words of reference/towers.json: matrices and vectors by their sizes, as many times as a config has them.

`h>w+` is a matrix from one width to another with a bias, `h>w` one without; `|h` a number for each channel (the gains
of a norm), `||h` two (a norm with shifts). `4:h>h` stands for four. A size is a product of numbers and words (`2*h`,
`h/2`); a word is a letter of `LETTERS`, a name that the form gives, or a field of the config (`part.field` of a part,
`whole.field` of the whole). `#field` is the length of a list, `field=word` says how many of a list are that word, or
whether a field is; a flag counts as 1 or 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

LETTERS: Mapping[str, tuple[str, ...]] = {
    "l": ("num_hidden_layers", "depth", "layers", "encoder_layers", "num_layers", "n_layers", "vt_num_hidden_layers",
          "conf_num_hidden_layers", "num_blocks"),
    "h": ("hidden_size", "embed_dim", "d_model", "width", "dim", "vt_hidden_size", "hidden_dim", "dim_embed"),
    "w": ("intermediate_size", "encoder_ffn_dim", "mlp_hidden_size", "ffn_hidden_size", "vt_intermediate_size",
          "mlp_dim", "d_ff"),
    "n": ("num_attention_heads", "num_heads", "encoder_attention_heads", "n_heads", "heads", "vt_num_attention_heads",
          "attention_heads", "conf_num_attention_heads"),
    "d": ("head_dim", "dim_head", "d_kv"),
    "p": ("patch_size", "spatial_patch_size"),
    "f": ("temporal_patch_size", "patch_temporal"),
    "s": ("spatial_merge_size", "merge_kernel_size", "merge_size", "pooling_kernel_size", "downsample_factor",
          "window_kernel_size", "scale_factor", "hidden_stride"),
    "o": ("out_hidden_size", "output_dim", "output_proj_dims"),
}  # fmt: skip
"""Layers, hidden size, width of the feed-forward blocks, heads and the width of one, side of a patch and its frames,
patches along a side that make a token, what the tower gives: each by any of its names."""

Lookup = Callable[[str], int]


class NotStated(LookupError):
    """Neither a config nor the defaults of its family state a size."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A matrix or, with an inner width of 1 or 2, a vector, and how many there are."""

    times: int
    inside: str
    outside: str
    bias: bool

    def parameters(self, sizes: Lookup) -> int:
        """What one of them holds."""
        outside = product(self.outside, sizes)
        return product(self.inside, sizes) * outside + (outside if self.bias else 0)

    @property
    def is_matrix(self) -> bool:
        """Whether it leads from one width to another."""
        return not self.inside.isdigit()


_SHAPE = re.compile(r"(?:(-?\d+):)?(?:(\|\|?)(\S+)|([^\s>|+]+)>([^\s>|+]+)(\+?))")
_FACTOR = re.compile(r"([*/]?)([^*/]+)")


@cache
def shapes(text: str) -> tuple[Shape, ...]:
    """The shapes of one line of reference/towers.json.

    Raises:
        ValueError: A word of the line is none.
    """
    found = []
    for word in text.split():
        match = _SHAPE.fullmatch(word)
        if match is None:
            raise ValueError(f"no shape: {word}")
        times, bars, vector, inside, outside, bias = match.groups()
        found.append(Shape(int(times or 1), inside or str(len(bars)), outside or vector, bool(bias)))
    return tuple(found)


def product(size: str, sizes: Lookup) -> int:
    """A size: the product of its factors, by the numbers and the words it is written in."""
    number = 1
    for sign, word in _FACTOR.findall(size):
        factor = int(word) if word.lstrip("-").isdigit() else sizes(word)
        number = number // factor if sign == "/" else number * factor
    return number


def _repeated(parts: Mapping[str, str], sizes: Lookup) -> Iterator[tuple[int, Shape]]:
    """Every shape of some lines and how often it is there; what is not there needs no sizes."""
    for times, text in parts.items():
        if count := product(times, sizes):
            yield from ((count * each.times, each) for each in shapes(text))


def parameters(parts: Mapping[str, str], sizes: Lookup) -> int:
    """All that some lines hold, each as many times as its key says."""
    return sum(count * each.parameters(sizes) for count, each in _repeated(parts, sizes))


def matrices(parts: Mapping[str, str], sizes: Lookup) -> Iterator[tuple[int, int]]:
    """Widths in and out of every matrix of some lines."""
    for count, each in _repeated(parts, sizes):
        if each.is_matrix:
            yield from ((product(each.inside, sizes), product(each.outside, sizes)),) * count


def number(value: Any) -> int | None:
    """A field as a whole number: a flag counts as 1 or 0, of a list the first; None: it is no number."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return int(value) if isinstance(value, int) else None


def count_of(word: str, value: Any) -> int:
    """How many of a list are some word (`layer_types=conv`), or whether a field is it."""
    return value.count(word) if isinstance(value, list) else int(str(value) == word)
