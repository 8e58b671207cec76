"""Reading the header of a GGUF file: what it says of the model, and the exact size of every tensor.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The file may come from anyone, so every count and
length is held against a bound and against the end of the file before anything is reserved or read.
"""

from __future__ import annotations

import io
import math
import re
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from profiling.errors import ProfilingError
from profiling.models.families.assembly import STATES_ALL
from profiling.models.gguf_rules import block_types

_MAGIC = b"GGUF"
_MOST_TENSORS = 1 << 17
_MOST_ENTRIES = 1 << 16
_LONGEST_KEY = 1 << 16
_LONGEST_STRING = 1 << 26
_LONGEST_ARRAY = 1 << 24
_MOST_HEADER_BYTES = 1 << 29
_MOST_DIMENSIONS = 4
_MOST_ITEMS = 4096
"""Arrays are read to their end but kept up to here: one number per layer is wanted, a vocabulary is not."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

TENSOR_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0", 9: "q8_1", 10: "q2_k", 11: "q3_k",
    12: "q4_k", 13: "q5_k", 14: "q6_k", 15: "q8_k", 16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs", 19: "iq1_s",
    20: "iq4_nl", 21: "iq3_s", 22: "iq2_s", 23: "iq4_xs", 24: "i8", 25: "i16", 26: "i32", 27: "i64", 28: "f64",
    29: "iq1_m", 30: "bf16", 34: "tq1_0", 35: "tq2_0", 39: "mxfp4", 40: "nvfp4", 41: "q1_0", 42: "q2_0",
}  # fmt: skip
"""Names of ggml's tensor types by their number in the file."""

_INTEGERS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "f64": 64}

FILE_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k", 11: "q3_k_s",
    12: "q3_k_m", 13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s", 17: "q5_k_m", 18: "q6_k", 19: "iq2_xxs",
    20: "iq2_xs", 21: "q2_k_s", 22: "iq3_xs", 23: "iq3_xxs", 24: "iq1_s", 25: "iq4_nl", 26: "iq3_s", 27: "iq3_m",
    28: "iq2_s", 29: "iq2_m", 30: "iq4_xs", 31: "iq1_m", 32: "bf16", 36: "tq1_0", 37: "tq2_0", 38: "mxfp4_moe",
    39: "nvfp4", 40: "q1_0", 41: "q2_0",
}  # fmt: skip
"""Formats by `general.file_type`."""

_CONFIG_FIELDS = {
    "embedding_length": "hidden_size", "block_count": "num_hidden_layers", "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim", "context_length": "max_position_embeddings", "vocab_size": "vocab_size",
    "expert_count": "num_experts", "expert_used_count": "num_experts_per_tok",
    "expert_feed_forward_length": "moe_intermediate_size", "expert_shared_count": "n_shared_experts",
    "leading_dense_block_count": "first_k_dense_replace", "attention.sliding_window": "sliding_window",
    "attention.q_lora_rank": "q_lora_rank", "attention.kv_lora_rank": "kv_lora_rank",
    "rope.dimension_count": "qk_rope_head_dim", "nextn_predict_layers": "num_nextn_predict_layers",
}  # fmt: skip

_MODEL_TYPES = {
    "qwen2moe": "qwen2_moe", "qwen3moe": "qwen3_moe", "qwen3next": "qwen3_next", "qwen35": "qwen3_5_text",
    "qwen35moe": "qwen3_5_moe_text", "gpt-oss": "gpt_oss", "deepseek2": "deepseek_v3", "gemma3": "gemma3_text",
    "glm4moe": "glm4_moe", "minimax-m2": "minimax_m2", "command-r": "cohere", "gptneox": "gpt_neox",
    "starcoder": "gpt_bigcode", "granitehybrid": "granitemoehybrid", "falcon-h1": "falcon_h1", "phi2": "phi",
    "hunyuan-moe": "hunyuan_v1_moe", "hunyuan-dense": "hunyuan_v1_dense", "nemotron_h_moe": "nemotron_h",
    "smollm3": "smollm3", "seed_oss": "seed_oss", "lfm2moe": "lfm2_moe", "ernie4_5-moe": "ernie4_5_moe",
}  # fmt: skip
"""Architecture names of llama.cpp that are not also `model_type`s."""

