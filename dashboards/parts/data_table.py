"""A table that shows the rows it was last given, however late a browser builds it, and tells which row was pressed."""

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
# Panel drops rows that arrive while the browser builds the table, so once it is built they are announced again.
_AGAIN = """
const table = Bokeh.index.find_one(view_of)?.tabulator
if (table && !table.is_followed) {
    table.is_followed = true
    table.on("tableBuilt", () => cb_obj.properties.data.change.emit())
}
"""


class DataTable:
    """Rows under columns. New columns make a new table, since a browser still building one would lose them."""

    def __init__(self, key: str = "", pressed: Callable[[str], None] | None = None, **options: Any) -> None:
        """Make a table that appears with its first rows.

        Args:
            key: Column whose values tell rows apart, hidden ones among them.
            pressed: Called with that value of the row that a reader pressed; None where rows lead nowhere.
            options: Of Panel's `Tabulator`, whatever it shows.
        """
        self._key, self._pressed, self._options = key, pressed, options
        self._described: object = None
        self.widget = pn.Column(sizing_mode="stretch_width", margin=0)

    def show(self, rows: Any, described: object, columns: Callable[[], dict[str, Any]], **more: Any) -> None:
        """Show rows.

        Args:
            rows: A data frame of pandas.
            described: What the columns are; where it is as before, they stay.
            columns: Makes the options of Panel's `Tabulator` that say how columns are shown.
            more: Further options, which change with the rows.
        """
        if self.widget.objects and described == self._described:
            self.widget.objects[0].param.update(value=rows, page=1, **more)
            return
        self._described = described
        self.widget.objects = [
            _Tabulator(self._key, self._pressed, value=rows, **{**self._options, **columns(), **more})
        ]


class _Tabulator(pn.widgets.Tabulator):
    def __init__(self, key: str, pressed: Callable[[str], None] | None, **options: Any) -> None:
        self._key, self._pressed = key, pressed
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def _get_model(self, *args: Any, **options: Any) -> Any:
        model: Any = super()._get_model(*args, **options)
        model.source.js_on_change("data", CustomJS(args={"view_of": model}, code=_AGAIN))
        if self._pressed is not None:
            model.js_on_event("cell-click", CustomJS(args={"key": self._key}, code=_SAY))
            model.on_change("tags", self._on_tags)
        return model

    def _on_tags(self, _attribute: str, _before: Any, now: Any) -> None:
        if now and self._pressed is not None:
            self._pressed(str(now[0]))

    def _process_event(self, event: Any) -> None:
        if self._pressed is None or event.event_name != "cell-click":
            super()._process_event(event)
