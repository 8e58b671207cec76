"""Measurements by others are fetched as boards are: declared, conditional, dated, and marked where they must stay.

Every figure here is made up, in the layouts that the sources publish.
"""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import polars as pl
import pytest

from pipelines.defs.accuracy.tables import identified
from pipelines.defs.boards.tables import read_boards
from pipelines.sources.boards.declaration import declared
from pipelines.sources.boards.fetch import SourceDown
from pipelines.sources.boards.load import load_measured
from pipelines.sources.measurements.recognition import SOURCE
from pipelines.sources.raw_store import RawStore
from pipelines.sources.recognition import recognise
from tests.unit.sources.declared_here import ask, declare
from tests.unit.sources.hub_server import HubServer, status, whole
from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS
from warehouse.contracts.violations import violations
from warehouse.settings import Settings

_LLAMA_BENCH = {
    "build_number": 1, "gpu_info": "AMD Radeon 8060S Graphics (RADV GFX1151)", "backends": "Vulkan",
    "model_filename": "/models/Test-8B-Q8_0.gguf", "model_type": "test 8B Q8_0", "n_ubatch": 512, "type_k": "f16",
    "type_v": "f16", "flash_attn": 1, "n_depth": 0, "test_time": "2026-01-02T03:04:05Z", "stddev_ts": 0.5,
}  # fmt: skip
READ = _LLAMA_BENCH | {"n_prompt": 512, "n_gen": 0, "avg_ts": 700.0}
WRITTEN = _LLAMA_BENCH | {"n_prompt": 0, "n_gen": 128, "avg_ts": 21.0}


def measured(settings: Settings) -> pl.DataFrame:
    rows = load_measured(RawStore(settings.raw), declared(settings.home), settings.home / "parsed")
    assert violations(END_TO_END_MEASUREMENTS, identified(rows)) == {}
    return rows


def tree(*paths: str) -> bytes:
    return json.dumps({"tree": [{"path": path} for path in paths]}).encode()


def lines(*documents: dict[str, object]) -> bytes:
    return "\n".join(json.dumps(document) for document in documents).encode()


def cached(
    tokens_per_s: float, *, draft: bool = False, batch: int = 1, command: str | None = None, notes: str | None = None,
    prefill: float | None = None,
) -> dict[str, object]:  # fmt: skip
    """A row as llmfit's cache holds them; what the cache is of is in its own cell or in the command."""
    kv = None if command else "q8_0"
    return {
        "id": f"row{tokens_per_s}", "promptTokens": 300, "outputTokens": 200, "batchSize": batch, "notes": notes,
        "tokSOut": tokens_per_s, "tokSPrefill": prefill, "createdAt": "2026-03-04T05:06:07.000Z",
        "engineFlags": {"specDecoding": draft, "mtpEnabled": False, "kvCacheDtype": kv, "commandSnippet": command},
        "model": {"hfId": "test/Test-8B", "displayName": "Test 8B"},
        "hardware": {"hwClass": "DISCRETE_GPU", "gpuName": "RTX 4090", "gpuCount": 1, "vramGb": 24,
                     "isHeterogeneousGpu": False,
                     "chipVendor": None, "chipFamily": None, "chipVariant": None, "cpu": "Test CPU"},
        "engine": {"engineName": "llama.cpp", "engineVersion": None, "quantization": "Q4_K_M", "backend": "cuda"},
        "hardwareGroupLabel": "RTX 4090",
    }  # fmt: skip


SHARED = {
    "tool": {"name": "llmfit"}, "hardware": {"hardwareName": "Test GPU"},
    "results": [{"model": "test:8b", "provider": "ollama", "numRuns": 3, "avgTps": 33.0, "avgOutputTokens": 90}],
}  # fmt: skip


def unless_known(payload: bytes, tag: str) -> object:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        known = handler.headers.get("If-None-Match") == tag
        (status(304) if known else whole(payload, ETag=tag))(handler)

    return answer


def serve_llmfit(
    server: HubServer, *rows: dict[str, object], tag: str = '"1"', licence: bytes = b"MIT License"
) -> None:
    main = "/AlexsJones/llmfit/main"
    cache = json.dumps({"presets": {"a": {"rows": rows[:1]}, "b": {"rows": rows[1:]}}}).encode()
    server.serve(f"{main}/LICENSE", whole(licence))
    server.serve(f"{main}/llmfit-core/data/benchmark_cache.json", unless_known(cache, tag))  # type: ignore[arg-type]
    shared = "llmfit-core/data/community/test-gpu/1.json"
    listing = unless_known(tree(shared, "llmfit-core/data/community/schema.json"), '"t"')
    server.serve("/repos/AlexsJones/llmfit/git/trees/main?recursive=1", listing)  # type: ignore[arg-type]
    server.serve(f"{main}/{shared}", unless_known(json.dumps(SHARED).encode(), '"s"'))  # type: ignore[arg-type]


