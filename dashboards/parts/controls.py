"""Widgets bound to a state: what the widget says the state holds, and the other way round. No data, no charts."""

from typing import Any, TypeVar

import panel as pn
from bokeh.models import CustomJSTickFormatter

from dashboards.parts import formats
from dashboards.parts.state import UrlState

_Kind = TypeVar("_Kind", bound=pn.widgets.Widget)
_GIB = """const size = Math.pow(2, tick)
return (size >= 10 ? Math.round(size).toLocaleString('en') : parseFloat(size.toPrecision(2))) + ' GiB'"""


def picked(width: int, *, is_wide: bool = False) -> dict[str, Any]:
    """Options of a field in a row of fields: so many pixels wide, on a phone half of the screen or all of it."""
    return {"width": width, "sizing_mode": "fixed", "css_classes": ["pick", "wide"] if is_wide else ["pick"]}


def select(state: UrlState, name: str, label: str, **options: Any) -> pn.widgets.Select:
    """A drop-down for a Selector of the state."""
    fixed = {"options": _choices(state, name), "sizing_mode": "stretch_width"}
    return _bound(pn.widgets.Select, state, name, fixed | {"name": label} | options, choices=True)


def several(state: UrlState, name: str, label: str, **options: Any) -> pn.widgets.MultiChoice:
    """A field of several choices for a ListSelector of the state."""
    fixed = {"options": _choices(state, name, html=True), "solid": False, "sizing_mode": "stretch_width"}
    return _bound(pn.widgets.MultiChoice, state, name, fixed | {"name": label} | options, choices=True, html=True)


def switch(state: UrlState, name: str, label: str, **options: Any) -> pn.widgets.Checkbox:
    """A box to tick for a Boolean of the state."""
    return _bound(pn.widgets.Checkbox, state, name, {"name": label} | options)


def radio(state: UrlState, name: str, options: dict[str, Any], **more: Any) -> pn.widgets.RadioButtonGroup:
    """Buttons of which one is pressed, for a Selector of the state."""
    return _bound(pn.widgets.RadioButtonGroup, state, name, {"options": options} | more)


def text(state: UrlState, name: str, label: str, **options: Any) -> pn.widgets.TextInput:
    """A line of text for a String of the state; taken when the reader presses Enter or leaves the field."""
    return _bound(pn.widgets.TextInput, state, name, {"name": label} | options)


def integer(state: UrlState, name: str, label: str, **options: Any) -> pn.widgets.IntInput:
    """A whole number within its bounds, for an Integer of the state."""
    return _within(pn.widgets.IntInput, state, name, {"name": label} | options)


def number(state: UrlState, name: str, label: str, **options: Any) -> pn.widgets.FloatInput:
    """A number within its bounds, for a Number of the state."""
    return _within(pn.widgets.FloatInput, state, name, {"name": label} | options)


def search(state: UrlState, name: str, label: str, **options: Any) -> pn.widgets.AutocompleteInput:
    """A field that finds one of many choices by any part of it, for a Selector of the state."""
    fixed = {"name": label, "options": list(state.param[name].objects), "value": getattr(state, name)}
    fixed |= {"restrict": True, "case_sensitive": False, "search_strategy": "includes", "min_characters": 1}
    widget = pn.widgets.AutocompleteInput(**{**fixed, "sizing_mode": "stretch_width", "margin": 0, **options})

    def to_state(event: Any) -> None:
        if event.new in state.param[name].objects:
            setattr(state, name, event.new)
        else:
            widget.value = getattr(state, name)

    def to_widget(event: Any) -> None:
        widget.value = event.new

    widget.param.watch(to_state, "value")
    state.param.watch(to_widget, name)
    return widget


def sizes(state: UrlState, name: str, label: str) -> pn.widgets.RangeSlider:
    """A logarithmic slider over sizes in GiB, for a Range of the state that holds their log2."""
    low, high = state.param[name].bounds
    widget = pn.widgets.RangeSlider(
        name=label, start=low, end=high, step=0.25, value=getattr(state, name),
        format=CustomJSTickFormatter(code=_GIB), sizing_mode="stretch_width", margin=(0, 8),
    )  # fmt: skip

    def to_state(event: Any) -> None:
        setattr(state, name, tuple(event.new))

    def to_widget(event: Any) -> None:
        widget.value = event.new

    widget.param.watch(to_state, "value_throttled")
    state.param.watch(to_widget, name)
    return widget


def _choices(state: UrlState, name: str, *, html: bool = False) -> dict[str, Any]:
    # The field of several choices writes its labels as HTML, so there they must be escaped.
    labels = state.param[name].get_range()
    return {formats.escape(label) if html else str(label): value for label, value in labels.items()}


def _within(kind: type[_Kind], state: UrlState, name: str, options: dict[str, Any]) -> _Kind:
    low, high = state.param[name].bounds
    return _bound(kind, state, name, {"start": low, "end": high, "sizing_mode": "stretch_width"} | options)


def _bound(
    kind: type[_Kind], state: UrlState, name: str, options: dict[str, Any], *, choices: bool = False, html: bool = False
) -> _Kind:  # fmt: skip
    current = getattr(state, name)
    widget = kind(**{"margin": 0} | options | {"value": list(current) if isinstance(current, list) else current})
    # Panel counts what is busy in all sessions together, for a sign that no page shows.
    of_panel: Any = widget
    of_panel._busy__ignore = ["value"]

    def to_state(event: Any) -> None:
        setattr(state, name, event.new)

    def to_widget(_event: Any) -> None:
        fresh: dict[str, Any] = {"value": getattr(state, name)}
        if choices:
            fresh["options"] = _choices(state, name, html=html)
        if any(getattr(widget, key) != value for key, value in fresh.items()):
            widget.param.update(**fresh)

    widget.param.watch(to_state, "value")
    state.param.watch(to_widget, name)
    if choices:
        state.param.watch(to_widget, name, what="objects")
    return widget
