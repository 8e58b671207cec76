"""Choices of a model's page: which model, and how long a context."""

from typing import Any

import param

from dashboards.pages.advisor.state import CONTEXTS
from dashboards.parts.state import UrlState


class ModelState(UrlState):
    """Choices of the page."""

    id: Any = param.String(default="", doc="The model as people name it; none: a list of all.")
    context: Any = param.Selector(default=32_768, objects=dict(CONTEXTS))
