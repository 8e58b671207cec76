"""Families of 2025 and later: counts against transformers' and the hub's, caches and states by their formulas."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.errors import InvalidConfig, UnsupportedModelType
from profiling.memory.need import kv_cache_bytes
from profiling.memory.weights import additional_weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.load import load
from profiling.models.sources import catalogue, from_config, from_toml, model_configs
from profiling.models.steps import AttentionCore
from profiling.roofline.operators import operators, totals
from profiling.roofline.tokens import tokens_of
from profiling.roofline.workload import Precision, Workload

MIB = 2**20
LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 4, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
}  # fmt: skip
QWEN35_27B = {
    "model_type": "qwen3_5",
    "text_config": {
        "model_type": "qwen3_5_text", "hidden_size": 5120, "num_hidden_layers": 64, "num_attention_heads": 24,
        "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 17408, "vocab_size": 248320,
        "full_attention_interval": 4, "linear_num_key_heads": 16, "linear_num_value_heads": 48,
        "linear_key_head_dim": 128, "linear_value_head_dim": 128, "max_position_embeddings": 262144,
    },
}  # fmt: skip


def test_every_model_counted_by_transformers_has_that_many_parameters_in_all_and_per_token() -> None:
    counted = {name: row for name, row in model_configs().items() if row.get("counted_by", "").startswith("transf")}
    assert len(counted) > 130
    for name, row in counted.items():
        model = from_config(row["config"], name)
        assert model.parameters_total == pytest.approx(row["parameters_total"], rel=1e-3), name
        if "parameters_active" in row:
            assert model.parameters_active == pytest.approx(row["parameters_active"], rel=1e-3), name


@pytest.mark.parametrize(
    ("name", "towers"),
    [
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", 0),
        # One layer that predicts ahead: a layer like the last, the product that joins both inputs, three norms.
        ("XiaomiMiMo/MiMo-7B-Base", 210_790_400),
        # The same with a table of its own: 131,072 × 6,144.
        ("meituan-longcat/LongCat-Flash-Chat", 392_593_408 + 131_072 * 6_144),
        ("openbmb/MiniCPM-SALA", 0),
        ("pfnet/plamo-2-1b", 0),
        ("LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct", 0),
        ("Qwen/Qwen3.8-2.4T-A95B", 2_446_182_725_504 - 2_419_804_697_984),
        # Towers of the MLX copy, which has nothing else besides, and layers that predict ahead.
        ("thinkingmachines/Inkling", 952_377_623_626 - 947_025_564_226),
    ],
)
def test_what_transformers_does_not_build_has_the_hubs_total_less_what_is_named(name: str, towers: int) -> None:
    assert load(name).parameters_total + towers == model_configs()[name]["parameters_on_hub"]


def test_what_a_checkpoint_holds_beside_its_decoder_is_named_and_sized() -> None:
    named = {str(part) for part in load("Qwen/Qwen3.5-27B").not_counted}
    assert named == {"vision tower, about 0.46 B", "1 layer that predicts ahead (MTP), about 0.42 B"}
    # The hub stores 885 M parameters more than the decoder has.
    assert sum(part.parameters or 0 for part in load("Qwen/Qwen3.5-27B").not_counted) == 885_429_488


@pytest.mark.parametrize(
    ("name", "tower"),
    [
        # The hub's totals less the decoders: 4,300,079,472 less 3,880,263,168 with 64 rows more, and as the config of
        # the two Llamas says it; of Gemma 3 27B, whose total is 27.43 B, by hand.
        ("google/gemma-3-4b-it", 419_816_304), ("google/gemma-3-27b-it", 423_060_336),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", 401_583_781_376 - 400_711_848_960),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 871_932_416),
    ],
)  # fmt: skip
def test_a_row_of_the_catalogue_names_its_tower_and_fits_with_it(name: str, tower: int) -> None:
    model = load(name)
    (part,) = model.not_counted
    assert part.name == "vision tower"
    assert part.parameters == tower
    assert part.tower is not None
    assert part.tower.patches_per_token == (16 if "gemma" in name else 4)
    more = additional_weight_bytes(model, Precision()) - additional_weight_bytes(
        replace(model, not_counted=()), Precision()
    )
    assert more == 2 * (part.parameters or 0)  # at 16 bits, in the upper end of what is needed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "built_by"),
    [("aria_text", "AriaTextForCausalLM"), ("eurobert", "EuroBertModel"), ("flint", "FlintForCausalLM"),
     ("kolibri1", "Kolibri1ForCausalLM"), ("persimmon", "PersimmonForCausalLM"),
     ("qwen4_exp_text", "Qwen4ExpForCausalLM"), ("albert", "AlbertModel"), ("doge", "DogeForCausalLM"),
     ("dots3_note_text", "Dots3NoteForCausalLM"), ("electra", "ElectraModel"), ("hrm_text", "HrmTextForCausalLM"),
     ("m2m_100", "M2M100ForConditionalGeneration")],
)  # fmt: skip
def test_a_family_has_the_parameters_that_transformers_builds_by_its_defaults(kind: str, built_by: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    fields = _QWEN38_FLASH if kind == "qwen4_exp_text" else {}
    config = transformers.CONFIG_MAPPING[kind](**fields)
    with torch.device("meta"):
        built = getattr(transformers, built_by)(config)
    counted = sum(each.numel() for each in {id(each): each for each in built.parameters()}.values())
    model = from_config(config.to_dict())
    corrections = sum(spec.count * spec.experts.count for spec in model.main.layers if spec.experts)
    assert model.parameters_total - counted in {0, corrections}  # corrections of routers are buffers there


@pytest.mark.parametrize(
    ("fields", "hub"),
    [
        # Heads and widths that differ from layer to layer, layers passed eight times, experts: totals of the hub.
        ("apple/OpenELM-1_1B-Instruct", 1_079_891_456), ("sapientinc/HRM-Text-1B", 1_182_795_264),
        ("IFM/K2-Horizon-7B", 8_999_178_240), ("IFM/K2-Horizon-375B-A23B", 379_167_159_168),
        # Of the hub's 763,205,315,794 the decoder, as its tensors were summed by hand from the code of SGLang.
        ("deepseek-ai/DeepSeek-V4.1-Flash", 748_494_669_424),
    ],
)  # fmt: skip
def test_families_whose_code_is_their_own_have_the_hubs_total(fields: str, hub: int) -> None:
    assert load(fields).parameters_total == hub


def test_layers_of_deepseek_v4_1_share_their_entries_and_its_towers_make_up_the_hubs_total() -> None:
    model = load("deepseek-ai/DeepSeek-V4.1-Flash")
    # Three sources of an entry per two tokens and one of an entry per token, each with an index key in fp4.
    assert model.kv_bytes_per_token() == (3 / 2 + 1) * (512 * 2 + 128 * 4.25 / 8)
    assert model.published_format.name == "fp8-block, experts mxfp4"
    beside = sum(part.parameters or 0 for part in model.not_counted)
    assert model.parameters_total + beside == pytest.approx(763_205_315_794, rel=3e-5)
    assert model.parameters_active == pytest.approx(16.8e9, rel=0.01)  # published: 16 B


def test_layers_that_are_passed_again_are_stored_once_and_keep_a_cache_each_time() -> None:
    model = load("sapientinc/HRM-Text-1B")
    assert model.main.depth == 128
    assert model.kv_bytes_per_token() == 128 * 2 * 12 * 128 * 2
    # Each of two stacks of 16 layers is passed six and two times; the head is the last product.
    layer = 5 * 1536 * 1536 + 3 * 1536 * 4096
    done = sum(op.count * op.flops for op in operators(model, Workload(context=4096)) if op.name != "attention")
    assert done == pytest.approx(2 * (128 * layer + 65_536 * 1536), rel=0.02)


def test_a_mistral_large_4_has_no_positions_in_every_fourth_layer_and_shares_no_latents() -> None:
    model = load("mistralai/Mistral-Large-4-1T-A52B")
    widths = {step.latent_width for _, step in model.counted_steps() if isinstance(step, AttentionCore)}
    assert widths == {512, 576}
    text = model_configs()["mistralai/Mistral-Large-4-1T-A52B"]["config"]["text_config"]
    with pytest.raises(UnsupportedModelType, match="kv_source_layers"):
        from_config({**text, "kv_source_layers": [0, 0, *range(2, 72)]}, "shared")
    for refused in ({"model_type": "doge", "is_moe": True}, {"model_type": "k2_horizon", "mova_num_experts": 16}):
        with pytest.raises(UnsupportedModelType, match="not known here"):
            from_config({**LLAMA, **refused}, "unknown")


_QWEN38_FLASH = {
    "ple_layer_ids": [2], "ngram_vocab_size_base": 1000, "eos_token_id": 0, "head_dim": 128, "indexer_n_heads": 4,
    "indexer_kv_heads": 1, "indexer_head_dim": 128, "indexer_budget": 2048, "indexer_compress_ratio": 4,
}  # fmt: skip
"""A small table of n-grams in an otherwise whole model."""


@pytest.mark.parametrize(
    ("name", "per_token", "fixed"),
    [
        # Keys and values, a key of the indexer per four tokens; states, and the inputs of a dilated convolution.
        (
            "Qwen/Qwen3.8-Flash-Next",
            12 * (2 * 2 * 256 * 2 + 128 * 2 / 4),
            36 * (48 * 128 * 128 * 4 + 10_240 * 3 * 2) + 4 * 2560 * 9 * 2,
        ),
        ("Qwen/Qwen3-Coder-Next", 12 * 2 * 2 * 256 * 2, 36 * (32 * 128 * 128 * 4 + 8192 * 3 * 2)),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 6 * 2 * 2 * 128 * 2, 23 * (64 * 64 * 128 * 4 + 6144 * 3 * 2)),
        ("LiquidAI/LFM2-1.2B", 6 * 2 * 8 * 64 * 2, 10 * 2048 * 3 * 2),
        ("MiniMaxAI/MiniMax-M1-80k", 10 * 2 * 8 * 128 * 2, 70 * 64 * 128 * 128 * 4),
        # Lightning attention in 24 of 32 layers; a recurrence of one number per channel, and windows, which are full.
        ("openbmb/MiniCPM-SALA", 8 * 2 * 2 * 128 * 2, 24 * 32 * 128 * 128 * 4),
        ("google/recurrentgemma-2b-it", 8 * 2 * 256 * 2, 18 * 2560 * (4 + 3 * 2)),
        ("pfnet/plamo-2-1b", 8 * 2 * 128 * 2, 8 * (32 * 128 * 64 * 4 + 4096 * 3 * 2)),
        ("ai21labs/AI21-Jamba-Mini-1.7", 4 * 2 * 8 * 128 * 2, 28 * (8192 * 16 + 8192 * 3) * 2),
        # Latent caches of 576 numbers, with 132 bytes of index keys where there is an indexer.
        ("deepseek-ai/DeepSeek-V3.2", 61 * (576 * 2 + 132), 0),
        ("meituan-longcat/LongCat-Flash-Chat", 56 * 576 * 2, 0),
        ("google/gemma-3n-E2B-it", 20 * 2 * 2 * 256 * 2, 0),  # the last ten layers read the caches of others
        # Entries of 512 numbers per 4 or 128 tokens, index keys per 4; the windows are buffers of a fixed size.
        ("deepseek-ai/DeepSeek-V4-Flash", 21 * (1024 + 132) / 4 + 20 * 1024 / 128, 0),
    ],
)
def test_caches_and_states_follow_the_formulas_of_their_layers(name: str, per_token: float, fixed: float) -> None:
    model = load(name)
    assert model.kv_bytes_per_token() == per_token
    assert model.state_bytes_per_sequence() == fixed


def test_a_hybrid_keeps_a_growing_cache_in_its_full_layers_only() -> None:
    model = from_config(QWEN35_27B)
    assert model.kv_bytes_per_token() * 262_144 == 16_384 * MIB  # as LM Studio showed it
    # It kept the inputs of convolutions at 32 bits: 598.5 MiB for four sequences.
    assert 4 * model.state_bytes_per_sequence(activation_bits=32) / MIB == pytest.approx(598.5, abs=0.1)
    assert model.parameters_total == 26_895_998_464


def test_numbers_of_heads_may_differ_from_layer_to_layer() -> None:
    model = from_config(LLAMA | {"num_key_value_heads": [8, 8, 4, 4]})
    assert model.kv_bytes_per_token() == (8 + 8 + 4 + 4) * 2 * 128 * 2
    with pytest.raises(InvalidConfig, match="num_key_value_heads must hold a whole number for each of 4 layers"):
        from_config(LLAMA | {"num_key_value_heads": [8, 8]})


def test_a_config_in_toml_may_list_words_for_each_layer() -> None:
    described = """
        model_type = "custom"
        layers = 4
        vocabulary_size = 1000
        hidden_size = 256
        heads = 8
        kv_heads = [8, 8, 2, 2]
        window = [128, 128, 0, 0]
        intermediate_size = 512
        layer_kinds = ["attention", "attention", "attention", "state"]
        [state]
        kind = "mamba_2"
        heads = 8
        head_dim = 64
        groups = 1
        state = 16
        kernel = 4
    """
    model = from_toml(described)
    assert model.kv_bytes_per_token() == (8 + 8 + 2) * 2 * 32 * 2
    assert model.kv_bytes_per_token(beyond_window=True) == 2 * 2 * 32 * 2
    assert model.state_bytes_per_sequence() == 8 * 64 * 16 * 2 + (512 + 2 * 16) * 3 * 2


def _decode(model: Architecture, batch: int, context: int) -> dict[str, float]:
    ops = operators(model, Workload(batch=batch, context=context))
    states = totals([op for op in ops if op.operator_class == "state_update" or "convolution" in op.name])
    return {name: float(states[name]) for name in ("kv_read_bytes", "kv_write_bytes")}


def test_a_state_is_read_and_written_per_token_with_the_batch_and_not_with_the_context() -> None:
    model = load("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
    once = _decode(model, 1, 1024)
    assert once["kv_read_bytes"] == once["kv_write_bytes"] == model.state_bytes_per_sequence()
    assert _decode(model, 1, 65_536) == once
    assert _decode(model, 7, 1024) == {name: 7 * value for name, value in once.items()}


def test_the_state_of_every_sequence_is_part_of_the_cache() -> None:
    model = load("Qwen/Qwen3-Coder-Next")
    need = kv_cache_bytes(model, Workload(batch=3, context=1000))
    assert need.low == need.high == 3 * (1000 * model.kv_bytes_per_token() + model.state_bytes_per_sequence())


def test_an_indexer_bounds_what_attention_reads_and_reads_its_own_keys() -> None:
    model = load("deepseek-ai/DeepSeek-V3.2")
    by_name = {op.name: op for op in operators(model, Workload(context=100_000)) if op.place.endswith("moe")}
    assert by_name["attention"].kv_read_bytes == 2048 * 576 * 2
    assert by_name["index_scores"].kv_read_bytes == 100_000 * 132
    assert by_name["index_scores"].flops == 2 * 64 * 128 * 100_000


def test_layers_without_a_cache_of_their_own_still_read_that_of_others() -> None:
    model = load("google/gemma-3n-E2B-it")
    cores = [core for layer in model.main.layers if (core := layer.attention)]
    assert {core.owns_cache for core in cores} == {True, False}
    read = [op for op in operators(model, Workload(context=400)) if op.name == "attention"]
    assert {float(op.kv_read_bytes) for op in read} == {400 * 2 * 2 * 256 * 2}


@given(
    length=st.integers(1, 300),
    new=st.integers(1, 300),
    ratio=st.integers(1, 9),
    chosen=st.one_of(st.none(), st.integers(1, 20)),
)
def test_pairs_with_entries_are_those_counted_one_by_one(length: int, new: int, ratio: int, chosen: int | None) -> None:
    core = AttentionCore(name="attention", inputs=(), heads=1, kv_heads=1, head_dim=1, value_head_dim=1,
                         tokens_per_entry=ratio, chosen=chosen)  # fmt: skip
    new = min(new, length)
    tokens = tokens_of(Workload(stage="prefill", context=length, prefix=length - new), "decoder", two_stacks=False)
    assert tokens is not None
    visible = [query // ratio for query in range(length - new + 1, length + 1)]
    assert float(tokens.pairs(core)) == sum(min(count, chosen or count) for count in visible)


def test_every_model_of_the_catalogue_has_a_record_and_an_architecture() -> None:
    for name, entry in catalogue().items():
        assert entry.record["model_id"] == name
        assert int(entry.record["parameters_total"]) > 0
        assert entry.architecture().name == name
