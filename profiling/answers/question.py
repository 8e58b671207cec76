"""A question: this model on this device under this load, through this engine; one type with its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast, get_args

from profiling.answers.extras import acceptance_of
from profiling.answers.pruning import pruning_of
from profiling.engines.formats import FORMATS
from profiling.errors import InvalidWorkload, nearest
from profiling.memory.engines import EngineStart, engine_profile
from profiling.models.architecture import Architecture
from profiling.models.format_names import kv_format, kv_formats
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import (
    AttentionKernel,
    Parallelism,
    Precision,
    Stage,
    Values,
    Workload,
    legal_tensor_ways,
    weight_formats,
)

ENGINE = "vllm-v1"
ENCODER_ENGINE = "transformers"
"""What runs encoders where nothing else is said: engines that make tokens hold room for steps that these never take."""
PLAIN_BITS = {f"{bits}-bit": bits for bits in (8, 6, 5, 4, 3, 2)}
"""Formats that give every number of a model the same width, tables and head included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(EngineStart):
    """One configuration, in the words of the command line, of addresses and of the HTTP interface.

    Attributes:
        model: A name of the catalogue, or a path to a description.
        accelerator: A device by any of its names, or several alike, as `2x3090`.
        stage: prefill, decode (one step), generate (prefill and every decode step) or encode.
        batch: Sequences in flight.
        context: Prompt length in tokens; for decode, the tokens attended, the new one among them.
        generated: Tokens made after the prompt; for stage generate only.
        weight_format: How weights are stored, such as `awq-4bit-g128` or `q4_k_m`, or plain bits such as `4-bit`; None:
            as the checkpoint is published.
        weight_bits: Bits per weight, the same for every matrix, where no format is named.
        activation_bits: Bits per activation; None: as engines use the format.
        kv_bits: Bits per number of the KV cache.
        embedding_bits: Bits of input tables and head; None: as the weights, or as the format keeps them.
        attention: flash, or naive with the scores in memory.
        tensor: Devices that share every layer.
        pipeline: Groups of devices, each with some of the layers.
        expert: Devices that the experts are dealt out to, within the tensor group.
        engine: What runs the model; None: what people run on such a device.
        prefix: Tokens of the prompt whose keys and values are reused from an earlier request.
        chunk: Most tokens of one prefill pass; None: the whole prompt at once.
        draft: Tokens proposed and verified per step by speculative decoding.
        acceptance: Probability that a proposed token is accepted; None: a documented assumption, which the answer says.
        draft_model: What proposes: a smaller model, or `mtp` for the checkpoint's own layers; None: not known, so that
            a token costs a twentieth of a step.
        lora_rank: Rank of low-rank adapters beside the weights; 0: none.
        lora_targets: Groups or names of the matrices they adapt, with commas.
        lora_count: Adapters that are loaded.
        image_tokens: Tokens of images in the prompt, beside `context`.
        audio_tokens: Tokens of sound in the prompt, likewise.
        cache_tokens: Most tokens that the cache holds of a sequence, for stage generate; once full its older half is
            dropped (context shift); None: it grows.
        pruning: `2:4`, `unstructured-50%`, `structured-30%`; None: every weight is there.
        vocabulary: Size of the vocabulary in place of the model's own; None: its own.
        country: Whose electricity is used: ISO 3166 alpha-3, or WLD for the world.
        spot: Whether interruptible devices are rented.
    """

    model: str
    accelerator: str
    stage: str = "decode"
    batch: int = 1
    context: int = 4096
    generated: int = 256
    weight_format: str | None = None
    weight_bits: float | None = None
    activation_bits: float | None = None
    kv_bits: float = 16
    embedding_bits: float | None = None
    attention: str = "flash"
    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    engine: str | None = None
    prefix: int = 0
    chunk: int | None = None
    draft: int = 0
    acceptance: float | None = None
    draft_model: str | None = None
    lora_rank: int = 0
    lora_targets: str = "attention"
    lora_count: int = 1
    image_tokens: int = 0
    audio_tokens: int = 0
    cache_tokens: int | None = None
    pruning: str | None = None
    vocabulary: int | None = None
    country: str = "WLD"
    spot: bool = False

    @property
    def devices(self) -> str:
        """Accelerators in use, for reading."""
        count = self.tensor * self.pipeline
        return self.accelerator if count == 1 else f"{count} × {self.accelerator}"

    def format_of(self, model: Architecture) -> str | None:
        """The name of the format of the weights; None where only their bits are stated, which name no file."""
        if self.weight_format in PLAIN_BITS or (self.weight_format is None and self.weight_bits is not None):
            return None
        return self.weight_format or model.published_format.name

    def precision_of(self, model: Architecture) -> Precision:
        """Bits per class of numbers.

        Raises:
            UnsupportedPrecision: The format is not known; the message names the nearest.
        """
        stored = stored_precision(model, self.weight_format, self.weight_bits, self.kv_bits)
        if self.pruning is not None:
            stored = pruning_of(self.pruning).stored(stored)
        if self.activation_bits is not None:
            stored = replace(stored, activation_bits=self.activation_bits)
        return stored if self.embedding_bits is None else replace(stored, embedding_bits=self.embedding_bits)

    def workload_of(self, model: Architecture) -> Workload:
        """The question as the performance model takes it.

        Raises:
            InvalidWorkload, UnsupportedPrecision: A word is not known; the message names the nearest.
        """
        stage = cast("Stage", one_of("stage", self.stage, get_args(Stage)))
        return Workload(
            stage=stage,
            batch=self.batch,
            context=self.context + self.image_tokens + self.audio_tokens,
            generated=self.generated if stage == "generate" else 0,
            precision=self.precision_of(model),
            attention=cast("AttentionKernel", one_of("attention", self.attention, get_args(AttentionKernel))),
            parallelism=Parallelism(self.tensor, self.pipeline, self.expert),
            prefix=self.prefix,
            chunk=cast("Values | None", self.batched_tokens if self.chunk is None else self.chunk),
            draft=self.draft,
            acceptance=acceptance_of(self.acceptance, self.draft_model),
            cache_tokens=self.cache_tokens,
        )


