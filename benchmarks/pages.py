"""Pages in a real browser against a floor: a bare Bokeh scatter of as many rows whose data source is replaced.

python benchmarks/pages.py [--home HOME] [--runs 5] [--sessions 20] [--rows 5000 100000]

HOME is a home with a published release; by default one is made from the bundled facts. Rows of the published board are
repeated or cut to 5,000 and 100,000, so that pages and floor draw boards of one size. Timed are the first chart, from
asking for the page until it is drawn; the whole page, until nothing more comes; and a change, from a page at rest: from
the widget until the frame after the new data, the median of some on a visit. Ratios are to the floor of the same round,
the median of all rounds is printed, so that what else the machine does weighs on both. Then so many people choose at
the same moment, each with a machine of his own: what the server takes longer for them than for one is added to what one
waits.
"""

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from _people import choice_times

from pipelines.commands.doctor import BROWSERS

ROWS = (5_000, 100_000)
FLOOR = "floor"
# Page, its first figure, title of the select that is changed, name of the figure that must follow.
PAGES = (
    (FLOOR, FLOOR, "Filter", FLOOR),
    ("leaderboard?board=open_llm", "scatter", "Merged", "scatter"),
    ("pareto?board=open_llm", "pareto_front", "Against", "pareto_front"),
    ("scaling?board=open_llm", "scaling", "Size", "scaling"),
    ("patterns?board=open_llm", "heatmap", "Group by", "components"),
)
_ENTRIES = ("entries", "scores", "scaling_residuals", "patterns_entries", "z_scores", "density")
_FIRST = """(name) => { if (!window.Bokeh || !Bokeh.documents.length) return false
  const [view] = [...Bokeh.index.query((view) => view.model.name === name)]
  return view !== undefined && view.has_finished() }"""
_READY = """() => Bokeh.documents.every((d) => d.is_idle)
  && ![...Bokeh.index.query((view) => view.model.css_classes?.includes('waiting'))].length"""
_QUIET_S = 0.2
_IDLE_PCT = 20
_CHANGES = 3
_CHANGE = """([title, name]) => new Promise((resolve, reject) => {
  const models = Bokeh.documents.flatMap((d) => [...d._all_models.values()])
  const select = models.find((m) => m.type?.endsWith('Select') && m.title === title)
  const figure = models.find((m) => m.type === 'Figure' && m.name === name)
  const values = select.options.map((o) => Array.isArray(o) ? o[0] : o)
  const start = performance.now()
  let done = false
  const drawn = () => { if (done) return; done = true
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start))) }
  for (const r of figure.renderers) r.data_source.properties.data.change.connect(drawn)
  setTimeout(() => reject(new Error('no new data in a minute')), 60000)
  select.value = values[(values.indexOf(select.value) + 1) % 2]
})"""


def serve(home: str, rows: int, port: int, counts: str) -> None:
    """Serve every page and the floor on a board of so many rows, writing the number of sessions to a file."""
    import numpy as np  # noqa: PLC0415 - in the process that serves alone
    import panel as pn  # noqa: PLC0415
    import polars as pl  # noqa: PLC0415
    from bokeh.models import ColumnDataSource  # noqa: PLC0415
    from bokeh.plotting import figure  # noqa: PLC0415

    from dashboards import app, serving  # noqa: PLC0415
    from dashboards.data import Data  # noqa: PLC0415
    from dashboards.own_files import OwnFiles  # noqa: PLC0415
    from dashboards.pages import PAGES as ALL  # noqa: PLC0415
    from dashboards.parts import theme  # noqa: PLC0415
    from warehouse.settings import Settings  # noqa: PLC0415

    pn.extension("tabulator", design=theme.DESIGN, notifications=False)
    settings = Settings.model_validate({"home": home, "most_sessions": 1_000})

    class Grown(Data):
        """The warehouse with its board repeated or cut to the number of rows."""

        def __init__(self) -> None:
            super().__init__(settings)
            self._grown: dict[Any, pl.DataFrame] = {}

        def ask(self, name: str, **parameters: Any) -> pl.DataFrame:
            frame = super().ask(name, **parameters)
            if name not in _ENTRIES or frame.is_empty():
                return frame
            key = (name, tuple(sorted(parameters.items())))
            if key not in self._grown:
                entries = super().ask("entries", snapshot_id=parameters["snapshot_id"])["entry_id"]
                whole, rest = divmod(rows, entries.len())
                copies = [
                    frame.with_columns(pl.col("entry_id") + f" {copy}") if copy else frame for copy in range(whole)
                ]
                some = frame.filter(pl.col("entry_id").is_in(entries.head(rest).implode()))
                copies.append(some.with_columns(pl.col("entry_id") + f" {whole}"))
                self._grown[key] = pl.concat(copies)
            return self._grown[key]

    def floor() -> Any:
        random = np.random.default_rng(1)
        boards = {name: random.normal(size=(2, rows)) for name in ("a", "b")}
        source = ColumnDataSource({"x": boards["a"][0], "y": boards["a"][1]})
        plot = figure(name=FLOOR, height=480, sizing_mode="stretch_width")
        plot.scatter("x", "y", source=source, size=6)
        select = pn.widgets.Select(name="Filter", options=list(boards))

        def replace(event: Any) -> None:
            source.data = {"x": boards[event.new][0], "y": boards[event.new][1]}

        select.param.watch(replace, "value")
        return pn.Column(select, pn.pane.Bokeh(plot, sizing_mode="stretch_width"), sizing_mode="stretch_width")

    own, metrics = OwnFiles(settings, Grown()), serving.Metrics(settings)
    sessions = {page.slug or "/": app._opener(page, own, metrics, ()) for page in ALL} | {FLOOR: floor}
    server = pn.serve(
        sessions, port=port, address="127.0.0.1", show=False, start=False, verbose=False, admin=False,
        static_dirs={"assets": str(Path(app.__file__).parent / "assets")}, unused_session_lifetime=10_000,
        check_unused_sessions=500,
    )  # fmt: skip

    def count() -> None:
        while True:
            Path(counts).write_text(str(len(server.get_sessions())))
            time.sleep(0.5)

    threading.Thread(target=count, daemon=True).start()
    app.spare_collections()
    server.run_until_shutdown()


