"""An answer: memory, time, rates, cost, energy and carbon of one question, and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any

import polars as pl

from profiling.answers.energy import Spread, TokenEnergy, energy_per_token
from profiling.answers.engine_choice import engine_cautions
from profiling.answers.extras import Drafting
from profiling.answers.images import Images
from profiling.answers.notes import length_notes, model_notes, sharing_note, tower_note
from profiling.answers.pruning import pruning_of
from profiling.answers.question import ENGINE, Question
from profiling.calibration.calibrate import Calibration
from profiling.devices.accelerators import GIB, Accelerator
from profiling.memory.engines import borrowed
from profiling.memory.need import activation_peak_of, max_batch
from profiling.models.architecture import Architecture
from profiling.roofline.estimate import Estimate
from profiling.roofline.graph import edges
from profiling.roofline.operator_time import OperatorTime
from profiling.roofline.operators import BYTE_CLASSES, Operator
from profiling.roofline.roof import roof_of
from profiling.roofline.whole import PassTime
from profiling.roofline.workload import Stage

_TRAFFIC = {
    "weight_bytes": "weights_loaded_bytes", "kv_read_bytes": "kv_loaded_bytes", "kv_write_bytes": "kv_stored_bytes",
    "activation_read_bytes": "activations_loaded_bytes", "activation_write_bytes": "activations_stored_bytes",
}  # fmt: skip
"""Classes of bytes of an operator, and the columns of an answer that add them up."""
OTHER_STAGE: Mapping[Stage, Stage] = {"prefill": "decode", "decode": "prefill"}
"""What an answer about one of them can be asked for as well."""
FORMAT_NAMES = {"fp16": "bf16/fp16"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known of one configuration.

    Attributes:
        question: What was asked.
        model: The architecture it is about.
        device: One of the devices.
        estimate: Bound, prediction and memory of the stage that was asked for.
        ask: Estimates another stage of it.
        usd_per_million_tokens: None where it does not fit, or no price is known.
        grams_co2e_per_million_tokens: None where it does not fit, or the power is not published.
        calibrations: What was fitted on this device.
    """

    question: Question
    model: Architecture
    device: Accelerator
    estimate: Estimate
    ask: Callable[[Stage], Estimate] = field(repr=False, compare=False)
    usd_per_million_tokens: Spread | None
    grams_co2e_per_million_tokens: Spread | None
    calibrations: tuple[Calibration, ...] = ()
    drafting: Drafting | None = None
    """What proposes tokens, where any are proposed."""
    images: Images | None = None
    """The vision tower's pass, where the prompt holds images and its widths are known."""
    sounds: Images | None = None
    """The audio tower's pass, likewise."""
    assumed: tuple[str, ...] = ()
    """What names were taken for: of a device that says less than one, of a model that states a format."""

    @cached_property
    def prefill(self) -> Estimate | None:
        """Where the time to first token comes from; None for encoders. Estimated when it is asked for."""
        return self._of("prefill")

    @cached_property
    def decode(self) -> Estimate | None:
        """Where the time per output token comes from; None for encoders. Estimated when it is asked for."""
        return self._of("decode")

    def _of(self, stage: Stage) -> Estimate | None:
        own = self.estimate.workload.stage
        if self.model.kind == "encoder" or own == "encode":
            return None
        return self.ask(stage) if OTHER_STAGE.get(own) == stage else self.estimate

    @property
    def runs(self) -> bool:
        """Whether the configuration fits, or may fit."""
        return self.estimate.fits != "does not fit"

    @property
    def weight_format(self) -> str:
        """How its weights are stored."""
        question = self.question
        return question.format_of(self.model) or question.weight_format or f"{question.weight_bits:g}-bit"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know beside the figures."""
        query, model, estimate = self.question, self.model, self.estimate
        notes = list(self.assumed)
        notes += [f"{model.name}: {note}" for note in model.count_notes]
        notes += model_notes(model)
        if query.weight_format is None and query.weight_bits is None:
            stored = model.published_format
            notes.append(f"Weights as published: {stored.name} ({stored.basis}).")
            notes += stored.notes
        notes += self.warnings
        notes += self._extras_notes()
        if query.engine:
            stored_as = query.format_of(model)
            notes += (*borrowed(query.engine), *engine_cautions(query.engine, model, self.device, stored_as))
        if not estimate.calibrated:
            notes.append(
                f"Operators on {self.device.name} have documented default efficiencies; no kernels of these shapes "
                "were measured on it."
            )
        notes.append(f"The time of a pass is based on {estimate.basis}.")
        if query.engine and (shared := sharing_note(query.engine, query.tensor)):
            notes.append(shared)
        if self.energy is not None:
            notes.append(self.energy.explanation)
        if not self.runs:
            notes.append(
                f"It does not fit: at least {float(estimate.need.low) / GIB:.1f} GiB per device are needed and "
                f"{float(estimate.need.budget) / GIB:.1f} GiB are available, so there is no latency and no throughput."
            )
        return tuple(notes)

    @property
    def energy(self) -> TokenEnergy | None:
        """Per token, in its parts, the load there at all times; None where it does not fit or no power is known."""
        rate = self.estimate.tokens_per_s
        if rate is None:
            return None
        rates = Spread(float(rate.low_s), float(rate.likely_s), float(rate.high_s))
        return energy_per_token(self.device, self.estimate.workload.parallelism.devices, rates)

    @property
    def warnings(self) -> list[str]:
        """What speaks against the question itself."""
        return length_notes(self.model, self._tokens_reached)

    @property
    def _tokens_reached(self) -> int:
        query = self.question
        made = query.generated if query.stage == "generate" else 0
        reached = query.context + query.image_tokens + query.audio_tokens + made
        return reached if query.cache_tokens is None else min(reached, query.cache_tokens)

    @property
    def tower_notes(self) -> list[str]:
        """How images and sound of the prompt are read, or that their time is not counted."""
        kinds = (
            (self.question.image_tokens, "images", self.images, "vision tower", "patches"),
            (self.question.audio_tokens, "sound", self.sounds, "audio tower", "frames"),
        )
        return [
            f"{tokens:,} tokens of {what} are part of the prompt; "
            f"{tower_note(self.model, self.device, read, tower, pieces)}"
            for tokens, what, read, tower, pieces in kinds
            if tokens
        ]

    def _extras_notes(self) -> list[str]:
        query, lines = self.question, []
        if self.drafting is not None:
            workload = self.estimate.workload
            assumed = "" if query.acceptance is not None else ", assumed, as nothing was stated"
            lines.append(
                f"Speculation: {query.draft} tokens proposed per step ({self.drafting.words}), each accepted with "
                f"probability {workload.acceptance:g}{assumed}: {workload.tokens_per_step:.2f} tokens a step on "
                "average ((1 - a^(n + 1)) / (1 - a), Leviathan, Kalman and Matias 2023, equation 1)."
            )
        if query.lora_rank:
            lines.append(
                f"{query.lora_count} adapter{'s' if query.lora_count > 1 else ''} of rank {query.lora_rank} on "
                f"{query.lora_targets} at 16 bits, kept unmerged, with the time of their own two products "
                "per matrix; merged into the weights, they cost nothing."
            )
        lines += self.tower_notes
        if query.cache_tokens is not None and query.stage == "generate":
            lines.append(
                f"The cache holds {query.cache_tokens:,} tokens of a sequence; once full, its older half is dropped, "
                "and with it what the model knew of it."
            )
        if query.pruning is not None:
            lines.append(pruning_of(query.pruning).note(self.device))
        return lines

    @property
    def rests_on(self) -> str:
        """How much of the prediction rests on measurements, and how far off those were on shapes held out."""
        whole = f"Time of a pass fitted to {self.estimate.basis}."
        judged = [calibration for calibration in self.calibrations if calibration.held_out_mape_pct is not None]
        if not judged:
            return (
                f"Not calibrated: no measured kernels of {self.device.name} are known, so operators have documented "
                f"default efficiencies. {whole}"
            )
        kernels = sum(calibration.kernels for calibration in judged)
        errors = ", ".join(
            f"{calibration.operator_class.replace('_', ' ')} {calibration.held_out_mape_pct:.1f} %"
            for calibration in judged
        )
        share = self.measured_share
        begin = "Calibrated" if share > 0.5 else "Mostly not calibrated"
        return (
            f"{begin}: {100 * share:.0f} % of the time is spent in operators like the {kernels:,} kernels measured on "
            f"{self.device.name}; mean error on shapes held out: {errors}. {whole}"
        )

    @property
    def largest_batch(self) -> int:
        """Most sequences of this configuration that fit for sure; 0 where not even one does."""
        profile = self.question.profile(self.question.engine or ENGINE)
        return max_batch(self.model, self.device, self.estimate.workload, profile)

    @property
    def measured_share(self) -> float:
        """Share of the predicted time that is of operators predicted from measurements."""
        times = [(_likely_s(time), time.calibrated) for time in self.estimate.operators]
        return sum(seconds for seconds, measured in times if measured) / sum(seconds for seconds, _ in times)

    def row(self) -> dict[str, Any]:
        """The answer as one flat row, in base units; rates and latencies are null where it does not fit."""
        return {**self.question_columns(), **self._totals()}

    def question_columns(self) -> dict[str, Any]:
        """The question as columns."""
        question, workload = self.question, self.estimate.workload
        precision, split = workload.precision, workload.parallelism
        return {
            "model": self.model.name,
            "accelerator": self.device.name,
            "stage": workload.stage,
            "batch": question.batch,
            "context": question.context,
            "weight_format": self.weight_format,
            "weight_bits": float(precision.weight_bits),
            "activation_bits": float(precision.activation_bits),
            "kv_bits": float(precision.kv_bits),
            "attention": workload.attention,
            "tensor_parallel": split.tensor,
            "pipeline_parallel": split.pipeline,
            "expert_parallel": split.expert,
            "engine": question.engine,
        }

    def _totals(self) -> dict[str, Any]:
        estimate = self.estimate
        rate, need, energy = estimate.tokens_per_s, estimate.need, self.energy
        # Of a generation the operators are those of one decode step, so their sums are no totals.
        one_pass = estimate.workload.stage != "generate"
        flops = sum(t.operator.count * float(t.operator.flops) for t in estimate.operators)
        moved = sum(t.operator.count * float(t.operator.bytes_moved) for t in estimate.operators)
        usd, grams = self.usd_per_million_tokens, self.grams_co2e_per_million_tokens
        return {
            "verdict": estimate.fits,
            "bound_by": estimate.bound_by,
            "flops": flops if one_pass else None,
            "moved_bytes": moved if one_pass else None,
            "bound_s": float(estimate.time.bound_s),
            "predicted_low_s": float(estimate.time.low_s),
            "predicted_s": float(estimate.time.likely_s),
            "predicted_high_s": float(estimate.time.high_s),
            "fraction_of_roof": estimate.fraction_of_roof,
            "is_calibrated": estimate.calibrated,
            "time_to_first_token_s": _likely(estimate.time_to_first_token),
            "time_per_output_token_s": _likely(estimate.time_per_output_token),
            "tokens_per_s": _likely(rate),
            "joules_per_token": energy.devices.likely if energy else None,
            "host_joules_per_token": energy.host.likely if energy else None,
            "usd_per_million_tokens": None if usd is None else usd.likely,
            "g_co2e_per_million_tokens": None if grams is None else grams.likely,
            **(self.traffic() if one_pass else dict.fromkeys(_TRAFFIC.values())),
            "weights_bytes": float(need.weights),
            "kv_cache_bytes": float(need.kv_cache.high),
            "activations_bytes": self.activation_bytes,
            "extras_bytes": float(need.extras),
            "weights_gib": float(need.weights) / GIB,
            "kv_cache_low_gib": float(need.kv_cache.low) / GIB,
            "kv_cache_high_gib": float(need.kv_cache.high) / GIB,
            "memory_low_gib": float(need.low) / GIB,
            "memory_high_gib": float(need.high) / GIB,
            "memory_budget_gib": float(need.budget) / GIB,
        }

    def traffic(self) -> dict[str, float]:
        """Bytes that one pass loads and stores on one device, by what they are."""
        times = self.estimate.operators
        return {
            column: sum(time.operator.count * float(getattr(time.operator, name)) for time in times)
            for name, column in _TRAFFIC.items()
        }

    @property
    def activation_bytes(self) -> float:
        """The most activations alive at once in the pass, without what the engine reserves."""
        timed_operators = [time.operator for time in self.estimate.operators]
        return float(activation_peak_of(timed_operators, self.model, self.estimate.workload.precision))

    # The roofline of the answer --------------------------------------------------------------------------------------

    def compute_roofs(self) -> list[ComputeRoof]:
        """Roofs of the number formats in use, from the highest; formats that coincide are one."""
        roof = roof_of(self.device, self.estimate.workload.precision)
        used = {time.operator.unit for time in self.estimate.operators if float(time.operator.flops) > 0}
        product, attention = (FORMAT_NAMES.get(each, each) for each in (roof.product_format, roof.attention_format))
        shared = product == attention
        entries = [
            ("product", product if shared else f"{product} products", float(roof.product_peaks["feed_forward"])),
            ("attention_product", attention if shared else f"{attention} attention", float(roof.attention_peak)),
            ("vector", "fp32 element-wise", float(roof.vector_peak)),
        ]
        roofs: dict[float, ComputeRoof] = {}
        for unit, label, peak in entries:
            if unit in used and isfinite(peak) and peak not in roofs:  # an unknown peak is no roof
                roofs[peak] = ComputeRoof(label, peak, peak / float(roof.bandwidth), unit)
        return sorted(roofs.values(), key=lambda entry: -entry.flops_per_s)

    def ridge_of(self, operator: Operator) -> float:
        """FLOPs per byte at which the roof of this operator meets the slope."""
        roof = roof_of(self.device, self.estimate.workload.precision)
        return float(roof.peak_of(operator)) / float(roof.bandwidth)

    def data_flow(self) -> list[tuple[str, str]]:
        """Edges of the operator graph; residuals take what devices exchanged, if they did."""
        timed_operators = [time.operator for time in self.estimate.operators]
        links = edges(timed_operators)
        keys = (f"{operator.place}/{operator.name}" for operator in timed_operators)
        exchanges = {key for key in keys if key.endswith("_all_reduce")}
        rerouted = {(source, key.removesuffix("_all_reduce")): key for source, key in links if key in exchanges}
        return [(rerouted.get((start, end), start), end) for start, end in links]

    def operators(self) -> pl.DataFrame:
        """One row per distinct operator, in the order data flows.

        FLOPs, bytes and seconds are of all its occurrences in one pass on one device; intensity in FLOPs per byte,
        rates in FLOP/s, shares of the predicted time of the pass in percent.
        """
        whole_s = sum(_likely_s(time) for time in self.estimate.operators)
        rows = [self._operator_row(time, whole_s) for time in self.estimate.operators]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _operator_row(self, time: OperatorTime, whole_s: float) -> dict[str, object]:
        operator = time.operator
        count, flops = operator.count, float(operator.flops)
        bound_s, likely_s = float(time.bound_s), float(time.prediction.likely_s)
        ridge = self.ridge_of(operator)
        return {
            "key": f"{operator.place}/{operator.name}",
            "place": operator.place,
            "operator": operator.name,
            "kind": operator.operator_class,
            "count": count,
            "flops": count * flops,
            **{name: count * float(getattr(operator, name)) for name in BYTE_CLASSES},
            "communication_bytes": count * float(operator.communication_bytes),
            "bytes_moved": count * float(operator.bytes_moved),
            "intensity": float(time.intensity),
            "ridge": ridge,
            "bound_by": time.bound_by,
            "side": _side(time, ridge),
            "bound_s": count * bound_s,
            "low_s": count * float(time.prediction.low_s),
            "likely_s": count * likely_s,
            "high_s": count * float(time.prediction.high_s),
            "share_pct": 100 * count * likely_s / whole_s,
            "bound_flops_per_s": flops / bound_s if bound_s > 0 else 0.0,
            "likely_flops_per_s": flops / likely_s,
            "low_flops_per_s": flops / float(time.prediction.high_s),
            "high_flops_per_s": flops / float(time.prediction.low_s),
            "is_calibrated": time.calibrated,
        }


@dataclass(frozen=True, slots=True)
class ComputeRoof:
    """A horizontal roof and where it meets the slope.

    Attributes:
        label: Number format and what computes in it.
        flops_per_s: Its height.
        ridge: FLOPs per byte from which it, and no longer the bandwidth, is the limit.
        unit: Kind of operators that run under it.
    """

    label: str
    flops_per_s: float
    ridge: float
    unit: str


def occurrence_rows(times: Sequence[OperatorTime], fixed: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per operator, figures of one occurrence, after the columns given: rows of `marts.roofline_operators`."""
    return [
        {
            **fixed,
            "position": position,
            "place": time.operator.place,
            "operator": time.operator.name,
            "operator_class": time.operator.operator_class,
            "occurrences": time.operator.count,
            "flops": float(time.operator.flops),
            "weight_bytes": float(time.operator.weight_bytes),
            "activation_bytes": float(time.operator.activation_read_bytes + time.operator.activation_write_bytes),
            "kv_bytes": float(time.operator.kv_read_bytes + time.operator.kv_write_bytes),
            "intensity": float(time.intensity),
            "bound_by": time.bound_by,
            "bound_s": float(time.bound_s),
            "predicted_low_s": float(time.prediction.low_s),
            "predicted_s": float(time.prediction.likely_s),
            "predicted_high_s": float(time.prediction.high_s),
            "is_calibrated": time.calibrated,
        }
        for position, time in enumerate(times)
    ]


def _side(time: OperatorTime, ridge: float) -> str:
    """What binds an operator; `cache` where it lies left of its ridge, but its activations need not leave the cache."""
    cached = time.bound_by == "compute" and float(time.intensity) < ridge
    return "cache" if cached else time.bound_by


def _likely_s(time: OperatorTime) -> float:
    return float(time.operator.count * time.prediction.likely_s)


def _likely(time: PassTime | None) -> float | None:
    return None if time is None else float(time.likely_s)
