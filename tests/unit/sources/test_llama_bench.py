"""What llama-bench and llama-batched-bench write: models, types, devices, and what was not on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.sources.measurements.llama_bench import gguf_format
from pipelines.sources.measurements.read import read_measurements
from pipelines.sources.measurements.rows import Stated
from profiling.accuracy.cases import NotAsked, case_of
from profiling.accuracy.names import Names, model_named
from profiling.devices.accelerators import table as accelerators
from profiling.errors import UnknownModel
from tests.unit.sources.tool_files import brief_of, file_of

LLAMA_BENCH = {
    "build_commit": "48ad459", "build_number": 6692, "cpu_info": "AMD Ryzen 9 7950X",
    "gpu_info": "NVIDIA GeForce RTX 4090",
    "backends": "CUDA", "model_filename": "models/Qwen3-8B-Q4_K_M.gguf", "model_type": "qwen3 8B Q4_K - Medium",
    "model_size": 5021400000, "model_n_params": 8190735360, "n_batch": 2048, "n_ubatch": 512, "type_k": "f16",
    "type_v": "f16", "n_gpu_layers": 99, "flash_attn": True, "n_prompt": 512, "n_gen": 0, "n_depth": 0,
    "test_time": "2026-01-11T10:02:11Z", "avg_ns": 43000000, "stddev_ns": 120000, "avg_ts": 11902.4, "stddev_ts": 31.2,
}  # fmt: skip
MARKDOWN = """\
ggml_cuda_init: found 1 CUDA devices:
  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9, VMM: yes
| model                          |       size |     params | backend    | ngl |            test |                  t/s |
| ------------------------------ | ---------: | ---------: | ---------- | --: | --------------: | -------------------: |
| llama 7B Q4_0                  |   3.56 GiB |     6.74 B | CUDA       |  99 |           pp512 |   14074.51 ± 1011.73 |
| llama 7B Q4_0                  |   3.56 GiB |     6.74 B | CUDA       |  99 |   tg128 @ d4096 |        156.27 ± 0.12 |
"""


def test_llama_bench_says_device_format_flash_attention_and_batch(tmp_path: Path) -> None:
    row = read_measurements(file_of(tmp_path, "bench.json", [LLAMA_BENCH])).row(0, named=True)
    assert (row["device"], row["weight_format"], row["backend"]) == ("NVIDIA GeForce RTX 4090", "gguf-q4_k_m", "CUDA")
    assert (row["stage"], row["metric"], row["value"], row["input_tokens"]) == ("prefill", "tokens_per_s", 11902.4, 512)
    assert "fa 1" in row["note"]
    assert "ub512" in row["note"]


def test_llama_bench_is_read_alike_from_json_lines_and_csv(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(LLAMA_BENCH | {"n_prompt": 0, "n_gen": 128, "n_depth": depth}) for depth in (0, 4096))
    head = ",".join(LLAMA_BENCH)
    values = ",".join(str(value) for value in (LLAMA_BENCH | {"n_prompt": 0, "n_gen": 128}).values())
    first = read_measurements(file_of(tmp_path, "a.jsonl", lines))
    second = read_measurements(file_of(tmp_path, "b.csv", f"{head}\n{values}\n"))
    assert brief_of(first)[0] == brief_of(second)[0] == ("decode", "tokens_per_s", 11902.4, None, 128, 0)
    assert first["context_depth"].to_list() == [0, 4096]


def test_the_table_that_llama_bench_prints_is_read(tmp_path: Path) -> None:
    frame = read_measurements(file_of(tmp_path, "printed.md", MARKDOWN))
    assert brief_of(frame) == [
        ("prefill", "tokens_per_s", 14074.51, 512, None, 0), ("decode", "tokens_per_s", 156.27, None, 128, 4096),
    ]  # fmt: skip
    assert frame["weight_format"].unique().to_list() == ["gguf-q4_0"]
    assert frame["device"].unique().to_list() == ["NVIDIA GeForce RTX 4090"]


# The first is of llama.cpp's own description of the tool.
PARTLY = """\
ggml_cuda_init: found 2 CUDA devices:
  Device 0: NVIDIA GeForce RTX 3090, compute capability 8.6, VMM: yes
  Device 1: NVIDIA GeForce RTX 3090, compute capability 8.6, VMM: yes
