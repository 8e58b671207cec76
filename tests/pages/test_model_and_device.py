"""The pages of one model and one device, and the search field: figures are those of the tables and of the one door."""

import json
import re
import urllib.request
from pathlib import Path
from urllib.parse import quote, unquote

import polars as pl
import pytest

from dashboards.data import Data
from dashboards.finding import find, named_model
from dashboards.pages import PAGES
from dashboards.pages.device.page import DevicePage
from dashboards.pages.model.page import ModelPage
from profiling.answers.question import Question
from profiling.devices.accelerators import GIB
from profiling.models.gguf import gguf_file_size_bytes
from warehouse.settings import Settings

from .faults import faults, resize
from .served_pages import Served, Visit

# Bokeh calls pandas so; it is theirs to mend.
pytestmark = [pytest.mark.page, pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index")]

_PAPER_PX = 1047 * 273 / 186  # of A4 within its margins, at the width that a page is laid out in
MODEL, DEVICE = "Qwen/Qwen2.5-7B-Instruct", "RTX-4090"


@pytest.fixture(scope="module")
def data(bundled_home: Path) -> Data:
    return Data(Settings.model_validate({"home": str(bundled_home)}))


def first(data: Data, text: str) -> tuple[str, str]:
    found = find(data, PAGES, text)[0]
    return found.kind, found.name


def test_a_query_finds_what_people_call_a_model_a_device_or_a_page(data: Data) -> None:
    assert first(data, "qwen2.5 7b instruct") == ("model", MODEL)
    assert first(data, "4090") == ("device", DEVICE)
    assert first(data, "2x3090") == ("device", "RTX-3090")
    assert first(data, "advis") == ("page", "Advisor")
    assert first(data, "query in sql") == ("document", "Query in SQL")
    sections = {hit.address: hit.note for hit in find(data, PAGES, "energy") if hit.kind == "document"}
    assert sections["docs/explanation/memory-cost-carbon#energy-and-carbon"] == "Memory, cost and carbon"
    assert {hit.name for hit in find(data, PAGES, "h100")} >= {"H100-PCIe-80GB", "H100-SXM5-80GB"}
    # What is typed so far begins a word: a date that contains 4090 is no card.
    assert all("20240904" not in hit.name for hit in find(data, PAGES, "4090"))
    assert any(hit.name == MODEL for hit in find(data, PAGES, "qwen2.5-7b-ins"))
    # Nothing is meant by a slip of the keyboard, so what is spelled alike is offered, and says so.
    slips = find(data, PAGES, "RTX 4O9O")
    assert slips
    assert {hit.note for hit in slips} == {"spelled alike"}


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("carbon", "Footprint"), ("price", "Serve"), ("cost", "Which GPU?"), ("energy", "Footprint"),
        ("electricity", "Footprint"), ("memory", "Measured"), ("latency", "Serve"), ("cost api", "Serve"),
        ("vram", "Advisor"), ("elo", "Arena ratings"),
    ],
)  # fmt: skip
def test_a_word_finds_the_pages_and_the_documents_that_answer_it(data: Data, words: str, page: str) -> None:
    found = find(data, PAGES, words)
    assert page in {hit.name for hit in found if hit.kind == "page"}
    assert found[0].kind == "page"
    if words in {"carbon", "price", "cost", "energy", "memory", "latency"}:
        assert any(hit.kind == "document" for hit in found)


def test_the_whole_title_of_a_page_means_that_page(data: Data) -> None:
    assert first(data, "serve") == ("page", "Serve")


def test_a_model_without_an_address_on_the_hub_lists_the_results_under_its_name(data: Data) -> None:
    scores = ModelPage(data, "?id=GPT-5.2").scores.rows
    assert {"GPT-5.2", "gpt-5.2-2025-12-11_high"} <= set(scores["name_in_source"])  # of one board with its effort
    assert not any("pro" in name.lower() or "codex" in name.lower() for name in scores["name_in_source"])
    assert scores.height >= data.ask("model_ability", model_id="GPT-5.2")["results"].max()


def test_a_release_date_names_the_list_that_states_it(data: Data) -> None:
    assert "2025-12-11 <small>Epoch Capabilities Index</small>" in ModelPage(data, "?id=GPT-5.2").about.object
    bases = data.ask("ability_board", domain="overall").filter(pl.col("release_date").is_not_null())
    assert bases["release_date_basis"].null_count() == 0


def test_an_address_that_leads_nowhere_has_the_search_of_every_page(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.url + "nothing/at/all")
    assert faults(page, 390, "dark") == []
    page.get_by_role("combobox").fill("qwen2.5 7b instruct")
    page.get_by_role("option").first.wait_for()
    page.get_by_role("combobox").press("Enter")
    page.wait_for_url(lambda url: MODEL in unquote(url))


