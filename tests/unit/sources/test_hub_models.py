"""A model of the hub that was asked for once is kept with its revision, and stands beside the catalogue's own."""

import json
from functools import partial
from pathlib import Path

import pytest

from pipelines.lib.door import published_door
from pipelines.sources.hub.models import as_architectures, fetched_models, hub_models, keep
from profiling.errors import UnknownModel
from warehouse.contracts.catalogue import ARCHITECTURES, HUB_MODELS
from warehouse.reader import Reader
from warehouse.settings import Settings

from .hub_server import HubServer, status, whole

MODEL, COMMIT = "org/New-1B", "c0ffee"
CONFIG = {
    "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256, "max_position_embeddings": 131072,
    "tie_word_embeddings": True,
}  # fmt: skip


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.fixture
def settings(hub: HubServer, tmp_path: Path) -> Settings:
    hub.serve(f"/api/models/{MODEL}", whole(as_json({"sha": COMMIT, "cardData": {"license": "mit"}})))
    hub.serve(f"/{MODEL}/resolve/{COMMIT}/config.json", whole(as_json(CONFIG)))
    index = as_json({"metadata": {"total_size": 2471645608}, "weight_map": {}})
    hub.serve(f"/{MODEL}/resolve/{COMMIT}/model.safetensors.index.json", whole(index))
    changes = {"hub_url": hub.address, "http_timeout_s": 5.0, "http_attempts": 2, "home": str(tmp_path / "home")}
    return Settings.model_validate(changes)


def test_config_and_index_are_kept_with_their_revision(settings: Settings) -> None:
    fetched = keep(MODEL, settings)
    assert (fetched.revision, fetched.stored_bytes, fetched.licence) == (COMMIT, 2471645608, "mit")
    assert fetched_models(settings) == {MODEL: fetched}
    assert fetched.architecture().parameters_total == 1_235_814_400
    assert HUB_MODELS.conform(hub_models({MODEL: fetched}))["config"][0] == json.dumps(CONFIG, sort_keys=True)
    row = as_architectures({MODEL: fetched}).row(0, named=True)
    assert (row["parameters_total"], row["kv_heads"], row["layers"]) == (1_235_814_400, 8, 16)
    assert set(row) <= set(ARCHITECTURES.column_names)


def test_what_was_fetched_once_is_asked_about_without_a_network(settings: Settings, hub: HubServer) -> None:
    doors = partial(published_door, Reader(settings.published), settings)
    with pytest.raises(UnknownModel, match="--online asks the hub"):
        doors()().model(MODEL)
    assert doors(online=True)().model(MODEL).name == MODEL
    asked = len(hub.asked)
    offline = doors()()
    assert offline.model(MODEL).hidden_size == 2048
    assert offline.model("new 1b").name == MODEL
    assert MODEL in offline.model_choices("decoder")
    assert len(hub.asked) == asked


def test_a_newer_revision_takes_the_place_of_an_older_one(settings: Settings, hub: HubServer) -> None:
    keep(MODEL, settings)
    hub.serve(f"/api/models/{MODEL}", whole(as_json({"sha": "beef"})))
    hub.serve(f"/{MODEL}/resolve/beef/config.json", whole(as_json({**CONFIG, "num_hidden_layers": 17})))
    hub.serve(f"/{MODEL}/resolve/beef/model.safetensors.index.json", status(404))
    keep(MODEL, settings)
    assert fetched_models(settings)[MODEL].revision == "beef"
    assert fetched_models(settings)[MODEL].stored_bytes is None


def test_files_made_from_a_model_lead_to_it(settings: Settings, hub: HubServer) -> None:
    made = f"{MODEL}-GGUF"
    hub.serve(f"/api/models/{made}", whole(as_json({"sha": "aa", "cardData": {"base_model": MODEL}})))
    hub.serve(f"/{made}/resolve/aa/config.json", status(404))
    assert keep(made, settings).model_id == MODEL


@pytest.mark.parametrize("payload", [b"[]", b"{", b"<html>", b'{"model_type": "unheard-of"}'])
def test_what_is_no_config_is_refused_or_kept_without_an_architecture(
    settings: Settings, hub: HubServer, payload: bytes
) -> None:
    hub.serve(f"/{MODEL}/resolve/{COMMIT}/config.json", whole(payload))
    if payload.startswith(b'{"'):
        model = keep(MODEL, settings)
        assert as_architectures({MODEL: model}).height == 0
        return
    with pytest.raises(UnknownModel):
        keep(MODEL, settings)
    assert fetched_models(settings) == {}


@pytest.mark.parametrize("name", ["../etc/passwd", "a", "a/b/c", "a/../b", ""])
def test_only_addresses_of_the_hub_are_asked_for(settings: Settings, hub: HubServer, name: str) -> None:
    with pytest.raises(UnknownModel, match="is not an address on the hub"):
        keep(name, settings)
    assert hub.asked == []
