"""Families of 2025 and later: counts against transformers' and the hub's, caches and states by their formulas."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.answers.notes import model_notes
from profiling.errors import InvalidConfig, UnsupportedModelType
from profiling.memory.need import kv_cache_bytes
from profiling.models.architecture import Architecture
from profiling.models.load import load
from profiling.models.sources import catalogue, from_config, from_toml, model_configs
from profiling.models.steps import AttentionCore
from profiling.roofline.operators import operators, totals
from profiling.roofline.tokens import tokens_of
from profiling.roofline.workload import Workload

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
MAMBA = {"mamba_num_heads": 64, "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4}


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
    assert sum(part.parameters or 0 for part in load("Qwen/Qwen3.5-27B").not_counted) == pytest.approx(885e6, rel=0.02)
    for name, row in model_configs().items():
        towers = [part for part in load(name).not_counted if part.name == "vision tower" and part.parameters]
        if towers and "parameters_towers" in row:
            assert towers[0].parameters == pytest.approx(row["parameters_towers"], rel=0.008), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["cohere2_vision", "ernie4_5_vl_moe", "gemma3", "glm46v", "idefics3", "kimi_k25", "lfm2_vl",
             "paddleocr_vl", "paligemma", "qwen2_5_omni_thinker", "qwen3_omni_moe_thinker", "qwen3_vl", "smolvlm"],
)  # fmt: skip
def test_a_model_with_its_towers_has_the_parameters_that_transformers_builds(kind: str) -> None:
    """By the defaults of its class: pooling heads, alignments, experts for images, towers for sound."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.CONFIG_MAPPING[kind]()
    names = transformers.models.auto.modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    with torch.device("meta"):
        built = getattr(transformers, names[kind])(config)
    counted = sum(each.numel() for each in {id(each): each for each in built.parameters()}.values())
    model = from_config(config.to_dict())
    towers = sum(part.parameters or 0 for part in model.not_counted if part.is_tower)
    assert model.parameters_total + towers == pytest.approx(counted, rel=0.006)


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


@pytest.mark.parametrize(
    ("name", "newer", "older"),
    [
        ("Qwen/Qwen3-Coder-Next", "layer_types", {"full_attention_interval": 4}),
        ("LGAI-EXAONE/EXAONE-4.5-33B", "layer_types", {"sliding_window_pattern": "LLLG"}),
        ("ai21labs/AI21-Jamba-Mini-1.7", "layer_types", {"attn_layer_period": 8, "attn_layer_offset": 4}),
        ("moonshotai/Kimi-Linear-48B-A3B-Instruct", "layer_types", {}),  # linear_attn_config says it as well
        ("nvidia/Nemotron-Elastic-12B", "layers_block_type", None),
    ],
)
def test_older_and_newer_field_names_of_a_pattern_say_the_same(name: str, newer: str, older: Any) -> None:
    config = dict(model_configs()[name]["config"])
    inner = dict(config["text_config"]) if "text_config" in config else config
    words = inner.pop(newer, None)
    if older is None:
        letters = {"linear_attention": "M", "mlp": "-", "full_attention": "*"}
        older = {"hybrid_override_pattern": "".join(letters[word] for word in words or ())}
    assert from_config({**inner, **older}, name).main == load(name).main


def test_an_unknown_family_with_known_fields_is_read_and_says_so() -> None:
    model = from_config({**LLAMA, "model_type": "surely_new"})
    assert model.parameters_total == from_config(LLAMA).parameters_total
    assert model.is_inferred_form
    assert "model_type 'surely_new' is not known here" in model.notes[0]
    with pytest.raises(UnsupportedModelType, match="its fields num_wormholes are not understood"):
        from_config({**LLAMA, "model_type": "surely_new", "num_wormholes": 3})


def _decode(model: Architecture, batch: int, context: int) -> dict[str, float]:
    found = operators(model, Workload(batch=batch, context=context))
    states = totals([op for op in found if op.operator_class == "state_update" or "convolution" in op.name])
    return {name: float(states[name]) for name in ("kv_read_bytes", "kv_write_bytes")}


@pytest.mark.parametrize(("change", "why"), [
    ({"model_type": "jetmoe", "num_local_experts": 8, "num_experts_per_tok": 2}, "attention is routed to experts"),
    ({"model_type": "strange", "hidden_act": "xielu"}, "its activation xielu is not understood"),
    ({"model_type": "strange", "hc_mult": 4}, "its fields hc_mult are not understood"),
    ({"model_type": "whisper"}, "turns speech into text; Skyline answers for published models that read text and"),
    ({"model_type": "llada"}, "writes blocks of text by diffusion, not token by token; Skyline answers for published"),
])  # fmt: skip
def test_an_unknown_family_with_something_unknown_is_refused_in_one_sentence(change: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedModelType, match=why):
        from_config(LLAMA | change)


