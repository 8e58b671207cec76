"""What visitors bring: seen among the rest by them alone, given back with their last page, wrong rows named."""

import json
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, expect

from .served_pages import Served, Visit, visiting

LEADERBOARD = """\
model_id,precision,parameters_total,average,IFEval,BBH,MATH Lvl 5,GPQA,MUSR,MMLU-PRO
me/tiny-tune,bfloat16,1500000000,31.0,60,30,20,20,20,36
me/huge-claims,bfloat16,7600000000,90.5,95,85,90,90,90,93
me/broken,bfloat16,7600000000,40,80,x,50,40,40,50
"""
VOTES = (
    "model_a,model_b,winner\n" + "mine,theirs,model_a\n" * 30 + "mine,theirs,model_b\n" * 10 + "mine,theirs,banana\n"
)
LLAMA_BENCH = {
    "gpu_info": "NVIDIA GeForce RTX 4090", "cpu_info": "", "backends": "CUDA", "model_type": "llama 8B Q4_K - Medium",
    "model_filename": "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "model_size": 4912898304, "model_n_params": 8030261312,
    "n_ubatch": 512, "type_k": "f16", "type_v": "f16", "n_gpu_layers": 99, "flash_attn": True, "n_prompt": 0,
    "n_gen": 128, "n_depth": 0, "test_time": "2026-01-11T10:02:11Z", "avg_ts": 131.9, "stddev_ts": 0.2,
}  # fmt: skip


@pytest.fixture
def stranger(browser: BrowserContext, served: Served) -> Iterator[Visit]:
    """Another browser."""
    yield from visiting(browser, served.url, is_new=True)


def bring(visit: Visit, name: str, content: str) -> None:
    """Choose a file on the page and have it read."""
    page = visit.open("own")
    page.locator("#own-file").set_input_files({"name": name, "mimeType": "text/plain", "buffer": content.encode()})
    page.get_by_role("button", name="Show it").click()


def shown(visit: Visit, name: str) -> None:
    """Wait until the page lists what was brought."""
    expect(visit.page.get_by_role("heading", name=name)).to_be_visible(timeout=120_000)
    visit.settle()


COUNTED = "sql?sql=" + quote("SELECT count(*) AS n FROM yours.core.leaderboard_entries WHERE model_id LIKE 'me/%'")
FRONT = "chart/pareto/pareto_front.csv?board=open_llm"


def test_a_leaderboard_is_among_the_rest_on_two_pages_for_its_visitor_alone(visit: Visit, served: Served) -> None:
    bring(visit, "mine_2026-11-20.csv", LEADERBOARD)
    shown(visit, "mine_2026-11-20.csv")
    expect(visit.page.get_by_text("line 4, column BBH: 'x' is not a number")).to_be_visible()
    visit.page.get_by_role("link", name="Leaderboard", exact=True).last.click()
    visit.settle()
    expect(visit.page.get_by_text("132 of 132 entries shown")).to_be_visible()
    expect(visit.page.get_by_label("Colour", exact=True)).to_have_value("Whose")
    expect(visit.page.get_by_text("me/huge-claims (yours)").first).to_be_visible()
    visit.open("pareto?board=open_llm")
    expect(visit.page.get_by_text("me/huge-claims (yours)").first).to_be_visible()
    assert "me/huge-claims (yours)" in visit.page.request.get(served.url + FRONT).text()
    with urllib.request.urlopen(served.url + FRONT) as answer:  # noqa: S310 - our own address, without their cookie
        assert "yours" not in answer.read().decode()
    visit.open(COUNTED)
    expect(visit.page.get_by_text("1 row × 1 column")).to_be_visible()
    expect(visit.page.locator("main .tabulator-row").get_by_text("2", exact=True)).to_be_visible()
    page = visit.open("own")
    page.get_by_role("button", name="Remove mine_2026-11-20.csv").click()
    expect(page.get_by_text("Nothing yet.")).to_be_visible(timeout=60_000)
    assert visit.errors == []


