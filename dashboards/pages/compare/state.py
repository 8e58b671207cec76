"""Choices of Compare: the models, and the formats that they are held to one another in."""

from typing import Any

import param

from dashboards.parts.state import UrlState
from profiling.answers.cache_flags import CACHES, WHOLE


class CompareState(UrlState):
    """Choices of the page."""

    models: Any = param.ListSelector(default=[], objects=[], doc="Models; the others are compared with the first.")
    stored: Any = param.ListSelector(
        default=[], objects=[], doc="Models in formats, MODEL@FORMAT; others as published."
    )
    kv: Any = param.Selector(default=WHOLE, objects=list(CACHES), doc="Format of the KV cache of all.")
