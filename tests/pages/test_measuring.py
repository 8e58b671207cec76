"""Measuring from the page: what the operator allows, what comes of it, and what is left when it is stopped."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from dashboards.measuring import Measuring
from dashboards.pages.measured.form import forms
from profiling.measure.bundle import verify
from tests.answering import answering, tiny_checkpoint, tiny_gguf
from warehouse.settings import Settings

from .served_pages import Visit, serve, visiting

pytestmark = [pytest.mark.page]


@pytest.fixture(scope="module")
def home(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copied = tmp_path_factory.mktemp("measuring") / "home"
    shutil.copytree(bundled_home, copied, symlinks=True)
    return copied


@pytest.fixture(scope="module")
def measurable(browser: BrowserContext, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of pages on which a tiny checkpoint and a server that streams may be measured."""
    folder = tmp_path_factory.mktemp("models")
    checkpoint = tiny_checkpoint(folder / "org" / "tiny", "llama")
    tiny_gguf(checkpoint, folder / "tiny-F32.gguf", 0)
    tiny_gguf(checkpoint, folder / "tiny-Q8_0.gguf")
    with answering() as server:
        address = f"http://someone:secret@127.0.0.1:{server.server_address[1]}/v1"
        settings = {"SKYLINE_MEASURE_CHECKPOINTS": str(folder), "SKYLINE_MEASURE_ENDPOINTS": f'["{address}"]'}
        served = serve(home, tmp_path_factory.mktemp("served"), **settings)
        yield next(served).url
        served.close()


@pytest.fixture
def measure(browser: BrowserContext, measurable: str) -> Iterator[Visit]:
    yield from visiting(browser, measurable)


def form(page: Page, title: str) -> Any:
    return page.locator(".card", has=page.get_by_role("heading", name=title))


def landed(home: Path, kind: str) -> list[Path]:
    return sorted((home / "inbox").glob(f"{kind}-*.bundle"))


def measuring_processes(home: Path) -> list[str]:
    """Commands that measure into the home; others may measure elsewhere on the machine."""
    commands = [path.joinpath("cmdline") for path in Path("/proc").glob("[0-9]*")]
    return [
        text
        for c in commands
        if c.exists() and "profiling.measure" in (text := c.read_text(errors="replace")) and str(home) in text
    ]


@pytest.mark.slow
def test_a_prompt_is_answered_with_its_times_and_lands_in_the_inbox(measure: Visit, home: Path) -> None:
    page = measure.open("measured")
    prompt = form(page, "Run a prompt here")
    prompt.get_by_label("Prompt", exact=True).fill("the cat sat")
    prompt.get_by_label("Number format").select_option("float32")
    prompt.get_by_role("button", name="Measure").click()
    prompt.get_by_text("Time to first token").wait_for()
    prompt.get_by_role("cell", name="3 of the prompt").wait_for()
    (path,) = landed(home, "prompt")
    found = verify(path)
    (point,) = found.final_points()
    assert (point["stage"], point["context"], point["backend"]) == ("generate", 3, "plain")
    assert "cat" not in (path / "points.jsonl").read_text()
    # The same form asks a server, which has a name for its model and its own number format.
    prompt.get_by_label("Answered by").select_option(index=1)
    prompt.get_by_label("Model, as the server names it").fill("good")
    prompt.get_by_label("Number format").wait_for(state="hidden")
    prompt.get_by_role("button", name="Measure").click()
    prompt.get_by_text("the server, with its network and queue").wait_for()
    assert " 0 1 2" in prompt.locator("pre").inner_text()
    assert len(landed(home, "prompt")) == 2
    assert measure.errors == []


@pytest.mark.slow
def test_what_a_quantised_file_lost_is_said_and_lands_in_the_inbox(measure: Visit, home: Path) -> None:
    page = measure.open("measured")
    asked = form(page, "Loss from a number format")
    asked.get_by_label("Reference checkpoint").select_option("tiny-F32.gguf")
    asked.get_by_role("textbox", name="Other checkpoints").click()
    asked.locator(".choices__item--choice", has_text="tiny-Q8_0.gguf").click()
    asked.get_by_role("button", name="Measure").click()
    asked.get_by_role("cell", name="q8_0", exact=True).wait_for()
    (path,) = landed(home, "quality")
    first, second = sorted(verify(path).final_points(), key=lambda each: str(each["precision"]))
    assert (first["precision"], first["perplexity_over_first"], second["precision"]) == ("f32", 1.0, "q8_0")
    assert measure.errors == []


@pytest.mark.slow
def test_a_server_is_measured_at_the_chosen_loads_and_its_password_stays_here(measure: Visit, home: Path) -> None:
    page = measure.open("measured")
    server = form(page, "Measure a server")
    server.get_by_role("button", name="Measure").click()
    server.get_by_text("Enter the model").wait_for()
    server.get_by_label("Model, as the server names it").fill("good")
    server.get_by_label("Requests for each", exact=True).fill("4")
    server.get_by_role("button", name="Measure").click()
    server.get_by_text("is in the inbox").wait_for()
    (path,) = landed(home, "served")
    assert [(row["batch"], row["errors"]) for row in verify(path).final_points()] == [(1, 0), (4, 0)]
    assert server.get_by_role("row").count() == 3
    assert "secret" not in page.content()
    assert not any(b"secret" in file.read_bytes() for file in path.rglob("*") if file.is_file())
    assert measure.errors == []


@pytest.mark.slow
def test_what_fails_says_why_and_what_is_cancelled_leaves_nothing(measure: Visit, home: Path) -> None:
    page = measure.open("measured")
    server = form(page, "Measure a server")
    before = landed(home, "served")
    server.get_by_label("Model, as the server names it").fill("broken")
    server.get_by_role("button", name="Measure").click()
    server.get_by_text("does not answer: HTTP 500").wait_for()
    server.get_by_label("Model, as the server names it").fill("hanging")
    server.get_by_role("button", name="Measure").click()
    server.get_by_text("Measuring …").wait_for()
    page.wait_for_function("() => true")
    server.get_by_role("button", name="Cancel").click()
    server.get_by_text("Cancelled. Nothing was saved.").wait_for()
    assert landed(home, "served") == before
    assert list((home / "measuring").iterdir()) == []
    assert measuring_processes(home) == []


def test_an_empty_folder_of_checkpoints_is_named_and_no_folder_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    (card,) = forms(Measuring(Settings.model_validate({"home": str(tmp_path), "measure_checkpoints": str(folder)})))
    assert "There is no checkpoint in the folder “checkpoints”" in card[0].object
    assert forms(Measuring(Settings.model_validate({"home": str(tmp_path)}))) == []
