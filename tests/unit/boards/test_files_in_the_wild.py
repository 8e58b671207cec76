"""One board, saved in every way that people save tables, is the same board; what is broken is told and never bent."""

import datetime as dt
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.commands.app import app
from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import Board, BrokenDeclaration, Declared, declared, parse
from pipelines.sources.boards.documents import Member
from pipelines.sources.boards.draft import draft
from pipelines.sources.boards.read import Read, read_rows
from pipelines.sources.boards.recognition import UndatedBoard, match, recognise_board
from pipelines.sources.tables import UnreadableFile

DECLARATION = """
name = "wild"
title = "Wild"
homepage = "https://example.org"
"""
FILE = """
[[file]]
name = "{form}"
form = "{form}"
records = "{records}"
recognised_by = ["Model", "Solved", "Errors"]
name_in_source = "{{Model}}"
[[file.scores]]
columns = "Solved"
category = "agents"
unit = "percent"
n_items = 200
binomial = true
[[file.scores]]
columns = "Errors"
category = "other"
unit = "fraction"
higher_is_better = false
"""
SHARED = """
[[file]]
name = "shared"
form = "csv"
recognised_by = ["Model", "Solved", "Time"]
name_in_source = "{Model}"
[file.every_score]
category = "agents"
unit = "percent"
[[file.scores]]
columns = { Solved = "Tasks solved", Errors = "Tasks failed" }
[[file.scores]]
columns = "Time"
unit = "seconds"
"""
RENAMED = FILE.format(form="csv", records="").replace('"Model", "Solved", "Errors"', '"Model", "Solved"')
FORMS = {"csv": "", "parquet": "", "markdown": "", "json": "board.rows[]", "yaml": "[]"}
BOARD = parse(DECLARATION + "".join(FILE.format(form=form, records=at) for form, at in FORMS.items()), "wild.toml")
WILD = Declared(BOARD, by_user=True, text="")
ROWS = [("org/alpha", 61.5, 0.25), ("org/beta (high)", 40.0, 0.5), ("org/gamma", None, 0.125)]
EXPECTED = [
    ("Errors", "org/alpha", None, None, 0.25), ("Errors", "org/beta (high)", "thinking", "high", 0.5),
    ("Errors", "org/gamma", None, None, 0.125), ("Solved", "org/alpha", None, None, 61.5),
    ("Solved", "org/beta (high)", "thinking", "high", 40.0),
]  # fmt: skip


def read(payload: bytes, name: str, board: Declared = WILD) -> Read:
    matched = match(Member(name, payload), [board])
    assert matched is not None
    return read_rows(matched.rows, matched.board, matched.file, dt.date(2026, 11, 1))


def rows_of(board_file: Read) -> list[tuple[object, ...]]:
    order = ["benchmark", "name_in_source", "mode", "effort", "score"]
    return board_file.results.select(order).sort(order).rows()


def csv_of(separator: str = ",", number: Callable[[float], str] = str, absent: str = "", bom: bool = False) -> bytes:
    cells = [[name, absent if solved is None else number(solved), number(errors)] for name, solved, errors in ROWS]
    lines = [separator.join(line) for line in [["Model", "Solved", "Errors"], *cells]]
    return ("\ufeff" if bom else "").encode() + "\n".join(lines).encode() + b"\n"


def comma(number: float) -> str:
    return str(number).replace(".", ",")


def with_column(name: str, first: bool = True) -> bytes:
    lines = csv_of().decode().splitlines()
    extra = [name, *map(str, range(len(lines) - 1))]
    pairs = zip(extra, lines, strict=True)
    return "\n".join(f"{a},{b}" if first else f"{b},{a}" for a, b in pairs).encode()


def as_parquet() -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(ROWS, ["Model", "Solved", "Errors"], orient="row").write_parquet(buffer)
    return buffer.getvalue()


def records() -> list[dict[str, object]]:
    return [{"Model": name, "Solved": solved, "Errors": errors} for name, solved, errors in ROWS]


MARKDOWN = b"""# Board

text | with a bar

| Model | Solved | Errors |
|---|---:|---:|
| [org/alpha](https://huggingface.co/org/alpha) | **61.5** | 0.25 |
| org/beta (high) | 40.0 % | 0.5 |
| org/gamma | - | 0.125 |

more
"""


