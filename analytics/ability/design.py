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
        pairs = np.unique(np.stack([self.results.unit[mine], self.source[mine]]), axis=1)
        judges = np.bincount(pairs[0], minlength=self.results.units)
        few: Flags = ((own < LEAST_RESULTS) | (judges < _LEAST_SOURCES)) & ~self.indexed
        return few

    @property
    def only_domain(self) -> Integers:
        """(U,) the one domain that all results of a unit are in; −1 where there are several, or an index of many."""
        mine, unit = self.own, self.results.unit
        domain = self.domain[self.results.item]
        groups = np.unique(np.stack([unit[mine], domain[mine]]), axis=1)
        several = np.bincount(groups[0], minlength=self.results.units)
        domains = np.full(self.results.units, -1, dtype=np.int64)
        domains[groups[0]] = groups[1]
        # Where there is one domain it is all of ability.
        return np.where((several == 1) & ~self.indexed & (self.domains > 1), domains, -1)

    def where(self, mask: Flags) -> "Design":
        """Those results alone; all indices stay."""
        return replace(
            self,
            results=self.results.where(mask),
            source=self.source[mask],
            decisive=self.decisive[mask],
            standing=self.standing[mask],
        )