@pytest.mark.slow
def test_a_stranger_sees_nothing_of_it(visit: Visit, stranger: Visit) -> None:
    bring(visit, "mine_2026-11-20.csv", LEADERBOARD)
    shown(visit, "mine_2026-11-20.csv")
    stranger.open(COUNTED)
    expect(stranger.page.locator("main .note", has_text="The query failed")).to_be_visible()
    stranger.open("pareto?board=open_llm")
    assert "yours" not in stranger.page.locator("main").inner_text()
    assert "yours" not in stranger.page.request.get(visit.url + FRONT).text()
    assert visit.errors == stranger.errors == []


@pytest.mark.slow
def test_votes_are_rated_and_a_measurement_stands_beside_its_prediction(visit: Visit) -> None:
    bring(visit, "my_votes.csv", VOTES)
    shown(visit, "my_votes.csv")
    expect(visit.page.get_by_text("line 42, column winner: 'banana' is none of")).to_be_visible()
    bring(visit, "bench.json", json.dumps([LLAMA_BENCH]))
    shown(visit, "bench.json")
    for address in ("measured", "how-far-off"):
        page = visit.open(address)
        expect(page.get_by_text("1, of which 1 could be predicted")).to_be_visible()
    page = visit.open("arena?source=votes:yours: my_votes.csv")
    # 30 of 40 votes: 400 log10(3) points apart, as Bradley and Terry have it.
    expect(page.get_by_text("mine leads with 1,095")).to_be_visible()
    assert visit.errors == []


@pytest.mark.slow
def test_the_address_of_a_model_that_is_known_leads_to_its_page_and_another_says_what_to_paste(visit: Visit) -> None:
    page = visit.open("own")
    page.get_by_label("Or paste the address of a model on the hub").fill(
        "https://huggingface.co/someone/Nobody-Knows-7B"
    )
    page.get_by_role("button", name="Show it").click()
    expect(page.locator("[data-own-status]")).to_contain_text("paste the text of its config.json", timeout=60_000)
    page.get_by_label("Or paste the address of a model on the hub").fill("https://huggingface.co/Qwen/Qwen3.6-27B")
    page.get_by_role("button", name="Show it").click()
    shown(visit, "Qwen/Qwen3.6-27B")
    visit.errors.clear()  # the browser counts an address that was refused
    page.locator("main").get_by_role("link", name="Model", exact=True).click()
    expect(page.get_by_role("heading", name="Qwen3.6-27B").first).to_be_visible()
    assert visit.errors == []


@pytest.mark.slow
def test_what_cannot_be_shown_is_refused_in_a_sentence_and_nothing_is_held(visit: Visit) -> None:
    bring(visit, "shopping.csv", "what,price\nmilk,2\n")
    said = visit.page.locator("[data-own-status]")
    expect(said).to_contain_text("No known layout has the columns 'what', 'price'", timeout=300_000)
    bring(visit, "serve.json", '{"completed": 3, "mean_ttft_ms": 1, "mean_tpot_ms": NaN, "output_throughput": 2}')
    expect(said).to_contain_text("mean_tpot_ms is null or NaN")
    bring(visit, "large.csv", "x" * (16 << 20) + "y")
    expect(said).to_contain_text("the most is 16 MiB")
    answer = visit.page.request.post(f"{visit.url}own/file?name=a.csv", data="what,price\n")
    assert answer.status == 403, "another site may send it"
    assert "skyline_own" not in {cookie["name"] for cookie in visit.page.context.cookies()}


@pytest.mark.slow
def test_of_a_gguf_file_its_name_is_sent_and_leads_to_the_model(visit: Visit) -> None:
    bring(visit, "Qwen3.6-27B-Q4_K_M.gguf", "GGUF")
    shown(visit, "Qwen/Qwen3.6-27B")
    visit.page.locator("main").get_by_role("link", name="Model", exact=True).click()
    expect(visit.page.get_by_role("heading", name="Qwen3.6-27B").first).to_be_visible()
    assert visit.errors == []
