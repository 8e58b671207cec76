"""FLOPs and parameters against PyTorch's own counters, on every family transformers can build offline."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from profiling.models.architecture import Architecture
from profiling.models.families import FAMILIES
from profiling.models.families.traits import ALIASES
from profiling.models.sound import audio_parameters, audio_tower
from profiling.models.sources import from_config
from profiling.models.towers import tower_model
from profiling.roofline.operators import operators
from profiling.roofline.workload import Stage, Workload

torch = pytest.importorskip("torch", reason="torch is in the extra 'profiling'")
transformers = pytest.importorskip("transformers", reason="transformers is a test-only dependency")

BATCH, LENGTH = 2, 64
WIDTHS = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "dim"), 256),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers"), 4),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 8),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 8),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "d_ff"), 512),
    "num_key_value_heads": 4, "head_dim": 32, "d_kv": 32, "vocab_size": 1000, "decoder_layers": 4,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "word_embed_proj_dim": 256,
}  # fmt: skip
_LATENT = {
    "kv_lora_rank": 64, "q_lora_rank": 96, "qk_rope_head_dim": 16, "qk_nope_head_dim": 32, "v_head_dim": 32,
    "num_key_value_heads": 8, "n_group": 1, "topk_group": 1, "head_dim": 16,
}  # fmt: skip
_EXPERTS = {"n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 96}
_DELTA = {
    "linear_num_key_heads": 4, "linear_num_value_heads": 8, "linear_key_head_dim": 32, "linear_value_head_dim": 32,
    "linear_num_heads": 8, "linear_head_dim": 32, "layer_types": ["linear_attention"] * 3 + ["full_attention"],
}  # fmt: skip
_MAMBA = {"mamba_n_heads": 16, "mamba_d_head": 32, "mamba_d_state": 16, "mamba_n_groups": 2, "mamba_expand": 2}
_SHARED = {"num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 96}
_INDEXED = {"index_n_heads": 4, "index_head_dim": 32, "index_topk": 16}
_FOURTH = ["sliding_attention"] * 3 + ["full_attention"]
_SPARSE = {"mlp_layer_types": ["dense", "sparse", "sparse", "sparse"]}
SPECIAL: dict[str, dict[str, Any]] = {
    "afmoe": {**_SHARED, "num_dense_layers": 1, "num_shared_experts": 1, "layer_types": _FOURTH},
    "axk1": {**_LATENT, **_EXPERTS, **_SPARSE, "n_shared_experts": 1},
    "axk2": {
        **_LATENT,
        **_EXPERTS,
        **_SPARSE,
        **_INDEXED,
        "n_shared_experts": 1,
        "layer_types": ["indexed_attention"] * 4,
    },
    "bailing_hybrid": {
        **_LATENT,
        **_DELTA,
        **_SPARSE,
        "num_experts": 8,
        "num_experts_per_token": 3,
        "moe_intermediate_size": 96,
        "num_shared_experts": 1,
        "q_lora_rank": None,
        "num_expert_group": 1,
    },
    "deepseek_v32": {
        **_LATENT,
        **_EXPERTS,
        **_INDEXED,
        "first_k_dense_replace": 1,
        "n_shared_experts": 1,
        "layer_types": ["indexed_attention"] * 4,
    },
    "deepseek_v4": {
        **_EXPERTS,
        "n_shared_experts": 1,
        "num_key_value_heads": 1,
        "head_dim": 64,
        "q_lora_rank": 96,
        "o_groups": 4,
        "o_lora_rank": 64,
        "index_n_heads": 4,
        "index_head_dim": 32,
        "index_topk": 8,
        "qk_rope_head_dim": 32,
        "sliding_window": 16,
        "mlp_layer_types": ["hash_moe"] + ["moe"] * 3,
        "layer_types": [
            "sliding_attention",
            "compressed_sparse_attention",
            "heavily_compressed_attention",
            "compressed_sparse_attention",
        ],
        "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 16},
    },
    "dots1": {
        **_EXPERTS,
        "first_k_dense_replace": 1,
        "n_shared_experts": 1,
        "n_group": 1,
        "topk_group": 1,
        "layer_types": ["full_attention"] * 4,
    },
    "ernie4_5_moe": {
        "moe_num_experts": 8,
        "moe_k": 3,
        "moe_num_shared_experts": 2,
        "moe_intermediate_size": 96,
        "moe_layer_start_index": 1,
        "moe_layer_end_index": 3,
    },
    "exaone_moe": {
        **_SHARED,
        **_SPARSE,
        "num_shared_experts": 1,
        "n_group": 1,
        "topk_group": 1,
        "layer_types": _FOURTH,
    },
    "falcon_h1": {**_MAMBA, "mamba_d_ssm": 512},
    "flex_olmo": {"num_experts": 8},
    "gemma3n_text": {
        "hidden_size_per_layer_input": 32,
        "vocab_size_per_layer_input": 1000,
        "laurel_rank": 16,
        "num_kv_shared_layers": 1,
        "intermediate_size": [512, 512, 512, 256],
        "layer_types": ["full_attention", "sliding_attention"] * 2,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "gemma4_text": {
        "hidden_size_per_layer_input": 32,
        "vocab_size_per_layer_input": 1000,
        "global_head_dim": 64,
        "num_global_key_value_heads": 2,
        "attention_k_eq_v": True,
        "enable_moe_block": True,
        "num_experts": 8,
        "top_k_experts": 3,
        "moe_intermediate_size": 96,
        "layer_types": _FOURTH,
        "num_kv_shared_layers": 0,
    },
    "glm_moe_dsa": {
        **_LATENT,
        **_EXPERTS,
        **_INDEXED,
        **_SPARSE,
        "n_shared_experts": 1,
        "layer_types": ["indexed_attention"] * 4,
    },
    "glm5_next_text": {
        **_LATENT,
        **_EXPERTS,
        **_DELTA,
        **_INDEXED,
        **_SPARSE,
        "n_shared_experts": 1,
        "hc_mult": 4,
        "qk_rope_head_dim": 0,
        "head_dim": 0,
        "index_kpool": 4,
        "layer_types": ["linear_attention"] * 3 + ["indexed_attention"],
    },
    "inkling2_text": {
        **_EXPERTS,
        "num_key_value_heads": 4,
        "swa_num_attention_heads": 8,
        "d_rel": 8,
        "swa_num_key_value_heads": 4,
        "swa_head_dim": 32,
        "rel_extent": 64,
        "layer_types": ["hybrid_sliding"] * 3 + ["hybrid"],
        "sliding_window_size": 16,
        "n_layers_per_attn_res_block": 4,
    },
    "granitemoe": {"num_local_experts": 8, "num_experts_per_tok": 3},
    "granitemoe_swa": {"num_local_experts": 8, "num_experts_per_tok": 3, "layer_types": _FOURTH},
    "granitemoehybrid": {
        **_MAMBA,
        "num_local_experts": 8,
        "num_experts_per_tok": 3,
        "shared_intermediate_size": 128,
        "layer_types": ["linear_attention"] * 3 + ["full_attention"],
    },
    "hunyuan_v1_moe": {"num_experts": 8, "moe_topk": 3, "num_shared_expert": 1},
    "hy_v3": {**_SHARED, **_SPARSE, "num_shared_experts": 1},
    "hy_v4": {
        **_LATENT,
        **_EXPERTS,
        **_SPARSE,
        **_INDEXED,
        "n_shared_experts": 1,
        "hc_mult": 4,
        "layer_types": ["indexed_attention"] * 4,
        "indexer_types": ["full", "shared", "full", "shared"],
    },
    "jamba": {
        "num_experts": 8,
        "mamba_d_state": 16,
        "mamba_dt_rank": 16,
        "attn_layer_period": 4,
        "attn_layer_offset": 2,
        "use_mamba_kernels": False,
    },
    "kimi_linear": {
        **_LATENT,
        **_DELTA,
        **_SPARSE,
        "num_experts": 8,
        "num_experts_per_token": 3,
        "moe_intermediate_size": 96,
        "num_shared_experts": 1,
        "num_expert_group": 1,
    },
    "laguna": {
        **_SHARED,
        **_SPARSE,
        "shared_expert_intermediate_size": 96,
        "gating": True,
        "layer_types": _FOURTH,
        "num_attention_heads_per_layer": [8, 8, 16, 8],
    },
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {**_SHARED, "num_dense_layers": 1, "layer_types": ["conv", "full_attention"] * 2},
    "lfm3": {"layer_types": ["conv", "full_attention", "sliding_attention", "conv"]},
    "longcat_flash": {
        **_LATENT,
        "num_layers": 2,
        "num_hidden_layers": 4,
        "ffn_hidden_size": 512,
        "moe_topk": 3,
        "expert_ffn_hidden_size": 96,
        "n_routed_experts": 8,
        "zero_expert_num": 0,
    },
    "mellum": {**_SHARED, "num_local_experts": 8, "mlp_layer_types": ["sparse"] * 4, "layer_types": _FOURTH},
    "minimax": {"num_local_experts": 4, "layer_types": ["linear_attention"] * 3 + ["full_attention"]},
    "minimax_m3_vl_text": {
        "num_local_experts": 8,
        "num_experts_per_tok": 3,
        "dense_intermediate_size": 768,
        "shared_intermediate_size": 128,
        "index_n_heads": 2,
        "index_head_dim": 32,
        "index_block_size": 8,
        "index_topk_blocks": 2,
        "rotary_dim": 16,
        **_SPARSE,
        "layer_types": ["full_attention"] + ["minimax_m3_sparse"] * 3,
    },
    "muse_spark_text": {
        "num_local_experts": 8,
        "num_experts_per_tok": 3,
        "moe_intermediate_size": 96,
        "moe_hidden_size": 128,
        "mlp_layer_types": ["sparse"] * 4,
        "layer_types": _FOURTH,
    },
    "mistral4": {**_LATENT, **_EXPERTS, "n_shared_experts": 1, "head_dim": 48},
    "glm4v_moe_text": {**_EXPERTS, "n_shared_experts": 1, "head_dim": 128},
    "qwen3_vl_moe_text": {**_SHARED},
    "nemotron_h": {
        **_EXPERTS,
        "mamba_num_heads": 16,
        "mamba_head_dim": 32,
        "ssm_state_size": 16,
        "n_groups": 2,
        "layers_block_type": ["linear_attention", "mlp", "full_attention", "moe"],
        "moe_shared_expert_intermediate_size": 128,
        "n_shared_experts": 1,
        "use_mamba_kernels": False,
    },
    "olmo_hybrid": _DELTA,
    "qwen3_5_moe_text": {**_DELTA, **_SHARED, "shared_expert_intermediate_size": 96},
    "qwen3_5_text": _DELTA,
    "qwen3_next": {**_DELTA, **_SHARED, "shared_expert_intermediate_size": 96},
    "smollm3": {"no_rope_layers": [1, 1, 1, 0], "layer_types": ["full_attention"] * 4},
    "solar_open": {**_EXPERTS, "n_shared_experts": 1},
    "glm4_moe_lite": {**_LATENT, **_EXPERTS, **_SPARSE, "n_shared_experts": 1},
    "youtu": _LATENT,
    "deepseek_v2": {**_LATENT, **_EXPERTS, "first_k_dense_replace": 1},
    "deepseek_v3": {**_LATENT, **_EXPERTS, "first_k_dense_replace": 1},
    "glm4_moe": _EXPERTS,
    "qwen2_moe": {"shared_expert_intermediate_size": 192, "moe_intermediate_size": 96, "num_experts": 8},
    "qwen3_moe": {"moe_intermediate_size": 96, "num_experts": 8},
    "olmoe": {"num_experts": 8},
    "mixtral": {"num_local_experts": 4},
    "phimoe": {"num_local_experts": 4},
    "minimax_m2": {"num_local_experts": 8},
    "gpt_oss": {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16},
    # transformers runs every expert of Llama 4 on every token: the same FLOPs as choosing all of them.
    "llama4_text": {"num_local_experts": 4, "num_experts_per_tok": 4, "intermediate_size_mlp": 768},
    "mobilebert": {"hidden_size": 512, "num_attention_heads": 4},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "gptj": {"rotary_dim": 16},
    "minicpm3": _LATENT,
    "mamba2": {"num_heads": 16, "head_dim": 32, "state_size": 16, "n_groups": 2},
    "cohere2_moe": {"num_experts": 4, "num_experts_per_tok": 2, "num_shared_experts": 1, "layer_types": _FOURTH},
    "mimo_v2_flash": {**_EXPERTS, "v_head_dim": 16, "layer_types": _FOURTH, **_SPARSE},
    "beam": {**_SHARED, "n_group": 1, "topk_group": 1},
    "bamba": {**_MAMBA, "attn_layer_indices": [1]},
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "n_mamba_heads": 16,
        "mamba_headdim": 32,
        "mamba_d_state": 16,
        "num_key_value_heads": 8,
        "attention_hidden_size": 512,
        "attention_head_dim": 64,
        "use_mamba_kernels": False,
    },
}
# Containers of several towers, and other names of a family; the decoders are tested under their own names.
TOWERS = {"llama4", "gemma3", "gemma3n", "gemma4", "glm5_next", "inkling2", "minimax_m3_vl", "mllama", "molmo2",
          "muse_spark", *ALIASES}  # fmt: skip
# Their code lies beside their weights on the hub, so there is nothing to count here.
ON_THE_HUB = {
    "baichuan", "bailing_moe", "bailing_moe_linear", "bailing_moe_v2", "chatglm", "deepseek", "exaone",
    "exaone4_5_text", "gravity_moe", "grok-1", "internlm", "internlm2", "kimi_k2", "mimo", "minicpm", "minimax_m1",
    "minimax_m3", "minimax_text_01", "nemotron-nas", "new", "phi3small", "qwen", "rwkv7", "sarvam_mla", "sarvam_moe",
    "yi",
}  # fmt: skip
# transformers has these decoders only inside a model with a vision tower.
NOT_ALONE = {"step3p7", "mllama_text_model"}
# Their routers or indexers look at values, which meta tensors do not have: parameters alone are compared.
LOOKS_AT_VALUES = {"deberta-v2", "glm5_next_text", "longcat_flash"}
# Small mixes of a token's own numbers that transformers writes as products and that count as elementwise work here.
LOOSE = {"deepseek_v4": 1e-2, "gemma3n_text": 1e-2, "inkling2_text": 5e-3}
BROKEN = pytest.mark.xfail(raises=AttributeError, strict=True, reason="transformers 5.23 cannot build its own dbrx")
COUNTED = [
    pytest.param(name, marks=BROKEN) if name == "dbrx" else name
    for name in sorted(set(FAMILIES) - TOWERS - ON_THE_HUB - NOT_ALONE)
]
STATES = {"conv1d"}  # what every module with a recurrence holds
# Builds its position biases from a two-dimensional mask, or has no use for one.
OWN_MASK = {"bloom", "mamba", "mamba2", "falcon_mamba"}


def _tiny_config(model_type: str) -> Any:
    kind = transformers.CONFIG_MAPPING[model_type]
    known = set(kind().to_dict()) | set(getattr(kind, "attribute_map", {}))
    special = SPECIAL.get(model_type, {})
    return kind(**{key: value for key, value in {**WIDTHS, **special}.items() if key in known or key in special})


def has_head(config: Any) -> bool:
    """Whether transformers builds this text decoder with its head, or only inside a model of several towers."""
    return type(config) in transformers.AutoModelForCausalLM._model_mapping


def _pytorch_counts(model: Architecture, config: Any) -> tuple[int, int]:
    """Parameters, and FLOPs of one pass with the plain attention kernel, nothing of it computed."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - optional dependency

    auto = {"encoder": transformers.AutoModel, "encoder-decoder": transformers.AutoModelForSeq2SeqLM}
    headless = model.kind == "decoder" and not has_head(config)
    with torch.device("meta"), torch.no_grad():
        kind = transformers.AutoModel if headless else auto.get(model.kind, transformers.AutoModelForCausalLM)
        module = kind.from_config(config, attn_implementation="eager")
        module.eval()
        if model.is_mixture_of_experts:
            module.set_experts_implementation("batched_mm")  # the one that does not look at router results
        ids = torch.zeros(BATCH, LENGTH, dtype=torch.long)
        # A ready mask and positions keep transformers from reading values, which meta tensors do not have.
        ready = {
            "use_cache": False,
            "attention_mask": torch.zeros(BATCH, 1, LENGTH, LENGTH),
            "position_ids": torch.zeros(BATCH, LENGTH, dtype=torch.long),
        }
        arguments: dict[str, Any] = {}
        if model.kind == "encoder-decoder":
            arguments = {"decoder_input_ids": ids[:, :1]}
        elif model.kind == "decoder" and model.model_type not in OWN_MASK:
            arguments = ready
        with FlopCounterMode(display=False) as counter:
            if model.model_type not in LOOKS_AT_VALUES:
                module(ids, **arguments)
    return sum(weights.numel() for weights in module.parameters()), _products(module, counter)


