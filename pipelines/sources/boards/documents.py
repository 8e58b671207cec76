"""Files as they are in the wild, as rows of text: whatever separates, nests or decorates them, nothing is guessed."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import polars as pl
import yaml

from analytics.units import counted
from pipelines.sources.boards.declaration import File
from pipelines.sources.boards.markdown import markdown_tables, with_links
from pipelines.sources.boards.nested import parsed, rows_at
from pipelines.sources.boards.shapes import flat, whole_table
from pipelines.sources.suffixes import SUFFIX_FORMS
from pipelines.sources.tables import (
    DELIMITERS,
    INDEX_NAMES,
    ROW,
    UnreadableFile,
    as_utf8,
    delimiter_of,
    numbered,
    read_as_text,
    refuse_web_page,
)

FILE_NAME, FILE_STEM, FILE_PATH = "file.name", "file.stem", "file.path"
"""Columns that every file has."""
DOCUMENTS = frozenset({"json", "jsonl", "yaml", "toml"})
TABLES = frozenset({"csv", "parquet"})
"""Forms of one and the same table."""
NESTED = frozenset({"json", "jsonl", "yaml"})
"""Forms of one and the same document."""
MOST_MEMBERS = 20_000
MOST_BYTES = 512 << 20
_MOST_COLUMNS = 5_000
_MOST_ABOVE = 10
"""Lines that may stand above a header: a title, a date, what wrote the file."""
_SNIFFED_BYTES = 1 << 20
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_OF_A_HEADER = re.compile(r"\s*(?:[↑↓⬆⬇▲▼]\ufe0f?|\((?:%|↑|↓|higher is better|lower is better)\))\s*$", re.IGNORECASE)
"""What boards add to the name of a column: its unit, and which way is better."""
_DATE_IN_NAME = re.compile(r"^(?:\d{4}[-_.]?\d{2}[-_.]?\d{2}|\d{2}[-_.]\d{2}[-_.]\d{4})(?!\d)[-_ ]?")


@dataclass(frozen=True)
class Rows:
    """Rows of one file, every cell as text.

    Attributes:
        frame: Cells; `row_number` counts the rows of the file from 1.
        broken: Row number and reason of rows that are not as wide as their header.
        semicolons: Whether semicolons separate cells, as where commas are decimal points.
        text: The whole text, where there is one.
        notes: What of the file was left out, and is no row.
    """

    frame: pl.DataFrame
    broken: list[tuple[int, str]] = field(default_factory=list)
    semicolons: bool = False
    text: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Member:
    """A file within a zip, or a file by itself.

    Attributes:
        path: Its name, with folders where it has some.
        payload: Its bytes.
    """

    path: str
    payload: bytes

    @property
    def name(self) -> str:
        """Name without folders."""
        return PurePosixPath(self.path).name

    @cached_property
    def stem(self) -> str:
        """Name without folders, suffix and a date before it."""
        return _DATE_IN_NAME.sub("", PurePosixPath(self.path).stem)

    @cached_property
    def suffix(self) -> str:
        """Suffix in lower case."""
        return PurePosixPath(self.path).suffix.lower()

    @cached_property
    def form(self) -> str | None:
        """Form that the suffix stands for."""
        return SUFFIX_FORMS.get(self.suffix)


def members(payload: bytes, name: str) -> Iterator[Member]:
    """Files of a zip that may be boards, in order of their names.

    Raises:
        UnreadableFile: it is no zip, or holds more than can be read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            size = sum(entry.file_size for entry in entries)
            if len(entries) > MOST_MEMBERS or size > MOST_BYTES:
                raise UnreadableFile(
                    f"{name} holds {len(entries):,} files of {size:,} bytes; the most are {MOST_MEMBERS:,} files and"
                    f" {MOST_BYTES:,} bytes."
                )
            for entry in sorted(entries, key=lambda entry: entry.filename):
                if entry.filename.startswith("__MACOSX/"):
                    continue  # what macOS keeps beside each file
                form = SUFFIX_FORMS.get(PurePosixPath(entry.filename).suffix.lower())
                if form and form != "zip":
                    with archive.open(entry) as stream:
                        yield Member(entry.filename, stream.read(entry.file_size + 1)[: entry.file_size])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(f"{name} cannot be read as a zip: {error}") from error


