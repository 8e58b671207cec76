"""Rows as people and programs want them: a table on the terminal, CSV, JSON or Parquet bytes."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from warehouse.spreadsheets import to_csv

_MOST_ROWS_SHOWN = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_GAP = 2
"""Spaces between two columns."""
_MOST_SIDE_BY_SIDE = 4
"""Rows that are shown side by side, a line for each field, where they are too wide for lines of their own."""
_SENTENCE = 48
"""A cell longer than this is folded between its words."""
_HEAD_LINES = 3
"""Lines that a name of many words takes above narrow cells, as far as its words allow."""


@dataclass(frozen=True)
class _Column:
    """A column as it is printed."""

    name: str
    cells: tuple[str, ...]
    is_number: bool

    @property
    def is_constant(self) -> bool:
        return len(set(self.cells)) == 1

    @property
    def cells_width(self) -> int:
        return max(map(cell_len, self.cells), default=0)

    @property
    def whole_width(self) -> int:
        """Width with nothing folded."""
        return max(self.cells_width, cell_len(self.name))

    @property
    def folded_width(self) -> int:
        """Width with the name folded after underscores, and sentences between words."""
        name = max(-(-len(self.name) // _HEAD_LINES), *map(len, re.findall("[^_]*_?", self.name)))
        words = max((cell_len(word) for cell in self.cells for word in cell.split()), default=0)
        return max(name, min(self.cells_width, max(words, _SENTENCE)))

    def head(self, width: int) -> Text:
        """The name, folded after underscores, so that what stands there is still the name."""
        lines = [""]
        for part in re.findall("[^_]*_|[^_]+", self.name):
            if len(lines[-1] + part) > width and lines[-1]:
                lines.append("")
            lines[-1] += part
        return Text("\n".join(lines))


def as_table(frame: pl.DataFrame, console: Console) -> None:
    """Print a table; long ones are cut and say so.

    On a terminal, what is too wide for it is folded: first names and sentences; then up to four rows stand side by
    side; else columns that say the same in every row are stated below, and the others stand in blocks.
    """
    shown = frame.head(_MOST_ROWS_SHOWN)
    columns = [
        _Column(name, tuple(_cell(value) for value in shown[name]), dtype.is_numeric())
        for name, dtype in frame.schema.items()
    ]
    for part in _folded(columns, console.width) if console.is_terminal and columns else [_whole(columns)]:
        console.print(part, soft_wrap=False)
    more = frame.height - _MOST_ROWS_SHOWN
    if more > 0:
        console.print(f"… {more:,} more rows; --format csv prints them all.", style="dim")


def _folded(columns: Sequence[_Column], width: int) -> Iterator[Table | Text]:
    """The same columns in as few parts of a terminal's width as hold them."""
    if _total([column.whole_width for column in columns]) <= width:
        yield _whole(columns)
        return
    if _total([column.folded_width for column in columns]) <= width:
        yield _table(columns, [column.folded_width for column in columns])
        return
    first, *others = columns
    if len(first.cells) <= _MOST_SIDE_BY_SIDE:
        records = _side_by_side(columns)
        widths = [column.folded_width for column in records]
        if len(first.cells) == 1:
            widths[0] = min(widths[0], width // 2)
            widths[1] = min(widths[1], width - widths[0] - _GAP)
        if _total(widths) <= width:
            yield _table(records, widths)
            return
    if len(set(first.cells)) < len(first.cells):  # in blocks, what a line is must be seen in each
        first, others = _Column("row", tuple(map(str, range(1, len(first.cells) + 1))), True), list(columns)
    same = [column for column in others if column.is_constant]
    block, widths = [first], [min(first.folded_width, width // 2)]
    for column in (column for column in others if not column.is_constant):
        at = min(column.folded_width, width - widths[0] - _GAP)
        if _total([*widths, at]) > width and len(block) > 1:
            yield _table(block, widths)
            yield Text()
            block, widths = block[:1], widths[:1]
        block.append(column)
        widths.append(at)
    yield _table(block, widths)
    stated = ", ".join(f"{column.name} {column.cells[0]}" for column in same if column.cells[0])
    empty = ", ".join(column.name for column in same if not column.cells[0])
    for words, names in (("The same in every row", stated), ("Empty in every row", empty)):
        if names:
            yield Text(f"{words}: {names}", style="dim")


def _side_by_side(columns: Sequence[_Column]) -> list[_Column]:
    """Rows as columns: the names of the fields first, then what each row says."""
    first, *others = columns
    rows = [_Column(cell, tuple(column.cells[at] for column in others), False) for at, cell in enumerate(first.cells)]
    return [_Column(first.name, tuple(column.name for column in others), False), *rows]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _whole(columns: Sequence[_Column]) -> Table:
    return _table(columns, [column.whole_width for column in columns])


def _table(columns: Sequence[_Column], widths: Sequence[int]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, width in zip(columns, widths, strict=True):
        head, at = column.head(width), max(width, 1)
        table.add_column(head, justify="right" if column.is_number else "left", width=at, overflow="fold")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, row))
    return table


def as_bytes(frame: pl.DataFrame, form: str) -> bytes:
    """The whole frame as `csv`, `json` (a list of objects), `parquet`, or `table` without colours."""
    buffer = io.BytesIO()
    if form == "table":
        text = io.StringIO()
        as_table(frame, Console(file=text, width=10_000))
        return text.getvalue().encode()
    if form == "csv":
        return to_csv(frame)
    if form == "json":
        frame.write_json(buffer)
        buffer.write(b"\n")
    else:
        frame.write_parquet(buffer)
    return buffer.getvalue()


def _number(value: float) -> str:
    """Four digits that mean something, and every digit before the point."""
    size = abs(value)
    if not 1e-3 <= size < 1e6:
        return f"{value:,.4g}"
    decimals = next((places for places, least in ((1, 100), (2, 10), (3, 1)) if size >= least), 4)
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    # What strangers wrote must not steer the terminal.
    return _CONTROL.sub("\ufffd", str(value))
