"""Quality of a checkpoint by number format: what torch itself computes, and what eight bits lose."""

import json
import math
import shutil
from pathlib import Path

import pytest

from profiling.measure.generation import CannotGenerate
from profiling.measure.quality import bundled_text, quality
from tests.answering import tiny_checkpoint

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
TEXT = "the cat sat on a mat and the cat saw one dog run far " * 3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny", "llama")


def test_perplexity_is_that_of_transformers_and_eight_bits_change_it_a_little(checkpoint: Path) -> None:
    plain, eight = quality(checkpoint, ["float32", "int8_emulated"], text=TEXT)
    ids = transformers.AutoTokenizer.from_pretrained(checkpoint)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        loss = model(ids, labels=ids).loss
    assert plain["perplexity"] == pytest.approx(math.exp(float(loss)), rel=1e-4)
    assert plain["perplexity_over_first"] == 1.0
    assert eight["perplexity_over_first"] == pytest.approx(1.0, abs=0.1)
    assert eight["perplexity"] != plain["perplexity"]
    # Beside the quality: what the format saves, and how fast the text was read in it.
    assert eight["weights_bytes"] < plain["weights_bytes"]
    assert min(plain["prompt_tokens_per_s"], eight["prompt_tokens_per_s"]) > 0


def test_answers_are_held_against_those_wanted(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"prompt": "the cat", "answer": "sat on a mat"}) + "\n")
    (row,) = quality(checkpoint, ["float32"], text=TEXT, questions=file, new_tokens=4)
    assert row["questions"] == 1
    assert all(0 <= row[score] <= 1 for score in ("exact_match", "bleu", "rouge_l"))
    file.write_text("not json\n")
    with pytest.raises(CannotGenerate, match="JSON lines"):
        quality(checkpoint, ["float32"], text=TEXT, questions=file)
    with pytest.raises(CannotGenerate, match="no number format"):
        quality(checkpoint, ["int3"], text=TEXT)


def test_a_checkpoint_that_is_stored_quantised_is_refused_instead_of_misread(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "eight")
    config = json.loads((checkpoint / "config.json").read_text())
    (tmp_path / "eight" / "config.json").write_text(
        json.dumps(config | {"quantization_config": {"quant_method": "fp8"}})
    )
    with pytest.raises(CannotGenerate, match="stored quantised"):
        quality(tmp_path / "eight", ["float32"], text=TEXT)


def test_the_bundled_text_is_there() -> None:
    assert bundled_text().startswith("Four score and seven years ago")
    assert len(bundled_text().split()) > 600
