"""Whatever the description of the interface allows is answered as it promises, and what it forbids is refused."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import create
from warehouse.settings import Settings

_EXAMPLES = 8
_SLOWER = {"sql": 2, "plan": 4, "advise": 4, "design": 4}
"""Routes whose answers take a second or more, and how many times fewer are asked for."""


@pytest.fixture(scope="module")
def described(bundled_home: Path) -> Any:
    asked = Settings.model_validate({"home": str(bundled_home), "api_requests_per_minute": 1_000_000})
    return schemathesis.openapi.from_asgi("/api/v1/openapi.json", create(asked))


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("GET", "models"),
        ("GET", "accelerators"),
        ("GET", "fronts"),
        ("GET", "ratings"),
        ("GET", "roofline"),
        ("GET", "sweep"),
        ("GET", "improve"),
        ("GET", "fit"),
        ("GET", "plan"),
        ("GET", "advise"),
        ("GET", "design"),
        ("GET", "processors"),
        ("GET", "describe"),
        ("GET", "choices"),
        ("GET", "accuracy"),
        ("POST", "front"),
        ("POST", "sql"),
    ],
)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_as_described(described: Any, method: str, name: str, mode: Any) -> None:
    operation = described[f"/api/v1/{name}"][method]

    most = _EXAMPLES // _SLOWER.get(name, 1)

    @given(case=operation.as_strategy(generation_mode=mode))
    @examples(
        max_examples=most,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        # What has the right form may still be wrong: a table that is not there, a model that does not fit.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()
