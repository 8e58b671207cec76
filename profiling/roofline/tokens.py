"""How many tokens each step of a pass runs over, and how many query–key pairs attention forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from profiling.models.steps import AttentionCore, Rows
from profiling.roofline.workload import Values, Workload


@dataclass(frozen=True, slots=True)
class Tokens:
    """Per sequence: tokens of this pass, tokens attended, rows of the head, length of the encoder's output."""

    new: Values
    context: Values
    last: Values
    source: Values
    chunk: Values
    """Tokens of one pass over the weights."""
    decoding: bool

    @property
    def passes(self) -> Values:
        """Times the weights are read: 1, or the number of chunks of the prefill."""
        return cast("Values", np.ceil(np.divide(self.new, self.chunk)))

    def rows(self, which: Rows) -> Values:
        """Tokens a step of this kind runs over."""
        if which == "new":
            return self.new
        if which == "last":
            return self.last
        if which == "one":
            return 1.0
        if which == "source":
            return 0.0 if self.decoding else self.source
        return self.new if self.decoding else self.read()

    def read(self, core: AttentionCore | None = None) -> Values:
        """Keys read by all passes together, each reading what its tokens can see once.

        Where an indexer chooses, no more than all queries together may choose.
        """
        seen = self._visible(core)
        if core is None:
            return seen
        entries = np.divide(seen, core.tokens_per_entry)
        return cast("Values", entries if core.chosen is None else np.minimum(entries, self.new * core.chosen))

    def entries(self, core: AttentionCore) -> Values:
        """Cache entries that the context fills in this layer."""
        if core.tokens_per_entry == 1:
            return self.context
        return cast("Values", np.floor(np.divide(self.context, core.tokens_per_entry)))

    def entry_pairs(self, tokens_per_entry: int) -> Values:
        """Pairs of a query with every entry complete before it."""
        earlier = np.subtract(self.context, self.new)
        return cast(
            "Values", _entries_up_to(tokens_per_entry, self.context) - _entries_up_to(tokens_per_entry, earlier)
        )

    def _visible(self, core: AttentionCore | None) -> Values:
        """Tokens that the passes read, each once.

        Pass i of chunk size c ends at token e_i = prefix + i c and sees min(e_i, c + window - 1) tokens.
        """
        window = core.window if core is not None and core.causal else None
        if core is not None and window and core.window_kind == "chunked" and np.all(self.passes == 1):
            start = np.floor(np.subtract(self.context, self.new) / window) * window
            return cast("Values", self.context - start)
        reach = np.inf if window is None else window - 1
        earlier = np.subtract(self.context, self.new)
        full = self.passes - 1
        below = np.clip(np.floor((self.chunk + reach - earlier) / self.chunk), 0, full)
        capped = np.where(full > below, full - below, 0.0)
        seen_at_cap = np.where(capped > 0, self.chunk + np.where(np.isinf(reach), 0.0, reach), 0.0)
        final = np.minimum(self.context, self.new - full * self.chunk + reach)
        ramp = below * earlier + self.chunk * below * (below + 1) / 2
        return cast("Values", ramp + capped * seen_at_cap + final)

    def pairs(self, core: AttentionCore) -> Values:
        """Query–key pairs per sequence and head that the mask lets through."""
        if core.cross:
            return np.multiply(self.new, self.source)
        if not core.causal:
            reach = min(core.window or np.inf, core.chosen or np.inf)
            return np.multiply(self.new, np.minimum(self.context, reach))
        earlier = np.subtract(self.context, self.new)
        return cast("Values", _pairs_up_to(core, self.context) - _pairs_up_to(core, earlier))


def _pairs_up_to(core: AttentionCore, length: Values) -> npt.NDArray[np.float64]:
    """Pairs of the first `length` queries: sum over p of min(p, window), or of (p mod chunk) for chunks."""
    n = np.asarray(length, dtype=np.float64)
    if core.chosen is not None:
        ramp = np.minimum(n, float(core.chosen * core.tokens_per_entry))
        return _entries_up_to(core.tokens_per_entry, ramp) + (n - ramp) * core.chosen
    if core.window is None:
        return _entries_up_to(core.tokens_per_entry, n)
    window = float(core.window)
    if core.window_kind == "chunked":
        rest = n % window
        return np.floor(n / window) * (window * (window + 1) / 2) + rest * (rest + 1) / 2
    return np.where(n <= window, n * (n + 1) / 2, window * (window + 1) / 2 + (n - window) * window)


def _entries_up_to(tokens_per_entry: int, length: Values) -> npt.NDArray[np.float64]:
    """Sum over the first `length` queries of the entries complete at each: of floor(p / r)."""
    n = np.asarray(length, dtype=np.float64)
    if tokens_per_entry == 1:
        return n * (n + 1) / 2
    whole = np.floor(n / tokens_per_entry)
    sums = tokens_per_entry * whole * (whole - 1) / 2 + whole * (n - tokens_per_entry * whole + 1)
    return cast("npt.NDArray[np.float64]", sums)


def tokens_of(workload: Workload, role: str, *, two_stacks: bool) -> Tokens | None:
    """Tokens of one pass through a stack; None where the stage leaves the stack out.

    Args:
        workload: At stage prefill, decode or encode.
        role: Which stack: "encoder" or "decoder".
        two_stacks: Whether the model has an encoder and a decoder.
    """
    context = workload.context
    source = context if workload.source is None else workload.source
    if role == "encoder":
        if workload.stage == "decode":
            return None
        length = source if two_stacks else context
        return Tokens(length, length, length if workload.all_logits else 1.0, length, length, False)
    if workload.stage == "encode":
        return None
    if workload.stage == "decode":
        step = float(workload.draft + 1)
        return Tokens(step, context, step, source, step, True)
    if two_stacks:
        return Tokens(1.0, 1.0, 1.0, source, 1.0, False)
    new: Values = np.subtract(context, workload.prefix)
    chunk: Values = new if workload.chunk is None else np.minimum(workload.chunk, new)
    return Tokens(new, context, new if workload.all_logits else 1.0, source, chunk, False)


def shifted_lengths(prompt: int, generated: int, cache_tokens: int) -> list[int]:
    """Tokens attended at each decode step where a full cache drops its older half (llama.cpp's `--context-shift`)."""
    lengths, length = [], min(prompt, cache_tokens)
    for _ in range(max(generated - 1, 1)):
        if length >= cache_tokens:
            length -= cache_tokens // 2
        length += 1
        lengths.append(length)
    return lengths
