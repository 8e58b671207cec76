"""How far off abilities are, as rows of `marts.ability_error`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from analytics.ability.bootstrap import LEVEL, Levels
from analytics.ability.calibration import calibrate
from analytics.ability.capabilities_index import capabilities_index
from analytics.ability.comparison import rank_agreement
from analytics.ability.held_out import HeldOut, stretch_of
from analytics.ability.index_left_out import IndexLeftOut
from analytics.ability.model import PRIORS, Fit, fit
from analytics.ability.results import Flags, Floats, Integers, NoAbilityError, Results
from analytics.statistics.normal import TWO_SIDED_90
from pipelines.defs.ability import domains_left_out, evidence
from pipelines.defs.ability.evidence import Evidence
from warehouse.contracts.ability import ABILITY_ERROR, DOMAINS, OVERALL

_SHARE, _RATING, INDEX_KIND, _FIRST_DOMAIN = range(4)
"""Kinds of items, whose intervals are stretched each by its own factor: the scale, ratings, shares of each domain of a
hundred results, and all other shares."""
_LEAST_OF_KIND = 100
_LEAST_MODELS = 8
_THREADS = 2
_TOLERANCE = 1e-4
_TYPICAL_ERROR = 0.09
"""Of a share, where only its order among a board's own is asked for."""
_MATRIX = "ECI matrix"
_SCALE_SOURCE = "epoch_eci"


def kinds(now: Evidence) -> Integers:
    """(K,) kind of each item."""
    design = now.design
    kind = np.where(design.results.linear, _RATING, np.where(design.domain < 0, _SHARE, _FIRST_DOMAIN + design.domain))
    kind[now.scale_item] = INDEX_KIND
    results = np.bincount(kind[design.results.item], minlength=int(kind.max()) + 1)
    kind[(kind >= _FIRST_DOMAIN) & (results[kind] < _LEAST_OF_KIND)] = _SHARE
    return kind.astype(np.int64)


def domain_stretches(now: Evidence, out: HeldOut) -> Floats:
    """(D,) factors on the bootstrap in domains: what each one's shares ask for beyond all."""
    shares = ~np.isnan(out.error) & ~now.design.results.linear[now.design.results.item]
    of_all = stretch_of(np.abs(out.error[shares]) / out.deviation[shares])
    own = (out.stretch.get(_FIRST_DOMAIN + at, out.stretch.get(_SHARE, of_all)) for at in range(now.design.domains))
    return np.fromiter(own, dtype=np.float64) / of_all


def error_rows(
    now: Evidence, fitted: Fit, levels: Levels, out: HeldOut, index: IndexLeftOut, results: pl.DataFrame
) -> pl.DataFrame:
    """Rows of `marts.ability_error`.

    Args:
        now: Results and units.
        fitted: The fit.
        levels: Its levels in index points.
        out: Results left out and predicted.
        index: Published indices left out, against the intervals of abilities.
        results: `core.benchmark_results`.
    """
    rows = [
        *_held_out_rows(now, out),
        *_index_left_out_rows(index),
        *_boards_left_out_rows(now, fitted),
        *domains_left_out.rows(now, fitted),
        _prior_row(fitted, levels),
        *_refit_rows(results),
    ]
    return pl.DataFrame(
        [{"ci_level": None, **row} for row in rows],
        schema={name: ABILITY_ERROR.polars_schema[name] for name in _COLUMNS},
    ).with_columns(pl.lit(now.as_of).alias("as_of_date"))


_COLUMNS = [name for name in ABILITY_ERROR.column_names if name != "as_of_date"]


def _errors(error: Floats, naive: Floats | None) -> dict[str, Any]:
    return {
        "mean_absolute_error": float(np.abs(error).mean()),
        "root_mean_square_error": float(np.sqrt((error**2).mean())),
        "largest_error": float(np.abs(error).max()),
        "naive_mean_absolute_error": None if naive is None else float(np.abs(naive).mean()),
    }


def _held_out_rows(now: Evidence, out: HeldOut) -> list[dict[str, Any]]:
    results, domain = now.design.results, now.design.domain
    linear, is_predicted = results.linear[results.item], ~np.isnan(out.error)
    rows = []

    def add(name: str, compared: str, chosen: Flags, unit: str, scale: float = 1.0) -> None:
        if chosen.sum() >= _LEAST_MODELS:
            rows.append(
                {
                    "basis": "held-out results",
                    "domain": name,
                    "compared_with": compared,
                    "models": len(np.unique(results.unit[chosen])),
                    "results": int(chosen.sum()),
                    "unit": unit,
                    **_errors(scale * out.error[chosen], scale * out.naive_error[chosen]),
                    "coverage": float(out.covered[chosen].mean()),
                    "ci_level": LEVEL,
                }
            )

    shares = is_predicted & ~linear
    add(OVERALL, "five folds of all shares", shares, "share")
    for at, name in enumerate(DOMAINS[1:]):
        add(name, "five folds of all shares", shares & (domain[results.item] == at), "share")
    # Values of linear items are in quarters of a standard deviation.
    ratings = is_predicted & linear & (results.item != now.scale_item)
    add(OVERALL, "five folds of all ratings", ratings, "standard deviations", 4.0)
    return rows


