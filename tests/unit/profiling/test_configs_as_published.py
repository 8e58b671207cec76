"""Configs as they are published: fields of every age and name, families nobody declared, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from profiling.answers.notes import model_notes
from profiling.errors import UnsupportedModelType
from profiling.models.load import load
from profiling.models.sources import from_config, model_configs

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 4, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
}  # fmt: skip


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


@pytest.mark.parametrize(("change", "why"), [
    ({"model_type": "strange", "hidden_act": "xielu"}, "its activation xielu is not understood"),
    ({"model_type": "strange", "hc_mult": 4}, "its fields hc_mult are not understood"),
    ({"model_type": "strange", "mamba_num_heads": 64, "ssm_state_size": 128},
     "its fields mamba_num_heads, ssm_state_size are of layers that no field places"),
    ({"model_type": "whisper"}, "turns speech into text; Skyline answers for published models that read text and"),
    ({"model_type": "llada"}, "writes blocks of text by diffusion, not token by token; Skyline answers for published"),
])  # fmt: skip
def test_an_unknown_family_with_something_unknown_is_refused_in_one_sentence(change: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedModelType, match=why):
        from_config(LLAMA | change)


def test_a_type_that_is_not_known_is_read_by_the_class_that_its_architectures_name() -> None:
    model = from_config(LLAMA | {"model_type": "strange", "architectures": ["LlamaForCausalLM"]})
    assert model.notes == ("model_type 'strange' is read as 'llama', which its architectures name",)
    # As tiiuae/falcon-7b said it before its family was in transformers.
    falcon = {
        "model_type": "RefinedWebModel", "architectures": ["RWForCausalLM"], "hidden_size": 4544, "n_head": 71,
        "n_layer": 32, "multi_query": True, "parallel_attn": True, "bias": False, "vocab_size": 65024,
    }  # fmt: skip
    assert from_config(falcon).parameters_total == 6_921_720_704


@pytest.mark.parametrize(
    ("scaling", "longest"),
    [
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 131_072),  # Qwen's cards for 2.5
        ({"rope_type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}, 163_840),  # DeepSeek-V3
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}, 32_768),
        ({"type": "dynamic", "factor": 2.0}, 32_768),
    ],
)
def test_positions_that_yarn_stretches_are_as_many_as_its_factor_says(scaling: dict[str, Any], longest: int) -> None:
    assert from_config(LLAMA | {"max_position_embeddings": 32768, "rope_scaling": scaling}).max_position == longest


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
        (PHI35V, 4_146_621_440, 0), (MOLMO, 8_021_025_280, 0), (MINICPMV, 8_099_175_152, 0),
        (SMOLVLM, 256_484_928, 0), (PLAMO3, 890_344_960, 0), (JINA3, 572_310_396, 0),
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
    assert inkling == {"vision tower, size unknown", "audio tower, about 0.13 B",
                       "8 layers that predict ahead (MTP), about 5.29 B"}  # fmt: skip
    assert model_notes(load("thinkingmachines/Inkling"))[-1].startswith("Not counted: vision tower, size unknown; ")


def test_a_part_of_a_config_that_nothing_reads_is_named() -> None:
    # As in Qwen3-Omni (code2wav), VibeVoice and MiniCPM-o: models beside the decoder under names of their own.
    extra = {"code2wav_config": {"model_type": "code2wav", "hidden_size": 1024, "num_hidden_layers": 8}}
    assert [str(part) for part in from_config({**LLAMA, **extra}).not_counted] == ["code2wav, size unknown"]
    assert not from_config({**LLAMA, "sparse_config": {"block_size": 64}}).not_counted
