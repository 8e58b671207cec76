"""Boards of the hub: names are hub ids, what the hub ran again is independent, each leaderboard is asked by itself."""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.defs.boards.tables import read_boards
from pipelines.sources.boards import USER_FOLDER
from pipelines.sources.boards.declaration import declared
from pipelines.sources.boards.documents import Member
from pipelines.sources.boards.fetch import SourceDown
from pipelines.sources.boards.fetch_state import last_fetches
from pipelines.sources.boards.read import Read, read_rows
from pipelines.sources.boards.recognition import match
from pipelines.sources.collect import collect
from pipelines.sources.raw_store import RawStore
from tests.unit.sources.hub_server import HubServer, status, whole
from warehouse.settings import Settings

HUB = declared()["hub_leaderboards"]
INDEX = "/api/datasets?filter=benchmark:official"
NAMES = ("cais/hle", "Idavidrein/gpqa", "somebody/new-bench")
# The fields that the hub's guide to leaderboard data lists.
ROWS = [
    {"rank": 1, "modelId": "Qwen/Qwen3.5-397B-A17B", "value": 28.7, "verified": False, "pullRequest": 1,
     "filename": ".eval_results/hle.yaml", "author": {"name": "Qwen", "type": "org"}, "source": {"url": "https://hf.co"}},
    {"rank": 2, "modelId": "openai/gpt-oss-120b", "value": 19.0, "verified": True},
    {"rank": 3, "modelId": "org/broken", "value": 319.0, "verified": False},
]  # fmt: skip


def of(name: str) -> str:
    return f"/api/datasets/{name}/leaderboard"


def marked(rows: object, tag: str, sent: list[str]) -> Callable[[BaseHTTPRequestHandler], None]:
    """The rows, or 304 for whoever knows this state; the path is noted where the rows were sent."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("If-None-Match") == tag:
            status(304)(handler)
        else:
            sent.append(handler.path)
            whole(json.dumps(rows).encode(), ETag=tag)(handler)

    return answer


def home_that_asks(server: HubServer, home: Path) -> Settings:
    """A home whose board is the shipped declaration, at the address of this machine's hub."""
    (home / USER_FOLDER).mkdir(parents=True)
    text = HUB.text.replace("https://huggingface.co", server.address).replace('"hub_leaderboards"', '"hub_here"', 1)
    (home / USER_FOLDER / "hub_here.toml").write_text(text, encoding="utf-8")
    return Settings.model_validate({"home": str(home), "http_timeout_s": 5.0, "http_attempts": 2})


def test_leaderboards_are_fetched_as_the_hub_serves_them_and_again_only_what_changed(
    server: HubServer, tmp_path: Path
) -> None:
    sent: list[str] = []
    server.serve(INDEX, marked([{"id": name, "likes": 3} for name in (*NAMES, "gated/board")], '"i"', sent))
    for name in NAMES:
        server.serve(of(name), marked(ROWS, f'"{name}"', sent))
    server.serve(of("gated/board"), status(401))
    settings = home_that_asks(server, tmp_path)
    assert len(collect(["board:hub_here"], settings).new) == 1
    results = read_boards(tmp_path).results
    hle = results.filter(pl.col("benchmark") == "HLE").sort("score", descending=True)
    assert hle.select("name_in_source", "model_id", "score", "unit", "reporter").rows() == [
        ("Qwen/Qwen3.5-397B-A17B", "Qwen/Qwen3.5-397B-A17B", 28.7, "percent", "vendor"),
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b", 19.0, "percent", "independent"),
    ]
    assert set(results["benchmark"]) == {"HLE", "GPQA diamond", "new-bench"}
    assert not results["may_bundle"].any()
    reasons = read_boards(tmp_path).rejected["reason"].to_list()
    assert sum("value: 319.0 is above 100.0" in reason for reason in reasons) == len(NAMES)

    sent.clear()
    again = collect(["board:hub_here"], settings)
    assert (len(again.new), again.known, sent) == (0, 1, [])
    assert last_fetches(settings)["hub_here"].outcome == "unchanged"

    # One leaderboard moves under an index that stays: the state is kept whole, beside the one before.
    server.serve(of("cais/hle"), marked([{**ROWS[0], "value": 30.1}], '"hle 2"', sent))
    assert len(collect(["board:hub_here"], settings).new) == 1
    assert INDEX not in sent
    assert len(RawStore(settings.raw).snapshots("board_hub_here")) == 2
    newest = read_boards(tmp_path).results.filter("is_newest", pl.col("benchmark") == "HLE")
    assert dict(newest.select("name_in_source", "score").iter_rows())["Qwen/Qwen3.5-397B-A17B"] == 30.1


