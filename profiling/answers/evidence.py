"""What is known of quality: judged abilities, and what stored formats cost of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot
from typing import Any

import polars as pl

from analytics.quantisation.caches import WHOLE_BITS
from analytics.quantisation.held_out import Intervals
from analytics.quantisation.loss import LossModel, Subject, ability_lost
from analytics.quantisation.recipes import bits_class, recipe_of
from analytics.statistics.normal import TWO_SIDED_80, TWO_SIDED_90
from analytics.units import decimal
from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from profiling.roofline.precisions import precision_for

_SHARE_OF_MEASURED = 0.7
_WHOLE = frozenset({"bf16", "fp16", "fp32"})
_SAME_BITS = 0.15
"""Formats of one recipe whose layers differ by less are one format by two names."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Points of ability that a format of the weights, with one of the cache, costs."""

    low: float
    likely: float
    high: float
    holds_cache: bool = True
    """Whether what the cache costs is in it: false where that is not known, and a warning says why."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """A published loss of a model in a format, beside what a fit to other models only predicts for it."""

    weight_format: str
    benchmark: str
    points: float
    """Measured; positive is lost."""
    predicted: float
    predicted_low: float
    predicted_high: float
    source: str
    is_same_format: bool
    """Whether it was measured in the very format asked about, and not in another of its range of bits."""

    @property
    def words(self) -> str:
        """For reading."""
        return (
            f"{self.benchmark} in {self.weight_format}: {decimal(self.points, 1)} points lost as measured "
            f"({self.source}), {decimal(self.predicted, 1)} (80 %: {decimal(self.predicted_low, 1)} to "
            f"{decimal(self.predicted_high, 1)}) as predicted"
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of quality: judged abilities, and what formats cost.

    Attributes:
        abilities: Rows of `marts.ability`.
        losses: Fits to measured losses of quantised models; None: losses are not counted, and the answer says so.
        discrimination: Slope of knowledge benchmarks, per point of ability, by which a lost share becomes points.
        pairs: Rows of `marts.quantisation_pairs` by hub id: losses in points as measured, beside their predictions.
    """

    abilities: pl.DataFrame
    losses: LossModel | None = None
    discrimination: float | None = None
    pairs: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, read: Callable[[str], pl.DataFrame]) -> Evidence:
        """The evidence of a warehouse, whose tables `read` gives by their full names."""
        items = read("marts.ability_benchmarks").filter(
            (pl.col("category") == "knowledge") & (pl.col("response") == "logistic")
        )
        slope = items["discrimination"].median()
        measured = read("core.quantisation_measurements")
        return cls(
            read("marts.ability"),
            LossModel.of(measured, _intervals(read("marts.quantisation_errors"))) if measured.height else None,
            float(str(slope)) if slope is not None else None,
            {
                str(model_id): rows.to_dicts()
                for (model_id,), rows in read("marts.quantisation_pairs")
                .filter(pl.col("model_id").is_not_null() & pl.col("metric").eq("benchmark_percent"))
                .group_by("model_id")
            },
        )

    def lost(
        self, model: Architecture, weight_format: str, kv_bits: float = 16, cache_task: str = "knowledge"
    ) -> Lost | None:
        """Points of ability that the formats of weights and cache cost; None where that of the weights is not known.

        The share of a knowledge benchmark that is lost is turned into points by the slope of such benchmarks, from
        where measured models stood (seven tenths above guessing). Code, long contexts and reasoning may lose more.

        Args:
            model: The model, judged as it is published.
            weight_format: How its weights are stored.
            kv_bits: Bits per cached number, scales included.
            cache_task: Kind of task that the cache is for; what it costs is counted where that was measured.
        """
        unknown = self.unknown_cache(kv_bits, cache_task)
        counted = 16 if unknown else kv_bits
        name = weight_format.removeprefix("gguf-")
        is_whole = name in _WHOLE or weight_format == model.published_format.name
        if is_whole and counted >= WHOLE_BITS:
            return Lost(0.0, 0.0, 0.0, not unknown, unknown)
        if self.losses is None or self.discrimination is None:
            return None
        subject = Subject(
            model.parameters_total, is_mixture=model.is_mixture_of_experts, active=model.parameters_active,
            name=model.name,
        )  # fmt: skip
        try:
            bits = 16.0 if is_whole else float(precision_for(model, weight_format).weight_bits)
            loss = self.losses.quantisation_loss(bits, name, subject, kv_bits=counted)
        except (ProfilingError, ValueError):
            return None
        warnings = tuple(dict.fromkeys((*loss.warnings, *unknown)))
        if loss.fraction is None or not loss.points or loss.low is None or loss.high is None:
            return None if loss.fraction is None else Lost(0.0, 0.0, 0.0, not unknown, warnings)
        share = loss.fraction / loss.points
        low, likely, high = (
            ability_lost(_SHARE_OF_MEASURED, min(max(points * share, 0.0), 0.95), self.discrimination)
            for points in (loss.low, loss.points, loss.high)
        )
        return Lost(low, likely, high, not unknown, warnings)

    def unknown_cache(self, kv_bits: float, cache_task: str) -> tuple[str, ...]:
        """Why what such a cache costs in such tasks is not known; empty where it is."""
        if kv_bits >= WHOLE_BITS:
            return ()
        if self.losses is None:
            return ("The loss from the cache format is left out: no measured losses are known.",)
        loss = self.losses.cache_loss(kv_bits, task=cache_task)
        return loss.warnings if loss.points is None else ()

    def measured(self, model: Architecture, weight_format: str) -> tuple[Measured, ...]:
        """What was measured of this very model in weights of that range of bits: in that format first, MMLU first."""
        rows = self.pairs.get(model.name, ())
        try:
            bits = float(precision_for(model, weight_format).weight_bits) if rows else WHOLE_BITS
        except ProfilingError:
            return ()
        if bits >= WHOLE_BITS:
            return ()
        recipe = recipe_of(weight_format.removeprefix("gguf-"))
        losses = [
            Measured(
                row["format"], row["benchmark"], -row["measured"], -row["predicted"], -row["predicted_high"],
                -row["predicted_low"], row["source"],
                row["recipe"] == recipe and abs(row["layer_bits"] - bits) < _SAME_BITS,
            )
            for row in sorted(rows, key=lambda row: (abs(row["layer_bits"] - bits), row["benchmark"], row["source"]))
            if bits_class(row["layer_bits"]) == bits_class(bits)
        ]  # fmt: skip
        return tuple(sorted(losses, key=lambda loss: (not loss.is_same_format, loss.benchmark != "MMLU")))


def in_format(judged: tuple[float, float, float], lost: Lost | None) -> tuple[float, float, float]:
    """An ability with its interval of 90 % (low, likely, high), less what formats cost, the errors of both in it.

    Intervals of losses hold 80 % and are widened to 90 % as those of a normal distribution. Where the cost is not
    known the ability stays as judged.
    """
    if lost is None:
        return judged
    low, likely, high = judged
    wide = TWO_SIDED_90 / TWO_SIDED_80
    middle = likely - lost.likely
    return (
        middle - hypot(likely - low, wide * (lost.high - lost.likely)),
        middle,
        middle + hypot(high - likely, wide * (lost.likely - lost.low)),
    )


def _intervals(errors: pl.DataFrame) -> Intervals | None:
    """Half widths as the refresh that fitted the same measurements published them; None where it published none."""
    stated = errors.filter(pl.col("interval_half_width").is_not_null())
    widths = {
        tasks: dict(stated.filter(pl.col("tasks") == tasks).select(group, "interval_half_width").iter_rows())
        for tasks, group in (("all", "range_of_bits"), ("text", "metric"))
    }
    return Intervals(points=widths["all"], tokens=widths["text"]) if stated.height else None
