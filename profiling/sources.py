"""Where architectures come from: a `config.json`, a folder, a TOML file, the hub, or the catalogue that ships."""

from __future__ import annotations

import csv
import io
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from profiling.architecture import Architecture
from profiling.errors import InvalidConfig, ProfilingError, UnknownModel, UnsupportedModelType, nearest
from profiling.families import FAMILIES
from profiling.families.assembly import MOST_LAYERS, Config, Ends, decoder, encoder
from profiling.families.blocks import LatentAttention, LayerSpec, Mixture
from profiling.foreign import LARGEST_DESCRIPTION_BYTES, NotJson, parse_json, text_of

REFERENCE = Path(__file__).parent / "reference"
"""Tables that ship with the package: architectures, accelerators, weight formats, Table 1."""


# What arithmetic on a field of another kind than expected raises.
_ODD_FIELDS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def supported_model_types() -> tuple[str, ...]:
    """Every `model_type` that `from_config` takes, in alphabetical order."""
    return tuple(sorted(FAMILIES))


def from_config(config: Mapping[str, Any], name: str | None = None) -> Architecture:
    """The architecture that a Hugging Face `config.json` describes.

    Of a model with several towers the text decoder is taken (`text_config`).

    Raises:
        UnsupportedModelType: The family is not known; the message lists those that are.
        InvalidConfig: A field is missing or impossible; the message names it.
    """
    model_type = str(config.get("model_type", ""))
    inner = config.get("text_config")
    if isinstance(inner, Mapping) and "hidden_size" not in config:
        merged = {"tie_word_embeddings": config.get("tie_word_embeddings"), **inner}
        merged = {key: value for key, value in merged.items() if value is not None}
        merged.setdefault("model_type", model_type)
        return from_config(merged, name or config.get("_name_or_path"))
    family = FAMILIES.get(model_type)
    if family is None:
        close = nearest(model_type, FAMILIES)
        raise UnsupportedModelType(
            f"model_type {model_type!r} is not supported{f'; did you mean {close}' if close else ''}? "
            f"Supported: {', '.join(supported_model_types())}. "
            'A decoder of another family can be described in TOML with model_type = "custom".'
        )
    named = {**config, "_name_or_path": name} if name else config
    try:
        return family(Config(named))
    except _ODD_FIELDS as error:
        if isinstance(error, ProfilingError):
            raise
        raise InvalidConfig(f"{name or model_type}: a field has an unexpected form ({error})") from error