def nested_parquet() -> bytes:
    buffer = io.BytesIO()
    rows = [
        {"Model": name, "scores": {"Solved": solved, "Errors": errors}, "tags": [1]} for name, solved, errors in ROWS
    ]
    pl.DataFrame(rows).write_parquet(buffer)
    return buffer.getvalue()


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


BY_COLUMN = {
    name: list(cells) for name, cells in zip(["Model", "Solved", "Errors"], zip(*ROWS, strict=True), strict=True)
}
WAYS: dict[str, tuple[bytes, str]] = {
    "plain": (csv_of(), "w.csv"),
    "byte order mark and n/a": (csv_of(bom=True, absent="N/A"), "w.csv"),
    "semicolons and decimal commas": (csv_of(";", comma), "w.csv"),
    "tabs": (csv_of("\t"), "w.tsv"),
    "percent signs": (csv_of(number=lambda x: f"{x} %" if x > 1 else f"{100 * x:g}%"), "w.csv"),
    "nan": (csv_of(absent="NaN"), "w.csv"),
    "trailing blanks": (csv_of().replace(b"org/alpha", b" org/alpha  "), "w.csv"),
    "an index that pandas wrote": (with_column("Unnamed: 0"), "w.csv"),
    "a nameless index": (with_column(""), "w.csv"),
    "a surplus column": (with_column("Rank", first=False), "w.csv"),
    "headers of another case": (csv_of().replace(b"Model,Solved,Errors", b"model, SOLVED ,Errors"), "w.csv"),
    "quoted cells": (csv_of().replace(b"org/alpha", b'"org/alpha"'), "w.csv"),
    "empty fields at the end": (csv_of().replace(b"\n", b",,\n"), "w.csv"),
    "utf-16": (csv_of().decode().encode("utf-16"), "w.csv"),
    "parquet": (as_parquet(), "w.parquet"),
    "bare NaN in JSON": (json.dumps({"board": {"rows": records()}}).replace("null", "NaN").encode(), "w.json"),
    "yaml": (yaml.safe_dump(records()).encode(), "w.yml"),
    "markdown": (MARKDOWN, "w.md"),
    "a title above": (b"The board\n" + csv_of(), "w.csv"),
    "a title and its date above, padded": (b"The board,,\n2026-05-04,,\n,,\n" + csv_of(), "w.csv"),
    "a title above semicolons": (b"\xef\xbb\xbfThe board, by us\n\n" + csv_of(";", comma), "w.csv"),
    "the separator named": (b"sep=;\n" + csv_of(";", comma), "w.csv"),
    "decimal commas in quotes": (csv_of(number=lambda x: f'"{x:.3f}"'.replace(".", ",")), "w.csv"),
    "headers with units and directions": (
        csv_of().replace(b"Solved,Errors", "Solved (%) ↑,Errors ↓".encode()),
        "w.csv",
    ),
    "names with a medal and a footnote": (csv_of().replace(b"org/alpha", "🥇 org/alpha*".encode()), "w.csv"),
    "names as HTML": (csv_of().replace(b"org/alpha", b'"<a href=""https://x.org/a"">org/alpha</a>&nbsp;"'), "w.csv"),
    "names as Markdown": (
        csv_of().replace(b"org/alpha", b"[**org/alpha**](https://huggingface.co/org/alpha)"),
        "w.csv",
    ),
    "scores in bold with their errors": (csv_of(number=lambda x: f"**{x}** (±0.1)"), "w.csv"),
    "records in a list": (dumped(records()), "w.json"),
    "JSON lines": (b"\n".join(map(dumped, records())), "w.jsonl"),
    "records under another key": (dumped({"data": records(), "total": 3}), "w.json"),
    "column by column": (dumped(BY_COLUMN), "w.json"),
    "columns by index, as pandas": (dumped({k: dict(enumerate(v)) for k, v in BY_COLUMN.items()}), "w.json"),
    "columns and rows apart": (dumped({"columns": list(BY_COLUMN), "data": ROWS}), "w.json"),
    "yaml documents": (yaml.safe_dump_all(records()).encode(), "w.yaml"),
    "the declared JSON as YAML": (yaml.safe_dump({"board": {"rows": records()}}).encode(), "w.yml"),
    "nested Parquet": (nested_parquet(), "w.parquet"),
}
# What is there beside the declared columns.
UNREAD = {"a surplus column": {"Rank"}, "markdown": {"Model.link"}, "nested Parquet": {"tags"}}