def rows_of(member: Member, file: File, *, as_table: bool = False) -> Rows:
    """Rows of a file by its declared form, or as the table that it is in whatever form it came.

    Raises:
        UnreadableFile: it is not written in that form; the message says why.
    """
    form = member.form if as_table or {member.form, file.form} <= TABLES else file.form
    if form in DOCUMENTS:
        return rows_together([member], file, as_table=as_table)
    if form == "csv":
        read = _csv(member, file)
    elif form == "markdown" and file.every_table and not as_table:
        read = _every_table(member, file.recognised_by)
    elif form == "markdown":
        read = _markdown(member, None if as_table else file.after)
    else:
        read = Rows(_numbered(read_as_text(member.payload, ".parquet", member.name, nested=True)))
    origin = {FILE_NAME: member.name, FILE_STEM: member.stem, FILE_PATH: member.path}
    cells = [pl.col(name) for name in file.filled_down if name in read.frame.columns]
    frame = read.frame.with_columns(
        *(pl.when(cell.str.strip_chars() != "").then(cell).forward_fill() for cell in cells),
        *(pl.lit(value).alias(name) for name, value in origin.items()),
    )
    return replace(read, frame=_by_model(frame, file) if file.models_across else frame)


def _by_model(frame: pl.DataFrame, file: File) -> pl.DataFrame:
    """A row for each model of a table that has a column for each; its path names the column, so rows stay apart."""
    index_names = {ROW, FILE_NAME, FILE_STEM, FILE_PATH, *file.models_across}
    index = [name for name in frame.columns if name in index_names or name.endswith(".link")]
    return frame.unpivot(index=index, variable_name="model", value_name="score").with_columns(
        pl.concat_str(FILE_PATH, pl.lit(", "), "model").alias(FILE_PATH)
    )


def rows_together(members: Sequence[Member], file: File, *, as_table: bool = False) -> Rows:
    """Rows of several documents of one kind, as one table.

    Raises:
        UnreadableFile: one of them is not written in the declared form, or has too many keys.
    """
    records: list[dict[str, str | None]] = []
    numbers: list[int] = []
    for member in members:
        origin: dict[str, str | None] = {FILE_NAME: member.name, FILE_STEM: member.stem, FILE_PATH: member.path}
        own = table_records(member) if as_table else records_of(member, file.form, file.records)
        records += [{**record, **origin} for record in own]
        numbers += range(1, len(own) + 1)
    names = dict.fromkeys(name for record in records for name in record if name != ROW)
    if len(names) > _MOST_COLUMNS:
        raise UnreadableFile(f"{members[0].name} has more than {_MOST_COLUMNS:,} different keys.")
    frame = pl.DataFrame(
        {ROW: numbers, **{name: [record.get(name) for record in records] for name in names}},
        schema={ROW: pl.Int64, **dict.fromkeys(names, pl.String)},
    )
    text = text_of(members[0].payload, members[0].name) if len(members) == 1 else ""
    return Rows(frame, text=text)


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return numbered(frame.rename({name: name.strip() for name in frame.columns if name.strip() != name}, strict=False))


def text_of(payload: bytes, name: str) -> str:
    """Bytes as text: UTF-8 with or without a byte-order mark, UTF-16 with one, else Windows' Latin.

    Raises:
        UnreadableFile: they hold zero bytes, as no text does.
    """
    payload = as_utf8(payload)
    if b"\0" in payload[:65536]:
        raise UnreadableFile(f"{name} is no text.")
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        return payload.decode("cp1252", errors="replace")


