"""A plain table of rows under readable titles, a page at a time; filters of its own columns are not its business."""

import panel as pn
import polars as pl
from bokeh.models.widgets.tables import NumberFormatter

from dashboards.parts import formats

_PAGE = 15
_NUMBER_PX, _TEXT_PX = 112, 130
_MODEL = "Model"


class Ranking:
    """A table, built once; `show` swaps its rows."""

    def __init__(self) -> None:
        """Make an empty table."""
        self._frame = pl.DataFrame()
        self.widget = pn.widgets.Tabulator(
            pagination="remote", page_size=_PAGE, show_index=False, disabled=True, selectable=False,
            layout="fit_data_fill", sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def show(self, rows: pl.DataFrame) -> None:
        """Show the rows; text columns stay text, numbers get two digits, whole ones none."""
        same = rows.columns == self._frame.columns
        self._frame = rows
        if same:
            self.widget.param.update(value=rows.to_pandas(), page=1)
            return
        numbers = {name: dtype.is_integer() for name, dtype in rows.schema.items() if dtype.is_numeric()}
        self.widget.param.update(
            value=rows.to_pandas(),
            formatters={
                **{
                    name: NumberFormatter(format="0,0" if is_whole else "0,0.00", nan_format=formats.MISSING)
                    for name, is_whole in numbers.items()
                },
                **(
                    {_MODEL: {"type": "link", "urlPrefix": "model/", "target": "_self"}}
                    if _MODEL in rows.columns
                    else {}
                ),
            },
            text_align=dict.fromkeys(numbers, "right"),
            widths=dict.fromkeys(rows.columns, _TEXT_PX) | dict.fromkeys(numbers, _NUMBER_PX) | {_MODEL: 320, "#": 60},
            page=1,
        )

    def rows(self) -> pl.DataFrame:
        """The rows shown, under the titles shown."""
        return self._frame