def test_an_unknown_family_with_layer_norms_and_gelu_has_no_gate() -> None:
    plain = {key: value for key, value in LLAMA.items() if key != "model_type"} | {"num_key_value_heads": 32}
    model = from_config(plain | {"model_type": "strange", "hidden_act": "gelu", "layer_norm_eps": 1e-5})
    matrices = 4 * (4 * 4096**2 + 2 * 4096 * 14336) + 2 * 128256 * 4096
    assert model.parameters_total == pytest.approx(matrices, rel=1e-3)


def test_published_models_of_families_without_a_row_here_have_their_published_size() -> None:
    """Counts that transformers 5.24 gives for its defaults, which are those of the model beside."""
    across = {**LLAMA, "model_type": "mllama_text_model", "num_hidden_layers": 40,
              "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38]}  # fmt: skip
    assert from_config(across, "meta-llama/Llama-3.2-11B-Vision").parameters_total == 9_775_192_080
    codestral = {"model_type": "mamba2", "num_heads": 128, "head_dim": 64, "hidden_size": 4096, "state_size": 128,
                 "num_hidden_layers": 64, "n_groups": 8, "vocab_size": 32768}  # fmt: skip
    model = from_config(codestral, "mistralai/Mamba-Codestral-7B-v0.1")
    assert model.parameters_total == 7_285_403_648
    assert model.kv_bytes_per_token(16) == 0
    assert model.state_bytes_per_sequence() == 64 * (128 * 64 * 128 + (8192 + 2 * 8 * 128) * 3) * 2
    minicpm = {"model_type": "minicpm3", "kv_lora_rank": 256, "q_lora_rank": 768, "qk_nope_head_dim": 64,
               "qk_rope_head_dim": 32, "v_head_dim": 64}  # fmt: skip
    assert from_config(minicpm, "openbmb/MiniCPM3-4B").parameters_total == 4_073_875_968
    local = [index > 0 and (index + 1) % 6 > 0 for index in range(48)]
    flash = from_config({
        "model_type": "mimo_v2_flash",
        "layer_types": ["sliding_attention" if each else "full_attention" for each in local],
        "mlp_layer_types": ["dense"] + ["sparse"] * 47, "head_dim": 192, "v_head_dim": 128, "sliding_window": 128,
    })  # fmt: skip
    older = from_config({
        "model_type": "mimo_v2", "hybrid_layer_pattern": [int(each) for each in local],
        "moe_layer_freq": [0] + [1] * 47,
        "head_dim": 192, "v_head_dim": 128, "sliding_window_size": 128, "swa_num_key_value_heads": 8,
        "add_swa_attention_sink_bias": True, "hidden_size": 4096, "intermediate_size": 16384, "num_hidden_layers": 48,
        "num_attention_heads": 64, "num_key_value_heads": 4, "moe_intermediate_size": 2048, "n_routed_experts": 256,
        "num_experts_per_tok": 8, "vocab_size": 152576,
    })  # fmt: skip
    assert flash.parameters_total == older.parameters_total
    assert flash.kv_bytes_per_token(16) == older.kv_bytes_per_token(16)
    # Keys of 192 numbers and values of 128; twice as many heads in local layers. Router corrections are buffers there.
    assert flash.parameters_total == 308_778_768_832 + 47 * 256
    assert flash.kv_bytes_per_token(16) == sum(8 if each else 4 for each in local) * (192 + 128) * 2


def test_the_two_stacks_of_t5gemma_may_differ_in_width() -> None:
    both = {size: load(f"google/t5gemma-{size}-ul2") for size in ("2b-2b", "9b-2b", "9b-9b")}
    assert (both["2b-2b"].parameters_total, both["9b-9b"].parameters_total) == (
        5_596_853_760,
        20_333_401_088,
    )  # the hub's
    wide = both["9b-2b"]
    assert wide.hidden_size == 2304
    assert wide.kv_bytes_per_token() == both["2b-2b"].kv_bytes_per_token()
    keys = next(step for _, step in wide.counted_steps() if step.name == "cross_key")
    assert keys.parameters == 3584 * 4 * 256


def test_a_small_deepseek_without_latents_attends_plainly() -> None:
    config = {
        "model_type": "deepseek_vl_v2", "language_config": {
            "architectures": ["DeepseekV2ForCausalLM"], "use_mla": False, "kv_lora_rank": None, "q_lora_rank": None,
            "hidden_size": 1280, "intermediate_size": 6848, "moe_intermediate_size": 896, "num_hidden_layers": 12,
            "num_attention_heads": 10, "num_key_value_heads": 10, "n_routed_experts": 64, "n_shared_experts": 2,
            "num_experts_per_tok": 6, "first_k_dense_replace": 1, "vocab_size": 129280, "topk_method": "greedy",
        },
    }  # fmt: skip
    model = from_config(config, "deepseek-ai/DeepSeek-OCR")
    assert model.model_type == "deepseek_v2"
    assert model.kv_bytes_per_token(16) == 12 * 2 * 1280 * 2
    assert model.parameters_total == pytest.approx(2.93e9, rel=0.01)


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
    found = {op.name: op for op in operators(model, Workload(context=100_000)) if op.place.endswith("moe")}
    assert found["attention"].kv_read_bytes == 2048 * 576 * 2
    assert found["index_scores"].kv_read_bytes == 100_000 * 132
    assert found["index_scores"].flops == 2 * 64 * 128 * 100_000


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


STEP35 = {
    "model_type": "step3p5", "hidden_size": 4096, "intermediate_size": 11264, "num_hidden_layers": 45,
    "vocab_size": 128896, "moe_layers_enum": ",".join(map(str, range(3, 45))), "num_attention_heads": 64,
    "num_attention_groups": 8, "head_dim": 128, "moe_num_experts": 288, "moe_top_k": 8, "moe_intermediate_size": 1280,
    "share_expert_dim": 1280, "sliding_window": 512, "use_head_wise_attn_gate": True,
    "layer_types": (["full_attention"] + ["sliding_attention"] * 3) * 12,
    "attention_other_setting": {"num_attention_heads": 96, "num_attention_groups": 8, "head_dim": 128},
}  # fmt: skip
RING = {
    "model_type": "bailing_moe_linear", "hidden_size": 2048, "intermediate_size": 5120, "num_hidden_layers": 20,
    "first_k_dense_replace": 1, "group_norm_size": 4, "head_dim": 128, "layer_group_size": 5, "use_qk_norm": True,
    "moe_intermediate_size": 512, "moe_shared_expert_intermediate_size": 512, "num_attention_heads": 16,
    "num_experts": 256, "num_experts_per_tok": 8, "num_key_value_heads": 4, "num_shared_experts": 1,
    "vocab_size": 157184,
}  # fmt: skip
HUNYUAN_LARGE = {
    "model_type": "hunyuan", "architectures": ["HunYuanMoEV1ForCausalLM"], "use_cla": True, "cla_share_factor": 2,
    "hidden_size": 6400, "intermediate_size": 18304, "moe_topk": 1, "num_attention_heads": 80, "num_experts": 16,
    "num_hidden_layers": 64, "num_key_value_heads": 8, "num_shared_expert": 1, "use_qk_norm": True,
    "vocab_size": 129024,
}  # fmt: skip
RWKV7 = {
    "model_type": "rwkv7", "hidden_size": 2560, "head_size": 64, "intermediate_size": 10240, "num_hidden_layers": 32,
    "vocab_size": 65536, "decay_low_rank_dim": 96, "a_low_rank_dim": 96, "gate_low_rank_dim": 320,
    "v_low_rank_dim": 64,
}  # fmt: skip
ZAMBA2 = {
    "model_type": "zamba2", "hidden_size": 3584, "attention_head_dim": 224, "attention_hidden_size": 7168,
    "intermediate_size": 14336, "num_attention_heads": 32, "num_hidden_layers": 81, "num_mem_blocks": 2,
    "mamba_d_state": 64, "mamba_headdim": 64, "mamba_ngroups": 2, "n_mamba_heads": 112, "adapter_rank": 128,
    "vocab_size": 32000, "hybrid_layer_ids": [6, 11, 17, 23, 29, 35, 41, 47, 53, 59, 65, 71, 77],
}  # fmt: skip
PHI35V = {
    "model_type": "phi3_v", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064,
    "img_processor": {"name": "clip_vision_model"}, "embd_layer": {"embedding_cls": "image"},
}  # fmt: skip
MOLMO = {
    "model_type": "molmo", "hidden_size": 3584, "intermediate_size": 37888, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "embedding_size": 152064, "vocab_size": 152064,
    "qkv_bias": True, "weight_tying": False,
}  # fmt: skip
SIGLIP = {
    "model_type": "siglip", "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
    "num_attention_heads": 16, "image_size": 980, "patch_size": 14,
}  # fmt: skip
MINICPMV = {
    "model_type": "minicpmv", "version": 2.6, "hidden_size": 3584, "intermediate_size": 18944, "vocab_size": 151666,
    "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "query_num": 64,
    "vision_config": SIGLIP,
}  # fmt: skip
SMOLVLM = {
    "model_type": "idefics3", "scale_factor": 4,
    "text_config": {
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 49280,
    },
    # As published: what the family fills in is left out.
    "vision_config": {"model_type": "idefics3", "hidden_size": 768, "image_size": 512, "patch_size": 16,
                      "num_attention_heads": 12},
}  # fmt: skip
PLAMO3 = {
    "model_type": "plamo3", "hidden_size": 1536, "num_hidden_layers": 16, "num_attention_heads": 16,
    "num_key_value_heads": 1, "head_dim": 128, "intermediate_size": 6144, "vocab_size": 107520, "window_size": 2048,
    "sliding_window_pattern": 8, "tie_word_embeddings": False,
}  # fmt: skip
JINA3 = {
    "model_type": "xlm-roberta", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "vocab_size": 250002, "max_position_embeddings": 8194, "type_vocab_size": 1,
    "position_embedding_type": "rotary", "lora_adaptations": ["a", "b", "c", "d", "e"], "lora_rank": 4,
}  # fmt: skip
GROK2 = {
    "model_type": "git", "architectures": ["Grok1ForCausalLM"], "hidden_size": 8192, "intermediate_size": 32768,
    "moe_intermediate_size": 16384, "head_dim": 128, "num_attention_heads": 64, "num_key_value_heads": 8,
    "num_hidden_layers": 64, "num_local_experts": 8, "num_experts_per_tok": 2, "residual_moe": True,
    "vocab_size": 131072, "tie_word_embeddings": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "on_hub", "rel"),
    [
        # What is not exact are norms and biases of towers, which their sizes leave out.
        (PHI35V, 4_146_621_440, 0), (MOLMO, 8_021_025_280, 1e-6), (MINICPMV, 8_099_175_152, 1e-4),
        (SMOLVLM, 256_484_928, 5e-4), (PLAMO3, 890_344_960, 0), (JINA3, 572_310_396, 0),
        (GROK2, 270e9, 2e-3),  # its model card
    ],
    ids=["Phi-3.5-vision", "Molmo-7B-D", "MiniCPM-V-2.6", "SmolVLM-256M", "PLaMo-3-610m", "jina-embeddings-v3",
         "Grok-2"],
)  # fmt: skip
def test_what_is_counted_and_what_is_named_beside_make_the_hubs_total(
    config: dict[str, Any], on_hub: float, rel: float
) -> None:
    model = from_config(config)
    beside = sum(part.parameters or 0 for part in model.not_counted)
    assert not model.is_inferred_form
    assert model.parameters_total + beside == pytest.approx(on_hub, rel=rel, abs=0)


