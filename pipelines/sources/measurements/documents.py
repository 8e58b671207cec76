"""JSON that serving benchmarks and local tools write; each reader returns None for what is not its own."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.sources.measurements.llama_bench import gguf_format, llama_bench
from pipelines.sources.measurements.rows import DamagedMeasurements, Row, at, measured, milli, number_in

Document = Mapping[str, Any]


def vllm_serve(document: Document) -> Iterator[Row | None] | None:
    """`vllm bench serve --save-result`, and SGLang's `bench_serving`, which began as the same script."""
    # Without one of them it is a damaged file of this tool, and no other tool writes three.
    if len(OF_SERVING & document.keys()) < len(OF_SERVING) - 1:
        return None
    completed, ttft_ms, tpot_ms, throughput = (
        number_in(document, name) for name in ("completed", "mean_ttft_ms", "mean_tpot_ms", "output_throughput")
    )
    if not completed:
        raise DamagedMeasurements("completed is 0: no request was answered, so nothing was measured")
    output_tokens, input_tokens = (
        number_in(document, name) if document.get(name) is not None else 0.0
        for name in ("total_output_tokens", "total_input_tokens")
    )
    backend = str(document.get("backend") or document.get("endpoint_type") or "").casefold()
    sglang = "sglang" in backend or ("dataset_name" in document and "model_id" not in document)
    seconds = (ttft_ms + tpot_ms * output_tokens / completed) / 1e3
    rate = document.get("request_rate")
    random = rate not in {None, "inf"} and str(rate) not in {"inf", "Infinity"}
    # Where requests come by themselves, the most that may be in flight is a bound and not how many there were.
    most = None if random else document.get("max_concurrency")
    in_flight = most or completed * seconds / number_in(document, "duration")
    server = document.get("server_info")
    server = server if isinstance(server, Mapping) else {}
    ways = document.get("tensor_parallel_size") or server.get("tp_size")
    named = document.get("model_id") or document.get("model") or server.get("model_path")
    shared = {
        "source": "sglang bench_serving" if sglang else "vllm bench serve",
        # Either tool asks servers of other engines too, and names them by what it speaks to.
        "engine": next((name for word, name in _SERVERS if word in backend), "SGLang" if sglang else "vLLM"),
        "measured_on": _day(document.get("date")),
        "model_as_reported": named,
        "device_count": ways,
        "parallelism": f"TP{ways}" if ways else None,
        "batch": round(float(in_flight), 2),
        "input_tokens": input_tokens / completed,
        "output_tokens": output_tokens / completed,
        "note": f"Poisson {rate} req/s" if random else None,
    }
    return iter(
        (
            measured("tpot_s", tpot_ms / 1e3, "serving", **shared),
            measured("ttft_s", ttft_ms / 1e3, "serving", **shared),
            measured("output_tokens_per_s", throughput, "serving", **shared),
        )
    )


OF_SERVING = frozenset({"mean_ttft_ms", "mean_tpot_ms", "output_throughput", "completed"})
"""Fields that `vllm bench serve` always writes."""
_SERVERS = (("sglang", "SGLang"), ("vllm", "vLLM"), ("trt", "TensorRT-LLM"), ("lmdeploy", "lmdeploy"))


def vllm_latency(document: Document) -> Iterator[Row | None] | None:
    """`vllm bench latency --output-json`: seconds of whole requests; lengths and batch are not in the file."""
    if not {"avg_latency", "latencies"} <= document.keys():
        return None
    shared = {"source": "vllm bench latency", "engine": "vLLM", "n": len(document["latencies"])}
    return iter((measured("request_s", number_in(document, "avg_latency"), "generate", **shared),))


def vllm_throughput(document: Document) -> Iterator[Row | None] | None:
    """`vllm bench throughput --output-json`: tokens of prompts and answers per second, lengths not in the file."""
    if not {"elapsed_time", "num_requests", "tokens_per_second"} <= document.keys():
        return None
    note = "tokens of prompts and answers together; batch chosen by the engine"
    shared = {"source": "vllm bench throughput", "engine": "vLLM", "note": note, "n": document["num_requests"]}
    return iter((measured("total_tokens_per_s", number_in(document, "tokens_per_second"), "serving", **shared),))


