"""Weights of a checkpoint folder (safetensors) brought under our names; read with nothing but torch."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from profiling.errors import InvalidConfig
from profiling.measure.model.shape import ModelShape, shape_of
from profiling.measure.model.transformer import Transformer, empty_model

_FORMATS = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.uint8, "U32": torch.uint32,
}  # fmt: skip

# Patterns of a family's names and what they are called here; the first that matches counts.
_COMMON = ((r"^(?:model|transformer|gpt_neox|bert|roberta)\.", ""),)
_NAMES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "starcoder2": ((r"\.mlp\.c_fc\.", ".mlp.up_proj."), (r"\.mlp\.c_proj\.", ".mlp.down_proj.")),
    "mixtral": ((r"\.block_sparse_moe\.", ".mlp."),),
    "gpt2": (
        (r"^wte\.", "embed_tokens."), (r"^wpe\.", "embed_positions."), (r"^ln_f\.", "norm."), (r"^h\.", "layers."),
        (r"\.ln_1\.", ".input_layernorm."), (r"\.ln_2\.", ".post_attention_layernorm."),
        (r"\.attn\.c_attn\.", ".self_attn.qkv."), (r"\.attn\.c_proj\.", ".self_attn.o_proj."),
        (r"\.mlp\.c_fc\.", ".mlp.up_proj."), (r"\.mlp\.c_proj\.", ".mlp.down_proj."),
    ),
    "opt": (
        (r"^decoder\.", ""), (r"^final_layer_norm\.", "norm."), (r"\.out_proj\.", ".o_proj."),
        (r"\.self_attn_layer_norm\.", ".input_layernorm."), (r"\.final_layer_norm\.", ".post_attention_layernorm."),
        (r"\.fc1\.", ".mlp.up_proj."), (r"\.fc2\.", ".mlp.down_proj."),
    ),
    "gpt_neox": (
        (r"^embed_in\.", "embed_tokens."), (r"^embed_out\.", "lm_head."), (r"^final_layer_norm\.", "norm."),
        (r"\.attention\.query_key_value\.", ".self_attn.qkv."), (r"\.attention\.dense\.", ".self_attn.o_proj."),
        (r"\.mlp\.dense_h_to_4h\.", ".mlp.up_proj."), (r"\.mlp\.dense_4h_to_h\.", ".mlp.down_proj."),
    ),
    "bert": (
        (r"^embeddings\.word_embeddings\.", "embed_tokens."),
        (r"^embeddings\.position_embeddings\.", "embed_positions."),
        (r"^embeddings\.token_type_embeddings\.", "embed_segments."), (r"^embeddings\.LayerNorm\.", "embed_norm."),
        (r"^encoder\.layer\.", "layers."), (r"^pooler\.dense\.", "pooler."),
        (r"\.attention\.self\.query\.", ".self_attn.q_proj."), (r"\.attention\.self\.key\.", ".self_attn.k_proj."),
        (r"\.attention\.self\.value\.", ".self_attn.v_proj."), (r"\.attention\.output\.dense\.", ".self_attn.o_proj."),
        (r"\.attention\.output\.LayerNorm\.", ".input_layernorm."), (r"\.intermediate\.dense\.", ".mlp.up_proj."),
        (r"\.output\.dense\.", ".mlp.down_proj."), (r"\.output\.LayerNorm\.", ".post_attention_layernorm."),
        (r"\.gamma$", ".weight"), (r"\.beta$", ".bias"),
    ),
}  # fmt: skip
_ALIASES = {"roberta": "bert", "xlm-roberta": "bert"}
# Constants that some checkpoints store, and heads of other tasks.
_IGNORED = re.compile(
    r"(inv_freq|masked_bias|attn\.bias|attention\.bias|position_ids|token_type_ids)$|^(cls|lm_head\.(dense|layer_norm|decoder|bias)|classifier)\b"
)
_EXPERT = re.compile(r"^(layers\.\d+\.mlp\.experts)\.(\d+)\.(gate_proj|up_proj|down_proj|w1|w2|w3)\.weight$")


def stored_tensors(folder: Path) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Name of every tensor of the folder's safetensors files, and how to read it.

    The format: eight bytes of header length, a JSON header with type, shape and place of each tensor, the data
    (github.com/huggingface/safetensors, README).

    Raises:
        InvalidConfig: There is no such file, or one that is not in the format.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InvalidConfig(f"{folder} holds no .safetensors file; save the checkpoint in that format")
    for file in files:
        yield from _tensors_of(file)


def _tensors_of(file: Path) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    with file.open("rb") as stream:
        try:
            # A private mapping: torch wants memory it could write to, and the file stays as it is.
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
            length = int.from_bytes(mapped[:8], "little")
            header: dict[str, Any] = json.loads(mapped[8 : 8 + length])
        except (ValueError, OSError) as error:
            raise InvalidConfig(f"{file} is not a safetensors file: {error}") from error
    for name, entry in header.items():
        if name != "__metadata__":
            yield name, _reader(file, mapped, 8 + length, entry)


def _reader(file: Path, mapped: mmap.mmap, base: int, entry: Mapping[str, Any]) -> Callable[[], Tensor]:
    def read() -> Tensor:
        first, last = entry["data_offsets"]
        dtype = _FORMATS.get(entry["dtype"])
        if dtype is None or base + last > len(mapped):
            raise InvalidConfig(f"{file}: a tensor of type {entry['dtype']} at {first}–{last} cannot be read")
        count = (last - first) // dtype.itemsize
        return torch.frombuffer(mapped, dtype=dtype, count=count, offset=base + first).view(entry["shape"])

    return read


def our_name(model_type: str, name: str) -> str:
    """What a tensor of a checkpoint is called here."""
    for pattern, ours in (*_COMMON, *_NAMES.get(_ALIASES.get(model_type, model_type), ())):
        name = re.sub(pattern, ours, name)
    return name


def _parts(shape: ModelShape, name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Tensors under our names: fused matrices taken apart, transposed ones turned."""
    # GPT-2 stores inputs × outputs.
    if shape.model_type == "gpt2" and name.startswith("layers.") and name.endswith("_proj.weight"):
        tensor = tensor.t()
    if ".self_attn.qkv." not in name:
        yield name, tensor
        return
    if shape.model_type == "gpt2":
        pieces = tuple((tensor.t() if tensor.dim() == 2 else tensor).chunk(3, dim=0))
    else:
        # GPT-NeoX interleaves: query, key and value of the first head, then of the second.
        grouped = tensor.view(shape.layers[0].heads, 3, shape.layers[0].head_dim, *tensor.shape[1:])
        pieces = tuple(grouped[:, index].reshape(-1, *tensor.shape[1:]) for index in range(3))
    for letter, piece in zip("qkv", pieces, strict=True):
        yield name.replace(".qkv.", f".{letter}_proj."), piece


