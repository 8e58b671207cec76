"""What is known of quality: judged abilities, and what stored formats cost of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from analytics.quantisation.held_out import Intervals
from analytics.quantisation.loss import LossModel, Subject, ability_lost
from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from profiling.roofline.precisions import precision_for

_SHARE_OF_MEASURED = 0.7


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of quality: judged abilities, and what formats cost.

    Attributes:
        abilities: Rows of `marts.ability`.
        losses: Fits to measured losses of quantised models; None: losses are not counted, and the answer says so.
        discrimination: Slope of knowledge benchmarks, per point of ability, by which a lost share becomes points.
    """

    abilities: pl.DataFrame
    losses: LossModel | None = None
    discrimination: float | None = None

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
        )

    def lost(self, model: Architecture, weight_format: str) -> tuple[float, float, float] | None:
        """Points of ability that a format costs: low, likely, high; None where that is not known.

        The share of a knowledge benchmark that is lost is turned into points by the slope of such benchmarks, from
        where measured models stood (seven tenths above guessing). Code, long contexts and reasoning may lose more.
        """
        name = weight_format.removeprefix("gguf-")
        if name in {"bf16", "fp16", "fp32"} or weight_format == model.published_format.name:
            return 0.0, 0.0, 0.0
        if self.losses is None or self.discrimination is None:
            return None
        subject = Subject(
            model.parameters_total, is_mixture=model.is_mixture_of_experts, active=model.parameters_active,
            name=model.name,
        )  # fmt: skip
        try:
            bits = float(precision_for(model, weight_format).weight_bits)
            loss = self.losses.quantisation_loss(bits, name, subject)
        except (ProfilingError, ValueError):
            return None
        if loss.fraction is None or not loss.points or loss.low is None or loss.high is None:
            return None if loss.fraction is None else (0.0, 0.0, 0.0)
        share = loss.fraction / loss.points
        low, likely, high = (
            ability_lost(_SHARE_OF_MEASURED, min(max(points * share, 0.0), 0.95), self.discrimination)
            for points in (loss.low, loss.points, loss.high)
        )
        return low, likely, high


def _intervals(errors: pl.DataFrame) -> Intervals | None:
    """Half widths as the refresh that fitted the same measurements published them; None where it published none."""
    stated = errors.filter(pl.col("interval_half_width").is_not_null())
    widths = {
        tasks: dict(stated.filter(pl.col("tasks") == tasks).select(group, "interval_half_width").iter_rows())
        for tasks, group in (("all", "range_of_bits"), ("text", "metric"))
    }
    return Intervals(points=widths["all"], tokens=widths["text"]) if stated.height else None
