"""FLOPs and parameters against PyTorch's own counters, on every family transformers can build offline."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from profiling.architecture import Architecture
from profiling.families import FAMILIES
from profiling.operators import operators
from profiling.sources import from_config
from profiling.workload import Stage, Workload

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
SPECIAL: dict[str, dict[str, Any]] = {
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
}
# Containers of several towers; their text decoders are tested under their own names.
TOWERS = {"llama4", "gemma3"}
# Their code lies beside their weights on the hub, so there is nothing to count here.
ON_THE_HUB = {
    "baichuan", "chatglm", "deepseek", "grok-1", "internlm", "internlm2", "kimi_k2", "minicpm", "phi3small", "qwen",
    "yi",
}  # fmt: skip
BROKEN = pytest.mark.xfail(raises=AttributeError, strict=True, reason="transformers 5.23 cannot build its own dbrx")
COUNTED = [
    pytest.param(name, marks=BROKEN) if name == "dbrx" else name for name in sorted(set(FAMILIES) - TOWERS - ON_THE_HUB)
]
OWN_MASK = {"bloom"}  # builds its position biases from a two-dimensional mask


def _tiny_config(model_type: str) -> Any:
    kind = transformers.CONFIG_MAPPING[model_type]
    known = set(kind().to_dict()) | set(getattr(kind, "attribute_map", {}))
    special = SPECIAL.get(model_type, {})
    return kind(**{key: value for key, value in {**WIDTHS, **special}.items() if key in known or key in special})


def _pytorch_counts(model: Architecture, config: Any) -> tuple[int, int]:
    """Parameters, and FLOPs of one pass with the plain attention kernel, nothing of it computed."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - optional dependency

    auto = {"encoder": transformers.AutoModel, "encoder-decoder": transformers.AutoModelForSeq2SeqLM}
    with torch.device("meta"), torch.no_grad():
        module = auto.get(model.kind, transformers.AutoModelForCausalLM).from_config(
            config, attn_implementation="eager"
        )
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
            module(ids, **arguments)
    return sum(weights.numel() for weights in module.parameters()), counter.get_total_flops()


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
    products = [op for op in operators(model, workload) if op.unit != "vector"]
    ours = sum(op.count * float(op.flops) for op in products)
    assert ours == pytest.approx(flops, rel=1e-3)
    buffers = int(model.count_notes[0].split(":")[0].replace(",", "")) if model.count_notes else 0
    assert model.parameters_total == parameters + buffers
