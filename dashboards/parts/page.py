"""What a page is to the application, and the small pieces that pages share. No page's own content."""

import contextlib
import contextvars
import functools
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import panel as pn
import polars as pl
from markupsafe import Markup
from panel.io import unlocked

from dashboards import downloads
from dashboards.charts.thinning import MOST_POINTS
from dashboards.data import Data
from dashboards.parts import formats
from dashboards.parts.names import named
from dashboards.parts.state import UrlState
from dashboards.parts.templates import block
from dashboards.readings import reading
from warehouse.columns import headed

_ALL_AT_ONCE = contextvars.ContextVar("all_at_once", default=False)


class NothingToShow(LookupError):
    """The published warehouse holds nothing of what a page is about; the message says what is missing."""


@dataclass(frozen=True)
class Content:
    """What a page shows.

    Attributes:
        main: The page itself.
        sidebar: Makes its filters, where it has any; they come after the first chart, which nobody can filter before.
        overlay: What lies above it, such as a card.
        state: Choices that are kept in the address.
        address_begins: Names and values that stand in the address before the choices.
    """

    main: pn.viewable.Viewable
    sidebar: Callable[[], pn.viewable.Viewable] | None = None
    overlay: pn.viewable.Viewable | None = None
    state: UrlState | None = None
    address_begins: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        name: Names it in code and tests.
        title: As navigation shows it.
        slug: Its address below the root; empty for the first page.
        build: Makes its content for one session, from the data and the query string of the address.
        summary: What it answers, in a sentence; pages without one are not offered on the first page.
        group: The menu it is listed in; pages without one are listed by themselves.
        answers: Words that people search by for what it answers, beside those of its title and summary.
        sidebar: What its sidebar is called where it is folded; empty where it has none. A browser is told before the
            content is made, so that it loads the scripts meanwhile.
        is_sidebar_last: Whether the keyboard and small screens come to it after the page: it is looked up, not chosen.
        is_bare: Whether it stands without navigation, inside another page, for the query string of an address.
    """

    name: str
    title: str
    slug: str
    build: Callable[[Data, str], Content] = field(repr=False)
    summary: str = ""
    group: str = ""
    answers: str = ""
    sidebar: str = ""
    is_sidebar_last: bool = False
    is_bare: Callable[[str], bool] = field(default=lambda _search: False, repr=False)


class OfSession(Protocol):
    """A page as one session has it."""

    def content(self) -> Content:
        """Everything in its place."""


def of_session(made: Callable[[Data, str], OfSession]) -> Callable[[Data, str], Content]:
    """How a page is built that is an object of its session, made from the data and the query string of the address."""
    return lambda data, search: made(data, search).content()


@contextlib.contextmanager
def all_at_once() -> Iterator[None]:
    """Pages made in here draw all their parts immediately, for who needs them whole and watches none of them come."""
    token = _ALL_AT_ONCE.set(True)
    try:
        yield
    finally:
        _ALL_AT_ONCE.reset(token)


def is_watched() -> bool:
    """Whether a browser shows the page that is being made, so that what is seen first is drawn first."""
    return pn.state.curdoc is not None and not _ALL_AT_ONCE.get()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Send every change made inside to the browser at once.

    Bokeh's models may only be changed under the lock of their document, which a callback of Panel's does not always
    hold; so whatever changes a chart in answer to a widget does it in here.
    """
    with unlocked():
        yield


def html(text: str = "", **options: Any) -> pn.pane.HTML:
    """A pane of HTML that we wrote; whatever comes from data must be escaped before."""
    return pn.pane.HTML(text, **{"sizing_mode": "stretch_width", "margin": 0, **options})


def card(*objects: Any, **options: Any) -> pn.Column:
    """A framed part of a page."""
    return pn.Column(*objects, css_classes=["card"], sizing_mode="stretch_width", margin=(0, 0, 16, 0), **options)


def row(*objects: Any, gap: str = "10px 14px", align: str = "end", **options: Any) -> pn.Row:
    """Parts side by side that go on below where there is no more room.

    Panel's own `FlexBox` takes server and browser as long as ten other parts.

    Args:
        objects: The parts, each with a width of its own.
        gap: Between lines and between parts of a line, as CSS has it.
        align: Where a part stands that is lower than its line, as `align-self` has it.
        options: Of the row.
    """
    # Of a row that stretches, Panel makes the widths of all parts together the least width of the page.
    styles = {"gap": gap, "--align": align, "width": "100%"}
    return pn.Row(*objects, css_classes=["wrapping"], styles=styles, **{"sizing_mode": "fixed", "margin": 0, **options})


def drawer(details: pn.viewable.Viewable, shut: Callable[[], object]) -> pn.Column:
    """Details beside a page, hidden until something is opened, with a button that shuts them (`.close-drawer`)."""
    close = pn.widgets.Button(name="Close", css_classes=["close-drawer"], width=70, margin=(0, 0, 10, 0))

    def clicked(_event: Any) -> None:
        shut()

    close.on_click(clicked)
    return pn.Column(close, details, css_classes=["drawer"], visible=False, margin=0)


def notes(lines: list[str]) -> str:
    """Visible notes, escaped."""
    return block("notes", list(map(named, lines)))