def from_path(path: str | Path) -> Architecture:
    """The architecture described by a `config.json`, a folder that holds one, or a TOML file."""
    path = Path(path)
    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise UnknownModel(f"no model description at {file}; expected a config.json, its folder, or a .toml")
    text = text_of(file)
    if file.suffix == ".toml":
        return from_toml(text, default_name=file.stem)
    try:
        config = parse_json(text)
    except NotJson as error:
        raise InvalidConfig(f"{file} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise InvalidConfig(f"{file} holds {type(config).__name__}, expected an object")
    name = file.parent.name if file.name == "config.json" else file.stem
    return from_config(config, config.get("_name_or_path") or name)


def from_hub(model_id: str, revision: str = "main", timeout_s: float = 20.0) -> Architecture:
    """The architecture of a public model of the Hugging Face hub, by its `config.json`."""
    url = f"https://huggingface.co/{model_id}/resolve/{revision}/config.json"
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as reply:
            config = parse_json(reply.read(LARGEST_DESCRIPTION_BYTES))
    except (urllib.error.URLError, TimeoutError, NotJson) as error:
        raise UnknownModel(
            f"no config.json of {model_id!r} at revision {revision!r} from the hub ({error}); "
            "give the path of a config.json instead"
        ) from error
    return from_config(config, model_id)


def from_toml(text: str, default_name: str = "custom") -> Architecture:
    """An architecture described in TOML.

    Either the fields of a `config.json` of a supported family, or `model_type = "custom"` with the words of
    `LayerSpec` (hidden_size, heads, kv_heads, head_dim, intermediate_size, norm, placement, …), `layers`,
    `vocabulary_size`, `tied` and, where it applies, a `[mixture]` and a `[latent]` table.
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
    layers = described.pop("layers", None)
    vocabulary = described.pop("vocabulary_size", None)
    if not isinstance(layers, int) or not isinstance(vocabulary, int) or min(layers, vocabulary) <= 0:
        raise InvalidConfig(f"{name}: a custom model needs positive `layers` and `vocabulary_size`")
    if layers > MOST_LAYERS:
        raise InvalidConfig(f"{name}: {layers} layers are more than any model has ({MOST_LAYERS})")
    tied = bool(described.pop("tied", False))
    is_encoder = bool(described.pop("encoder", False))
    dense_first = int(described.pop("dense_first_layers", 0))
    allowed = {field.name for field in fields(LayerSpec)}
    unknown = set(described) - allowed
    if unknown:
        raise InvalidConfig(f"{name}: unknown field {min(unknown)!r}; nearest: {nearest(min(unknown), allowed)}")
    try:
        mixture = Mixture(**described.pop("mixture")) if "mixture" in described else None
        latent = LatentAttention(**described.pop("latent")) if "latent" in described else None
        described.setdefault("kv_heads", described.get("heads"))
        if "head_dim" not in described and {"hidden_size", "heads"} <= set(described):
            described["head_dim"] = described["hidden_size"] // described["heads"]
        spec = LayerSpec(**described, latent=latent, causal=not is_encoder)
        routed = replace(spec, mixture=mixture)
        specs = [spec if index < dense_first else routed for index in range(layers)]
        config = Config({"model_type": "custom", "name": name, "vocab_size": vocabulary})
        ends = Ends(norm=spec.norm, tied=tied, head=not is_encoder)
        return (encoder if is_encoder else decoder)(config, specs, ends)
    except _ODD_FIELDS as error:
        if isinstance(error, ProfilingError):
            raise
        raise InvalidConfig(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model of the catalogue: facts as published, each with its basis."""

    model_id: str
    record: Mapping[str, str]
    """The row of reference/architectures.csv."""

    def config(self) -> dict[str, Any]:
        """The row in the words of a `config.json`."""
        row = self.record
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
        config["model_type"] = row["model_type"]
        config["tie_word_embeddings"] = row["tied_embeddings"] == "true"
        config.update(json.loads(row["config_extra"] or "{}"))
        return config

    def architecture(self) -> Architecture:
        """The architecture of this row.

        Raises:
            UnsupportedModelType: The row is of a family without operators here (its facts stand all the same).
        """
        return from_config(self.config(), self.model_id)


@cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """The models that ship as reference data, by their name on the hub."""
    # By the loader of the package, which also reads from an archive.
    text = files("profiling").joinpath("reference/architectures.csv").read_text("utf-8")
    return {row["model_id"]: CatalogueEntry(row["model_id"], row) for row in csv.DictReader(io.StringIO(text))}


def load(model: str | Path, *, online: bool = False) -> Architecture:
    """The architecture of a catalogue name, a path, or (when `online`) a name on the hub.

    A catalogue name may be given without its organisation where that is unambiguous.

    Raises:
        UnknownModel: None of these; the message names the nearest in the catalogue.
    """
    known = catalogue()
    text = str(model)
    if text in known:
        return known[text].architecture()
    try:
        is_path = Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or no name at all
        is_path = False
    if is_path:
        return from_path(text)
    folded = text.casefold()
    matches = [name for name in known if folded in (name.casefold(), name.split("/")[-1].casefold())]
    if len(matches) == 1:
        return known[matches[0]].architecture()
    if online and "/" in text:
        return from_hub(text)
    near = ", ".join(matches) if matches else nearest(text, known)
    raise UnknownModel(
        f"{text!r} is neither in the catalogue of {len(known)} models nor a path{f'; nearest: {near}' if near else ''}"
    )
