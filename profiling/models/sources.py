"""Where architectures come from: a `config.json`, a folder, a TOML file, the hub, or the catalogue that ships."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from profiling.errors import InvalidConfig, ProfilingError, UnknownModel, UnsupportedModelType, nearest
from profiling.foreign import LARGEST_DESCRIPTION_BYTES, NotJson, json_object, parse_json, text_of
from profiling.models.architecture import Architecture
from profiling.models.custom import custom_model
from profiling.models.families import FAMILIES
from profiling.models.families.assembly import STATES_ALL, Config, family_defaults, type_of_class
from profiling.models.families.inferred import inferred
from profiling.models.formats import TEXT_PARTS, published_format, quantisation_of
from profiling.models.other_kinds import ANSWERED, other_work
from profiling.models.records import record_of
from profiling.models.towers import MTP_FIELDS, uncounted
from profiling.reference_files import reference_rows, reference_text

"""Tables that ship with the package: architectures, accelerators, weight formats, Table 1."""


_TYPE_OF_TWO = "git"
"""A `model_type` that two families are published under: GIT, and Grok 2."""
# What arithmetic on a field of another kind than expected raises.
_ODD_FIELDS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that `from_config` takes, in alphabetical order."""
    return tuple(sorted(FAMILIES))


def from_config(config: Mapping[str, Any], name: str | None = None) -> Architecture:
    """The architecture that a Hugging Face `config.json` describes.

    Of a model with several towers the text decoder is taken (`text_config`).

    Raises:
        UnsupportedModelType: The family is not known, and its fields are not those of a known form.
        InvalidConfig: A field is missing or impossible; the message names it.
    """
    text = text_part(config)
    whole = str(config.get("model_type") or "") if text is not config else ""
    stated_type = str(text.get("model_type") or "")
    # Copies of a model under a type of their own name the class that builds it.
    by_class = "" if stated_type in FAMILIES and stated_type != _TYPE_OF_TWO else _type_by_class(text)
    model_type = by_class if by_class in FAMILIES or not stated_type else stated_type
    text = {**text, "model_type": model_type}
    named = {**text, "_name_or_path": name} if name else text
    try:
        stated = Config(named)
        family = FAMILIES.get(model_type)
        model = family(stated) if family else _unknown(stated)
        uncounted_parts = tuple(uncounted(config, text, model))
        made = replace(model, not_counted=(*model.not_counted, *uncounted_parts))
        stored = published_format(made, {**config, **text})
    except _ODD_FIELDS as error:
        if isinstance(error, ProfilingError):
            raise
        raise InvalidConfig(f"{name or model_type}: a field has an unexpected form ({error})") from error
    renamed = stated_type and stated_type != model_type
    by = (f"model_type {stated_type!r} is read as {model_type!r}, which its architectures name",) if renamed else ()
    notes = (*by, *made.notes, *_filled_in(text), *stored.notes)
    return replace(made, published_format=stored, checkpoint_type=whole, notes=notes)


_WIDTHS = (("hidden_size", "n_embd", "d_model"), ("num_hidden_layers", "n_layer", "n_layers"),
           ("num_attention_heads", "n_head", "n_heads"), ("intermediate_size",), ("vocab_size",))  # fmt: skip


def _filled_in(text: Mapping[str, Any]) -> tuple[str, ...]:
    """Which widths a config leaves to the defaults of its family, in one sentence; nothing where it states all."""
    default = {} if text.get(STATES_ALL) else family_defaults(str(text.get("model_type")))
    taken = [
        f"{name} {default[name]:,}"
        for names in _WIDTHS
        for name in names
        if name in default and not any(each in text for each in names)
    ]
    return (f"left out by the config and taken as transformers fills them in: {', '.join(taken)}",) if taken else ()


