"""Files as they are in the wild, as rows of text: whatever separates, nests or decorates them, nothing is guessed."""

import csv
import io
import json
import math
import re
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import polars as pl
import yaml

from pipelines.sources.boards.declaration import SUFFIX_FORMS, File
from pipelines.sources.tables import INDEX_NAMES, UnreadableFile, delimiter_of, read_as_text

FILE_NAME, FILE_STEM, FILE_PATH = "file.name", "file.stem", "file.path"
"""Columns that every file has."""
ROW = "row_number"
DOCUMENTS = frozenset({"json", "jsonl", "yaml", "toml"})
TABLES = frozenset({"csv", "parquet"})
"""Forms of one and the same table."""
MOST_MEMBERS = 20_000
MOST_BYTES = 512 << 20
_MOST_DEPTH = 12
_MOST_KEYS = 100
"""An object of more keys, within a record, is a list of something: its keys are no columns."""
_MOST_COLUMNS = 5_000
_SNIFFED_BYTES = 1 << 20
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)[^)]*\)")
_RULE = re.compile(r"^\s*\|?\s*:?-{1,}:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_DATE_IN_NAME = re.compile(r"^\d{4}[-_]\d{2}[-_]\d{2}[-_ ]?")


@dataclass(frozen=True)
class Rows:
    """Rows of one file, every cell as text.

    Attributes:
        frame: Cells; `row_number` counts the rows of the file from 1.
        broken: Row number and reason of rows that are not as wide as their header.
        decimal_comma: Whether numbers are written with a comma.
        text: The whole text, where there is one.
    """

    frame: pl.DataFrame
    broken: list[tuple[int, str]] = field(default_factory=list)
    decimal_comma: bool = False
    text: str = ""


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
                form = SUFFIX_FORMS.get(PurePosixPath(entry.filename).suffix.lower())
                if form and form != "zip":
                    with archive.open(entry) as stream:
                        yield Member(entry.filename, stream.read(entry.file_size + 1)[: entry.file_size])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(f"{name} cannot be read as a zip: {error}") from error


def rows_of(member: Member, file: File) -> Rows:
    """Rows of a file by its declared form.

    Raises:
        UnreadableFile: it is not written in that form; the message says why.
    """
    if file.form in DOCUMENTS:
        return rows_together([member], file)
    if member.form == "csv" and file.form in TABLES:
        read = _csv(member)
    elif file.form == "markdown":
        read = _every_table(member, file.recognised_by) if file.every_table else _markdown(member, file.after)
    else:
        read = Rows(_numbered(read_as_text(member.payload, ".parquet", member.name)))
    said = {FILE_NAME: member.name, FILE_STEM: member.stem, FILE_PATH: member.path}
    there = [pl.col(name) for name in file.filled_down if name in read.frame.columns]
    frame = read.frame.with_columns(
        *(pl.when(cell.str.strip_chars() != "").then(cell).forward_fill() for cell in there),
        *(pl.lit(value).alias(name) for name, value in said.items()),
    )
    return Rows(frame, read.broken, read.decimal_comma, read.text)


def rows_together(found: Sequence[Member], file: File) -> Rows:
    """Rows of several documents of one kind, as one table.

    Raises:
        UnreadableFile: one of them is not written in the declared form, or has too many keys.
    """
    records: list[dict[str, str | None]] = []
    numbers: list[int] = []
    for member in found:
        said: dict[str, str | None] = {FILE_NAME: member.name, FILE_STEM: member.stem, FILE_PATH: member.path}
        own = records_of(member, file.form, file.records)
        records += [{**record, **said} for record in own]
        numbers += range(1, len(own) + 1)
    names = dict.fromkeys(name for record in records for name in record if name != ROW)
    if len(names) > _MOST_COLUMNS:
        raise UnreadableFile(f"{found[0].name} has more than {_MOST_COLUMNS:,} different keys.")
    frame = pl.DataFrame(
        {ROW: numbers, **{name: [record.get(name) for record in records] for name in names}},
        schema={ROW: pl.Int64, **dict.fromkeys(names, pl.String)},
    )
    text = text_of(found[0].payload, found[0].name) if len(found) == 1 else ""
    return Rows(frame, text=text)


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.rename({name: name.strip() for name in frame.columns if name.strip() != name}, strict=False)
    return frame.with_row_index("row_number", offset=1).with_columns(pl.col("row_number").cast(pl.Int64))


def text_of(payload: bytes, name: str) -> str:
    """Bytes as text: UTF-8 with or without a byte-order mark, UTF-16 with one, else Windows' Latin.

    Raises:
        UnreadableFile: they hold zero bytes, as no text does.
    """
    if payload[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return payload.decode("utf-16", errors="replace")
    if b"\0" in payload[:65536]:
        raise UnreadableFile(f"{name} is no text.")
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        return payload.decode("cp1252", errors="replace")


def plain(name: str) -> str:
    """A column's name without what exports change: case, and blanks, underscores or hyphens between words."""
    return " ".join(_BETWEEN_WORDS.sub(" ", name.casefold()).split())


def csv_header(member: Member) -> list[str]:
    """Columns of a CSV, reading no further than needed: files of votes have millions of rows.

    Raises:
        UnreadableFile: it is no text, or its first record no header.
    """
    text = text_of(member.payload[:_SNIFFED_BYTES], member.name)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
        return [cell.strip() for cell in next((line for line in lines if any(line)), [])]
    except csv.Error as error:
        raise UnreadableFile(f"{member.name} cannot be read as CSV: {error}") from error


def _csv(member: Member) -> Rows:
    text = text_of(member.payload, member.name)
    delimiter = delimiter_of(text)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise UnreadableFile(f"{member.name} cannot be read as CSV: {error}") from error
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if len(lines) < 2:
        raise UnreadableFile(f"{member.name} has no row below its header.")
    rows = _table(lines[0], lines[1:], member.name)
    return Rows(rows.frame, rows.broken, delimiter == ";", text)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], name: str) -> Rows:
    """Rows as wide as the header; wider ones only if what is beyond it is empty. Others are told, never padded."""
    names = [cell.strip().removeprefix("\ufeff") for cell in header]
    while names and not names[-1]:
        names.pop()
    if len(names) > _MOST_COLUMNS:
        raise UnreadableFile(f"{name} has more than {_MOST_COLUMNS:,} columns.")
    seen: dict[str, int] = {}
    unique = []
    for one in names:
        seen[one] = seen.get(one, 0) + 1
        unique.append(one if seen[one] == 1 else f"{one}#{seen[one]}")
    broken: list[tuple[int, str]] = []
    kept: list[Sequence[str]] = []
    numbers: list[int] = []
    for number, line in enumerate(lines, start=1):
        if [cell.strip() for cell in line[: len(names)]] == names:
            continue  # The header once more, as in files that were joined.
        if len(line) < len(unique) or any(cell.strip() for cell in line[len(unique) :]):
            broken.append((number, f"has {len(line)} of {len(unique)} fields, so its cells are in the wrong columns"))
        else:
            kept.append(line[: len(unique)])
            numbers.append(number)
    columns = list(zip(*kept, strict=True)) or [()] * len(unique)
    frame = pl.DataFrame(
        {"row_number": numbers, **{n: list(column) for n, column in zip(unique, columns, strict=True)}},
        schema={"row_number": pl.Int64, **dict.fromkeys(unique, pl.String)},
    )
    return Rows(frame.drop([column for column in frame.columns if column in INDEX_NAMES]), broken)