@pytest.mark.parametrize("way", WAYS)
def test_however_a_board_was_saved_it_says_the_same(way: str) -> None:
    board_file = read(*WAYS[way])
    assert rows_of(board_file) == EXPECTED
    assert board_file.rejected == []
    assert (board_file.rows, board_file.loaded) == (3, 3)
    assert board_file.unread == UNREAD.get(way, set())
    assert bool(board_file.notes) == ("above" in way or "separator" in way)


def test_rows_that_are_not_as_wide_as_their_header_are_rejected_and_the_others_load() -> None:
    payload = csv_of() + b"org/short,7\norg/long,1,2,3\n"
    board_file = read(payload, "w.csv")
    assert rows_of(board_file) == EXPECTED
    assert [(number, reason.split(",")[0]) for number, _, reason in board_file.rejected] == [
        (4, "has 2 of 3 fields"), (5, "has 4 of 3 fields"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("fast", "Solved: 'fast' is not a number"),
        ("161.5", "Solved: 161.5 is above 100.0"),
        ("-3", "Solved: -3 is below 0.0"),
        ("1e400", "Solved: '1e400' is not a number"),
    ],
)
def test_a_cell_that_cannot_be_a_score_is_named_and_only_it_is_lost(cell: str, reason: str) -> None:
    board_file = read(csv_of() + f"org/delta,{cell},0.5\n".encode(), "w.csv")
    assert [(number, why) for number, _, why in board_file.rejected] == [(4, reason)]
    assert rows_of(board_file) == sorted([*EXPECTED, ("Errors", "org/delta", None, None, 0.5)], key=str)


def test_notes_below_a_table_and_rows_that_sum_up_others_are_no_models() -> None:
    payload = csv_of() + b"Average,50,0.3\n\nSource: the board\nLast updated 2026-05-04,,\n"
    board_file = read(payload, "w.csv")
    assert rows_of(board_file) == EXPECTED
    assert board_file.passed_over == {"none of the board: Average sums up others": 1}
    assert [reason for _, _, reason in board_file.rejected] == [
        "is a note below the table and no row: 'Source: the board'",
        "is a note below the table and no row: 'Last updated 2026-05-04'",
    ]


def test_a_renamed_column_of_scores_is_told() -> None:
    board = Declared(parse(DECLARATION + RENAMED, "renamed.toml"), by_user=True, text="")
    board_file = read(csv_of().replace(b"Errors", b"Errors made"), "w.csv", board)
    assert board_file.notes == ["the declared column Errors is not there; Errors made, which is, is not read"]


@pytest.mark.parametrize(
    ("unit", "separator", "cells", "scores"),
    [
        ("index", ",", ["161,650", "98,123"], []),
        ("index", ",", ["161,65", "98,123"], [161.65, 98.123]),
        ("index", ",", ["161.65", "98,123"], [161.65, 98123.0]),
        ("index", ",", ["161.650", "98.123"], [161.65, 98.123]),
        ("index", ";", ["161.650", "98.123"], []),
        ("index", ";", ["161,650", "98,123"], [161.65, 98.123]),
        ("elo", ",", ["1,650", "1,123"], [1650.0, 1123.0]),
        ("elo", ";", ["1.650", "987,5"], [1650.0, 987.5]),
        ("percent", ",", ["61,523", "58,183"], [61.523, 58.183]),
        ("percent", ";", ["61.523", "58.183"], [61.523, 58.183]),
    ],
)
def test_a_separator_that_may_be_either_is_what_others_or_the_unit_show_and_else_nothing(
    unit: str, separator: str, cells: list[str], scores: list[float]
) -> None:
    declaration = DECLARATION + RENAMED.replace('unit = "percent"', f'unit = "{unit}"')
    board = Declared(parse(declaration, "either.toml"), by_user=True, text="")
    rows = [["Model", "Solved", "Errors"], *([f"m{n}", f'"{cell}"', ""] for n, cell in enumerate(cells))]
    board_file = read("\n".join(separator.join(row) for row in rows).encode(), "w.csv", board)
    assert board_file.results["score"].to_list() == pytest.approx(scores)
    reason = "Solved: what separates digits in '{}' may be decimal or separate thousands"
    assert [why for _, _, why in board_file.rejected] == ([] if scores else [reason.format(cell) for cell in cells])


def test_percents_under_a_declaration_of_fractions_are_told_though_some_could_be_fractions() -> None:
    rows = "".join(f"org/m{n},50,{cell}\n" for n, cell in enumerate(("0.5", "25", "40", "99")))
    board_file = read(b"Model,Solved,Errors\n" + rows.encode(), "w.csv")
    assert board_file.results["benchmark"].unique().to_list() == ["Solved"]
    assert len(board_file.rejected) == 4
    assert board_file.rejected[0][2] == "Errors: percents, where the declaration says fractions (0.5)"