def test_the_documentation_is_searched_from_its_own_pages(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.url + "docs/how-to/serve")
    assert faults(page, 390, "light") == []
    page.get_by_role("combobox").fill("query in sql")
    page.get_by_role("option").first.wait_for()
    page.get_by_role("combobox").press("Enter")
    page.wait_for_url("**/docs/how-to/sql")
    assert page.get_by_role("heading", name="Query in SQL").is_visible()


def test_no_text_reaches_the_file_system(data: Data, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "llama"}', "utf-8")
    for text in (str(config), f"../{config}", str(tmp_path)):
        assert named_model(data, text).catalogue_id is None
        page = ModelPage(data, f"?id={quote(text)}")
        assert page.model is None
        assert page.formats.rows.is_empty()


def test_losses_that_were_measured_of_a_model_stand_beside_what_is_predicted_for_it(data: Data) -> None:
    page = ModelPage(data, "?id=Qwen/Qwen2.5-32B-Instruct")
    rows = {(row["format"], row["benchmark"]): row for row in page.quantised.rows.to_dicts()}
    mmlu = rows["INT4 g128 (INT4)", "MMLU"]
    assert mmlu["lost"] == pytest.approx(0.21)
    assert mmlu["predicted_low"] < mmlu["predicted"] < mmlu["predicted_high"]
    assert not mmlu["is_resolved"], "0.2 points may be the noise of two runs"
    assert "auto-round" in mmlu["source"]


def test_a_models_figures_are_those_of_the_tables_and_the_door(data: Data) -> None:
    page, door = ModelPage(data, f"?id={MODEL}&context=8192"), data.door()
    model = door.model(MODEL)
    stated = {row["fact"]: row["value"] for row in page.identity.to_dicts()}
    assert stated["KV cache"] == f"{model.kv_bytes_per_token():,.0f} bytes per token"
    assert stated["Permanent address"] == f"model/{MODEL}"
    assert page.fronts.rows["against"].str.contains(r"\((GiB|billion|s|USD per million tokens)\)$").all()
    assert f"{model.parameters_total:,}" in page.about.object
    formats = {row["weight_format"]: row for row in page.formats.rows.to_dicts()}
    assert formats["q4_k_m"]["file_gib"] == pytest.approx(gguf_file_size_bytes(model, "Q4_K_M").bytes / GIB)
    assert formats["q8_0"]["file_gib"] > formats["q4_k_m"]["file_gib"] > formats["q2_k"]["file_gib"]
    lost = data.evidence().lost(model, "q4_k_m")
    assert (formats["q4_k_m"]["lost"] is None) == (lost is None)
    if lost is not None:
        assert formats["q4_k_m"]["lost"] == pytest.approx(lost.likely)
    card = next(row for row in page.devices.rows.to_dicts() if row["accelerator"] == DEVICE)
    asked = Question(
        model=MODEL, accelerator=DEVICE, context=8192, engine=card["engine"], weight_format=card["weight_format"]
    )
    rate = door.answer(asked).estimate.tokens_per_s
    assert card["verdict"] == "fits"
    assert rate is not None
    assert card["tokens_per_s"] == pytest.approx(float(rate.likely_s))


def test_a_model_with_the_shapes_of_another_has_a_date_and_a_licence_of_its_own(data: Data) -> None:
    page = ModelPage(data, "?id=Qwen/Qwen3.6-27B")
    assert page.name is not None
    assert page.name.catalogue_id == "Qwen/Qwen3.5-27B"
    assert "layers, heads and widths of both are equal" in page.notes.object
    # The date by which the fronts of the same page place it; another source lists another.
    query = "SELECT release_date FROM marts.ability_models WHERE model_id = $name"
    (released,) = data._reader.query(query, {"name": "Qwen/Qwen3.6-27B"})["release_date"]
    assert {row["value"] for row in page.identity.to_dicts() if row["fact"] == "Released"} == {str(released)}


def test_a_models_evidence_is_every_row_of_the_tables(data: Data) -> None:
    named = "SELECT model_id FROM core.benchmark_results WHERE model_id LIKE '%/%' ORDER BY ALL LIMIT 1"
    judged = data._reader.query(named, {})["model_id"].item()
    page = ModelPage(data, f"?id={quote(judged)}")
    query = "SELECT score FROM core.benchmark_results WHERE model_id = $name AND is_newest"
    expected = data._reader.query(query, {"name": judged})["score"].sort().to_list()
    assert page.scores.rows["score"].sort().to_list() == expected