def test_what_cells_state_and_what_a_tool_wrote_come_from_one_source_and_its_newest_state_counts(
    server: HubServer, tmp_path: Path
) -> None:
    settings = declare(tmp_path, server, "llmfit")
    serve_llmfit(server, cached(120.0), cached(300.0, draft=True), cached(80.0, batch=2048))
    assert len(ask(settings, "llmfit").new) == 2
    again = ask(settings, "llmfit")
    assert (again.new, again.known) == ([], 2)
    rows = measured(settings).sort("value")
    assert rows["value"].to_list() == [33.0, 80.0, 120.0], "a draft's speed is not the model's"
    first = rows.row(2, named=True)
    columns = ("source", "measured_on", "device", "engine", "model_as_reported", "weight_format", "kv_format", "stage")
    assert [first[name] for name in columns] == [
        "my_llmfit", "2026-03-04", "RTX 4090 24GB", "llama.cpp", "test/Test-8B", "gguf-q4_k_m", "q8_0", "decode",
    ]  # fmt: skip
    assert [first[name] for name in ("batch", "output_tokens", "context_depth")] == [1.0, 200.0, 300.0]
    assert rows["batch"].to_list() == [1.0] * 3, "llama.cpp's batch of 2,048 tokens is one sequence"
    assert "benchmark_cache.json id row120.0" in first["evidence"]
    serve_llmfit(server, cached(121.0), tag='"2"')
    ask(settings, "llmfit")
    assert measured(settings).sort("value")["value"].to_list() == [33.0, 121.0]
    assert len(RawStore(settings.raw).snapshots("board_my_llmfit")) == 3


