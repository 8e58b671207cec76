"""The Roofline page's advice and sweeps: asked only when shown, the same as the command's, and warnings beside them."""

from pathlib import Path

import pytest

from dashboards.data import Data
from dashboards.pages.roofline.page import Roofline
from dashboards.pages.roofline.state import FIRST
from profiling.answers.door import Door, shipped_door
from profiling.answers.improve import improvement_rows
from warehouse.settings import Settings

# Panel itself uses words that it and pandas will drop; the pages' own process does not fail at that, nor do these.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Widget.name is deprecated:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning"),
]


class Shipped(Data):
    """Data of a home without a release, which answers with the facts that ship."""

    shipped = shipped_door()

    def door(self) -> Door:
        """The one of all questions here."""
        return self.shipped


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Shipped(Settings.model_validate({"home": str(tmp_path)}))


def test_advice_and_sweeps_are_filled_when_they_are_shown(data: Data) -> None:
    page = Roofline(data, "?model=meta-llama/Meta-Llama-3.1-8B&accelerator=RTX-4090&swept=pruning")
    assert not page.changes.cards.visible
    assert page.changes.rows.is_empty()
    page.state.changes = True
    assert page.changes.cards.visible
    expected = improvement_rows(data.door(), page.state.question(FIRST))
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


def test_speculation_prefix_and_pruning_are_in_the_question(data: Data) -> None:
    page = Roofline(
        data,
        "?model=Qwen/Qwen3-32B&accelerator=H200-SXM-141GB&draft=4&drafts=Qwen/Qwen3-0.6B&acceptance=0.8&pruning=2:4",
    )
    question = page.state.question(FIRST)
    assert (question.draft, question.draft_model, question.acceptance) == (4, "Qwen/Qwen3-0.6B", 0.8)
    assert question.pruning == "2:4"
    assert page.sides[FIRST].answer is not None
    assert page.sides[FIRST].answer.drafting is not None


def test_more_tokens_than_a_model_was_made_for_are_warned_of(data: Data) -> None:
    page = Roofline(data, "?model=google-bert/bert-base-uncased&context=1024")
    assert "made for 512 tokens" in page.notes.object