def _products(module: Any, counter: Any) -> int:
    """FLOPs counted, less convolutions and the recurrences of states: those have operators of their own here."""
    aten = torch.ops.aten
    batched = (aten.bmm, aten.baddbmm)
    total = counter.get_total_flops() - counter.get_flop_counts().get("Global", {}).get(aten.convolution, 0)
    states = set()
    for name, part in module.named_modules():
        held = {child for child, _ in part.named_children()}
        if held & STATES or type(part).__name__.endswith("LightningAttention"):
            states.add(name)
    for name, counts in counter.get_flop_counts().items():
        if name.partition(".")[2] in states:
            total -= sum(counts.get(operation, 0) for operation in batched)
    return int(total)


def test_what_transformers_has_code_for_is_counted() -> None:
    assert ON_THE_HUB.isdisjoint(transformers.CONFIG_MAPPING.keys())


@pytest.mark.slow
@pytest.mark.parametrize("model_type", COUNTED)
def test_flops_and_parameters_equal_pytorchs_on_the_meta_device(model_type: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers warns of its own deprecations
        config = _tiny_config(model_type)
        model = from_config(config.to_dict(), model_type)
        parameters, flops = _pytorch_counts(model, config)
    stage: Stage = "encode" if model.kind == "encoder" else "prefill"
    workload = Workload(stage=stage, batch=BATCH, context=LENGTH, attention="naive", all_logits=True)
    found = [
        op for op in operators(model, workload) if op.name != "head" or model.kind != "decoder" or has_head(config)
    ]
    products = [op for op in found if op.unit != "vector" and op.operator_class != "state_update"]
    ours = sum(op.count * float(op.flops) for op in products)
    assert ours == pytest.approx(flops, rel=LOOSE.get(model_type, 1e-3)) or model_type in LOOKS_AT_VALUES
    # Families that keep the router's correction as a parameter have it in PyTorch's count already.
    buffers = int(model.count_notes[0].split(":")[0].replace(",", "")) if model.count_notes else 0
    head = (
        0 if has_head(config) else sum(n * step.parameters for n, step in model.counted_steps() if step.name == "head")
    )
    assert model.parameters_total - head in {parameters, parameters + buffers}


def test_an_audio_tower_counts_what_pytorch_counts_and_other_kinds_are_said() -> None:
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - optional dependency

    fields = {"model_type": "qwen2_audio_encoder", "encoder_layers": 2, "d_model": 64, "encoder_ffn_dim": 256,
              "encoder_attention_heads": 4, "max_source_positions": 100, "num_mel_bins": 16}  # fmt: skip
    tower = audio_tower(fields)
    assert tower is not None
    with torch.device("meta"):
        encoder = transformers.Qwen2AudioEncoder(transformers.Qwen2AudioEncoderConfig(**fields))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            encoder(torch.zeros(1, 16, 200))
    convolutions = 2 * 3 * (16 * 64 * 200 + 64 * 64 * 100)
    model = tower_model(tower, "tower")
    asked = Workload(stage="encode", context=100)
    ours = sum(one.count * float(one.flops) for one in operators(model, asked) if one.unit != "vector")
    assert ours == counter.get_total_flops() - convolutions
    assert audio_tower({"model_type": "muse_spark_audio", "num_hidden_layers": 4, "hidden_sizes": [256, 512]}) is None


@pytest.mark.parametrize(
    "kind", ["qwen2_audio_encoder", "voxtral_encoder", "voxtral_realtime_encoder", "audioflamingo3_encoder",
             "glmasr_encoder", "gemma3n_audio", "gemma4_audio"],
)  # fmt: skip
def test_a_tower_for_sound_has_the_parameters_that_transformers_builds(kind: str) -> None:
    config = transformers.CONFIG_MAPPING[kind]()
    with torch.device("meta"):
        built = transformers.AutoModel.from_config(config)
    counted = sum(each.numel() for each in built.parameters())
    assert audio_parameters(config.to_dict()) == pytest.approx(counted, rel=2e-3)


def test_conformers_are_timed_with_both_halves_of_their_feed_forward_block_and_the_convolution() -> None:
    fields = {"model_type": "gemma3n_audio", "hidden_size": 1536, "conf_num_hidden_layers": 12,
              "conf_num_attention_heads": 8, "conf_reduction_factor": 4, "conf_attention_chunk_size": 12}  # fmt: skip
    tower = audio_tower(fields)
    assert tower is not None
    assert (tower.patches_per_token, tower.patches_per_image) == (4, 24)
    asked = Workload(stage="encode", context=100)
    found = [op for op in operators(tower_model(tower, "tower"), asked) if op.unit != "vector"]
    matrices = sum(op.count * float(op.flops) for op in found if "attention" not in op.name)
    assert matrices == 2 * 100 * 12 * 23 * 1536**2  # 16 of feed-forward, 4 of attention, 3 of the convolution
