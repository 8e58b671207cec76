"""A first declaration of somebody's board, drafted from a file of it: a start to be looked at, not the last word."""

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import File
from pipelines.sources.boards.documents import (
    DOCUMENTS,
    FILE_NAME,
    FILE_PATH,
    FILE_STEM,
    MOST_BYTES,
    Member,
    headers_of,
    rows_of,
    text_of,
)
from pipelines.sources.boards.documents import plain as plain_column
from pipelines.sources.boards.markdown import markdown_tables
from pipelines.sources.boards.names import holds_no_scores
from pipelines.sources.boards.results import known_benchmarks, plain
from pipelines.sources.gzipped import NotUnpacked, plain_name, unpacked
from pipelines.sources.tables import ROW, UnreadableFile

_NAMES = (
    "model", "models", "model name", "model version", "model/adapter", "name", "entry", "id", "llm", "fullname",
    "model id", "model.name", "model.id", "modell", "modèle", "modelo", "模型",
)  # fmt: skip
_SCAFFOLDS = ("agent", "scaffold", "harness", "framework")
_BENCHMARKS = re.compile(r"benchmark|dataset|task|eval|test|language|subject|categor|domain", re.IGNORECASE)
"""Heads of the column that names benchmarks, in tables with a column for each model."""
_OURS = {ROW, FILE_NAME, FILE_PATH, FILE_STEM}
_MOSTLY = 0.5
_RECORDS = ("", "{model}")
"""Where the rows of a document may lie: a table in whatever shape, else an object for each model."""
_IN_A_LIST = re.compile(r"^([^.]+)\.0\.")
"""Columns of the first record of a list within each row."""


def draft(path: Path) -> str:
    """The TOML of a declaration by which the file can be read.

    Args:
        path: A board as CSV, JSON, YAML, Parquet or Markdown, which may be packed with gzip.

    Raises:
        UnreadableFile: it cannot be read, or has no column of model names or none of numbers.
    """
    try:
        member = Member(plain_name(path.name), unpacked(path.read_bytes(), path.name, MOST_BYTES))
    except NotUnpacked as error:
        raise UnreadableFile(str(error)) from error
    form, where, frame = _read(member)
    name, across, scores = _columns(frame)
    benchmark = None if across else _benchmark_column(frame, name, scores)
    if not scores:
        shown = (
            ", ".join([column for column in frame.columns if column and column not in _OURS][:12]) or "without names"
        )
        lacks = "column of scores" if name else f"column named {', '.join(_NAMES[:4])} or similar"
        raise UnreadableFile(f"{path.name} has no {lacks}; its columns are {shown}.")
    board = re.sub(r"[^a-z0-9]+", "_", member.stem.casefold()).strip("_")
    board = (board if board and board[0].isalpha() else f"board_{board}")[:40]
    lines = [
        f"name = {_quoted(board)}",
        f"title = {_quoted(member.stem)}",
        f"homepage = {_quoted(path.name)}",
        '# Figures without a licence stay in this home. With one: licence = "CC-BY-4.0" and may_bundle = true.',
        "may_bundle = false",
        "# independent, vendor, community or estimate",
        'reporter = "community"',
        "",
        "[[file]]",
        'name = "results"',
        f"form = {_quoted(form)}",
        *where,
        f"recognised_by = [{', '.join(map(_quoted, across or [name or '', *scores[:4]]))}]",
        *([f"models_across = [{', '.join(map(_quoted, across))}]"] if across else []),
        f"name_in_source = {_quoted('{' + (name or 'model') + '}')}",
        'version = "1"',
    ]
    if scaffold := next((one for one in frame.columns if plain_column(one) in _SCAFFOLDS), None):
        lines.append(f"scaffold = {_quoted('{' + scaffold + '}')}")
    if across:
        benchmark = next(column for column in across if _BENCHMARKS.search(column))
        score_cells = frame.select(pl.concat([pl.col(column) for column in scores]).alias("score"))
        lines += ["", *_score(score_cells, "score"), f"benchmark = {_quoted('{' + benchmark + '}')}"]
    else:
        for column in scores:
            lines += ["", *_score(frame, column)]
            lines += [f"benchmark = {_quoted('{' + benchmark + '}')}"] if benchmark else []
    return "\n".join(lines) + "\n"


def _columns(frame: pl.DataFrame) -> tuple[str | None, list[str], list[str]]:
    """Column of names, columns beside those of models where each of these has one, and columns of scores."""
    columns = [column for column in frame.columns if column not in _OURS]
    small = {plain_column(column): column for column in reversed(columns)}
    name = next((small[plain_column(word)] for word in _NAMES if plain_column(word) in small), None)
    scores = [c for c in columns if c != name and not holds_no_scores(c) and _is_numeric(frame, c)]
    if name is not None:
        return name, [], scores
    across = [column for column in columns if column not in scores]
    one_each = {"value", "score"}.isdisjoint(column.casefold() for column in scores)
    return None, across, scores if one_each and any(map(_BENCHMARKS.search, across)) else []


