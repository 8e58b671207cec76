"""Files come into the store from wherever the user points; what nobody can read is set aside; nothing comes twice."""

import datetime as dt
import io
import json
import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources.collect import collect
from pipelines.sources.hub.client import PUBLISHED_TABLES, NotOnHub
from pipelines.sources.leaderboards.layouts import UnknownLayout
from pipelines.sources.leaderboards.read import load_published_fronts
from pipelines.sources.raw_store import RawStore
from pipelines.sources.source_files import Collection, NothingFound
from tests.leaderboards import load_snapshots
from warehouse.settings import Settings

from .conftest import as_csv
from .hub_server import HubServer, status, whole
from .test_layouts import scrape

BOARD = "open_llm_leaderboard"


def content(folder: Path) -> dict[str, int]:
    """Every file below the folder and when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.data
def test_collecting_all_real_files_twice_changes_nothing(shared_data: Path, home: Settings) -> None:
    first = collect([str(shared_data / BOARD)], home)
    assert (len(first.new), first.known, first.set_aside) == (30, 0, [])
    before = content(home.raw), RawStore(home.raw).fingerprint()
    again = collect([str(shared_data / BOARD)], home)
    assert (again.new, again.known, again.set_aside) == ([], 30, [])
    assert (content(home.raw), RawStore(home.raw).fingerprint()) == before


def test_among_the_bundled_facts_are_both_boards_and_a_published_front(home: Settings) -> None:
    collection = collect(["bundled"], home)
    assert {snapshot.manifest.layout for snapshot in collection.new} >= {
        "reference_v1",
        "reference_v2",
        "geoalgo_2023_12",
    }
    assert collection.set_aside == []
    loaded = load_snapshots(RawStore(home.raw))
    assert loaded.rejected.is_empty()
    assert set(loaded.snapshots["coverage"]) == {"reference"}
    assert load_published_fronts(RawStore(home.raw)).height == 22


def test_a_file_of_unknown_layout_is_set_aside_with_its_columns_and_the_rest_is_loaded(
    home: Settings, inbox: Path
) -> None:
    (inbox / "2023-05-23.csv").write_bytes(as_csv(scrape(("org/model", "50", "50", "50", "50", "50"))))
    (inbox / "new-board.csv").write_text("Model,Elo\nx,1200\n")
    lines: list[str] = []
    collection = collect([str(inbox)], home, lines.append)
    assert len(collection.new) == 1
    ((uri, reason),) = collection.set_aside
    assert uri == "new-board.csv"
    assert "No known layout has the columns 'Model', 'Elo'" in reason
    assert any(line.startswith("set aside new-board.csv") for line in lines)
    loaded = load_snapshots(RawStore(home.raw))
    assert loaded.snapshots["uri"].to_list() == ["2023-05-23.csv"]
    assert set(loaded.entries["model_id"]) == {"org/model"}
    (row,) = loaded.rejected.rows(named=True)
    assert (row["snapshot_id"], row["uri"], row["row_number"]) == (None, "new-board.csv", None)
    assert row["reason"].startswith("whole file set aside: No known layout has the columns 'Model', 'Elo'")
    # The bytes are kept for the day on which somebody declares the layout.
    assert [path.read_bytes() for path in home.raw.glob("set_aside/*/*.csv")] == [b"Model,Elo\nx,1200\n"]
    assert collect([str(inbox)], home).known == 1
    assert load_snapshots(RawStore(home.raw)).rejected.height == 1


def test_a_damaged_file_in_a_folder_keeps_nobody_else_from_being_read(home: Settings, inbox: Path) -> None:
    (inbox / "2023-05-23.csv").write_bytes(as_csv(scrape(("org/model", "50", "50", "50", "50", "50"))))
    (inbox / "2024-10-15.parquet").write_bytes(b"PAR1 no parquet at all PAR1")
    (inbox / "results.json").write_text('{"results": {"leaderboard_gpqa": {}}}')
    (inbox / ".hidden.csv").write_text("Model,Elo\n")
    (inbox / "notes.txt").write_text("not for us")
    collection = collect([str(inbox)], home)
    assert [snapshot.manifest.uri for snapshot in collection.new] == ["2023-05-23.csv"]
    assert {uri for uri, _ in collection.set_aside} == {"2024-10-15.parquet", "results.json"}


def test_a_folder_is_walked_to_any_depth_and_names_within_it_say_where_a_file_was(home: Settings, inbox: Path) -> None:
    deep = inbox / "2023" / "may"
    deep.mkdir(parents=True)
    (deep / "2023-05-23.csv").write_bytes(as_csv(scrape(("org/model", "50", "50", "50", "50", "50"))))
    assert [s.manifest.uri for s in collect([str(inbox)], home).new] == ["2023/may/2023-05-23.csv"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", r"nowhere does not exist; give a file, a folder, `bundled` or `online`"),
        (lambda folder: folder, r"holds no CSV, Parquet or JSON file"),
        (lambda folder: Path(shutil.copy(__file__, folder / "a.py")), r"could be read: a.py is none of .csv, .json"),
    ],
)  # fmt: skip
def test_a_source_that_holds_nothing_readable_says_so_and_what_to_give(
    home: Settings, inbox: Path, make: object, message: str
) -> None:
    assert callable(make)
    with pytest.raises(NothingFound, match=message):
        collect([str(make(inbox))], home)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_set_aside(home: Settings, inbox: Path) -> None:
    locked = inbox / "2023-05-23.csv"
    locked.write_text("x")
    locked.chmod(0)
    with pytest.raises(NothingFound, match="cannot be read: Permission denied"):
        collect([str(inbox)], home)


def test_what_was_set_aside_is_taken_up_once_its_layout_is_known(
    home: Settings, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "2023-05-23.csv").write_bytes(as_csv(scrape(("org/model", "50", "50", "50", "50", "50"))))
    with monkeypatch.context() as before:
        before.setattr("pipelines.sources.recognition.recognise", _as_if_unknown)
        with pytest.raises(NothingFound):
            collect([str(inbox)], home)
    assert load_snapshots(RawStore(home.raw)).rejected.height == 1
    assert len(collect([str(inbox)], home).new) == 1
    loaded = load_snapshots(RawStore(home.raw))
    assert loaded.rejected.is_empty()
    assert loaded.entries.height == 1


def _as_if_unknown(*_: object) -> None:
    raise UnknownLayout("not yet")


# ---- the published datasets, from a server of our own -------------------------------------------------------------


def published(shared_data: Path) -> dict[str, bytes]:
    """What the hub serves at the pinned paths: the final file of v2, and v1 rows under the header of its dataset."""
    folder = shared_data / BOARD
    export = pl.read_csv(folder / "v1/2024-06-15_ui_export.csv", infer_schema=False).sort("date").tail(300)
    name = pl.col("Model")
    v1 = export.with_columns(
        fullname=name,
        eval_name=pl.format("{}_{}", name.str.replace("/", "_"), "Precision"),
        Model=pl.format('<a target="_blank" href="https://huggingface.co/{}">{}</a>', name, name),
    )
    buffer = io.BytesIO()
    v1.write_parquet(buffer)
    old, new = (f"/datasets/{f.dataset}/resolve/{f.revision}/{f.path}" for f in PUBLISHED_TABLES)
    return {old: buffer.getvalue(), new: (folder / "v2/2025-03-13_contents.parquet").read_bytes()}


@pytest.fixture
def online(home: Settings, hub: HubServer) -> Settings:
    return home.model_copy(update={"hub_url": hub.address, "http_timeout_s": 20.0, "http_attempts": 2})


@pytest.mark.data
def test_both_published_boards_come_online_pinned_and_dated_and_the_second_time_nothing_is_fetched(
    shared_data: Path, hub: HubServer, online: Settings
) -> None:
    for path, payload in published(shared_data).items():
        hub.serve(path, whole(payload))
    collection = collect(["online"], online)
    manifests = {s.manifest.subject: s.manifest for s in collection.new}
    assert {board: (m.layout, m.as_of) for board, m in manifests.items()} == {
        "open_llm_v1": ("v1_contents", dt.date(2024, 6, 15)),
        "open_llm_v2": ("v2_contents_2025_02", dt.date(2025, 3, 13)),
    }
    assert manifests["open_llm_v2"].revision == PUBLISHED_TABLES[1].revision
    assert manifests["open_llm_v2"].uri == PUBLISHED_TABLES[1].uri
    loaded = load_snapshots(RawStore(online.raw))
    assert dict(loaded.snapshots.select("board", "rows_loaded").rows())["open_llm_v2"] == 4576
    assert loaded.entries.filter(pl.col("model_id").str.contains("<")).is_empty()
    downloads = [path for path, _ in hub.asked if "/contents/resolve/" in path]
    again = collect(["online"], online)
    assert (again.new, again.known) == ([], 2)
    assert [path for path, _ in hub.asked if "/contents/resolve/" in path] == downloads
    assert len(downloads) == 2


@pytest.mark.data
def test_what_comes_online_equals_the_file_of_the_same_bytes(
    shared_data: Path, hub: HubServer, online: Settings
) -> None:
    for path, payload in published(shared_data).items():
        hub.serve(path, whole(payload))
    collect(["online"], online)
    same = collect([str(shared_data / BOARD / "v2/2025-03-13_contents.parquet")], online)
    assert (len(same.new), same.known) == (0, 1)


def test_a_published_table_of_a_layout_unknown_today_is_looked_at_again_tomorrow(
    hub: HubServer, online: Settings
) -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"Model": ["x"], "Elo": [1.0]}).write_parquet(buffer)
    for file in PUBLISHED_TABLES:
        hub.serve(f"/datasets/{file.dataset}/resolve/{file.revision}/{file.path}", whole(buffer.getvalue()))
    for _ in range(2):
        with pytest.raises(NothingFound, match="No known layout has the columns 'Model', 'Elo'"):
            collect(["online"], online)


def serve_results(hub: HubServer, dataset: str, documents: dict[str, bytes]) -> None:
    hub.serve(f"/api/datasets/{dataset}", whole(b'{"sha": "c0ffee"}'))
    listed = json.dumps([{"type": "file", "path": path} for path in documents]).encode()
    hub.serve(f"/api/datasets/{dataset}/tree/c0ffee/org/model?recursive=true", whole(listed))
    for path, payload in documents.items():
        hub.serve(f"/datasets/{dataset}/resolve/c0ffee/{path}", whole(payload))


@pytest.mark.data
def test_the_raw_results_of_one_model_come_from_whichever_board_has_them(
    shared_data: Path, hub: HubServer, online: Settings
) -> None:
    raw = (shared_data / BOARD / "raw/v2_pythia-2.8b_results_2024-06-17.json").read_bytes()
    path = "org/model/results_2024-06-17T12-07-04.698905.json"
    document = {k: v for k, v in json.loads(raw).items() if k != "_provenance"}
    serve_results(hub, "open-llm-leaderboard/results", {path: json.dumps(document).encode()})
    collection: Collection = collect(["online:org/model"], online)
    (run,) = collection.new
    assert run.manifest.uri == f"hf://datasets/open-llm-leaderboard/results@c0ffee/{path}"
    loaded = load_snapshots(RawStore(online.raw))
    assert loaded.entries.select("model_id", "as_of_date").rows() == [("org/model", dt.date(2024, 6, 17))]
    assert loaded.entries["average"].item() == 5.441653230243495
    assert collect(["online:org/model"], online).known == 1


def test_a_model_that_no_board_has_is_not_on_the_hub(hub: HubServer, online: Settings) -> None:
    hub.serve("/api/datasets/open-llm-leaderboard/results", status(404))
    with pytest.raises(NotOnHub, match="answers 404"):
        collect(["online:org/model"], online)
