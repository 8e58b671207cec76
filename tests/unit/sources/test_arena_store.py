"""Arena files are stored and told apart by what they say; every board comes from the file retrieved last."""

import datetime as dt
import hashlib
import io
import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources.arena.store import load_boards, vote_sets
from pipelines.sources.collect import collect
from pipelines.sources.hub.client import ARENA_DATASET, PUBLISHED_TABLES, HubUnavailable
from pipelines.sources.raw_store import RawStore
from warehouse.settings import Settings

from .hub_server import HubServer, status, whole

HEADER = "rank,model,arena_score,95_pct_ci,votes,organization,license,knowledge_cutoff,url\n"
ROW = "1,{model},{rating},+5/-4,100,Org,MIT,2023/10,u\n"
VOTES = "model_a,model_b,winner\na,b,model_a\nb,a,model_a\n"


def board(*rows: tuple[str, int]) -> str:
    return HEADER + "".join(ROW.format(model=model, rating=rating) for model, rating in rows)


def test_the_same_bytes_under_two_dates_are_two_boards(home: Settings, inbox: Path) -> None:
    for day in ("2024-07-06", "2024-07-08"):
        (inbox / f"{day}_text.csv").write_text(board(("A", 1200)))
    assert len(collect([str(inbox)], home).new) == 2
    loaded = load_boards(RawStore(home.raw))
    assert sorted(loaded.board["as_of_date"]) == [dt.date(2024, 7, 6), dt.date(2024, 7, 8)]
    again = collect([str(inbox)], home)
    assert (again.new, again.known) == ([], 2)


def test_of_two_files_with_one_board_the_later_counts_and_the_other_says_so(home: Settings, inbox: Path) -> None:
    file = inbox / "2024-07-06_text.csv"
    for rating in (1200, 1300):
        file.write_text(board(("A", rating), ("B", 1100)))
        collect([str(inbox)], home)
    loaded = load_boards(RawStore(home.raw))
    assert loaded.board.select("model", "rating").rows() == [("A", 1300.0), ("B", 1100.0)]
    assert loaded.snapshots.select("rows_read", "rows_loaded", "rows_rejected").rows() == [(2, 0, 2), (2, 2, 0)]
    assert loaded.rejected["reason"].to_list() == ["2 rows are of boards that a file retrieved later holds too"]


def test_a_history_retrieved_again_replaces_its_earlier_state(home: Settings, inbox: Path) -> None:
    header = "date,Model,key,rating,License,Organization\n"
    for rating in ("1200", "1300"):
        (inbox / "alltime.csv").write_text(f"{header}2024-07-06,A,a,{rating},MIT,Org\n")
        collect([str(inbox)], home)
    loaded = load_boards(RawStore(home.raw))
    assert loaded.board["rating"].to_list() == [1300.0]
    assert loaded.snapshots.height == 1
    assert loaded.rejected["reason"].item().startswith("whole file set aside: a state of the same file")


def test_votes_and_release_dates_are_told_by_their_columns_and_nearly_a_board_names_what_differs(
    home: Settings, inbox: Path
) -> None:
    (inbox / "votes.csv").write_text(VOTES)
    battle = {"model_a": "a", "model_b": "b", "winner": "tie", "tstamp": 1.7e9, "anony": True, "judge": "x"}
    (inbox / "clean_battle_20240814_public.json").write_text(json.dumps([battle]))
    (inbox / "dates.csv").write_text('model_id,release_date,note\norg/a,2024-05-13,"two\nlines"\norg/b,2024-13-45,\n')
    (inbox / "2024-07-06_text.csv").write_text(board(("A", 1200)).replace("votes", "surprise"))
    collected = collect([str(inbox)], home)
    assert {(s.manifest.uri, s.manifest.subject, s.manifest.layout) for s in collected.new} == {
        ("votes.csv", "arena_votes", "labelled"),
        ("clean_battle_20240814_public.json", "arena_votes", "arena_battle_log"),
        ("dates.csv", "release_dates", "models_dev"),
    }
    assert [s.manifest.as_of for s in collected.new if "clean" in s.manifest.uri] == [dt.date(2024, 8, 14)]
    ((_, reason),) = collected.set_aside
    assert "it lacks surprise" in reason
    loaded = load_boards(RawStore(home.raw))
    assert loaded.evidence.filter(source="models.dev", name="a")["stated"].to_list() == ["2024-05-13"]
    assert loaded.rejected["reason"].to_list() == ["'2024-13-45' is not a date of a named model"]


