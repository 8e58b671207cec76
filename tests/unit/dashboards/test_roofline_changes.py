"""The Roofline page's advice and sweeps: asked only when shown, the same as the command's, and warnings beside them."""

from types import SimpleNamespace
from typing import cast

import pytest

from dashboards.data import Data
from dashboards.pages.roofline.page import Roofline
from dashboards.pages.roofline.state import FIRST, SECOND
from profiling.answers.door import Door, shipped_door
from profiling.answers.improve import improvement_rows
from profiling.models.sources import from_config

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


def test_tokens_of_sound_are_read_by_the_tower_before_the_decoder_on_both_sides() -> None:
    # Qwen2-Audio's encoder: 32 of Whisper's layers, two frames to a token, 1,500 frames at a time.
    encoder = {"model_type": "qwen2_audio_encoder", "encoder_layers": 32, "d_model": 1280, "encoder_ffn_dim": 5120,
               "encoder_attention_heads": 20, "max_source_positions": 1500}  # fmt: skip
    decoder = {"model_type": "qwen2", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
               "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 156032}  # fmt: skip
    hears = from_config({"model_type": "qwen2_audio", "text_config": decoder, "audio_config": encoder}, "own/Hears-8B")
    door = shipped_door(own_models={hears.name: hears})
    asked = "model=own/Hears-8B&accelerator=RTX-4090&stage=prefill&context=1000&audio_tokens=750"
    page = page_of(door, f"?{asked}&b_model=own/Hears-8B&b_accelerator=RTX-4090&b_stage=prefill&b_context=1750")
    page.state.compare = True
    assert page.fields[FIRST]["audio_tokens"].name == "Audio tokens in the prompt"
    with_sound, without = page.sides[FIRST].answer, page.sides[SECOND].answer
    assert with_sound is not None
    assert without is not None
    assert (with_sound.question.audio_tokens, without.question.audio_tokens) == (750, 0)
    assert with_sound.sounds is not None
    assert (with_sound.sounds.images, with_sound.sounds.patches) == (1, 1500)
    # The decoder reads 1,750 tokens on both sides: what is left between them is the tower's pass.
    added = with_sound.estimate.time.likely_s - without.estimate.time.likely_s
    assert added == pytest.approx(float(with_sound.sounds.time.likely_s))
    assert added > 2 * 1500 * 637e6 / door.device("RTX-4090").peak("fp16")
    assert "750 tokens of sound are part of the prompt; the audio tower" in page.notes.object
    page.state.b_audio_tokens = 750
    assert page.sides[SECOND].answer.question.audio_tokens == 750


def test_sound_that_no_tower_reads_or_none_that_is_timed_is_said(door: Door) -> None:
    deaf = page_of(door, "?model=Qwen/Qwen3-8B&accelerator=RTX-4090&stage=prefill&audio_tokens=100")
    assert "its config names no audio tower" in deaf.notes.object
    seen = "?model=google/gemma-3n-E4B-it&accelerator=H200-SXM-141GB&stage=prefill&image_tokens=100"
    # 299 million parameters of convolutions at 16 bits over 4,800 GB/s.
    assert "reading its 0.30 B parameters once takes at least 0.124 ms more" in page_of(door, seen).notes.object
    joined = "?model=stepfun-ai/Step-3.7-Flash&accelerator=H200-SXM-141GB&tp=8&stage=prefill&image_tokens=169"
    assert "reads them as 1 × 2,704 patches first" in page_of(door, joined).notes.object  # 16 of them make a token
