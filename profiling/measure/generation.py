"""A checkpoint, its tokenizer and a prompt: the text, and what making it took; needs transformers for the tokenizer."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profiling import systems
from profiling.errors import ProfilingError, UnsupportedModelType
from profiling.measure.bundle import Row
from profiling.measure.recorded import point, write_bundle

GGUF = ".gguf"


class CannotGenerate(ProfilingError):
    """Transformers is missing, or the folder holds no model that could be run; the message says what to do."""


def generate(
    checkpoint: Path,
    prompt: str,
    *,
    new_tokens: int = 32,
    precision: str = "bfloat16",
    device: str | None = None,
    threads: int | None = None,
    out: Path | None = None,
) -> Row:
    """Greedy text with time to first token, time per token, memory and modules; as a bundle if `out` is named.

    Families that are built in plain torch run there; others through transformers. Which it was is in `backend`.

    Raises:
        CannotGenerate: Transformers is not installed, or the folder holds no checkpoint with a tokenizer.
    """
    import torch  # noqa: PLC0415 - heavy

    from profiling.measure.environment import default_device, environment  # noqa: PLC0415
    from profiling.measure.usage import Usage  # noqa: PLC0415

    device = device or default_device()
    machine = environment(device, threads)
    tokenizer = tokenizer_of(checkpoint)
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"].to(device)
    if not ids.shape[1] or new_tokens < 1:
        raise CannotGenerate("the prompt has no tokens, or none are to be made")
    run = _open(checkpoint, torch.device(device), precision, ids.shape[1] + new_tokens)
    end = config.get("eos_token_id")
    ends = set(end if isinstance(end, list) else [end])
    run.step(ids, 0)  # the first call pays for what later ones find ready
    run.reset()
    with Usage(device, int(machine["threads"])) as usage:
        made, times = _decode(run, ids, new_tokens, ends)
    memory = _memory(device, run)
    layers = _layers(run, ids)
    row = point(
        {
            "model": checkpoint.name, "model_type": config.get("model_type"), "stage": "generate", "batch": 1,
            "context": int(ids.shape[1]), "precision": precision, "backend": run.name, "weights": "checkpoint",
            "attention_kernel": "auto", "execution": "eager", "threads": machine["threads"], "new_tokens": new_tokens,
        },
        {
            "tokens": len(made), "ttft_p50_s": times[0], "inter_token_values_s": times[1:],
            "inter_token_p50_s": statistics.median(times[1:]) if times[1:] else None, "latency_s": sum(times),
            "tokens_per_s": len(made) / sum(times), "requests": 1, "errors": 0, **usage.row(len(made)), **memory,
            **({} if times[1:] else {"inter_token_p50_s_why": "the answer has one token"}),
        },
    )  # fmt: skip
    if out is not None:
        rows = [{"point_id": row["point_id"], "attempt": 1, **layer} for layer in layers]
        write_bundle(out, f"generate {checkpoint.name}", machine, [row], rows, {checkpoint.name: config})
    # The prompt and the answer are the user's: they are shown, and stay out of bundles.
    return {"text": tokenizer.decode(made, skip_special_tokens=True), **row, "layers": layers}


def tokenizer_of(checkpoint: Path) -> Any:
    """The tokenizer of a checkpoint's folder, or of a GGUF file.

    Raises:
        CannotGenerate: Transformers is missing, or there is none.
    """
    try:
        from transformers import AutoTokenizer  # noqa: PLC0415 - optional
    except ImportError as error:
        raise CannotGenerate("transformers is not installed; pip install transformers to run prompts") from error
    file = {"gguf_file": checkpoint.name} if checkpoint.suffix == GGUF else {}
    folder = checkpoint.parent if file else checkpoint
    if not (checkpoint if file else folder / "config.json").is_file():
        wrong = "is no file" if file else "holds no config.json" if folder.is_dir() else "is no folder"
        raise CannotGenerate(f"{checkpoint} {wrong}; give the folder of a checkpoint, or a GGUF file")
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, **file)
    except ImportError as error:
        raise CannotGenerate(f"{checkpoint} needs the package gguf; pip install gguf") from error
    except (OSError, ValueError) as error:
        raise CannotGenerate(f"{checkpoint} holds no tokenizer that transformers can read: {error}") from error


def _decode(run: Any, ids: Any, new_tokens: int, ends: set[Any]) -> tuple[list[int], list[float]]:
    made: list[int] = []
    times: list[float] = []
    tokens, place = ids, 0
    for _ in range(new_tokens):
        started = time.perf_counter()
        following = int(run.step(tokens, place)[0, -1].argmax())  # waits for the device
        times.append(time.perf_counter() - started)
        made.append(following)
        if following in ends:
            break
        place += tokens.shape[1]
        tokens = ids.new_tensor([[following]])
    return made, times


def _memory(device: str, run: Any) -> Mapping[str, Any]:
    import torch  # noqa: PLC0415

    sizes: Row = {
        "weights_bytes": sum(p.numel() * p.element_size() for p in {id(p): p for p in run.model.parameters()}.values()),
        "host_peak_bytes": systems.peak_memory_bytes(),
    }
    if device.startswith("cuda"):
        sizes |= {
            "allocated_peak_bytes": torch.cuda.max_memory_allocated(device),
            "reserved_peak_bytes": torch.cuda.max_memory_reserved(device),
        }
    return sizes


def _open(checkpoint: Path, device: Any, precision: str, length: int) -> Any:
    try:
        return _Plain(checkpoint, device, precision, length)
    except UnsupportedModelType:
        return _Transformers(checkpoint, device, precision)


def _layers(run: Any, ids: Any) -> list[Row]:
    """Time of every module over the prompt."""
    from profiling.measure.layers import measure_modules  # noqa: PLC0415

    return measure_modules(run.model, lambda: run.step(ids, 0), ids.device)


class _Plain:
    """The checkpoint in plain torch."""

    name = "plain"

    def __init__(self, checkpoint: Path, device: Any, precision: str, length: int) -> None:
        from profiling.measure.model.weights import load_checkpoint  # noqa: PLC0415
        from profiling.measure.quantised import PLAIN  # noqa: PLC0415

        self.model = load_checkpoint(checkpoint, device, PLAIN[precision])
        if self.model.shape.is_encoder:
            raise CannotGenerate(f"{checkpoint.name} is an encoder; it makes no text")
        self.cache = self.model.cache(1, length)

    def reset(self) -> None:
        """Nothing: what the cache holds beyond `start` is not read."""

    def step(self, tokens: Any, start: int) -> Any:
        """Logits of the last token."""
        import torch  # noqa: PLC0415

        with torch.no_grad():
            return self.model(tokens, self.cache, start, last_only=True)


class _Transformers:
    """The checkpoint through transformers, for families that are not built here."""

    name = "transformers"

    def __init__(self, checkpoint: Path, device: Any, precision: str) -> None:
        from transformers import AutoModelForCausalLM  # noqa: PLC0415

        from profiling.measure.quantised import PLAIN  # noqa: PLC0415

        try:
            loaded = AutoModelForCausalLM.from_pretrained(
                str(checkpoint), local_files_only=True, dtype=PLAIN[precision]
            )
        except (OSError, ValueError) as error:
            raise CannotGenerate(f"{checkpoint} cannot be run by transformers: {error}") from error
        self.model = loaded.to(device).eval()
        self.past: Any = None

    def reset(self) -> None:
        """Forget all tokens."""
        self.past = None

    def step(self, tokens: Any, start: int) -> Any:
        """Logits of the last token."""
        import torch  # noqa: PLC0415

        with torch.no_grad():
            answer = self.model(tokens, past_key_values=self.past if start else None, use_cache=True)
        self.past = answer.past_key_values
        return answer.logits[:, -1:]