@lru_cache(maxsize=1 << 16)
def plain(name: str) -> str:
    """A column's name without what exports change: case, what stands between words, its unit, which way is better."""
    bare = name.replace("\u200b", "")
    while (shorter := _OF_A_HEADER.sub("", bare)) != bare:
        bare = shorter
    return " ".join(_BETWEEN_WORDS.sub(" ", (bare or name).casefold()).split())


@dataclass(frozen=True)
class Header:
    """A line of a CSV that may be its header.

    Attributes:
        delimiter: What separates its cells.
        above: Lines before it that say something.
        columns: Its cells.
    """

    delimiter: str
    above: int
    columns: tuple[str, ...]


def headers_of(member: Member) -> list[Header]:
    """What may be the header of a CSV, likeliest first, reading no further than needed: votes have millions of rows.

    Raises:
        UnreadableFile: it is no text, or its first record no header.
    """
    refuse_web_page(member.payload, member.name)
    text = text_of(member.payload[:_SNIFFED_BYTES], member.name)
    likely = delimiter_of(text)
    headers = []
    for delimiter in sorted(DELIMITERS, key=lambda delimiter: delimiter != likely):
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            for above, line in enumerate(islice(filter(_says_something, lines), _MOST_ABOVE + 1)):
                headers.append(Header(delimiter, above, tuple(cell.strip().removeprefix("\ufeff") for cell in line)))
        except csv.Error as error:
            if delimiter == likely and not headers:
                raise UnreadableFile(f"{member.name} cannot be read as CSV: {error}") from error
    return headers


def _says_something(line: Sequence[str]) -> bool:
    return any(cell.strip() for cell in line)


def _header(member: Member, file: File) -> Header:
    """Where the declared columns stand; the first line where none is declared."""
    needed = {plain(name) for name in file.recognised_by}
    headers = headers_of(member)
    if not headers:
        raise UnreadableFile(f"{member.name} has no row below its header.")
    return next((header for header in headers if needed <= {plain(name) for name in header.columns}), headers[0])


def _csv(member: Member, file: File) -> Rows:
    text = text_of(member.payload, member.name)
    header = _header(member, file)
    try:
        lines = list(filter(_says_something, csv.reader(io.StringIO(text, newline=""), delimiter=header.delimiter)))
    except csv.Error as error:
        raise UnreadableFile(f"{member.name} cannot be read as CSV: {error}") from error
    above, lines = lines[: header.above], lines[header.above :]
    if len(lines) < 2:
        raise UnreadableFile(f"{member.name} has no row below its header.")
    rows = _table(lines[0], lines[1:], member.name)
    preface = "; ".join(" ".join(filter(None, (cell.strip() for cell in line))) for line in above)
    notes = [f"{counted(len(above), 'line')} above the header, no row: '{preface[:200]}'"] if above else []
    return replace(rows, semicolons=header.delimiter == ";", text=text, notes=notes)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], name: str) -> Rows:
    """Rows as wide as the header; wider ones only if what is beyond it is empty. Others are told, never padded."""
    names = [cell.strip().removeprefix("\ufeff") for cell in header]
    while names and not names[-1]:
        names.pop()
    if len(names) > _MOST_COLUMNS:
        raise UnreadableFile(f"{name} has more than {_MOST_COLUMNS:,} columns.")
    seen: dict[str, int] = {}
    unique = []
    for title in names:
        seen[title] = seen.get(title, 0) + 1
        unique.append(title if seen[title] == 1 else f"{title}#{seen[title]}")
    broken: list[tuple[int, str]] = []
    complete_lines: list[Sequence[str]] = []
    numbers: list[int] = []
    last = _last_row(lines) if len(unique) > 2 else len(lines)
    for number, line in enumerate(lines, start=1):
        if [cell.strip() for cell in line[: len(names)]] == names:
            continue  # The header once more, as in files that were joined.
        if number > last and " " in (note := "".join(line).strip()):
            broken.append((number, f"is a note below the table and no row: '{note[:200]}'"))
        elif len(line) < len(unique) or any(cell.strip() for cell in line[len(unique) :]):
            broken.append((number, f"has {len(line)} of {len(unique)} fields, so its cells are in the wrong columns"))
        else:
            complete_lines.append(line[: len(unique)])
            numbers.append(number)
    columns = list(zip(*complete_lines, strict=True)) or [()] * len(unique)
    frame = pl.DataFrame(
        {ROW: numbers, **{n: list(column) for n, column in zip(unique, columns, strict=True)}},
        schema={ROW: pl.Int64, **dict.fromkeys(unique, pl.String)},
    )
    return Rows(frame.drop([column for column in frame.columns if column in INDEX_NAMES]), broken)


