"""Sources are asked once and only for what changed; what fails fails alone; a licence that is gone is honoured."""

import io
import json
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import polars as pl
import pytest

from pipelines.defs.boards.tables import read_boards
from pipelines.runs.fingerprint import fingerprint
from pipelines.sources.boards import USER_FOLDER
from pipelines.sources.boards.fetch import SourceDown
from pipelines.sources.boards.fetch_state import last_fetches
from pipelines.sources.boards.web import NotReached, Web
from pipelines.sources.collect import collect
from pipelines.sources.raw_store import RawStore
from pipelines.sources.source_files import Collection
from tests.unit.sources.hub_server import HubServer, status, whole
from warehouse.settings import Settings

CSV = b"model,tasks solved\norg/alpha,61.5%\norg/beta,40.0%\n"


def unless_known(payload: bytes, tag: str) -> object:
    """The bytes, or 304 for whoever says that he knows this state."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("If-None-Match") == tag:
            status(304)(handler)
        else:
            whole(payload, ETag=tag)(handler)

    return answer


def declare(home: Path, address: str, *more: str, name: str = "mine", top: str = "") -> Settings:
    (home / USER_FOLDER).mkdir(parents=True, exist_ok=True)
    text = f"""
name = "{name}"
title = "Mine"
homepage = "https://example.org"
rhythm_days = 7
{top}
[[file]]
name = "results"
form = "csv"
address = "{address}"
{chr(10).join(more)}
recognised_by = ["model", "tasks solved"]
name_in_source = "{{model}}"
[[file.scores]]
columns = "tasks solved"
benchmark = "Solved"
category = "agents"
unit = "percent"
"""
    (home / USER_FOLDER / f"{name}.toml").write_text(text, encoding="utf-8")
    return Settings.model_validate({"home": str(home), "http_timeout_s": 5.0, "http_attempts": 3})


def ask(settings: Settings, name: str = "mine") -> Collection:
    return collect([f"board:{name}"], settings)


def test_a_source_is_stored_once_and_asked_only_for_what_changed(server: HubServer, tmp_path: Path) -> None:
    server.serve("/board.csv", unless_known(CSV, '"1"'))  # type: ignore[arg-type]  # an answer
    settings = declare(tmp_path, f"{server.address}/board.csv")
    assert [len(ask(settings).new), ask(settings).known] == [1, 1]
    (stored,) = RawStore(settings.raw).snapshots("board_mine")
    assert (stored.path.read_bytes(), stored.manifest.revision) == (CSV, '"1"')
    assert last_fetches(settings)["mine"].outcome == "unchanged"
    server.serve("/board.csv", unless_known(CSV.replace(b"61.5", b"62.0"), '"2"'))  # type: ignore[arg-type]
    assert len(ask(settings).new) == 1
    assert len(RawStore(settings.raw).snapshots("board_mine")) == 2


def test_a_server_that_is_busy_is_asked_again_and_one_that_is_down_fails_alone_and_is_remembered(
    server: HubServer, tmp_path: Path
) -> None:
    server.serve("/board.csv", status(503), status(429, Retry_After="1"), whole(CSV))
    server.serve("/gone.csv", status(500))
    settings = declare(tmp_path, f"{server.address}/board.csv")
    declare(tmp_path, f"{server.address}/gone.csv", name="gone")
    assert len(ask(settings).new) == 1
    with pytest.raises(SourceDown, match=r"gone\.csv could not be fetched in 3 tries: it answers 500"):
        ask(settings, "gone")
    assert last_fetches(settings)["gone"].failed
    sources = read_boards(tmp_path).sources
    mine = sources.filter(pl.col("source") == "mine").row(0, named=True)
    gone = sources.filter(pl.col("source") == "gone").row(0, named=True)
    assert (mine["results"], mine["last_outcome"], mine["freshness"]) == (2, "1 new", "fresh")
    assert gone["freshness"] == "never"
    assert "it answers 500" in gone["last_outcome"]


def test_a_source_that_goes_down_or_comes_back_makes_a_release_that_says_so(server: HubServer, tmp_path: Path) -> None:
    server.serve("/board.csv", whole(CSV), status(404), whole(CSV), whole(CSV))
    settings = declare(tmp_path, f"{server.address}/board.csv")
    ask(settings)
    up = fingerprint(settings)
    with pytest.raises(SourceDown):
        ask(settings)
    assert fingerprint(settings) != up
    ask(settings)
    assert fingerprint(settings) == up
    ask(settings)
    assert fingerprint(settings) == up, "asking again, with nothing new, makes nothing"


def test_what_was_fetched_and_could_not_be_stored_is_asked_for_again(server: HubServer, tmp_path: Path) -> None:
    server.serve("/a.csv", unless_known(CSV, '"1"'))  # type: ignore[arg-type]
    settings = declare(tmp_path, f"{server.address}/a.csv")
    server.serve("/b.csv", status(404))
    text = (tmp_path / USER_FOLDER / "mine.toml").read_text("utf-8")
    second = text[text.index("[[file]]") :].replace("/a.csv", "/b.csv").replace('"results"', '"more"')
    (tmp_path / USER_FOLDER / "mine.toml").write_text(text + second, encoding="utf-8")
    assert len(ask(settings).new) == 1
    server.serve("/b.csv", whole(CSV.replace(b"alpha", b"gamma")))
    # The state of the first address was not taken for known, as the source as a whole had failed.
    collected = ask(settings)
    assert (len(collected.new), collected.known) == (1, 1)


@pytest.mark.parametrize(("page", "passed_on"), [(b"... under CC BY 4.0 ...", True), (b"all rights reserved", False)])
def test_a_licence_is_looked_for_at_each_fetch_and_honoured(
    server: HubServer, tmp_path: Path, page: bytes, passed_on: bool
) -> None:
    server.serve("/board.csv", whole(CSV))
    server.serve("/licence", whole(page))
    check = f'licence_check = {{ address = "{server.address}/licence", pattern = "CC BY 4" }}'
    top = f'licence = "CC-BY-4.0"\nmay_bundle = true\n{check}'
    settings = declare(tmp_path, f"{server.address}/board.csv", top=top)
    ask(settings)
    read = read_boards(tmp_path)
    assert read.results["may_bundle"].to_list() == [passed_on] * 2
    assert ("not found" in last_fetches(settings)["mine"].outcome) is not passed_on


def test_files_that_an_index_lists_are_kept_together(server: HubServer, tmp_path: Path) -> None:
    index = [{"name": f"table_{day}.csv", "url": f"{server.address}/t/table_{day}.csv"} for day in ("1", "2", "3")]
    server.serve("/t/index", whole(json.dumps([*index, {"name": "x", "url": f"{server.address}/t/x.txt"}]).encode()))
    for number, part in enumerate(index):
        server.serve(f"/t/{part['name']}", whole(CSV.replace(b"beta", f"beta-{number}".encode())))
    parts = 'parts = { records = "[]", address = "{url}", only = "table_.*csv$", newest = 2 }'
    settings = declare(tmp_path, f"{server.address}/t/index", parts, 'file_name = "table_*.csv"')
    assert (len(ask(settings).new), ask(settings).known) == (1, 1)
    (stored,) = RawStore(settings.raw).snapshots("board_mine")
    with zipfile.ZipFile(io.BytesIO(stored.path.read_bytes())) as archive:
        assert archive.namelist() == ["table_2.csv", "table_3.csv"]
    assert set(read_boards(tmp_path).results["name_in_source"]) == {"org/alpha", "org/beta-1", "org/beta-2"}


def test_a_key_is_shown_to_its_source_and_without_it_nothing_is_asked(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get("x-api-key"))
        whole(CSV)(handler)

    server.serve("/board.csv", answer)
    top = 'key_variable = "MY_BOARD_KEY"\nkey_header = "x-api-key"'
    settings = declare(tmp_path, f"{server.address}/board.csv", top=top)
    with pytest.raises(SourceDown, match="Mine needs a key; set MY_BOARD_KEY to yours"):
        ask(settings)
    assert server.asked == []
    monkeypatch.setenv("MY_BOARD_KEY", "s3cret")
    ask(settings)
    assert seen == ["s3cret"]
    assert "s3cret" not in (tmp_path / "fetched" / "mine.json").read_text("utf-8")


def test_a_file_of_the_hub_is_asked_for_at_the_commit_of_the_day(server: HubServer, tmp_path: Path) -> None:
    server.serve("/api/datasets/org/boards", whole(b'{"sha": "c0ffee"}'))
    server.serve("/datasets/org/boards/resolve/c0ffee/data/board.csv", whole(CSV))
    settings = declare(tmp_path, "hf://datasets/org/boards/data/board.csv")
    settings = settings.model_copy(update={"hub_url": server.address})
    assert (len(ask(settings).new), ask(settings).known) == (1, 1)
    (stored,) = RawStore(settings.raw).snapshots("board_mine")
    assert stored.manifest.uri == "hf://datasets/org/boards@c0ffee/data/board.csv"
    assert sum("resolve" in path for path, _ in server.asked) == 1


def test_a_machine_without_a_network_is_told_so_after_two_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.sleep", lambda _seconds: None)
    settings = Settings.model_validate({"home": str(tmp_path), "http_timeout_s": 1.0, "http_attempts": 9})
    with Web(settings) as web, pytest.raises(NotReached, match="in 2 tries"):
        web.get("http://127.0.0.1:9/closed")