class Server:
    """A process that serves a board of so many rows."""

    def __init__(self, home: Path, rows: int, folder: Path) -> None:
        """Start it and wait until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.counts, self.log = folder / "sessions", folder / f"{rows}.log"
        self._stream = self.log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(home), str(rows), str(self.port), str(self.counts)],
            stdout=self._stream, stderr=self._stream,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )  # fmt: skip
        self.url = f"http://127.0.0.1:{self.port}/"
        for _ in range(300):
            try:
                urllib.request.urlopen(self.url + FLOOR, timeout=30).close()  # noqa: S310 - our own address
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise RuntimeError(self.log.read_text())

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)
        self._stream.close()


class Round(NamedTuple):
    """Milliseconds of one visit, and of the server's processors in it, which other work on the machine leaves alone."""

    first: float
    whole: float
    change: float
    first_server: float
    change_server: float


def timed(browser: Any, server: Server, runs: int) -> dict[str, list[Round]]:
    """Per page its rounds, in turns: to its first chart, to all of it, and to the chart after a change."""
    import psutil  # noqa: PLC0415 - of the extra `bench`

    process = psutil.Process(server.process.pid)

    def worked() -> float:
        spent = process.cpu_times()
        return float(spent.user + spent.system)

    times: dict[str, list[Round]] = {slug: [] for slug, *_ in PAGES}
    for _ in range(runs):
        for slug, first_figure, title, name in PAGES:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(180_000)
            rest = Rest(page, server)
            started, before = time.perf_counter(), worked()
            page.goto(server.url + slug, wait_until="commit")
            page.wait_for_function(_FIRST, arg=first_figure)
            first, first_server = time.perf_counter() - started, worked() - before
            whole = rest.wait() - started
            changes, change_server = [], 0.0
            for _ in range(_CHANGES):
                page.evaluate(_CHANGE, [title, name])  # the first answers fill the caches of server and browser
                rest.wait()
                before = worked()
                changes.append(page.evaluate(_CHANGE, [title, name]))
                change_server += (worked() - before) / _CHANGES
                rest.wait()
            change = statistics.median(changes)
            times[slug].append(Round(first * 1000, whole * 1000, change, first_server * 1000, change_server * 1000))
            page.close()
    return times


def ratios(page: list[Round], floor: list[Round]) -> Iterator[tuple[float, float]]:
    """Median milliseconds of each column, and median ratio to the floor of the same round."""
    for took, least in zip(zip(*page, strict=True), zip(*floor, strict=True), strict=True):
        # Processors are told in hundredths of a second, of which a change of the floor takes none.
        paired = [duration / max(other, 10.0) for duration, other in zip(took, least, strict=True)]
        yield statistics.median(took), statistics.median(paired)


class Rest:
    """Knows when a page has drawn all it was sent and its server has nothing more to say."""

    def __init__(self, page: Any, server: Server) -> None:
        self._page, self._server, self._heard = page, server, 0.0
        page.on("websocket", lambda socket: socket.on("framereceived", self._hear))

    def _hear(self, _frame: object) -> None:
        self._heard = time.perf_counter()

    def wait(self) -> float:
        """Wait for it; returns when the last was drawn."""
        while True:
            self._page.wait_for_function(_READY)
            drawn = time.perf_counter()
            # Answered when the server has done what it was about to do.
            urllib.request.urlopen(self._server.url + "assets/skyline.css", timeout=60).close()  # noqa: S310 - our own address
            self._page.wait_for_timeout(_QUIET_S * 1000)
            if self._heard < drawn:
                return drawn


