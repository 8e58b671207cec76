"""Tokens, pairs, bytes and communication of operators, against direct counts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.errors import IllegalParallelism, InvalidWorkload, UnsupportedPrecision
from profiling.models.load import load
from profiling.models.steps import AttentionCore
from profiling.roofline.graph import edges
from profiling.roofline.operators import Operator, operators, totals
from profiling.roofline.tokens import tokens_of
from profiling.roofline.workload import Parallelism, Precision, Workload, legal_tensor_ways, precision_of

LLAMA_2_7B = load("meta-llama/Llama-2-7b-hf")
LLAMA_3_8B = load("meta-llama/Meta-Llama-3-8B")


def _by_name(listed: list[Operator]) -> dict[str, Operator]:
    return {op.name: op for op in listed}


@given(
    context=st.integers(1, 60),
    reused=st.floats(0, 0.99),
    chunk=st.integers(1, 70),
    window=st.one_of(st.none(), st.integers(1, 40)),
    chunked_window=st.booleans(),
)
def test_pairs_and_keys_read_equal_a_direct_count(
    context: int, reused: float, chunk: int, window: int | None, chunked_window: bool
) -> None:
    prefix = min(int(context * reused), context - 1)
    core = AttentionCore(
        name="attention", inputs=(), heads=1, kv_heads=1, head_dim=1, value_head_dim=1, window=window,
        window_kind="chunked" if chunked_window else "sliding",
    )  # fmt: skip
    tokens = tokens_of(
        Workload(stage="prefill", context=context, prefix=prefix, chunk=chunk), "decoder", two_stacks=False
    )
    assert tokens is not None

    def first_seen(query: int) -> int:
        if window is None:
            return 0
        return query // window * window if chunked_window else max(0, query - window + 1)

    assert tokens.pairs(core) == sum(query - first_seen(query) + 1 for query in range(prefix, context))
    starts = range(prefix, context, chunk)
    assert tokens.passes == len(starts)
    if not chunked_window or len(starts) == 1:  # chunks within chunks are bounded, not counted
        assert tokens.read(core) == sum(min(start + chunk, context) - first_seen(start) for start in starts)


def test_flash_attention_reads_the_kv_heads_once_and_skips_what_the_mask_hides() -> None:
    flash = _by_name(operators(LLAMA_3_8B, Workload(stage="prefill", batch=2, context=4096)))["attention"]
    assert flash.kv_read_bytes == 2 * 4096 * (8 * 128 * 2) * 2  # 8 KV heads, not 32 query heads
    assert flash.activation_write_bytes == 2 * 4096 * 4096 * 2  # O is S × head_dim per head, not S × S
    assert flash.flops == 4 * 2 * (4096 * 4097 / 2) * 32 * 128
    # A chip too small for one head's keys streams them again for each block of queries it holds.
    small = _by_name(operators(LLAMA_3_8B, Workload(stage="prefill", context=4096), 2**20))["attention"]
    assert small.kv_read_bytes == pytest.approx(flash.kv_read_bytes / 2 * math.ceil(4 * 4096 * 256 * 2 / 2**20))


def test_flash_attention_made_decoding_of_a_grouped_model_no_slower_where_a_peer_says_3_5_times() -> None:
    model = load("meta-llama/Llama-2-70b-hf")
    workload = Workload(stage="decode", batch=64, context=4096)
    flash = totals(operators(model, workload))["bytes_moved"]
    naive = totals(operators(model, replace(workload, attention="naive")))["bytes_moved"]
    assert 0.9 < flash / naive < 1


def test_latent_attention_reads_one_latent_per_token_in_decoding() -> None:
    by_name = _by_name(operators(load("deepseek-ai/DeepSeek-V3"), Workload(batch=4, context=1000)))
    assert by_name["attention"].kv_read_bytes == 4 * 1000 * 576 * 2
    assert by_name["attention"].flops == 4 * 1000 * 128 * 2 * (576 + 512)


def test_experts_are_read_as_often_as_uniform_routing_expects() -> None:
    mixtral = load("mistralai/Mixtral-8x7B-v0.1")
    each = 3 * 4096 * 14336 * 2
    experts = _by_name(operators(mixtral, Workload(batch=1, context=10)))["experts"]
    many = _by_name(operators(mixtral, Workload(batch=64, context=10)))["experts"]
    assert experts.weight_bytes == pytest.approx(2 * each)
    assert many.weight_bytes == pytest.approx(8 * each * (1 - 0.75**64))
    assert many.flops == 64 * experts.flops


def test_tensor_parallelism_moves_two_all_reduces_per_layer_and_copies_scarce_kv_heads() -> None:
    workload = Workload(stage="decode", batch=16, context=2048)
    whole = operators(LLAMA_3_8B, workload)
    split = operators(LLAMA_3_8B, replace(workload, parallelism=Parallelism(tensor=16)))
    reduces = [op for op in split if op.name.endswith("all_reduce")]
    assert [op.count for op in reduces] == [32, 32]
    assert reduces[0].communication_bytes == 2 * 15 / 16 * 16 * 4096 * 2
    assert _by_name(split)["query"].flops == _by_name(whole)["query"].flops / 16
    assert _by_name(split)["key"].flops == _by_name(whole)["key"].flops / 8


def test_an_illegal_split_names_what_does_not_divide_and_the_nearest_legal() -> None:
    with pytest.raises(IllegalParallelism, match=r"tp=3 does not divide the 32 attention heads of .*Llama-2-7b"
                                                 r".*nearest legal: 2, 4"):  # fmt: skip
        Parallelism(tensor=3).check(LLAMA_2_7B)
    with pytest.raises(IllegalParallelism, match="no routed experts"):
        Parallelism(tensor=2, expert=2).check(LLAMA_2_7B)
    with pytest.raises(IllegalParallelism, match="pp=33 exceeds the 32 layers"):
        Parallelism(pipeline=33).check(LLAMA_2_7B)
    assert legal_tensor_ways(load("Qwen/Qwen2-7B")) == [1, 2, 4, 28]


def test_absurd_workloads_are_refused_with_their_limits() -> None:
    for wrong, message in (
        (Workload(batch=0), "batch is 0; it must lie between 1"),
        (Workload(context=-5), "context is -5"),
        (Workload(precision=Precision(weight_bits=64)), "weight_bits is 64"),
        (Workload(stage="prefill", context=10, prefix=10), "prefix must be shorter"),
        (Workload(stage="encode"), "has no encoder; use stage prefill"),
        (Workload(batch=np.array([4.0, -2.0])), "batch is between -2 and 4"),
    ):
        with pytest.raises(InvalidWorkload, match=message):
            operators(LLAMA_2_7B, wrong)
    with pytest.raises(UnsupportedPrecision, match="nearest: awq-4bit-g128"):
        precision_of("awq")


def test_stored_formats_carry_their_real_bits_per_weight() -> None:
    assert precision_of("awq-4bit-g128").weight_bits == pytest.approx(4.16, abs=0.005)
    assert precision_of("mxfp4").weight_bits == 4.25
    assert precision_of("gguf-q4_k_m").weight_bits == 4.8944
    assert precision_of("gptq-4bit-g128").embedding == 16


def test_chunks_read_the_weights_again_and_a_reused_prefix_is_not_computed() -> None:
    whole = operators(LLAMA_2_7B, Workload(stage="prefill", context=4096))
    chunked = operators(LLAMA_2_7B, Workload(stage="prefill", context=4096, chunk=512))
    reused = operators(LLAMA_2_7B, Workload(stage="prefill", context=4096, prefix=3072))
    assert totals(chunked)["flops"] == totals(whole)["flops"]
    assert _by_name(chunked)["gate"].weight_bytes == 8 * _by_name(whole)["gate"].weight_bytes
    assert _by_name(reused)["gate"].flops == _by_name(whole)["gate"].flops / 4
    assert _by_name(reused)["attention"].kv_read_bytes == _by_name(whole)["attention"].kv_read_bytes


def test_speculation_verifies_all_drafted_tokens_in_one_pass() -> None:
    workload = Workload(context=1024, draft=4, acceptance=0.8)
    assert workload.tokens_per_step == pytest.approx(3.3616)  # (1 - 0.8^5) / 0.2
    assert _by_name(operators(LLAMA_2_7B, workload))["head"].flops == 5 * 2 * 4096 * 32000


def test_the_same_formulas_answer_for_numbers_and_for_grids() -> None:
    batch, context = np.array([[1.0], [7.0]]), np.array([100.0, 5000.0, 9000.0])
    for name in ("google/gemma-3-27b-it", "deepseek-ai/DeepSeek-V3", "openai/gpt-oss-20b"):
        model = load(name)
        for stage in ("prefill", "decode"):
            grid = totals(operators(model, Workload(stage=stage, batch=batch, context=context)))
            single = totals(operators(model, Workload(stage=stage, batch=7, context=5000)))
            for key, values in grid.items():
                assert np.broadcast_to(values, (2, 3))[1, 1] == pytest.approx(float(single[key]))


def test_the_graph_joins_every_operator_to_what_feeds_it() -> None:
    nodes = operators(load("google/gemma-3-1b-it"), Workload())
    links = edges(nodes)
    assert ("decoder.local/rotary", "decoder.local/attention") in links
    assert ("decoder.after/final_norm", "decoder.after/head") in links
    fed = {target for _, target in links}
    assert {f"{op.place}/{op.name}" for op in nodes} - fed == {"decoder.before/token_embedding"}
