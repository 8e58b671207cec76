"""Quality beside speed: perplexity of checkpoints on a text, and their answers against those wanted, per format.

A checkpoint in another format shows what the format lost: narrowed here, or stored quantised by whoever published it.
Transformers runs it, whatever its family. Figures of different tokenizers compare by bits per byte only.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from profiling.errors import ProfilingError
from profiling.measure.generation import GGUF, CannotGenerate, tokenizer_of
from profiling.measure.recorded import point, write_bundle
from profiling.measure.text_scores import bleu, exact_match, rouge_l
from profiling.models.formats import quantisation_of
from profiling.models.gguf_header import read_gguf_header
from profiling.models.schemes import scheme_of
from profiling.models.sources import stated_config
from profiling.reference_files import reference_text

WINDOW = 512
"""Tokens of one pass; each token but the first of a pass is predicted from those before it in the pass."""
FORMATS = ("float32", "bfloat16", "float16", "int8", "int8_emulated", "fp8")
_OPENED = "the weights were opened before the products, which no engine does"


def bundled_text() -> str:
    """Beginnings of four works in the public domain: Lincoln, Carroll, Austen, Melville."""
    return reference_text("public_domain.txt")


def quality(
    checkpoints: Sequence[Path],
    precisions: Sequence[str],
    *,
    text: str | None = None,
    questions: str | None = None,
    new_tokens: int = 32,
    device: str = "cpu",
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """One row per checkpoint and number format: perplexity of a text, and scores of answers to questions given.

    A checkpoint that is stored quantised is one row, in the format it is stored in: its weights are opened to the first
    of `precisions` that is a plain one, and what goes into products is not rounded.

    Args:
        checkpoints: Folders with weights and a tokenizer, or GGUF files; the first is what others are held against.
        precisions: Of `FORMATS`; the first of the first checkpoint is what every row is held against.
        text: Text; None: the bundled one.
        questions: JSON lines of `prompt` and `answer`.
        new_tokens: Most tokens of an answer.
        device: As torch calls it.
        out: Bundle to write, without text, questions and answers.

    Raises:
        CannotGenerate: A checkpoint, the text or the questions cannot be used.
    """
    if odd := [name for name in precisions if name not in FORMATS]:
        raise CannotGenerate(f"{odd[0]!r} is no number format; there are {', '.join(FORMATS)}")
    from profiling.measure.quantised import EMULATED, PLAIN  # noqa: PLC0415 - brings torch

    pairs = [] if questions is None else _questions(questions)
    plain = next((name for name in precisions if name in PLAIN), "bfloat16")
    passage = bundled_text() if text is None else text
    rows: list[dict[str, Any]] = []
    first_ids: list[int] = []
    for checkpoint in checkpoints:
        tokenizer = tokenizer_of(checkpoint)
        ids = tokenizer(passage, return_tensors="pt")["input_ids"]
        if ids.shape[1] < 2:
            raise CannotGenerate("the text has fewer than two tokens, so nothing of it can be predicted")
        first_ids = first_ids or ids[0].tolist()
        stored = _stored_format(checkpoint)
        for precision in [plain] if stored else precisions:
            model, share = _model(checkpoint, precision, device)
            row = _row(model, ids.to(device), len(passage.encode()))
            if stored or precision in EMULATED:
                row |= {"prompt_tokens_per_s": None, "prompt_tokens_per_s_why": _OPENED}
            if stored:
                row["weights_bytes"] = _stored_bytes(checkpoint)
            if pairs:
                answers = [_answer(model, tokenizer, prompt, new_tokens, device) for prompt, _ in pairs]
                wanted = [answer for _, answer in pairs]
                row |= {
                    "questions": len(pairs), "exact_match": exact_match(answers, wanted),
                    "bleu": bleu(answers, wanted), "rouge_l": rouge_l(answers, wanted),
                }  # fmt: skip
            # Other tokens make other perplexities of the same text; bits per byte compare still.
            comparable = ids[0].tolist() == first_ids
            over = row["perplexity"] / (rows[0] if rows else row)["perplexity"] if comparable else None
            name = {"model": checkpoint.name, "precision": stored or precision}
            precision_facts = {"opened_to": precision} if stored else {"share_in_precision": share}
            rows.append(name | precision_facts | row | {"perplexity_over_first": over})
    if out is not None:
        _write(out, rows, device)
    return rows


def _write(out: Path, rows: Sequence[Mapping[str, Any]], device: str) -> None:
    from profiling.measure.environment import environment  # noqa: PLC0415

    machine = environment(device, None)
    points = [
        point(
            {
                "model": row["model"], "stage": "quality", "context": WINDOW, "precision": row["precision"],
                "backend": "transformers", "weights": "checkpoint", "execution": "eager", "threads": machine["threads"],
            },
            {**row, "tokens_per_s": row["prompt_tokens_per_s"]},
        )
        for row in rows
    ]  # fmt: skip
    write_bundle(out, f"quality {rows[0]['model']}", machine, points)


def _questions(text: str) -> list[tuple[str, str]]:
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        questions = [(str(line["prompt"]), str(line["answer"])) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise CannotGenerate(f"questions are JSON lines with prompt and answer: {error}") from error
    if not questions:
        raise CannotGenerate("there is no question among the questions")
    return questions


def _stored_format(checkpoint: Path) -> str | None:
    """What a checkpoint is stored in, if that is not plain numbers."""
    if checkpoint.suffix == GGUF:
        return read_gguf_header(checkpoint).format or "gguf"
    config = stated_config(checkpoint / "config.json")
    stated = quantisation_of(config)
    return scheme_of(stated, config).name if stated else None


def _model(checkpoint: Path, precision: str, device: str) -> tuple[Any, float]:
    """The model in a format, and the share of its numbers that stand in it."""
    import torch  # noqa: PLC0415 - heavy

    from profiling.measure.quantised import activation_dtype, quantise, works  # noqa: PLC0415

    if not works(precision, torch.device(device)):
        raise CannotGenerate(
            f"{device} has no product in {precision}; int8_emulated shows what eight bits lose anywhere"
        )
    model = _loaded(checkpoint, activation_dtype(precision)).to(device).eval()
    with torch.no_grad():
        share = quantise(model, precision)
    if not share:
        raise CannotGenerate(f"{checkpoint.name} has no matrix that is narrowed to {precision} here")
    return model, share


def _loaded(checkpoint: Path, dtype: Any) -> Any:
    """The model as transformers builds it, with the weights that are stored, opened where they are packed."""
    import torch  # noqa: PLC0415
    from transformers import AutoConfig, AutoModelForCausalLM  # noqa: PLC0415

    from profiling.measure.model.weights import stored_tensors  # noqa: PLC0415
    from profiling.measure.opened import opened  # noqa: PLC0415

    options = {"dtype": dtype, "local_files_only": True, "output_loading_info": True}
    try:
        if checkpoint.suffix == GGUF:
            model, loading = AutoModelForCausalLM.from_pretrained(
                str(checkpoint.parent), gguf_file=checkpoint.name, **options
            )
        else:
            stated = quantisation_of(stated_config(checkpoint / "config.json"))
            if stated is None:
                model, loading = AutoModelForCausalLM.from_pretrained(str(checkpoint), **options)
            else:
                config = AutoConfig.from_pretrained(str(checkpoint), local_files_only=True)
                config.quantization_config = None
                with torch.device("meta"):
                    kind = type(AutoModelForCausalLM.from_config(config))
                weights = {name: each.to(dtype) for name, each in opened(stored_tensors(checkpoint), stated)}
                model, loading = kind.from_pretrained(None, config=config, state_dict=weights, **options)
    except (OSError, ValueError, KeyError, ImportError, ProfilingError) as error:
        raise CannotGenerate(f"{checkpoint.name} cannot be read as a model that predicts text: {error}") from error
    if lacking := [*loading["missing_keys"], *(each[0] for each in loading["mismatched_keys"])]:
        raise CannotGenerate(f"{checkpoint.name} lacks {len(lacking)} tensors of its model, {min(lacking)} among them")
    return model


def _stored_bytes(checkpoint: Path) -> int:
    files = [checkpoint] if checkpoint.suffix == GGUF else checkpoint.glob("*.safetensors")
    return sum(file.stat().st_size for file in files)


def _row(model: Any, ids: Any, text_bytes: int) -> dict[str, Any]:
    # What is done once only, such as choosing kernels, is not timed.
    _surprise(model, ids[:, :WINDOW])
    started = time.perf_counter()
    nats, counted = _surprise(model, ids)
    seconds = time.perf_counter() - started
    return {
        "tokens": counted, "perplexity": math.exp(nats / counted),
        "bits_per_byte": nats / math.log(2) / text_bytes * (ids.shape[1] / counted),
        "prompt_tokens_per_s": counted / seconds, "weights_bytes": _bytes_of(model),
    }  # fmt: skip


def _bytes_of(model: Any) -> int:
    """Bytes of what is stored, with what a quantised matrix keeps in place of a parameter; shared tensors once."""
    tensors = {each.data_ptr(): each for each in model.state_dict().values()}
    return sum(each.numel() * each.element_size() for each in tensors.values())


def _surprise(model: Any, ids: Any) -> tuple[float, int]:
    """Natural logarithm of one over the probability of the text, and of how many tokens."""
    import torch  # noqa: PLC0415

    nats, counted = 0.0, 0
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    window = min(WINDOW, limit or WINDOW)
    with torch.no_grad():
        for start in range(0, ids.shape[1], window):
            part = ids[:, start : start + window]
            if part.shape[1] < 2:
                break
            logits = model(part, use_cache=False).logits[0, :-1].float()
            nats += float(torch.nn.functional.cross_entropy(logits, part[0, 1:], reduction="sum"))
            counted += part.shape[1] - 1
    return nats, counted


def _answer(model: Any, tokenizer: Any, prompt: str, new_tokens: int, device: str) -> str:
    """The greedy answer, to its end or its first line."""
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"].to(device)
    made = model.generate(ids, max_new_tokens=new_tokens, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    text = str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))
    return text.strip().split("\n", 1)[0]
