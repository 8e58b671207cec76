"""Quality of checkpoints by number format: what transformers itself computes, and what narrower formats lose."""

import json
import math
import re
import shutil
from pathlib import Path
from typing import cast

import pytest

from pipelines.sources.profiles.read import StoredBundles, points
from pipelines.sources.raw_store import RawSnapshot
from profiling.measure.bundle import verify
from profiling.measure.generation import CannotGenerate
from profiling.measure.quality import bundled_text, quality
from tests.answering import tiny_checkpoint, tiny_gguf
from warehouse.contracts.profiles import POINTS
from warehouse.contracts.violations import violations

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
TEXT = "the cat sat on a mat and the cat saw one dog run far " * 3


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("models") / "tiny", "llama")


def test_perplexity_is_that_of_transformers_and_eight_bits_change_it_a_little(checkpoint: Path) -> None:
    plain, eight = quality([checkpoint], ["float32", "int8_emulated"], text=TEXT)
    ids = transformers.AutoTokenizer.from_pretrained(checkpoint)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        loss = model(ids, labels=ids).loss
    assert plain["perplexity"] == pytest.approx(math.exp(float(loss)), rel=1e-4)
    assert plain["perplexity_over_first"] == 1.0
    assert eight["perplexity_over_first"] == pytest.approx(1.0, abs=0.1)
    assert eight["perplexity"] != plain["perplexity"]
    # Beside the quality: what the format saves, how much of the model stands in it, and how fast the text was read.
    assert eight["weights_bytes"] < plain["weights_bytes"]
    assert 0.5 < eight["share_in_precision"] < plain["share_in_precision"] == 1
    assert plain["prompt_tokens_per_s"] > 0
    assert "no engine does" in eight["prompt_tokens_per_s_why"]  # emulated: it tells of no speed


def _stored_in_8_bits(checkpoint: Path, folder: Path) -> Path:
    """The checkpoint as transformers' fine-grained FP8 stores it: e4m3, and a scale per block."""
    safetensors = pytest.importorskip("safetensors.torch")
    shutil.copytree(checkpoint, folder)
    stored = {}
    for name, weight in safetensors.load_file(checkpoint / "model.safetensors").items():
        stored[name] = weight
        if re.search(r"(_proj|\.w[123])\.weight$", name):
            scale = weight.float().abs().amax().reshape(1, 1) / 448
            stored[name] = (weight.float() / scale).to(torch.float8_e4m3fn)
            stored[f"{name}_scale_inv"] = scale
    safetensors.save_file(stored, folder / "model.safetensors")
    stated = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stated}))
    return folder


