"""Choices of the page How far off."""

from typing import Any

import param

from dashboards.parts.state import UrlState

GROUPS = {
    "engine": "engine", "class of device": "device_class", "device": "device", "weight format": "format",
    "batch": "batch", "model": "model", "nothing else": "stage",
}  # fmt: skip
"""What errors are grouped by within a stage, as read and as `profiling.accuracy.table` calls it."""
ALL_STAGES = "all"


class HowFarOffState(UrlState):
    """Choices of the page."""

    stage: Any = param.Selector(objects=[], doc="What is timed.")
    by: Any = param.Selector(default="engine", objects=dict(GROUPS), doc="Groups of one's own measurements.")
