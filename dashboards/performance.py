"""One configuration asked of the performance model, as what pages show of it; no widgets, no figures, no files read.

Everything is computed in this process from `profiling`: reference architectures and accelerators, and the calibrations
that ship. Answers are cached by configuration, which is why a configuration is a plain value.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

import profiling
from profiling.accelerators import GIB, Accelerator
from profiling.accelerators import table as accelerators
from profiling.architecture import Architecture
from profiling.calibration import Calibration
from profiling.errors import DoesNotFit, ProfilingError, UnsupportedPrecision
from profiling.graph import edges
from profiling.memory import (
    ENGINES,
    EngineProfile,
    MemoryNeed,
    activation_peak_bytes,
    gpus_needed,
    memory_need,
    need_of,
)
from profiling.operators import BYTE_CLASSES, Operator
from profiling.predictors import operator_models
from profiling.roofline import Estimate, OperatorModel, OperatorTime, estimate, roof_of
from profiling.sources import catalogue
from profiling.workload import (
    AttentionKernel,
    Parallelism,
    Precision,
    Stage,
    Values,
    Workload,
    precision_of,
    weight_formats,
)

AS_FORMAT = "auto"
PLAIN_BITS = {f"{bits}-bit": bits for bits in (8, 6, 5, 4, 3, 2)}
STAGES: Mapping[str, Stage] = {
    "Decode (one step)": "decode", "Prefill": "prefill", "Generation": "generate", "Encoder pass": "encode",
}  # fmt: skip
FORMAT_NAMES = {"fp16": "bf16/fp16"}
_CALIBRATIONS = Path(profiling.__file__).parent / "reference" / "calibrations"
_FEWER_BITS = ("fp8", "gptq-8bit-g128", "awq-4bit-g128")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One question, in the words of the page and its address."""

    model: str
    accelerator: str
    stage: Stage = "decode"
    batch: int = 8
    context: int = 2048
    generated: int = 256
    weights: str = "bf16"
    """A weight format, or plain bits such as `4-bit`, for which embeddings and head have the same width."""
    activations: str = AS_FORMAT
    """Bits of activations, or `auto`: as engines use the weight format."""
    kv_bits: str = "16"
    attention: AttentionKernel = "flash"
    tensor: int = 1
    pipeline: int = 1
    engine: str = "vllm-v1"

    @property
    def precision(self) -> Precision:
        """Bits per number, each class of its own."""
        return precision(self.weights, self.activations, float(self.kv_bits))

    @property
    def workload(self) -> Workload:
        """The question in the words of the performance model."""
        return Workload(
            stage=self.stage, batch=self.batch, context=self.context,
            generated=self.generated if self.stage == "generate" else 0, precision=self.precision,
            attention=self.attention, parallelism=Parallelism(self.tensor, self.pipeline),
        )  # fmt: skip

    @property
    def devices(self) -> str:
        """Accelerators in use, for reading."""
        count = self.tensor * self.pipeline
        return self.accelerator if count == 1 else f"{count} × {self.accelerator}"


def precision(weights: str, activations: str = AS_FORMAT, kv_bits: float = 16) -> Precision:
    """Bits per number of a weight format or plain bits, with activations as engines have them unless given.

    Raises:
        UnsupportedPrecision: there is no such format.
    """
    if weights in PLAIN_BITS:
        found = Precision(weight_bits=PLAIN_BITS[weights], kv_bits=kv_bits)
    else:
        found = precision_of(weights, kv_bits)
    return found if activations == AS_FORMAT else replace(found, activation_bits=float(activations))


def weight_choices() -> dict[str, str]:
    """Labels and names of what weights can be stored in."""
    stored = {f"{name} · {float(row['bits_per_weight']):.3g} bits": name for name, row in weight_formats().items()}
    return stored | {f"{bits} bits, embeddings and head too": name for name, bits in PLAIN_BITS.items()}


@cache
def models() -> Mapping[str, Architecture]:
    """Architectures of the catalogue by model; without those whose operators are not known (see `left_out`)."""
    found = {}
    for name, entry in catalogue().items():
        try:
            found[name] = entry.architecture()
        except ProfilingError:
            continue
    return found


def left_out() -> list[str]:
    """Models of the catalogue that cannot be timed, because the operators of their family are not known."""
    return [name for name in catalogue() if name not in models()]


def model_choices(kind: str | None = None) -> list[str]:
    """Models that can be asked about, in alphabetical order."""
    return sorted((n for n, m in models().items() if kind in (None, m.kind)), key=str.casefold)


@cache
def calibrations() -> Mapping[str, tuple[Calibration, ...]]:
    """Calibrations that ship, by accelerator; empty where none do."""
    found: dict[str, tuple[Calibration, ...]] = {}
    for file in sorted(_CALIBRATIONS.glob("*.json")) if _CALIBRATIONS.is_dir() else ():
        document = json.loads(file.read_text("utf-8"))
        rows = document.get("calibrations", [document]) if isinstance(document, dict) else document
        for row in rows:
            one = Calibration.from_dict(row)
            found[one.accelerator] = (*found.get(one.accelerator, ()), one)
    return found


