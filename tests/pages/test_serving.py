"""Who may in, what browsers are told, and whether all is well: asked over HTTP, without a browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dashboards.serving import origins, warning
from warehouse.settings import Settings

from .served_pages import PATIENCE_S, Served, serve

PASSWORD = "open sesame"  # noqa: S105 - of this test
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "bokeh, token",
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages behind a password."""
    yield from serve(bundled_home, tmp_path_factory.mktemp("guarded"), SKYLINE_PAGES_PASSWORD=PASSWORD)


def test_only_who_knows_the_password_sees_a_page(guarded: Served) -> None:
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=PATIENCE_S) as stranger:
        asked = stranger.get("leaderboard")
        assert (asked.status_code, "/login" in asked.headers["location"]) == (302, True)
        stranger.post("login", data={"username": "x", "password": "wrong"})
        assert stranger.get("leaderboard").status_code == 302
        assert stranger.get("ws", headers=UPGRADE | {"Origin": guarded.url.rstrip("/")}).status_code != 101
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=PATIENCE_S) as known:
        known.post("login", data={"username": "x", "password": PASSWORD})
        shown = known.get("leaderboard")
        assert (shown.status_code, "Skyline" in shown.text) == (200, True)


def test_every_answer_carries_what_browsers_heed_and_health_needs_no_password(guarded: Served) -> None:
    for path in ("healthz", "readyz", "leaderboard", "nothing", "login"):
        answer = httpx.get(guarded.url + path, trust_env=False, timeout=PATIENCE_S)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy, path
        assert "http" not in policy, path  # no other host
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "same-origin", path
    assert httpx.get(guarded.url + "healthz", trust_env=False, timeout=PATIENCE_S).json() == {"status": "alive"}
    assert (
        httpx.get(guarded.url + "readyz", trust_env=False, timeout=PATIENCE_S).json()["release"].startswith("skyline-")
    )


def test_who_comes_when_all_places_are_taken_is_asked_to_come_back_and_metrics_and_logs_count_both(
    bundled_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = serve(bundled_home, tmp_path_factory.mktemp("small"), SKYLINE_MOST_SESSIONS="1", SKYLINE_LOG_FORMAT="json")
    served = next(small)
    try:
        for _ in range(2):
            assert httpx.get(served.url + "sql", trust_env=False, timeout=PATIENCE_S).status_code == 200
        told = httpx.get(served.url + "metrics", trust_env=False, timeout=PATIENCE_S).text
        assert "skyline_pages_open 2.0" in told
        assert all(f'skyline_pages_sessions_total{{page="{page}"}} 1.0' in told for page in ("sql", "full"))
        lines = [json.loads(line) for line in served.log.read_text("utf-8").splitlines() if line.startswith("{")]
        assert [line["page"] for line in lines if line["message"] == "page opened"] == ["sql", "full"]
    finally:
        small.close()


def test_a_page_of_another_host_opens_no_websocket_here(guarded: Served) -> None:
    asked = httpx.get(
        guarded.url + "ws", headers=UPGRADE | {"Origin": "http://evil.example"}, trust_env=False, timeout=PATIENCE_S
    )
    assert asked.status_code == 403


def test_whoever_listens_beyond_the_machine_without_a_password_is_told() -> None:
    def of(**chosen: object) -> Settings:
        return Settings.model_validate(chosen)

    assert warning(of(address="127.0.0.1")) is None
    assert warning(of(address="localhost")) is None
    assert "everybody who reaches 0.0.0.0" in (warning(of(address="0.0.0.0")) or "")  # noqa: S104 - not bound
    assert warning(of(address="0.0.0.0", pages_password=PASSWORD)) is None  # noqa: S104
    assert warning(of(address="0.0.0.0", oauth_provider="github")) is None  # noqa: S104
    assert origins(of(origins=("pages.example:443",))) == ["pages.example:443"]
