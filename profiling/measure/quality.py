"""Quality beside speed: perplexity of a checkpoint on a text, and its answers against those wanted, per number format.

The same checkpoint in another format shows what the format lost; figures of different tokenizers compare by bits per
byte only. Families that are not built in plain torch are refused: no other format can be put into their matrices here.
"""

from __future__ import annotations

import importlib.resources
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from profiling.errors import UnsupportedModelType
from profiling.measure.generation import CannotGenerate, tokenizer_of
from profiling.measure.text_scores import bleu, exact_match, rouge_l

WINDOW = 512
"""Tokens of one pass; each token but the first of a pass is predicted from those before it in the pass."""
FORMATS = ("float32", "bfloat16", "float16", "int8", "int8_emulated", "fp8")


def bundled_text() -> str:
    """Beginnings of four works in the public domain: Lincoln, Carroll, Austen, Melville."""
    return importlib.resources.files("profiling").joinpath("reference", "public_domain.txt").read_text("utf-8")


def quality(
    checkpoint: Path,
    precisions: Sequence[str],
    *,
    text: str | None = None,
    questions: Path | None = None,
    new_tokens: int = 32,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """One row per number format: perplexity of a text, how fast it was read, and scores of answers to questions given.

    Args:
        checkpoint: Folder with weights and a tokenizer.
        precisions: Of `FORMATS`; the first is what the others are held against.
        text: Text; None: the bundled one.
        questions: JSON lines of `prompt` and `answer`.
        new_tokens: Most tokens of an answer.
        device: As torch calls it.

    Raises:
        CannotGenerate: The folder, the text or the questions cannot be used.
    """
    if odd := [name for name in precisions if name not in FORMATS]:
        raise CannotGenerate(f"{odd[0]!r} is no number format; there are {', '.join(FORMATS)}")
    asked = _questions(questions) if questions else []
    tokenizer, said = tokenizer_of(checkpoint), bundled_text() if text is None else text
    ids = tokenizer(said, return_tensors="pt")["input_ids"]
    if ids.shape[1] < 2:
        raise CannotGenerate("the text has fewer than two tokens, so nothing of it can be predicted")
    rows: list[dict[str, Any]] = []
    for precision in precisions:
        model = _model(checkpoint, precision, device)
        # What is done once only, such as choosing kernels, is not timed.
        _surprise(model, ids[:, :WINDOW].to(device))
        started = time.perf_counter()
        nats, counted = _surprise(model, ids.to(device))
        seconds = time.perf_counter() - started
        row: dict[str, Any] = {
            "model": checkpoint.name, "precision": precision, "tokens": counted,
            "perplexity": math.exp(nats / counted),
            "bits_per_byte": nats / math.log(2) / len(said.encode()) * (ids.shape[1] / counted),
            "prompt_tokens_per_s": counted / seconds, "weights_bytes": _bytes_of(model),
        }  # fmt: skip
        if asked:
            answers = [_answer(model, tokenizer, prompt, new_tokens, device) for prompt, _ in asked]
            wanted = [answer for _, answer in asked]
            row |= {
                "questions": len(asked), "exact_match": exact_match(answers, wanted), "bleu": bleu(answers, wanted),
                "rouge_l": rouge_l(answers, wanted),
            }  # fmt: skip
        row["perplexity_over_first"] = row["perplexity"] / (rows[0] if rows else row)["perplexity"]
        rows.append(row)
    return rows


def _questions(path: Path) -> list[tuple[str, str]]:
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        found = [(str(line["prompt"]), str(line["answer"])) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotGenerate(f"{path} is no file of JSON lines with prompt and answer: {error}") from error
    if not found:
        raise CannotGenerate(f"{path} holds no question")
    return found


def _model(checkpoint: Path, precision: str, device: str) -> Any:
    import torch  # noqa: PLC0415 - heavy

    from profiling.measure.model.weights import load_checkpoint  # noqa: PLC0415
    from profiling.measure.quantised import activation_dtype, quantise, works  # noqa: PLC0415

    place = torch.device(device)
    if not works(precision, place):
        raise CannotGenerate(
            f"{device} has no product in {precision}; int8_emulated shows what eight bits lose anywhere"
        )
    if "quantization_config" in json.loads((checkpoint / "config.json").read_text("utf-8")):
        raise CannotGenerate(f"{checkpoint.name} is stored quantised, which cannot be read; name what it was made from")
    try:
        model = load_checkpoint(checkpoint, place, activation_dtype(precision))
    except UnsupportedModelType as error:
        raise CannotGenerate(f"{checkpoint.name} is of a family that is not built in plain torch: {error}") from error
    if model.shape.is_encoder:
        raise CannotGenerate(f"{checkpoint.name} is an encoder; it predicts no next token")
    with torch.no_grad():
        quantise(model, precision)
    return model


def _bytes_of(model: Any) -> int:
    """Bytes of what is stored, with what a quantised matrix keeps in place of a parameter; shared tensors once."""
    held = {each.data_ptr(): each for each in model.state_dict().values()}
    return sum(each.numel() * each.element_size() for each in held.values())


def _surprise(model: Any, ids: Any) -> tuple[float, int]:
    """Natural logarithm of one over the probability of the text, and of how many tokens."""
    import torch  # noqa: PLC0415

    nats, counted = 0.0, 0
    window = min(WINDOW, model.shape.positions or WINDOW)
    with torch.no_grad():
        for start in range(0, ids.shape[1], window):
            part = ids[:, start : start + window]
            if part.shape[1] < 2:
                break
            logits = model(part, model.cache(1, part.shape[1]), 0)[0, :-1].float()
            nats += float(torch.nn.functional.cross_entropy(logits, part[0, 1:], reduction="sum"))
            counted += part.shape[1] - 1
    return nats, counted


def _answer(model: Any, tokenizer: Any, prompt: str, new_tokens: int, device: str) -> str:
    """The greedy answer, to its end or its first line."""
    import torch  # noqa: PLC0415

    tokens = tokenizer(prompt, return_tensors="pt")["input_ids"].to(device)
    cache, place, made = model.cache(1, tokens.shape[1] + new_tokens), 0, []
    with torch.no_grad():
        for _ in range(new_tokens):
            following = int(model(tokens, cache, place, last_only=True)[0, -1].argmax())
            if following == tokenizer.eos_token_id:
                break
            made.append(following)
            place += tokens.shape[1]
            tokens = tokens.new_tensor([[following]])
    return str(tokenizer.decode(made, skip_special_tokens=True)).strip().split("\n", 1)[0]