def _markdown(member: Member, after: str | None) -> Rows:
    """The first table of the text, or the first after a marker; links give their text, and their address beside it."""
    text = text_of(member.payload, member.name)
    start = 0 if after is None else text.find(after)
    if start < 0:
        raise UnreadableFile(f"{member.name} has no {after!r}, after which its table is declared to be.")
    found = next(_markdown_tables(text[start:]), None)
    if found is None:
        raise UnreadableFile(f"{member.name} holds no Markdown table.")
    _, header, body = found
    rows = _table(header, body, member.name)
    return Rows(_linked(rows.frame), rows.broken, text=text)


def _every_table(member: Member, needed: Sequence[str]) -> Rows:
    """Rows of all tables of the text that have the needed columns, with the heading above each; numbered through."""
    text = text_of(member.payload, member.name)
    frames: list[pl.DataFrame] = []
    broken: list[tuple[int, str]] = []
    before = 0
    wanted = {plain(name) for name in needed}
    for heading, header, body in _markdown_tables(text):
        if not wanted <= {plain(name) for name in header}:
            continue
        rows = _table(header, body, member.name)
        broken += [(before + number, reason) for number, reason in rows.broken]
        frames.append(_linked(rows.frame).with_columns(pl.col(ROW) + before, pl.lit(heading).alias("heading")))
        before += len(body)
    if not frames:
        raise UnreadableFile(f"{member.name} holds no Markdown table with the columns {', '.join(needed)}.")
    return Rows(pl.concat(frames, how="diagonal"), broken, text=text)


