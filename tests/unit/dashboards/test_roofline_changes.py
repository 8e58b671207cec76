"""The Roofline page's advice and sweeps: asked only when shown, the same as the command's, and warnings beside them."""

from types import SimpleNamespace
from typing import cast

import pytest

from dashboards.data import Data
from dashboards.pages.roofline.page import Roofline
from dashboards.pages.roofline.state import FIRST
from profiling.answers.door import Door, shipped_door
from profiling.answers.improve import improvement_rows

# Panel itself uses words that it and pandas will drop; the pages' own process does not fail at that, nor do these.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Widget.name is deprecated:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door()


def page_of(door: Door, search: str) -> Roofline:
    """The page, whose data are asked for the door alone until something is downloaded."""
    return Roofline(cast("Data", SimpleNamespace(door=lambda: door)), search)


def test_advice_and_sweeps_are_filled_when_they_are_shown(door: Door) -> None:
    page = page_of(door, "?model=meta-llama/Meta-Llama-3.1-8B&accelerator=RTX-4090&swept=pruning")
    assert not page.changes.cards.visible
    assert page.changes.rows.is_empty()
    page.state.changes = True
    assert page.changes.cards.visible
    expected = improvement_rows(door, page.state.question(FIRST))
    assert page.changes.advice.rows()["change"].to_list() == expected["change"].to_list()
    assert page.changes.rows["value"].to_list() == [
        "none",
        "unstructured-50%",
        "2:4",
        "structured-25%",
        "structured-50%",
    ]
    page.state.swept = "attention"
    assert page.changes.rows["value"].to_list() == ["flash", "naive"]


def test_speculation_prefix_and_pruning_are_in_the_question(door: Door) -> None:
    page = page_of(
        door,
        "?model=Qwen/Qwen3-32B&accelerator=H200-SXM-141GB&draft=4&drafts=Qwen/Qwen3-0.6B&acceptance=0.8&pruning=2:4",
    )
    question = page.state.question(FIRST)
    assert (question.draft, question.draft_model, question.acceptance) == (4, "Qwen/Qwen3-0.6B", 0.8)
    assert question.pruning == "2:4"
    assert page.sides[FIRST].answer is not None
    assert page.sides[FIRST].answer.drafting is not None


def test_more_tokens_than_a_model_was_made_for_are_warned_of(door: Door) -> None:
    page = page_of(door, "?model=google-bert/bert-base-uncased&context=1024")
    assert "made for 512 tokens" in page.notes.object
