"""Which declared source a file is of, told from its columns, and the date of which it speaks."""

import datetime as dt
import fnmatch
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import Board, Declared, File, files_of
from pipelines.sources.boards.documents import (
    DOCUMENTS,
    NESTED,
    TABLES,
    Member,
    Rows,
    headers_of,
    members,
    plain,
    records_of,
    rows_of,
    table_records,
)
from pipelines.sources.boards.measured import measured_by_tool
from pipelines.sources.boards.templates import Template
from pipelines.sources.dates import today, tomorrow
from pipelines.sources.recognised import Recognised, Unread
from pipelines.sources.tables import UnreadableFile, header_of

PREFIX = "board_"
"""Before the name of a source, in the raw store."""
OWN_FORM = "own_form"
OWN_FACTS = "own_facts"
OWN_FORMS: Mapping[str, frozenset[str]] = {
    OWN_FORM: frozenset({"source", "snapshot_date", "benchmark", "metric", "name_in_source", "score", "unit"}),
    OWN_FACTS: frozenset(
        {"source", "snapshot_date", "name_in_source", "release_date", "context_tokens", "weights_url"}
    ),
}
"""Columns by which tables of ours are known: what the project bundles, or a home exported."""
_MOST_DOCUMENT_BYTES = 64 << 20
"""No board is longer; what is are votes or logs."""
_SNIFFED_RECORDS = 50
_DATE_IN_NAME = re.compile(r"(?<!\d)(?P<year>20\d\d)(?P<between>[-_.]?)(?P<month>\d\d)(?P=between)(?P<day>\d\d)(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(?P<day>\d\d)(?P<between>[-_.])(?P<month>\d\d)(?P=between)(?P<year>20\d\d)(?!\d)")
"""A day before its month; where both could be months nobody knows which is which."""
_MONTHS = 12


