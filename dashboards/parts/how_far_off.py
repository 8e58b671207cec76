"""Links from predictions to the error of their own class, on the page How far off: one place for every page."""

from urllib.parse import urlencode

from markupsafe import Markup

from dashboards.parts.declared_table import Fact
from dashboards.parts.templates import block

_PAGE = "how-far-off"
ENERGY, FIRST_TOKEN = "energy", "prefill"
"""What energy, and the first token of one request, were held against (`profiling.accuracy.cases.STAGES`)."""
TIMED_AS = Fact("How far off", width=190, link=f"{_PAGE}?stage=", link_of="timed_as")
"""Column `timed_as` of a table of predictions: each row leads to the error of what it was timed as."""


def address_of_error(stage: str) -> str:
    """The address of the page, at what was timed: the error of a prediction's own class."""
    return f"{_PAGE}?{urlencode({'stage': stage})}" if stage else _PAGE


def links(*stages: str) -> Markup:
    """A sentence that leads to the errors of these classes, each once; nothing where there is none."""
    anchors = [
        Markup(block("link", address_of_error(stage), stage))  # noqa: S704 - a template escapes
        for stage in dict.fromkeys(stages)
        if stage
    ]
    return Markup(" How far off such predictions are: {}.").format(Markup(", ").join(anchors)) if anchors else Markup()
