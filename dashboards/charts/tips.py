"""What a chart says of the mark that is pointed at, in Bokeh's words: `@column`, or `@column{format}`."""

from dashboards.parts.templates import block


def tip(head: str, *lines: str | tuple[str, str], aside: str = "", opens: str = "") -> str:
    """Tooltips of a `HoverTool`.

    Args:
        head: What the mark is.
        lines: What is said of it, a line each; a pair is a name and its value.
        aside: What follows the head in a quieter colour.
        opens: What a click opens: `page`, `card`, or a column that says it, as `@opens`; empty: nothing.
    """
    return block("tip", head, lines, aside, opens)