def opening(title: str, lead: str, *, command: str = "", link: tuple[str, str] | tuple[()] = ()) -> str:
    """Title of a page and what it answers, escaped.

    Args:
        title: Its name.
        lead: What it answers.
        command: The command that answers the same.
        link: Address and name of the page that the last words of the lead speak of.
    """
    return block("opening", title, lead, command, link)


def heading(title: str, line: str = "") -> str:
    """Heading of a part of a page and the line below it, escaped."""
    return block("heading", named(title), named(line))


def about(chart: str, title: str, subtitle: str, caption: str) -> str:
    """Heading above a chart, whose names lead to their pages; a saved picture carries the same words."""
    plain = subtitle.striptags() if isinstance(subtitle, Markup) else subtitle
    return block("about", chart, title, plain, caption, named(title), named(subtitle))


def caption(text: str) -> str:
    """Line below a chart or table: snapshot, source, n."""
    return block("caption", named(text))


def working(text: str) -> str:
    """What is said while something runs, escaped."""
    return block("working", text)


def below(make: Callable[[], Sequence[pn.viewable.Viewable]]) -> pn.Column:
    """Parts of a page that are made once the browser shows what is above them; before, words stand in their place.

    Where no browser looks at the page, they are made at once. Figures among them must not lie in a `FlexBox`, which
    lays out what it holds only together with the page.
    """
    waiting = html(working("Drawing the rest of the page …"), css_classes=["waiting"])
    column = pn.Column(waiting, sizing_mode="stretch_width", margin=0)

    def fill() -> None:
        with together():
            column.objects = list(make())

    if is_watched():
        pn.state.onload(fill)
    else:
        fill()
    return column


def table(header: Sequence[str], lines: Sequence[Sequence[str]], *, is_html: bool = False) -> str:
    """A table of cells of text, which is escaped; with `is_html` of cells that are escaped already."""
    return block("table", header, [list(map(Markup, line)) for line in lines] if is_html else lines)


def sampled(rows: int) -> str:
    """What a caption says where a chart draws a sample of so many rows."""
    return f" A random {formats.count(MOST_POINTS)} of them are drawn." if rows > MOST_POINTS else ""


def picture_buttons(
    chart: str, which: str = "", *, stands_alone: bool = True, downloads: pn.Row | None = None
) -> pn.viewable.Viewable:
    """How a chart is read, buttons that save it, and the way to its data, in one row.

    Args:
        chart: Name of its figure.
        which: What it shows, where another lies in the same frame.
        stands_alone: Whether it has an address of its own.
        downloads: Buttons for rows that say more than the figure.
    """
    buttons = html(block("picture_buttons", chart, which, reading(chart), stands_alone), margin=(8, 0, 0, 0))
    if downloads is None:
        return buttons
    buttons.sizing_mode = None
    return row(buttons, downloads, gap="6px")


def download_buttons(
    name: str,
    rows: Callable[[], pl.DataFrame],
    describe: Callable[[], dict[str, Any]],
    data: Data,
    margin: int | tuple[int, int, int, int] = (8, 0, 8, 0),
) -> pn.Row:
    """Buttons that download the rows shown, as CSV, JSON and Parquet.

    Args:
        name: Of the files.
        rows: The rows, under the names of their columns.
        describe: What the page says of them: `source`, `query`, `address` and the like.
        data: What was asked for them.
        margin: Pixels around them: by default as between a heading and its table.
    """

    def made(form: str) -> io.BytesIO:
        frame = headed(rows())
        return io.BytesIO(downloads.file(form, frame, downloads.about(name, frame, describe(), data)))

    return pn.Row(
        *(
            pn.widgets.FileDownload(
                callback=functools.partial(made, form), filename=f"{name}.{form}", label=label, icon=None, height=32,
                sizing_mode="fixed", width=width, margin=(0, 6, 0, 0), embed=False, auto=True,
            )
            for form, label, width in (("csv", "CSV", 64), ("json", "JSON", 64), ("parquet", "Parquet", 78))
        ),
        margin=margin,
    )  # fmt: skip


def sql_block(pane: pn.pane.HTML, text: str) -> None:
    """Show the SQL behind a chart, folded, with a button that copies it."""
    pane.object = block("sql", text)


def snapshots(data: Data, query: str | None = None, about: str = "snapshot") -> pl.DataFrame:
    """Leaderboard snapshots with entries, newest first; of them those that a query names, where one is given.

    Raises:
        NothingToShow: there is none.
    """
    frame = data.snapshots()
    if query is not None:
        frame = frame.join(data.ask(query), on="snapshot_id", how="semi", maintain_order="left")
    if frame.is_empty():
        raise NothingToShow(f"The published warehouse holds no leaderboard {about}.")
    return frame


def snapshot_labels(snapshots: pl.DataFrame) -> dict[str, str]:
    """Label and identity of every snapshot, in order."""
    labels: dict[str, str] = {}
    for row in snapshots.iter_rows(named=True):
        label = f"{formats.board(row['board'])} · {row['as_of_date']} · {formats.count(row['entries'])} entries"
        if row["coverage"] != "full":
            label += f" · {formats.label(row['coverage'])}"
        # Two snapshots of one day differ only in where they came from.
        labels[label if label not in labels else f"{label} · {row['snapshot_id']}"] = row["snapshot_id"]
    return labels


def source_line(row: dict[str, Any]) -> str:
    """Where the figures of a snapshot come from, in one line."""
    return f"{formats.board(row['board'])}, snapshot of {row['as_of_date']}; source: {row['uri']}"