def _index_left_out_rows(index: IndexLeftOut) -> list[dict[str, Any]]:
    """How far abilities of models without a published index are off, and how often their intervals hold it."""
    if len(index.error) < _LEAST_MODELS:
        return []
    return [
        {
            "basis": "held-out results",
            "domain": OVERALL,
            "compared_with": evidence.SCALE,
            "models": len(index.error),
            "results": len(index.error),
            "unit": "index points",
            **_errors(index.error, index.naive_error),
            "coverage": float(index.covered.mean()),
            "ci_level": LEVEL,
        }
    ]


def _boards_left_out_rows(now: Evidence, fitted: Fit) -> list[dict[str, Any]]:
    """The order of a source's models by itself against that of a fit without it; all sources but that of the scale."""
    scale_source = now.rows.filter(pl.col("benchmark") == evidence.SCALE)["source"][0]
    counted = now.rows.group_by("source").agg(pl.col("unit").n_unique().alias("units")).sort("source")
    enough = counted.filter(pl.col("source") != scale_source, pl.col("units") >= _LEAST_MODELS)["source"]

    def fitted_without(name: str) -> Fit | None:
        theirs = (now.rows["source"] == name).to_numpy()
        try:
            return fit(now.design.where(~theirs), at=fitted.items, tolerance=_TOLERANCE)
        except NoAbilityError:
            return None

    # Most of the work is in ufuncs, which let the other thread run.
    with ThreadPoolExecutor(_THREADS) as threads:
        fits = dict(zip(enough, threads.map(fitted_without, enough), strict=True))
    rows = []
    for name, without in fits.items():
        if without is None:
            continue
        theirs = (now.rows["source"] == name).to_numpy()
        results = now.design.results.where(theirs & (without.information[now.design.results.unit] > 0))
        units, own = board_alone(results)
        agreement = rank_agreement(without.ability[units], own)
        if agreement.pairs < _LEAST_MODELS:
            continue
        if np.isnan(agreement.spearman):
            continue
        rows.append(
            {
                "basis": "rank agreement",
                "domain": OVERALL,
                "compared_with": name,
                "models": agreement.pairs,
                "results": len(results),
                "unit": "ranks",
                "spearman": agreement.spearman,
                "spearman_low": agreement.low,
                "spearman_high": agreement.high,
            }
        )
    return rows


def board_alone(results: Results) -> tuple[Integers, Floats]:
    """(n,) units of a board and (n,) abilities from its results alone.

    A mean of scores would not do: a hard task is run on strong models, a release judges those of its day, and only the
    model of response compares models that did different tasks.
    """
    units, unit = np.unique(results.unit, return_inverse=True)
    items, item = np.unique(results.item, return_inverse=True)
    alone = replace(
        results,
        unit=unit.ravel().astype(np.int64),
        item=item.ravel().astype(np.int64),
        linear=results.linear[items],
        units=len(units),
    )
    weights = np.full(len(alone), 1 / _TYPICAL_ERROR**2)
    return units, calibrate(alone, PRIORS, weights=weights, tolerance=_TOLERANCE).ability


def _prior_row(fitted: Fit, levels: Levels) -> dict[str, Any]:
    error, naive = levels.unit * fitted.prior.left, levels.unit * fitted.prior.naive
    return {
        "basis": "prior",
        "domain": OVERALL,
        "compared_with": "makers left out",
        "models": len(error),
        "results": len(error),
        "unit": "index points",
        **_errors(error, naive),
        "coverage": float((np.abs(error) <= TWO_SIDED_90 * levels.unit * fitted.prior.expected_error).mean()),
        "ci_level": LEVEL,
    }


def _refit_rows(results: pl.DataFrame) -> list[dict[str, Any]]:
    """The published index from its own matrix, where all of that is there: what is bundled is not enough."""
    newest = results.filter("is_newest")
    matrix = newest.filter(pl.col("benchmark_version").str.starts_with(_MATRIX)).unique(["name_in_source", "benchmark"])
    index = newest.filter(pl.col("benchmark") == evidence.SCALE, pl.col("source") == _SCALE_SOURCE)
    stated = dict(index.select("name_in_source", "score").iter_rows())
    try:
        refit = capabilities_index(
            matrix["name_in_source"].to_list(), matrix["benchmark"].to_list(), matrix["score"].to_numpy()
        )
    except NoAbilityError:
        return []
    both = [(refit.index[at], stated[name]) for at, name in enumerate(refit.models) if name in stated]
    if len(both) < _LEAST_MODELS:
        return []
    ours, theirs = np.array(both).T
    agreement = rank_agreement(ours, theirs)
    return [
        {
            "basis": "published index",
            "domain": OVERALL,
            "compared_with": "refit of its own matrix",
            "models": len(both),
            "results": matrix.height,
            "unit": "index points",
            **_errors(ours - theirs, None),
            "spearman": agreement.spearman,
        }
    ]