PHI4MM = {
    "model_type": "phi4mm", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
    "num_attention_heads": 24, "num_key_value_heads": 8, "vocab_size": 200064, "tie_word_embeddings": True,
    "embd_layer": {"embedding_cls": "image_audio"}, "vision_lora": {"r": 256},
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "billions", "active_billions", "per_token", "fixed"),
    [
        # Published totals of the model cards and papers; caches by their layers, states at 32 bits.
        (STEP35, 196.8, 11.99, 45 * 2 * 8 * 128 * 2, 0),
        (RING, 16.4, 1.6, 4 * 2 * 4 * 128 * 2, 16 * 16 * 128 * 128 * 4),
        (HUNYUAN_LARGE, 389, 52, 32 * 2 * 8 * 80 * 2, 0),
        (RWKV7, 2.948, 2.948, 0, 32 * (40 * 64 * 64 * 4 + 2 * 2560 * 2)),
        (ZAMBA2, 7.36, 7.36, 13 * 2 * 32 * 224 * 2, 81 * (112 * 64 * 64 * 2 + (7168 + 2 * 2 * 64) * 3 * 2)),
        (PHI4MM, 3.84, 3.84, 32 * 2 * 8 * 128 * 2, 0),
    ],
    ids=["Step-3.5-Flash", "Ring-mini-linear-2.0", "Hunyuan-Large", "RWKV-7 2.9B", "Zamba2-7B", "Phi-4-multimodal"],
)  # fmt: skip
def test_fields_as_published_configs_name_them_give_the_published_size(
    config: dict[str, Any], billions: float, active_billions: float, per_token: float, fixed: float
) -> None:
    model = from_config(config)
    assert model.parameters_total / 1e9 == pytest.approx(billions, rel=2e-3)
    assert model.parameters_active / 1e9 == pytest.approx(active_billions, rel=0.015)
    assert (model.kv_bytes_per_token(), model.state_bytes_per_sequence()) == (per_token, fixed)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        ({"model_type": "nomic_bert", "n_embd": 768, "n_head": 12, "n_inner": 3072, "n_layer": 12, "type_vocab_size": 2,
          "vocab_size": 30528}, 136_731_648),
        # Experts in every second layer; gated blocks without positions.
        ({"model_type": "nomic_bert", "n_embd": 768, "n_head": 12, "n_inner": 3072, "n_layer": 12, "type_vocab_size": 1,
          "vocab_size": 250048, "num_experts": 8, "moe_every_n_layers": 2, "moe_top_k": 2}, 475_292_928),
        ({"model_type": "bert", "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
          "num_hidden_layers": 12, "vocab_size": 30528, "max_position_embeddings": 8192, "type_vocab_size": 2,
          "position_embedding_type": "alibi", "feed_forward_type": "geglu"}, 137_368_320),
        ({"model_type": "mpnet", "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
          "num_hidden_layers": 12, "vocab_size": 30527}, 109_484_928),
        ({"model_type": "deberta-v2", "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
          "num_hidden_layers": 12, "vocab_size": 128100, "relative_attention": True, "position_buckets": 256,
          "norm_rel_ebd": "layer_norm", "position_biased_input": False, "type_vocab_size": 0}, 183_831_552),
        ({"model_type": "modernbert", "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 1152,
          "num_hidden_layers": 22, "vocab_size": 50368}, 149_014_272),  # transformers leaves out the first norm of 768
    ],
    ids=["nomic-embed-text-v1.5", "nomic-embed-text-v2-moe", "jina-embeddings-v2-base-en", "all-mpnet-base-v2",
         "deberta-v3-base", "ModernBERT-base"],
)  # fmt: skip
def test_encoders_have_the_parameters_of_their_checkpoints_without_a_task_head(
    config: dict[str, Any], parameters: int
) -> None:
    model = from_config(config)
    assert (model.kind, model.parameters_total) == ("encoder", parameters)