def test_a_set_of_votes_is_named_as_its_file_and_files_of_one_name_keep_their_folder(
    home: Settings, inbox: Path
) -> None:
    for name, more in (("one/votes.csv", ""), ("two/votes.csv", "a,b,tie\n"), ("other.csv", "b,a,tie\n")):
        (inbox / name).parent.mkdir(exist_ok=True)
        (inbox / name).write_text(VOTES + more)
    collect([str(inbox)], home)
    (inbox / "other.csv").write_text(VOTES + "b,a,model_b\n")
    collect([str(inbox)], home)
    sets, rejected = vote_sets(RawStore(home.raw))
    assert [each.votes_id for each in sets] == ["one/votes", "other", "two/votes"]
    assert rejected["uri"].to_list() == ["other.csv"]


# ---- the published dataset, from a server of our own --------------------------------------------------------------


def published(rating: float, category: str = "overall") -> bytes:
    row = {
        "model_name": "glm-5", "organization": "Z.ai", "license": "MIT", "rating": rating, "rating_lower": rating - 5,
        "rating_upper": rating + 5, "variance": 2.0, "vote_count": 1000, "rank": 1, "category": category,
        "leaderboard_publish_date": dt.date(2026, 2, 1),
    }  # fmt: skip
    buffer = io.BytesIO()
    pl.DataFrame([row]).write_parquet(buffer)
    return buffer.getvalue()


def serve(hub: HubServer, commit: str, files: dict[str, bytes]) -> None:
    tree = [
        {"type": "file", "path": path, "lfs": {"oid": hashlib.sha256(payload).hexdigest()}}
        for path, payload in files.items()
    ]
    hub.serve(f"/api/datasets/{ARENA_DATASET}", whole(json.dumps({"sha": commit}).encode()))
    hub.serve(f"/api/datasets/{ARENA_DATASET}/tree/{commit}?recursive=true", whole(json.dumps(tree).encode()))
    for path, payload in files.items():
        hub.serve(f"/datasets/{ARENA_DATASET}/resolve/{commit}/{path}", whole(payload))


@pytest.fixture
def online(home: Settings, hub: HubServer) -> Settings:
    return home.model_copy(update={"hub_url": hub.address, "http_timeout_s": 20.0, "http_attempts": 1})


def test_the_published_dataset_comes_by_commit_though_other_datasets_are_out_of_reach(
    hub: HubServer, online: Settings
) -> None:
    text, vision = "text/full-00000-of-00001.parquet", "vision/latest-00000-of-00001.parquet"
    serve(hub, "c1", {text: published(1450.0), vision: published(1300.0)})
    for file in PUBLISHED_TABLES:
        hub.serve(f"/datasets/{file.dataset}/resolve/{file.revision}/{file.path}", status(503))
    collected = collect(["online"], online)
    assert [s.manifest.revision for s in collected.new] == ["c1", "c1"]
    assert [dataset for dataset, _ in collected.unreachable] == [file.dataset for file in PUBLISHED_TABLES]
    # Only the text changes with the next commit: nothing else is fetched, and its earlier state no longer counts.
    serve(hub, "c2", {text: published(1460.0), vision: published(1300.0)})
    before = len(hub.asked)
    again = collect(["online"], online)
    assert (len(again.new), again.known) == (1, 1)
    assert [path for path, _ in hub.asked[before:] if "resolve/c2" in path] == [
        f"/datasets/{ARENA_DATASET}/resolve/c2/{text}"
    ]
    loaded = load_boards(RawStore(online.raw))
    assert sorted(loaded.board.select("arena", "rating").rows()) == [("text", 1460.0), ("vision", 1300.0)]
    assert set(loaded.snapshots["licence"]) == {"CC-BY-4.0"}


def test_a_hub_that_delivers_nothing_at_all_is_an_error(hub: HubServer, online: Settings) -> None:
    for file in PUBLISHED_TABLES:
        hub.serve(f"/datasets/{file.dataset}/resolve/{file.revision}/{file.path}", status(503))
    hub.serve(f"/api/datasets/{ARENA_DATASET}", status(503))
    with pytest.raises(HubUnavailable, match="could not be fetched"):
        collect(["online"], online)
