"""A prompt over HTTP: off unless the operator says so, bounded, and answered by a real checkpoint."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create
from dashboards.measuring import CannotMeasure, Measuring
from tests.answering import answering, tiny_checkpoint, tiny_gguf
from tests.speaking import speaking
from warehouse.settings import Settings

_REASON = {"joules_per_token": "energy_why"}
ASKED = {"checkpoint": "tiny", "prompt": "hello"}


@contextmanager
def client(home: Path, **settings: Any) -> Iterator[TestClient]:
    given = {"home": str(home), "api_requests_per_minute": 1_000_000, **settings}
    with TestClient(create(Settings.model_validate(given)), raise_server_exceptions=False) as made:
        yield made


def refused(made: TestClient, **changed: Any) -> tuple[int, str]:
    response = made.post("/api/v1/inference", json=ASKED | changed)
    return response.status_code, response.json()["detail"]


@pytest.mark.parametrize("settings", [{}, {"api_inference": True}, {"measure_checkpoints": "."}])
def test_nothing_answers_until_the_operator_has_said_so_twice(tmp_path: Path, settings: dict[str, Any]) -> None:
    with client(tmp_path, **settings) as made:
        status, detail = refused(made)
    assert status == 404
    assert "SKYLINE_API_INFERENCE=true" in detail


def test_what_is_not_offered_too_long_or_in_turn_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "config.json").write_text("{}")

    async def busy(*_: object) -> None:
        raise CannotMeasure("Another measurement is running.")

    monkeypatch.setattr(Measuring, "generate", busy)
    with client(tmp_path, api_inference=True, measure_checkpoints=str(tmp_path / "models")) as made:
        assert refused(made, checkpoint="../secret") == (
            404, "'../secret' is no checkpoint of this server; there are: tiny.",
        )  # fmt: skip
        assert refused(made, new_tokens=100_000)[0] == 422
        assert refused(made, endpoint="http://127.0.0.1:1")[0] == 422
        assert "not both" in refused(made, checkpoint=None)[1]
        assert "needs the name of its model" in refused(made, checkpoint=None, endpoint="http://127.0.0.1:1")[1]
        assert refused(made, checkpoint=None, endpoint="http://127.0.0.1:1", model="m") == (
            404, "'http://127.0.0.1:1' is no server that may be asked from here; there are: none.",
        )  # fmt: skip
        assert refused(made, prompt="x" * 30_000)[0] == 422
        assert refused(made) == (503, "Another measurement is running.")


def test_a_server_that_the_operator_named_answers_in_its_protocol_and_its_password_stays_here(tmp_path: Path) -> None:
    with answering() as server, speaking() as other:
        spoken = f"127.0.0.1:{server.server_address[1]}/v1", f"127.0.0.1:{other.server_address[1]}"
        named = f"http://someone:secret@{spoken[0]},tgi=http://{spoken[1]}"
        with client(tmp_path, api_inference=True, measure_endpoints=named) as made:
            for endpoint, text in ((f"http://{spoken[0]}", " 0 1"), (f"http://{spoken[1]} (tgi)", " 0 1")):
                asked = {"endpoint": endpoint, "model": "m", "prompt": "hello", "new_tokens": 2}
                response = made.post("/api/v1/inference", json=asked)
                assert response.status_code == 200, response.text
                answered = response.json()
                assert (answered["answer"]["text"], answered["answer"]["tokens"], answered["modules"]) == (text, 2, [])
                assert 0 < answered["answer"]["ttft_p50_s"] <= answered["answer"]["request_p50_s"]
                assert "secret" not in response.text
                assert (tmp_path / "inbox" / answered["bundle"]).is_dir()
        assert server.seen[-1][1].startswith("Basic ")


@pytest.mark.slow
def test_a_checkpoint_answers_and_says_what_it_took(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    tiny_checkpoint(tmp_path / "models" / "tiny", "llama")
    with client(tmp_path, api_inference=True, measure_checkpoints=str(tmp_path / "models")) as made:
        response = made.post("/api/v1/inference", json=ASKED | {"new_tokens": 4, "precision": "float32"})
        short = made.post("/api/v1/inference", json=ASKED | {"new_tokens": 1, "precision": "float32"}).json()
    assert response.status_code == 200, response.text
    for measured in (short["answer"], *short["modules"]):
        nulls = [name for name, value in measured.items() if value is None]
        assert [name for name in nulls if not measured.get(_REASON.get(name, f"{name}_why"))] == []
    assert short["answer"]["inter_token_p50_s"] is None
    answered = response.json()
    assert 1 <= answered["answer"]["tokens"] <= 4
    assert 0 < answered["answer"]["utilisation_share"] <= 1
    assert answered["answer"]["ttft_p50_s"] > 0
    assert all(module["allocated_bytes"] is not None for module in answered["modules"])
    assert (tmp_path / "inbox" / answered["bundle"]).is_dir()


@pytest.mark.slow
def test_what_a_quantised_file_lost_is_said_beside_what_it_was_made_from(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    checkpoint = tiny_checkpoint(tmp_path / "models" / "tiny", "llama")
    tiny_gguf(checkpoint, tmp_path / "models" / "tiny-F32.gguf", 0)
    tiny_gguf(checkpoint, tmp_path / "models" / "tiny-Q8_0.gguf")
    asked = {
        "checkpoints": ["tiny-F32.gguf", "tiny-Q8_0.gguf"], "precisions": ["float32"],
        "questions": [{"prompt": "the cat", "answer": "sat on the mat"}],
    }  # fmt: skip
    with client(tmp_path, api_inference=True, measure_checkpoints=str(tmp_path / "models")) as made:
        response = made.post("/api/v1/quality", json=asked)
        other = made.post("/api/v1/quality", json={"checkpoints": ["../tiny"]})
    assert response.status_code == 200, response.text
    whole, eight = response.json()["rows"]
    assert (whole["precision"], whole["perplexity_over_first"]) == ("f32", 1.0)
    assert (eight["precision"], eight["questions"]) == ("q8_0", 1)
    assert eight["perplexity_over_first"] == pytest.approx(1.0, abs=0.05)
    assert (tmp_path / "inbox" / response.json()["bundle"]).is_dir()
    assert (other.status_code, other.json()["detail"][:44]) == (404, "'../tiny' is no checkpoint of this server; t")
