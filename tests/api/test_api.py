"""The HTTP interface: what the command line says, over HTTP; whatever is sent, an answer that its description names."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from api.app import create
from pipelines.lib.door import published_door
from profiling.answers.question import Question
from warehouse.reader import Reader

from .conftest import get, settings


def test_rows_are_those_of_the_warehouse(client: TestClient, bundled_home: Path) -> None:
    reader = Reader(bundled_home / "published")
    front = get(client, "fronts", board="open_llm_v2")
    sql = (
        "FROM marts.pareto_front WHERE board = 'open_llm_v2' AND objectives = 'average_vs_size_gib'"
        " AND segment_by = 'all' ORDER BY snapshot_id, segment, position"
    )
    assert [row["entry_id"] for row in front["rows"]] == reader.query(sql)["entry_id"].to_list() != []
    assert (front["is_cut"], front["release"]) == (False, reader.release().path.name)
    llamas = get(client, "models", search="LLAMA", limit=3)
    assert [("llama" in row["model_id"].lower()) for row in llamas["rows"]] == [True] * 3
    assert llamas["is_cut"]
    second = get(client, "models", search="llama", limit=2, offset=1)["rows"]
    assert second == llamas["rows"][1:]
    assert get(client, "accelerators", search="h200")["rows"][0]["source"]
    best = get(client, "ratings", as_of_date="2024-06-19")["rows"]
    assert [row["rating"] for row in best] == sorted((row["rating"] for row in best), reverse=True) != []


def test_the_performance_model_says_what_the_command_line_says(client: TestClient, bundled_home: Path) -> None:
    params = {"model": "Meta-Llama-3.1-8B", "accelerator": "H200-SXM-141GB", "batch": 8, "seq": 2048}
    total = get(client, "roofline", **params)["rows"][0]
    question = Question(model="meta-llama/Meta-Llama-3.1-8B", accelerator="H200-SXM-141GB", batch=8, context=2048)
    door = published_door(Reader(settings(bundled_home).published))()
    assert total == door.answer(question).row()
    assert len(get(client, "roofline", **params, operators=True)["rows"]) > 5
    needed = get(client, "fit", model="meta-llama/Meta-Llama-3.1-70B", accelerator=["L40S", "H200-SXM-141GB"])["rows"]
    assert [row["accelerator"] for row in needed] == ["L40S", "H200-SXM-141GB"]
    assert needed[0]["devices"] > needed[1]["devices"]


def test_names_formats_and_options_of_engines_are_those_of_the_command_line(client: TestClient) -> None:
    tag, file, eager = (
        get(client, "roofline", accelerator="4090", seq=8192, **params)["rows"][0]
        for params in (
            {"model": "qwen2.5:14b", "kv_bits": "q8_0"},
            {"model": "Qwen2.5-14B-Instruct-Q4_K_M.gguf", "kv_bits": 8.5},
            {"model": "Qwen/Qwen2.5-7B", "engine": "vllm", "eager": True, "batched_tokens": 512},
        )
    )
    assert tag["memory_high_gib"] == file["memory_high_gib"]
    assert tag["kv_bits"] == 8.5
    plain = get(client, "roofline", accelerator="4090", seq=8192, model="Qwen/Qwen2.5-7B", engine="vllm")["rows"][0]
    assert eager["memory_high_gib"] < plain["memory_high_gib"]


def test_the_front_of_a_table_that_is_sent(client: TestClient) -> None:
    rows = [{"name": n, "size": s, "score": q} for n, s, q in (("a", 1, 5), ("b", 2, 4), ("c", 3, None), ("d", 3, 9))]
    body = {"rows": rows, "minimise": ["size"], "maximise": ["score"]}
    answer = client.post("/api/v1/front", json=body).json()
    assert [row["name"] for row in answer["rows"]] == ["a", "d"]
    assert answer["notes"] == ["1 row left out: an objective is missing or not a finite number."]
    assert client.post("/api/v1/front", json={"rows": rows}).status_code == 422


def test_sql_has_the_limits_of_the_console(client: TestClient) -> None:
    statement = {"sql": "SELECT 'NaN'::DOUBLE AS nan, 1::HUGEINT AS one, '\\xFF'::BLOB AS b, DATE '2024-01-02' AS day"}
    answer = client.post("/api/v1/sql", json=statement).json()
    assert answer["rows"] == [{"nan": None, "one": 1, "b": "\\xFF", "day": "2024-01-02"}]
    assert client.post("/api/v1/sql", json={"sql": "FROM range(20000)"}).json()["is_cut"]
    for sql, message in (
        ("COPY (SELECT 1) TO '/tmp/out.csv'", "only SELECT"),
        ("FROM read_text('/etc/passwd')", "read_text is not available"),
        ("FROM '/etc/passwd'", "The query failed"),
    ):
        refused = client.post("/api/v1/sql", json={"sql": sql})
        assert (refused.status_code, message in refused.json()["detail"]) == (422, True)


def test_csv_is_disarmed(client: TestClient) -> None:
    answer = client.post("/api/v1/sql?format=csv", json={"sql": "SELECT '=cmd()' AS a, -1 AS b, '@x' AS \"+c\""})
    assert answer.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(answer.text))) == [["a", "b", "'+c"], ["'=cmd()", "-1", "'@x"]]


@pytest.mark.parametrize(
    ("path", "params", "status", "message"),
    [
        ("roofline", {"model": "/etc/passwd", "accelerator": "H200"}, 404, "is not among the"),
        ("roofline", {"model": "pyproject.toml", "accelerator": "H200"}, 404, "is not among the"),
        ("roofline", {"model": "Meta-Llama-3.1-8B", "accelerator": "H2000"}, 404, "H200"),
        ("roofline", {"model": "Meta-Llama-3.1-8B", "accelerator": "L40S", "tp": 3}, 422, "heads"),
        ("roofline", {"model": "Meta-Llama-3.1-70B", "accelerator": "L40S"}, 422, "4 devices) would do"),
        ("roofline", {"model": "Meta-Llama-3.1-8B", "accelerator": "L40S", "batch": 0}, 422, "greater than"),
        ("fronts", {"as_of_date": "yesterday"}, 422, "date"),
        ("ratings", {"as_of_date": "0"}, 422, "date"),
        ("models", {"limit": "1; DROP TABLE core.models"}, 422, "integer"),
        ("nothing", {}, 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_is_said(
    client: TestClient, path: str, params: dict[str, Any], status: int, message: str
) -> None:
    response = client.get(f"/api/v1/{path}", params=params)
    assert response.status_code == status
    assert message in json.dumps(response.json()["detail"])
    assert "Traceback" not in response.text


def test_too_much_too_often_and_without_the_token_are_refused(bundled_home: Path) -> None:
    sesame = "open sesame"
    guarded = settings(bundled_home, api_token=sesame, api_requests_per_minute=5)
    with TestClient(create(guarded)) as client:
        assert client.get("/api/v1/models").status_code == 401
        assert client.get("/api/v1/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
        allowed = {"Authorization": f"Bearer {sesame}"}
        answered = [client.get("/api/v1/models?limit=1", headers=allowed).status_code for _ in range(5)]
        assert answered == [200, 200, 200, 429, 429]
        assert client.get("/healthz").json() == {"status": "alive"}
        assert 'skyline_api_refused_total{status="429"} 2.0' in client.get("/metrics").text
    with TestClient(create(settings(bundled_home))) as client:
        assert client.post("/api/v1/front", content=b"x" * (5 << 20)).status_code == 413


def test_without_a_release_it_lives_but_is_not_ready(tmp_path: Path) -> None:
    with TestClient(create(settings(tmp_path))) as client:
        assert client.get("/healthz").status_code == 200
        # Whoever balances load asks so.
        assert (client.head("/healthz").status_code, client.head("/healthz").content) == (200, b"")
        assert client.head("/readyz").status_code == 503
        for path in ("/readyz", "/api/v1/models"):
            refused = client.get(path)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert "skyline refresh" in refused.json()["detail"]
        assert client.get("/readyz").headers["x-content-type-options"] == "nosniff"


def test_columns_are_those_that_the_description_promises(client: TestClient) -> None:
    described = client.get("/api/v1/openapi.json").json()
    assert set(described["paths"]) == {
        f"/api/v1/{name}"
        for name in (
            "models",
            "accelerators",
            "fronts",
            "ratings",
            "front",
            "sql",
            "inference",
            "quality",
            "compare",
            "roofline",
            "sweep",
            "improve",
            "fit",
            "plan",
            "advise",
            "design",
            "processors",
            "describe",
            "choices",
            "accuracy",
        )
    }
    assert all(
        operation["summary"] and operation["description"]
        for path in described["paths"].values()
        for operation in path.values()
    )
    assert pl.DataFrame(get(client, "accelerators", limit=1)["rows"]).width > 10
