"""Every page: stands without error, asks no other host, fits a phone, follows the theme, is reached by keyboard."""

import pytest
from playwright.sync_api import BrowserContext

from dashboards.pages import PAGES

from .faults import faults, resize
from .served_pages import Served, Visit, visiting

pytestmark = [pytest.mark.page]

SLUGS = [page.slug for page in PAGES]
OTHERS = ["model", "device", "model?id=Qwen/Qwen3.6-27B", "device?id=RTX-4090"]
CONTRASTED = ("", "serve", "processors")  # of all pages, in both themes, among the slow tests
ENTRIES = [f"{slug}?board=open_llm" for slug in ("leaderboard", "pareto", "scaling", "patterns")]
_CORNER = """() => {
  const found = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    if (e.nodeName === 'CANVAS') found.push(e)
    if (e.shadowRoot) walk(e.shadowRoot)
  } }
  walk(document)
  const [r, g, b] = found[0].getContext('2d').getImageData(found[0].width - 6, 12, 1, 1).data
  return (r + g + b) / 3
}"""


# A figure that is shown and was never laid out has no frame to draw in.
_UNLAID = """() => [...Bokeh.index.query((view) => view.model.type === 'Figure' && view.is_displayed)]
  .filter((view) => view.frame.bbox.width < 50).map((view) => view.model.name)"""


# A chart is said in words to those who do not see it.
_UNDESCRIBED = """() => [...Bokeh.index.query((view) => view.model.type === 'Figure' && view.is_displayed)]
  .filter((view) => !(view.canvas_view.el.getAttribute('aria-label') ?? '').startsWith('Chart: '))
  .map((view) => view.model.name)"""


# Every chart says how it is read, and leads to its data.
_UNREAD = """() => {
  const all = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    all.push(e)
    if (e.shadowRoot) walk(e.shadowRoot)
  } }
  walk(document)
  const said = new Set(all.filter((e) => e.matches('details.reading')).map((e) => e.dataset.of))
  const led = new Set(all.filter((e) => e.matches('a[data-object]')).map((e) => e.dataset.object))
  return [...Bokeh.index.query((view) => view.model.type === 'Figure' && view.is_displayed)]
    .map((view) => view.model.name).filter((name) => !said.has(name) || !led.has(name)) }"""


# Cells whose text breaks inside a word, is cut without a title, or has a hyphen for a minus; rows below the table.
_UNREADABLE = """() => {
  const found = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    if (e.shadowRoot) walk(e.shadowRoot)
    if (e.matches('.tabulator-tableholder') && e.scrollHeight > e.clientHeight) found.push(`low: ${e.textContent}`)
    if (!e.matches('.tabulator-cell') || !e.checkVisibility()) continue
    if (e.scrollWidth > e.clientWidth && e.style.textAlign !== 'right' && !e.title) found.push(`cut: ${e.textContent}`)
    if (/^-\\d/.test(e.textContent)) found.push(`hyphen: ${e.textContent}`)
    const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT)
    while (texts.nextNode()) for (const word of texts.currentNode.data.matchAll(/\\S+/g)) {
      const range = document.createRange()
      range.setStart(texts.currentNode, word.index)
      range.setEnd(texts.currentNode, word.index + word[0].length)
      if (new Set([...range.getClientRects()].map((line) => line.top)).size > 1) found.push(`torn: ${word[0]}`)
    }
  } }
  walk(document)
  return found }"""


# An interval in brackets that says its level neither there nor in the head of its column.
_UNLEVELLED = """() => {
  const found = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    if (e.shadowRoot) walk(e.shadowRoot)
    if (!e.matches('p, dd, td, li, h2, .tile, .tabulator-cell') || !e.checkVisibility()) continue
    const head = e.closest('table')?.querySelectorAll('thead th')[e.cellIndex]?.textContent ?? ''
    if (/% interval/.test(head)) continue
    found.push(...e.textContent.match(/\\([−-]?[\\d.,]+(?: to |–)[−-]?[\\d.,]+[^)]{0,12}\\)/g) ?? [])
  } }
  walk(document)
  return found }"""


