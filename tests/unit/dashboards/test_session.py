"""Sessions beside each other: charts that people wait for come before tables of others."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dashboards.parts import session
from dashboards.parts.session import SessionPage
from dashboards.parts.state import UrlState


@pytest.mark.parametrize(
    ("others_choose", "seconds"), [(True, {"words": 0.7, "table": 2.2}), (False, {"words": 0.1, "table": 0.1})]
)
def test_words_and_tables_wait_while_others_choose_but_not_for_ever_and_are_asked_for_once_for_all(
    monkeypatch: pytest.MonkeyPatch, others_choose: bool, seconds: dict[str, float]
) -> None:
    calls: list[tuple[Callable[[], None], int]] = []
    drawn: dict[str, float] = {}
    now = [0.0]
    document = SimpleNamespace(add_timeout_callback=lambda call, ms: calls.append((call, ms)))
    monkeypatch.setattr(session, "pn", SimpleNamespace(state=SimpleNamespace(curdoc=document, loaded=True)))
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("dashboards.parts.page.is_watched", lambda: True)
    data: Any = None
    page, other = SessionPage(data, UrlState()), SessionPage(data, UrlState())
    monkeypatch.setattr(session, "_ANSWERED", {page: math.inf, other: math.inf if others_choose else -1.0})
    page._later(lambda: drawn.setdefault("table", now[0]))
    page._then(lambda: drawn.setdefault("words", now[0]))
    while calls:
        assert len(calls) == 1
        call, ms = calls.pop()
        now[0] += ms / 1000
        call()
    assert drawn == pytest.approx(seconds, abs=0.01)


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
    while calls:
        calls.pop()()
    assert lines == (["words"] if loaded else ["words", "words"])
