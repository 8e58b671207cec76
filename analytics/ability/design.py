"""What is known of results, units and items besides the numbers: who reported, who made, which domain, which mode."""

from dataclasses import dataclass, replace

import numpy as np

from analytics.ability.results import Flags, Floats, Integers, Results, summed

LEAST_RESULTS = 4
"""Items are calibrated on units of as many results or more, as in the Epoch Capabilities Index; others are scored."""
_LEAST_SOURCES = 2


@dataclass(frozen=True)
class Design:
    """Results and everything the model may know of them.

    Attributes:
        results: N results of U units on K items.
        source: (N,) source of each result.
        sources: S.
        decisive: (N,) whether the result alone decides the overall ability of its unit: a published index that was made
            from more than may be passed on. The unit's other results still inform the items and the domains.
        standing: (N,) whether the result is a published index. Resampling does not drop it: it is of many results.
        domain: (K,) domain of each item, −1 for none.
        domains: D.
        model: (U,) model of each unit; modes of one model are units of their own.
        mode: (U,) mode and effort of each unit; 0 is "not stated".
        maker: (U,) who made the model.
        era: (U,) its year, or an index for "not known".
        features: (U, F) what predicts an ability without any result (date, size); NaN where unknown.
        counted: (K,) items that say something of a unit; all by default.
    """

    results: Results
    source: Integers
    sources: int
    decisive: Flags
    standing: Flags
    domain: Integers
    domains: int
    model: Integers
    mode: Integers
    maker: Integers
    era: Integers
    features: Floats
    counted: Flags | None = None

    @property
    def indexed(self) -> Flags:
        """(U,) whether a published index, itself made of four benchmarks or more, is among the results of the unit."""
        flags: Flags = np.bincount(self.results.unit, self.standing, self.results.units) > 0
        return flags

    @property
    def own(self) -> Flags:
        """(N,) whether the result counts in the overall score of its own unit."""
        decided = np.bincount(self.results.unit, self.decisive, self.results.units)[self.results.unit] > 0
        counts: Flags = self.decisive | ~decided
        return counts if self.counted is None else counts & self.counted[self.results.item]

    @property
    def sparse(self) -> Flags:
        """(U,) units without an index that have fewer than four results of their own, or all from one source."""
        mine = self.own
        own = summed(self.results.unit, mine.astype(np.float64), self.results.units)
        judges = (self._table(self.source, self.sources) > 0).sum(axis=1)
        few: Flags = ((own < LEAST_RESULTS) | (judges < _LEAST_SOURCES)) & ~self.indexed
        return few

    @property
    def only_domain(self) -> Integers:
        """(U,) the one domain that all results of a unit are in; −1 where there are several, or an index of many."""
        in_domain = self._table(1 + self.domain[self.results.item], 1 + self.domains) > 0
        several, domains = in_domain.sum(axis=1), in_domain.argmax(axis=1) - 1
        # Where there is one domain it is all of ability.
        return np.where((several == 1) & ~self.indexed & (self.domains > 1), domains, -1)

    def _table(self, column: Integers, columns: int) -> Integers:
        """(U, columns) how many results of its own each unit has in each column, given the (N,) column of each."""
        mine, units = self.own, self.results.units
        cell = self.results.unit[mine] * columns + column[mine]
        return np.bincount(cell, minlength=units * columns).reshape(units, columns)

    def where(self, mask: Flags | Integers) -> "Design":
        """Those results alone, by a mask or in an order; all indices stay."""
        return replace(
            self,
            results=self.results.where(mask),
            source=self.source[mask],
            decisive=self.decisive[mask],
            standing=self.standing[mask],
        )
