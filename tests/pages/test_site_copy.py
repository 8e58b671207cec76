"""The static copy opens from a plain file server, in a browser that reaches no other host."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import BrowserContext

from dashboards.pages import PAGES
from dashboards.site.write import write
from warehouse.settings import Settings

from .faults import faults, resize
from .served_pages import REPOSITORY, downloaded, visiting

pytestmark = [pytest.mark.page]

_DRAWN = "() => window.Bokeh && Bokeh.documents.length && Bokeh.documents.every((d) => d.is_idle)"


MODEL = "Qwen/Qwen3.8-27B"


def _write(folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    chosen = ["home", "pareto", "model", f"model/{MODEL}", "device/RTX-4090"]
    command = [sys.executable, "-m", "dashboards.site", str(folder), *chosen]
    environment = os.environ | {"SKYLINE_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def copy(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few pages of it, with all tables."""
    folder = tmp_path_factory.mktemp("copy") / "site"
    done = _write(folder, bundled_home)
    assert re.search(r"^5 pages, \d charts and \d\d tables in ", done.stdout), done.stderr
    return folder


@pytest.fixture(scope="module")
def address(copy: Path) -> Iterator[str]:
    """Of `python -m http.server` over it."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(copy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split(" port ")[1].split()[0]
        yield f"http://127.0.0.1:{port}/"
        process.terminate()


@pytest.mark.slow
def test_the_copy_draws_its_charts_without_a_network_and_leads_from_chart_to_data(
    browser: BrowserContext, address: str, copy: Path
) -> None:
    for visit in visiting(browser, address):
        page = visit.page
        page.goto(address)
        page.get_by_role("navigation").get_by_text("Quality").click()
        page.get_by_role("link", name="Pareto", exact=True).click()
        page.wait_for_function(_DRAWN)
        assert faults(page, 1440, "light") + faults(page, 390, "dark") == []
        page.locator('a[href="chart/pareto/ability_front.html"]').click()
        page.get_by_role("heading", name="Its data").wait_for()
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert download.value.path().read_bytes() == (copy / "chart/pareto/ability_front.csv").read_bytes()
        # From a name to the model's own page, as static as the others.
        page.goto(f"{address}pareto.html")
        page.get_by_role("link", name=MODEL).first.click()
        page.get_by_role("heading", name=MODEL.partition("/")[2], exact=True).wait_for()
        page.wait_for_function(_DRAWN)
        page.get_by_role("heading", name="Where it fits").wait_for()
        resize(page, 390)
        assert page.evaluate("() => document.documentElement.scrollWidth") == 390
        heights = page.locator("table.list tbody tr").evaluate_all("rows => rows.map((row) => row.clientHeight)")
        assert max(heights) < 320, "a row that fills the screen"
        resize(page, 1440)
        page.get_by_role("link", name="RTX-4090", exact=True).click()
        page.get_by_role("heading", name="What runs best on it").wait_for()
        assert (visit.errors, visit.foreign) == ([], [])


@pytest.mark.slow
def test_every_link_of_the_copy_leads_to_a_file_and_tables_keep_their_rows(copy: Path) -> None:
    others = {f"{page.slug}.html" for page in PAGES if page.name not in {"home", "pareto"}}  # of the navigation
    for file in copy.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#?]+)', file.read_text("utf-8")):
            if not link.startswith(("http", "data:")) and Path(link).name not in others:
                assert (file.parent / unquote(link)).exists(), f"{file}: {link}"
    front_page = (copy / "pareto.html").read_text("utf-8")
    places = re.findall(r"<tr><td class=number>([^<]*)</td>", front_page)
    assert places[:3] == ["1", "2", "3"], "figures as the pages print them"
    front = downloaded((copy / "data" / "marts.pareto_front.csv").read_text("utf-8"))
    assert {"entry_id", "snapshot_id"} <= set(front[0])


def test_a_folder_with_other_things_in_it_is_not_touched(tmp_path: Path, bundled_home: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(OSError, match="name an empty folder"):
        write(tmp_path, Settings.model_validate({"home": str(bundled_home)}), PAGES)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
