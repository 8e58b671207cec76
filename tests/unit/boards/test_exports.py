"""Published CSV boards as people export them again: the same values come out, or rows are rejected, never others."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources.boards.declaration import declared
from pipelines.sources.boards.documents import Member
from pipelines.sources.boards.read import Read, read_rows
from pipelines.sources.boards.recognition import match, recognise_board
from pipelines.sources.collect import collect
from pipelines.sources.raw_store import RawStore
from warehouse.settings import Settings

pytestmark = [pytest.mark.data]

Lines = list[list[str]]
FILES = (
    "artificial_analysis/2026-07-10_llms_slim.csv", "bfcl/2025-12-16_data_overall.csv",
    "bfcl/2025-12-16_data_agentic.csv", "epoch/2025-12-03_benchmarks_runs.csv",
    "epoch/2026-03-09_epoch_capabilities_index.csv", "epoch/2026-08-11_eci_scores.csv",
    "livebench/2026-07-10_table_2026_06_25.csv", "openevals/2026-03-25_leaderboard-data.csv",
    "teci/2026-08-16_results_methods.csv", "teci/2026-08-16_obs_ours.csv",
)  # fmt: skip
_QUICK = {FILES[2], FILES[5], FILES[9]}
EACH_FILE = [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow) for name in FILES]


def written(lines: Lines, separator: str = ",", ending: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=ending).writerows(lines)
    return text.getvalue().encode()


def headed(change: Callable[[str], str]) -> Callable[[Lines], bytes]:
    return lambda lines: written([[change(name) for name in lines[0]], *lines[1:]])


def celled(change: Callable[[str], str], separator: str = ",") -> Callable[[Lines], bytes]:
    return lambda lines: written([lines[0], *([change(cell) for cell in line] for line in lines[1:])], separator)


def comma(cell: str) -> str:
    return cell.replace(".", ",") if re.fullmatch(r"-?\d+\.\d+", cell) else cell


def reordered(lines: Lines) -> bytes:
    order = [*range(1, len(lines[0]), 2), *range(0, len(lines[0]), 2)][::-1]
    return written([[line[place] if place < len(line) else "" for place in order] for line in lines])


WAYS: dict[str, Callable[[Lines], bytes]] = {
    "a surplus column": lambda lines: written([["zz", *lines[0]], *(["x", *line] for line in lines[1:])]),
    "an index column": lambda lines: written([["", *lines[0]], *([str(n), *line] for n, line in enumerate(lines[1:]))]),
    "semicolons": lambda lines: written(lines, ";"),
    "semicolons and decimal commas": celled(comma, ";"),
    "tabs and Windows' line ends": lambda lines: written(lines, "\t", "\r\n"),
    "N/A": celled(lambda cell: cell or "N/A"),
    "NaN": celled(lambda cell: cell or "NaN"),
    "a byte-order mark": lambda lines: b"\xef\xbb\xbf" + written(lines),
    "blanks around cells": celled(lambda cell: f" {cell}  " if cell else cell),
    "headers in capitals": headed(str.upper),
    "headers in small letters": headed(str.lower),
    "underscores in headers": headed(lambda name: name.replace(" ", "_")),
    "columns in another order": reordered,
    "the header once more": lambda lines: written([*lines[:9], lines[0], *lines[9:]]),
}


def read(payload: bytes, name: str) -> Read:
    boards = declared()
    board_file = recognise_board(payload, name, boards)
    assert board_file is not None
    matched = match(Member(name, payload), [boards[str(board_file.subject)]])
    assert matched is not None
    return read_rows(matched.rows, matched.board, matched.file, board_file.as_of)


def rows_of(board_file: Read) -> set[tuple[object, ...]]:
    key = ["benchmark", "benchmark_version", "name_in_source", "mode", "effort", "scaffold", "metric", "score"]
    facts: set[tuple[object, ...]] = set()
    if board_file.facts.height:
        facts = set(
            board_file.facts.drop("row_number", "member", strict=False).with_columns(pl.all().cast(pl.String)).rows()
        )
    return set(board_file.results.select(*key, "standard_error", "ci_low", "ci_high").rows()) | facts


def lines_of(path: Path) -> Lines:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


@pytest.mark.parametrize("file", EACH_FILE)
def test_a_board_says_the_same_however_it_was_exported(board_files: Path, file: str) -> None:
    path = board_files / file
    meant = rows_of(read(path.read_bytes(), path.name))
    lines = lines_of(path)
    assert meant
    differing = [way for way, export in WAYS.items() if rows_of(read(export(lines), path.name)) != meant]
    assert differing == []


@pytest.mark.parametrize("file", EACH_FILE)
def test_rows_that_lost_a_cell_are_rejected_with_a_reason_and_give_no_other_value(board_files: Path, file: str) -> None:
    path = board_files / file
    lines = lines_of(path)

    def shifted(number: int, line: Sequence[str]) -> list[str]:
        return [*line[:3], *line[4:]] if number % 7 == 1 else list(line)

    payload = written([lines[0], *(shifted(number, line) for number, line in enumerate(lines[1:]))])
    board_file = read(payload, path.name)
    assert rows_of(board_file) <= rows_of(read(path.read_bytes(), path.name))
    assert any("so its cells are in the wrong columns" in reason for _, _, reason in board_file.rejected)


def test_a_packed_file_is_stored_as_what_it_holds(board_files: Path, tmp_path: Path) -> None:
    path = board_files / FILES[1]
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    (folder / "broken.csv.gz").write_bytes(gzip.compress(path.read_bytes())[:900])
    collection = collect([str(folder)], Settings.model_validate({"home": str(tmp_path / "home")}))
    (stored,) = RawStore(tmp_path / "home" / "raw").snapshots("board_bfcl")
    assert (stored.path.suffix, stored.path.read_bytes()) == (".csv", path.read_bytes())
    assert [uri for uri, reason in collection.set_aside if "cannot be unpacked" in reason] == ["broken.csv.gz"]