def _benchmark_column(frame: pl.DataFrame, name: str | None, scores: list[str]) -> str | None:
    """The column that names benchmarks where a model has a row for each; None where it has one row."""
    if name is None or not scores or not frame[name].is_duplicated().any():
        return None
    scaffolds = [one for one in frame.columns if plain_column(one) in _SCAFFOLDS]
    texts = [one for one in frame.columns if one not in {name, *scores, *scaffolds, *_OURS} and _BENCHMARKS.search(one)]
    rows = frame.drop(ROW).unique()
    return next((one for one in texts if rows.select(name, one, *scaffolds).n_unique() == rows.height), None)


def _read(member: Member) -> tuple[str, list[str], pl.DataFrame]:
    """Form, the lines that say where its rows lie, and these; of several places the first that has scores."""
    form = member.form
    if form is None or form == "zip":
        raise UnreadableFile(f"{member.name} is not CSV, JSON, YAML, Parquet or Markdown.")
    key, places = "records", list(_RECORDS if form in DOCUMENTS else ("",))
    if form == "markdown":
        headings = [heading for heading, _, _ in markdown_tables(text_of(member.payload, member.name)) if heading]
        key, places = "after", ["", *dict.fromkeys(headings)]
    failed: UnreadableFile | None = None
    read: list[tuple[str, list[str], pl.DataFrame]] = []
    for place in places:
        location: dict[str, Any] = {key: place} if place else {}
        if form == "csv":
            location = {"recognised_by": _headed(member)}
        file = File.model_validate({"name": "draft", "form": form, **location, "refused": "draft"})
        try:
            frame = rows_of(member, file, as_table=form in DOCUMENTS and not place).frame
        except UnreadableFile as error:
            failed = failed or error
            continue
        scores = _columns(frame)[2]
        lists = [found[1] for one in scores if (found := _IN_A_LIST.search(one))]
        if lists and place in _RECORDS:
            # Of each list only the first record would be read.
            if not text_of(member.payload, member.name).lstrip().startswith(("[", "-")):
                raise UnreadableFile(
                    f"{member.name} has several scores of a model, in a list under {lists[0]}: write the declaration"
                    f' with the place of that list, as records = "[].{lists[0]}[]".'
                )
            if (within := f"[].{lists[0]}[]") not in places:
                places.append(within)
            continue
        read.append((form, [f"{key} = {_quoted(place)}"] if place else [], frame))
        # Objects under keys that are no models have little in common.
        if scores and (place != "{model}" or any(2 * frame[column].null_count() < frame.height for column in scores)):
            return read[-1]
    if read and read[0][1] != ['records = "{model}"']:
        return read[0]
    raise failed or UnreadableFile(f"{member.name} holds no list of models.")


def _headed(member: Member) -> list[str]:
    """The head of the column of models, by which a header below a title or groups of columns is found; none if none."""
    names = {plain_column(one) for one in _NAMES}
    cells = (cell for header in headers_of(member) for cell in header.columns if plain_column(cell) in names)
    return list(islice(cells, 1))


def _is_numeric(frame: pl.DataFrame, column: str) -> bool:
    cells = frame.select(values.cell(column).alias("cell")).drop_nulls()
    return cells.height > 0 and cells.select(values.number(pl.col("cell")).is_not_null().mean()).item() > _MOSTLY


def _score(frame: pl.DataFrame, column: str) -> list[str]:
    cells = frame.select(values.cell(column).alias("cell")).drop_nulls()
    numbers = cells.select(values.number(pl.col("cell")))["cell"].drop_nulls()
    least, most = float(numbers.min() or 0), float(numbers.max() or 0)  # type: ignore[arg-type]  # of floats
    percent = bool(cells["cell"].str.contains("%").any())
    if percent or (least >= 0 and 1 < most <= 100):
        unit = "percent"
    elif least >= 0 and most <= 1:
        unit = "fraction"
    else:
        unit = "elo" if least > 500 else "index"
    facts = known_benchmarks().get(plain(column), {})
    lines = ["[[file.scores]]", f"columns = {_quoted(column)}", f"unit = {_quoted(unit)}"]
    return lines if facts.get("category") else [*lines, 'category = "other"']


def _quoted(text: str) -> str:
    """A text as TOML writes it, which escapes what JSON does."""
    return json.dumps(text, ensure_ascii=False)
