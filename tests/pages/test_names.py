"""Names of models and devices lead to their pages, in sentences and heads as in tables."""

from pathlib import Path

import pytest

from dashboards.data import Data
from warehouse.settings import Settings

from .served_pages import Visit

pytestmark = [pytest.mark.page]

# Captions and subtitles echo what was chosen.
_UNLINKED = """(names) => {
  const known = new Set(names), found = []
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) look(element.shadowRoot)
      if (!element.closest("li, .lead, .headline, dd, th, td, .tabulator-cell")) continue
      if (element.closest("a, button, code, .choices") || !element.getClientRects().length) continue
      const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
      const words = texts.flatMap((node) => node.data.split(/[\\s,;:()]+/)).map((word) => word.replace(/[.]$/, ""))
      found.push(...words.filter((word) => known.has(word)))
    }
  }
  look(document)
  return found
}"""


@pytest.mark.parametrize("address", ["", "which-gpu", "processors", "choices"])
def test_a_name_in_a_sentence_a_head_or_a_cell_is_a_link(visit: Visit, bundled_home: Path, address: str) -> None:
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
