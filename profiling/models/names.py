"""Models by the names people use: `llama 3.1 8b`, `qwen2.5:14b`, hub addresses, GGUF files and repositories.

A name is resolved by its words, as devices are: all that were said must be words of the model's name on the hub, and
the model with the fewest unsaid ones is meant. Nothing is resolved by a part of a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cache

from profiling.errors import UnknownModel, nearest
from profiling.models.format_names import format_in_name
from profiling.models.gguf_rules import file_types
from profiling.models.sources import catalogue

_ADDRESS = re.compile(r"^(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?:api/models/)?([^?#\s]+)", re.IGNORECASE)
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
_TAG = re.compile(r"^([a-z][\w.-]*(?:/[\w.-]+)?):([\w.-]+)$", re.IGNORECASE)
_FORMAT_WORDS = re.compile(
    r"(?<![a-z0-9])(?:gguf|awq|gptq|autoround|auto|round|hqq|mlx|exl[23]|bnb|bitsandbytes|nf4|fp[48]|mxfp[468]|nvfp4|w\d+a\d+"
    r"|(?:ud[-_ ])?(?:iq|tq|q)\d(?:_[a-z0-9]+)*|(?:b?f|fp)(?:16|32)|int[48]|[2-8][-_]?bits?|\d(?:[._]\d+)?[-_]?bpw"
    r"|i1|imatrix|imat|dynamic|g(?:32|64|128))(?![a-z0-9])"
)
_SHARD = re.compile(r"[-_.]\d{5}-of-\d{5}")
_SUFFIX = re.compile(r"\.(?:gguf|safetensors|bin)$")
_SAME = {"it": "instruct", "chat": "instruct", "pt": "base"}
"""Words that publishers use for the same thing."""
_SILENT = frozenset({"meta", "hf", "mistralai", "official", "model", "the", "llm", "preview", "latest", "quantized"})
"""Words that some addresses of a model have and others leave out (`Meta-Llama-3.1-8B`, `Llama-2-7b-hf`)."""
_TRAINING = frozenset({"instruct", "base", "thinking", "reasoning", "sft", "dpo", "rlhf"})
"""How weights were trained: their shapes are those of the model without the word."""
_SIZE = re.compile(r"\d+(?:\.\d+)?[bm]|\d+x\d+b|[ae]\d+(?:\.\d+)?b")
_OLLAMA_FORMAT = "gguf-q4_k_m"
_OLLAMA = {
    # Tags whose words are not those of the hub, and what `latest` means (ollama.com/library, recalled).
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
    "phi4-mini:3.8b": "microsoft/Phi-4-mini-instruct",
}
_OLLAMA_LATEST = {
    "llama3.1": "8b", "llama3": "8b", "llama3.2": "3b", "llama3.3": "70b", "llama2": "7b", "qwen2.5": "7b",
    "qwen2.5-coder": "7b", "qwen3": "8b", "gemma2": "9b", "gemma3": "4b", "mistral": "7b", "mixtral": "8x7b",
    "phi3": "mini", "phi4": "14b", "phi4-mini": "3.8b", "deepseek-r1": "8b", "gpt-oss": "20b", "mistral-nemo": "12b",
}  # fmt: skip
_OLLAMA_OWN_FORMAT = {"gpt-oss": "mxfp4"}
"""Families that Ollama serves in the format they were published in."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """What a text means: a model, the format it is stored in where the text says so, and on what that rests."""

    text: str
    model_id: str | None
    """Its address on the hub, as said or as in the catalogue; None where the text is ambiguous or unknown."""
    catalogue_id: str | None
    """The model of the catalogue that has its shapes; None where only the hub knows it."""
    weight_format: str | None = None
    """The stored format that the text names."""
    candidates: tuple[str, ...] = ()
    """What else could be meant, or the nearest."""
    evidence: str = ""
    """On what the answer rests, or why there is none; in words."""

    def require(self) -> str:
        """The model of the catalogue.

        Raises:
            UnknownModel: The text names none, or several.
        """
        if self.catalogue_id is None:
            raise UnknownModel(self.evidence)
        return self.catalogue_id


def resolve_model(text: str, known: Collection[str] | None = None) -> ModelName:
    """The model that a text names.

    Args:
        text: A hub address or identifier, an Ollama tag, a GGUF file or repository, or words.
        known: Names to choose from; the catalogue where None.
    """
    choices = catalogue().keys() if known is None else known
    said = text.strip().rstrip("/")
    if said in choices:
        return ModelName(text, said, said, evidence="its name in the catalogue")
    address = _ADDRESS.match(said)
    path = address[1] if address else said
    file = path.rsplit("/", 1)[-1] if path.count("/") > 1 or path.casefold().endswith(".gguf") else ""
    tag = _TAG.match(path)
    if tag and not address and "/" not in tag[1]:
        return _of_tag(text, tag[1].casefold(), tag[2].casefold(), choices)
    if tag:  # hf.co/owner/name-GGUF:Q4_K_M, as Ollama and llama.cpp take it
        path = tag[1]
    form = _format(tag[2]) if tag else None
    form = form or (_format(file) if file else None) or _format("/".join(path.split("/")[:2]))
    hub_id = "/".join(path.split("/")[:2]) if path.count("/") >= 1 else None
    if hub_id and _HUB_ID.match(hub_id) and (address or not file.endswith(".gguf") or path.count("/") > 1):
        return _of_hub_id(text, hub_id, form, choices)
    return _of_words(text, file or path, form, choices)


def _format(name: str) -> str | None:
    """The stored format that the name states; those of GGUF by their full name."""
    found = format_in_name(name)
    return f"gguf-{found}" if found in file_types() else found


@cache
def words(name: str) -> frozenset[str]:
    """Words of a model's name, without its publisher and its storage format."""
    bare = _SUFFIX.sub("", _SHARD.sub("", name.casefold()))
    bare = _FORMAT_WORDS.sub(" ", bare.rsplit("/", 1)[-1])
    found = []
    for word in re.findall(r"[a-z0-9]+(?:\.[0-9]+[a-z]*)*", bare.replace("_", "-")):
        # "qwen2.5" and "Qwen-2.5" are one; sizes ("8b", "a3b", "8x7b") and versions ("v0.3", "r1") stay whole.
        split = re.fullmatch(r"([a-z]{2,})(\d+(?:\.\d+)*)", word)
        found += [split[1], split[2]] if split and not _SIZE.fullmatch(word) else [word]
    return frozenset(_SAME.get(word, word) for word in found) - _SILENT


