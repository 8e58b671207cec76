"""Ollama's tags: which model and format each stands for where its words do not say it, as ollama.com/library has it."""

from __future__ import annotations

import re

FORMAT = "gguf-q4_k_m"
"""What a tag is stored in unless it names another."""
_TAG = re.compile(r"^([a-z][\w.-]*(?:/[\w.-]+)?):([\w.-]+)$", re.IGNORECASE)
_COMMAND = re.compile(r"^ollama +(?:run|pull|show) +", re.IGNORECASE)
_ADDRESS = re.compile(
    r"^(?:(?:https?://)?(?:www\.|registry\.)?ollama\.(?:com|ai)/)?(?:library/|ollama/)?", re.IGNORECASE
)
_HUB_IDS = {
    # Recalled; two of one shape where it is not certain which release a tag names today.
    "deepseek-r1:7b": "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    "deepseek-r1:14b": "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
    "deepseek-r1:32b": "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
    "deepseek-r1:70b": "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
    "deepseek-r1:671b": "deepseek-ai/DeepSeek-R1",
    "deepseek-v3:671b": "deepseek-ai/DeepSeek-V3",
    "qwen3:30b": "Qwen/Qwen3-30B-A3B-Thinking-2507",
    "qwen3:235b": "Qwen/Qwen3-235B-A22B-Thinking-2507",
    "mixtral:8x7b": "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "mixtral:8x22b": "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "mistral:7b": "mistralai/Mistral-7B-Instruct-v0.3",
    "mistral-nemo:12b": "mistralai/Mistral-Nemo-Instruct-2407",
    "phi3:mini": "microsoft/Phi-3-mini-4k-instruct",
    "phi3:medium": "microsoft/Phi-3-medium-4k-instruct",
    "phi4:14b": "microsoft/phi-4",
    "deepseek-r1:1.5b": "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    "deepseek-r1:8b": "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B",
    "mistral-small:24b": "mistralai/Mistral-Small-24B-Instruct-2501",
    "mistral-small3.2:24b": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    "phi4-mini:3.8b": "microsoft/Phi-4-mini-instruct",
    "devstral:24b": "mistralai/Devstral-Small-2505",
    "magistral:24b": "mistralai/Magistral-Small-2506",
    "athene-v2:72b": "Nexusflow/Athene-V2-Chat",
    "codeqwen:7b": "Qwen/CodeQwen1.5-7B-Chat",
    "codestral:22b": "mistralai/Codestral-22B-v0.1",
    "cogito:8b": "deepcogito/cogito-v1-preview-llama-8B",
    "cogito:14b": "deepcogito/cogito-v1-preview-qwen-14B",
    "cogito:32b": "deepcogito/cogito-v1-preview-qwen-32B",
    "cogito:70b": "deepcogito/cogito-v1-preview-llama-70B",
    "command-r7b:7b": "CohereLabs/c4ai-command-r7b-12-2024",
    "deepcoder:14b": "agentica-org/DeepCoder-14B-Preview",
    "deepscaler:1.5b": "agentica-org/DeepScaleR-1.5B-Preview",
    "deepseek-coder-v2:16b": "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct",
    "deepseek-coder-v2:236b": "deepseek-ai/DeepSeek-Coder-V2-Instruct",
    "dolphin3:8b": "cognitivecomputations/Dolphin3.0-Llama3.1-8B",
    "functiongemma:270m": "google/functiongemma-270m-it",
    "granite-code:8b": "ibm-granite/granite-8b-code-instruct-128k",
    "hermes3:8b": "NousResearch/Hermes-3-Llama-3.1-8B",
    "llava:7b": "llava-hf/llava-v1.6-mistral-7b-hf",
    "llava:13b": "llava-hf/llava-1.5-13b-hf",
    "marco-o1:7b": "AIDC-AI/Marco-o1",
    "neural-chat:7b": "Intel/neural-chat-7b-v3-3",
    "nous-hermes2-mixtral:8x7b": "NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO",
    "openchat:7b": "openchat/openchat-3.5-0106",
    "openhermes:7b": "teknium/OpenHermes-2.5-Mistral-7B",
    "openthinker:32b": "open-thoughts/OpenThinker-32B",
    "r1-1776:671b": "perplexity-ai/r1-1776",
    "reflection:70b": "mattshumer/Reflection-Llama-3.1-70B",
    "sqlcoder:7b": "defog/sqlcoder-7b-2",
    "starling-lm:7b": "Nexusflow/Starling-LM-7B-beta",
    "wizardcoder:33b": "WizardLMTeam/WizardCoder-33B-V1.1",
    "yi-coder:9b": "01-ai/Yi-Coder-9B-Chat",
    "zephyr:7b": "HuggingFaceH4/zephyr-7b-beta",
}
_LATEST = {
    "llama3.1": "8b", "llama3": "8b", "llama3.2": "3b", "llama3.3": "70b", "llama2": "7b", "qwen2.5": "7b",
    "qwen2.5-coder": "7b", "qwen3": "8b", "gemma2": "9b", "gemma3": "4b", "mistral": "7b", "mixtral": "8x7b",
    "phi3": "mini", "phi4": "14b", "phi4-mini": "3.8b", "deepseek-r1": "8b", "gpt-oss": "20b", "mistral-nemo": "12b",
    "mistral-small": "24b", "mistral-small3.1": "24b", "mistral-small3.2": "24b", "gemma3n": "e4b", "qwq": "32b",
    "qwen3-coder": "30b", "codellama": "7b", "qwen2.5vl": "7b", "devstral": "24b", "magistral": "24b",
    "athene-v2": "72b", "codeqwen": "7b", "codestral": "22b", "cogito": "8b", "command-r7b": "7b", "deepscaler": "1.5b",
    "deepseek-coder-v2": "16b", "dolphin3": "8b", "embeddinggemma": "300m",
    "exaone3.5": "7.8b", "exaone-deep": "7.8b", "functiongemma": "270m", "granite3.3": "8b", "hermes3": "8b",
    "llava": "7b", "neural-chat": "7b", "openchat": "7b", "openhermes": "7b",
    "qwen3-embedding": "8b", "qwen3-vl": "8b", "solar": "10.7b", "starling-lm": "7b", "yi-coder": "9b", "zephyr": "7b",
}  # fmt: skip
_AS_PUBLISHED = frozenset({"gpt-oss"})
"""Families that Ollama serves in the format they were published in."""
_CLOUD = re.compile(r"(?:^|-)cloud$")