_GROUPS = (
    (re.compile(r"^(token_embd|per_layer_token_embd)\.weight$"), "embedding"),
    (re.compile(r"^output\.weight$"), "head"),
    (
        re.compile(r"_norm\b|\.bias$|ffn_gate_inp|ssm_conv1d|shortconv\.conv|^rope_|exp_probs_b|\.(ssm_a|ssm_d)$"),
        "other",
    ),
    (re.compile(r"ffn_(gate|up|down|gate_up)_exps"), "experts"),
    (re.compile(r"\.ffn_"), "feed_forward"),
    (re.compile(r"\.(attn|ssm|shortconv|indexer)"), "attention"),
)


class InvalidGguf(ProfilingError):
    """A file that is no GGUF, is cut off, or states what no file of its size can hold."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor of the file."""

    name: str
    shape: tuple[int, ...]
    """Row width first, as the file has it."""
    type: str
    offset: int

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Its bytes in the file."""
        if self.type in _INTEGERS:
            return self.numbers * _INTEGERS[self.type] // 8
        block = block_types()[self.type]
        return self.numbers // block.block_size * block.block_bytes

    @property
    def group(self) -> str:
        """Which of attention, feed_forward, experts, embedding, head and other it belongs to."""
        return next((group for pattern, group in _GROUPS if pattern.search(self.name)), "other")


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header says."""

    version: int
    metadata: Mapping[str, Any]
    """Key-value pairs; long arrays hold their first 4,096 items."""
    array_lengths: Mapping[str, int]
    tensors: tuple[GgufTensor, ...]
    header_bytes: int
    """Where the tensors begin."""

    @property
    def architecture(self) -> str:
        """llama.cpp's name of the model's family."""
        return str(self.metadata.get("general.architecture", ""))

    @property
    def format(self) -> str | None:
        """The format that `general.file_type` states; publishers of dynamic mixes leave that of the nearest mix."""
        stated = self.metadata.get("general.file_type")
        return FILE_TYPES.get(stated) if isinstance(stated, int) else None

    @property
    def shards(self) -> int:
        """How many files the model is split into; this header lists the tensors of one."""
        count = self.metadata.get("split.count")
        return count if isinstance(count, int) and count > 1 else 1

    @property
    def parameters(self) -> int:
        """Numbers in the tensors of this file."""
        return sum(tensor.numbers for tensor in self.tensors)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of the tensors of this file."""
        return sum(tensor.bytes for tensor in self.tensors)

    def config(self) -> dict[str, Any]:
        """The metadata in the words of a `config.json`, as far as both have the same fields.

        Whether the output is computed with the embedding table, and the size of the vocabulary where it is not
        stated, are read off the tensors.
        """
        name = self.architecture
        fields: dict[str, Any] = {"model_type": _MODEL_TYPES.get(name, name), STATES_ALL: True}
        for key, config_key in _CONFIG_FIELDS.items():
            value = self.metadata.get(f"{name}.{key}")
            if value is not None:
                fields[config_key] = value
        by_name = {tensor.name: tensor for tensor in self.tensors}
        if (table := by_name.get("token_embd.weight")) and len(table.shape) > 1:
            fields["vocab_size"] = table.shape[1]
        elif "vocab_size" not in fields and (tokens := self.array_lengths.get("tokenizer.ggml.tokens")):
            fields["vocab_size"] = tokens
        if table:
            fields["tie_word_embeddings"] = "output.weight" not in by_name
        if title := self.metadata.get("general.name"):
            fields["_name_or_path"] = str(title)[:200]
        return fields


def read_gguf_header(path: str | Path) -> GgufHeader:
    """The header of a GGUF file.

    Raises:
        InvalidGguf: It is no ordinary file, cannot be read, is no GGUF, or contradicts its own size.
    """
    path = Path(path)
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise InvalidGguf(f"{path} is not a file")
        with path.open("rb") as stream:
            return parse_gguf_header(stream, str(path), file_bytes=state.st_size)
    except OSError as error:
        raise InvalidGguf(f"{path} cannot be read: {error.strerror}") from error


def parse_gguf_header(stream: BinaryIO, name: str, *, file_bytes: int | None = None) -> GgufHeader:
    """The header at the start of a stream; no more than the header is read.

    Args:
        stream: A file, or the first part of one.
        name: What to call it in messages.
        file_bytes: Size of the whole file where it is known: no tensor may end beyond it.

    Raises:
        InvalidGguf: As `read_gguf_header`.
    """
    reader = _Reader(stream, name)
    if reader.take(4) != _MAGIC:
        raise InvalidGguf(f"{name} is no GGUF file: it does not begin with 'GGUF'")
    version = reader.number("I")
    if version & 0xFFFF == 0:
        raise InvalidGguf(f"{name}: a big-endian GGUF file, which is not read here; convert it")
    if version not in {2, 3}:
        raise InvalidGguf(f"{name}: GGUF version {version} is not known here; versions 2 and 3 are read")
    tensor_count = reader.count(_MOST_TENSORS, "tensors")
    entry_count = reader.count(_MOST_ENTRIES, "metadata entries")
    metadata: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for _ in range(entry_count):
        key = reader.string(_LONGEST_KEY)
        if key in metadata:
            raise InvalidGguf(f"{name}: metadata key {key[:80]!r} appears twice")
        metadata[key], length = reader.value(reader.number("I"))
        if length is not None:
            lengths[key] = length
    tensors = tuple(_tensor(reader) for _ in range(tensor_count))
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise InvalidGguf(f"{name}: two tensors have the same name")
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise InvalidGguf(f"{name}: an alignment of {str(alignment)[:40]} is not possible; it must be a power of two")
    begin = -(-reader.position // alignment) * alignment
    for tensor in tensors:
        if file_bytes is not None and begin + tensor.offset + tensor.bytes > file_bytes:
            raise InvalidGguf(
                f"{name}: tensor {tensor.name[:80]!r} ends at byte {begin + tensor.offset + tensor.bytes:,} of a file "
                f"of {file_bytes:,}: the file is cut off"
            )
    return GgufHeader(version, metadata, lengths, tensors, begin)


def _tensor(reader: _Reader) -> GgufTensor:
    tensor_name = reader.string(_LONGEST_KEY)
    dimensions = reader.number("I")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise InvalidGguf(
            f"{reader.name}: tensor {tensor_name[:80]!r} has {dimensions} dimensions; 1 to 4 are possible"
        )
    shape = tuple(reader.number("Q") for _ in range(dimensions))
    if not all(shape) or math.prod(shape) >= 1 << 62:
        raise InvalidGguf(f"{reader.name}: tensor {tensor_name[:80]!r} has an impossible shape {shape}")
    number = reader.number("I")
    kind = TENSOR_TYPES.get(number)
    if kind is None:
        raise InvalidGguf(
            f"{reader.name}: tensor {tensor_name[:80]!r} is of type {number}, which llama.cpp does not have"
        )
    if kind not in _INTEGERS and shape[0] % block_types()[kind].block_size:
        raise InvalidGguf(
            f"{reader.name}: tensor {tensor_name[:80]!r} has rows of {shape[0]}, no whole blocks of {kind}"
        )
    return GgufTensor(tensor_name, shape, kind, reader.number("Q"))


@dataclass(slots=True)
class _Reader:
    """A stream that is read forwards, never beyond the bound of a header."""

    stream: BinaryIO
    name: str
    position: int = field(default=0)

    def take(self, count: int) -> bytes:
        if self.position + count > _MOST_HEADER_BYTES:
            raise InvalidGguf(f"{self.name}: the header is longer than {_MOST_HEADER_BYTES:,} bytes")
        content = self.stream.read(count)
        if len(content) < count:
            raise InvalidGguf(f"{self.name}: the file ends within its header, at byte {self.position + len(content):,}")
        self.position += count
        return content

    def skip(self, count: int) -> None:
        while count > 0:
            count -= len(self.take(min(count, io.DEFAULT_BUFFER_SIZE)))

    def number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))[0]

    def count(self, most: int, what: str) -> int:
        count = int(self.number("Q"))
        if count > most:
            raise InvalidGguf(f"{self.name}: {count:,} {what} are more than any model has ({most:,})")
        return count

    def string(self, longest: int = _LONGEST_STRING) -> str:
        return self.take(self.count(longest, "bytes in a string")).decode("utf-8", "replace")

    def value(self, kind: int) -> tuple[Any, int | None]:
        """A value and, of an array, its length."""
        if kind == _STRING:
            return self.string(), None
        if kind != _ARRAY:
            return self.number(self.scalar(kind)), None
        item = self.number("I")
        length = self.count(_LONGEST_ARRAY, "items in an array")
        count = min(length, _MOST_ITEMS)
        if item == _STRING:
            items: list[Any] = [self.string() for _ in range(count)]
            for _ in range(length - count):
                self.skip(self.count(_LONGEST_STRING, "bytes in a string"))
            return items, length
        form = self.scalar(item)  # an array of arrays does not occur and is refused here
        width = struct.calcsize(f"<{form}")
        items = list(struct.unpack(f"<{count}{form}", self.take(count * width)))
        self.skip((length - count) * width)
        return items, length

    def scalar(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise InvalidGguf(f"{self.name}: metadata of type {kind} is not known here")
        return _SCALARS[kind]