# Heads of columns and names of choices that say nothing when they are reached; those that are names are links.
_UNEXPLAINED = """() => {
  const found = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    if (e.shadowRoot) walk(e.shadowRoot)
    if (!e.matches('.tabulator-col-title, thead th[scope=col], .bk-input-group > label')) continue
    const text = e.textContent.trim()
    if (text && !e.querySelector('a') && !/^Format of /.test(text) && !e.dataset.explained) found.push(text)
  } }
  walk(document)
  return found }"""


@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_stands_without_errors_or_grave_faults_and_asks_no_other_host(
    browser: BrowserContext, served: Served, slug: str
) -> None:
    for visit in visiting(browser, served.url, width=390, scheme="dark"):
        page = visit.open(slug)
        page.locator("h1").first.wait_for()
        assert [link.text_content().strip() for link in page.locator(".bar nav a").all()] == [p.title for p in PAGES]
        assert page.locator(".bar nav a[aria-current]").count() == 1
        assert page.evaluate(_UNLAID) == []
        assert faults(page, 390, "dark", contrast=slug in CONTRASTED) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.wait_for_function(f"() => !({_UNDESCRIBED})().length")  # told anew once nothing has changed for a while
        assert page.evaluate(_UNREAD) == []
        assert page.evaluate(_UNLEVELLED) == []
        page.wait_for_function(f"() => !({_UNEXPLAINED})().length")
        assert page.evaluate(_UNREADABLE) == []
        assert visit.errors == []
        assert visit.foreign == []
    assert served.complaints() == []


@pytest.mark.slow
@pytest.mark.parametrize("slug", [*SLUGS, *OTHERS])
def test_a_page_has_no_grave_faults_in_either_theme_at_any_width_and_fits_when_twice_as_large(
    visit: Visit, slug: str
) -> None:
    page = visit.open(slug)
    assert [fault for width in (390, 1440) for theme in ("light", "dark") for fault in faults(page, width, theme)] == []
    assert faults(page, 720, "light", fetching=True) == []  # 1440 px at 200 %
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    resize(page, 820)
    assert page.evaluate("document.documentElement.scrollWidth") <= 820
    assert page.evaluate(_CUT) == []


# A table of text that is wider than its card.
_CUT = """() => {
  const found = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    if (e.shadowRoot) walk(e.shadowRoot)
    if (e.matches('table.list') && e.checkVisibility() && e.offsetWidth > e.parentElement.clientWidth)
      found.push(e.getAttribute('aria-label'))
  } }
  walk(document)
  return found }"""


# A row of a table on a phone keeps a figure, where the table has any.
_FIGURELESS = """() => {
  const found = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    if (e.matches('.tabulator') && e.checkVisibility()) {
      const figures = [...e.querySelectorAll('.tabulator-row:first-child .tabulator-cell')]
        .filter((cell) => cell.style.textAlign === 'right')
      if (figures.length && !figures.some((cell) => cell.checkVisibility())) found.push(e.getAttribute('aria-label'))
    }
    if (e.shadowRoot) walk(e.shadowRoot)
  } }
  walk(document)
  return found }"""


@pytest.mark.slow
@pytest.mark.parametrize("slug", [*SLUGS, *OTHERS, *ENTRIES])
def test_a_page_in_the_dark_on_a_phone_needs_no_sideways_scrolling_and_its_tables_keep_a_figure(
    browser: BrowserContext, served: Served, slug: str
) -> None:
    for visit in visiting(browser, served.url, width=390, scheme="dark"):
        page = visit.open(slug)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate(_FIGURELESS) == []
        assert page.evaluate(_UNLEVELLED) == []
        assert visit.errors == []


@pytest.mark.slow
def test_the_theme_button_repaints_charts_too_and_is_remembered(visit: Visit) -> None:
    page = visit.open("pareto")
    assert page.evaluate(_CORNER) > 200
    page.get_by_role("button", name="Switch between light and dark").click()
    page.wait_for_function(f"({_CORNER})() < 60")
    # On paper it is the content alone, dark on white, with every column of its tables; nothing moves for who asks so.
    page.emulate_media(media="print", reduced_motion="reduce")
    page.set_viewport_size({"width": 1047, "height": 720})
    assert page.evaluate(f"() => {{ dispatchEvent(new Event('beforeprint')); return ({_CORNER})() }}") > 200
    assert page.locator(".bar, button").locator("visible=true").count() == 0
    assert page.evaluate(_ON_PAPER) == {"light": True, "wide": [], "moves": "none"}
    page.evaluate("() => { dispatchEvent(new Event('afterprint')) }")
    page.emulate_media(media="screen")
    visit.open("leaderboard")
    page.wait_for_function(f"({_CORNER})() < 60")