def test_local_layers_have_the_heads_that_a_config_states_for_them() -> None:
    fields = {**LLAMA, "model_type": "step3p5", "moe_num_experts": None, "layer_types": ["sliding_attention"] * 4,
              "sliding_window": 512, "use_head_wise_attn_gate": False}  # fmt: skip
    wider = from_config({**fields, "swa_num_attention_heads": 64, "swa_head_dim": 128})
    assert wider.parameters_total - from_config(fields).parameters_total == 4 * 2 * 32 * 128 * 4096  # query and output
    state = {"model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 4, "state_size": 16, "vocab_size": 50280,
             "time_step_rank": 48}  # fmt: skip
    assert from_config({**state, "intermediate_size": 3072}) == from_config({**state, "expand": 4})


def test_what_is_counted_otherwise_than_a_models_own_code_does_is_said() -> None:
    assert "own code attends within a window" in load("pfnet/plamo-2-8b").notes[0]
    assert "own code reads chosen blocks of the cache alone" in load("openbmb/MiniCPM-SALA").notes[0]
    inkling = {str(part) for part in load("thinkingmachines/Inkling").not_counted}
    assert inkling == {"vision tower, size unknown", "audio tower, size unknown",
                       "8 layers that predict ahead (MTP), about 5.29 B"}  # fmt: skip
    assert model_notes(load("thinkingmachines/Inkling"))[-1].startswith("Not counted: vision tower, size unknown; ")


def test_a_part_of_a_config_that_nothing_reads_is_named() -> None:
    # As in Qwen3-Omni (code2wav), VibeVoice and MiniCPM-o: models beside the decoder under names of their own.
    extra = {"code2wav_config": {"model_type": "code2wav", "hidden_size": 1024, "num_hidden_layers": 8}}
    assert [str(part) for part in from_config({**LLAMA, **extra}).not_counted] == ["code2wav, size unknown"]
    assert not from_config({**LLAMA, "sparse_config": {"block_size": 64}}).not_counted
