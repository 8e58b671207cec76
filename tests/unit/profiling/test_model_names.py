"""Models by the names that people, the hub, Ollama and GGUF files use; and lengths as they are written."""

from __future__ import annotations

import pytest

from profiling.answers.known_models import architecture, model_choices
from profiling.answers.lengths import tokens
from profiling.errors import InvalidWorkload, UnknownModel
from profiling.models.load import load
from profiling.models.names import resolve_model
from profiling.models.sources import catalogue

LLAMA = "meta-llama/Meta-Llama-3.1-8B"


@pytest.mark.parametrize(
    ("text", "model", "weight_format"),
    [
        ("llama 3.1 8b", LLAMA, None),
        ("Llama-3.1-8B", LLAMA, None),
        ("meta-llama/Llama-3.1-8B", LLAMA, None),
        ("https://huggingface.co/meta-llama/Llama-3.1-8B/tree/main", LLAMA, None),
        ("qwen2.5:14b", "Qwen/Qwen2.5-14B-Instruct", "gguf-q4_k_m"),
        ("qwen3-next", "Qwen/Qwen3-Next-80B-A3B-Instruct", None),  # not the coder, whose name is shorter
        ("qwen 2.5 coder 7b q8", "Qwen/Qwen2.5-Coder-7B", "gguf-q8_0"),
        ("llama 3.1 8b 4-bit", LLAMA, "w4a16"),
        ("nvidia/DeepSeek-R1-FP4", "deepseek-ai/DeepSeek-R1", "nvfp4"),
        ("llama3.1:latest", f"{LLAMA}-Instruct", "gguf-q4_k_m"),
        ("llama3.1:8b-instruct-q8_0", f"{LLAMA}-Instruct", "gguf-q8_0"),
        ("gpt-oss:20b", "openai/gpt-oss-20b", None),  # as published: 13.8 GB, experts alone in MXFP4
        ("mixtral:8x7b", "mistralai/Mixtral-8x7B-Instruct-v0.1", "gguf-q4_0"),
        # A repository of GGUF files without a type is what llama.cpp's -hf downloads of it.
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", f"{LLAMA}-Instruct", "gguf-q4_k_m"),
        ("hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:latest", "meta-llama/Llama-3.2-3B-Instruct", "gguf-q4_k_m"),
        ("ggml-org/gpt-oss-120b-GGUF", "openai/gpt-oss-120b", "gguf-mxfp4_moe"),
        ("MiniMaxAI/MiniMax-M3-MXFP8", "MiniMaxAI/MiniMax-M3", "mxfp8"),
        ("RedHatAI/DeepSeek-V4-Flash-NVFP4-FP8", "deepseek-ai/DeepSeek-V4-Flash", "nvfp4"),
        ("Qwen3-30B-A3B-MXFP4_MOE.gguf", "Qwen/Qwen3-30B-A3B", "gguf-mxfp4_moe"),
        ("google/gemma-3-27b-it-qat-q4_0-gguf", "google/gemma-3-27b-it", "gguf-q4_0"),
        ("google/gemma-3-27b-it-qat-q4_0-unquantized", "google/gemma-3-27b-it", None),
        (
            "https://huggingface.co/unsloth/Qwen3-8B-GGUF?show_file_info=Qwen3-8B-IQ4_XS.gguf",
            "Qwen/Qwen3-8B",
            "gguf-iq4_xs",
        ),
        ("unsloth/Qwen3-8B-GGUF:BF16", "Qwen/Qwen3-8B", "gguf-bf16"),
        # Copies in formats that GGUF has too, and what stands beside the format.
        ("nvidia/Llama-3.3-70B-Instruct-NVFP4", "meta-llama/Llama-3.3-70B-Instruct", "nvfp4"),
        ("nvidia/DeepSeek-R1-0528-NVFP4-v2", "deepseek-ai/DeepSeek-R1", "nvfp4"),
        ("unsloth/Qwen3-8B-bf16", "Qwen/Qwen3-8B", "bf16"),
        ("mlx-community/Qwen3-30B-A3B-4bit-DWQ", "Qwen/Qwen3-30B-A3B", "mlx-4bit"),
        ("unsloth/Qwen3-14B-unsloth-bnb-4bit", "Qwen/Qwen3-14B", "nf4-double"),
        ("nvidia/Qwen3-235B-A22B-FP4", "nvidia/Qwen3-235B-A22B-NVFP4", "nvfp4"),
        ("ISTA-DASLab/gemma-3-27b-it-GPTQ-4b-128g", "google/gemma-3-27b-it", "gptq-4bit-g128"),
        ("RedHatAI/Qwen3-32B-NVFP4A16", "Qwen/Qwen3-32B", "nvfp4"),
        (
            "LoneStriker/Mixtral-8x7B-Instruct-v0.1-4.0bpw-h6-exl2",
            "mistralai/Mixtral-8x7B-Instruct-v0.1",
            "exl2-4.0bpw",
        ),
        ("mobiuslabsgmbh/Llama-3.1-8b-instruct_4bitgs64_hqq_calib", f"{LLAMA}-Instruct", "hqq-4bit-g64"),
        (
            "ModelCloud/Llama-3.2-3B-Instruct-gptqmodel-4bit-vortex-v3",
            "meta-llama/Llama-3.2-3B-Instruct",
            "gptq-4bit-g128",
        ),
        ("r1 671b q2", "deepseek-ai/DeepSeek-R1", "gguf-q2_k"),
        ("bartowski/openai_gpt-oss-120b-GGUF", "openai/gpt-oss-120b", "gguf-mxfp4_moe"),
        ("Qwen3-8B-128K-UD-Q5_K_XL.gguf", "Qwen/Qwen3-8B", "gguf-ud-q5_k_xl"),
        ("turboderp/Llama-3.1-8B-Instruct-exl3", f"{LLAMA}-Instruct", "exl3-4.0bpw"),
        ("huihui-ai/Qwen3-8B-abliterated", "Qwen/Qwen3-8B", None),
        # Ollama's tags as they are copied, and those that name another release than their size alone.
        ("ollama run qwen3:8b", "Qwen/Qwen3-8B", "gguf-q4_k_m"),
        ("https://ollama.com/library/qwen3", "Qwen/Qwen3-8B", "gguf-q4_k_m"),
        ("ollama run hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q8_0", "meta-llama/Llama-3.2-3B-Instruct", "gguf-q8_0"),
        ("qwen3:30b-a3b-instruct-2507-q8_0", "Qwen/Qwen3-30B-A3B-Instruct-2507", "gguf-q8_0"),
        ("deepseek-r1:8b-llama-distill-q8_0", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "gguf-q8_0"),
        ("gemma3:27b-it-qat", "google/gemma-3-27b-it", "gguf-q4_0"),
        ("qwen3-coder:480b-cloud", "Qwen/Qwen3-Coder-480B-A35B-Instruct", None),
        ("openrouter/meta-llama/llama-3.3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct", None),
        ("deepseek-r1", "deepseek-ai/DeepSeek-R1", None),
        ("deepseek-r1:8b", "Qwen/Qwen3-8B", "gguf-q4_k_m"),
        ("DeepSeek-R1-0528", "deepseek-ai/DeepSeek-R1", None),
        ("kimi k2 thinking", "moonshotai/Kimi-K2-Thinking", None),
        ("glm-4.7 flash", "zai-org/GLM-4.7-Flash", None),
        ("granite4:micro", "ibm-granite/granite-4.0-micro", "gguf-q4_k_m"),
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", f"{LLAMA}-Instruct", "gguf-q4_k_m"),
        ("hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q8_0", "meta-llama/Llama-3.2-3B-Instruct", "gguf-q8_0"),
        ("Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "Qwen/Qwen3-30B-A3B", "gguf-ud-q4_k_xl"),
        ("Qwen3-235B-A22B-Q4_K_M-00001-of-00003.gguf", "Qwen/Qwen3-235B-A22B", "gguf-q4_k_m"),
        ("llama-2-7b-chat.Q4_K_M.gguf", "meta-llama/Llama-2-7b-chat-hf", "gguf-q4_k_m"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "Qwen/Qwen2.5-7B-Instruct", "awq-4bit-g128"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", f"{LLAMA}-Instruct", "fp8"),
        ("gemma 2 9b it", "google/gemma-2-9b-it", None),
        ("gpt2", "openai-community/gpt2", None),
        ("kimi k2", "moonshotai/Kimi-K2-Instruct", None),
        ("QWEN/qwen3-8b", "Qwen/Qwen3-8B", None),
        # As boards and services write them: modes beside the name, other owners, points spelled out, sizes not in it.
        ("gpt-oss-120b (high)", "openai/gpt-oss-120b", None),
        ("DeepSeek-V3.1_thinking", "deepseek-ai/DeepSeek-V3.1", None),
        ("Qwen2.5-7B-Instruct [Instruct/chat]", "Qwen/Qwen2.5-7B-Instruct", None),
        ("minimax/MiniMax-M2.5", "MiniMaxAI/MiniMax-M2.5", None),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "meta-llama/Llama-3.3-70B-Instruct", None),
        ("llama-3.3-nemotron-49b-super-v1", "nvidia/Llama-3_3-Nemotron-Super-49B-v1", None),
        ("command-r+ 104b", "CohereForAI/c4ai-command-r-plus", None),
        ("phi-4 14b", "microsoft/phi-4", None),
        ("deepseek r1", "deepseek-ai/DeepSeek-R1", None),
        ("gemma-3-27b-it-qat-q4_0.gguf", "google/gemma-3-27b-it", "gguf-q4_0"),
        # Without a config of its own, but with the shapes of another; published copies in narrower formats give shapes.
        ("Qwen3-Coder-30B-A3B-Instruct-UD-Q4_K_XL.gguf", "Qwen/Qwen3-30B-A3B", "gguf-ud-q4_k_xl"),
        ("deepseek-r1:32b", "Qwen/Qwen2.5-32B", "gguf-q4_k_m"),
        ("z-ai/glm-4.6", "zai-org/GLM-4.5", None),
        ("nemotron 3 super 120b a12b", "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8", "bf16"),
        ("Qwen3.8-27B-Q5_K_M.gguf", "Qwen/Qwen3.5-27B", "gguf-q5_k_m"),
        # Releases by date, as services and boards write them; and models that think where they are asked to.
        ("mistral/mistral-small-2506", "mistralai/Mistral-Small-3.2-24B-Instruct-2506", None),
        ("mistral/mistral-large-2512", "mistralai/Mistral-Large-3-675B-Instruct-2512", None),
        ("Mistral Large 2 (Nov '24)", "mistralai/Mistral-Large-Instruct-2411", None),
        ("Qwen3-235B-A22B-Instruct (Jul 2025)", "Qwen/Qwen3-235B-A22B-Instruct-2507", None),
        ("deepseek-v3.2-thinking", "deepseek-ai/DeepSeek-V3.2", None),
        ("qwen3-235b-a22b-no-thinking", "Qwen/Qwen3-235B-A22B", None),
        ("Qwen3 Next 80B A3B (Reasoning)", "Qwen/Qwen3-Next-80B-A3B-Thinking", None),
        ("Devstral 2", "mistralai/Devstral-2-123B-Instruct-2512", None),
        ("Qwen Chat 72B", "Qwen/Qwen-72B", None),
        # Which release and format Ollama's short tags stand for, by the digests of its library's listing.
        ("phi3:mini", "microsoft/Phi-3-mini-128k-instruct", "gguf-q4_0"),
        ("llama3.2:1b", "meta-llama/Llama-3.2-1B-Instruct", "gguf-q8_0"),
        ("qwen3:30b-a3b-q8_0", "Qwen/Qwen3-30B-A3B", "gguf-q8_0"),
        ("qwen3:30b-a3b", "Qwen/Qwen3-30B-A3B-Thinking-2507", "gguf-q4_k_m"),
        ("ollama run gemma4", "google/gemma-4-E4B-it", "gguf-q4_k_m"),
        ("qwen3.5:27b-mlx", "Qwen/Qwen3.5-27B", "nvfp4"),
        ("mistral:v0.1", "mistralai/Mistral-7B-Instruct-v0.1", "gguf-q4_0"),
        ("qwen2:7b", "Qwen/Qwen2-7B", "gguf-q4_0"),
        ("dolphin-llama3:8b", "meta-llama/Meta-Llama-3-8B", "gguf-q4_0"),
        # What Ollama and boards call models that are trained from others.
        ("ollama run llava", "llava-hf/llava-v1.6-mistral-7b-hf", "gguf-q4_0"),
        ("hermes3:8b", LLAMA, "gguf-q4_0"),
        ("codestral:22b", "mistralai/Codestral-22B-v0.1", "gguf-q4_0"),
        ("deepseek-coder-v2:16b", "deepseek-ai/DeepSeek-V2-Lite", "gguf-q4_0"),
        ("deepseek-r1:1.5b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "gguf-q4_k_m"),
        ("qwen2.5vl:7b", "Qwen/Qwen2.5-VL-7B-Instruct", "gguf-q4_k_m"),
        ("gemma-4-E2B-it-Q4_K_M.gguf", "google/gemma-4-E2B-it", "gguf-q4_k_m"),
        ("amd/Llama-3.1-405B-Instruct-FP8-KV", "meta-llama/Meta-Llama-3.1-405B-Instruct", "fp8"),
        ("Inkling-NVFP4", "thinkingmachines/Inkling", "nvfp4"),
    ],
)
def test_a_model_is_found_by_what_it_is_called(text: str, model: str, weight_format: str | None) -> None:
    answer = resolve_model(text)
    assert (answer.catalogue_id, answer.weight_format) == (model, weight_format)
    assert answer.evidence


def test_every_name_of_the_catalogue_means_itself() -> None:
    for name in catalogue():
        assert resolve_model(name).catalogue_id == name


def test_an_ambiguous_model_lists_the_candidates_and_an_unknown_one_the_nearest() -> None:
    sizes = resolve_model("llama 3.1")
    assert sizes.catalogue_id is None
    assert {LLAMA, "meta-llama/Meta-Llama-3.1-70B", "meta-llama/Meta-Llama-3.1-405B"} <= set(sizes.candidates)
    # "3b" is a part of "a3b" and of "32b", but a name is found by whole words.
    assert resolve_model("qwen3 3b").catalogue_id is None
    assert LLAMA in resolve_model("lama 3.1 8b").candidates
    # A version, a size class or a lone letter that was not said is never filled in.
    assert resolve_model("SmolLM-360M").catalogue_id is None
    assert ["llama" in name for name in resolve_model("lama 3").candidates] == [True] * 3
    assert resolve_model("granite 4.0 1b").catalogue_id is None
    assert resolve_model("gemma 27b").candidates[:2] == ("google/gemma-2-27b", "google/gemma-2-27b-it")
    with pytest.raises(UnknownModel, match=r"'llama 3\.1' could be meta-llama/Meta-Llama-3\.1-8B, .*; give one"):
        load("llama 3.1")
    with pytest.raises(UnknownModel, match="--online asks the hub"):
        load("someone/Foo-8B")
    assert resolve_model("someone/Foo-8B").model_id == "someone/Foo-8B"


def test_what_does_other_work_is_told_what_is_answered_and_no_nearest_name() -> None:
    for text, work in (
        ("openai/whisper-large-v3-turbo", "turns speech into text"),
        ("FLUX.1-dev", "makes images"),
        ("Claude Sonnet 4.5", "its weights are not published"),
    ):
        answer = resolve_model(text)
        assert (answer.catalogue_id, answer.candidates) == (None, ())
        assert work in answer.evidence
        assert answer.evidence.endswith("published models that read text and write it token by token")
    for text in ("somebody/Qwen3.5-27B-Claude-4.6-Opus-Reasoning-Distilled-GGUF", "somebody/Qwen3-8B-SVD"):
        assert "--online asks the hub" in resolve_model(text).evidence


def test_all_ways_of_asking_take_the_same_names() -> None:
    assert load("llama 3.1 8b") == load(LLAMA)
    # One that has the shapes of another keeps its own name, and the length that it was made for.
    newer = load("glm 4.6")
    assert (newer.name, newer.max_position) == ("zai-org/GLM-4.6", 202_752)
    assert newer.parameters_total == load("zai-org/GLM-4.5").parameters_total
    # On pages it can be picked, as models with a config of their own can.
    choices = model_choices("decoder")
    assert {"zai-org/GLM-4.6", "Qwen/Qwen3.6-27B", "moonshotai/Kimi-K2.6"} <= set(choices)
    assert all(architecture(name).name == name for name in choices)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("32k", 32_768),
        ("128K", 131_072),
        ("1M", 1_048_576),
        ("4096", 4096),
        ("32,768", 32_768),
        ("131 072", 131_072),
        ("0.5k", 512),
        (7, 7),
    ],
)
def test_lengths_are_powers_of_two_as_models_state_them(text: str | int, count: int) -> None:
    assert tokens(text) == count