def test_on_paper_every_term_of_the_glossary_is_to_be_seen(visit: Visit) -> None:
    page = visit.open("glossary")
    page.emulate_media(media="print")
    terms = page.locator("dl.glossary dt")
    seen = terms.locator("visible=true")
    assert 0 < seen.count() < terms.count()
    page.evaluate("() => { dispatchEvent(new Event('beforeprint')) }")
    assert seen.count() == terms.count()
    page.evaluate("() => { dispatchEvent(new Event('afterprint')) }")
    assert seen.count() < terms.count()


_ON_PAPER = """() => {
  const wide = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    const {right} = e.getBoundingClientRect()
    if (e.matches('.tabulator-col, .tabulator-cell') && right > innerWidth) wide.push(e.textContent)
    if (e.shadowRoot) walk(e.shadowRoot)
  } }
  walk(document)
  const [red] = getComputedStyle(document.body).color.match(/\\d+/g).map(Number)
  const moves = getComputedStyle(document.querySelector('.progress'), '::after').animationName
  return {light: red < 60, wide, moves} }"""
_IN_A_ROW = """() => {
  let e = document.activeElement
  while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
  return e.matches('.tabulator-row') }"""
_FOCUSED = """() => {
  let e = document.activeElement
  while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
  const seen = [e, e.closest('.choices__inner')].some((one) => one && getComputedStyle(one).outlineStyle !== 'none')
  const name = e.getAttribute('aria-label') ?? e.textContent.trim().slice(0, 30)
  return [`${e.nodeName} ${name}`, seen || e.matches('.bk-layer, [class*="Button"]')] }"""


def walked(visit: Visit, address: str) -> list[str]:
    """Everything that Tab reaches on a page up to its last link, walking into and out of every table."""
    page = visit.open(address)
    reached: list[str] = []
    unseen: list[str] = []
    while "A Documentation" not in reached and len(reached) < 400:
        page.keyboard.press("Tab")
        name, is_seen = page.evaluate(_FOCUSED)
        reached.append(name)
        if not is_seen:
            unseen.append(name)
        if name.startswith("DIV Rows of"):
            for key in ("ArrowDown", "ArrowRight", "ArrowLeft", "ArrowDown"):
                page.keyboard.press(key)
                page.wait_for_function(_IN_A_ROW)  # a row that opens and closes gets the focus back
            page.keyboard.press("Escape")
            assert page.evaluate(_FOCUSED)[0] == name
    assert reached[-1] == "A Documentation"
    assert not any(name.startswith("BODY") for name in reached)  # the focus was lost on the way
    assert unseen == []
    return reached


def test_the_keyboard_goes_through_menus_fields_charts_and_tables_to_the_end_and_its_place_is_always_seen(
    visit: Visit,
) -> None:
    reached = walked(visit, "arena")
    assert {"A Skip to content", "SUMMARY Quality", "BUTTON Switch between light and dark"} <= set(reached)
    for kind in ("INPUT Models to follow", "DIV Rows of Everything", "BUTTON Next Page"):
        assert any(name.startswith(kind) for name in reached), kind
    visit.page.keyboard.press("Shift+Tab")
    assert visit.page.evaluate(_FOCUSED)[0] == "A Glossary"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "tables"),
    [
        ("model?id=Qwen/Qwen3.6-27B", {"Formats", "Where it fits", "Scores", "Ability"}),
        ("device?id=RTX-4090", {"What runs best on it", "Figures", "Rental prices", "Purchase prices"}),
    ],
)
def test_the_keyboard_goes_through_a_subject_to_the_end(visit: Visit, address: str, tables: set[str]) -> None:
    reached = walked(visit, address)
    assert tables <= {name.removeprefix("DIV Rows of ").partition(";")[0] for name in reached}
    assert visit.errors == []