def sglang_one_batch(document: Document) -> Iterator[Row | None] | None:
    """One line of SGLang's `bench_one_batch`: a prompt pass, and the median step."""
    if not {"prefill_latency", "batch_size", "input_len", "output_len"} <= document.keys():
        return None
    batch, input_tokens, output_tokens = (
        number_in(document, name) for name in ("batch_size", "input_len", "output_len")
    )
    shared = {
        "source": "sglang bench_one_batch",
        "engine": "SGLang",
        "model_as_reported": document.get("model_path"),
        "batch": batch,
    }
    return iter(
        (
            measured("ttft_s", number_in(document, "prefill_latency"), "prefill", input_tokens=input_tokens, **shared),
            measured(
                "tpot_s",
                document.get("median_decode_latency"),
                "decode",
                output_tokens=output_tokens,
                context_depth=input_tokens,
                **shared,
            ),
        )
    )


def llmfit(document: Document) -> Iterator[Row | None] | None:
    """`llmfit bench --json`: runs with tokens per second and, through Ollama, the time of the prompt."""
    if not {"model", "provider", "runs", "summary"} <= document.keys():
        return None
    return (row for run in document["runs"] for row in _llmfit(document, run))


def _llmfit(document: Document, run: Document) -> Iterator[Row | None]:
    exact = document["provider"] == "ollama"
    input_tokens, output_tokens = run.get("prompt_tokens") or None, run.get("output_tokens") or None
    shared = {
        "source": "llmfit bench",
        "engine": document["provider"],
        "model_as_reported": document["model"],
        "batch": 1,
        "weight_format": gguf_format({}, str(document["model"])) or ("gguf-q4_k_m" if exact else None),
        "note": None if exact else "rate over the whole request, prompt included",
    }
    if exact:
        yield measured(
            "tokens_per_s", run.get("tps"), "decode", output_tokens=output_tokens, context_depth=input_tokens, **shared
        )
        yield measured("ttft_s", milli(run.get("ttft_ms")), "prefill", input_tokens=input_tokens, **shared)
    else:
        yield measured(
            "request_s",
            milli(run.get("total_ms")),
            "generate",
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            **shared,
        )


def llmfit_shared(document: Document) -> Iterator[Row | None] | None:
    """A result that `llmfit bench --share` sends to its community folder: one accelerator, averages per model."""
    if at(document, "tool", "name") != "llmfit" or not isinstance(document.get("results"), list):
        return None
    machine = document.get("hardware")
    machine = machine if isinstance(machine, Mapping) else {}
    return (row for result in document["results"] if isinstance(result, Mapping)
            for row in _llmfit_shared(result, machine))  # fmt: skip


def _llmfit_shared(result: Document, machine: Document) -> Iterator[Row | None]:
    exact = result.get("provider") == "ollama"
    shared = {
        "source": "llmfit bench",
        "engine": result.get("provider"),
        "device": machine.get("hardwareName"),
        "device_as_reported": machine.get("hardwareName"),
        "device_count": machine.get("gpuCount") or 1,
        "model_as_reported": result.get("model"),
        "weight_format": gguf_format({}, str(result.get("model"))) or ("gguf-q4_k_m" if exact else None),
        "batch": 1,
        "n": result.get("numRuns"),
        "output_tokens": result.get("avgOutputTokens"),
        "note": None if exact else "rate over the whole request, prompt included",
    }
    if exact:
        yield measured("tokens_per_s", result.get("avgTps"), "decode", **shared)
    else:
        yield measured("request_s", milli(result.get("avgTotalMs")), "generate", **shared)


def localscore(document: Document) -> Iterator[Row | None] | None:
    """LocalScore's JSON: tests `pp1024+tg16` and the like, of a model on one accelerator."""
    results = document.get("results")
    if not isinstance(results, list) or not ({"system_info", "accelerator_info"} & document.keys()):
        return None
    device = at(document, "accelerator_info", "name") or at(document, "system_info", "cpu_name")
    shared = {
        "source": "localscore",
        "engine": "llama.cpp",
        "batch": 1,
        "device": device,
        "device_as_reported": device,
    }
    return (row for result in results if isinstance(result, Mapping) for row in _localscore(result, shared))


def _localscore(result: Document, shared: dict[str, Any]) -> Iterator[Row | None]:
    model = str(result.get("model_name") or "")
    format_ = gguf_format({"model_type": result.get("model_quant_str")}, model)
    shared = shared | {"model_as_reported": model or None, "weight_format": format_}
    input_tokens, output_tokens = int(result.get("n_prompt") or 0), int(result.get("n_gen") or 0)
    if input_tokens:
        yield measured(
            "tokens_per_s", result.get("prompt_tps"), "prefill", input_tokens=input_tokens, context_depth=0, **shared
        )
    if output_tokens:
        yield measured(
            "tokens_per_s",
            result.get("gen_tps"),
            "decode",
            output_tokens=output_tokens,
            context_depth=input_tokens,
            **shared,
        )


