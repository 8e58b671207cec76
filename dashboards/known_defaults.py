"""Defaults of Bokeh's models, looked up once per class: Bokeh works each out anew, a fifth of the time of a session."""

from typing import Any

from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor

_IMMUTABLE = (type(None), bool, int, float, str)
_ABSENT = object()
_THEMED = "__themed_values__"
_KNOWN = "_known_defaults"
"""Where a class keeps what is the same for all of it: Panel makes classes for single sessions, and drops them."""
_worked_out = PropertyDescriptor._get_default


def remember() -> None:
    """Have all models of this process take defaults from memory."""
    PropertyDescriptor._get_default = _default  # type: ignore[assignment, method-assign]
    HasProps.themed_values = _themed_values  # type: ignore[assignment, method-assign]


def _themed_values(model: HasProps) -> dict[str, Any] | None:
    """What a theme sets of a model, without the search through all names that Bokeh makes where it sets nothing."""
    themed: dict[str, Any] | None = vars(model).get(_THEMED)
    return themed


def _default(descriptor: PropertyDescriptor[Any], model: HasProps) -> Any:
    themed = vars(model).get(_THEMED)
    if themed and descriptor.name in themed:
        return _worked_out(descriptor, model)
    known: dict[str, Any] | None = vars(type(model)).get(_KNOWN)
    if known is None:
        known = {}
        setattr(type(model), _KNOWN, known)
    default = known.get(descriptor.name, _ABSENT)
    if default is _ABSENT:
        default = _worked_out(descriptor, model)
        if isinstance(default, _IMMUTABLE) and not descriptor.has_unstable_default(model):
            known[descriptor.name] = default
    return default
