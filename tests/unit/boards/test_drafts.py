"""What a stranger brings to `skyline boards add`: the draft reads the file as it was meant, or says why it cannot."""

import datetime as dt
import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources.boards.declaration import Declared, parse
from pipelines.sources.boards.documents import Member
from pipelines.sources.boards.draft import draft
from pipelines.sources.boards.read import Read, read_rows
from pipelines.sources.boards.recognition import PREFIX, match
from pipelines.sources.gzipped import plain_name, unpacked
from pipelines.sources.recognition import UNRECOGNISED, recognise
from pipelines.sources.tables import UnreadableFile

PLAIN = "Model,MMLU,GSM8K\norg/alpha,71.5,90\norg/beta,44,30.5\n"
SCORES = [("GSM8K", "org/alpha", 90.0), ("GSM8K", "org/beta", 30.5)]
SCORES += [("MMLU", "org/alpha", 71.5), ("MMLU", "org/beta", 44.0)]
LONG = "{},{},{}\n" + "\n".join(f"{model},{benchmark},{score}" for benchmark, model, score in SCORES) + "\n"
NESTED = [
    {"model": model, "results": [{"task": b, "acc": score / 100} for b, name, score in SCORES if name == model]}
    for model in ("org/alpha", "org/beta")
]


def parquet_with_an_index() -> bytes:
    buffer = io.BytesIO()
    frame = pl.read_csv(PLAIN.encode()).with_columns(pl.Series("__index_level_0__", [0, 1]))
    frame.write_parquet(buffer)
    return buffer.getvalue()


BROUGHT: dict[str, tuple[str, bytes]] = {
    "a row for each benchmark": ("long.csv", LONG.format("model_name", "benchmark", "score").encode()),
    "a row for each task": ("tasks.csv", LONG.format("LLM", "Task", "Value (%)").encode()),
    "groups of columns above": ("groups.csv", f",Accuracy,Accuracy\n{PLAIN}".encode()),
    "a speed beside": ("speed.csv", PLAIN.replace("\n", ",10\n").replace("K,10", "K,tok/s", 1).encode()),
    "an arrow after Model": ("arrow.csv", PLAIN.replace("Model", "Model ↑").encode()),
    "another language": ("modell.csv", PLAIN.replace("Model", "Modell").replace(",", ";").replace(".", ",").encode()),
    "gzip": ("packed.csv.gz", gzip.compress(PLAIN.encode())),
    "utf-16 without its mark": ("unmarked.csv", PLAIN.encode("utf-16-le")),
    "an index of pandas in Parquet": ("index.parquet", parquet_with_an_index()),
    "names within objects": (
        "objects.json",
        json.dumps([{"model": {"name": m}, "MMLU": a, "GSM8K": b} for m, a, b in pl.read_csv(PLAIN.encode()).rows()])
        .encode(),
    ),
}  # fmt: skip


def brought(name: str, payload: bytes, folder: Path) -> Read:
    """Draft a declaration from a file, and read the file by it."""
    path = folder / name
    path.write_bytes(payload)
    declared = Declared(parse(draft(path), "draft"), by_user=True, text="")
    matched = match(Member(plain_name(name), unpacked(payload, name, 1 << 20)), [declared])
    assert matched is not None
    return read_rows(matched.rows, matched.board, matched.file, dt.date(2026, 11, 1))


@pytest.mark.parametrize("way", BROUGHT)
def test_a_draft_reads_every_score_as_the_benchmark_and_model_it_is_of(way: str, tmp_path: Path) -> None:
    board_file = brought(*BROUGHT[way], tmp_path)
    assert board_file.results.select("benchmark", "name_in_source", "score").sort(pl.all()).rows() == SCORES
    assert board_file.rejected == []


def test_scores_in_a_list_of_each_model_are_all_read_and_none_for_the_others(tmp_path: Path) -> None:
    board_file = brought("lists.json", json.dumps(NESTED).encode(), tmp_path)
    rows = (
        board_file.results.select("benchmark", "name_in_source", (100 * pl.col("score")).round(6)).sort(pl.all()).rows()
    )
    assert rows == SCORES
    with pytest.raises(UnreadableFile, match=r'in a list under results: .* records = "\[\].results\[\]"'):
        brought("deeper.json", json.dumps({"board": NESTED}).encode(), tmp_path)


def test_one_model_in_two_scaffolds_has_a_score_in_each(tmp_path: Path) -> None:
    board_file = brought("agents.csv", b"Agent,Model,Resolved\nOne,org/alpha,40.2\nTwo,org/alpha,35.1\n", tmp_path)
    assert board_file.results.select("scaffold", "score").sort(pl.all()).rows() == [("One", 40.2), ("Two", 35.1)]


def test_a_number_without_the_percent_sign_of_its_column_is_named_where_it_may_be_a_fraction(tmp_path: Path) -> None:
    board_file = brought("mixed.csv", b"Model,Solved\norg/a,71.5%\norg/b,0.44\norg/c,60\norg/d,0%\n", tmp_path)
    assert board_file.results.sort("row_number")["score"].to_list() == [71.5, 60.0, 0.0]
    assert board_file.rejected == [
        (2, "", "Solved: '0.44' has no percent sign where others have, and may be a fraction")
    ]


def test_a_web_page_saved_as_a_table_is_refused_as_that(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html>\n<html><head></head>\n<body>Model, Score</body></html>\n"
    with pytest.raises(UnreadableFile, match="is a web page and no table"):
        brought("board.csv", page, tmp_path)
    with pytest.raises(UnreadableFile, match="is a web page and no table"):
        recognise(page, ".csv", "board.csv")


@pytest.mark.parametrize("way", ["a row for each benchmark", "utf-16 without its mark"])
def test_what_somebody_declared_is_his_board_however_near_it_is_to_one_of_the_arena(way: str, tmp_path: Path) -> None:
    name, payload = BROUGHT[way]
    (tmp_path / name).write_bytes(payload)
    with pytest.raises(UNRECOGNISED):
        recognise(payload, ".csv", name)
    board = Declared(parse(draft(tmp_path / name), "draft"), by_user=True, text="")
    assert recognise(payload, ".csv", name, {board.board.name: board}).source == f"{PREFIX}{board.board.name}"
