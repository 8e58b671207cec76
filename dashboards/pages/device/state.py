"""Choices of a device's page: which device, and what has to run on it."""

from typing import Any

import param

from dashboards.pages.advisor.state import CONTEXTS
from dashboards.parts.state import UrlState
from profiling.answers.advise import USES


class DeviceState(UrlState):
    """Choices of the page."""

    id: Any = param.String(default="", doc="The device as people name it; none: a list of all.")
    use: Any = param.Selector(default="chat", objects=list(USES))
    context: Any = param.Selector(default=32_768, objects=dict(CONTEXTS))
    budgets: Any = param.Boolean(default=False, doc="Whether the best for other contexts and speeds is worked out.")
