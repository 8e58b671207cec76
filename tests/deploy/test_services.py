"""The services of the compose file, started without containers: all healthy, a run launched, its release served."""

import json
import shutil
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.services import PORTS, Place, Running, postgres_programs, start
from warehouse.publish import current

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
TOKEN = "of-the-test"  # noqa: S105 - opens nothing else
LAUNCH = """mutation($asked: ExecutionParams!) { launchRun(executionParams: $asked) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"


@pytest.fixture
def running(bundled_home: Path) -> Iterator[Running]:
    # PostgreSQL runs as another user, who cannot look into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="skyline-services-"))
    folder.chmod(0o755)
    home = Path(shutil.copytree(bundled_home, folder / "home", symlinks=True))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    ports = {name: free + place for place, name in enumerate(PORTS, start=1)}
    secrets = {"POSTGRES_PASSWORD": "a-password", "SKYLINE_API_TOKEN": TOKEN, "SKYLINE_PAGES_PASSWORD": TOKEN}
    services = start(Place(home, ports, secrets, database=postgres_programs() is not None))
    try:
        yield services
    finally:
        services.stop()
        shutil.rmtree(folder, ignore_errors=True)


def get(address: str, token: str = "") -> tuple[int, str]:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
        return answer.status, answer.read().decode()


def ask_dagster(running: Running, query: str, **variables: Any) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{running.place.ports['webserver']}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)["data"]
        return found


def test_a_run_that_is_launched_over_the_network_ends_in_a_release_that_is_served(running: Running) -> None:
    interface = f"http://127.0.0.1:{running.place.ports['api']}"
    before = current(running.place.home / "published").path.name
    assert json.loads(get(f"{interface}/readyz")[1])["release"] == before
    # Without the password there is only the way to it.
    assert "Login to access" in get(f"http://127.0.0.1:{running.place.ports['dashboards']}/pareto")[1]

    selector = {"repositoryLocationName": "skyline", "repositoryName": "__repository__", "jobName": "refresh"}
    launched = ask_dagster(running, LAUNCH, asked={"selector": selector, "runConfigData": {}})["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    until = time.monotonic() + 900
    status = ""
    while status not in {"SUCCESS", "FAILURE", "CANCELED"} and time.monotonic() < until:
        time.sleep(2)
        status = ask_dagster(running, STATUS, run=launched["run"]["runId"])["runOrError"]["status"]
    assert status == "SUCCESS"

    after = json.loads(get(f"{interface}/readyz")[1])["release"]
    assert after > before
    assert '"rows"' in get(f"{interface}/api/v1/fronts?limit=1", TOKEN)[1]
    running.require_alive()