def test_where_most_leaderboards_cannot_be_had_the_source_is_down(server: HubServer, tmp_path: Path) -> None:
    server.serve(INDEX, whole(json.dumps([{"id": name} for name in NAMES]).encode()))
    server.serve(of(NAMES[0]), whole(json.dumps(ROWS).encode()))
    for name in NAMES[1:]:
        server.serve(of(name), status(500))
    with pytest.raises(SourceDown, match=r"2 of 3 files .* in 2 tries: it answers 500"):
        collect(["board:hub_here"], home_that_asks(server, tmp_path))


OPENEVALS = declared()["openevals"]
SCORED = ("AIME 2026", "EvasionBench", "GPQA", "GSM8K", "HLE", "HMMT 2026", "MMLU-Pro", "OlmOCR", "SWE-Pro",
          "SWE-bench Verified", "TerminalBench")  # fmt: skip


def scores(payload: bytes, name: str) -> tuple[dict[tuple[str, str], float], Read]:
    matched = match(Member(name, payload), [OPENEVALS])
    assert matched is not None
    read = read_rows(matched.rows, matched.board, matched.file, dt.date(2026, 3, 25))
    return {
        (row[0], row[1]): row[2] for row in read.results.select("name_in_source", "benchmark", "score").rows()
    }, read


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[list[str]]:
    """The published data, as lines of cells."""
    path = shared_data / "boards" / "openevals" / "2026-03-25_leaderboard-data.csv"
    if not path.is_file():
        pytest.skip("the published data of OpenEvals are not on this machine")
    return list(csv.reader(io.StringIO(path.read_text("utf-8"))))


def written(lines: list[list[str]], separator: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(lines)
    return text.getvalue()


def with_scores(lines: list[list[str]], change: Callable[[str], str]) -> list[list[str]]:
    at = [place for place, name in enumerate(lines[0]) if name in SCORED]
    return [
        lines[0],
        *([change(cell) if place in at else cell for place, cell in enumerate(line)] for line in lines[1:]),
    ]


WAYS: dict[str, Callable[[list[list[str]]], str]] = {
    "as published": written,
    "a surplus column": lambda lines: written([[*line, f"x{n}"] for n, line in enumerate(lines)]),
    "an index column": lambda lines: written([[str(n - 1) if n else "", *line] for n, line in enumerate(lines)]),
    "semicolons and decimal commas": lambda lines: written(with_scores(lines, lambda c: c.replace(".", ",")), ";"),
    "percent signs": lambda lines: written(with_scores(lines, lambda c: f"{c} %" if c else c)),
    "N/A": lambda lines: written(with_scores(lines, lambda c: c or "N/A")),
    "NaN": lambda lines: written(with_scores(lines, lambda c: c or "NaN")),
    "a byte-order mark": lambda lines: "\ufeff" + written(lines),
    "trailing blanks": lambda lines: written([[f"{cell}  " for cell in line] for line in lines]),
    "columns in another order": lambda lines: written([line[::-1] for line in lines]),
}


@pytest.mark.data
@pytest.mark.parametrize("way", WAYS)
def test_the_published_data_say_the_same_however_they_were_saved(lines: list[list[str]], way: str) -> None:
    expected, _ = scores(written(lines).encode(), "b.csv")
    by_model, read = scores(WAYS[way](lines).encode(), "b.csv")
    assert by_model == pytest.approx(expected)
    assert len(expected) == 207
    assert read.rejected == []


@pytest.mark.data
def test_the_records_the_data_set_and_the_csv_say_the_same(lines: list[list[str]], shared_data: Path) -> None:
    expected, _ = scores(written(lines).encode(), "b.csv")
    payload = (shared_data / "boards" / "openevals" / "2026-03-25_leaderboard-data.json").read_bytes()
    records = json.loads(payload)["models"]
    parquet = io.BytesIO()
    pl.DataFrame(records, infer_schema_length=None).write_parquet(parquet)
    frame = pl.DataFrame(records, infer_schema_length=None).fill_nan(None)
    for saved, name in (
        (payload, "b.json"), (json.dumps(records).encode(), "b.json"), (parquet.getvalue(), "b.parquet"),
        (frame.write_csv().encode(), "b.csv"),
    ):  # fmt: skip
        assert scores(saved, name)[0] == pytest.approx(expected)


@pytest.mark.data
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_line_that_lost_or_gained_a_cell_is_rejected_and_no_other(
    lines: list[list[str]], data: st.DataObject
) -> None:
    row = data.draw(st.integers(1, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[0]) - 1))
    broken = [list(line) for line in lines]
    if data.draw(st.booleans()):
        del broken[row][at]
    else:
        broken[row].insert(at, "1")
    expected, _ = scores(written(lines).encode(), "b.csv")
    by_model, read = scores(written(broken).encode(), "b.csv")
    assert [number for number, _, _ in read.rejected] == [row]
    lost = {key for key in expected if key[0] == lines[row][1].strip()}
    assert by_model == pytest.approx({key: value for key, value in expected.items() if key not in lost})