def _matching(said: frozenset[str], choices: Collection[str]) -> list[str]:
    """Names that have all the words that were said, and the fewest others."""
    if not said:
        return []
    found = {name: words(name) - said for name in choices if said <= words(name)}
    if not found:
        return []
    # Another size is another model: it never counts as merely unsaid.
    least = min(len(unsaid) for unsaid in found.values())
    return sorted((name for name, unsaid in found.items() if len(unsaid) == least), key=lambda name: (len(name), name))


def _of_tag(text: str, family: str, tag: str, choices: Collection[str]) -> ModelName:
    size = tag.split("-", maxsplit=1)[0]
    if size == "latest":
        size = _OLLAMA_LATEST.get(family, "")
        tag = size
    meant = _OLLAMA.get(f"{family}:{size}") or _OLLAMA.get(f"{family.replace('-', '')}:{size}")
    form = _format(tag) or _OLLAMA_OWN_FORMAT.get(family, _OLLAMA_FORMAT)
    evidence = f"Ollama's tag; {'the format it names' if _format(tag) else f'its default format {form}'}"
    if meant:
        named = _of_hub_id(text, meant, form, choices)
        return replace(named, evidence=f"{evidence}; {named.evidence}")
    said = words(f"{family}-{tag}")
    if "text" in said:  # what Ollama calls weights that nobody tuned
        said = said - {"text"}
    elif not said & {"instruct", "base", "thinking"}:
        # Ollama's tags are instruction-tuned models unless they say otherwise.
        tuned = _of_words(text, "-".join([family, tag, "instruct"]), form, choices, exact=True)
        if tuned.catalogue_id:
            return replace(tuned, evidence=f"{evidence}; {tuned.evidence}")
    named = _of_words(text, "-".join(sorted(said)), form, choices)
    return replace(named, evidence=f"{evidence}; {named.evidence}")