@cache
def operator_models_of(accelerator: str) -> Mapping[str, OperatorModel] | None:
    """What predicts on that accelerator from measurements; None where nothing was measured."""
    known = calibrations().get(accelerator)
    return operator_models(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """The answer for one configuration, with what is shown beside it."""

    configuration: Configuration
    model: Architecture
    device: Accelerator
    estimate: Estimate
    prefill: Estimate | None
    """Where the time to first token comes from."""
    decode: Estimate | None
    """Where the time per output token comes from."""

    @property
    def runs(self) -> bool:
        """Whether the configuration fits, or may fit."""
        return self.estimate.fits != "does not fit"


@lru_cache(maxsize=512)
def analyse(configuration: Configuration) -> Analysis:
    """Time, memory and operators of one configuration.

    Raises:
        ProfilingError: The question cannot be asked so; the message names the nearest that can.
    """
    model, device = models()[configuration.model], accelerators()[configuration.accelerator]
    fitted = operator_models_of(device.name)

    def ask(stage: Stage) -> Estimate:
        workload = replace(configuration.workload, stage=stage, generated=configuration.generated)
        return estimate(model, device, workload, fitted, configuration.engine)

    main = ask(configuration.stage)
    prefill = decode = None
    if model.kind != "encoder" and configuration.stage != "encode":
        prefill = main if configuration.stage in {"prefill", "generate"} else ask("prefill")
        decode = main if configuration.stage in {"decode", "generate"} else ask("decode")
    return Analysis(
        configuration=configuration, model=model, device=device, estimate=main, prefill=prefill, decode=decode
    )


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


def compute_roofs(analysis: Analysis) -> list[ComputeRoof]:
    """Roofs of the number formats in use, from the highest; formats that coincide are one."""
    roof = roof_of(analysis.device, analysis.configuration.precision)
    used = {time.operator.unit for time in analysis.estimate.operators if float(time.operator.flops) > 0}
    product, attention = (FORMAT_NAMES.get(each, each) for each in (roof.product_format, roof.attention_format))
    shared = product == attention
    entries = [
        ("product", product if shared else f"{product} products", float(roof.product_peak)),
        ("attention_product", attention if shared else f"{attention} attention", float(roof.attention_peak)),
        ("vector", "fp32 element-wise", float(roof.vector_peak)),
    ]
    found: dict[float, ComputeRoof] = {}
    for unit, label, peak in entries:
        if unit in used and peak not in found:
            found[peak] = ComputeRoof(label, peak, peak / float(roof.bandwidth), unit)
    return sorted(found.values(), key=lambda entry: -entry.flops_per_s)


def ridge_of(analysis: Analysis, operator: Operator) -> float:
    """FLOPs per byte at which the roof of this operator meets the slope."""
    roof = roof_of(analysis.device, analysis.configuration.precision)
    return float(roof.peak_of(operator)) / float(roof.bandwidth)


def data_flow(analysis: Analysis) -> list[tuple[str, str]]:
    """Edges of the operator graph; residuals take what devices exchanged, if they did."""
    found = [time.operator for time in analysis.estimate.operators]
    links = edges(found)
    exchanges = {key for operator in found if (key := f"{operator.place}/{operator.name}").endswith("_all_reduce")}
    rerouted = {(source, key.removesuffix("_all_reduce")): key for source, key in links if key in exchanges}
    return [(rerouted.get((start, end), start), end) for start, end in links]


def operator_frame(analysis: Analysis) -> pl.DataFrame:
    """One row per distinct operator, in the order data flows.

    FLOPs, bytes and seconds are of all its occurrences in one pass on one device; intensity in FLOPs per byte, rates in
    FLOP/s, shares of the predicted time of the pass in percent.
    """
    times = analysis.estimate.operators
    whole = sum(float(time.operator.count * time.prediction.likely_s) for time in times)
    return pl.DataFrame([_row(analysis, time, whole) for time in times], infer_schema_length=None)


def _row(analysis: Analysis, time: OperatorTime, whole_s: float) -> dict[str, object]:
    operator = time.operator
    count, flops = operator.count, float(operator.flops)
    bound_s, likely_s = float(time.bound_s), float(time.prediction.likely_s)
    ridge = ridge_of(analysis, operator)
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


def _side(time: OperatorTime, ridge: float) -> str:
    """What binds an operator; `cache` where it lies left of its ridge, but its activations need not leave the cache."""
    cached = time.bound_by == "compute" and float(time.intensity) < ridge
    return "cache" if cached else time.bound_by


def largest_batch(need: MemoryNeed, engine: EngineProfile, peak: Values, batch: float, *, mixture: bool) -> Values:
    """Most sequences that fit for sure, from what a known batch needs; 0 where not even one does.

    Cache and activations grow in proportion to the batch, the latter once they exceed the engine's own share. So the
    limit is the smaller of two quotients, for which `profiling.memory.max_batch` searches (a test holds them equal).

    Args:
        need: Of the known batch; the high end counts, as for the verdict `fits`.
        engine: Whose share it is.
        peak: Bytes of activations of the known batch, before the engine's share.
        batch: The known batch.
        mixture: Whether the model has experts, for which engines take another share.
    """
    own = (engine.mixture_activation_gib if mixture else engine.activation_gib)[1] * GIB
    room = np.subtract(need.budget, need.weights) - need.other.high
    cache, activations = np.divide(need.kv_cache.high, batch), np.divide(peak, batch)
    with np.errstate(divide="ignore"):
        quotient = np.minimum(np.divide(room - own, cache), np.divide(room, cache + activations))
    # The quotient of a batch that fits exactly may fall short of it by rounding.
    return np.asarray(np.clip(np.floor(quotient * (1 + 1e-12)), 0, 2**20))


def largest_batch_of(configuration: Configuration) -> int:
    """Most sequences of this configuration that fit for sure."""
    model, device = models()[configuration.model], accelerators()[configuration.accelerator]
    workload, engine = configuration.workload, ENGINES[configuration.engine]
    peak = activation_peak_bytes(model, workload)
    need = need_of(model, workload, device.usable_memory_bytes, engine, peak)
    return int(largest_batch(need, engine, peak, configuration.batch, mixture=model.is_mixture_of_experts))


class WayOut(NamedTuple):
    """A change that makes a configuration fit."""

    text: str
    changes: Mapping[str, str | int]


def ways_out(configuration: Configuration) -> list[WayOut]:
    """What would make a configuration fit: more devices, fewer bits, one larger device, a smaller batch."""
    model, device = models()[configuration.model], accelerators()[configuration.accelerator]
    workload = configuration.workload
    need = memory_need(model, device, workload, configuration.engine)
    found: list[WayOut] = []
    try:
        plan = gpus_needed(model, device, workload, configuration.engine)
        split = f"tp={plan.tensor}" + (f" × pp={plan.pipeline}" if plan.pipeline > 1 else "")
        found.append(WayOut(
            f"{plan.devices} × {device.name} ({split})", {"tensor": plan.tensor, "pipeline": plan.pipeline}
        ))  # fmt: skip
    except DoesNotFit:
        pass
    for weights in _FEWER_BITS:
        other = replace(configuration, weights=weights, activations=AS_FORMAT)
        if float(other.precision.weight_bits) < float(configuration.precision.weight_bits) and _fits(other):
            found.append(WayOut(f"{weights} weights", {"weights": weights, "activations": AS_FORMAT}))
            break
    share = ENGINES[configuration.engine].utilisation
    larger = [
        other for other in accelerators().values()
        if other.kind == device.kind and float(need.high) <= other.usable_memory_bytes * share
    ]  # fmt: skip
    if larger:
        least = min(larger, key=lambda other: other.usable_memory_bytes)
        found.append(WayOut(f"{least.name} ({least.usable_memory_bytes / GIB:.0f} GiB)", {"accelerator": least.name}))
    batch = largest_batch_of(configuration)
    if 0 < batch < configuration.batch:
        found.append(WayOut(f"batch {batch:,}", {"batch": batch}))
    return found


def _fits(configuration: Configuration) -> bool:
    model, device = models()[configuration.model], accelerators()[configuration.accelerator]
    try:
        roof_of(device, configuration.precision)
        need = memory_need(model, device, configuration.workload, configuration.engine)
    except UnsupportedPrecision:
        return False
    return need.verdict == "fits"


def measured_share(estimate: Estimate) -> float:
    """Share of the predicted time that is of operators predicted from measurements."""
    times = [(float(time.operator.count * time.prediction.likely_s), time.calibrated) for time in estimate.operators]
    return sum(seconds for seconds, known in times if known) / sum(seconds for seconds, _ in times)


def held_out(analysis: Analysis) -> str:
    """How much of the prediction rests on measurements, and how far off those were on kernels not used in the fit."""
    accelerator = analysis.device.name
    known = [one for one in calibrations().get(accelerator, ()) if one.held_out_mape_pct is not None]
    if not known:
        return (
            f"Not calibrated: no kernels measured on {accelerator} ship with Skyline. Documented default "
            "efficiencies with a wide interval (65 % to 180 % of the likely time)."
        )
    kernels = sum(one.kernels for one in known)
    errors = ", ".join(f"{one.operator_class.replace('_', ' ')} {one.held_out_mape_pct:.1f} %" for one in known)
    share = measured_share(analysis.estimate)
    begin = "Calibrated" if share > 0.5 else "Mostly not calibrated"
    return (
        f"{begin}: {100 * share:.0f} % of the time is of operators like the {kernels:,} kernels measured on "
        f"{accelerator}; mean error on shapes held out: {errors}. Their intervals hold 80 %; the rest has "
        "defaults and a wide interval (65 % to 180 %)."
    )