def test_a_score_outside_its_own_interval_stands_in_a_wrong_column() -> None:
    bounded = RENAMED.replace('unit = "percent"', 'unit = "percent"\ninterval = ["{low}", "{high}"]')
    board = Declared(parse(DECLARATION + bounded, "bounded.toml"), by_user=True, text="")
    board_file = read(b"Model,Solved,Errors,low,high\na,50,0.5,45,55\nb,44,0.5,45,55\n", "w.csv", board)
    assert board_file.results.filter(pl.col("benchmark") == "Solved")["name_in_source"].to_list() == ["a"]
    assert board_file.rejected == [(2, "", "Solved: 44 lies outside its own interval")]


def test_fractions_under_a_declaration_of_percents_are_not_published_as_a_hundredth() -> None:
    rows = "".join(f"org/m{n},0.{n + 10},0.5\n" for n in range(12))
    board_file = read(b"Model,Solved,Errors\n" + rows.encode(), "w.csv")
    assert board_file.results["benchmark"].unique().to_list() == ["Errors"]
    assert {why for _, _, why in board_file.rejected} == {"Solved: fractions, where the declaration says percent"}


def test_a_name_that_is_there_twice_with_two_scores_is_told_and_with_one_is_once() -> None:
    board_file = read(csv_of() + b"org/alpha,61.5,0.25\norg/alpha,99,0.25\n", "w.csv")
    assert rows_of(board_file) == EXPECTED
    assert [(number, why) for number, _, why in board_file.rejected] == [
        (5, "repeats row 1 of the same model and benchmark (Solved)")
    ]


def test_binomial_errors_are_those_of_agresti_and_coull() -> None:
    row = read(csv_of(), "w.csv").results.filter(
        pl.col("name_in_source") == "org/alpha", pl.col("benchmark") == "Solved"
    )
    share = (0.615 * 200 + 2) / 204
    assert row["standard_error"].item() == pytest.approx(100 * (share * (1 - share) / 204) ** 0.5)
    assert row["standard_error_origin"].item() == "binomial"


@given(st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3)))
def test_a_number_is_read_however_it_is_written(number: float) -> None:
    written = [f"{number:.3f}", f" {number:.3f} ", f"{number:,.3f}", f"{number:.3f} ± 0.5", f"{number:.3f}\u00a0%"]
    frame = pl.DataFrame({"cell": written})
    assert frame.select(values.number(pl.col("cell")))["cell"].to_list() == pytest.approx([number] * len(written))
    commas = pl.DataFrame({"cell": [f"{number:.3f}".replace(".", ",")]})
    assert commas.select(values.number(pl.col("cell"), commas="decimal")).item() == pytest.approx(number)


@given(st.binary(max_size=400), st.sampled_from(["w.csv", "w.json", "w.yml", "w.md", "w.toml", "w.zip", "w.parquet"]))
def test_any_bytes_are_a_board_or_refused_in_a_sentence(payload: bytes, name: str) -> None:
    refused = ""
    try:
        board_file = match(Member(name, payload), [*declared().values(), WILD])
        if board_file is not None:
            read_rows(board_file.rows, board_file.board, board_file.file, dt.date(2026, 1, 1))
    except UnreadableFile as error:
        refused = str(error)
    assert "\n" not in refused


def test_a_few_lines_of_yaml_that_stand_for_more_than_fits_are_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    with pytest.raises(UnreadableFile, match="aliases are not read"):
        match(Member("w.yml", bomb.encode()), [WILD])


@pytest.mark.parametrize("day", ["0001-01-01", "2099-12-31", "2026-02-31"])
def test_a_date_that_cannot_be_is_refused(day: str) -> None:
    boards = {"wild": WILD}
    assert recognise_board(csv_of(), "2026-10-31_w.csv", boards).as_of == dt.date(2026, 10, 31)  # type: ignore[union-attr]
    if day.startswith("0001"):
        day = day.replace("0001", "2001")
    with pytest.raises(UndatedBoard):
        recognise_board(csv_of(), f"{day}_w.csv", boards)


