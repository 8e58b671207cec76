"""Intervals of abilities hold the published index of models whose index the fit has not seen."""

from dataclasses import replace

import numpy as np
import pytest

from analytics.ability.bootstrap import levels
from analytics.ability.design import Design
from analytics.ability.index_left_out import IndexLeftOut, index_left_out, margin_of
from analytics.ability.model import Fit, fit
from analytics.ability.results import Floats, Integers, Results, standardised
from analytics.ability.scale import ByIndexItem

_MODELS, _BENCHMARKS = 150, 10
_OFF = 3.0
"""By how much, in index points, an index scatters around what the benchmarks say."""


@pytest.fixture(scope="module")
def made() -> tuple[Design, ByIndexItem, Floats]:
    """150 models on ten benchmarks that agree closely, and an index that knows something else besides."""
    random = np.random.default_rng(8)
    ability = random.normal(size=_MODELS)
    unit, item = np.repeat(np.arange(_MODELS), _BENCHMARKS), np.tile(np.arange(_BENCHMARKS), _MODELS)
    logit = 1.5 * (ability[unit] - np.linspace(-1.5, 1.5, _BENCHMARKS)[item]) + 0.1 * random.normal(size=len(unit))
    index = 130 + 10 * ability + _OFF * random.normal(size=_MODELS)
    linear = np.arange(_BENCHMARKS + 1) == _BENCHMARKS
    value, centre, width = standardised(index, np.full(_MODELS, _BENCHMARKS), linear)
    units: Integers = np.arange(_MODELS)
    results = Results(
        np.append(unit, units),
        np.append(item, np.full(_MODELS, _BENCHMARKS)),
        np.append(1 / (1 + np.exp(-logit)), value),
        np.zeros(len(unit) + _MODELS),
        np.zeros(len(unit) + _MODELS, dtype=bool),
        linear,
        _MODELS,
    )
    is_index = results.item == _BENCHMARKS
    design = Design(
        results,
        results.item,
        _BENCHMARKS + 1,
        is_index,
        is_index,
        np.where(linear, -1, 0),
        1,
        units,
        np.zeros(_MODELS, dtype=np.int64),
        units % 7,
        np.zeros(_MODELS, dtype=np.int64),
        np.zeros((_MODELS, 1)),
    )
    return design, ByIndexItem(_BENCHMARKS, centre[-1], width[-1]), np.append(np.zeros(len(unit)), index)


@pytest.fixture(scope="module")
def fitted(made: tuple[Design, ByIndexItem, Floats]) -> Fit:
    return fit(made[0])


@pytest.fixture(scope="module")
def left(made: tuple[Design, ByIndexItem, Floats], fitted: Fit) -> IndexLeftOut:
    design, scale, index = made
    return index_left_out(design, fitted, scale, _BENCHMARKS, index)


def test_what_resampling_does_not_show_is_found_and_indices_left_out_lie_inside(left: IndexLeftOut) -> None:
    assert len(left.error) == _MODELS
    assert (np.abs(left.error) <= left.half).mean() < 0.8, "results that agree say nothing of the index"
    assert left.margin == pytest.approx(1.645 * _OFF, rel=0.25)
    assert left.covered.mean() == pytest.approx(0.9, abs=0.04)
    assert np.abs(left.error).mean() < 0.5 * np.abs(left.naive_error).mean()


def test_the_intervals_that_are_shown_are_those_that_were_held_against_the_index(
    made: tuple[Design, ByIndexItem, Floats], left: IndexLeftOut
) -> None:
    design, scale, index = made
    remaining = np.ones(len(design.results), dtype=bool)
    unseen = np.flatnonzero(design.results.item == _BENCHMARKS)[::3]
    remaining[unseen] = False
    rest = design.where(remaining)
    left_out = levels(rest, fit(rest), scale, rounds=60, margin=left.margin)
    unit = design.results.unit[unseen]
    inside = (left_out.low[unit] <= index[unseen]) & (index[unseen] <= left_out.high[unit])
    assert inside.mean() > 0.8
    plain = levels(rest, fit(rest), scale, rounds=60)
    seen = np.setdiff1d(np.arange(_MODELS), unit)
    assert left_out.high[seen] == pytest.approx(plain.high[seen]), "a published index has its own error alone"


def test_the_margin_is_none_where_the_bootstrap_is_enough() -> None:
    error = np.linspace(-2, 2, 41)
    assert margin_of(error, np.full(41, 2.0)) == 0
    assert margin_of(error, np.zeros(41)) == pytest.approx(1.8)
    assert margin_of(np.zeros(0), np.zeros(0)) == 0


def test_an_index_left_out_does_not_depend_on_its_own_figure(
    made: tuple[Design, ByIndexItem, Floats], fitted: Fit, left: IndexLeftOut
) -> None:
    design, scale, index = made
    nothing = replace(design, results=design.results.where(np.ones(len(design.results), dtype=bool)))
    again = index_left_out(nothing, fitted, scale, _BENCHMARKS, np.where(index > 0, index + 1, 0))
    assert again.error == pytest.approx(left.error - 1)
