"""Models of the hub that somebody asked for: their config and index, kept in the home as facts with their revision."""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.sources.raw_store import Manifest, RawSnapshot, RawStore
from profiling.errors import ProfilingError, UnknownModel
from profiling.foreign import NotJson, parse_json
from profiling.models.architecture import Architecture
from profiling.models.sources import from_config
from warehouse.contracts.catalogue import ARCHITECTURES, HUB_MODELS
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pipelines.sources.hub.client import Hub

SOURCE = "hub_models"
_CONFIG, _INDEX = "config", "index"
_FILES = {_CONFIG: "config.json", _INDEX: "model.safetensors.index.json"}
_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class FetchedModel:
    """A model of the hub at one revision.

    Attributes:
        model_id: Its address on the hub.
        revision: Commit that the files are of.
        config: Its `config.json`.
        stored_bytes: Bytes of its weights by the index; None where it has no index (one file) or none was kept.
        licence: As the hub states it.
        retrieved_at: When it was asked for.
    """

    model_id: str
    revision: str
    config: Mapping[str, Any]
    stored_bytes: int | None
    licence: str | None
    retrieved_at: dt.datetime

    def architecture(self) -> Architecture:
        """Its architecture.

        Raises:
            UnsupportedModelType, InvalidConfig: The config is not of a form that is known.
        """
        return from_config(self.config, self.model_id)


def keep(model_id: str, settings: Settings, hub: "Hub | None" = None) -> FetchedModel:
    """Fetch config and index of a public model at its newest commit, and keep them in the home.

    Of a repository without a config (GGUF files) the one model that it states as its base is kept.

    Raises:
        UnknownModel: The hub has no such public model, or none with a config.json that is an object.
        HubUnavailable: The hub does not answer.
    """
    from pipelines.sources.hub.client import Hub, NotOnHub  # noqa: PLC0415 - httpx loads only where the hub is asked

    if not _MODEL_ID.fullmatch(model_id):
        raise UnknownModel(f"{model_id!r} is not an address on the hub; these have the form owner/name")
    if hub is None:
        with Hub(settings) as client:
            return keep(model_id, settings, client)
    store = RawStore(settings.raw)
    try:
        facts = hub.model_facts(model_id)
        revision = str(facts.get("sha") or "main")
        try:
            payload = hub.model_file(model_id, revision, _FILES[_CONFIG])
        except NotOnHub:
            base = _base_model(facts)
            if base is None or base == model_id:
                raise
            return keep(base, settings, hub)  # a repository of GGUF files says what they were made from
        if not isinstance(parse_json(payload), dict):
            raise UnknownModel(f"config.json of {model_id!r} at {revision} is no object")
        now = dt.datetime.now(dt.UTC)
        stored = [store.add(payload, ".json", _manifest(_CONFIG, model_id, revision, facts, now))]
        try:
            index = hub.model_file(model_id, revision, _FILES[_INDEX])
        except NotOnHub:
            pass  # small models are one file and have none
        else:
            stored.append(store.add(index, ".json", _manifest(_INDEX, model_id, revision, facts, now)))
    except NotOnHub as error:
        raise UnknownModel(
            f"the hub has no public model {model_id!r} with a config.json ({error}); "
            "of repositories without one, ask for the model they were made from"
        ) from error
    except NotJson as error:
        raise UnknownModel(f"config.json of {model_id!r} is not JSON: {error}") from error
    return _fetched(stored)


def _base_model(facts: Mapping[str, Any]) -> str | None:
    card = facts.get("cardData")
    stated = card.get("base_model") if isinstance(card, Mapping) else None
    named = stated[0] if isinstance(stated, list) and len(stated) == 1 else stated
    return named if isinstance(named, str) and _MODEL_ID.fullmatch(named) else None


def _manifest(layout: str, model_id: str, revision: str, facts: Mapping[str, Any], now: dt.datetime) -> Manifest:
    card = facts.get("cardData")
    licence = card.get("license") if isinstance(card, Mapping) else None
    uri = f"hf://{model_id}@{revision}/{_FILES[layout]}"
    stated = str(licence) if licence else None
    return Manifest(SOURCE, layout, model_id, now.date(), uri, revision, stated, now, is_dated=False)


def fetched_models(settings: Settings) -> dict[str, FetchedModel]:
    """Models that were asked for, each at the revision that was fetched last."""
    by_revision: dict[tuple[str, str], list[RawSnapshot]] = {}
    for snapshot in RawStore(settings.raw).snapshots(SOURCE):
        by_revision.setdefault((snapshot.manifest.subject, str(snapshot.manifest.revision)), []).append(snapshot)
    models: dict[str, FetchedModel] = {}
    for (model_id, _), snapshots in by_revision.items():
        if any(snapshot.manifest.layout == _CONFIG for snapshot in snapshots):
            model = _fetched(snapshots)
            if model_id not in models or models[model_id].retrieved_at <= model.retrieved_at:
                models[model_id] = model
    return models


def _fetched(snapshots: list[RawSnapshot]) -> FetchedModel:
    by_layout = {snapshot.manifest.layout: snapshot for snapshot in snapshots}
    manifest = by_layout[_CONFIG].manifest
    config = parse_json(by_layout[_CONFIG].path.read_bytes())
    return FetchedModel(
        manifest.subject, str(manifest.revision), config, _total(by_layout.get(_INDEX)), manifest.licence,
        manifest.retrieved_at,
    )  # fmt: skip


def _total(index: RawSnapshot | None) -> int | None:
    if index is None:
        return None
    try:
        total = parse_json(index.path.read_bytes())["metadata"]["total_size"]
    except (NotJson, LookupError, TypeError):
        return None
    return int(total) if isinstance(total, int | float) and total > 0 else None


def architectures_of(models: Mapping[str, FetchedModel]) -> Iterator[tuple[str, Architecture]]:
    """Models that can be timed, with their architectures; those of unknown forms are left out."""
    for model_id, model in models.items():
        try:
            yield model_id, model.architecture()
        except ProfilingError:
            continue


def hub_models(models: Mapping[str, FetchedModel]) -> pl.DataFrame:
    """Rows of `core.hub_models`."""
    rows = [
        {
            "model_id": model.model_id, "revision": model.revision, "retrieved_at": model.retrieved_at,
            "stored_bytes": model.stored_bytes, "licence": model.licence,
            "config": json.dumps(model.config, sort_keys=True),
            "source": f"hf://{model.model_id}@{model.revision}/config.json",
        }
        for model in models.values()
    ]  # fmt: skip
    return HUB_MODELS.frame(rows)


def as_architectures(models: Mapping[str, FetchedModel]) -> pl.DataFrame:
    """Rows of `core.architectures` for the models that were asked for."""
    rows = [
        {
            "model_id": model_id, "model_type": model.model_type, "is_timed": True, "hidden_size": model.hidden_size,
            "vocabulary_size": model.vocabulary_size, "layers": model.main.depth, "heads": model.heads,
            "kv_heads": model.kv_heads, "max_position": model.max_position,
            "parameters_total": model.parameters_total, "parameters_active": model.parameters_active,
            "parameters_embedding": model.parameters_embedding,
            "parameters_non_embedding": model.parameters_non_embedding, "licence": models[model_id].licence,
            "source": f"hf://{model_id}@{models[model_id].revision}/config.json",
        }
        for model_id, model in architectures_of(models)
    ]  # fmt: skip
    return ARCHITECTURES.frame(rows)