def _last_row(lines: Sequence[Sequence[str]]) -> int:
    """How many rows there are down to the last that says more than one thing."""
    cell_counts = [sum(bool(cell.strip()) for cell in line) for line in lines]
    return max((number for number, count in enumerate(cell_counts, start=1) if count > 1), default=len(lines))


def _markdown(member: Member, after: str | None) -> Rows:
    """The first table of the text, or the first after a marker; links give their text, and their address beside it."""
    text = text_of(member.payload, member.name)
    start = 0 if after is None else text.find(after)
    if start < 0:
        raise UnreadableFile(f"{member.name} has no {after!r}, after which its table is declared to be.")
    table = next(markdown_tables(text[start:]), None)
    if table is None:
        raise UnreadableFile(f"{member.name} holds no Markdown table.")
    _, header, body = table
    rows = _table(header, body, member.name)
    return replace(rows, frame=with_links(rows.frame), text=text)


def _every_table(member: Member, needed: Sequence[str]) -> Rows:
    """Rows of all tables of the text that have the needed columns, with the heading above each; numbered through."""
    text = text_of(member.payload, member.name)
    frames: list[pl.DataFrame] = []
    broken: list[tuple[int, str]] = []
    before = 0
    wanted = {plain(name) for name in needed}
    for heading, header, body in markdown_tables(text):
        if not wanted <= {plain(name) for name in header}:
            continue
        rows = _table(header, body, member.name)
        broken += [(before + number, reason) for number, reason in rows.broken]
        frames.append(with_links(rows.frame).with_columns(pl.col(ROW) + before, pl.lit(heading).alias("heading")))
        before += len(body)
    if not frames:
        raise UnreadableFile(f"{member.name} holds no Markdown table with the columns {', '.join(needed)}.")
    return Rows(pl.concat(frames, how="diagonal"), broken, text=text)


def records_of(member: Member, form: str, records: str, most: int | None = None) -> list[dict[str, str | None]]:
    """Rows of a document, each as text by key; of all, or of the first `most`.

    Raises:
        UnreadableFile: it is not written in that form, or holds nothing there.
    """
    steps = [step for step in records.split(".") if step]
    rows = list(islice(rows_at(_document(member, form), steps), most))
    if not rows:
        raise UnreadableFile(f"{member.name} holds nothing at {records or 'its root'}.")
    return rows


def table_records(member: Member, most: int | None = None) -> list[dict[str, str | None]]:
    """Rows of a document that is a table in one of the shapes in which tables are written as documents.

    Raises:
        UnreadableFile: it is not written as its suffix says, or is no table.
    """
    rows = whole_table(_document(member, member.form or ""))
    if not rows:
        raise UnreadableFile(f"{member.name} holds no table.")
    return [flat(record) for record in rows[:most]]


def _document(member: Member, form: str) -> Any:
    form = member.form if member.form in NESTED and form in NESTED else form
    try:
        # Bare NaN, which JSON does not have and boards write, is read as such and says nothing.
        return parsed(form, text_of(member.payload, member.name))
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        if isinstance(error, UnreadableFile):
            raise
        reason = str(error).strip().splitlines()
        raise UnreadableFile(f"{member.name} cannot be read as {form}: {reason[0] if reason else error}") from error
