"""The published index comes out of the published matrix."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from analytics.ability.calibration import Priors, calibrate, start
from analytics.ability.capabilities_index import CapabilitiesIndex, capabilities_index
from analytics.ability.results import NoAbilityError, above_chance, connected, plain_results


@pytest.fixture(scope="module")
def refit(matrix: pl.DataFrame) -> CapabilitiesIndex:
    return capabilities_index(
        matrix["model"].to_list(), matrix["benchmark"].to_list(), matrix["performance"].to_numpy()
    )


def test_the_published_index_of_every_model_comes_out(refit: CapabilitiesIndex, published: pl.DataFrame) -> None:
    stated = dict(published.select("Model", "eci").iter_rows())
    difference = np.abs([refit.index[at] - stated[name] for at, name in enumerate(refit.models)])
    assert len(difference) == 222
    assert np.median(difference) < 0.006
    assert difference.max() < 0.2


def test_the_published_difficulties_and_slopes_come_out(refit: CapabilitiesIndex, epoch_folder: Path) -> None:
    stated = pl.read_csv(epoch_folder / "2026-08-11_edi_scores.csv")
    difficulty = dict(stated.select("benchmark_name", "edi").iter_rows())
    slope = dict(stated.select("benchmark_name", "estimated_slope_scaled").iter_rows())
    assert max(abs(refit.difficulty[at] - difficulty[name]) for at, name in enumerate(refit.benchmarks)) < 0.2
    assert max(abs(refit.slope[at] / slope[name] - 1) for at, name in enumerate(refit.benchmarks)) < 0.01


def test_every_step_of_the_fit_is_a_descent_to_a_stationary_point(matrix: pl.DataFrame) -> None:
    results, _, _ = plain_results(
        matrix["model"].to_list(), matrix["benchmark"].to_list(), matrix["performance"].to_numpy()
    )
    priors = Priors(1e-3, 1e-3, 0.01, slope_centre=0.7)
    fit = calibrate(results, priors, tolerance=1e-13)
    assert fit.cost < calibrate(results, priors, at=start(results), most_iterations=3).cost
    again = calibrate(results, priors, at=fit, tolerance=1e-13)
    assert np.abs(again.ability - fit.ability).max() < 1e-3


def test_a_model_that_shares_no_benchmark_with_others_gets_no_index(matrix: pl.DataFrame) -> None:
    model = [*matrix["model"], "Hermit", "Hermit"]
    benchmark = [*matrix["benchmark"], "Hermitage 1", "Hermitage 2"]
    fit = capabilities_index(model, benchmark, np.append(matrix["performance"].to_numpy(), [0.9, 0.8]))
    assert fit.left_out == ["Hermit"]
    assert "Hermit" not in fit.models
    assert "Hermitage 1" not in fit.benchmarks


def test_a_matrix_without_an_anchor_is_refused_by_name(matrix: pl.DataFrame) -> None:
    rest = matrix.filter(pl.col("model") != "GPT-5")
    with pytest.raises(NoAbilityError, match="GPT-5"):
        capabilities_index(rest["model"].to_list(), rest["benchmark"].to_list(), rest["performance"].to_numpy())


def test_components_are_numbered_by_their_results() -> None:
    results, models, _ = plain_results(["a", "b", "b", "c", "d"], ["x", "x", "y", "z", "z"], np.full(5, 0.5))
    in_unit, in_item = connected(results)
    assert dict(zip(models, in_unit.tolist(), strict=True)) == {"a": 0, "b": 0, "c": 1, "d": 1}
    assert in_item.tolist() == [0, 0, 1]


def test_guessing_earns_nothing() -> None:
    assert above_chance(np.array([0.25, 0.758, 0.1]), np.full(3, 0.25)) == pytest.approx([0.001, 0.677333, 0.001])
    with pytest.raises(ValueError, match=r"within \[0, 1\)"):
        above_chance(np.array([0.5]), np.array([1.0]))
