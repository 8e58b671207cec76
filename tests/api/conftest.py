"""A client of the interface to the bundled home, and what it is answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create
from warehouse.settings import Settings


def settings(home: Path, **more: object) -> Settings:
    """As a test asks: as often as it likes."""
    return Settings.model_validate({"home": str(home), "api_requests_per_minute": 1_000_000, **more})


@pytest.fixture(scope="module")
def client(bundled_home: Path) -> Iterator[TestClient]:
    with TestClient(create(settings(bundled_home)), raise_server_exceptions=False) as client:
        yield client


def get(client: TestClient, path: str, **params: Any) -> dict[str, Any]:
    response = client.get(f"/api/v1/{path}", params=params)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found
