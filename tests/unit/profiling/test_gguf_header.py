"""Reading GGUF headers: files that gguf-py writes, and files that nobody should."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.models.gguf import gguf_file_size_bytes, gguf_widths
from profiling.models.gguf_header import FILE_TYPES, TENSOR_TYPES, InvalidGguf, parse_gguf_header, read_gguf_header
from profiling.models.gguf_rules import block_types
from profiling.models.sources import from_config

HIDDEN, LAYERS, WIDTH, VOCABULARY = 512, 4, 1024, 1000
Q4_K, Q6_K, F32 = gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K, gguf.GGMLQuantizationType.F32


def _write(path: Path) -> Path:
    """A small Llama as llama.cpp would write it in Q4_K_S, with untied tables and without values."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_context_length(4096)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_S)
    writer.add_token_list([f"token {number}" for number in range(5000)])

    def add(name: str, outputs: int, inputs: int, kind: gguf.GGMLQuantizationType) -> None:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        writer.add_tensor(name, np.zeros((outputs, inputs // block * size), np.uint8), raw_dtype=kind)

    add("token_embd.weight", VOCABULARY, HIDDEN, Q4_K)
    add("output.weight", VOCABULARY, HIDDEN, Q6_K)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            kind = gguf.GGMLQuantizationType.Q5_K if name == "attn_v" else Q4_K
            add(f"blk.{layer}.{name}.weight", HIDDEN, HIDDEN, kind)
        for name, outputs, inputs in (("gate", WIDTH, HIDDEN), ("up", WIDTH, HIDDEN), ("down", HIDDEN, WIDTH)):
            add(f"blk.{layer}.ffn_{name}.weight", outputs, inputs, Q4_K)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.zeros(HIDDEN, np.float32))
    writer.add_tensor("output_norm.weight", np.zeros(HIDDEN, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("gguf") / "small-Q4_K_S.gguf")


def test_our_names_of_types_and_formats_are_those_of_gguf_py() -> None:
    ours = {number: name for number, name in TENSOR_TYPES.items() if name != "q2_0"}  # newer than gguf-py 0.19
    assert ours == {kind.value: kind.name.casefold() for kind in gguf.GGMLQuantizationType}
    sizes = {kind.name.casefold(): size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {name: (block.block_size, block.block_bytes) for name, block in block_types().items() if name in sizes} == {
        name: size for name, size in sizes.items() if name in block_types()
    }
    theirs = {
        kind.value: kind.name.removeprefix("MOSTLY_").removeprefix("ALL_").casefold() for kind in gguf.LlamaFileType
    }
    assert {number: name for number, name in FILE_TYPES.items() if name != "q2_0"} == {
        number: name for number, name in theirs.items() if name != "guessed"
    }


def test_a_header_gives_the_exact_size_and_the_config_from_which_the_same_sum_follows(written: Path) -> None:
    header = read_gguf_header(written)
    model = from_config(header.config())
    assert header.format == "q4_k_s"
    assert header.parameters == model.parameters_total
    assert header.header_bytes + header.tensor_bytes == pytest.approx(
        written.stat().st_size, abs=32 * len(header.tensors)
    )
    assert header.tensor_bytes == gguf_file_size_bytes(model, "q4_k_s").tensor_bytes
    widths = gguf_widths(model, "q4_k_s")
    for group in {tensor.group for tensor in header.tensors}:
        numbers, stored = zip(
            *((each.numbers, each.bytes) for each in header.tensors if each.group == group), strict=True
        )
        assert getattr(widths, group) == pytest.approx(8 * sum(stored) / sum(numbers)), group
    assert header.config()["vocab_size"] == VOCABULARY
    assert header.array_lengths["tokenizer.ggml.tokens"] == 5000
    assert len(header.metadata["tokenizer.ggml.tokens"]) == 4096


def test_a_file_cut_off_anywhere_is_refused_with_its_name(written: Path, tmp_path: Path) -> None:
    content = written.read_bytes()
    short = tmp_path / "short.gguf"
    for length in (0, 3, 10, 30, 5_000, read_gguf_header(written).header_bytes, len(content) - 1000):
        short.write_bytes(content[:length])
        with pytest.raises(InvalidGguf, match=r"short\.gguf"):
            read_gguf_header(short)


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidGguf, match="is not a file"):
        read_gguf_header(tmp_path)


def _start(tensors: int = 0, entries: int = 0, rest: bytes = b"") -> io.BytesIO:
    return io.BytesIO(b"GGUF" + struct.pack("<IQQ", 3, tensors, entries) + rest)


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _tensor(shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return _string(b"t") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (_start(tensors=1 << 60), "tensors are more than any model has"),
        (_start(entries=1 << 40), "entries are more"),
        (_start(entries=1, rest=struct.pack("<Q", 1 << 62)), "bytes in a string are more"),
        (_start(entries=1, rest=_string(b"a") + struct.pack("<I", 99)), "type 99"),
        (_start(entries=1, rest=_string(b"a") + struct.pack("<IIQ", 9, 4, 1 << 50)), "items in an array"),
        (_start(entries=1, rest=_string(b"a") + struct.pack("<IIQ", 9, 9, 3)), "type 9 is not known"),
        (_start(entries=1, rest=_string(b"a") + struct.pack("<IIQ", 9, 10, 1 << 23)), "ends within its header"),
        (_start(tensors=1, rest=_string(b"t") + struct.pack("<I", 4_000_000_000)), "dimensions"),
        (_start(tensors=1, rest=_tensor((1 << 40, 1 << 40))), "impossible shape"),
        (_start(tensors=1, rest=_tensor((0,))), "impossible shape"),
        (_start(tensors=1, rest=_tensor((256,), kind=77)), "type 77"),
        (_start(tensors=1, rest=_tensor((100,), kind=12)), "no whole blocks of q4_k"),
        (_start(tensors=2, rest=_tensor((4,)) * 2), "same name"),
        (_start(entries=1, rest=_string(b"general.alignment") + struct.pack("<II", 4, 3)), "power of two"),
        (io.BytesIO(b"GGUF" + struct.pack(">IQQ", 3, 0, 0)), "big-endian"),
        (io.BytesIO(b"GGUF" + struct.pack("<IQQ", 9, 0, 0)), "version 9"),
        (io.BytesIO(b"PK\x03\x04" + bytes(40)), "no GGUF file"),
    ],
)  # fmt: skip
def test_what_no_file_can_hold_is_refused_before_it_is_read(stream: io.BytesIO, message: str) -> None:
    with pytest.raises(InvalidGguf, match=message):
        parse_gguf_header(stream, "hostile.gguf", file_bytes=1000)


@given(st.data())
def test_a_damaged_header_is_read_or_refused_and_nothing_else(written: Path, data: st.DataObject) -> None:
    content = bytearray(written.read_bytes()[:60_000])
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[position] = data.draw(st.integers(0, 255))
    try:
        header = parse_gguf_header(io.BytesIO(bytes(content)), "damaged.gguf")
    except InvalidGguf:
        return
    assert header.tensor_bytes >= 0
