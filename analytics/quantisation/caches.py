"""What quantised KV caches were measured to cost: alone, and beside quantised weights whose own loss is known."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, stdev

import polars as pl

from analytics.quantisation.held_out import COVERAGE
from analytics.quantisation.recipes import bits_class
from analytics.statistics.student import student_quantile

WHOLE_BITS = 15.5
"""From here on numbers are not quantised."""
_REACH_BITS = 1.0
_WHOLE_CACHE = "weights, f16 KV"
"""How a baseline is named that has the same quantised weights and a whole cache."""
_TWIN = ["source", "model", "method", "benchmark", "layer_bits", "activation_bits"]


@dataclass(frozen=True, slots=True)
class CacheLoss:
    """Points that caches of about those bits were measured to cost; positive is lost."""

    points: float
    half_width: float
    """Of the interval that a further measured loss lies in, in four of five cases."""
    measurements: int
    models: int
    with_quantised_weights: int
    """How many of these are the difference of two measurements of the same quantised weights."""
    tasks: frozenset[str]
    """Kinds of task that were measured."""


def changes(measurements: pl.DataFrame) -> pl.DataFrame:
    """Points by which a quantised cache alone changed a score: `kv_bits`, `model`, `task`, `layer_bits`, `change`.

    With whole weights that is the published change; with quantised ones the difference to the same weights with a
    whole cache, where the same source measured both or compares with them itself.

    Args:
        measurements: As `recipes.prepared` makes them.
    """
    scores = measurements.filter(pl.col("metric") == "benchmark_percent")
    is_to_whole_cache = pl.col("baseline_format").str.ends_with(_WHOLE_CACHE)
    narrow = _narrow(scores).filter(pl.col("use_in_fits").eq("yes") | is_to_whole_cache)
    twins = scores.filter(pl.col("use_in_fits").eq("yes") & pl.col("kv_format").eq("f16"))
    twins = twins.select(*_TWIN, weights_delta="delta")
    pairs = narrow.join(twins, on=_TWIN, how="left", nulls_equal=True, maintain_order="left")
    by_weights = pl.when(is_to_whole_cache | pl.col("layer_bits").ge(WHOLE_BITS)).then(0.0).otherwise("weights_delta")
    return pairs.with_columns(change=pl.col("delta") - by_weights).drop_nulls("change")


@dataclass(frozen=True, slots=True)
class Caches:
    """Measured losses of caches, and what was measured of weights and caches narrow at once."""

    changes: tuple[tuple[float, str, str, float, float], ...]
    """Bits of the cache, model, kind of task, bits of the layers, change in points."""
    together: tuple[tuple[str, float], ...]
    """Range of the weights' bits, and bits of the cache, of each score of both."""

    @classmethod
    def of(cls, measurements: pl.DataFrame) -> Caches:
        """What the measurements, as `recipes.prepared` makes them, say of caches."""
        both = _narrow(
            measurements.filter(pl.col("metric").eq("benchmark_percent") & pl.col("layer_bits").lt(WHOLE_BITS))
        )
        return cls(
            tuple(changes(measurements).select("kv_bits", "model", "task", "layer_bits", "change").iter_rows()),
            tuple((bits_class(bits), kv_bits) for bits, kv_bits in both.select("layer_bits", "kv_bits").iter_rows()),
        )

    def near(self, kv_bits: float) -> CacheLoss | None:
        """The mean of what was measured within one bit, with the interval of one measurement more (Student's t).

        Args:
            kv_bits: Bits per cached number, scales included.

        Returns:
            None where fewer than two losses were measured.
        """
        changes = [entry for entry in self.changes if abs(entry[0] - kv_bits) <= _REACH_BITS]
        if len(changes) < 2:
            return None
        lost = [-change for *_, change in changes]
        further = stdev(lost) * (1 + 1 / len(lost)) ** 0.5
        return CacheLoss(
            mean(lost),
            float(student_quantile(len(lost) - 1, (1 + COVERAGE) / 2)) * further,
            len(changes),
            len({model for _, model, *_ in changes}),
            sum(layer_bits < WHOLE_BITS for *_, layer_bits, _ in changes),
            frozenset(task for _, _, task, *_ in changes),
        )

    def measured_together(self, layer_bits: float, kv_bits: float) -> int:
        """Scores that were measured with weights in that range of bits and a cache near those bits at once."""
        return sum(
            weights == bits_class(layer_bits) and abs(bits - kv_bits) <= _REACH_BITS for weights, bits in self.together
        )


def _narrow(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("kv_format").ne("f16") & pl.col("kv_bits").lt(WHOLE_BITS))
