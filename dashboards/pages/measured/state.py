"""What can be chosen on the page of measurements."""

from typing import Any

import param

from dashboards.charts.measured import Trace
from dashboards.charts.measured_layers import MEASURES
from dashboards.parts.state import UrlState


class MeasuredState(UrlState):
    """Choices of the page."""

    run: Any = param.Selector(objects=[], doc="Run, by its identity.")
    model: Any = param.Selector(objects=[])
    stage: Any = param.Selector(objects=[])
    precision: Any = param.Selector(objects=[])
    quantity: Any = param.Selector(objects=[])
    point: Any = param.Selector(objects=[], doc="Point whose modules are shown.")
    modules: Any = param.Selector(default="time", objects=list(MEASURES), doc="What the bars of the layers show.")
    trace: Any = param.Selector(default=next(iter(Trace.QUANTITIES)), objects=list(Trace.QUANTITIES))
    other: Any = param.Selector(objects=[], doc="Run to compare with.")
