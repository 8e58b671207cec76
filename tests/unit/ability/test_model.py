"""Units, modes, domains, vendors and intervals: what the model does with made results whose truth is known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from analytics.ability import bootstrap
from analytics.ability.bootstrap import Levels, levels
from analytics.ability.comparison import Gain, beyond_noise, rank_agreement, rank_gain
from analytics.ability.design import Design
from analytics.ability.held_out import held_out
from analytics.ability.model import fit
from analytics.ability.results import Results, standardised
from analytics.ability.scale import ByAnchors, ByIndexItem


@pytest.fixture(scope="module")
def scale(names: list[str]) -> ByAnchors:
    return ByAnchors(names.index("Claude 3.5 Sonnet"), names.index("GPT-5"))


@pytest.fixture(scope="module")
def abilities(design: Design, scale: ByAnchors) -> Levels:
    return levels(design, fit(design), scale, rounds=200)


def test_intervals_follow_the_published_ones(abilities: Levels, names: list[str], published: pl.DataFrame) -> None:
    known = {row[0]: row[1:] for row in published.select("Model", "eci", "eci_ci_low", "eci_ci_high").iter_rows()}
    at = [place for place, name in enumerate(names) if known[name][1] is not None]
    theirs = np.array([known[names[place]] for place in at])
    assert np.median(np.abs(abilities.ability[at] - theirs[:, 0])) < 1.0
    width, stated = (abilities.high - abilities.low)[at], theirs[:, 2] - theirs[:, 1]
    assert np.corrcoef(np.log(width), np.log(stated))[0, 1] > 0.95
    inside = (abilities.low[at] <= theirs[:, 0]) & (theirs[:, 0] <= abilities.high[at])
    # As often as they say, though the published index weighs all benchmarks alike.
    assert inside.mean() > 0.9


def test_a_few_alternations_per_round_give_the_intervals_of_whole_fits(
    design: Design, scale: ByAnchors, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = fit(design)
    quick = levels(design, fitted, scale, rounds=50)
    monkeypatch.setattr(bootstrap, "_SWEEPS", 60)
    monkeypatch.setattr(bootstrap, "_STEPS", 20)
    whole = levels(design, fitted, scale, rounds=50)
    off = np.maximum(np.abs(quick.low - whole.low), np.abs(quick.high - whole.high))
    width = np.maximum(whole.high - whole.low, 1.0)
    assert np.median(off / width) < 0.03
    assert np.median((quick.high - quick.low) / width) == pytest.approx(1, abs=0.03)


def test_one_result_gives_a_wide_interval_and_none_gives_no_information(design: Design, scale: ByAnchors) -> None:
    results = design.results
    unit = int(np.argsort(-results.per_unit())[20])
    of_unit = np.flatnonzero(results.unit == unit)
    remaining = np.ones(len(results), dtype=bool)
    remaining[of_unit[1:]] = False
    remaining_design = design.where(remaining)
    few, many = (levels(each, fit(each), scale, rounds=200) for each in (remaining_design, design))
    assert few.high[unit] - few.low[unit] > 1.5 * (many.high[unit] - many.low[unit])
    assert few.low[unit] < many.ability[unit] < few.high[unit]
    remaining[of_unit[0]] = False
    assert fit(design.where(remaining)).information[unit] == 0


def test_a_published_index_is_an_item_and_sets_the_scale(
    design: Design, names: list[str], published: pl.DataFrame
) -> None:
    index = dict(published.select("Model", "eci").iter_rows())
    results = design.results
    figure = np.array([index[name] for name in names])
    item = np.full(len(names), results.items)
    linear = np.append(results.linear, True)
    value, centre, width = standardised(figure, item, linear)
    joined = Results(
        np.append(results.unit, np.arange(len(names))),
        np.append(results.item, item),
        np.append(results.value, value),
        np.append(results.error, np.full(len(names), 1.5) / width[-1]),
        np.append(results.by_vendor, np.zeros(len(names), dtype=bool)),
        linear,
        results.units,
    )
    whole = replace(
        design,
        results=joined,
        source=np.append(design.source, np.full(len(names), design.sources)),
        sources=design.sources + 1,
        standing=np.append(np.zeros(len(results), dtype=bool), np.ones(len(names), dtype=bool)),
        decisive=np.append(np.zeros(len(results), dtype=bool), np.ones(len(names), dtype=bool)),
        domain=np.append(design.domain, -1),
    )
    fitted = fit(whole)
    intercept, slope = ByIndexItem(results.items, centre[-1], width[-1]).line(
        fitted.items.slope, fitted.items.difficulty, fitted.ability
    )
    assert np.abs(intercept + slope * fitted.ability - figure).max() < 0.2


def _made(mode_effect: float, vendor_effect: float, seed: int = 3) -> tuple[Design, np.ndarray]:
    """60 models, every third in two modes, on 12 benchmarks; vendors report a third of the results."""
    random = np.random.default_rng(seed)
    models = np.concatenate([np.arange(60), np.arange(0, 60, 3)])
    mode = np.concatenate([np.zeros(60, dtype=np.int64), np.ones(20, dtype=np.int64)])
    ability = random.normal(size=60)[models] + mode_effect * mode
    units = len(models)
    unit, item = np.repeat(np.arange(units), 12), np.tile(np.arange(12), units)
    difficulty, slope = np.linspace(-1.5, 1.5, 12), np.full(12, 2.0)
    by_vendor = random.random(len(unit)) < 1 / 3
    logit = slope[item] * (ability[unit] - difficulty[item]) + vendor_effect * by_vendor
    value = expit(logit + 0.15 * random.normal(size=len(unit)))
    results = Results(unit, item, value, np.zeros(len(unit)), by_vendor, np.zeros(12, dtype=bool), units)
    made = Design(
        results,
        item,
        12,
        np.zeros(len(unit), dtype=bool),
        np.zeros(len(unit), dtype=bool),
        np.arange(12) % 3,
        3,
        models,
        mode,
        models % 7,
        np.zeros(units, dtype=np.int64),
        np.zeros((units, 1)),
    )
    return made, ability


def test_the_effects_of_modes_and_of_vendors_come_out() -> None:
    made, ability = _made(mode_effect=0.5, vendor_effect=0.4)
    fitted = fit(made)
    # Scale and location of a fit are free; ratios are not.
    slope, _ = np.polyfit(ability, fitted.ability, 1)
    assert np.corrcoef(ability, fitted.ability)[0, 1] > 0.99
    assert fitted.modes.models == 20
    assert fitted.modes.effect[1] / slope == pytest.approx(0.5, abs=0.1)
    assert fitted.items.vendor == pytest.approx(0.4, abs=0.06)


def test_a_benchmark_that_scatters_more_counts_less_and_its_results_are_held_by_wider_intervals() -> None:
    made, _ = _made(mode_effect=0.0, vendor_effect=0.0)
    loud = made.results.item >= 9
    jumps = np.where(loud, 1.2, 0.0) * np.random.default_rng(4).normal(size=len(loud))
    value = expit(np.log(made.results.value / (1 - made.results.value)) + jumps)
    noisy = replace(made, results=replace(made.results, value=value))
    fitted = fit(noisy)
    assert fitted.noise.share[9:].min() > 1.5
    assert fitted.noise.share[:9].max() < 0.7
    assert fitted.weight[loud].mean() < 0.5 * fitted.weight[~loud].mean()
    out = held_out(noisy, kind=(np.arange(12) >= 9).astype(np.int64), folds=5, tune=False)
    assert out.covered[loud].mean() == pytest.approx(0.9, abs=0.05)
    assert out.covered[~loud].mean() == pytest.approx(0.9, abs=0.05)


def test_one_result_in_a_domain_holds_it_however_far_domains_may_lie_apart() -> None:
    made, _ = _made(mode_effect=0.0, vendor_effect=0.0)
    few = np.arange(made.results.units) >= 60
    single = made.where(~few[made.results.unit] | (made.results.item == 6))
    fitted = fit(single)
    spread = fitted.ability.std()
    apart = replace(fitted, domain_spread=np.where(few, 5 * spread, 0.0))
    fitted_levels = levels(single, apart, ByAnchors(0, 1), rounds=200)
    width = np.abs((fitted_levels.domain_high - fitted_levels.domain_low) / fitted_levels.unit)
    # A round that begins where its benchmark is flat ends there: of half of them the interval was eight times as wide.
    assert np.median(width[few[fitted_levels.group // single.domains]]) < 2 * spread


def test_a_model_seen_in_one_mode_only_once_leans_on_its_other_mode() -> None:
    made, _ = _made(mode_effect=0.5, vendor_effect=0.0)
    whole = fit(made).ability
    leaning, strange = [], []
    for unit in range(60, 80):
        alone = made.where((made.results.unit != unit) | (made.results.item == 5))
        stranger = replace(alone, model=np.where(np.arange(made.results.units) == unit, 99, made.model))
        leaning.append(abs(fit(alone).ability[unit] - whole[unit]))
        strange.append(abs(fit(stranger).ability[unit] - whole[unit]))
    assert np.mean(leaning) < 0.9 * np.mean(strange)


def test_of_two_orders_the_one_nearer_to_the_truth_gains_and_equal_ones_do_not() -> None:
    random = np.random.default_rng(7)
    truth = random.normal(size=60)
    near, far = truth + 0.2 * random.normal(size=60), truth + 1.5 * random.normal(size=60)
    gain = rank_gain(near, far, truth)
    expected = rank_agreement(near, truth).spearman - rank_agreement(far, truth).spearman
    assert gain.gain == pytest.approx(expected)
    assert 0 < gain.low < gain.gain < gain.high
    assert rank_gain(near, near, truth) == Gain(0.0, 0.0, 0.0)


def test_orders_are_compared_with_their_uncertainty() -> None:
    same = rank_agreement(np.arange(30.0), np.exp(np.arange(30.0)))
    assert same.spearman == pytest.approx(1)
    few = rank_agreement(np.arange(4.0), np.arange(4.0))
    assert np.isnan(few.spearman)
    assert few.pairs == 4


def test_a_change_counts_only_beyond_what_the_differing_results_explain() -> None:
    change, width = np.array([3.0, 3.0, 0.0]), np.full(3, 6.0)
    assert beyond_noise(change, width, width, np.array([0.0, 0.9, 1.0])).tolist() == [False, True, False]
