"""Ollama's tags: what each stands for, by the library's own listing.

A tag that names neither release nor format has the digest of one that does (`qwen3:30b` that of
`qwen3:30b-a3b-thinking-2507-q4_K_M`): `reference/ollama_tags.csv` pairs them. Which model of the hub is meant follows
from the complete tag's words; `reference/ollama_models.csv` has the address where they do not say it, with its source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from profiling.models.format_names import format_in_name
from profiling.reference_files import reference_rows

FORMAT = "gguf-q4_k_m"
"""What a file of GGUF is taken to be stored in where nothing states it."""
LISTING = "ollama.com/library on 2026-08-21"
"""As auditomatic/ollama-models-registry read it (data/models.json at 31464bb1)."""
_TAG = re.compile(r"^([a-z][\w.-]*(?:/[\w.-]+)?):([\w.-]+)$", re.IGNORECASE)
_COMMAND = re.compile(r"^ollama +(?:run|pull|show) +", re.IGNORECASE)
_ADDRESS = re.compile(
    r"^(?:(?:https?://)?(?:www\.|registry\.)?ollama\.(?:com|ai)/)?(?:library/|ollama/)?", re.IGNORECASE
)
_AS_PUBLISHED = frozenset({"gpt-oss", "gpt-oss-safeguard"})
"""Families that Ollama serves in the format they were published in."""
_OF_MLX = frozenset({"nvfp4", "mxfp8", "mxfp4"})
"""Formats of Ollama's second runner (x/create/classify.go of ollama/ollama at fb307609)."""
_CLOUD = re.compile(r"(?:^|-)cloud$")
_FORMAT = re.compile(r"-?(?:q\d(?:_\d|_k(?:_[sml])?)?|(?:b?f|fp)16|mxfp[48]|nvfp4|int[48])$")


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
    match = _TAG.match(bare)
    return (match[1].casefold(), match[2].casefold()) if match else None


def release_of(family: str, tag: str) -> str:
    """The tag as the library's listing has it in full, without its format: the release that it stands for."""
    bare = _CLOUD.sub("", tag)
    complete = _listing().get((family, bare), bare)
    return _FORMAT.sub("", "" if complete == "latest" else complete) or _FORMAT.sub("", bare)


def hub_id_of(family: str, release: str) -> str | None:
    """The address on the hub of a family's release, where its words do not say it."""
    return _hub_ids().get((family, release)) or _hub_ids().get((family.replace("-", ""), release))


def format_of(family: str, tag: str) -> tuple[str | None, str]:
    """The format that a tag is stored in, and on what that rests; None: as the model was published."""
    if stored := _stored(tag):
        return stored, "the format it names"
    if _CLOUD.search(tag):
        return None, "run by Ollama's own servers, taken as published"
    if family in _AS_PUBLISHED:
        return None, "in the format it was published in"
    complete = _listing().get((family, tag), "")
    if stored := _stored(complete):
        return stored, f"{complete} by its digest ({LISTING})"
    if "qat" in tag.split("-"):
        return "gguf-q4_0", "trained for gguf-q4_0"
    return FORMAT, f"its format is not known, {FORMAT} is taken"


def _stored(tag: str) -> str | None:
    """The format that a complete tag ends in; those of MLX, which are no GGUF, under their own names."""
    stored = format_in_name(tag)
    return stored if stored is None or stored in _OF_MLX else f"gguf-{stored}"


@cache
def _listing() -> Mapping[tuple[str, str], str]:
    rows = reference_rows("ollama_tags.csv")
    return {(row["family"], row["tag"].casefold()): row["same_as"].casefold() for row in rows}


@cache
def _hub_ids() -> Mapping[tuple[str, str], str]:
    return {(row["family"], row["release"]): row["model_id"] for row in reference_rows("ollama_models.csv")}