def _markdown_tables(text: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
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
    inner = line.strip().removeprefix("|")
    inner = inner.removesuffix("|")
    return [cell.strip().replace("\\|", "|").strip("*` ") for cell in re.split(r"(?<!\\)\|", inner)]


def _linked(frame: pl.DataFrame) -> pl.DataFrame:
    found = {}
    for name in frame.columns:
        if frame[name].dtype == pl.String and frame[name].str.contains(r"\[[^\]]*\]\(").any():
            cells = [_LINK.search(cell or "") for cell in frame[name]]
            found[name] = [one.group(1) if one else cell for one, cell in zip(cells, frame[name], strict=True)]
            found[f"{name}.link"] = [one.group(2) if one else None for one in cells]
    return frame.with_columns(pl.Series(name, values, dtype=pl.String) for name, values in found.items())


def records_of(member: Member, form: str, records: str, most: int | None = None) -> list[dict[str, str | None]]:
    """Rows of a document, each as text by key; of all, or of the first `most`.

    Raises:
        UnreadableFile: it is not written in that form, or holds nothing there.
    """
    text = text_of(member.payload, member.name)
    try:
        # Bare NaN, which JSON does not have and boards write, is read as such and says nothing.
        steps = [step for step in records.split(".") if step]
        found = list(islice(_walk(_loaded(form, text), steps, {}), most))
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).strip().splitlines()
        raise UnreadableFile(f"{member.name} cannot be read as {form}: {reason[0] if reason else error}") from error
    if not found:
        raise UnreadableFile(f"{member.name} holds nothing at {records or 'its root'}.")
    return found


@lru_cache(maxsize=2)
def _loaded(form: str, text: str) -> Any:
    """The document of a text; kept, as several kinds of file are tried on it in turn."""
    if form == "yaml":
        return _yaml(text)
    if form == "jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return tomllib.loads(text) if form == "toml" else json.loads(text)


def _yaml(text: str) -> Any:
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
        # A few lines of them can stand for more than fits.
        raise ValueError("aliases are not read")
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # of whichever is built
    """Safe, and dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _walk(
    node: Any, steps: Sequence[str], above: Mapping[str, str | None], path: str = ""
) -> Iterator[dict[str, str | None]]:
    """Rows below a node; what stands on the way is carried along, under the path of where it stands."""
    if not steps:
        own = _flat(node) if isinstance(node, dict) else {"value": _as_text(node)}
        if not isinstance(node, list):
            yield {**{name if name not in own else f"^{name}": value for name, value in above.items()}, **own}
        return
    step, *rest = steps
    if step == "[]" or (step.startswith("{") and isinstance(node, list)):
        for each in node if isinstance(node, list) else ():
            yield from _walk(each, rest, above, path)
    elif step.startswith("{"):
        for key, each in node.items() if isinstance(node, dict) else ():
            yield from _walk(each, rest, {**above, step[1:-1]: str(key)}, path)
    elif isinstance(node, dict):
        key, each_of = (step[:-2], True) if step.endswith("[]") else (step, False)
        beside = _flat({name: value for name, value in node.items() if name != key}, path)
        below = node.get(key)
        for each in (below if isinstance(below, list) else ()) if each_of else (below,):
            yield from _walk(each, rest, {**above, **beside}, f"{path}{key}.")


def _flat(node: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> dict[str, str | None]:
    flat: dict[str, str | None] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            if depth >= _MOST_DEPTH or len(value) > _MOST_KEYS:
                continue
            flat.update(_flat(value, f"{name}.", depth + 1))
        elif isinstance(value, list):
            if value and all(not isinstance(each, dict | list) for each in value):
                flat[name] = "; ".join(_as_text(each) or "" for each in value[:50])
            elif value and isinstance(value[0], dict):
                flat.update(_flat(value[0], f"{name}.0.", depth + 1) if depth < _MOST_DEPTH else {})
        else:
            flat[name] = _as_text(value)
    return flat


def _as_text(value: object) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
