"""Marks that stand for a model or a device open its page where a reader clicks them."""

from collections.abc import Mapping

import polars as pl
from bokeh.models import CustomJS, TapTool

from dashboards.charts.many_points import BETWEEN_WORDS

PAGE, OPENS = "page", "opens"
"""Columns of marks of which some have no page: the name of the page, and what a hover says of it."""
SAID = "Click to open its page"
# Words of many points are places in a text that travels beside them.
_OPEN = """const {source} = cb_data, at = source.selected.indices[0]
if (at === undefined) return
source.selected.indices = []
let name = source.data[column]?.[at]
if (typeof name === "number") name = source.tags[0].data[column][0].split(between)[name]
if (name) document.dispatchEvent(new CustomEvent("skyline:open", {detail: {kind, name}}))"""


def opener(column: str = "name", kind: str = "model") -> TapTool:
    """A tool that opens the page of the mark that is clicked; its hover says so by `tip(…, opens="page")`.

    Args:
        column: Of the source: names as their pages have them; a mark without one opens nothing.
        kind: `model` or `device`.
    """
    return TapTool(
        visible=False, callback=CustomJS(args={"column": column, "kind": kind, "between": BETWEEN_WORDS}, code=_OPEN)
    )


def with_pages(marks: pl.DataFrame, pages: Mapping[str, str], of: str = "name") -> pl.DataFrame:
    """Marks with the columns `PAGE` and `OPENS`.

    Args:
        marks: A row each.
        pages: Names of pages by what the marks say; those without one open nothing.
        of: The column that says it.
    """
    page = pl.col(of).cast(pl.String).replace_strict(pages, default="", return_dtype=pl.String).fill_null("")
    return marks.with_columns(page.alias(PAGE)).with_columns(
        pl.when(pl.col(PAGE) != "").then(pl.lit(SAID)).otherwise(pl.lit("")).alias(OPENS)
    )
