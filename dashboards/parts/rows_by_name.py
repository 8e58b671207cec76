"""A table whose rows are pressed by name: what opens is what was seen, whatever the server shows by then."""

from collections.abc import Callable
from typing import Any

import panel as pn
from bokeh.models import CustomJS

# Panel tells the place of a row in the page of the table. A press that crosses with a change of the rows would mean
# another one, so the browser says what stands in the row; the time tells one press from the next.
_SAY = """
const shown = Bokeh.index.find_one(cb_obj.origin)?.tabulator?.getData() ?? []
const row = shown.find((one) => one._index === cb_obj.row)
if (row) cb_obj.origin.tags = [row[key], Date.now()]
"""


class RowsByName(pn.widgets.Tabulator):
    """A table that tells which row was pressed by the value of one of its columns, hidden ones among them."""

    def __init__(self, key: str, pressed: Callable[[str], None], **options: Any) -> None:
        """Make an empty table.

        Args:
            key: Column whose values tell rows apart.
            pressed: Called with the value of the row that a reader pressed.
            options: Of the table.
        """
        self._key, self._pressed = key, pressed
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def _get_model(self, *args: Any, **options: Any) -> Any:
        model = super()._get_model(*args, **options)
        model.js_on_event("cell-click", CustomJS(args={"key": self._key}, code=_SAY))
        model.on_change("tags", self._on_tags)
        return model

    def _on_tags(self, _attribute: str, _before: Any, now: Any) -> None:
        if now:
            self._pressed(str(now[0]))

    def _process_event(self, event: Any) -> None:
        if event.event_name != "cell-click":
            super()._process_event(event)