class NoBoard(ValueError):
    """A file is of no declared board, or of one whose files of that kind hold no results; the message says which.

    Attributes:
        is_unknown: Whether it is of no declared board at all.
    """

    def __init__(self, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_unknown = is_unknown


class UndatedBoard(ValueError):
    """The date of a board's file cannot be."""


UNRECOGNISED = (NoBoard, UndatedBoard, UnreadableFile)


@dataclass(frozen=True)
class Matched:
    """A file, or a member of a zip, with the kind it is of.

    Attributes:
        board: The source.
        file: The kind.
        member: The file.
        as_table: Whether it is the declared table in another form, as a CSV saved as JSON.
    """

    board: Board
    file: File
    member: Member
    as_table: bool = False

    @functools.cached_property
    def rows(self) -> Rows:
        """Its rows.

        Raises:
            UnreadableFile: it is not written as declared.
        """
        return rows_of(self.member, self.file, as_table=self.as_table)


def recognise(file: Unread) -> Recognised | None:
    """As `recognise_board`."""
    return recognise_board(file.payload, file.uri, file.boards, is_asked=file.is_asked)


def recognise_board(
    payload: bytes, uri: str, boards: Mapping[str, Declared], *, is_asked: bool = False
) -> Recognised | None:
    """What a file is among the declared boards; None where it is none of them.

    Args:
        payload: Its bytes.
        uri: Its name or address.
        boards: Declarations by source.
        is_asked: Whether it is known to be of one of these, having been fetched from it.

    Raises:
        NoBoard: it belongs to a board and holds no results; the message says why.
        UndatedBoard: its name says a date that cannot be.
        UnreadableFile: a zip that cannot be read.
    """
    name = uri.rsplit("/", 1)[-1]
    member = Member(name, payload)
    if member.form is None or (member.form not in {"csv", "parquet", "zip"} and len(payload) > _MOST_DOCUMENT_BYTES):
        return None
    if member.form == "csv" and (recognised := _own_form(member)):
        return recognised
    if member.form == "zip":
        return _zip(payload, uri, name, boards, is_asked=is_asked)
    try:
        matched = match(member, boards.values(), is_asked=is_asked)
    except UnreadableFile:
        return None
    if matched is None:
        return None
    if matched.file.refused:
        raise NoBoard(f"{name} {matched.file.refused}")
    board, stated = matched.board, dated([matched], name)
    return Recognised(f"{PREFIX}{board.name}", matched.file.name, board.name, stated.day, board.licence, *stated[1:])


def _own_form(member: Member) -> Recognised | None:
    head = member.payload[:4096].split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
    layout = next((name for name, columns in OWN_FORMS.items() if set(head) >= columns), None)
    if layout is None:
        return None
    rows = rows_of(member, File(name=layout, form="csv", refused="own"))
    frame = rows.frame
    sources = frame["source"].unique().to_list()
    as_of = frame.select(values.day(pl.col("snapshot_date")).max()).item()
    if len(sources) != 1 or not isinstance(as_of, dt.date):
        raise NoBoard(f"{member.name} holds results of {len(sources)} sources; one file holds those of one.")
    return Recognised(f"{PREFIX}{sources[0]}", layout, str(sources[0]), as_of)


def _zip(payload: bytes, uri: str, name: str, boards: Mapping[str, Declared], *, is_asked: bool) -> Recognised | None:
    """A zip is of the source of most of its members."""
    matched: dict[str, list[Matched]] = {}
    likely: list[Declared] = []
    for member in members(payload, uri):
        try:
            member_match = match(member, likely, is_asked=is_asked) or match(member, boards.values(), is_asked=is_asked)
        except UnreadableFile:
            continue
        if member_match is not None and not member_match.file.refused:
            matched.setdefault(member_match.board.name, []).append(member_match)
            likely = [boards[member_match.board.name]]  # its fellows are mostly of the same
    if not matched:
        return None
    most = max(matched.values(), key=len)
    board = most[0].board
    stated = dated(most, name)
    return Recognised(f"{PREFIX}{board.name}", "zip", board.name, stated.day, board.licence, *stated[1:])


def match(member: Member, boards: Iterable[Declared], *, is_asked: bool = False) -> Matched | None:
    """The kind of file that a file is of: the one recognised by most of its columns.

    Args:
        member: The file.
        boards: Declared sources.
        is_asked: Whether it is known to be of one of these: many sources publish what one and the same tool wrote.

    Raises:
        UnreadableFile: it is not written as its suffix says.
    """
    best: tuple[int, Matched] | None = None
    failed: UnreadableFile | None = None
    readable = False
    seen: dict[tuple[object, ...], list[_Beginning]] = {}
    for board, file in files_of(boards):
        if not _named(file, member):
            continue
        views = _table_flags(member, file)
        if file.by_tool:
            try:
                if is_asked and best is None and False in views and measured_by_tool(member, file).height:
                    best = (0, Matched(board, file, member))
            except UnreadableFile as error:
                failed = error
            continue
        for as_table in views:
            tables = file.every_table and file.recognised_by
            how = (as_table,) if as_table else (member.form, file.records, file.after, tables)
            if how not in seen:
                try:
                    seen[how] = _beginnings(member, file, as_table=as_table)
                    readable = True
                except UnreadableFile as error:
                    seen[how] = []
                    failed = failed if as_table else error
            fits = (_fit(shape, file, member, as_table=as_table) for shape in seen[how])
            fit = max((fit for fit in fits if fit is not None), default=None)
            if fit is not None and (best is None or fit > best[0]):
                best = (fit, Matched(board, file, member, as_table))
    if best is None:
        if failed is not None and not readable:
            raise failed
        return None
    return best[1]


def _table_flags(member: Member, file: File) -> list[bool]:
    """Whether a file may be of a kind as declared, and whether as the same table in another form."""
    both = {file.form, member.form or ""}
    declared = len(both) == 1 or both <= TABLES or both <= NESTED
    other = bool(file.recognised_by) and file.form != "zip" and member.form not in {"zip", "toml"}
    return [False] * declared + [True] * (other and (not declared or member.form in DOCUMENTS))


class _Beginning(NamedTuple):
    """Columns that a file may have, plain, and its first row where it is a document."""

    columns: set[str]
    first: Mapping[str, str | None]


def _beginnings(member: Member, file: File, *, as_table: bool) -> list[_Beginning]:
    form = member.form if as_table else file.form
    if form in DOCUMENTS:
        records = (
            table_records(member, _SNIFFED_RECORDS)
            if as_table
            else records_of(member, file.form, file.records, _SNIFFED_RECORDS)
        )
        names = _plain(name for record in records for name in record)
        return [_Beginning(names | (_last_words(names) if as_table else set()), records[0])]
    if form == "markdown":
        return [_Beginning(_plain(rows_of(member, file, as_table=as_table).frame.columns), {})]
    if member.form == "csv":
        return [_Beginning(_plain(header.columns), {}) for header in headers_of(member)]
    names = _plain(header_of(member.payload, member.suffix, member.name, nested=True))
    return [_Beginning(names | _last_words(names), {})]


def _last_words(names: Iterable[str]) -> set[str]:
    return {name.rpartition(".")[2].strip() for name in names}


def _plain(names: Iterable[str]) -> set[str]:
    return {plain(name) for name in names}


@functools.cache
def _plain_declared(names: tuple[str, ...]) -> frozenset[str]:
    """Of the columns of a declaration: every file that comes is compared with all of them."""
    return frozenset(_plain(names))


def _named(file: File, member: Member) -> bool:
    return not file.only_named or bool(file.file_name and _is_named(file, member))


def _is_named(file: File, member: Member) -> bool:
    pattern = (file.file_name or "").lower()
    # Under another suffix it is the same table in another form, or the same form by its other name.
    names = (
        member.name,
        *(f"{member.stem}{suffix}" for suffix in (member.suffix, PurePosixPath(pattern).suffix)),
        member.path,
    )
    return any(fnmatch.fnmatchcase(name.lower(), pattern) for name in names)


def _fit(beginning: _Beginning, file: File, member: Member, *, as_table: bool) -> int | None:
    """How well a kind fits, None where not at all: by its columns, its first row, its form, and its name."""
    needed = _plain_declared(file.recognised_by)
    named = bool(file.file_name and _is_named(file, member))
    if not needed <= beginning.columns or not (needed or file.where or named):
        return None
    if any(beginning.first.get(column) != text for column, text in file.where.items()):
        return None
    return 8 * (len(needed) + 2 * len(file.where)) + (6 if named else 0) + (0 if as_table else 1)


class Dated(NamedTuple):
    """A date, whether only the name of the file says it, and whether anything does."""

    day: dt.date
    by_name: bool = False
    is_dated: bool = True


def dated(matched: Sequence[Matched], name: str) -> Dated:
    """The newest date that rows or text say, else that of the file's name, else today.

    Raises:
        UndatedBoard: the name says a date before there were boards, or after tomorrow.
    """
    stated = [date for match in matched for date in _stated_dates(match, match.file.date)]
    if stated:
        return Dated(max(stated))
    if (date := _named_day(name)) is not None:
        if not values.EARLIEST <= date <= tomorrow():
            raise UndatedBoard(f"{name} names {date}, which cannot be the date of a board.")
        return Dated(date, by_name=True)
    if stated := [date for match in matched for date in _stated_dates(match, match.file.date_newest)]:
        return Dated(max(stated))
    # Nothing says a date: it is what the source said when it was retrieved.
    return Dated(today(), is_dated=False)


def _named_day(name: str) -> dt.date | None:
    """The first date that the name of a file says, year first or without doubt day first."""
    if date_match := _DATE_IN_NAME.search(name) or _DAY_FIRST.search(name):
        year, month, day = (int(date_match[part]) for part in ("year", "month", "day"))
        if date_match.re is _DAY_FIRST and month > _MONTHS >= day:
            month, day = day, month
        elif date_match.re is _DAY_FIRST and day <= _MONTHS and day != month:
            raise UndatedBoard(f"{name} names {date_match[0]}: day or month first? Write the year first.")
        try:
            return dt.date(year, month, day)
        except ValueError as error:
            if date_match["between"] or date_match.re is _DAY_FIRST:
                raise UndatedBoard(f"{name} names something that is not a date.") from error
    return None


def _stated_dates(match: Matched, template: Template | None) -> Iterator[dt.date]:
    dates: list[object] = []
    if match.file.date_in_text and (text := re.search(match.file.date_in_text, match.rows.text)):
        dates.append(pl.select(values.day(pl.lit(text.group(1)))).item())
    if template is not None:
        frame = match.rows.frame
        dates.append(frame.select(values.day(values.text(template, set(frame.columns))).max()).item())
    yield from (date for date in dates if isinstance(date, dt.date) and values.EARLIEST <= date <= tomorrow())