_OF_THE_WHOLE = ("tie_word_embeddings", "quantization_config", "_name_or_path", "transformers_version", STATES_ALL)


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config that describes the text decoder; of nested parts the innermost."""
    inner = next((config[part] for part in TEXT_PARTS if isinstance(config.get(part), Mapping)), None)
    if inner is None or ("hidden_size" in config and "hidden_size" not in inner):
        return config
    outer = {key: config[key] for key in _OF_THE_WHOLE if config.get(key) is not None}
    # Up to version 4 transformers asked the decoder's own config whether its tables are tied, since then the whole's.
    if str(config.get("transformers_version", "5")).startswith("4") or "tie_word_embeddings" not in outer:
        merged = {**outer, **{key: value for key, value in inner.items() if value is not None or key not in outer}}
    else:
        merged = {**outer, **inner, "tie_word_embeddings": outer["tie_word_embeddings"]}
    merged.setdefault("model_type", _type_by_class(inner) or str(config.get("model_type", "")))
    return text_part(merged)


def _type_by_class(config: Mapping[str, Any]) -> str:
    """The model type of the class that `architectures` names; empty where it is not known."""
    classes = config.get("architectures")
    return type_of_class(str(classes[0])) if isinstance(classes, list) and classes else ""


def _unknown(config: Config) -> Architecture:
    """A family that is not known, by its fields if they are those of a known form."""
    if does := other_work(config.model_type):
        raise UnsupportedModelType(f"{config.name}: a model of model_type {config.model_type!r} {does}; {ANSWERED}")
    if isinstance(decoder := config.get("text_model_id"), str):  # Ultravox
        raise UnsupportedModelType(
            f"{config.name}: its decoder is {decoder}, a model of its own; ask for that one, or add its config as "
            "text_config"
        )
    try:
        return inferred(config)
    except (UnsupportedModelType, InvalidConfig) as error:
        close = nearest(config.model_type, FAMILIES) if config.model_type else ""
        hint = f"; did you mean {close}?" if close else "."
        raise UnsupportedModelType(
            f"model_type {config.model_type!r} is not one of the {len(supported_model_types())} supported, and "
            f'{error}{hint} A decoder of another family can be described in TOML with model_type = "custom".'
        ) from error


def from_path(path: str | Path) -> Architecture:
    """The architecture described by a `config.json`, a folder that holds one, or a TOML file."""
    path = Path(path)
    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise UnknownModel(f"no model description at {file}; expected a config.json, its folder, or a .toml")
    if file.suffix == ".toml":
        return from_toml(text_of(file), default_name=file.stem)
    config = stated_config(file)
    name = file.parent.name if file.name == "config.json" else file.stem
    model = from_config(config, config.get("_name_or_path") or name)
    return replace(model, stored_bytes=_stored_bytes(file.parent)) if file.name == "config.json" else model


_QUANTISER_FILES = {"hf_quant_config.json": "modelopt", "quantize_config.json": "gptq", "quant_config.json": "awq"}
"""Files in which quantisers said how a checkpoint is stored, before configs did."""


def stated_config(file: Path) -> dict[str, Any]:
    """A `config.json`, with what a quantiser's file beside it (ModelOpt, AutoGPTQ, AWQ) says where it says nothing.

    Raises:
        InvalidConfig: A file is not JSON, or no object.
    """
    config = json_object(text_of(file), str(file), InvalidConfig)
    if quantisation_of(config) is not None:
        return config
    for name, method in _QUANTISER_FILES.items():
        path = file.with_name(name)
        if path.is_file():
            read = json_object(text_of(path), str(path), InvalidConfig)
            stated = read.get("quantization", {}) if method == "modelopt" else read
            quantisation = {"quant_method": method, **stated} if isinstance(stated, Mapping) else None
            return config | ({"quantization_config": quantisation} if quantisation else {})
    return config


def _stored_bytes(folder: Path) -> int | None:
    """Bytes of all tensors by the index of a checkpoint in several files, or by the sizes of the files at hand."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        total = dict(json_object(text_of(index), str(index), InvalidConfig).get("metadata") or {}).get("total_size")
        return int(total) if isinstance(total, int | float) and total > 0 else None
    files = [file for file in folder.glob("*.safetensors") if file.is_file()]
    return sum(file.stat().st_size for file in files) or None


def from_hub(model_id: str, timeout_s: float = 20.0) -> Architecture:
    """The architecture of a public model of the Hugging Face hub, by its `config.json`."""
    url = f"https://huggingface.co/{model_id}/resolve/main/config.json"
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as reply:
            config = parse_json(reply.read(LARGEST_DESCRIPTION_BYTES))
    except (urllib.error.URLError, TimeoutError, NotJson) as error:
        raise UnknownModel(
            f"no config.json of {model_id!r} from the hub ({error}); give the path of a config.json instead"
        ) from error
    return from_config(config, model_id)


def from_toml(text: str, default_name: str = "custom") -> Architecture:
    """An architecture described in TOML.

    Either the fields of a `config.json` of a supported family, or `model_type = "custom"` with the words that
    `custom_model` takes.

    Raises:
        InvalidConfig: It is not TOML, or a field is missing, unknown or impossible.
    """
    import tomllib  # noqa: PLC0415 - Python 3.11; nodes that only measure may have 3.10

    try:
        described = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidConfig(f"{default_name}: not valid TOML: {error}") from error
    name = str(described.pop("name", default_name))
    if described.get("model_type") != "custom":
        return from_config(described, name)
    described.pop("model_type")
    try:
        return custom_model(described, name)
    except _ODD_FIELDS as error:
        if isinstance(error, ProfilingError):
            raise
        raise InvalidConfig(f"{name}: {error}") from error


