"""Fits engines to measured rows and measures how far the fit is off on devices and on models it has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from profiling.accuracy.cases import Case
from profiling.accuracy.composition import all_parts, parts_of_cases, settings_of
from profiling.accuracy.energy import fit_power_shares, power_share
from profiling.accuracy.passes import Passes, passes_of
from profiling.accuracy.predict import bounds_of
from profiling.accuracy.residuals import residual_table
from profiling.accuracy.soundness import too_fast
from profiling.engines.effects import LOADED_EFFECTS
from profiling.engines.fit import DRAWS, Parameters, Rows, fit, folds_of, predicted_s
from profiling.engines.table import device_class
from profiling.engines.time import EngineTimes, Residuals
from profiling.roofline.operator_time import Calibration

Array = npt.NDArray[np.float64]
_ROUNDS = 2


def fit_times(cases: Sequence[Case], calibrations: Mapping[str, Calibration], source: str) -> EngineTimes:
    """Effects of engines from measured rows, with errors on whole devices and whole models left out.

    Args:
        cases: Measurements as questions; times and energies.
        calibrations: Operator models by class, by device.
        source: Where the rows are from, for the file.
    """
    passes = passes_of(cases, calibrations)
    whole = parts_of_cases(cases, passes).sum(axis=1)
    bounds = bounds_of(cases, passes)
    timed = [
        index
        for index, case in enumerate(cases)
        if case.stage != "energy" and whole[index] > 0 and too_fast(case, float(bounds[index])) is None
    ]
    some, timed_passes = [cases[index] for index in timed], passes.of(timed)
    effects: Parameters = {}
    for _ in range(_ROUNDS):
        # What is waited for is counted in passes at the effects of the round before.
        effects = fit(_rows(some, timed_passes, effects), LOADED_EFFECTS, effects or None)
    errors: dict[str, Residuals] = {}
    measured = np.array([case.measured_s for case in some])
    for scope, draws in _folds(some).items():
        held_out = [(measured / _held_out_s(some, timed_passes, folds, effects), folds) for folds in draws]
        errors |= residual_table(some, held_out, scope)
    energy, energy_errors = _energy(cases, passes, effects)
    errors |= energy_errors
    return EngineTimes(
        effects=effects, errors=errors,
        measured=dict(Counter(f"{case.engine.name}|{case.device.name}" for case in some)),
        classes=dict(Counter(f"{case.engine.name}|{device_class(case.device)}" for case in some)),
        median_months=_median_months(some), source=source, energy=energy,
    )  # fmt: skip


def _median_months(cases: Sequence[Case]) -> dict[str, str]:
    """The month of the middle row by `engine|device` and by `engine|class`, of those that state one."""
    months: dict[str, list[str]] = {}
    for case in cases:
        for name in (case.device.name, device_class(case.device)) if case.month else ():
            months.setdefault(f"{case.engine.name}|{name}", []).append(case.month)
    return {key: sorted(each)[len(each) // 2] for key, each in months.items()}


def _folds(cases: Sequence[Case]) -> dict[str, list[npt.NDArray[np.int64]]]:
    """Folds that leave out models, for errors on a device, and devices, for errors on others of their class.

    Several draws of each: which devices are left out together moves the share inside intervals by some points.
    """
    left_out = {"device": [case.model.name for case in cases], "class": [case.device.name for case in cases]}
    return {scope: [folds_of(names, draw=draw) for draw in range(DRAWS)] for scope, names in left_out.items()}


def _rows(cases: Sequence[Case], passes: Passes, parameters: Parameters) -> Rows:
    measured = np.array([case.measured_s for case in cases])
    return Rows(all_parts(cases, passes, parameters), measured, settings_of(cases))


def _held_out_s(cases: Sequence[Case], passes: Passes, folds: npt.NDArray[np.int64], start: Parameters) -> Array:
    """Seconds of each row, predicted from the rows of the other folds; `start` only shortens the way there."""
    result = np.empty(len(cases))
    for fold in np.unique(folds):
        inside, outside = ([int(at) for at in np.flatnonzero(where)] for where in (folds != fold, folds == fold))
        trained = fit(_rows([cases[index] for index in inside], passes.of(inside), start), LOADED_EFFECTS, start)
        left_out = _rows([cases[index] for index in outside], passes.of(outside), trained)
        result[outside] = predicted_s(trained, left_out, LOADED_EFFECTS)
    return result


def _energy(
    cases: Sequence[Case], passes: Passes, effects: Parameters
) -> tuple[dict[str, float], dict[str, Residuals]]:  # fmt: skip
    metered = [index for index, case in enumerate(cases) if case.stage == "energy" and case.device.power_w]
    if not metered:
        return {}, {}
    some = [cases[index] for index in metered]
    metered_passes = passes.of(metered)
    parts = parts_of_cases(some, metered_passes)
    seconds = predicted_s(effects, Rows(parts, np.ones(len(some)), settings_of(some)))
    errors: dict[str, Residuals] = {}
    for scope, draws in _folds(some).items():
        errors |= residual_table(some, [(_energy_ratios(some, seconds, folds), folds) for folds in draws], scope)
    return fit_power_shares(some, list(seconds)), errors


def _energy_ratios(cases: Sequence[Case], seconds: Array, folds: npt.NDArray[np.int64]) -> Array:
    """Measured energy over that predicted from the rows of the other folds."""
    ratios = np.empty(len(cases))
    for fold in np.unique(folds):
        inside = folds != fold
        shares = fit_power_shares([case for case, one in zip(cases, inside, strict=True) if one], list(seconds[inside]))
        for index in map(int, np.flatnonzero(~inside)):
            case = cases[index]
            watts = power_share(shares, case) * float(case.device.power_w or np.nan) * case.split.devices
            ratios[index] = case.measured_s / (watts * seconds[index] / case.batch)
    return ratios
