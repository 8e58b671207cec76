"""A point run by the transformers library: families that are not built in plain torch, or any to compare.

What is measured is the library's own eager path with its growing cache, as its `generate` runs it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from profiling.measure import attention
from profiling.measure.quantised import PLAIN
from profiling.measure.subject import CannotRun, Subject, counted


class TransformersSubject(Subject):
    """A model of the library, with random weights or those of a checkpoint."""

    model: Any

    def __init__(self, point: Mapping[str, Any], config: Mapping[str, Any], device: str) -> None:
        """Build it.

        Raises:
            CannotRun: The library is not installed or does not know the family; the format or execution is not its.
        """
        super().__init__(point, device)
        if self.precision not in PLAIN:
            raise CannotRun(f"transformers runs {', '.join(PLAIN)} here, not {self.precision}")
        if point["execution"] == "graph":
            self.captured()
        started = time.perf_counter()
        self.model = self._build(config).to(self.device).eval()
        self.build_s = time.perf_counter() - started
        described = self.model.config.get_text_config()
        limit = getattr(described, "max_position_embeddings", None)
        if limit and self.context > limit:
            raise CannotRun(f"{point['model']} has {limit} positions, fewer than {self.context} tokens need")
        self._vocabulary_size = int(described.vocab_size)
        self.tokens = self._draw_tokens(self._vocabulary_size)
        self.kernel_used = self.kernel if self.kernel != "auto" else str(self.model.config._attn_implementation)
        self.past: Any = self._filled() if self.stage == "decode" else None

    def _build(self, config: Mapping[str, Any]) -> Any:
        try:
            import transformers  # noqa: PLC0415 - optional
        except ImportError as error:
            raise CannotRun("transformers is not installed; pip install transformers") from error
        kind = str(config.get("model_type"))
        if kind not in transformers.CONFIG_MAPPING:
            raise CannotRun(f"transformers {transformers.__version__} has no code of its own for {kind}")
        maker = transformers.AutoModel if self.stage == "encode" else transformers.AutoModelForCausalLM
        weights = self.point.get("weights")
        try:
            if weights:
                return maker.from_pretrained(str(weights), local_files_only=True, dtype=self.dtype)
            torch.manual_seed(int(self.point["seed"]))
            with torch.device(self.device):
                return maker.from_config(transformers.CONFIG_MAPPING[kind].from_dict(dict(config)), dtype=self.dtype)
        except (OSError, ValueError) as error:
            raise CannotRun(f"transformers cannot build {self.point['model']}: {error}") from error

    def _filled(self) -> Any:
        """A cache of all tokens but the one that is decoded."""
        if self.context == 1:
            return None
        before = torch.randint(
            self._vocabulary_size, (self.batch, self.context - 1), device=self.device, generator=self.generator
        )
        with torch.no_grad():
            return self.model(before, use_cache=True, logits_to_keep=1).past_key_values

    def _answer(self) -> Any:
        with torch.no_grad(), attention.chosen(self.kernel):
            if self.stage == "encode":
                return self.model(self.tokens)
            return self.model(self.tokens, past_key_values=self.past, use_cache=True, logits_to_keep=1)

    def _take_back(self) -> None:
        """Take from the cache what a decoded token added to it."""
        if self.past is not None:
            self.past.crop(-1)

    def run(self) -> Tensor:
        """One step; the cache is left as it was."""
        answer = self._answer()
        self._take_back()
        result: Tensor = answer.last_hidden_state if self.stage == "encode" else answer.logits
        return result

    def cache_bytes(self) -> int:
        """Bytes of keys and values at the end of a step."""
        if self.stage == "encode":
            return 0
        cache = self._answer().past_key_values
        size: int = sum(
            tensor.numel() * tensor.element_size()
            for layer in cache.layers for tensor in (layer.keys, layer.values) if tensor is not None
        )  # fmt: skip
        self._take_back()
        return size

    def module_flops(self) -> dict[str, int]:
        """Operations of each module in a step."""
        return counted(self.model, self.run)
