"""MLPerf inference: the log of one run, and the results of a round as MLCommons lists them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.sources.measurements.rows import Row, measured

_LENGTHS = (
    # Mean tokens of prompts and answers of the data sets, as published.
    ("llama2-70b", "meta-llama/Llama-2-70b-hf", 294, 294),
    ("llama3.1-405b", "meta-llama/Meta-Llama-3.1-405B", 9428, 684),
    ("llama3.1-8b", "meta-llama/Meta-Llama-3.1-8B", 778, 73),
    ("mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1", 300, 145),
    ("deepseek-r1", "deepseek-ai/DeepSeek-R1", 808, 3880),
    ("gptj", "EleutherAI/gpt-j-6b", 919, 69),
)


_SYSTEM = re.compile(
    # Folders of submitters: results/H200-SXM-141GBx8_TRT/llama2-70b-99.9/…, results/8xMI325X_2xEPYC_9554/…
    r"/results/(?:(?P<number>\d+)x(?P<named>[^/_]+)|(?P<device>[^/_]+?)x(?P<count>\d+))(?P<rest>[^/]*)/"
)
_ENGINES = (("trt", "TensorRT-LLM"), ("vllm", "vLLM"), ("sglang", "SGLang"))


def run_log(text: str, uri: str = "") -> Iterator[Row | None] | None:
    """`mlperf_log_summary.txt`; the benchmark's name is in the folder of the file, the layout of devices in neither."""
    if "MLPerf Results Summary" not in text:
        return None
    scenario = _value(text, r"Scenario\s*:\s*(\w+)") or ""
    folder = uri.casefold()
    model, input_tokens, output_tokens = _task(folder)
    rate = _value(text, r"(?:Completed tokens per second|Tokens per second)\s*:\s*([\d.]+)")
    per_token, first = (
        _value(text, rf"Mean {name}\s*\(ns\)\s*:\s*([\d.]+)")
        for name in ("Time (?:to|per) Output Token", "First Token latency")
    )
    batch = float(rate) * float(per_token) / 1e9 if rate and per_token else None
    system = _SYSTEM.search(uri)
    device = (system["device"] or system["named"]) if system else None
    count = (system["count"] or system["number"]) if system else None
    engine = next((name for word, name in _ENGINES if system and word in system["rest"].casefold()), None)
    valid = _value(text, r"Result is\s*:\s*(\w+)")
    shared = {
        "source": "mlperf",
        "device_as_reported": device,
        "device": device,
        "device_count": count,
        "engine": engine,
        "model": model,
        "model_as_reported": _value(text, r"SUT name\s*:\s*(.+)"),
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "note": f"{scenario} scenario; layout not stated" + ("; marked invalid" if valid == "INVALID" else ""),
    }
    return iter(
        (
            measured("output_tokens_per_s", rate, "serving", **shared),
            measured("tpot_s", float(per_token) / 1e9 if per_token else None, "serving", batch=batch, **shared),
            measured("ttft_s", float(first) / 1e9 if first else None, "serving", batch=batch, **shared),
        )
    )


def _task(words: str) -> tuple[str | None, int | None, int | None]:
    """Model of a benchmark and its mean lengths."""
    return next(
        ((name, input_tokens, output_tokens) for word, name, input_tokens, output_tokens in _LENGTHS if word in words),
        (None, None, None),
    )


def round_results(document: Mapping[str, Any]) -> Iterator[Row | None] | None:
    """One result of `summary_results.json` of a round; those of one machine that count tokens give a row.

    Results of open categories may be of other models, those of several nodes wait for the network.
    """
    if not {"Submitter", "Location", "Scenario", "Performance_Result", "Performance_Units"} <= document.keys():
        return None
    counts_tokens = document["Performance_Units"] == "Tokens/s"
    alone = document.get("Nodes") == 1 and document.get("Category") == "closed" and document.get("Accelerator")
    return iter((_round_result(document),) if counts_tokens and alone else ())


def _round_result(document: Mapping[str, Any]) -> Row | None:
    software = str(document.get("Software") or "")
    model, input_tokens, output_tokens = _task(str(document.get("Model")).casefold())
    engine = next((name for word, name in _STACKS if word in software.casefold()), None)
    return measured(
        "output_tokens_per_s", document["Performance_Result"], "serving",
        source="mlperf", device=document["Accelerator"], device_as_reported=document["Accelerator"],
        device_count=document.get("a#"), engine=engine, engine_version=software or None, model=model,
        model_as_reported=document.get("Model"), weight_format=document.get("weight_data_types"),
        input_tokens=input_tokens, output_tokens=output_tokens, evidence=document["Location"],
        note=f"{document['Scenario']} scenario; mean lengths of the data set; layout not stated",
    )  # fmt: skip


_STACKS = (("vllm", "vLLM"), ("tensorrt", "TensorRT-LLM"), ("sglang", "SGLang"))
"""Words for engines in what submitters say of their software."""


def _value(text: str, pattern: str) -> str | None:
    match = re.search(pattern, text)
    return match[1].strip() if match else None