def lm_studio(document: Document) -> Iterator[Row | None] | None:
    """An answer of LM Studio's own HTTP interface (`/api/v0/chat/completions`); the device is not in it."""
    stats, usage, about = (document.get(name) for name in ("stats", "usage", "model_info"))
    if not (isinstance(stats, Mapping) and isinstance(usage, Mapping) and "tokens_per_second" in stats):
        return None
    given, made = usage.get("prompt_tokens"), usage.get("completion_tokens")
    quantisation = str(at(about, "quant") or "") if isinstance(about, Mapping) else ""
    is_gguf = isinstance(about, Mapping) and about.get("format") == "gguf"
    shared = {
        "source": "LM Studio", "engine": "lm-studio", "model_as_reported": document.get("model"), "batch": 1,
        "engine_version": at(document, "runtime", "version"), "backend": at(document, "runtime", "name"),
        "weight_format": f"gguf-{quantisation.casefold()}" if is_gguf and quantisation else None,
    }  # fmt: skip
    return iter(
        (
            measured("ttft_s", stats.get("time_to_first_token"), "prefill", input_tokens=given, **shared),
            measured("tokens_per_s", stats["tokens_per_second"], "decode", output_tokens=made, context_depth=given,
                     **shared),
        )
    )  # fmt: skip


def ollama(document: Document) -> Iterator[Row | None] | None:
    """An answer of Ollama's HTTP interface (`/api/generate`, `/api/chat`), whose last line holds the times."""
    if not {"model", "created_at", "done"} <= document.keys():
        return None
    counted = ("prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")
    given, reading, made, writing = (float(document.get(name) or 0) for name in counted)
    shared = {"source": "Ollama's answers", "engine": "ollama", "model_as_reported": document["model"], "batch": 1,
              "measured_on": _day(document["created_at"])}  # fmt: skip
    read = measured("tokens_per_s", 1e9 * given / reading, "prefill", input_tokens=given, context_depth=0,
                    **shared) if given and reading else None  # fmt: skip
    written = measured("tokens_per_s", 1e9 * made / writing, "decode", output_tokens=made, context_depth=given,
                       **shared) if made and writing else None  # fmt: skip
    return iter([row for row in (read, written) if row is not None])


def llama_server(document: Document) -> Iterator[Row | None] | None:
    """An answer of llama-server (`/completion`, `/v1/chat/completions`) with its `timings`."""
    timings = document.get("timings")
    if not isinstance(timings, Mapping) or not {"predicted_n", "predicted_per_second"} <= timings.keys():
        return None
    kept = int(timings.get("cache_n") or 0)
    given, made = kept + int(timings.get("prompt_n") or 0), timings["predicted_n"]
    shared = {"source": "llama-server's answers", "engine": "llama.cpp", "model_as_reported": document.get("model"),
              "batch": 1}  # fmt: skip
    return iter(
        (
            measured("tokens_per_s", timings.get("prompt_per_second"), "prefill", input_tokens=given - kept,
                     context_depth=kept, **shared),
            measured("tokens_per_s", timings["predicted_per_second"], "decode", output_tokens=made,
                     context_depth=given, **shared),
        )
    )  # fmt: skip


def optimum_benchmark(document: Document) -> Iterator[Row | None] | None:
    """optimum-benchmark's report with its configuration: prefill, and decode per token."""
    report = document.get("report", document)
    if not isinstance(report, Mapping) or at(report, "prefill", "latency") is None:
        return None
    config = document.get("config", {})
    input_tokens = at(config, "scenario", "input_shapes", "sequence_length")
    output_tokens = at(config, "scenario", "generate_kwargs", "max_new_tokens")
    batch = at(config, "scenario", "input_shapes", "batch_size") or 1
    device = at(config, "environment", "gpu")
    quantised = (
        at(config, "backend", "quantization_scheme")
        or at(config, "backend", "torch_dtype")
        or at(config, "backend", "dtype")
    )
    shared = {
        "source": "optimum-benchmark",
        "engine": str(at(config, "backend", "name") or "Transformers").replace("pytorch", "Transformers"),
        "device": device[0] if isinstance(device, list) and device else device,
        "batch": batch,
        "model_as_reported": at(config, "backend", "model"),
        "weight_format": _dtype(quantised),
    }
    per_token = at(report, "per_token", "latency", "mean")
    total = at(report, "decode", "latency", "mean")
    if per_token is None and total and output_tokens:
        per_token = float(total) / max(1, int(output_tokens) - 1)
    return iter(
        (
            measured(
                "ttft_s", at(report, "prefill", "latency", "mean"), "prefill", input_tokens=input_tokens, **shared
            ),
            measured("tpot_s", per_token, "decode", output_tokens=output_tokens, context_depth=input_tokens, **shared),
        )
    )