def test_a_devices_figures_are_those_of_the_table(data: Data) -> None:
    page, device = DevicePage(data, "?id=4090"), data.door().devices[DEVICE]
    figures = {row["figure"]: row["value"] for row in page.figures.rows.to_dicts()}
    assert figures["FP16 and BF16 peak"] == pytest.approx(device.peaks["fp16"] / 1e12)
    assert figures["Memory bandwidth"] == pytest.approx(device.bandwidth_bytes_per_s / 1e9)
    assert f"{device.usable_memory_bytes / GIB:.2f} GiB" in page.about.object
    assert device.memory_basis in page.about.object
    usual = page.market.rows.filter(page.market.rows["is_usual"]).filter(page.market.rows["price_kind"] == "on demand")
    assert usual["usd_per_device_hour"].to_list() == [data.door().usd_per_device_hour(DEVICE)]


def test_an_unknown_name_says_the_nearest(data: Data) -> None:
    device, model = DevicePage(data, "?id=RTX%204O9O"), ModelPage(data, "?id=Qwen/Qwen2.5-7C-Instructt")
    assert device.device is None
    assert "RTX-4090" in device.notes.object
    assert model.model is None
    assert "Qwen/Qwen2.5-7B-Instruct" in model.notes.object


def test_a_name_is_escaped(visit: Visit) -> None:
    page = visit.open("model?id=" + quote("<img src=x onerror=alert(1)>"))
    assert "onerror" in page.locator("main .note").inner_text()
    assert page.locator("main img").count() == 0
    assert visit.errors == []


def test_a_lasting_address_leads_to_the_page_and_search_leads_there_by_keyboard(visit: Visit, served: Served) -> None:
    page = visit.open(f"model/{MODEL}?context=8192")
    page.locator("h1").first.wait_for()
    assert visit.address() in {f"model?id={quote(MODEL, safe='')}&context=8192", f"model?id={MODEL}&context=8192"}
    field = page.get_by_role("combobox", name="Find a model, a device or a page")
    field.fill("4090")
    page.locator("#found [role=option]").first.wait_for()
    assert field.get_attribute("aria-expanded") == "true"
    field.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == "found-0"
    field.press("Enter")
    page.wait_for_url("**/device?id=RTX-4090")
    visit.settle()
    assert page.locator("h1").first.inner_text() == DEVICE
    assert visit.errors == []
    assert visit.foreign == []
    assert served.complaints() == []


@pytest.mark.slow
def test_on_paper_cards_go_on_over_the_page_s_end_and_on_a_phone_rows_keep_their_figure(visit: Visit) -> None:
    page = visit.open(f"model/{MODEL}?context=8192")
    # On paper a card goes on over the page's end, so that no page but the last is left half empty: rows of tables,
    # which are never torn, leave half a page in all.
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 1047, "height": 720})
    visit.settle()
    pages = page.evaluate("document.documentElement.scrollHeight") / _PAPER_PX
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) < pages + 1.5
    # On a phone a row keeps its name and the figure that most come for.
    page.emulate_media(media="screen")
    resize(page, 390)
    visit.open("device?id=RTX-4090")
    shown = [
        [
            head
            for head in table.locator(".tabulator-col-title").locator("visible=true").all_inner_texts()
            if head.strip()
        ]
        for table in page.locator(".tabulator").locator("visible=true").all()
    ]
    assert ["Model", "Ability"] in shown
    assert ["Figure", "Value", "Unit"] in shown
    assert visit.errors == []


def test_the_search_answers_as_json_and_bounds_what_it_is_asked(served: Served) -> None:
    with urllib.request.urlopen(f"{served.url}search?q={'x' * 5000}") as answer:  # noqa: S310 - our own address
        told = json.load(answer)
    assert len(told["query"]) == 100
    with urllib.request.urlopen(f"{served.url}search?q=") as answer:  # noqa: S310 - our own address
        assert json.load(answer)["found"] == []


def test_a_config_of_one_s_own_is_shown_to_its_reader_alone_and_what_is_wrong_with_it_by_line(visit: Visit) -> None:
    config = {
        "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
        "head_dim": 64, "tie_word_embeddings": True,
    }  # fmt: skip
    page = visit.open("model")
    field = page.get_by_label("Or the text of a config.json")
    field.fill('{"model_type": "llama",\n "hidden_size": }')
    page.get_by_role("button", name="Show this model").click()
    page.get_by_text("line 2").wait_for()
    field.fill(json.dumps(config))
    page.get_by_role("button", name="Show this model").click()
    page.get_by_role("heading", name="your model").wait_for()
    visit.settle()
    page.get_by_text("1.24 B").first.wait_for()  # Llama-3.2-1B: 1,235,814,400
    page.get_by_role("gridcell", name="RTX-4090", exact=True).wait_for()
    assert visit.address() == "model"
    assert visit.errors == []
