"""Sessions beside each other: charts that people wait for come before tables of others."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dashboards.parts import session
from dashboards.parts.session import SessionPage
from dashboards.parts.state import UrlState


@pytest.mark.parametrize(("others_choose", "postponed"), [(True, session._MOST_POSTPONED), (False, 0)])
def test_a_table_waits_while_others_choose_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, others_choose: bool, postponed: int
) -> None:
    calls: list[Callable[[], None]] = []
    drawn: list[int] = []
    tries = 0
    document = SimpleNamespace(add_timeout_callback=lambda call, _ms: calls.append(call))
    monkeypatch.setattr(session, "pn", SimpleNamespace(state=SimpleNamespace(curdoc=document)))
    data: Any = None
    page, other = SessionPage(data, UrlState()), SessionPage(data, UrlState())
    monkeypatch.setattr(session, "_ANSWERED", {page: math.inf, other: math.inf if others_choose else 0.0})

    def draw() -> None:
        drawn.append(tries)

    page._waiting.append(draw)
    page._draw_waiting(draw)
    while calls:
        tries += 1
        calls.pop()()
    assert drawn == [postponed]


@pytest.mark.parametrize("loaded", [True, False])
def test_words_follow_the_chart_that_a_choice_changed_and_come_with_a_new_page(
    monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    calls: list[Callable[[], None]] = []
    lines: list[str] = []
    document = SimpleNamespace(add_timeout_callback=lambda call, _ms: calls.append(call))
    state = SimpleNamespace(curdoc=document, loaded=loaded)
    monkeypatch.setattr(session, "pn", SimpleNamespace(state=state))
    monkeypatch.setattr("dashboards.parts.page.is_watched", lambda: True)
    data: Any = None
    page = SessionPage(data, UrlState())

    def tell() -> None:
        lines.append("words")

    page._then(tell)
    page._then(tell)
    assert lines == ([] if loaded else ["words", "words"])
    for call in calls:
        call()
    assert lines == (["words"] if loaded else ["words", "words"])
