"""Columns of answers: each says what it means in that answer, and lengths are asked for as people write them."""

import socket

import pytest
from fastapi.testclient import TestClient

from warehouse.columns import meanings_in
from warehouse.contracts import TABLES
from warehouse.listening import CannotListen, bound, listening_at

QWEN = "model=Qwen/Qwen3-8B&accelerator="


@pytest.mark.parametrize(
    "question",
    [
        f"fit?{QWEN}8xH100", f"fit?{QWEN}4090", f"fit?{QWEN}4090&host_memory_gib=64", "advise?machine=2x3090",
        "plan?model=openai/gpt-oss-20b&users=10&device=4090", f"roofline?{QWEN}4090",
        f"roofline?{QWEN}4090&operators=true", f"processors?{QWEN}cpu", "compare?model=Qwen3-32B&model=gemma-3-27b-it",
        "describe?model=gpt-oss-20b", f"sweep?{QWEN}4090&over=batch", f"improve?{QWEN}4090",
        f"improve?{QWEN}4090&operators=true", "accuracy", "design?params=1B&device=4090&trials=20",
    ],
)  # fmt: skip
def test_every_column_of_a_computed_answer_says_what_it_means_there(client: TestClient, question: str) -> None:
    answer = client.get(f"/api/v1/{question}").json()
    assert [name for name, column in answer["columns"].items() if not column["meaning"]] == []
    assert "under the load of" not in str(answer["columns"])  # what a table of one load says of its columns


def test_a_published_column_means_what_its_own_table_says(client: TestClient) -> None:
    contract = {
        column.name: column.meaning for table in TABLES if table.relation == "core.models" for column in table.columns
    }
    columns = client.get("/api/v1/models?limit=1").json()["columns"]
    assert {name: column["meaning"] for name, column in columns.items()} == {name: contract[name] for name in columns}
    # Both tables have a verdict, of different things: nothing is said of it where both are read.
    assert "verdict" in meanings_in("FROM marts.choices")
    assert "verdict" not in meanings_in("FROM marts.choices JOIN marts.published_front_comparison USING (model_id)")


def test_lengths_are_read_over_http_as_on_the_command_line(client: TestClient) -> None:
    assert client.get(f"/api/v1/roofline?{QWEN}4090&seq=32k").json()["rows"][0]["context"] == 32_768
    refused = client.get(f"/api/v1/roofline?{QWEN}4090&seq=32q")
    assert refused.status_code == 422
    assert "'32q' is not a length in tokens; write 4096, 32k (32,768)" in refused.json()["detail"]
    assert client.get(f"/api/v1/roofline?{QWEN}4090&prefix=0").status_code == 200


def test_a_taken_port_is_named_before_anybody_is_told_of_an_address() -> None:
    with bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        sentence = (
            f"the pages cannot be served at 127.0.0.1:{port}: Address already in use. Choose another port with --x."
        )
        with (
            pytest.raises(CannotListen, match=sentence),
            listening_at("127.0.0.1", port, what="the pages", settings="--x"),
        ):
            bound("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
