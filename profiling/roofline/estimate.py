"""The answer for one configuration: time of a pass from its operators and the engine, memory, fit and rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from profiling.devices.accelerators import Accelerator
from profiling.engines.parts import Launches
from profiling.engines.table import engine_of, opening_rate
from profiling.engines.time import Basis, shipped_times
from profiling.memory.engines import EngineProfile
from profiling.memory.need import MemoryNeed, memory_need
from profiling.models.architecture import Architecture
from profiling.roofline.operator_time import Calibration, OperatorTime, operator_times
from profiling.roofline.sums import BOUNDS, Sums, moved_bytes
from profiling.roofline.tokens import shifted_lengths
from profiling.roofline.whole import TIME_NAMES, EngineTime, PassTime, cut_as_by, interval
from profiling.roofline.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The answer for one configuration. Rates and latencies are None when the configuration does not fit."""

    model: str
    accelerator: str
    workload: Workload
    need: MemoryNeed
    operators: tuple[OperatorTime, ...]
    """Of the pass asked for; of a decode step in the middle for stage generate."""
    time: PassTime
    """Of the pass, or of the whole generation."""
    time_to_first_token: PassTime | None
    time_per_output_token: PassTime | None
    tokens_per_s: PassTime | None
    """Tokens processed (prefill, encode) or produced (decode, generate) per second; bound_s holds the rate at the
    bound, low_s and high_s the rates at the slow and fast end."""
    basis: Basis
    """What the times of whole passes rest on: measured rows of the engine, and how far they were off when left out."""

    @property
    def fits(self) -> str:
        """fits, borderline or does not fit."""
        return self.need.verdict

    @property
    def calibrated(self) -> bool:
        """Whether the operators that make up most of the time are predicted from measurements."""
        measured = sum(float(t.operator.count * t.bound_s) for t in self.operators if t.calibrated)
        return measured > 0.5 * float(Sums.least(self.operators).bound)

    @property
    def bound_by(self) -> str:
        """What bounds the largest part of the time."""
        return BOUNDS[int(Sums.least(self.operators).side())]

    @property
    def fraction_of_roof(self) -> float:
        """Bound over prediction."""
        return float(self.time.bound_s) / float(self.time.likely_s)


def estimate(
    model: Architecture,
    accelerator: Accelerator,
    workload: Workload,
    calibration: Calibration | None = None,
    engine: str = "vllm-v1",
    extra_bytes: float = 0.0,
    profile: EngineProfile | None = None,
) -> Estimate:
    """Time, latencies and rates of one configuration, with its memory verdict.

    Operators are those of the device; times of whole passes are what the engine makes of them, with the interval of
    measured passes that were left out of its fit. A batch passes through pipeline stages one after the other: they
    add memory, not speed, for a single batch, except where the engine cuts prompts into parts that follow each other.

    Args:
        model: The model.
        accelerator: The device.
        workload: What is asked.
        calibration: Operator models by class; used where the engine runs such kernels.
        engine: Whose memory is counted and whose passes are timed: "vllm-v1", "llama.cpp", "mlx", …
        extra_bytes: Memory of what lies beside the model on each device: adapters, a model that drafts.
        profile: What the engine adds to the memory; None: as it starts by itself.

    Raises:
        InvalidWorkload, IllegalParallelism, UnsupportedPrecision: The question cannot be asked so.
    """
    workload.check(model)
    need = replace(memory_need(model, accelerator, workload, profile or engine), extras=extra_bytes)
    timed = EngineTime(engine_of(engine, accelerator), shipped_times(), accelerator)
    fitted = calibration if timed.engine.reference_kernels else None

    opened_per_s, launches = opening_rate(timed.engine, accelerator), Launches.of(timed.engine, accelerator)

    def ask(load: Workload) -> tuple[list[OperatorTime], PassTime]:
        """A grid of one, or of as many as the load has lengths."""
        shown = operator_times(model, accelerator, load, fitted, timed.engine)
        cut = cut_as_by(timed.engine, load)
        run = shown if cut is load else operator_times(model, accelerator, cut, fitted, timed.engine)
        factors = timed.factors(model, cut, cut.precision)
        sums = Sums.least(shown, np.shape(load.context))
        for time in run:
            sums.add_likely(time, opened_per_s, factors)
        sums.add_host([time.operator for time in run], model, cut, launches, factors)
        bound_s = sums.bound_of_pass(moved_bytes(shown), accelerator, load)
        return shown, interval(timed.in_parts(sums.likely, cut), bound_s, *timed.ends(load))

    batch = float(workload.batch)
    first: PassTime | None = None
    per_token: PassTime | None = None
    typical = workload
    if workload.stage == "generate":
        _, first = ask(workload.at("prefill"))
        # One column per decode step: token i attends the prompt, the i tokens before it and itself.
        lengths = np.add(workload.context, np.arange(1, max(workload.generated, 2), dtype=np.float64))
        if workload.cache_tokens is not None:
            shifted = shifted_lengths(int(float(workload.context)), workload.generated, workload.cache_tokens)
            lengths = np.array(shifted, dtype=np.float64)
        _, steps = ask(workload.at("decode", lengths))
        mean = PassTime(*(np.mean(np.broadcast_to(getattr(steps, n), lengths.shape)) for n in TIME_NAMES))
        per_token = _per_token(mean, workload)
        rest = [np.add(getattr(first, n), (workload.generated - 1) * np.asarray(getattr(per_token, n)))
                for n in TIME_NAMES]  # fmt: skip
        whole = PassTime(*rest)
        typical = workload.at("decode", float(np.median(lengths)))
        shown, _ = ask(typical)
        tokens = batch * workload.generated
    else:
        shown, whole = ask(workload)
        if workload.stage == "decode":
            per_token = _per_token(whole, workload)
            tokens = batch * workload.tokens_per_step / (1 + workload.draft * workload.draft_cost)
        else:
            first = whole if workload.stage == "prefill" and model.kind != "encoder" else None
            tokens = batch * (float(workload.context) - float(workload.prefix))
    runs = need.verdict != "does not fit"
    return Estimate(
        model=model.name,
        accelerator=accelerator.name,
        workload=workload,
        need=need,
        operators=tuple(shown),
        time=whole,
        time_to_first_token=first if runs else None,
        time_per_output_token=per_token if runs else None,
        tokens_per_s=_rate(tokens, whole) if runs else None,
        basis=timed.basis(typical),
    )


def _per_token(step: PassTime, workload: Workload) -> PassTime:
    """Time between tokens; with speculation a step costs its drafts as well and yields several tokens."""
    return step.scaled((1 + workload.draft * workload.draft_cost) / workload.tokens_per_step)


def _rate(tokens: float, time: PassTime) -> PassTime:
    # A part that holds the input table alone takes no time at the bound: its rate is infinite.
    with np.errstate(divide="ignore"):
        return PassTime(tokens / time.bound_s, tokens / time.likely_s, tokens / time.high_s, tokens / time.low_s)
