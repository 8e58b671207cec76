"""Results left out are predicted, and intervals hold as often as they say."""

import numpy as np
import pytest

from analytics.ability.design import Design
from analytics.ability.held_out import HeldOut, held_out


@pytest.fixture(scope="module")
def out(design: Design) -> HeldOut:
    return held_out(design)


def test_results_left_out_are_predicted_three_times_as_well_as_by_benchmark_means(out: HeldOut) -> None:
    # A benchmark of six models can be left with too few in a fold.
    known = np.isfinite(out.predicted)
    assert known.mean() > 0.99
    error, naive = float(np.abs(out.error[known]).mean()), float(np.abs(out.naive_error[known]).mean())
    print(f"held out: MAE {error:.4f}, benchmark means {naive:.4f}")
    assert error <= 0.065
    assert naive == pytest.approx(0.180, abs=0.002)


def test_intervals_of_90_percent_hold_nine_times_in_ten_on_results_left_out(out: HeldOut, design: Design) -> None:
    known = np.isfinite(out.predicted)
    covered = out.covered[known].mean()
    print(f"coverage of intervals of 90 %: {covered:.3f}, stretch {out.stretch[0]:.3f}")
    assert covered == pytest.approx(0.90, abs=0.015)
    few = known & (design.results.per_unit()[design.results.unit] <= 4)
    assert out.covered[few].mean() == pytest.approx(0.90, abs=0.06)


def test_the_prediction_of_a_fold_does_not_depend_on_the_values_it_leaves_out(design: Design) -> None:
    values = design.results.value.copy()
    plain = held_out(design, folds=3, tune=False)
    values[plain.fold == 0] = 0.5
    changed = Design(**{**vars(design), "results": type(design.results)(**{**vars(design.results), "value": values})})
    again = held_out(changed, folds=3, tune=False)
    first = plain.fold == 0
    assert again.predicted[first] == pytest.approx(plain.predicted[first], nan_ok=True)
    assert not np.allclose(again.predicted[~first], plain.predicted[~first])
