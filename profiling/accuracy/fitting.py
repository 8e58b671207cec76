"""Fits engines to measured rows and measures how far the fit is off on devices and on models it has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from profiling.accuracy.cases import Case
from profiling.accuracy.composition import first_token_parts, parts_of_cases, settings_of
from profiling.accuracy.energy import fit_power_shares, power_share
from profiling.accuracy.passes import Passes, passes_of
from profiling.accuracy.predict import bounds_of
from profiling.accuracy.residuals import residual_table
from profiling.accuracy.soundness import too_fast
from profiling.engines.effects import EFFECTS, FIRST_TOKEN_EFFECTS, Setting
from profiling.engines.fit import Effects, Parameters, Rows, fit, folds_of, held_out_s, predicted_s
from profiling.engines.table import device_class
from profiling.engines.time import EngineTimes, Residuals
from profiling.roofline.estimate import Calibration

Array = npt.NDArray[np.float64]


def fit_times(cases: Sequence[Case], calibrations: Mapping[str, Calibration], source: str) -> EngineTimes:
    """Effects of engines from measured rows, with the errors of ten folds over whole devices and over whole models.

    Args:
        cases: Measurements as questions; times and energies.
        calibrations: Operator models by class, by device.
        source: Where the rows are from, for the file.
    """
    passes = passes_of(cases, calibrations)
    settings = settings_of(cases)
    parts = parts_of_cases(cases, passes)
    sound = np.array([
        too_fast(case, float(bound)) is None for case, bound in zip(cases, bounds_of(cases, passes), strict=True)
    ])  # fmt: skip
    timed = np.array([case.stage != "energy" for case in cases]) & (parts.sum(axis=1) > 0) & sound
    rows, some = _rows(parts, cases, settings, timed), [case for case, one in zip(cases, timed, strict=True) if one]
    effects = fit(rows)
    errors: dict[str, Residuals] = {}
    errors |= _errors(rows, some, effects, EFFECTS)

    first_parts = first_token_parts(cases, passes, effects)
    waiting = first_parts.sum(axis=1) > 0
    first: Parameters = {}
    if waiting.any():
        first_rows = _rows(first_parts, cases, settings, waiting)
        first = fit(first_rows, FIRST_TOKEN_EFFECTS)
        waited = [case for case, one in zip(cases, waiting, strict=True) if one]
        errors |= _errors(first_rows, waited, first, FIRST_TOKEN_EFFECTS)

    energy, energy_errors = _energy(cases, passes, effects)
    errors |= energy_errors
    return EngineTimes(
        effects=effects, first_token=first, errors=errors,
        measured=dict(Counter(f"{case.engine.name}|{case.device.name}" for case in some)),
        classes=dict(Counter(f"{case.engine.name}|{device_class(case.device)}" for case in some)),
        source=source, energy=energy,
    )  # fmt: skip


def _rows(parts: Array, cases: Sequence[Case], settings: Sequence[Setting], where: npt.NDArray[np.bool_]) -> Rows:
    chosen = [int(index) for index in np.flatnonzero(where)]
    measured = np.array([cases[index].measured_s for index in chosen])
    return Rows(parts[chosen], measured, [settings[index] for index in chosen])


def _errors(rows: Rows, cases: Sequence[Case], fitted: Parameters, declared: Effects) -> dict[str, Residuals]:
    """Residuals by stage, scope and engine: of models left out (`device`) and of devices left out (`class`)."""
    found: dict[str, Residuals] = {}
    for scope, names in (
        ("device", [case.model.name for case in cases]),
        ("class", [case.device.name for case in cases]),
    ):
        folds = folds_of(names)
        ratios = rows.measured_s / held_out_s(rows, folds, fitted, declared)
        found |= residual_table(cases, ratios, scope, folds)
    return found


def _energy(
    cases: Sequence[Case], passes: Passes, effects: Parameters
) -> tuple[dict[str, float], dict[str, Residuals]]:  # fmt: skip
    metered = [index for index, case in enumerate(cases) if case.stage == "energy" and case.device.power_w]
    if not metered:
        return {}, {}
    some = [cases[index] for index in metered]
    kept = passes.of(metered)
    parts = parts_of_cases(some, kept)
    seconds = predicted_s(effects, Rows(parts, np.ones(len(some)), settings_of(some)))
    errors: dict[str, Residuals] = {}
    for scope, names in (
        ("device", [case.model.name for case in some]),
        ("class", [case.device.name for case in some]),
    ):
        folds = folds_of(names)
        ratios = np.empty(len(some))
        for fold in np.unique(folds):
            inside = folds != fold
            shares = fit_power_shares(
                [case for case, one in zip(some, inside, strict=True) if one], list(seconds[inside])
            )
            for index in np.flatnonzero(~inside):
                case = some[index]
                watts = power_share(shares, case) * float(case.device.power_w or np.nan) * case.split.devices
                ratios[index] = case.measured_s / (watts * seconds[index] / case.batch)
        errors |= residual_table(some, ratios, scope, folds)
    return fit_power_shares(some, list(seconds)), errors
