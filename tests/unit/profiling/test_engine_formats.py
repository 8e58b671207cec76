"""Formats that an engine's files can hold: no command names a file that cannot be, and every answer says so."""

from dataclasses import replace

import pytest

from profiling.answers.commands import commands
from profiling.answers.door import shipped_door
from profiling.answers.fit import fit
from profiling.answers.question import Question
from profiling.devices.accelerators import find
from profiling.engines.formats import FORMATS, not_stored
from profiling.models.load import load


@pytest.mark.parametrize(
    ("name", "weight_format", "engine", "nearest"),
    [
        ("deepseek-ai/DeepSeek-V3.1", None, "llama.cpp", "q8_0"),
        ("Qwen/Qwen3-8B", "awq-4bit-g128", "ollama", "q4_k_m"),
        ("Qwen/Qwen3-8B", "mlx-4bit", "llama.cpp", "q4_k_m"), ("Qwen/Qwen3-8B", "q6_k", "mlx", "mlx-6bit"),
        ("Qwen/Qwen3-8B", "fp8", "exllamav3", "exl3-6.0bpw"), ("openai/gpt-oss-120b", None, "llama.cpp", ""),
        ("openai/gpt-oss-120b", None, "mlx", ""), ("Qwen/Qwen3-8B", None, "llama.cpp", ""),
        ("Qwen/Qwen3-8B", "gguf-ud-q4_k_xl", "llama.cpp", ""), ("deepseek-ai/DeepSeek-V3.1", None, "vllm", ""),
    ],
)  # fmt: skip
def test_no_file_is_named_in_a_format_that_the_engine_cannot_store(
    name: str, weight_format: str | None, engine: str, nearest: str
) -> None:
    model = load(name)
    stored = weight_format or model.published_format.name
    why = not_stored(engine, model, stored)
    assert why == (
        f"{engine} files cannot hold {stored}; the nearest of its own formats is {nearest}" if nearest else ""
    )
    run, check = commands(model, stored, engine, find("RTX-4090"), context=4096)
    assert (run == check == f"# {why}") if why else not run.startswith("#")


def test_servers_read_files_of_llama_cpp_by_their_path_or_not_at_all() -> None:
    model, card = load("Qwen/Qwen3-8B"), find("RTX-4090")
    run, check = commands(model, "gguf-q4_k_m", "vllm", card, context=4096)
    assert run == "vllm serve ./Qwen3-8B-Q4_K_M.gguf --max-model-len 4096 --tokenizer Qwen/Qwen3-8B"
    assert check.endswith(" --tokenizer Qwen/Qwen3-8B")
    run, _ = commands(model, "q4_k_m", "sglang", card, context=4096)
    assert run == "python -m sglang.launch_server --model-path ./Qwen3-8B-Q4_K_M.gguf --context-length 4096"
    run, _ = commands(model, "q4_k_m", "tensorrt-llm", card, context=4096)
    assert run == "# tensorrt-llm reads no q4_k_m, a format of llama.cpp's own"
    assert commands(model, "bf16", "mlc-llm", card, context=4096)[0].startswith("# mlc compiles models into formats")


def test_an_answer_says_that_its_engine_cannot_store_the_format() -> None:
    door = shipped_door()
    question = Question(model="Qwen/Qwen3-8B", accelerator="7900 xtx", weight_format="awq-4bit-g128")
    note = "llama.cpp files cannot hold awq-4bit-g128; the nearest of its own formats is q4_k_m."
    assert note in door.answer(question).notes
    assert note in fit(door, question, ["7900 xtx"])[1]
    assert note not in door.answer(replace(question, weight_format=None, weight_bits=4)).notes


def test_every_format_that_an_engine_is_advised_with_can_be_stored() -> None:
    model = load("Qwen/Qwen3-8B")
    assert [not_stored(engine, model, name) for engine, names in FORMATS.items() for name in names if name] == [""] * 14