def load_tensors(model: Transformer, tensors: Iterator[tuple[str, Callable[[], Tensor]]]) -> Transformer:
    """Fill the model.

    Raises:
        InvalidConfig: A tensor has no place in the model, has another shape, or a parameter got none.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    missing = set(parameters)
    for stored, read in tensors:
        name = our_name(model.shape.model_type, stored)
        if _IGNORED.search(name) or (model.shape.ends.tied and name == "lm_head.weight"):
            continue
        if expert := _EXPERT.match(name):
            name, target = _expert_target(parameters, expert)
            _copy(name, target, read())
            missing.discard(name)
            continue
        for part, tensor in _parts(model.shape, name, read()):
            if part not in parameters:
                raise InvalidConfig(f"the checkpoint's {stored} has no place in a {model.shape.model_type} model here")
            _copy(part, parameters[part], tensor)
            missing.discard(part)
    if model.shape.ends.tied:
        missing.discard("lm_head.weight")
    if missing:
        raise InvalidConfig(f"the checkpoint lacks {len(missing)} tensors, {min(missing)} among them")
    return model


def _expert_target(parameters: Mapping[str, Tensor], match: re.Match[str]) -> tuple[str, Tensor]:
    prefix, expert, matrix = match[1], int(match[2]), match[3]
    if matrix in {"down_proj", "w2"}:
        return f"{prefix}.down_proj", parameters[f"{prefix}.down_proj"][expert]
    stacked = parameters[f"{prefix}.gate_up_proj"][expert]
    width = stacked.shape[0] // 2
    return f"{prefix}.gate_up_proj", stacked[:width] if matrix in {"gate_proj", "w1"} else stacked[width:]


def _copy(name: str, target: Tensor, tensor: Tensor) -> None:
    if target.shape != tensor.shape:
        raise InvalidConfig(
            f"{name} is {tuple(tensor.shape)} in the checkpoint and {tuple(target.shape)} by its config"
        )
    target.copy_(tensor)


def load_checkpoint(folder: Path, device: torch.device, dtype: torch.dtype) -> Transformer:
    """A model with the weights of a folder that holds `config.json` and safetensors files.

    Raises:
        InvalidConfig, UnsupportedModelType: As `shape_of` and `load_tensors`.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    return load_tensors(empty_model(shape_of(config, folder.name), device, dtype), stored_tensors(folder))