def open_together(server: Server, slug: str, sessions: int) -> None:
    """Open sessions of a page at once on a fresh server, print what each takes, and whether closing frees them."""
    import panel as pn  # noqa: PLC0415 - so that the client knows the models of the pages
    import psutil  # noqa: PLC0415 - of the extra `bench`
    from bokeh.client import pull_session  # noqa: PLC0415
    from bokeh.document.events import MessageSentEvent  # noqa: PLC0415
    from bokeh.events import DocumentReady  # noqa: PLC0415

    pn.extension("tabulator")
    process = psutil.Process(server.process.pid)
    opened: list[Any] = []
    errors: list[str] = []

    def open_one() -> None:
        try:
            path, _, query = slug.partition("?")
            session = pull_session(url=server.url + path, arguments=dict(parse_qsl(query)))
            opened.append(session)
            # What a browser says when it shows the page, upon which the rest is made; Bokeh's client cannot.
            ready = MessageSentEvent(session.document, "bokeh_event", DocumentReady())
            session._connection._send_patch_document(session.id, ready)
        except Exception as failure:  # noqa: BLE001 - counted and printed
            errors.append(repr(failure))

    def rest() -> None:
        while process.cpu_percent(0.5) > _IDLE_PCT:
            pass

    open_one()  # fills the caches of the server
    rest()
    before, started = process.memory_info().rss, time.perf_counter()
    threads = [threading.Thread(target=open_one) for _ in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rest()
    wall, each = time.perf_counter() - started, (process.memory_info().rss - before) / 2**20 / sessions
    alive = server.counts.read_text()
    for session in opened:
        session.close()
    left = alive
    for _ in range(120):  # Panel looks for closed ones twice a minute
        time.sleep(0.5)
        left = server.counts.read_text()
        if left == "0":
            break
    print(
        f"{slug:<12} {sessions} sessions at once, drawn in {wall:.1f} s, {len(errors)} errors, {each:.1f} MiB each, "
        f"{alive} alive with the one before, {left} left after closing"
    )
    for error in sorted(set(errors)):
        print("   ", error)
    complaints = [line for line in server.log.read_text().splitlines() if "ERROR" in line or "Traceback" in line]
    if complaints:
        print(f"    {len(complaints)} errors in the server's log")


def main() -> int:
    """Print times and ratios."""
    if sys.argv[1:2] == ["--serve"]:
        home, rows, port, counts = sys.argv[2:]
        serve(home, int(rows), int(port), counts)
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--sessions", type=int, default=20, help="at once per page; 0 leaves them out")
    options = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        print(f"None of {', '.join(BROWSERS)} on this machine.")
        return 0
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the extra `test`

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        home = options.home or folder / "home"
        if options.home is None:
            environment = {**os.environ, "SKYLINE_HOME": str(home)}
            command = [sys.executable, "-m", "pipelines.commands.app", "refresh", "--source", "bundled"]
            subprocess.run(command, check=True, env=environment, capture_output=True)
        changes: dict[str, float] = {}
        for rows in options.rows:
            server = Server(home, rows, folder)
            try:
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                    found = timed(browser, server, options.runs)
                    browser.close()
                print(f"{rows:,} rows; ms, and ratios to a bare page of as many rows")
                heads = ("first chart", "whole page", "change", "server, first chart", "server, change")
                print(f"{'':<28} {' '.join(f'{head:>20}' for head in heads)}")
                for slug, took in found.items():
                    changes.setdefault(slug, statistics.median(visit.change for visit in took))
                    cells = (f"{ms:>12.0f} {ratio:>7.2f}" for ms, ratio in ratios(took, found[FLOOR]))
                    print(f"{slug:<28} {' '.join(cells)}", flush=True)
            finally:
                server.close()
        for slug, _, title, _ in PAGES[1:] if options.sessions else ():
            server = Server(home, options.rows[0], folder)
            try:
                alone, many = asyncio.run(choice_times(server.port, slug, title, options.sessions))
                print(
                    f"{slug:<28} answered after {alone:.0f} ms to one, {many:.0f} ms to 19 in 20 of "
                    f"{options.sessions} at once; until it is drawn "
                    f"{(changes[slug] + many - alone) / changes[slug]:.1f} times of one",
                    flush=True,
                )
                open_together(server, slug, options.sessions)
            finally:
                server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
