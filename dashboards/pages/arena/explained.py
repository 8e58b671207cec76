"""One vote between two models of the reader's choice: what online Elo makes of it, beside Bradley–Terry."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from analytics.ratings.elo import K_FACTOR
from analytics.ratings.explained import bradley_terry_share, explain
from analytics.statistics.normal import TWO_SIDED_95
from analytics.units import decimal
from dashboards.data import Data
from dashboards.pages.arena import boards as arena_boards
from dashboards.pages.arena.boards import ArenaState
from dashboards.parts import controls, formats, page
from dashboards.parts.templates import block, render

_ELO, _FITTED = "elo", "bradley-terry"
_OUTCOMES = {"win": "wins", "tie": "ties", "loss": "loses"}
_FIELD: dict[str, Any] = {"width": 300, "sizing_mode": "fixed"}


class WorkedVote:
    """A card with two models to choose and the next vote between them, worked through."""

    def __init__(self, data: Data, state: ArenaState) -> None:
        self._data, self._state = data, state
        self._pane = page.html()
        fields = page.row(
            controls.select(state, "first", "Model A", **_FIELD), controls.select(state, "second", "Model B", **_FIELD),
            gap="12px", margin=(10, 0, 8, 0),
        )  # fmt: skip
        about = "How the next vote between two models would change their online Elo, and what a fit to all votes says"
        lead = page.html(block("heading", "One vote, worked through", about))
        self.column = page.card(lead, fields, self._pane)

    def draw(self, rated: pl.DataFrame) -> None:
        """Work the vote through with the ratings that the page shows."""
        state, rows = self._state, {row["model"]: row for row in rated.iter_rows(named=True)}
        self.column.visible = state.first is not None and state.second is not None
        if not self.column.visible:
            return
        pair = [rows[state.first], rows[state.second]]
        fitted = pair
        votes = arena_boards.votes_id(state)
        if votes is not None and state.method == _ELO:
            keys = {"votes_id": votes, "category": state.category, "method": _FITTED}
            ratings = self._data.ask("arena_votes_ratings", **keys)
            rating_of = {row["model"]: row for row in ratings.iter_rows(named=True)}
            fitted = [rating_of.get(row["model"], {}) for row in pair]
        self._pane.object = worked(pair, fitted)


def offer(state: ArenaState, names: Sequence[str]) -> list[str]:
    """Offer the rated models, the two best to begin with.

    Args:
        state: Whose choices they are.
        names: Rated models, the best first.
    """
    options = {name: name for name in names} if len(names) > 1 else {}
    notes = arena_boards.offer(state, "first", options, next(iter(names), None))
    return notes + arena_boards.offer(state, "second", options, names[1] if options else None)


def worked(pair: Sequence[Mapping[str, Any]], fitted: Sequence[Mapping[str, Any]]) -> str:
    """The vote as HTML.

    Args:
        pair: Model A and model B: `model` and the `rating` before the vote, in points.
        fitted: The same models as Bradley–Terry rates them: `rating`, `rating_lower`, `rating_upper`; empty or without
            bounds where that is not known.
    """
    update = explain(pair[0]["rating"], pair[1]["rating"])
    first, second = (str(row["model"]) for row in pair)
    header = ("Vote", "Score S", "Surprise S − E", "Change K (S − E)", "Model A after", "Model B after")
    lines = [
        [
            f"A {_OUTCOMES[row.outcome]}", f"{row.score:g}", decimal(row.surprise, 3, signed=True),
            decimal(row.change, 2, signed=True),
            f"{row.first:,.2f}", f"{row.second:,.2f}",
        ]
        for row in update.updates
    ]  # fmt: skip
    return render(
        __file__, "vote.html", first=first, second=second, first_rating=f"{pair[0]['rating']:,.1f}",
        second_rating=f"{pair[1]['rating']:,.1f}", difference=decimal(update.difference, 1, signed=True),
        odds=formats.significant(update.odds, 4), expected=f"{update.expected:.3f}", k_factor=f"{K_FACTOR:g}",
        header=header, lines=lines, settling_votes=f"{update.settling_votes:.0f}",
        share=_share((first, second), fitted),
    )  # fmt: skip


def _share(names: Sequence[str], fitted: Sequence[Mapping[str, Any]]) -> str:
    """What a fit to all votes expects, and whether it decides between the two."""
    uses = "uses the same curve but fits all votes together, without K and regardless of order"
    if any(row.get("rating") is None for row in fitted):
        return f"{uses}; these votes give no such rating of both models."
    first, second = fitted
    errors = [_error(row) for row in fitted]
    if None in errors:
        share = bradley_terry_share(first["rating"], second["rating"])
        return f"{uses}. It expects {100 * share.expected:.1f} % for {names[0]}; this source publishes no intervals."
    share = bradley_terry_share(first["rating"], second["rating"], *(error or 0.0 for error in errors))
    leader = names[0] if share.expected >= 0.5 else names[1]
    verdict = f"the lead of {leader} exceeds its error" if share.is_decided else "the difference is within its error"
    return (
        f"{uses}. It expects {100 * share.expected:.1f} % for {names[0]}, 95 % interval "
        f"{100 * share.low:.1f} % to {100 * share.high:.1f} %: "
        f"{verdict}. The errors of the two are taken as independent."
    )


def _error(row: Mapping[str, Any]) -> float | None:
    """Standard error of a rating, from the width of its 95 % interval."""
    low, high = row.get("rating_lower"), row.get("rating_upper")
    return None if low is None or high is None else (high - low) / 2 / TWO_SIDED_95
