"""Tables of a Markdown text."""

import re
from collections.abc import Iterator

import polars as pl

_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)[^)]*\)")
_FOOTNOTE = re.compile(r"\[\^[^\[\]]{1,20}\]")
_RULE = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")


def markdown_tables(text: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Heading above it, columns, and rows of each table."""
    lines = text.splitlines()
    heading = ""
    at = 0
    while at < len(lines) - 1:
        if lines[at].startswith("#"):
            heading = lines[at].strip("# ").strip()
        if not ("|" in lines[at] and "|" in lines[at + 1] and _RULE.match(lines[at + 1])):
            at += 1
            continue
        end = next((i for i in range(at + 2, len(lines)) if "|" not in lines[i]), len(lines))
        yield heading, _cells(lines[at]), [_cells(line) for line in lines[at + 2 : end]]
        at = end


def _cells(line: str) -> list[str]:
    inner = _FOOTNOTE.sub("", line).strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|").strip("*` ") for cell in re.split(r"(?<!\\)\|", inner)]


def with_links(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells with the text of their links alone, and the addresses in a column of their own, `….link`."""
    columns = {}
    for name in frame.columns:
        if frame[name].dtype == pl.String and frame[name].str.contains(r"\[[^\]]*\]\(").any():
            cells = [_LINK.search(cell or "") for cell in frame[name]]
            columns[name] = [link.group(1) if link else cell for link, cell in zip(cells, frame[name], strict=True)]
            columns[f"{name}.link"] = [link.group(2) if link else None for link in cells]
    return frame.with_columns(pl.Series(name, values, dtype=pl.String) for name, values in columns.items())
