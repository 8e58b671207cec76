"""Energy per token under load: the share of its stated power that a device draws, fitted to measured joules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from profiling.accuracy.cases import Case
from profiling.engines.time import power_groups, power_share_of

_FEW = 8
"""Rows from which on a group has a share of its own; below it is drawn towards that of the wider group."""


def power_share(fitted: Mapping[str, Any], case: Case) -> float:
    """Share of the stated power drawn, by what was metered, class of device and device."""
    return power_share_of(fitted, case.device, case.metered)


def fit_power_shares(cases: Sequence[Case], seconds_per_token: Sequence[float]) -> dict[str, float]:
    """Shares by group: median of measured joules over stated power times predicted time, small groups drawn in.

    Args:
        cases: Measured joules per token.
        seconds_per_token: Predicted time between two tokens of one sequence, of each.
    """
    shares = [
        case.measured_s * case.batch / (seconds * (case.device.power_w or np.nan) * case.split.devices)
        for case, seconds in zip(cases, seconds_per_token, strict=True)
    ]
    groups: dict[str, list[float]] = defaultdict(list)
    parent: dict[str, str] = {}
    for case, share in zip(cases, shares, strict=True):
        if not np.isfinite(share) or share <= 0:
            continue
        last = "all"
        groups[last].append(share)
        for group in power_groups(case.device, case.metered):
            groups[group].append(share)
            parent[group] = last
            last = group
    fitted_shares: dict[str, float] = {}
    for group in sorted(groups, key=lambda name: name.count("|") if name != "all" else -1):
        own, count = float(np.median(np.log(groups[group]))), len(groups[group])
        wider = np.log(fitted_shares[parent[group]]) if group in parent else own
        fitted_shares[group] = round(float(np.exp((count * own + _FEW * wider) / (count + _FEW))), 4)
    return fitted_shares
