"""What the arena pages share: states, which board of which series is chosen, search, and words for what boards hold."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import panel as pn
import param
import polars as pl

from analytics.units import decimal
from dashboards.charts.ratings_classes import UNKNOWN
from dashboards.charts.ratings_history import MOST_MODELS
from dashboards.parts import controls, formats
from dashboards.parts.benchmarks import arena, arenas, categories, category
from dashboards.parts.state import UrlState

PUBLICATIONS = {
    "leaderboard_dataset": "Published dataset",
    "board_csv": "Board snapshots",
    "arena_catalog": "Board catalogue, all categories",
    "boards_2026": "Boards of 2026, leading models",
    "alltime": "All-time series",
    "space_table": "First tables of 2023",
    "reference": "Bundled selection of models",
    "living_boards": "Newest boards",
}
"""Series of boards in the order in which they are offered."""
VOTES = "votes:"
_PICKS = {
    "source": ("Source", 330),
    "arena": ("Arena", 130),
    "category": ("Category", 210),
    "style": ("Style", 190),
    "date": ("Board of", 220),
}
_LEVELS = ("arena", "category", "style", "date")
NOTHING = (
    "The published warehouse holds no arena board. `skyline refresh --source bundled` brings published ratings of some "
    "sixty models, `skyline refresh --source FOLDER` boards and votes of your own."
)


class BoardState(UrlState):
    """Which board is shown."""

    source: Any = param.Selector(objects=[], doc="Publication, or `votes:` and a set of votes.")
    arena: Any = param.Selector(objects=[])
    category: Any = param.Selector(objects=[])
    style: Any = param.Selector(objects=[], doc="Whether style was controlled for.")
    date: Any = param.Selector(objects=[], doc="Date of the board.")
    licence: Any = param.ListSelector(default=[], objects=[], doc="Licence classes; none means all.")
    organisation: Any = param.ListSelector(default=[], objects=[], doc="Makers; none means all.")


class ArenaState(BoardState):
    """Choices of the page of ratings."""

    method: Any = param.Selector(objects=[], doc="How votes were turned into ratings.")
    search: Any = param.String(default="", doc="Words of names; alternatives between semicolons.")
    show: Any = param.Selector(default="ratings", objects=["ratings", "ranks"])
    top: Any = param.Selector(default="30", objects=["15", "30", "60", "all"])
    models: Any = param.ListSelector(default=[], objects=[], doc="Models followed over time and categories.")
    wins: Any = param.Selector(default="predicted", objects=["predicted", "observed", "difference"])
    first: Any = param.Selector(objects=[], doc="Model A of the vote that is worked through.")
    second: Any = param.Selector(objects=[], doc="Model B of it.")
    over: Any = param.Selector(default="series", objects=["series", "publication"], doc="What history is drawn of.")


class OpenState(BoardState):
    """Choices of the page of open against proprietary models."""

    measure: Any = param.Selector(default="points", objects=["points", "win", "lag"])
    over: Any = param.Selector(default="series", objects=["series", "publication"], doc="What the gap is drawn of.")
    trend: Any = param.Boolean(default=True)


def offer(state: UrlState, name: str, options: Mapping[str, Any], default: Any) -> list[str]:
    """Offer choices of which the default depends on the data, and say what could not be kept.

    A choice that was the default before follows the default; one that was made is kept where it still can be.
    """
    fallback = default
    if not isinstance(default, list) and default not in options.values():
        fallback = next(iter(options.values()), None)
    before = getattr(state, name)
    follows = before not in (None, []) and before == state._default(name)
    state.remember_default(name, fallback)
    notes = state.offer(name, options, fallback)
    if not follows:
        return notes
    setattr(state, name, fallback)
    return []


def picks(state: BoardState, **more: tuple[str, int]) -> dict[str, pn.widgets.Select]:
    """Selects of the board shown, and of `more`: label and width in pixels of each."""
    return {
        name: controls.select(state, name, label, **controls.picked(width, is_wide=name == "source"))
        for name, (label, width) in {**_PICKS, **more}.items()
    }


def withdraw(state: UrlState, *names: str) -> list[str]:
    """Offer nothing for these choices, and say where an address asked for one of them."""
    notes: list[str] = []
    for name in names:
        had = getattr(state, name) is not None
        refused = offer(state, name, {}, None)
        notes += [] if had else refused
    return notes


class Boards:
    """Every published board there is, and the series of them that a state can choose."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """Take the boards.

        Args:
            frame: Result of the query `arena_sources` or `open_boards`.
        """
        self.frame = frame.with_columns(
            pl.when(pl.col("style_control")).then(pl.lit("on")).otherwise(pl.lit("off")).alias("style"),
            pl.col("as_of_date").cast(pl.String).alias("date"),
        )

    def publications(self) -> dict[str, str]:
        """Label and name of each publication that there is, in order of preference."""
        days = self.frame.group_by("publication").agg(first=pl.col("as_of_date").min(), last=pl.col("as_of_date").max())
        spans = {name: _span(first, last) for name, first, last in days.iter_rows()}
        order = [name for name in PUBLICATIONS if name in spans] + sorted(set(spans) - set(PUBLICATIONS))
        return {f"{PUBLICATIONS.get(name, formats.label(name))} · {spans[name]}": name for name in order}

    def offer(self, state: BoardState, since: str = "arena") -> list[str]:
        """Offer arenas, categories, style control and dates of the chosen publication.

        Args:
            state: Whose choices they are.
            since: First level that is offered anew; empty for none, as after the choice of a date.
        """
        notes: list[str] = []
        anew = _LEVELS[_LEVELS.index(since) :] if since else ()
        rows = self.frame.filter(pl.col("publication") == state.source)
        for level in _LEVELS:
            if level in anew:
                notes += offer(state, level, *_choices(rows, level))
            rows = rows.filter(pl.col(level) == getattr(state, level))
        return notes

    def series(self, state: BoardState) -> pl.DataFrame:
        """Boards of the chosen series, the newest first."""
        return self.frame.filter(
            pl.col("publication") == state.source,
            *(pl.col(level) == getattr(state, level) for level in _LEVELS if level != "date"),
        )


def _span(first: dt.date, last: dt.date) -> str:
    return str(last) if first == last else f"{first.year}–{last}" if first.year != last.year else f"{first} to {last}"


def _choices(rows: pl.DataFrame, level: str) -> tuple[dict[str, str], str]:
    values = rows[level].unique(maintain_order=True).to_list()
    if level == "arena":
        return arenas(values), "text"
    if level == "category":
        return categories(values), "overall"
    if level == "style":
        return {{"off": "Not controlled for", "on": "Controlled for"}[value]: value for value in sorted(values)}, "off"
    counted = rows.sort("date", descending=True).select("date", "models").iter_rows()
    dated = {f"{date} · {formats.count(models)} models": date for date, models in counted}
    return dated, next(iter(dated.values()), "")


def votes_id(state: BoardState) -> str | None:
    """The chosen set of votes; None where boards are chosen."""
    source = str(state.source)
    return source.removeprefix(VOTES) if source.startswith(VOTES) else None


def board_of(state: BoardState) -> dict[str, Any]:
    """Parameters by which queries name the chosen board."""
    return {**series_of(state), "as_of_date": dt.date.fromisoformat(state.date)}


def series_of(state: BoardState) -> dict[str, Any]:
    """Parameters by which queries name the chosen series of boards."""
    return {
        "publication": state.source,
        "arena": state.arena,
        "category": state.category,
        "style_control": state.style == "on",
    }


def source_line(state: BoardState) -> str:
    """Which board or votes a chart shows, in words."""
    votes = votes_id(state)
    if votes is not None:
        return f"Votes {votes}, {formats.running(category(state.category))}, {getattr(state, 'method', '')}"
    style = ", style controlled for" if state.style == "on" else ""
    publication = PUBLICATIONS.get(state.source, formats.label(str(state.source)))
    of = f"{formats.running(arena(state.arena))}, {formats.running(category(state.category))}"
    return f"{publication}: {of}{style}, board of {state.date}"


def within(rows: pl.DataFrame, state: BoardState) -> pl.DataFrame:
    """Rows of the licence classes and makers that are chosen; no choice is all."""
    if state.licence:
        rows = rows.filter(pl.col("licence_class").fill_null(UNKNOWN).is_in(state.licence))
    if state.organisation:
        rows = rows.filter(pl.col("organization").is_in(state.organisation))
    return rows


def makers(rows: pl.DataFrame) -> dict[str, str]:
    """Label and name of each maker, the most frequent first."""
    counted = (
        rows["organization"]
        .drop_nulls()
        .value_counts(sort=True, name="models")
        .sort("models", "organization", descending=[True, False])
    )
    return {f"{name} ({formats.count(number)})": name for name, number in counted.iter_rows()}


def series_breaks(breaks: pl.DataFrame) -> str:
    """Where the one series is joined, in words.

    Args:
        breaks: Result of the query `arena_series_breaks`.
    """
    if breaks.is_empty():
        return "All boards come from one publication, and levels did not move."
    last = breaks.row(-1, named=True)
    by = (
        f"moved by {decimal(last['shift_points'], signed=True)} points (standard error "
        f"{last['shift_standard_error']:.0f})"
        if last["shift_points"] is not None
        else "could not be joined"
    )
    return (
        f"Joined at {formats.count(breaks.height)} breaks (shaded) by the median of the models on both boards; "
        f"intervals take in the error of every join. The last, on {last['after_date']} ({last['reason']}): {by} by "
        f"{last['common_models']} models. The published figures, unchanged, are under “This one”."
    )


def newest(frame: pl.DataFrame) -> str | None:
    """The publication of the newest board of text overall, of all where there is none."""
    text = frame.filter((pl.col("arena") == "text") & (pl.col("category") == "overall"))
    of = text if not text.is_empty() else frame
    # Of one day, the board of most models.
    order = of.sort("as_of_date", "models", descending=True)
    return None if order.is_empty() else str(order["publication"][0])


def few(models: list[str]) -> tuple[list[str], list[str]]:
    """As many of the models as have a colour of their own, and a note where there were more."""
    if len(models) <= MOST_MODELS:
        return models, []
    return models[:MOST_MODELS], [f"models: only the first {MOST_MODELS} of {len(models)} are drawn."]
