"""How an engine is started: choices that every page about memory and time offers alike, folded until one is made."""

from collections.abc import Mapping
from typing import Any

import panel as pn
import param

from dashboards.parts import controls
from dashboards.parts.state import UrlState
from profiling.answers.question import cache_choices

CACHE = "16"
"""What the KV cache is stored in where nothing is chosen."""
_LABELS = {
    "gpu_memory_utilization": "GPU memory utilization (0: default)",
    "batched_tokens": "Batched tokens (0: default)",
    "eager": "Eager, without captured graphs",
}
MOST_BATCHED_TOKENS = 2**20


class EngineOptions(UrlState):
    """Choices beside the engine's name, as the command line and the HTTP interface call them."""

    gpu_memory_utilization: Any = param.Number(default=0.0, bounds=(0.0, 1.0), doc="Part it may use; 0: its default.")
    batched_tokens: Any = param.Integer(default=0, bounds=(0, MOST_BATCHED_TOKENS), doc="Of a step; 0: its default.")
    eager: Any = param.Boolean(default=False, doc="Without captured graphs.")


NAMES = tuple(_LABELS)


def chosen(state: UrlState, prefix: str = "") -> dict[str, Any]:
    """The options as a question takes them: None leaves the engine's own default."""
    values = {name: getattr(state, prefix + name) for name in NAMES}
    return {**values, **{name: values[name] or None for name in NAMES if name != "eager"}}


def flags(state: UrlState) -> str:
    """The options as the command line takes them, with a space before each; empty where nothing is chosen."""
    options = chosen(state)
    numbers = "".join(
        f" --{name.replace('_', '-')} {options[name]:g}" for name in NAMES if options[name] and name != "eager"
    )
    return numbers + (" --eager" if options["eager"] else "")


def offer_cache(state: UrlState, name: str = "kv") -> list[str]:
    """Offer what the KV cache can be stored in; notes where what was asked is none of it."""
    state.remember_default(name, CACHE)
    return state.offer(name, cache_choices(), CACHE)


def fields(state: UrlState, prefix: str = "", suffix: str = "", **options: Any) -> dict[str, pn.widgets.Widget]:
    """A field for each option, by its name.

    Args:
        state: Whose choices.
        prefix: What their names begin with.
        suffix: What their labels end with.
        options: Of every field, such as its margin.
    """
    labels = {name: f"{label}{suffix}" for name, label in _LABELS.items()}
    share, step, eager = (prefix + name for name in NAMES)
    return {
        NAMES[0]: controls.number(state, share, labels[NAMES[0]], step=0.05, **options),
        NAMES[1]: controls.integer(state, step, labels[NAMES[1]], step=512, **options),
        NAMES[2]: controls.switch(state, eager, labels[NAMES[2]], **options),
    }


def more(state: UrlState, fields: Mapping[str, pn.viewable.Viewable], title: str = "More options") -> pn.Card:
    """Fields, by their choice, below a line that folds them; open from the start where the address asks for one."""
    is_changed = any(getattr(state, name) != state.param[name].default for name in fields)
    column = pn.Column(*fields.values(), margin=(10, 0, 0, 0), sizing_mode="stretch_width")
    return pn.Card(
        column, title=title, collapsed=not is_changed, css_classes=["more-options"], sizing_mode="stretch_width",
        margin=(0, 0, 10, 0),
    )  # fmt: skip
