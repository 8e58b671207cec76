"""Bring your own: a file or a model of the visitor's, seen among the rest by him alone."""

from typing import Any

import panel as pn

from dashboards.data import Data
from dashboards.own_files import MOST_FILES, SAID
from dashboards.parts import page
from dashboards.parts.page import Content
from dashboards.parts.templates import render

_SAID = {"device": "Device", "model": "Model", "weight_format": "Weight format"}
_EXAMPLES = {"device": "RTX 4090", "model": "Qwen/Qwen3-8B", "weight_format": "q4_k_m"}


def build(data: Data, search: str) -> Content:  # noqa: ARG001 - as every page is built
    """Content of the page for one session."""
    settings = data.settings
    asked: dict[str, Any] = {
        "limit_mib": settings.own_file_mib, "limit_s": settings.own_file_seconds, "most": MOST_FILES,
        "may_be_kept": settings.own_files_kept, "is_online": settings.own_models_online,
        "said": [(name, _SAID[name], _EXAMPLES[name]) for name in SAID],
    }  # fmt: skip
    parts: list[pn.viewable.Viewable] = [page.html(render(__file__, "lead.html"), margin=(0, 0, 12, 0))]
    # A copy of the pages has nobody who could read a file.
    is_copy = pn.state.curdoc is None
    if settings.own_file_mib and not is_copy:
        parts.append(page.card(page.html(render(__file__, "form.html", **asked))))
        parts.append(page.card(page.html(render(__file__, "files.html", files=data.own_files))))
    else:
        parts.append(page.card(page.html(render(__file__, "off.html", is_copy=is_copy))))
    parts.append(page.card(page.html(render(__file__, "forms.html"))))
    return Content(main=pn.Column(*parts, sizing_mode="stretch_width", margin=0))
