"""Families whose code is beside their checkpoints: parameters as their files hold them, or as their makers publish."""

from __future__ import annotations

from typing import Any

import pytest

from profiling.errors import InvalidConfig
from profiling.models.load import load
from profiling.models.sources import from_config, model_configs
from profiling.roofline.operators import operators
from profiling.roofline.workload import Workload

TELECHAT = {"model_type": "telechat", "num_key_value_heads": None, "seq_length": 8192}
MOTIF_3 = {
    "model_type": "Motif", "num_hidden_layers": 53, "n_dense_first_layers": 2, "hidden_size": 4096,
    "intermediate_size": 12_288, "moe_intermediate_size": 1280, "num_experts": 384, "experts_top_k": 8,
    "num_shared_experts": 1, "num_attention_heads": 80, "num_key_value_heads": 16, "num_noise_heads": 16,
    "head_dim": 192, "v_head_dim": 128, "qk_rope_head_dim": 64, "q_lora_rank": 1024, "kv_lora_rank": 512,
    "mhc_enabled": True, "mhc_expansion_rate": 4, "mhc_sinkhorn_iters": 20, "use_sliding_window": True,
    "sliding_window": 128, "sliding_window_period": 4, "max_position_embeddings": 262_144,
    "num_nextn_predict_layers": 1, "hidden_act": "poly_norm", "vocab_size": 220_160, "interleave_moe_layer_step": 1,
    "elementwise_attn_output_gate": True, "tie_word_embeddings": False,
}  # fmt: skip
_MTP_OF_MOTIF_3 = 251_151_876
"""The tensors below `model.mtp_layers.0` of Motif-Technologies/Motif-3."""


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        # Bytes of all tensors by the indexes beside the configs of Tele-AI/Telechat and Tele-AI/TeleChat2 (115B: fp32).
        ({"hidden_size": 4096, "n_head": 32, "n_layer": 30, "ffn_hidden_size": 12_288, "vocab_size": 160_256},
         14_400_036_864 // 2),
        ({"hidden_size": 5120, "n_head": 32, "n_layer": 38, "ffn_hidden_size": 12_288, "vocab_size": 120_000,
          "tie_word_embeddings": False}, 24_772_864_000 // 2),
        ({"hidden_size": 8192, "n_head": 64, "num_key_value_heads": 8, "n_layer": 96, "ffn_hidden_size": 40_960,
          "vocab_size": 131_072, "tie_word_embeddings": False}, 453_131_665_408 // 4),
        # All tensors of Motif-Technologies/Motif-3, less those of the layer that predicts ahead.
        (MOTIF_3, 314_841_775_750 - _MTP_OF_MOTIF_3),
        # zai-org/chatglm-6b and tiiuae/falcon-7b, -40b: totals of the hub, the latter under the names of their release.
        ({"model_type": "chatglm", "hidden_size": 4096, "inner_hidden_size": 16_384, "num_attention_heads": 32,
          "num_layers": 28, "vocab_size": 130_528, "max_sequence_length": 2048}, 6_173_286_400),
        ({"model_type": "RefinedWebModel", "hidden_size": 4544, "n_layer": 32, "n_head": 71, "vocab_size": 65_024,
          "multi_query": True, "parallel_attn": True, "bias": False}, 6_921_720_704),
        ({"model_type": "RefinedWeb", "hidden_size": 8192, "n_layer": 60, "n_head": 128, "n_head_kv": 8,
          "vocab_size": 65_024, "parallel_attn": True, "bias": False}, 41_303_293_952),
    ],
)  # fmt: skip
def test_parameters_are_those_of_the_published_tensors(fields: dict[str, Any], stored: int) -> None:
    assert from_config(TELECHAT | fields, "published").parameters_total == stored


@pytest.mark.parametrize(
    ("fields", "total", "active"),
    [
        # meituan-longcat/LongCat-Flash-Lite: 68.5 B, 2.9 to 4.5 B of them per token; 31.4 B are tables of n-grams.
        ({"model_type": "longcat_flash_ngram", "vocab_size": 131_072, "hidden_size": 3072, "ffn_hidden_size": 6144,
          "expert_ffn_hidden_size": 1024, "num_layers": 14, "num_attention_heads": 32, "kv_lora_rank": 512,
          "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
          "n_routed_experts": 256, "moe_topk": 12, "zero_expert_num": 128, "ngram_vocab_size_ratio": 78,
          "emb_neighbor_num": 4, "emb_split_num": 4}, 68.5, 4.4),
        # Step 3 (arXiv 2507.19427): 316 B for text, 38 B of them per token without the input table.
        ({"model_type": "step3_text", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 64,
          "num_attention_groups": 1, "head_dim": 256, "share_q_dim": 2048, "intermediate_size": 18_432,
          "moe_num_experts": 48, "moe_top_k": 3, "moe_intermediate_size": 5120, "share_expert_dim": 5120,
          "moe_layers_enum": ",".join(map(str, range(4, 60))), "vocab_size": 128_815}, 316, 38.8),
        # Motif-2-12.7B: 12.704 B.
        ({"model_type": "motif", "hidden_size": 4096, "num_hidden_layers": 40, "intermediate_size": 16_384,
          "num_attention_heads": 40, "num_key_value_heads": 16, "vocab_size": 219_520, "head_dim": 128,
          "num_noise_heads": 8, "tie_word_embeddings": False}, 12.704, 12.704),
        # Snowflake Arctic: "480 B, 17 B of them per token".
        ({"model_type": "arctic", "hidden_size": 7168, "intermediate_size": 4864, "num_hidden_layers": 35,
          "num_attention_heads": 56, "num_key_value_heads": 8, "vocab_size": 32_000, "num_local_experts": 128,
          "num_experts_per_tok": 2, "moe_layer_frequency": 1, "use_residual": True}, 479, 17.3),
        # Ouro 1.4B: four passages through 24 layers.
        ({"model_type": "ouro", "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16,
          "intermediate_size": 5632, "vocab_size": 49_152, "total_ut_steps": 4}, 1.435, 1.435),
    ],
)  # fmt: skip
def test_parameters_are_about_those_that_makers_publish(fields: dict[str, Any], total: float, active: float) -> None:
    model = from_config(fields, "published")
    assert model.parameters_total / 1e9 == pytest.approx(total, rel=2e-3)
    assert model.parameters_active / 1e9 == pytest.approx(active, rel=3e-3)


def test_models_of_the_catalogue_that_no_library_builds_have_the_hubs_total() -> None:
    exact = {"Snowflake/snowflake-arctic-instruct", "Motif-Technologies/Motif-2-12.7B-Instruct", "stepfun-ai/step3",
             "upstage/solar-pro-preview-instruct"}  # fmt: skip
    for name in exact:
        model = load(name)
        whole = model.parameters_total + sum(part.parameters or 0 for part in model.not_counted)
        assert whole == model_configs()[name]["parameters_on_hub"], name


@pytest.mark.parametrize("name", ["inclusionAI/Ling-2.6-flash", "inclusionAI/Ling-2.6-1T"])
def test_ling_2_6_has_lightning_attention_and_latents_in_every_eighth_layer(name: str) -> None:
    model = load(name)
    whole = model.parameters_total + sum(part.parameters or 0 for part in model.not_counted)
    assert whole == pytest.approx(model_configs()[name]["parameters_on_hub"], rel=1e-6)
    heads, layers = model.heads, model.main.depth
    assert model.kv_bytes_per_token() == layers // 8 * 576 * 2
    assert model.state_bytes_per_sequence() == layers * 7 // 8 * heads * 128 * 128 * 4


def test_jais_has_a_gate_and_no_table_of_positions() -> None:
    config = {"model_type": "jais", "n_embd": 5120, "n_layer": 40, "n_head": 40, "n_inner": 13_653,
              "vocab_size": 84_992, "activation_function": "swiglu", "position_embedding_type": "alibi"}  # fmt: skip
    layer = 4 * 5120 * 5120 + 4 * 5120 + 3 * 5120 * 13_653 + 2 * 13_653 + 5120 + 4 * 5120
    assert from_config(config, "jais").parameters_total == 84_992 * 5120 + 40 * layer + 2 * 5120
    learned = from_config({**config, "position_embedding_type": "learned", "n_positions": 2048}, "learned")
    assert learned.parameters_total - from_config(config, "jais").parameters_total == 2048 * 5120


def test_motif_3_keeps_latents_in_every_fourth_layer_and_reads_its_keys_once_for_five_heads() -> None:
    model = from_config(MOTIF_3, "motif")
    assert model.kv_bytes_per_token(beyond_window=True) == 14 * 576 * 2
    cores = {(core.heads, core.kv_heads, core.window) for core in model.attention_cores()}
    assert cores == {(80, 16, None), (80, 16, 128)}
    (ahead,) = model.not_counted
    assert ahead.parameters == pytest.approx(_MTP_OF_MOTIF_3, rel=0.02)  # streams, which that layer has not
    with pytest.raises(InvalidConfig, match="num_noise_heads 8 must be num_key_value_heads 16"):
        from_config({**MOTIF_3, "num_noise_heads": 8}, "motif")


def test_layers_passed_again_work_again_and_keep_what_they_see() -> None:
    config = {"model_type": "iquestloopcoder", "hidden_size": 5120, "num_hidden_layers": 80,
              "intermediate_size": 27_648, "num_attention_heads": 40, "num_key_value_heads": 8,
              "head_dim": 128, "vocab_size": 76_800, "loop_window_size": 64}  # fmt: skip
    looped, once = from_config(config, "loop"), from_config({**config, "model_type": "iquestcoder"}, "once")
    assert looped.parameters_total - once.parameters_total == 80 * 40 * 129
    assert looped.kv_bytes_per_token(beyond_window=True) == once.kv_bytes_per_token()

    def products(model: Any) -> float:
        run = operators(model, Workload(context=1024))
        return sum(each.count * each.flops for each in run if "attention" not in each.name and each.name != "head")

    assert products(looped) == pytest.approx(2 * products(once), rel=1e-3)


def test_windows_of_smallthinker_and_heads_of_baichuan_m1_differ_from_layer_to_layer() -> None:
    base = {"hidden_size": 2560, "num_hidden_layers": 4, "num_attention_heads": 20, "num_key_value_heads": 4,
            "head_dim": 128, "vocab_size": 151_936, "intermediate_size": 4096}  # fmt: skip
    small = from_config({**base, "model_type": "smallthinker", "moe_num_primary_experts": 64,
                         "sliding_window_size": 512, "moe_num_active_primary_experts": 6, "moe_ffn_hidden_size": 768,
                         "sliding_window_layout": [1, 1, 1, 0]}, "small")  # fmt: skip
    assert small.kv_bytes_per_token(beyond_window=True) == small.kv_bytes_per_token() / 4
    mixed = from_config({**base, "model_type": "baichuan_m1", "num_swa_attention_heads": 10, "head_dim": None,
                         "num_swa_key_value_heads": 2, "sliding_window": 512, "sliding_window_layers": [0, 1],
                         "conv_window": 2}, "mixed")  # fmt: skip
    kinds = {(core.heads, core.kv_heads, core.head_dim) for core in mixed.attention_cores()}
    assert kinds == {(20, 4, 128), (10, 2, 256)}
    assert mixed.state_bytes_per_sequence() == 2 * 2 * (2 * 2 * 256 + 2 * 4 * 128)