def _of_hub_id(text: str, hub_id: str, form: str | None, choices: Collection[str]) -> ModelName:
    if hub_id in choices:
        return ModelName(text, hub_id, hub_id, form, evidence="its address on the hub")
    folded = [name for name in choices if name.casefold() == hub_id.casefold()]
    if len(folded) == 1:
        return ModelName(
            text, folded[0], folded[0], form, evidence="its address on the hub, but for upper and lower case"
        )
    said = words(hub_id)
    owner = hub_id.split("/", maxsplit=1)[0].casefold()
    same = [name for name in choices if words(name) == said]
    own = [name for name in same if name.split("/")[0].casefold() == owner] or same
    if len(own) == 1:
        how = "renamed on the hub" if own[0].split("/")[0].casefold() == owner else f"the same name as {own[0]}"
        stored = f", stored as {form}" if form else ""
        return ModelName(text, hub_id, own[0], form, evidence=f"{how}{stored}")
    if shaped := _of_same_shape(said, choices):
        evidence = f"same shapes as {shaped}: the names differ in training or date only"
        return ModelName(text, hub_id, shaped, form, tuple(own), evidence)
    near = nearest(hub_id.rsplit("/", maxsplit=1)[-1], [*choices])
    evidence = f"{hub_id!r} is not in the catalogue of {len(choices)} models; nearest: {near}; --online asks the hub"
    return ModelName(text, hub_id, None, form, tuple(near.split(", ")) if near else (), evidence)


def _of_words(text: str, spoken: str, form: str | None, choices: Collection[str], *, exact: bool = False) -> ModelName:
    said = words(spoken)
    found = _matching(said, choices)
    if exact:
        found = [name for name in found if words(name) == said]
    sizes = {frozenset(word for word in words(name) if _SIZE.fullmatch(word)) for name in found}
    unsized = {words(name) - _TRAINING for name in found}
    if found and len(unsized) == 1 and len(sizes) == 1 and not _size_is_open(said, choices):
        evidence = "by its words" if words(found[0]) == said else f"by its words; {found[0]} has the fewest unsaid"
        return ModelName(text, found[0], found[0], form, tuple(found[1:]), evidence)
    if found and not exact:
        named = ", ".join(found[:12])
        offered = tuple(found) if len(found) > 1 else tuple(_matching_all(said, choices))
        return ModelName(text, None, None, form, offered, f"{text!r} could be {named}; give one of them")
    if not exact and (shaped := _of_same_shape(said, choices)):
        evidence = f"same shapes as {shaped}: the names differ in training or date only"
        return ModelName(text, shaped, shaped, form, evidence=evidence)
    near = nearest(spoken, [*choices])
    tail = f"; nearest: {near}" if near else ""
    evidence = f"{text!r} is neither in the catalogue of {len(choices)} models nor a path{tail}"
    return ModelName(text, None, None, form, tuple(near.split(", ")) if near else (), evidence)


def _size_is_open(said: frozenset[str], choices: Collection[str]) -> bool:
    """Whether models of several sizes have all the words that were said: `qwen 3` is no model."""
    sizes = {frozenset(word for word in words(name) if _SIZE.fullmatch(word)) for name in _matching_all(said, choices)}
    return len(sizes) > 1 and not any(_SIZE.fullmatch(word) for word in said)


def _matching_all(said: frozenset[str], choices: Collection[str]) -> list[str]:
    return sorted(name for name in choices if said <= words(name))


def _of_same_shape(said: frozenset[str], choices: Collection[str]) -> str | None:
    """A model whose name differs in nothing but how and when its weights were trained, or None."""

    if not any(_SIZE.fullmatch(word) for word in said):
        return None
    same = [name for name in choices if _shape(words(name)) == _shape(said)]
    return min(same, key=lambda name: (len(name), name), default=None)


@cache
def _shape(own: frozenset[str]) -> frozenset[str]:
    """Words without those of training and date."""
    return frozenset(word for word in own - _TRAINING if not re.fullmatch(r"2[0-9](0[1-9]|1[0-2])", word))
