"""Whether ability in a domain says more than overall ability: by benchmarks of the domain that neither has seen."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl

from analytics.ability.bootstrap import domain_groups, domain_shifts
from analytics.ability.comparison import rank_agreement, rank_gain
from analytics.ability.model import Fit, fit
from analytics.ability.results import Flags, Floats, Integers, NoAbilityError
from pipelines.defs.ability.evidence import Evidence, plain
from warehouse.contracts.ability import DOMAINS

BASIS = "benchmark left out of its domain"
_LEAST_MODELS = 20
"""Fewer leave an interval of a rank correlation that says nothing."""
_MOST_OF_A_DOMAIN = 4
_THREADS = 2
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class LeftOut:
    """A benchmark with all that goes with it: everything of its board, and its namesakes of the domain on other boards.

    Attributes:
        domain: Place among `DOMAINS[1:]`.
        name: Benchmark and its board.
        item: Whose values are held against abilities.
        models: Units that it judged and that have other results in the domain.
        remaining: (N,) results that are left.
    """

    domain: int
    name: str
    item: int
    models: int
    remaining: Flags


def benchmarks_of_domains(now: Evidence) -> list[LeftOut]:
    """Of each board its widest benchmark in a domain; of the boards of a domain the four that most models allow."""
    results = now.design.results
    items = now.items.with_row_index("item").with_columns(
        plain(pl.col("benchmark")).alias("plain"),
        pl.Series("units", results.per_item()),
        pl.Series("domain", now.design.domain),
    )
    widest = (
        items.filter(pl.col("domain") >= 0, pl.col("units") >= _LEAST_MODELS)
        .sort("units", "item", descending=[True, False])
        .unique(["domain", "item_source"], keep="first", maintain_order=True)
    )
    candidates = [_left_out(now, items, benchmark) for benchmark in widest.iter_rows(named=True)]
    enough = sorted(
        (candidate for candidate in candidates if candidate.models >= _LEAST_MODELS),
        key=lambda candidate: (candidate.domain, -candidate.models),
    )
    of_domain = (list(each) for _, each in groupby(enough, key=lambda candidate: candidate.domain))
    return [candidate for each in of_domain for candidate in each[:_MOST_OF_A_DOMAIN]]


def _left_out(now: Evidence, items: pl.DataFrame, benchmark: dict[str, Any]) -> LeftOut:
    namesake = (pl.col("plain") == benchmark["plain"]) & (pl.col("domain") == benchmark["domain"])
    of_board = (pl.col("item_source") == benchmark["item_source"]) & (pl.col("item") != now.scale_item)
    item, unit = now.design.results.item, now.design.results.unit
    remaining = ~items.select(namesake | of_board).to_series().to_numpy()[item]
    elsewhere = np.unique(unit[remaining & (now.design.domain[item] == benchmark["domain"])])
    models = np.isin(unit[item == benchmark["item"]], elsewhere).sum()
    name = f"{benchmark['benchmark']} ({benchmark['item_source']})"
    return LeftOut(int(benchmark["domain"]), name, int(benchmark["item"]), int(models), remaining)


def rows(now: Evidence, fitted: Fit) -> list[dict[str, Any]]:
    """Rows of `marts.ability_error`: order by a benchmark against that by the domain, and by overall ability.

    Both are of one fit without the benchmark, over the models that it judged and that have other results in the domain.
    A published index stands in both: it is fitted to a matrix that may hold the benchmark, which favours `overall`.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        made = threads.map(lambda benchmark: _row(now, fitted, benchmark), benchmarks_of_domains(now))
        return [row for row in made if row is not None]


def _row(now: Evidence, fitted: Fit, out: LeftOut) -> dict[str, Any] | None:
    remaining_design = now.design.where(out.remaining)
    try:
        without = fit(remaining_design, at=fitted.items, tolerance=_TOLERANCE)
    except NoAbilityError:
        return None
    group, _, _ = domain_groups(remaining_design)
    mine = group % remaining_design.domains == out.domain
    unit = group[mine] // remaining_design.domains
    by_domain = np.full(remaining_design.results.units, np.nan)
    by_domain[unit] = without.ability[unit] + domain_shifts(remaining_design, without)[mine]
    units, truth = _scores(now, out)
    has_figure = ~np.isnan(by_domain[units]) & (without.information[units] > 0)
    units, truth = units[has_figure], truth[has_figure]
    if len(units) < _LEAST_MODELS:
        return None
    domain, overall = rank_agreement(by_domain[units], truth), rank_agreement(without.ability[units], truth)
    if np.isnan(domain.spearman) or np.isnan(overall.spearman):
        return None
    gain = rank_gain(by_domain[units], without.ability[units], truth)
    return {
        "basis": BASIS,
        "domain": DOMAINS[1 + out.domain],
        "compared_with": out.name,
        "models": len(units),
        "results": len(units),
        "unit": "ranks",
        "spearman": domain.spearman,
        "spearman_low": domain.low,
        "spearman_high": domain.high,
        "overall_spearman": overall.spearman,
        "overall_spearman_low": overall.low,
        "overall_spearman_high": overall.high,
        "spearman_gain": gain.gain,
        "spearman_gain_low": gain.low,
        "spearman_gain_high": gain.high,
    }


def _scores(now: Evidence, out: LeftOut) -> tuple[Integers, Floats]:
    """(n,) units that the benchmark judged, once each, and (n,) what it says of them."""
    mine = now.design.results.item == out.item
    return now.design.results.unit[mine], now.design.results.value[mine]
