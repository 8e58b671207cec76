"""Names of models and devices lead to their pages, in sentences and heads as in tables."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from dashboards.data import Data
from dashboards.parts.names import named
from dashboards.parts.page import about
from warehouse.settings import Settings

from .served_pages import Served, Visit

pytestmark = [pytest.mark.page]

_UNLINKED = """(names) => {
  const known = new Set(names), found = []
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) look(element.shadowRoot)
      if (!element.closest("li, .lead, .headline, .caption, .counts, .note, h2, dd, th, td, .tabulator-cell")) continue
      if (element.closest("a, button, code, .choices") || !element.getClientRects().length) continue
      const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
      const words = texts.flatMap((node) => node.data.split(/[\\s,;:()]+/)).map((word) => word.replace(/[.]$/, ""))
      found.push(...words.filter((word) => known.has(word)))
    }
  }
  look(document)
  return found
}"""


@pytest.mark.parametrize(
    "address", ["", "advisor", "which-gpu", "processors", "serve", "choices", "compare", "roofline"]
)
def test_a_name_in_a_sentence_a_head_a_legend_or_a_cell_is_a_link(
    visit: Visit, bundled_home: Path, address: str
) -> None:
    data = Data(Settings.model_validate({"home": str(bundled_home)}))
    devices = list(data.door().devices)
    models = [name for name in data.ask("known_models")["model_id"] if "/" in name]
    page = visit.open(address)
    assert page.evaluate(_UNLINKED, [*devices, *models]) == []
    assert visit.errors == []


def test_the_links_of_two_fleets_and_of_the_matrix_lead_to_the_pages_of_their_devices(visit: Visit) -> None:
    page = visit.open("serve")
    page.get_by_role("columnheader", name="4 × B200-SXM-180GB").get_by_role("link", name="B200-SXM-180GB").wait_for()
    page = visit.open("which-gpu")
    page.get_by_role("columnheader").get_by_role("link", name="RTX-4090", exact=True).click()
    page.get_by_role("heading", name="RTX-4090", exact=True).wait_for()
    assert visit.errors == []


def test_names_are_links_wherever_they_end_and_commands_stay_as_they_are() -> None:
    def link(address: str, name: str) -> str:
        return f'<a href="{address}">{name}</a>'

    card, model = link("device/RTX-4090", "RTX-4090"), link("model/Qwen/Qwen3-8B", "Qwen/Qwen3-8B")
    socket = link("device/EPYC-9654%20%281%20socket%29", "EPYC-9654 (1 socket)")
    assert named("RTX-4090, 2 × RTX-4090; Qwen/Qwen3-8B.") == f"{card}, 2 × {card}; {model}."
    assert named("on EPYC-9654 (1 socket)") == f"on {socket}"
    apart = "Qwen/Qwen3-8B-GGUF, RTX-4090-x, `skyline plan Qwen/Qwen3-8B`"
    assert named(apart) == apart
    assert named("a < b on RTX-4090") == f"a &lt; b on {card}"
    assert named(named("RTX-4090")) == card
    # What a saved picture and a download carry is plain text.
    assert 'data-subtitle="On RTX-4090"' in about("chart", "Title", named("on RTX-4090"), "caption")


_POINT = """(name) => {
  const [figure] = Bokeh.index.query((view) => view.model.type === "Figure" && view.model.name === name)
  figure.el.scrollIntoView({block: "center"})
  const [tap] = figure.model.toolbar.tools.filter((tool) => tool.type === "TapTool")
  const marks = [...figure.renderer_views.values()].find((view) => tap.renderers.includes(view.model))
  const {frame} = figure, at = figure.el.getBoundingClientRect(), {sx, sy} = marks.glyph
  const last = [...sx.keys()].filter((i) => sx[i] > frame.bbox.left && sx[i] < frame.bbox.right).at(-1)
  return {x: at.left + sx[last], y: at.top + sy[last]}
}"""


@pytest.mark.parametrize(
    ("address", "chart", "kind"),
    [("leaderboard", "ability", "model"), ("processors", "processors", "device"), ("scaling", "scaling", "model")],
)
def test_a_mark_of_a_chart_opens_the_page_of_what_it_stands_for_and_says_so_before(
    visit: Visit, address: str, chart: str, kind: str
) -> None:
    page = visit.open(address)
    page.evaluate(_POINT, chart)  # scrolls
    visit.settle()
    place = page.evaluate(_POINT, chart)
    page.mouse.move(place["x"] - 1, place["y"])
    page.mouse.move(place["x"], place["y"])
    page.get_by_text("Click to open its page").first.wait_for()
    page.mouse.click(place["x"], place["y"])
    page.wait_for_url(f"**/{kind}?id=*")
    visit.settle()
    page.get_by_role("heading", level=1).first.wait_for()
    assert visit.errors == []


def test_a_finger_is_told_what_it_touched_and_led_there(browser: BrowserContext, served: Served) -> None:
    assert browser.browser is not None
    phone = browser.browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    visit = Visit(phone.new_page(), served.url)
    page = visit.open("leaderboard")
    page.evaluate(_POINT, "ability")  # scrolls
    visit.settle()
    place = page.evaluate(_POINT, "ability")
    page.touchscreen.tap(place["x"], place["y"])
    page.get_by_role("link", name="Open the page of").tap()
    page.wait_for_url("**/model?id=*")
    phone.close()