@pytest.mark.parametrize("text", ["", "k", "-1", "0", "1.5", "32 GB", "1e9999", "9" * 400 + "M"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(InvalidWorkload, match="is not a length in tokens"):
        tokens(text)


def test_a_format_said_in_short_is_taken_as_the_usual_one_and_a_family_without_size_lists_its_models() -> None:
    assert resolve_model("llama 3.1 8b q5").evidence.endswith("; q5 is taken as gguf-q5_k_m")
    assert "llama.cpp downloads of a repository (-hf)" in resolve_model("Qwen/Qwen3-8B-GGUF").evidence
    assert resolve_model("turboderp/Llama-3.1-8B-Instruct-exl3").evidence.endswith("exl3 is taken as exl3-4.0bpw")
    # A type of another program is not taken for one of llama.cpp's.
    other = resolve_model("ubergarm/GLM-4.6-GGUF:IQ5_K")
    assert (other.catalogue_id, other.weight_format) == (None, None)
    assert "in iq5_k, which is no type of llama.cpp's known here" in other.evidence
    assert "in ud-q2_k_l, which is no type" in resolve_model("Qwen3-8B-UD-Q2_K_L.gguf").evidence
    small = resolve_model("mistral-small")
    assert (small.catalogue_id, len(small.candidates) > 2) == (None, True)