def without_command(text: str) -> str:
    """What is left of `ollama run NAME` when only the name is."""
    return _COMMAND.sub("", text)


def tag_of(text: str) -> tuple[str, str] | None:
    """What a text names by a tag, before and after its colon, in lower case; None where it is none.

    `qwen3:8b`, `ollama run qwen3`, `https://ollama.com/library/qwen3:8b`; the latter two may leave the tag out.
    """
    bare = _ADDRESS.sub("", without_command(text))
    if bare != text and "/" not in bare and ":" not in bare and bare:
        bare = f"{bare}:latest"
    found = _TAG.match(bare)
    return (found[1].casefold(), found[2].casefold()) if found else None


def size_of(family: str, tag: str) -> tuple[str, str]:
    """The tag without `latest`, which names the usual size of its family, and that size."""
    tag = _CLOUD.sub("", tag)
    tag = _LATEST.get(family, "") if tag == "latest" else tag
    return tag, tag.split("-", maxsplit=1)[0]


def hub_id_of(family: str, size: str) -> str | None:
    """The address on the hub of what a family's size stands for, where its words do not say it."""
    return _HUB_IDS.get(f"{family}:{size}") or _HUB_IDS.get(f"{family.replace('-', '')}:{size}")


def usual_format(family: str, tag: str) -> tuple[str | None, str]:
    """The format of a tag that names none, and why; None: as the model was published."""
    if _CLOUD.search(tag):
        return None, "run by Ollama's own servers, taken as published"
    if family in _AS_PUBLISHED:
        return None, "in the format it was published in"
    if "qat" in tag.split("-"):
        return "gguf-q4_0", "trained for gguf-q4_0"
    return FORMAT, f"its default format {FORMAT}"
