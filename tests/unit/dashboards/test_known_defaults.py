"""Defaults that are remembered are Bokeh's own."""

import panel.models.tabulator  # noqa: F401 - its models are among those that pages have
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.model import Model
from bokeh.util.warnings import BokehDeprecationWarning

from dashboards import known_defaults


def test_what_is_remembered_of_a_class_is_what_bokeh_works_out_for_each_of_its_models() -> None:
    remembered = 0
    # Without what is abstract, or asks for arguments.
    for kind in {
        made for made in Model.model_class_reverse_map.values() if made.__module__.startswith("bokeh.models.")
    }:
        try:
            model, other = kind(), kind()
        except (TypeError, ValueError, NotImplementedError, BokehDeprecationWarning):
            continue
        for name in kind.properties():
            descriptor = kind.lookup(name)
            if not isinstance(descriptor, PropertyDescriptor) or name in model._property_values:
                continue
            try:
                default = known_defaults._worked_out(descriptor, model)
            except RuntimeError:  # a property that must be given
                continue
            first = known_defaults._default(descriptor, other)
            again = known_defaults._default(descriptor, other)
            assert (type(first), type(again)) == (type(default), type(default))
            if isinstance(default, known_defaults._IMMUTABLE):
                assert (repr(first), repr(again)) == (repr(default), repr(default))  # NaN is not itself
        remembered += len(vars(kind).get(known_defaults._KNOWN, {}))
    assert remembered > 3_000