def test_what_only_commands_and_notes_say_of_a_run_is_read(server: HubServer, tmp_path: Path) -> None:
    settings = declare(tmp_path, server, "llmfit")
    bench = "llama-bench -m /models/a.gguf -p 300 -n 200 -ctk q4_0 -ngl 20"
    serve_llmfit(
        server,
        cached(1.0, command=f"{bench} -ub 1024"), cached(2.0, command=f"{bench} -d 8192", prefill=3.0),
        cached(4.0, command="vllm serve a --kv-cache-dtype fp8", notes="10 runs, prefix-cached; no speculative decode"),
        cached(5.0, command="llama-server -m a.gguf --spec-type mtp"), cached(6.0, notes="with MTP speculative decode"),
    )  # fmt: skip
    ask(settings, "llmfit")
    rows = measured(settings).filter(pl.col("source") == "my_llmfit", pl.col("value") < 10).sort("value")
    assert rows.select("value", "stage", "context_depth", "kv_format", "note").rows() == [
        # llama-bench makes tokens after as many as -d says, and after none of the prompt that it reads apart.
        (1.0, "decode", 0.0, "q4_0", "-ngl 20 -ub 1024"), (2.0, "decode", 8192.0, "q4_0", "-ngl 20"),
        (3.0, "prefill", 8192.0, "q4_0", "-ngl 20"), (4.0, "decode", 300.0, "fp8", "prefix-cached"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("page", "licence", "may_bundle"), [(b"MIT License", "MIT", True), (b"gone", "none stated", False)]
)
def test_a_licence_that_is_not_found_keeps_rows_at_home(
    server: HubServer, tmp_path: Path, page: bytes, licence: str, *, may_bundle: bool
) -> None:
    settings = declare(tmp_path, server, "llmfit")
    serve_llmfit(server, cached(120.0), licence=page)
    ask(settings, "llmfit")
    rows = measured(settings)
    assert set(rows.select("licence", "may_bundle").unique().rows()) == {(licence, may_bundle)}


def test_files_of_one_name_are_kept_apart_and_a_source_without_a_licence_is_marked(
    server: HubServer, tmp_path: Path
) -> None:
    settings = declare(tmp_path, server, "strix_halo_toolboxes")
    root, main = "benchmark/one", "/kyuz0/amd-strix-halo-toolboxes/main"
    paths = [f"{root}/{place}/T__curve-prefill__fa1.jsonl" for place in ("default", "tuned")]
    server.serve("/repos/kyuz0/amd-strix-halo-toolboxes/git/trees/main?recursive=1", whole(tree(*paths, "README.md")))
    server.serve(f"{main}/{paths[0]}", whole(lines(READ, WRITTEN)))
    server.serve(f"{main}/{paths[1]}", whole(lines(READ | {"avg_ts": 710.0})))
    server.serve(f"{main}/docs/results.json", status(404))
    collected = ask(settings, "strix_halo_toolboxes")
    assert len(collected.new) == 1, "what is gone keeps nothing else from being loaded"
    rows = measured(settings).sort("value")
    assert rows["value"].to_list() == [21.0, 700.0, 710.0]
    assert rows["device"].unique().to_list() == ["Radeon-8060S-128GB"]
    assert "tuned/T__curve-prefill__fa1.jsonl" in rows["evidence"][2]
    assert rows["may_bundle"].to_list() == [False] * 3
    sources = read_boards(tmp_path).sources
    mine = sources.filter(pl.col("source") == "my_strix_halo_toolboxes").row(0, named=True)
    assert (mine["measurements"], mine["licence"], mine["freshness"]) == (3, None, "fresh")
    assert "404" in mine["last_outcome"]


def test_a_source_that_is_down_fails_alone_and_keeps_what_it_said(server: HubServer, tmp_path: Path) -> None:
    settings = declare(tmp_path, server, "mlperf_v5_1")
    result = {
        "Submitter": "Nobody", "Category": "closed", "Nodes": 1, "Model": "llama2-70b-99", "Scenario": "Offline",
        "Accelerator": "NVIDIA H200-SXM-141GB", "a#": 8, "Software": "TensorRT 0.1", "weight_data_types": "fp8",
        "Location": "closed/Nobody/results/x", "Performance_Result": 1000.0, "Performance_Units": "Tokens/s",
    }  # fmt: skip
    others = ({"Nodes": 2}, {"Category": "open"}, {"Performance_Units": "Samples/s"})
    address = "/mlcommons/inference_results_v5.1/main/summary_results.json"
    payload = json.dumps([result, *(result | other for other in others)]).encode()
    server.serve(address, whole(payload), status(500))
    ask(settings, "mlperf_v5_1")
    with pytest.raises(SourceDown):
        ask(settings, "mlperf_v5_1")
    (row,) = measured(settings).iter_rows(named=True)
    assert [row[name] for name in ("engine", "model", "device_count", "input_tokens", "metric", "value")] == [
        "TensorRT-LLM", "meta-llama/Llama-2-70b-hf", 8, 294.0, "output_tokens_per_s", 1000.0,
    ]  # fmt: skip


OVERVIEW = """
# LLaMA v3.3 70B

| Sequence Length (ISL/OSL) | B200<br/>TP1 (FP4) | H200<br/>DEP2 (FP8) |
|---|---|---|
| 1000/1000 | 1,500 | 600 |
| 1024/8192 | | 500 |

# LLaMA v3.3 70B - RTX 6000 Pro

| Sequence Length (ISL/OSL) | **1 GPUs**<br/>TP1,PP1 (FP4) |
|---|---|
| 1000/1000 | 100 |

# Variables

| Name | Description |
|---|---|
| a | b |
"""


def test_tables_of_a_text_are_read_with_their_headings_and_devices_in_the_heads_of_columns(
    server: HubServer, tmp_path: Path
) -> None:
    settings = declare(tmp_path, server, "tensorrt_llm")
    main = "/NVIDIA/TensorRT-LLM/main"
    server.serve(f"{main}/docs/source/developer-guide/perf-overview.md", whole(OVERVIEW.encode()))
    server.serve(f"{main}/LICENSE", whole(b"Apache License"))
    ask(settings, "tensorrt_llm")
    columns = ("device", "device_count", "parallelism", "weight_format", "input_tokens", "output_tokens", "value")
    assert measured(settings).select(columns).sort("value").rows() == [
        ("H200-SXM-141GB", 2, "EP2 DP2", "fp8", 1024.0, 8192.0, 1000.0),
        ("H200-SXM-141GB", 2, "EP2 DP2", "fp8", 1000.0, 1000.0, 1200.0),
        ("B200-SXM-180GB", 1, "TP1", "nvfp4", 1000.0, 1000.0, 1500.0),
    ]


CARDS = """
#### NVIDIA cards

| GPU           | Model      | tg 512 | pp 512 |  tg 1024 | pp 1024 |
|---------------|------------|--------|--------|----------|---------|
| 4090 24GB * 2 | 8B Q4_K_M  | 100.0  | 4000.0 |    90.00 |     OOM |
|               | 70B Q4_K_M | OOM    | OOM    |    10.00 | **300** |
"""


def test_an_empty_cell_means_that_of_the_row_above_and_a_word_for_no_value_is_none(
    server: HubServer, tmp_path: Path
) -> None:
    settings = declare(tmp_path, server, "gpu_benchmarks")
    server.serve("/XiongjieDai/GPU-Benchmarks-on-LLM-Inference/main/README.md", whole(CARDS.encode()))
    ask(settings, "gpu_benchmarks")
    columns = ("device", "device_count", "parallelism", "backend", "model", "weight_format", "stage", "value")
    both = ("4090 24GB", 2, "llama.cpp layer split", "CUDA")
    small, large = ("meta-llama/Meta-Llama-3-8B", "gguf-q4_k_m"), ("meta-llama/Meta-Llama-3-70B", "gguf-q4_k_m")
    assert measured(settings).select(columns).sort("value").rows() == [
        (*both, *large, "decode", 10.0), (*both, *small, "decode", 90.0), (*both, *small, "decode", 100.0),
        (*both, *large, "prefill", 300.0), (*both, *small, "prefill", 4000.0),
    ]  # fmt: skip


def test_a_file_of_a_tool_that_somebody_dropped_is_of_no_declared_source() -> None:
    assert recognise(lines(READ, WRITTEN), ".jsonl", "results.jsonl").source == SOURCE


def test_every_declared_source_of_measurements_has_an_address_and_says_its_terms() -> None:
    sources = [
        source.board for source in declared().values() if any(file.holds_measurements for file in source.board.files)
    ]
    assert len(sources) >= 10
    for board in sources:
        assert all(file.address for file in board.files), board.name
        assert board.licence_basis, board.name
        assert board.may_bundle == bool(board.licence and board.licence_check), board.name
