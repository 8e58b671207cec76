"""A first declaration of somebody's board, drafted from a file of it: a start to be looked at, not the last word."""

import re
from pathlib import Path

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import File
from pipelines.sources.boards.documents import FILE_NAME, FILE_PATH, FILE_STEM, ROW, Member, rows_of
from pipelines.sources.boards.names import holds_no_scores
from pipelines.sources.boards.results import known_benchmarks, plain
from pipelines.sources.tables import UnreadableFile

_NAMES = ("model", "model_name", "model name", "model version", "name", "entry", "id", "llm", "fullname")
_MOSTLY = 0.5
_RECORDS = ("", "[]", "models[]", "results[]", "data[]", "rows[]", "leaderboard[]", "entries[]", "{model}")


def draft(path: Path) -> str:
    """The TOML of a declaration by which the file can be read.

    Args:
        path: A board as CSV, JSON, YAML, Parquet or Markdown.

    Raises:
        UnreadableFile: it cannot be read, or has no column of model names or none of numbers.
    """
    member = Member(path.name, path.read_bytes())
    form, records, frame = _read(member)
    columns = [name for name in frame.columns if name not in {ROW, FILE_NAME, FILE_PATH, FILE_STEM}]
    small = {name.casefold().strip(): name for name in columns}
    name = next((small[one] for one in _NAMES if one in small), None)
    if name is None:
        raise UnreadableFile(f"{path.name} has no column that is called {', '.join(_NAMES[:4])} or alike.")
    scores = [c for c in columns if c != name and not holds_no_scores(c) and _is_numeric(frame, c)]
    if not scores:
        raise UnreadableFile(f"{path.name} has no column of scores; its columns are {', '.join(columns[:12])}.")
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
        *([f"records = {_quoted(records)}"] if records else []),
        f"recognised_by = [{', '.join(map(_quoted, [name, *scores[:4]]))}]",
        f"name_in_source = {_quoted('{' + name + '}')}",
        'version = "1"',
    ]
    for column in scores:
        lines += ["", *_score(frame, column)]
    return "\n".join(lines) + "\n"


def _read(member: Member) -> tuple[str, str, pl.DataFrame]:
    form = member.form
    if form is None or form == "zip":
        raise UnreadableFile(f"{member.name} is not CSV, JSON, YAML, Parquet or Markdown.")
    failed: UnreadableFile | None = None
    for records in _RECORDS if form in {"json", "yaml", "toml"} else ("",):
        file = File.model_validate({"name": "draft", "form": form, "records": records, "refused": "draft"})
        try:
            frame = rows_of(member, file).frame
        except UnreadableFile as error:
            failed = failed or error
            continue
        if frame.height > 1 or form not in {"json", "yaml", "toml"}:
            return form, records, frame
    raise failed or UnreadableFile(f"{member.name} holds no list of models.")


def _is_numeric(frame: pl.DataFrame, column: str) -> bool:
    said = frame.select(values.cell(column).alias("cell")).drop_nulls()
    return said.height > 0 and said.select(values.number(pl.col("cell")).is_not_null().mean()).item() > _MOSTLY


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
    known = known_benchmarks().get(plain(column), {})
    lines = ["[[file.scores]]", f"columns = {_quoted(column)}", f"unit = {_quoted(unit)}"]
    return lines if known.get("category") else [*lines, 'category = "other"']


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