@dataclass(frozen=True)
class CatalogueEntry:
    """A model of the catalogue: facts as published, each with its basis."""

    model_id: str
    row: Mapping[str, str] | None = None
    """The row of reference/architectures.csv, where it has one."""
    stated: Mapping[str, Any] | None = None
    """The row of reference/model_configs.jsonl, where it has one: its config as read, and where that is from."""

    @property
    def is_tabulated(self) -> bool:
        """Whether the shipped grids are computed for it; what is known by its config alone is computed when asked."""
        return self.row is not None

    @cached_property
    def record(self) -> Mapping[str, str]:
        """Its facts in the columns of reference/architectures.csv, empty where unknown."""
        if self.row is not None:
            return self.row
        empty = dict.fromkeys(reference_rows("architectures.csv")[0], "")
        return empty | record_of(self.architecture(), self.stated or {})

    def config(self) -> dict[str, Any]:
        """The row in the words of a `config.json`."""
        if self.row is None:
            return dict((self.stated or {})["config"])
        row = self.row
        whole = {
            "hidden_size": "hidden_size", "num_hidden_layers": "layers", "num_attention_heads": "heads",
            "num_key_value_heads": "kv_heads", "head_dim": "head_dim", "vocab_size": "vocabulary_size",
            "intermediate_size": "intermediate_size", "max_position_embeddings": "max_position",
            "num_experts": "experts", "num_experts_per_tok": "experts_per_token",
            "moe_intermediate_size": "expert_intermediate_size", "n_shared_experts": "shared_experts",
            "first_k_dense_replace": "first_dense_layers", "sliding_window": "sliding_window",
            "q_lora_rank": "latent_query_rank", "kv_lora_rank": "latent_kv_rank",
            "qk_rope_head_dim": "latent_rotary_dim", "qk_nope_head_dim": "latent_plain_dim",
            "v_head_dim": "latent_value_dim",
        }  # fmt: skip
        config: dict[str, Any] = {key: int(row[column]) for key, column in whole.items() if row[column]}
        config[STATES_ALL] = True
        config["model_type"] = row["model_type"]
        config["tie_word_embeddings"] = row["tied_embeddings"] == "true"
        config.update(json.loads(row["config_extra"] or "{}"))
        stated = (self.stated or {}).get("config", {})
        config |= {key: stated[key] for key in MTP_FIELDS if key in stated}
        published = quantisation_of(stated)
        if published is not None:
            config["quantization_config"] = published
        return config

    def architecture(self) -> Architecture:
        """The architecture of this row, read once.

        Raises:
            UnsupportedModelType: The row is of a family without operators here (its facts stand all the same).
        """
        return self._architecture

    @cached_property
    def _architecture(self) -> Architecture:
        return from_config(self.config(), self.model_id)


@cache
def model_configs() -> Mapping[str, Mapping[str, Any]]:
    """Configs of models of 2025 and later with their counts and sources, by their name on the hub."""
    lines = (json.loads(line) for line in reference_text("model_configs.jsonl").splitlines() if line)
    return {line["model_id"]: line for line in lines}


@cache
def same_shapes() -> Mapping[str, tuple[str, str]]:
    """Models without a config here that have the shapes of one of the catalogue: that one, and who says so."""
    return {row["model_id"]: (row["same_as"], row["basis"]) for row in reference_rows("same_shapes.csv")}


def under_name(model: Architecture, name: str) -> Architecture:
    """A model under the name of one that has its shapes, with that one's length and format where these differ."""
    row = next((row for row in reference_rows("same_shapes.csv") if row["model_id"] == name), {})
    longest, form = row.get("max_context"), row.get("published_format")
    stored = published_format(model, _AS_PUBLISHED[form]) if form else model.published_format
    longest_here = int(longest) if longest else model.max_position
    return replace(model, name=name, max_position=longest_here, published_format=stored)


_AS_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "bf16": {},
    "fp8-block": {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}},
}
"""Formats of same_shapes.csv, as a config says them."""


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """The models that ship as reference data, by their name on the hub."""
    rows, stated = {row["model_id"]: row for row in reference_rows("architectures.csv")}, model_configs()
    names = [*rows, *(name for name in stated if name not in rows)]
    return {name: CatalogueEntry(name, rows.get(name), stated.get(name)) for name in names}


def is_path(text: str) -> bool:
    """Whether a text is the path of something that is there."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False