| model                          |       size |     params | backend    | ngl |    sm | test       |              t/s |
| ------------------------------ | ---------: | ---------: | ---------- | --: | ----: | ---------- | ---------------: |
| llama 7B mostly Q4_0           |   3.56 GiB |     6.74 B | CUDA       |  10 | layer | tg 128     |     13.45 ± 0.93 |
| llama 7B mostly Q4_0           |   3.56 GiB |     6.74 B | CUDA       |  -1 | layer | tg 128     |    132.19 ± 0.55 |
| llama 7B mostly Q4_0           |   3.56 GiB |     6.74 B | CUDA       |  -1 |  none | tg 128     |    131.42 ± 0.59 |
| llama 7B mostly Q4_0           |   3.56 GiB |     6.74 B | CUDA       |  -1 |   row | tg 128     |     90.00 ± 0.59 |
| llama 7B mostly Q4_0           |   3.56 GiB |     6.74 B | CUDA       |  -1 | tensor| pp512+tg128|    500.00 ± 0.59 |

build: 08d0baac (7950)

ggml_cuda_init: found 1 CUDA devices:
  Device 0: NVIDIA GeForce RTX 4090, compute capability 8.9, VMM: yes
|model|size|params|backend|ngl|fa|test|t/s|
|:---|---|---|---|---|---|---|---:|
|qwen3 8B Q2_K - Medium|3.05 GiB|8.19 B|CUDA|99|1|pp512|9000.00 ± 9.00|

