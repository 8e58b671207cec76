"""A model that was fetched from the hub once stands on the pages beside the catalogue's own, with the same numbers."""

import json
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from dashboards.data import Data
from dashboards.finding import find
from dashboards.pages import PAGES
from dashboards.pages.model.page import ModelPage
from dashboards.pages.processors.page import Processors
from dashboards.pages.roofline.page import Roofline
from dashboards.pages.serve.page import Serve
from dashboards.pages.which_gpu.page import WhichGpu
from pipelines.commands.app import app
from pipelines.sources.hub.models import fetched_models, hub_models, keep
from tests.unit.sources.hub_server import hub_server, whole
from warehouse.contracts import TABLES, VIEWS
from warehouse.contracts.catalogue import HUB_MODELS
from warehouse.lake import Lake
from warehouse.publish import publish
from warehouse.settings import Settings

pytestmark = [
    pytest.mark.page,
    # Bokeh calls pandas so; it is theirs to mend.
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index"),
    pytest.mark.filterwarnings("ignore:Widget.name is deprecated:PendingDeprecationWarning"),
]

MODEL, COMMIT, DEVICE = "org/New-1B", "c0ffee", "RTX-4090"
CONFIG = {
    "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256, "max_position_embeddings": 131072,
    "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def home(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled home after somebody asked for a model of the hub, and after the refresh that follows."""
    home = tmp_path_factory.mktemp("fetched") / "home"
    for part in ("lake", "published"):
        shutil.copytree(bundled_home / part, home / part)
    with hub_server() as hub:
        settings = Settings.model_validate({"home": str(home), "hub_url": hub.address, "http_attempts": 1})
        hub.serve(f"/api/models/{MODEL}", whole(json.dumps({"sha": COMMIT}).encode()))
        hub.serve(f"/{MODEL}/resolve/{COMMIT}/config.json", whole(json.dumps(CONFIG).encode()))
        index = {"metadata": {"total_size": 2471645608}, "weight_map": {}}
        hub.serve(f"/{MODEL}/resolve/{COMMIT}/model.safetensors.index.json", whole(json.dumps(index).encode()))
        keep(MODEL, settings)
    lake = Lake(home / "lake")
    lake.write(HUB_MODELS, hub_models(fetched_models(settings)))
    publish(lake, TABLES, home / "published", "with a fetched model", views=VIEWS)
    return home


@pytest.fixture(scope="module")
def data(home: Path) -> Data:
    return Data(Settings.model_validate({"home": str(home)}))


def test_it_is_found_and_offered_wherever_models_are(data: Data) -> None:
    assert [(hit.kind, hit.name) for hit in find(data, PAGES, "new-1b")][:1] == [("model", MODEL)]
    for page in (
        Roofline(data, f"?model={quote(MODEL)}"), Serve(data, f"?model={quote(MODEL)}"),
        Processors(data, f"?model={quote(MODEL)}"),
    ):  # fmt: skip
        assert page.state.model == MODEL
        assert {MODEL, "meta-llama/Meta-Llama-3.1-8B-Instruct"} <= set(page.state.param.model.objects)
        assert page._notes == []
    matrix = WhichGpu(data, f"?models={quote(MODEL)}")
    assert matrix.cells["model"].unique().to_list() == [MODEL]
    assert matrix.cells.filter(accelerator=DEVICE, weights="bf16")["devices"].to_list() == [1]
    shown = ModelPage(data, f"?id={quote(MODEL)}")
    assert "1,235,814,400" in shown.about.object
    assert shown.devices.rows.filter(accelerator=DEVICE)["verdict"].to_list() == ["fits"]


def test_the_page_says_of_it_what_the_command_says(data: Data, home: Path) -> None:
    answer = Roofline(data, f"?model={quote(MODEL)}&accelerator={DEVICE}&batch=4").sides[""].answer
    assert answer is not None
    done = CliRunner().invoke(
        app, ["roofline", MODEL, DEVICE, "--batch", "4", "--format", "json"], env={"SKYLINE_HOME": str(home)}
    )
    (row,) = json.loads(done.stdout)
    shown = json.loads(json.dumps(answer.row()))
    assert shown == {name: pytest.approx(value) if isinstance(value, float) else value for name, value in row.items()}