def stored_precision(
    model: Architecture, weight_format: str | None, weight_bits: float | None = None, kv_bits: float = 16
) -> Precision:
    """Bits of a format or of plain bits (`4-bit`), of the given width, or of the published format where none is named.

    Raises:
        UnsupportedPrecision: There is no such format; the message names the nearest.
    """
    if weight_format is not None and weight_format in PLAIN_BITS:
        return Precision(weight_bits=PLAIN_BITS[weight_format], kv_bits=kv_bits)
    if weight_format is None and weight_bits is not None:
        return Precision(weight_bits=weight_bits, kv_bits=kv_bits)
    return precision_for(model, weight_format, kv_bits)


def split_over(model: Architecture, devices: int, engine: str) -> Parallelism:
    """How an engine uses several devices alike where nothing else is said: servers split every layer where they can."""
    if devices == 1:
        return Parallelism()
    if engine_profile(engine).by_layers or devices not in legal_tensor_ways(model, devices):
        return Parallelism(1, devices)
    return Parallelism(devices)


AS_PUBLISHED = "published"


def weight_choices() -> dict[str, str]:
    """Labels and names of what weights can be stored in: whatever advice chooses is among them."""
    published = {"as published": AS_PUBLISHED}
    stored = {f"{name} · {float(row['bits_per_weight']):.3g} bits": name for name, row in weight_formats().items()}
    advised = (weight_choice(name) for formats in FORMATS.values() for name in formats if name is not None)
    stored |= {name: name for name in advised if name not in weight_formats()}
    return published | stored | {f"{bits} bits, embeddings and head too": name for name, bits in PLAIN_BITS.items()}


def weight_choice(name: str) -> str:
    """The choice that means a format: engines call `q5_k_m` what is `gguf-q5_k_m` among those of all engines."""
    return f"gguf-{name}" if f"gguf-{name}" in weight_formats() else name


def cache_choices() -> dict[str, str]:
    """Labels and names of what the KV cache can be stored in, as `kv_format` reads them."""
    return {f"{bits} bits": str(bits) for bits in (16, 8, 4)} | {
        f"{name} · {kv_format(name):.3g} bits": name for name in kv_formats()
    }


def one_of(what: str, word: str, choices: Sequence[str]) -> str:
    """The word, if it is one of the choices.

    Raises:
        InvalidWorkload: It is none; the message names the nearest and lists them all.
    """
    if word in choices:
        return word
    near = nearest(word, choices, 1)
    raise InvalidWorkload(f"no {what} {word!r}{f'; nearest: {near}' if near else ''}; there are {', '.join(choices)}")