build: ff5ef827 (8763)
"""


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("qwen3 8B Q2_K - Medium", "gguf-q2_k"), ("qwen3next 80B.A3B IQ3_XXS - 3.0625 bpw", "gguf-iq3_xxs"),
        ("llama 8B IQ3_S mix - 3.66 bpw", "gguf-iq3_m"), ("gpt-oss 20B MXFP4 MoE", "mxfp4"),
        ("llama 7B mostly Q4_0", "gguf-q4_0"), ("llama 7B Q3_K - Large (guessed)", "gguf-q3_k_l"),
        ("bitnet 2B TQ1_0 - 1.69 bpw ternary", "gguf-tq1_0"), ("llama 1B all F32", "gguf-f32"),
    ],
)  # fmt: skip
def test_types_of_files_are_read_as_llama_cpp_prints_them(printed: str, name: str) -> None:
    assert gguf_format({"model_type": printed}, "") == name


def test_llama_bench_says_how_devices_shared_the_model_and_what_was_not_on_them(tmp_path: Path) -> None:
    frame = read_measurements(file_of(tmp_path, "printed.md", PARTLY))
    assert frame.select("stage", "device_count", "parallelism", "note").rows() == [
        ("decode", 2, "llama.cpp layer split", "ngl 10"),
        ("decode", 2, "llama.cpp layer split", None),
        ("decode", 1, None, None),
        ("decode", 2, "llama.cpp row split", None),
        ("request", 2, "TP2", None),
        ("prefill", 1, None, "fa 1"),
    ]
    assert frame["engine_version"].to_list() == ["b7950"] * 5 + ["b8763"]
    assert frame["weight_format"].to_list() == ["gguf-q4_0"] * 5 + ["gguf-q2_k"]
    assert frame["value"][4] == pytest.approx((512 + 128) / 500)
    names = Names(accelerators())
    asked = dict[int, str]()
    for at, row in enumerate(frame.iter_rows(named=True)):
        try:
            case = case_of(at, row, names)
            asked[at] = f"{case.model.main.depth} layers, {case.split.tensor} x {case.split.pipeline}"
        except NotAsked as error:
            asked[at] = str(error)
    assert asked == {
        0: "10 of 32 layers were on the device (ngl), the others in system memory",
        1: "32 layers, 1 x 2",
        2: "32 layers, 1 x 1",
        3: "rows of its matrices were split over devices (`--split-mode row`), which is not timed here",
        4: "32 layers, 2 x 1",
        5: "36 layers, 1 x 1",
    }


@pytest.mark.parametrize(
    ("label", "model"),
    [
        ("qwen3moe 30B.A3B (30.53 B parameters)", "Qwen/Qwen3-30B-A3B"),
        ("gpt-oss 20B (20.91 B parameters)", "openai/gpt-oss-20b"),
        ("llama 7B (7.24 B parameters)", "mistralai/Mistral-7B-v0.1"),  # llama.cpp runs Mistral as llama
        ("gemma3 4B (3.88 B parameters)", "google/gemma-3-4b-it"),
        ("qwen2 14B (14.77 B parameters)", "Qwen/Qwen2.5-14B"),
        ("qwen35moe 35B.A3B (34.66 B parameters)", "Qwen/Qwen3.5-35B-A3B"),
        ("qwen35moe 35B.A3B (35.51 B parameters)", "Qwen/Qwen3.5-35B-A3B"),  # with the layer that predicts ahead
    ],
)
def test_what_llama_cpp_calls_a_model_means_the_one_of_that_many_parameters(label: str, model: str) -> None:
    assert model_named(label).name == model
    with pytest.raises(UnknownModel, match="no model known here has that many; state it with --model"):
        model_named("llama 9B (9.09 B parameters)")


def test_the_table_of_llama_batched_bench_gives_rates_of_all_sequences_together(tmp_path: Path) -> None:
    printed = (
        "|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |\n"
        "|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|\n"
        "|   512 |    128 |    4 |   2560 |    0.500 |  4096.00 |    2.000 |   256.00 |    2.500 |  1024.00 |\n"
    )
    rows = read_measurements(file_of(tmp_path, "batched.txt", printed))
    assert brief_of(rows) == [
        ("prefill", "tokens_per_s", 4096.0, 512, None, 0), ("decode", "tokens_per_s", 256.0, None, 128, 512),
    ]  # fmt: skip
    assert rows["batch"].to_list() == [4, 4]


def test_what_the_user_says_fills_gaps_and_overrules_nothing(tmp_path: Path) -> None:
    frame = read_measurements(file_of(tmp_path, "b.json", [LLAMA_BENCH]), Stated(device="RTX-3090", kv_format="q8_0"))
    assert frame["device"].to_list() == ["NVIDIA GeForce RTX 4090"]
    assert frame["kv_format"].to_list() == ["f16"]


def test_llama_bench_is_read_from_sql_too(tmp_path: Path) -> None:
    printed = (
        "CREATE TABLE IF NOT EXISTS llama_bench (\n  build_commit TEXT\n);\n\n"
        "INSERT INTO llama_bench (build_number, gpu_info, model_filename, type_k, type_v, n_prompt, n_gen, test_time, "
        "avg_ts, stddev_ts) VALUES ('6000', 'Someone''s RTX 4090', 'Qwen3-8B-Q4_K_M.gguf', 'q8_0', 'q8_0', '512', '0', "
        "'2025-08-01T00:00:00Z', '10240.0', '2.0');\n"
    )
    (row,) = read_measurements(file_of(tmp_path, "bench.sql.txt", printed)).iter_rows(named=True)
    assert (row["device_as_reported"], row["kv_format"], row["weight_format"]) == (
        "Someone's RTX 4090", "q8_0", "gguf-q4_k_m",
    )  # fmt: skip
    assert (row["stage"], row["input_tokens"], row["value"]) == ("prefill", 512, 10240)
