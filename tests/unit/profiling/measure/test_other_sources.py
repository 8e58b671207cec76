"""Points that no sweep made: other tools' results, a server that is measured, a prompt on a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from profiling.measure import bundle
from profiling.measure.endpoint import BadEndpoint, Load, measure_endpoint
from profiling.measure.importers import UnreadableResult, import_file
from tests.answering import Streaming, answering, tiny_checkpoint

# The fields of a result as the tools write them; times are ours, chosen so that units show.
VLLM = {
    "date": "20251017-202208", "backend": "vllm", "model_id": "org/served-7b", "num_prompts": 10, "max_concurrency": 4,
    "duration": 20.0, "completed": 8, "total_input_tokens": 4096, "total_output_tokens": 512,
    "request_throughput": 0.4, "output_throughput": 25.6, "median_ttft_ms": 120.0, "p99_ttft_ms": 300.0,
    "median_itl_ms": 11.0, "p99_itl_ms": 15.0,
}  # fmt: skip
AIPERF = {
    "request_throughput": {"unit": "requests/sec", "avg": 13.0}, "request_count": {"unit": "requests", "avg": 200.0},
    "time_to_first_token": {"unit": "ms", "avg": 800.0, "p50": 787.5, "p99": 4119.0},
    "inter_token_latency": {"unit": "ms", "avg": 51.8, "p50": 52.0, "p99": 55.9},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 1274.6},
    "benchmark_duration": {"unit": "sec", "avg": 15.2}, "total_isl": {"unit": "tokens", "avg": 110000.0},
    "start_time": "2025-10-17T20:22:08.939332", "error_summary": [{"count": 81}, {"count": 3}],
    "input_config": {"endpoint": {"model_names": ["openai/gpt-oss-20b"]}, "loadgen": {"concurrency": 100}},
    "telemetry_data": {"endpoints": {"a:9401": {"gpus": {"gpu_0": {"gpu_name": "NVIDIA RTX 6000 Ada Generation"}}}}},
}  # fmt: skip
RECORD = {
    "metadata": {"request_start_ns": 1_759_813_207_000_000_000, "request_end_ns": 1_759_813_208_000_000_000},
    "metrics": {
        "input_sequence_length": {"value": 550, "unit": "tokens"},
        "time_to_first_token": {"value": 255.0, "unit": "ms"},
        "output_sequence_length": {"value": 9, "unit": "tokens"}, "inter_token_latency": {"value": 5.2, "unit": "ms"},
    },
    "error": None,
}  # fmt: skip
OPTIMUM = {
    "config": {
        "backend": {"name": "pytorch", "model": "org/seven-7b", "device": "cuda", "torch_dtype": "float16"},
        "scenario": {"input_shapes": {"batch_size": 2, "sequence_length": 256}},
        "environment": {"gpu": ["NVIDIA A100-SXM4-80GB"], "cpu": " AMD EPYC"},
    },
    "report": {
        "prefill": {"latency": {"unit": "s", "values": [0.2, 0.1, 0.3]}, "memory": {"max_allocated": 6506.67},
                    "energy": {"unit": "kWh", "total": 1e-6}},
        "per_token": {"latency": {"unit": "s", "values": [0.02, 0.03]}},
    },
}  # fmt: skip


def imported(tool: str, content: object, folder: Path) -> bundle.Bundle:
    file = folder / "result.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    import_file(tool, file, folder / "out.bundle")
    return bundle.verify(folder / "out.bundle")


def test_a_result_of_vllm_becomes_a_point_in_seconds(tmp_path: Path) -> None:
    result = imported("vllm", VLLM, tmp_path)
    (row,) = result.points
    assert (row["model"], row["stage"], row["batch"], row["context"]) == ("org/served-7b", "serve", 4, 512)
    assert (row["ttft_p50_s"], row["ttft_p99_s"], row["inter_token_p50_s"]) == (0.12, 0.3, 0.011)
    assert (row["requests"], row["errors"], row["tokens_per_s"]) == (8, 2, 25.6)
    assert result.environment["measured_at"] == "2025-10-17T20:22:08Z"


def test_raw_values_of_vllm_replace_its_summary(tmp_path: Path) -> None:
    (row,) = imported("vllm", {**VLLM, "ttfts": [0.1, 0.2, 0.3], "itls": [[0.01, 0.03], [0.02]]}, tmp_path).points
    assert (row["ttft_p50_s"], row["inter_token_p50_s"]) == (0.2, 0.02)
    assert row["ttft_values_s"] == [0.1, 0.2, 0.3]


def test_statistics_of_aiperf_keep_model_gpu_and_errors(tmp_path: Path) -> None:
    result = imported("aiperf", AIPERF, tmp_path)
    (row,) = result.points
    assert (row["model"], row["batch"], row["context"]) == ("openai/gpt-oss-20b", 100, 550)
    assert (row["ttft_p50_s"], row["inter_token_p99_s"], row["errors"]) == (0.7875, pytest.approx(0.0559), 84)
    assert result.environment["accelerator"] == "NVIDIA RTX 6000 Ada Generation"


def test_records_of_aiperf_are_counted_one_by_one(tmp_path: Path) -> None:
    failed = {**RECORD, "metrics": {}, "error": {"code": 499}}
    (row,) = imported("aiperf", "\n".join(json.dumps(each) for each in (RECORD, RECORD, failed)), tmp_path).points
    assert (row["requests"], row["errors"], row["tokens_per_s"], row["ttft_p50_s"]) == (2, 1, 18.0, 0.255)


def test_stages_of_optimum_benchmark_become_points_and_kilowatt_hours_joules(tmp_path: Path) -> None:
    prefill, decode = imported("optimum", OPTIMUM, tmp_path).points
    assert (prefill["stage"], prefill["latency_s"], prefill["tokens"]) == ("prefill", 0.2, 512)
    assert prefill["energy_j"] == pytest.approx(3.6)
    assert prefill["allocated_peak_bytes"] == pytest.approx(6.50667e9)
    assert (decode["stage"], decode["latency_s"], decode["tokens"]) == ("decode", 0.025, 2)


@pytest.mark.parametrize(
    ("tool", "content"),
    [("vllm", {"duration": 1}), ("aiperf", {}), ("optimum", {"config": {}}), ("vllm", "not json"), ("vllm", [])],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, tool: str, content: object) -> None:
    with pytest.raises(UnreadableResult):
        imported(tool, content, tmp_path)


@pytest.fixture
def server() -> Iterator[Any]:
    with answering() as made:
        yield made


def load(server: Any, model: str = "good", **more: Any) -> Load:
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    return Load(**{"url": url, "model": model, "new_tokens": 5, "requests": 4, "timeout_s": 20.0, **more})


def test_a_server_is_measured_at_every_load_and_the_key_is_sent_but_not_stored(server: Any, tmp_path: Path) -> None:
    asked = load(server, concurrency=(1, 4), prompt_lengths=(8, 32), key="secret-key")
    rows = measure_endpoint(asked, tmp_path / "served.bundle")
    assert [(row["batch"], row["errors"], row["requests"]) for row in rows] == [(1, 0, 4), (4, 0, 4)] * 2
    for row in rows:
        assert len(row["ttft_values_s"]) == 4
        assert len(row["inter_token_values_s"]) == 16
        assert row["ttft_p50_s"] >= 2 * Streaming.gap_s
        assert row["inter_token_p50_s"] >= 0.9 * Streaming.gap_s
        assert (row["context"], row["prompt_tokens_source"], row["tokens"]) == (33, "server", 20)
    assert rows[1]["tokens_per_s"] > 1.5 * rows[0]["tokens_per_s"]
    prompts = [body["prompt"] for body, _ in server.seen]
    assert len(set(prompts[1:5])) == 4
    assert {key for _, key in server.seen} == {"Bearer secret-key"}
    result = bundle.verify(tmp_path / "served.bundle")
    assert len(result.points) == 4
    assert not any(b"secret" in content for content in bundle.contents_of(tmp_path / "served.bundle").values())


def test_errors_are_counted_by_reason_and_the_rest_is_measured(server: Any) -> None:
    (row,) = measure_endpoint(load(server, "flaky", requests=8, concurrency=(2,)))
    assert 1 <= row["errors"] <= 4
    assert row["error_reasons"] == {"HTTP 500": row["errors"]}
    assert len(row["ttft_values_s"]) == 8 - row["errors"]


def test_a_server_that_counts_nothing_is_taken_at_what_was_asked(server: Any) -> None:
    (row,) = measure_endpoint(load(server, "silent", prompt_lengths=(64,)))
    assert (row["context"], row["prompt_tokens_source"], row["tokens"]) == (64, "as asked", 20)


@pytest.mark.parametrize(("model", "words"), [("broken", "HTTP 500"), ("hanging", "timeout")])
def test_a_server_that_never_answers_is_named_with_the_reason(server: Any, model: str, words: str) -> None:
    with pytest.raises(BadEndpoint, match=words):
        measure_endpoint(load(server, model, timeout_s=1.0))


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadEndpoint, match="is not an address"):
        measure_endpoint(Load(url=url, model="m"))


@pytest.mark.slow
@pytest.mark.parametrize(("model_type", "backend"), [("llama", "plain"), ("gemma2", "transformers")])
def test_a_prompt_gives_the_text_of_transformers_with_its_times(tmp_path: Path, model_type: str, backend: str) -> None:
    transformers = pytest.importorskip("transformers")
    from profiling.measure.generation import generate  # noqa: PLC0415 - after the skip

    folder = tiny_checkpoint(tmp_path / "tiny", model_type)
    answer = generate(
        folder, "the cat sat", new_tokens=6, precision="float32", device="cpu", threads=1, out=tmp_path / "p.bundle"
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    ids = tokenizer("the cat sat", return_tensors="pt")["input_ids"]
    expected = model.generate(ids, max_new_tokens=6, do_sample=False)[0, ids.shape[1] :]
    assert answer["text"] == tokenizer.decode(expected, skip_special_tokens=True)
    assert answer["backend"] == backend
    assert answer["ttft_p50_s"] > 0
    assert answer["context"] == 3
    assert answer["weights_bytes"] == sum(p.numel() * 4 for p in model.parameters())
    assert {layer["kind"] for layer in answer["layers"]} >= {"linear", "head", "between"}
    result = bundle.verify(tmp_path / "p.bundle")
    assert len(result.layers) == len(answer["layers"])
    assert not any(b"the cat sat" in content for content in bundle.contents_of(tmp_path / "p.bundle").values())
