"""What is fetched is whole and of the pinned commit, or there is one clear error, however the network behaves."""

import io
import json

import polars as pl
import pytest

from pipelines.sources.hub.client import PUBLISHED_TABLES, RESULT_TREES, Hub, HubFile, HubUnavailable, NotOnHub
from warehouse.settings import Settings

from .hub_server import HubServer, compressing, cut_after, ignoring_range, status, whole

FILE = HubFile("org/contents", "data/train.parquet", "c0ffee")
PATH = "/datasets/org/contents/resolve/c0ffee/data/train.parquet"


def parquet(rows: int = 500) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"x": range(rows)}).write_parquet(buffer)
    return buffer.getvalue()


def settings(hub: HubServer, **changes: object) -> Settings:
    return Settings.model_validate({"hub_url": hub.address, "http_timeout_s": 5.0, "http_attempts": 4, **changes})


@pytest.fixture
def waited() -> list[float]:
    """Seconds that the client would have slept."""
    return []


def download(hub: HubServer, waited: list[float], file: HubFile = FILE, **changes: object) -> bytes:
    with Hub(settings(hub, **changes), sleep=waited.append) as client:
        return client.download(file)


def test_both_boards_are_pinned_to_a_commit() -> None:
    assert {file.dataset for file in PUBLISHED_TABLES} == {
        "open-llm-leaderboard-old/contents",
        "open-llm-leaderboard/contents",
    }
    assert all(len(file.revision) == 40 and int(file.revision, 16) for file in PUBLISHED_TABLES)
    assert RESULT_TREES == ("open-llm-leaderboard-old/results", "open-llm-leaderboard/results")


def test_a_file_is_asked_for_at_its_commit_and_comes_whole(hub: HubServer, waited: list[float]) -> None:
    hub.serve(PATH, whole(parquet()))
    assert download(hub, waited) == parquet()
    assert hub.asked == [(PATH, None)]
    assert FILE.uri == "hf://datasets/org/contents@c0ffee/data/train.parquet"


def test_a_redirect_to_where_the_hub_keeps_its_files_is_followed(hub: HubServer, waited: list[float]) -> None:
    hub.serve(PATH, status(302, Location="/cdn/1"))
    hub.serve("/cdn/1", whole(parquet()))
    assert download(hub, waited) == parquet()


def test_an_error_of_the_server_is_retried_after_a_growing_wait(hub: HubServer, waited: list[float]) -> None:
    hub.serve(PATH, status(500), status(503), whole(parquet()))
    assert download(hub, waited) == parquet()
    assert len(hub.asked) == 3
    assert len(waited) == 2
    assert 0 <= waited[0] <= 0.5
    assert 0 <= waited[1] <= 1.0


def test_too_many_requests_waits_as_long_as_the_hub_asks_but_never_over_a_minute(
    hub: HubServer, waited: list[float]
) -> None:
    hub.serve(PATH, status(429, Retry_After="7"), status(429, Retry_After="3600"), whole(parquet()))
    assert download(hub, waited) == parquet()
    assert waited == [7.0, 60.0]


def test_a_file_that_is_not_there_is_told_at_once(hub: HubServer, waited: list[float]) -> None:
    with pytest.raises(NotOnHub, match=r"answers 404 to .*train.parquet: no such public file"):
        download(hub, waited)
    assert (len(hub.asked), waited) == (1, [])


def test_giving_up_names_the_file_the_tries_the_reason_and_what_to_do(hub: HubServer, waited: list[float]) -> None:
    hub.serve(PATH, status(502))
    with pytest.raises(
        HubUnavailable, match=r"train.parquet could not be fetched in 4 tries: the hub answers 502. Check"
    ):
        download(hub, waited)
    assert len(hub.asked) == 4


def test_a_server_that_says_nothing_is_given_up_after_the_time_out(hub: HubServer, waited: list[float]) -> None:
    hub.serve(PATH, hub.silence)
    with pytest.raises(HubUnavailable, match="in 2 tries: timed out"):
        download(hub, waited, http_timeout_s=0.1, http_attempts=2)


def test_nobody_listening_is_an_error_of_the_network_not_a_traceback(waited: list[float]) -> None:
    with pytest.raises(HubUnavailable, match="Connection refused"):
        download(HubServer("http://127.0.0.1:9"), waited, http_attempts=2)


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(hub: HubServer, waited: list[float]) -> None:
    payload = parquet(50_000)
    hub.serve(PATH, cut_after(payload, 10_000), whole(payload))
    assert download(hub, waited) == payload
    first, second = hub.asked
    assert first == (PATH, None)
    assert second == (PATH, "bytes=10000-")


def test_a_server_that_ignores_the_range_does_not_double_what_came_before(hub: HubServer, waited: list[float]) -> None:
    payload = parquet(50_000)
    hub.serve(PATH, cut_after(payload, 10_000), ignoring_range(payload))
    assert download(hub, waited) == payload


def test_a_cache_that_compresses_what_it_can_hands_out_the_stored_bytes(hub: HubServer, waited: list[float]) -> None:
    hub.serve("/datasets/org/results/resolve/c0ffee/a.json", compressing(b'{"results": {}}'))
    assert download(hub, waited, HubFile("org/results", "a.json", "c0ffee")) == b'{"results": {}}'


def test_a_parquet_file_without_its_end_is_fetched_again_from_the_start(hub: HubServer, waited: list[float]) -> None:
    hub.serve(PATH, whole(parquet()[:-100]), whole(parquet()))
    assert download(hub, waited) == parquet()
    assert [asked_for for _, asked_for in hub.asked] == [None, None]


def test_a_parquet_file_that_stays_without_its_end_never_comes_through(hub: HubServer, waited: list[float]) -> None:
    hub.serve(PATH, whole(parquet()[:-100]))
    with pytest.raises(HubUnavailable, match="the Parquet file is cut short"):
        download(hub, waited)


def test_result_files_are_listed_over_all_pages(hub: HubServer, waited: list[float]) -> None:
    tree = "/api/datasets/org/results/tree/c0ffee/org/model?recursive=true"
    names = [f"org/model/results_2024-0{month}-01T00-00-00.json" for month in (1, 2, 3)]
    pages = [
        [{"type": "directory", "path": "org/model"}, {"type": "file", "path": names[0]}],
        [{"type": "file", "path": names[1]}, {"type": "file", "path": "org/model/README.md"}],
        [{"type": "file", "path": names[2]}],
    ]
    for number, page in enumerate(pages):
        here = tree if number == 0 else f"{tree}&cursor={number}"
        following = f'<{hub.address}{tree}&cursor={number + 1}>; rel="next"'
        link = {"Link": following} if number + 1 < len(pages) else {}
        hub.serve(here, *([status(500)] if number == 1 else []), whole(json.dumps(page).encode(), **link))
    with Hub(settings(hub), sleep=waited.append) as client:
        files = list(client.files("org/results", "c0ffee", ".json", "org/model"))
    assert files == [HubFile("org/results", name, "c0ffee") for name in names]


def test_the_newest_commit_is_asked_for_and_an_answer_that_is_no_json_is_retried(
    hub: HubServer, waited: list[float]
) -> None:
    hub.serve("/api/datasets/org/results", whole(b"<html>"), whole(b'{"sha": "c0ffee"}'))
    with Hub(settings(hub), sleep=waited.append) as client:
        assert client.commit("org/results") == "c0ffee"
    assert len(waited) == 1