def test_a_checkpoint_that_is_stored_quantised_shows_what_it_lost(checkpoint: Path, tmp_path: Path) -> None:
    narrow = _stored_in_8_bits(checkpoint, tmp_path / "tiny-FP8")
    whole, stored = quality([checkpoint, narrow], ["float32"], text=TEXT)
    assert (whole["precision"], stored["precision"], stored["opened_to"]) == ("float32", "fp8-block", "float32")
    assert stored["perplexity_over_first"] == pytest.approx(1.0, abs=0.05)
    assert stored["perplexity"] != whole["perplexity"]
    assert stored["weights_bytes"] == (narrow / "model.safetensors").stat().st_size
    assert stored["prompt_tokens_per_s"] is None
    plain = pytest.importorskip("safetensors.torch").load_file(checkpoint / "model.safetensors")
    with torch.no_grad():
        model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        for name, parameter in model.named_parameters():
            if name.endswith("_proj.weight"):
                scale = plain[name].float().abs().amax() / 448
                parameter.copy_((plain[name].float() / scale).to(torch.float8_e4m3fn).float() * scale)
        ids = transformers.AutoTokenizer.from_pretrained(narrow)(TEXT, return_tensors="pt")["input_ids"]
        loss = float(model(ids, labels=ids).loss)
    assert stored["perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)


def test_experts_that_are_stored_one_by_one_find_their_place_in_the_stacked_ones(tmp_path: Path) -> None:
    checkpoint = tiny_checkpoint(tmp_path / "mixture", "mixtral")
    whole, stored = quality([checkpoint, _stored_in_8_bits(checkpoint, tmp_path / "narrow")], ["float32"], text=TEXT)
    assert stored["perplexity_over_first"] == pytest.approx(1.0, abs=0.05)
    assert stored["weights_bytes"] < whole["weights_bytes"]


def test_a_gguf_file_is_read_as_it_stands_and_held_against_what_it_was_made_from(
    checkpoint: Path, tmp_path: Path
) -> None:
    file = tiny_gguf(checkpoint, tmp_path / "tiny-Q8_0.gguf")
    text = "the cat sat on the mat and the hat sat on the cat " * 3
    whole, eight = quality([tiny_gguf(checkpoint, tmp_path / "tiny-F32.gguf", 0), file], ["float32"], text=text)
    assert (whole["precision"], eight["precision"]) == ("f32", "q8_0")
    assert eight["perplexity_over_first"] == pytest.approx(1.0, abs=0.01)
    assert eight["perplexity"] != whole["perplexity"]
    assert eight["weights_bytes"] < 0.6 * whole["weights_bytes"]
    # The same text in other tokens: bits per byte are to be compared, and perplexities are not.
    _, other = quality([checkpoint, file], ["float32"], text=text)
    assert other["perplexity_over_first"] is None
    assert other["bits_per_byte"] > 0


def test_a_packing_that_is_not_known_is_refused_instead_of_misread(checkpoint: Path, tmp_path: Path) -> None:
    narrow = _stored_in_8_bits(checkpoint, tmp_path / "tiny-FP8")
    safetensors = pytest.importorskip("safetensors.torch")
    stored = safetensors.load_file(narrow / "model.safetensors")
    odd = {name.replace("weight_scale_inv", "odd_scale"): tensor for name, tensor in stored.items()}
    safetensors.save_file(odd, narrow / "model.safetensors")
    with pytest.raises(CannotGenerate, match=r"weight holds torch\.float8_e4m3fn"):
        quality([narrow], ["float32"], text=TEXT)


def test_answers_are_held_against_those_wanted(checkpoint: Path) -> None:
    asked = json.dumps({"prompt": "the cat", "answer": "sat on a mat"}) + "\n"
    (row,) = quality([checkpoint], ["float32"], text=TEXT, questions=asked, new_tokens=4)
    assert row["questions"] == 1
    assert all(0 <= row[score] <= 1 for score in ("exact_match", "bleu", "rouge_l"))
    with pytest.raises(CannotGenerate, match="JSON lines"):
        quality([checkpoint], ["float32"], text=TEXT, questions="not json\n")
    with pytest.raises(CannotGenerate, match="no number format"):
        quality([checkpoint], ["int3"], text=TEXT)
    with pytest.raises(CannotGenerate, match="none is no folder"):
        quality([checkpoint / "none"], ["float32"], text=TEXT)


def test_what_was_found_becomes_rows_of_the_warehouse_without_the_text(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "quality.bundle"
    rows = quality([checkpoint], ["float32", "int8_emulated"], text=TEXT, out=out)
    bundles = StoredBundles([(cast("RawSnapshot", None), verify(out))])
    table = POINTS.conform(points(bundles, {}))
    assert not violations(POINTS, table)
    assert table["stage"].to_list() == ["quality", "quality"]
    assert table["precision"].to_list() == ["float32", "int8_emulated"]
    for name in ("perplexity", "bits_per_byte", "perplexity_over_first"):
        assert table[name].to_list() == [row[name] for row in rows]
    assert table["tokens_per_s"].to_list() == [rows[0]["prompt_tokens_per_s"], None]  # emulated: no speed is told
    assert "cat" not in (out / "points.jsonl").read_text()


def test_the_bundled_text_is_there() -> None:
    assert bundled_text().startswith("Four score and seven years ago")
    assert len(bundled_text().split()) > 600