@pytest.mark.parametrize(
    "name", ["20261031_w.csv", "w-31.10.2026.csv", "31-10-2026 w.csv", "w_2026-10-31_got_2026-11-02.csv"]
)
def test_a_date_is_read_in_whatever_order_it_can_only_be_meant(name: str) -> None:
    assert recognise_board(csv_of(), name, {"wild": WILD}).as_of == dt.date(2026, 10, 31)  # type: ignore[union-attr]
    with pytest.raises(UndatedBoard, match="Write the year first"):
        recognise_board(csv_of(), "05-04-2026_w.csv", {"wild": WILD})
    days = pl.DataFrame({"day": ["05/04/2026", "13/04/2026"]})
    assert days.select(values.day(pl.col("day")))["day"].to_list() == [dt.date(2026, 4, 5), dt.date(2026, 4, 13)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "is no TOML"),
        ('name = "x y"\n', "name: String should match pattern"),
        (DECLARATION, "file: Field required"),
        (DECLARATION + '[[file]]\nname = "a"\nform = "csv"\n', "does not say where the model's name is"),
        (DECLARATION + '[[file]]\nname = "a"\nform = "csv"\nname_in_source = "{m}"\n', "neither scores nor facts"),
        (DECLARATION + "may_bundle = true\n" + FILE.format(form="csv", records=""), "only under a licence"),
        (DECLARATION + FILE.format(form="csv", records="").replace("percent", "points"), "Units are fraction, percent"),
        (DECLARATION + SHARED.replace("[file.every_score]", "every_score = 1\n[file.facts]"), "every_score is a table"),
        (DECLARATION + SHARED.replace("columns", 'benchmark = "x"\ncolumns', 1), "benchmark cannot say another"),
    ],
)  # fmt: skip
def test_a_declaration_that_is_not_understood_says_what_to_mend(text: str, says: str) -> None:
    with pytest.raises(BrokenDeclaration) as refused:
        parse(text, "mine.toml")
    assert says in str(refused.value)


def test_what_holds_of_every_score_is_said_once_and_columns_may_name_their_benchmarks() -> None:
    board_file = read(
        b"Model,Solved,Errors,Time\nm,71,29,3\n",
        "2026-01-01_x.csv",
        Declared(parse(DECLARATION + SHARED, "shared.toml"), by_user=True, text=""),
    )
    assert board_file.results.select("benchmark", "category", "unit", "score").rows() == [
        ("Tasks solved", "agents", "percent", 71.0),
        ("Tasks failed", "agents", "percent", 29.0),
        ("Time", "agents", "seconds", 3.0),
    ]


def test_what_ships_declares_every_source_with_a_licence_or_why_there_is_none() -> None:
    shipped = declared()
    assert shipped.keys() >= {
        "epoch", "epoch_eci", "lmarena", "teci", "bfcl", "vectara", "models_dev", "openevals", "livebench", "aider",
        "tau2", "every_eval_ever", "helm_capabilities", "swe_bench", "llm_stats", "artificial_analysis",
    }  # fmt: skip
    for declaration in shipped.values():
        board: Board = declaration.board
        assert board.licence or board.licence_basis
        assert board.licence_check or not board.may_bundle or not any(file.address for file in board.files)


def test_a_draft_from_a_file_declares_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "my board.csv"
    path.write_bytes(with_column("Rank"))
    board = parse(draft(path), "draft")
    board_file = read(path.read_bytes(), path.name, Declared(board, by_user=True, text=""))
    assert board.name == "my_board"
    assert rows_of(board_file) == EXPECTED


def test_a_check_says_the_day_of_the_file_or_that_it_has_none(tmp_path: Path) -> None:
    declaration = tmp_path / "wild.toml"
    declaration.write_text(DECLARATION + FILE.format(form="csv", records=""), encoding="utf-8")

    def checked(name: str, payload: bytes) -> tuple[str, list[str | None]]:
        (tmp_path / name).write_bytes(payload)
        done = CliRunner().invoke(app, ["boards", "check", str(declaration), str(tmp_path / name), "--format", "json"])
        assert done.exit_code == 0
        return done.stderr, [row["snapshot_date"] for row in json.loads(done.stdout)]

    dated = checked("2026-10-31_w.csv", csv_of())
    assert "of 2026-10-31" in dated[0]
    assert dated[1] == ["2026-10-31"] * 5
    undated = checked("w.csv", csv_of())
    assert "undated" in undated[0]
    assert undated[1] == [None] * 5
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("w.csv", csv_of())
    assert checked("2026-10-31_w.zip", zipped.getvalue())[1] == ["2026-10-31"] * 5