def _dtype(word: object) -> str | None:
    names = {
        "float16": "fp16",
        "bfloat16": "bf16",
        "float32": "fp32",
        "awq": "awq-4bit-g128",
        "gptq": "gptq-4bit-g128",
        "bnb": "nf4",
    }
    return names.get(str(word)) if word else None


def aiperf(document: Document) -> Iterator[Row | None] | None:
    """NVIDIA's AIPerf and GenAI-Perf: averages with their units, and the configuration of the load."""
    if at(document, "time_to_first_token", "avg") is None or at(document, "output_token_throughput", "avg") is None:
        return None
    config = document.get("input_config", {})
    model = at(config, "endpoint", "model_names") or config.get("model_names") or config.get("model")
    load = (
        at(config, "loadgen", "concurrency")
        or at(config, "perf_analyzer", "stimulus", "concurrency")
        or config.get("concurrency")
    )
    if load is None:
        load = _in_flight(document)
    shared = {
        "source": "aiperf",
        "model_as_reported": model[0] if isinstance(model, list) and model else model,
        "batch": load,
        "input_tokens": at(document, "input_sequence_length", "avg"),
        "output_tokens": at(document, "output_sequence_length", "avg"),
    }

    return iter(
        (
            measured("tpot_s", _seconds(document, "inter_token_latency"), "serving", **shared),
            measured("ttft_s", _seconds(document, "time_to_first_token"), "serving", **shared),
            measured("output_tokens_per_s", at(document, "output_token_throughput", "avg"), "serving", **shared),
        )
    )


def _seconds(document: Document, name: str) -> float | None:
    value, unit = at(document, name, "avg"), str(at(document, name, "unit") or "ms")
    scale = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0}.get(unit, 1e-3)
    return None if value is None else float(value) * scale


def _in_flight(document: Document) -> float | None:
    """Requests in flight by Little's law, where the file does not say how it was asked."""
    rate, each = at(document, "request_throughput", "avg"), _seconds(document, "request_latency")
    return round(float(rate) * each, 2) if rate and each else None


def ml_energy(document: Document) -> Iterator[Row | None] | None:
    """Results in the ML.ENERGY leaderboard: runs of a model by device and batch, or one run, with energy per token."""
    alone = [document] if {"energy_per_token_joules", "gpu_model"} <= document.keys() else None
    runs = alone or document.get("configurations") or document.get("results")
    if not isinstance(runs, list) or not any(
        "energy_per_token_joules" in run for run in runs if isinstance(run, Mapping)
    ):
        return None
    return (row for run in runs for row in _ml_energy(document, run))


def _ml_energy(document: Document, run: Document) -> Iterator[Row | None]:
    ways = {
        name: int(run.get(f"{long}_parallel") or 1)
        for name, long in (("TP", "tensor"), ("EP", "expert"), ("DP", "data"))
    }
    spread = " ".join(f"{name}{count}" for name, count in ways.items() if count > 1)
    shared = {
        "source": "ml.energy",
        "engine": "vLLM",
        "device": run.get("gpu_model"),
        "device_as_reported": run.get("gpu_model"),
        "device_count": run.get("num_gpus"),
        "parallelism": spread or None,
        "model_as_reported": document.get("model_id") or run.get("model_id"),
        "weight_format": _precision(run.get("weight_precision") or document.get("weight_precision")),
        "batch": run.get("avg_batch_size") or run.get("max_num_seqs"),
        "input_tokens": run.get("avg_input_len"),
        "output_tokens": run.get("avg_output_len"),
    }
    yield measured("tpot_s", milli(run.get("median_itl_ms")), "serving", **shared)
    yield measured("output_tokens_per_s", run.get("output_throughput_tokens_per_sec"), "serving", **shared)
    yield measured("joules_per_token", run.get("energy_per_token_joules"), "serving", **shared)


def _precision(word: object) -> str | None:
    return {"bfloat16": "bf16", "float16": "fp16", "fp8": "fp8", "mxfp4": "mxfp4", "nvfp4": "nvfp4"}.get(str(word))


def _day(word: object) -> str | None:
    match = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", str(word or ""))
    return f"{match[1]}-{match[2]}-{match[3]}" if match else None


READERS = (
    llama_bench,
    vllm_serve,
    vllm_latency,
    vllm_throughput,
    sglang_one_batch,
    llmfit,
    llmfit_shared,
    localscore,
    lm_studio,
    ollama,
    llama_server,
    optimum_benchmark,
    aiperf,
    ml_energy,
)
