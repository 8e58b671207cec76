"""Families that their traits describe, each declared by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config
from profiling.models.families.forms import Form, declared
from profiling.models.families.spec import Lightning, State

_UNBIASED = Form(query_key_value_bias=False, output_bias=False, feed_forward_bias=False)
_QWEN_WINDOWS = (("use_sliding_window", False), ("max_window_layers", 28))
_QWEN2 = Form(query_key_value_bias=True, output_bias=False, feed_forward_bias=False, default=_QWEN_WINDOWS)
_QWEN3 = Form(query_key_norm="head", feed_forward_bias=False, default=_QWEN_WINDOWS)
_COHERE = Form(norm="layer_without_bias", placement="parallel", query_key_norm="width", norm_switch="use_qk_norm",
               tied=True, windows=False)  # fmt: skip
PLAIN = Form(gated=False, norm="layer", query_key_value_bias=True, output_bias=True, feed_forward_bias=True, widening=4,
             windows=False)  # fmt: skip
"""Two matrices, layer norms and biases everywhere: GPT-2 and what was like it."""
ENCODER = replace(PLAIN, placement="post", rotary=False, positions=512, embedding_norm=True, is_encoder=True)
_ENCODER_BEFORE = replace(ENCODER, placement="pre", embedding_norm=False)
_LLAMA = Form(windows=False)
_GLM4 = Form(placement="sandwich", output_bias=False, feed_forward_bias=False, windows=False)
_DEEPSEEK = Form(selection_bias=True)
_DEEPSEEK_PLAIN_ROUTER = Form()


def _lightning(config: Config) -> State:
    heads = config.integer("num_attention_heads")
    return Lightning(heads=heads, head_dim=config.integer("head_dim", default=config.integer("hidden_size") // heads))


def _full_rank_delta(config: Config) -> State:
    return reading.kimi_delta(config, low_rank=False)


FORMS: Mapping[str, Form] = {
    # Two matrices in the feed-forward block
    "gpt2": replace(PLAIN, rotary=False, positions=1024, tied=True),
    "gptj": replace(PLAIN, placement="parallel", query_key_value_bias=False, output_bias=False, head_bias=True),
    "gpt_neox": replace(PLAIN, other_placement=("!use_parallel_residual", "parallel_two_norms"),
                        query_key_value_bias="!attention_bias", output_bias="!attention_bias"),
    "opt": replace(PLAIN, placement="post", other_placement=("!do_layer_norm_before", "pre"), rotary=False,
                   query_key_value_bias="!enable_bias", output_bias="!enable_bias", feed_forward_bias="!enable_bias",
                   positions=2048, position_offset=2, tied=True),
    "bloom": replace(PLAIN, rotary=False, embedding_norm=True, tied=True),
    "phi": replace(PLAIN, placement="parallel", head_bias=True),
    "starcoder2": replace(PLAIN, widening=0, windows=True, query_key_value_bias="!use_bias", output_bias="!use_bias",
                          feed_forward_bias="!use_bias", tied=True),
    "openai-gpt": replace(PLAIN, placement="post", rotary=False, positions=512, tied=True),
    "ctrl": replace(PLAIN, rotary=False, tied=True, head_bias=True, names=(("intermediate_size", "dff"),)),
    "biogpt": replace(PLAIN, rotary=False, positions=1024, position_offset=2, tied=True),
    "xglm": replace(PLAIN, rotary=False, tied=True, names=(("num_attention_heads", "attention_heads"),)),
    "git": replace(PLAIN, placement="post", rotary=False, positions=1024, embedding_norm=True, head_bias=True),
    "nemotron": replace(PLAIN, widening=0, query_key_value_bias="attention_bias", output_bias="attention_bias",
                        feed_forward_bias="mlp_bias"),
    # Encoders
    "bert": replace(ENCODER, segments=2, pooler=True),
    "distilbert": ENCODER,
    "bert-generation": ENCODER,
    "megatron-bert": replace(_ENCODER_BEFORE, segments=2, pooler=True),
    "xlm-roberta-xl": replace(_ENCODER_BEFORE, positions=514, segments=1, pooler=True),
    "roberta-prelayernorm": replace(_ENCODER_BEFORE, embedding_norm=True, segments=2, pooler=True),
    # Llama and Mistral, and what they are published as
    "llama": _LLAMA,
    "minicpm": replace(_LLAMA, tied=True),
    "internlm": replace(_LLAMA, query_key_value_bias="!bias", output_bias="!bias", feed_forward_bias=False),
    "internlm3": replace(_LLAMA, query_key_value_bias="qkv_bias", output_bias="bias", feed_forward_bias="bias"),
    "mistral": _UNBIASED,
    "mixtral": _UNBIASED,
    "phi3small": Form(norm="layer", query_key_value_bias=True, output_bias=True, feed_forward_bias=True, tied=True,
                      windows=False),
    "phimoe": Form(norm="layer", query_key_value_bias="!attention_bias", output_bias="!attention_bias",
                   feed_forward_bias=False, head_bias="!lm_head_bias"),
    "stablelm": Form(norm="layer", other_placement=("use_parallel_residual", "parallel"),
                     query_key_norm="head_layer_norm", norm_switch="qk_layernorm", query_key_value_bias="use_qkv_bias",
                     output_bias=False, feed_forward_bias=False, windows=False),
    "gpt_oss": Form(query_key_value_bias="!attention_bias", output_bias="!attention_bias", sinks=True,
                    expert_biases=True, every=2, default=(("sliding_window", 128),)),
    "grok-1": Form(placement="sandwich", tied=True, windows=False),
    # Qwen
    "qwen2": _QWEN2,
    "qwen2_moe": replace(_QWEN2, query_key_value_bias="!qkv_bias", shared_gate=True),
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3,
    # Gemma, OLMo, Command and GLM
    "gemma": Form(tied=True, windows=False),
    "gemma2": Form(placement="sandwich", tied=True, every=2),
    "gemma3": Form(placement="sandwich", query_key_norm="head", tied=True, every=6),
    "olmo": Form(norm="without_gains", feed_forward_bias=False, windows=False),
    "olmo2": Form(placement="output", query_key_norm="width", windows=False),
    "olmo3": Form(placement="output", query_key_norm="width", every=4),
    "olmoe": Form(query_key_norm="width", windows=False),
    "minimax_m2": Form(query_key_norm="width", selection_bias=True, windows=False),
    "cohere": _COHERE,
    "cohere2": replace(_COHERE, windows=True, every=4),
    "glm": Form(query_key_value_bias="!attention_bias", output_bias=False, feed_forward_bias=False, windows=False),
    "glm4": replace(_GLM4, query_key_value_bias="!attention_bias"),
    "glm4v_text": replace(_GLM4, query_key_value_bias=True),
    "glm_ocr_text": replace(_GLM4, query_key_value_bias=False),
    "glm4_moe": Form(query_key_norm="head", norm_switch="use_qk_norm", output_bias=False, selection_bias=True),
    # Llama and Mistral under other names
    "arcee": Form(gated=False),
    "cwm": Form(every=4),
    "ministral": Form(),
    "ministral3": Form(),
    "mimo": Form(query_key_value_bias="!attention_bias", output_bias=False, windows=False),
    "smollm3": Form(tied=True),
    "seed_oss": Form(output_bias="attention_out_bias", query_key_value_bias="!attention_bias"),
    "ernie4_5": Form(query_key_value_bias="use_bias", output_bias="use_bias", feed_forward_bias="use_bias", tied=True),
    "granite_swa": Form(sinks=True),
    "granitemoe": Form(tied=True),
    "granitemoe_swa": Form(sinks=True),
    "helium": Form(),
    "nanochat": Form(gated=False, norm="without_gains", query_key_norm="without_gains"),
    "jais2": Form(gated=False, norm="layer", query_key_value_bias="!attention_bias", output_bias="!attention_bias",
                  feed_forward_bias="!mlp_bias"),
    "apertus": Form(gated=False, query_key_norm="head", extra_numbers=2),
    "bitnet": Form(gated=True, inner_norms=True),
    "orion": Form(norm="layer", windows=False),
    "PanguEmbedded": Form(query_key_value_bias="bias", output_bias="bias", windows=False),
    "hyperclovax": Form(placement="sandwich"),
    "vaultgemma": Form(tied=True, every=2),
    "exaone": Form(),
    "minicpm3": Form(tied=True),
    # Qwen 3 under other names
    "qwen3_vl_text": _QWEN3,
    "qwen3_vl_moe_text": _QWEN3,
    "hunyuan_v1_dense": Form(query_key_norm="head", tied=True),
    "hunyuan_v1_moe": Form(query_key_norm="head", tied=True, default=(("num_shared_expert", 1),)),
    "mellum": Form(query_key_norm="head"),
    "exaone4": Form(placement="output", query_key_norm="head", every=4),
    "exaone4_5_text": Form(placement="output", query_key_norm="head", every=4,
                           default=(("vocab_size", 102_400),)),
    "exaone_moe": Form(query_key_norm="head", selection_bias=True, every=4),
    "hy_v3": Form(query_key_norm="head", selection_bias=True),
    "laguna": Form(query_key_norm="head", selection_bias=True, output_gate="head", gate_switch="!gating"),
    "step3p7": Form(query_key_norm="head", selection_bias=True, output_gate="head",
                    gate_switch="use_head_wise_attn_gate",
                    default=(("use_head_wise_attn_gate", True),)),
    "afmoe": Form(placement="sandwich", query_key_norm="head", selection_bias=True, output_gate="elementwise", every=4),
    "flex_olmo": Form(placement="output", query_key_norm="width"),
    "ernie4_5_moe": Form(query_key_value_bias="use_bias", output_bias="use_bias", feed_forward_bias="use_bias",
                         tied=True, selection_bias=True),
    "muse_glimmer_text": Form(placement="sandwich", output_gate="elementwise", every=4),
    "beam": Form(placement="sandwich", query_key_norm="head", output_gate="elementwise", sinks=True),
    # GLM 4.5 under other names
    "glm4v_moe_text": Form(output_bias=False, selection_bias=True),
    "solar_open": Form(output_bias=False, selection_bias=True),
    "dots1": Form(query_key_norm="head", selection_bias=True),
    "bailing_moe": Form(query_key_norm="head", norm_switch="use_qk_norm", query_key_value_bias="use_qkv_bias",
                        output_bias="use_bias", selection_bias=True),
    "bailing_moe_v2": Form(query_key_norm="head", norm_switch="!use_qk_norm", query_key_value_bias="use_qkv_bias",
                           output_bias="use_bias", selection_bias=True),
    "bailing_moe_linear": Form(query_key_norm="head", norm_switch="!use_qk_norm", query_key_value_bias="use_qkv_bias",
                               output_bias="use_bias", selection_bias=True, state=_lightning),
    "sarvam_moe": Form(query_key_norm="head", norm_switch="!use_qk_norm", selection_bias=True),
    "kolibri1": Form(placement="sandwich", query_key_norm="head", selection_bias=True, every=5),
    "flint": Form(query_key_norm="head", sinks=True, default=(("mlp_only_layers", (0, 1)),)),
    "aria_text": Form(windows=False),
    "persimmon": replace(PLAIN, widening=0, query_key_norm="head", norm_switch="!qk_layernorm", extra_numbers=128),
    # Latent attention
    "deepseek_v32": _DEEPSEEK,
    "glm_moe_dsa": _DEEPSEEK,
    "glm4_moe_lite": _DEEPSEEK,
    "sarvam_mla": _DEEPSEEK,
    "gravity_moe": _DEEPSEEK,
    "youtu": Form(tied=True),
    "mistral4": _DEEPSEEK_PLAIN_ROUTER,
    # Layers with a state
    "qwen3_next": Form(query_key_norm="head", output_gate="elementwise", shared_gate=True, state=reading.delta_net,
                       default=(("full_attention_interval", 4),)),
    "qwen3_5_text": Form(query_key_norm="head", output_gate="elementwise", gate_switch="!attn_output_gate",
                         state=reading.delta_net, default=(("full_attention_interval", 4),)),
    "qwen3_5_moe_text": Form(query_key_norm="head", output_gate="elementwise", gate_switch="!attn_output_gate",
                             shared_gate=True, state=reading.delta_net, default=(("full_attention_interval", 4),)),
    "olmo_hybrid": Form(placement="output", state_placement="pre", query_key_norm="width", state=reading.delta_net),
    "minimax": Form(state=_lightning),
    "minimax_m1": Form(state=_lightning),
    "minimax_text_01": Form(state=_lightning),
    "jamba": Form(state=reading.mamba_one,
                  default=(("attn_layer_period", 8), ("attn_layer_offset", 4), ("expert_layer_period", 2),
                           ("expert_layer_offset", 1))),
    "lfm2_moe": Form(query_key_norm="head", tied=True, state=reading.short_convolution, selection_bias=True),
    "lfm3": Form(placement="sandwich", query_key_norm="head", tied=True, output_gate="head",
                 state=reading.short_convolution),
    "bamba": Form(state=reading.mamba_two),
    "bailing_hybrid": Form(state=_full_rank_delta, selection_bias=True, output_gate="head"),
}  # fmt: skip
"""Traits by `model_type`."""

ALIASES: Mapping[str, str] = {
    "yi": "llama", "baichuan": "llama", "internlm2": "llama", "granite": "llama", "phi3": "mistral",
    "gemma3_text": "gemma3", "roberta": "bert", "xlm-roberta": "bert", "camembert": "bert",
    "qwen3_5": "qwen3_5_text", "qwen3_5_moe": "qwen3_5_moe_text", "qwen3_vl": "qwen3_vl_text",
    "qwen3_vl_moe": "qwen3_vl_moe_text", "qwen2_5_vl": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen2_vl": "qwen2",
    "qwen2_vl_text": "qwen2", "exaone4_5": "exaone4_5_text", "glm4v_moe": "glm4v_moe_text",
    "muse_glimmer": "muse_glimmer_text", "step3p5": "step3p7", "mistral3": "ministral3", "dots1_note": "dots1",
    "glm4v": "glm4v_text", "exaone4_moe": "exaone_moe", "minimax_m1_text": "minimax_m1",
    "ling": "bailing_moe", "lfm2_vl": "lfm2", "smolvlm": "llama", "ministral3_text": "ministral3",
    "apertus1p5_text": "apertus", "apertus1p5": "apertus", "codegen": "gptj", "ernie4_5_vl_moe_text": "ernie4_5_moe",
    "gemma4_unified_text": "gemma4", "granitemoeshared": "granitemoe",
    "mimo_v2": "mimo_v2_flash", "paddleocr_vl_text": "ernie4_5", "phi4_multimodal": "mistral", "phi4mm": "mistral",
    "data2vec-text": "bert", "dots_ocr": "qwen2", "ernie4_5_moe_vl": "ernie4_5_moe",
    "qwen2_5_omni_text": "qwen2", "qwen3_omni_moe_text": "qwen3_moe", "phi3_v": "mistral", "iquestcoder": "llama",
    "emu3_text_model": "llama", "granite4_vision_text": "llama", "granite_docling_text": "llama",
    "hunyuan_vl_text": "hunyuan_v1_dense", "hunyuan_vl": "hunyuan_v1_dense",
    "cohere_compass_text": "cohere2", "fuyu": "persimmon", "cosmos3_edge_text": "arcee", "telechat3": "llama",
    "youtu_llm": "youtu", "hunyuan": "hunyuan_v1_moe", "aquila": "llama", "xverse": "llama", "skywork": "llama",
    "solar": "llama", "Keye": "qwen3", "KeyeVL1_5": "qwen3",
    "llava": "llama", "llava_llama": "llama", "llava_mistral": "mistral", "llava_qwen": "qwen2", "llava_qwen2": "qwen2",
}  # fmt: skip
"""Names under which a known family is published as well."""

FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {name: declared(form) for name, form in FORMS.items()}


def form_of(model_type: str) -> Form | None:
    """The traits of a family by any of its names; None where traits alone do not describe it."""
    return FORMS.get(ALIASES.get(model_type, model_type))
