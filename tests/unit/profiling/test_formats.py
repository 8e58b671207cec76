"""Stored formats: what configs say of them, group by group, and what that makes of bytes and of products."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from profiling.devices.accelerators import GIB, find
from profiling.errors import UnsupportedPrecision
from profiling.memory.need import memory_need
from profiling.memory.weights import additional_weight_bytes, weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.format_names import format_in_name
from profiling.models.formats import published_format
from profiling.models.load import load
from profiling.models.sources import catalogue, from_config, from_path, model_configs
from profiling.models.stored import Group, Width, group_of
from profiling.roofline.estimate import estimate
from profiling.roofline.precisions import precision_for
from profiling.roofline.roof import product_format, roof_of
from profiling.roofline.workload import Parallelism, Precision, Workload, precision_of

LLAMA_8B = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip
QWEN_72B = {
    "model_type": "qwen2", "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "intermediate_size": 29568, "vocab_size": 152064, "tie_word_embeddings": False,
}  # fmt: skip
KIMI = {
    "model_type": "kimi_k2", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
    "num_hidden_layers": 61, "num_attention_heads": 64, "num_key_value_heads": 64, "kv_lora_rank": 512,
    "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 384,
    "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1, "topk_method": "noaux_tc",
    "vocab_size": 163840, "tie_word_embeddings": False,
}  # fmt: skip
INT4_EXPERTS = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 32, "type": "int"}}},
    "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
}


def _weights_gib(model: Architecture, weight_format: str | None = None, tensor: int = 1) -> float:
    return float(weight_bytes(model, precision_for(model, weight_format), Parallelism(tensor))) / GIB


@pytest.mark.parametrize(
    ("config", "gib"),
    [
        (LLAMA_8B | {"quantization_config": {"quant_method": "fp8", "ignored_layers": ["lm_head"]}}, 8.46),
        (QWEN_72B | {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}, 38.6),
        ({"model_type": "some_vl", "text_config": KIMI | {"quantization_config": INT4_EXPERTS}}, 553.4),
        (LLAMA_8B, 14.96),
    ],
)
def test_weights_have_the_bytes_of_the_published_format(config: dict[str, Any], gib: float) -> None:
    assert _weights_gib(from_config(config)) == pytest.approx(gib, rel=2e-3)


def test_gpt_oss_is_answered_as_stored_with_an_upper_end_that_covers_padding() -> None:
    model = load("openai/gpt-oss-120b")
    precision = precision_for(model)
    stored = float(weight_bytes(model, precision)) / GIB
    assert stored == pytest.approx(60.77, abs=0.005)
    # Loaded on one H100 it took 64.38 to 65.97 GiB.
    assert stored < 64.38
    assert stored + float(additional_weight_bytes(model, precision)) / GIB >= 65.97
    assert memory_need(model, find("H100-SXM5-80GB"), Workload(precision=precision)).verdict != "fits"


@pytest.mark.parametrize(
    ("name", "asked", "gib"),
    [
        # 114.66 billion numbers of experts at 4.25 bits, 2.17 billion at 16: no file has MXFP4 in all matrices.
        ("openai/gpt-oss-120b", "mxfp4", 60.77),
        ("openai/gpt-oss-120b", "mxfp4 experts", 60.77),
        ("moonshotai/Kimi-K2.5", "w4a16", 553.40),
        ("moonshotai/Kimi-K2-Thinking", None, 553.40),  # 594 GB on the hub
        ("deepseek-ai/DeepSeek-V3", "fp8", 626.92),
        # Where another format is meant it is taken: the experts of V4 are MXFP4 beside matrices in FP8.
        ("deepseek-ai/DeepSeek-V4-Flash", "fp8", 265.9),
        ("openai/gpt-oss-20b", "bf16", 38.96),
    ],
)
def test_a_format_that_publishers_give_to_some_matrices_is_taken_as_published(
    name: str, asked: str | None, gib: float
) -> None:
    assert _weights_gib(load(name), asked) == pytest.approx(gib, rel=1e-3)


def test_experts_beside_a_dense_block_are_not_left_out_with_it() -> None:
    # nvidia/Gemma-4-26B-A4B-NVFP4 leaves out attention, routers and the dense block `mlp` of every layer: of 25.2
    # billion numbers 22.8 are of experts, which its files hold in 4.5 bits.
    config = model_configs()["google/gemma-4-26B-A4B-it"]["config"]
    parts = ("mlp", "router", "self_attn")
    ignored = [f"model.language_model.layers.{n}.{part}*" for n in range(30) for part in parts]
    groups = {"group_0": {"targets": ["Linear"], "weights": _FP4, "input_activations": _FP4}}
    stated = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", *ignored],
              "config_groups": groups}  # fmt: skip
    model = from_config(config | {"quantization_config": stated})
    assert model.published_format.of("feed_forward").bits == model.published_format.of("attention").bits == 16
    assert model.published_format.of("experts").bits == 4.5
    assert _weights_gib(model) == pytest.approx(16.43, abs=0.01)


def test_a_copy_under_a_type_of_its_own_is_read_by_the_class_it_names() -> None:
    # sgl-project/DeepSeek-V4-Flash-FP8 calls itself deepseek_ref.
    config = model_configs()["deepseek-ai/DeepSeek-V4-Flash"]["config"]
    copy = {**config, "model_type": "deepseek_ref", "architectures": ["DeepseekV4ForCausalLM"]}
    copy.pop("expert_dtype")
    model = from_config(copy)
    assert model.parameters_total == from_config(config).parameters_total
    assert "'deepseek_ref' is read as 'deepseek_v4'" in model.notes[0]
    assert _weights_gib(model) == pytest.approx(265.94, abs=0.01)


def test_layers_left_out_of_a_format_keep_their_width() -> None:
    left_out = [f"model.layers.{layer}.self_attn.{side}_proj" for layer in range(126) for side in "qkvo"]
    left_out += [f"model.layers.{layer}.mlp.{side}_proj" for layer in (0, 125) for side in ("gate", "up", "down")]
    config = {
        **LLAMA_8B, "hidden_size": 16384, "num_hidden_layers": 126, "num_attention_heads": 128,
        "intermediate_size": 53248,
        "quantization_config": {"quant_method": "fbgemm_fp8", "modules_to_not_convert": [*left_out, "lm_head"]},
    }  # fmt: skip
    model = from_config(config)
    assert model.published_format.of("feed_forward").bits == pytest.approx((124 * 8 + 2 * 16) / 126)
    assert model.published_format.of("attention") == Width(16)
    # Meta's 405B in fp8 took 57.75 GiB on each of eight devices, some of it the engine's.
    assert _weights_gib(model, tensor=8) == pytest.approx(57, abs=0.5)


@pytest.mark.parametrize(
    ("left_out", "gib"),
    [
        # Layers of 218,103,808 numbers, of which 176,160,768 are the block of the feed forward: a byte more for each.
        (["model.layers.0"], 8.458 + 218_103_808 / 2**30), (["model.layers.31."], 8.458 + 218_103_808 / 2**30),
        (["model.layers.1", "model.layers.2"], 8.458 + 2 * 218_103_808 / 2**30),
        (["mlp"], 8.458 + 32 * 176_160_768 / 2**30), (["model.layers.32", "lm_head"], 8.458),
    ],
)  # fmt: skip
def test_whole_layers_and_whole_blocks_may_be_left_out(left_out: list[str], gib: float) -> None:
    stated = {"quant_method": "fp8", "modules_to_not_convert": left_out}
    assert _weights_gib(from_config(LLAMA_8B | {"quantization_config": stated})) == pytest.approx(gib, abs=1e-3)


_FP4 = {"num_bits": 4, "type": "float", "group_size": 16}
_FP8 = {"num_bits": 8, "type": "float", "strategy": "channel"}


@pytest.mark.parametrize(
    ("stated", "feed_forward", "attention", "head"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, Width(8 + 32 / 128**2, "fp8", 128),
         Width(8 + 32 / 128**2, "fp8", 128), 16),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": True}, Width(4.625, "fp16", 64),
         Width(4.625, "fp16", 64), 16),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128, "dynamic": {r"-:.*self_attn.*": {}}},
         Width(8.1875, "fp16", 64), Width(16), 16),
        ({"quant_method": "auto-round", "bits": 2, "group_size": 64}, Width(2.28125, "fp16", 64),
         Width(2.28125, "fp16", 64), 16),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {"group_0": {
            "targets": ["Linear"], "weights": _FP8, "input_activations": {"num_bits": 8, "type": "float"}}}},
         Width(8, "fp8"), Width(8, "fp8"), 16),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {"group_0": {
            "targets": ["Linear"], "weights": {"num_bits": 8, "type": "int", "strategy": "channel"},
            "input_activations": {"num_bits": 8, "type": "int"}}}}, Width(8, "int8"), Width(8, "int8"), 16),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {
            "group_0": {"targets": ["re:.*self_attn.*"], "weights": _FP8,
                        "input_activations": {"num_bits": 8, "type": "float"}},
            "group_1": {"targets": ["re:.*mlp.*"], "weights": _FP4, "input_activations": _FP4}}},
         Width(4.5, "fp4", 256), Width(8, "fp8"), 16),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4",
          "exclude_modules": ["lm_head", "model.layers.*.self_attn*"]},
         Width(4.5, "fp4", 256), Width(16), 16),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {
            **{f"model.layers.{n}.self_attn.{side}_proj": {"quant_algo": "FP8"} for n in range(32) for side in "qkvo"},
            **{f"model.layers.{n}.mlp.{side}_proj": {"quant_algo": "NVFP4"} for n in range(32)
               for side in ("gate", "up", "down")}}}, Width(4.5, "fp4", 256), Width(8, "fp8"), 16),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
          "bnb_4bit_use_double_quant": True}, Width(4 + 8 / 64 + 32 / 16384), Width(4 + 8 / 64 + 32 / 16384), 16),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, Width(8, "int8"), Width(8, "int8"), 16),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig",
                                                                 "_data": {"group_size": 128}}}},
         Width(4.25, "fp16", 64), Width(4.25, "fp16", 64), 16),
        ({"quant_method": "torchao", "quant_type": "float8_dynamic_activation_float8_weight"},
         Width(8, "fp8"), Width(8, "fp8"), 16),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}},
          "skip_modules": ["lm_head"]}, Width(4.5, "fp16", 64), Width(4.5, "fp16", 64), 16),
        ({"quant_method": "quanto", "weights": "int8"}, Width(8), Width(8), 16),
        ({"quant_method": "exl2", "bits": 4.25, "head_bits": 6}, Width(4.25), Width(4.25), 6),
        ({"quant_method": "quark", "exclude": ["lm_head"], "global_quant_config": {
            "weight": {"dtype": "fp8_e4m3"}, "input_tensors": {"dtype": "fp8_e4m3"}}},
         Width(8, "fp8"), Width(8, "fp8"), 16),
        ({"bits": 4, "group_size": 64}, Width(4.5), Width(4.5), 4.5),  # MLX
        ({"bits": 4, "group_size": 16, "mode": "nvfp4", "lm_head": False}, Width(4.5), Width(4.5), 16),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {
            r"+:.*\.(?:0|1)\..*(?:gate|up|down).*": {"bits": 8, "group_size": 64}, r"-:.*self_attn.*": {}}},
         Width((2 * (8 + 24 / 64) + 30 * (4 + 20 / 128)) / 32, "fp16", 64), Width(16), 16),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128, "modules_in_block_to_quantize": [
            ["mlp.gate_proj", "mlp.up_proj"], ["mlp.down_proj"]]}, Width(4.15625, "fp16", 64), Width(16), 16),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128, "data_type": "int", "extra_config": {
            f"model.layers.{n}.self_attn.{side}_proj": {"bits": 16} for n in range(32) for side in "qkvo"}},
         Width(4.15625, "fp16", 64), Width(16), 16),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "mx_fp", "act_bits": 4},
         Width(4.25, "fp4", 256), Width(4.25, "fp4", 256), 16),
        ({"quant_method": "compressed-tensors", "ignore": [], "config_groups": {"group_0": {
            "targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 128},
            "input_activations": {"num_bits": 8, "type": "float"}}}},
         Width(4.125, "fp8", 64), Width(4.125, "fp8", 64), 4.125),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head", "re:.*self_attn.*"], "config_groups": {"one": {
            "targets": ["re:.*_proj$"], "weights": _FP8, "input_activations": {"num_bits": 8, "type": "float"}}}},
         Width(8, "fp8"), Width(16), 16),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "FqnToConfig", "_data": {"fqn_to_config": {
            "_default": {"_type": "Int8DynamicActivationIntxWeightConfig", "_data": {
                "weight_dtype": {"_type": "torch.dtype", "_data": "int4"},
                "weight_granularity": {"_type": "PerGroup", "_data": {"group_size": 32}}}},
            "re:.*self_attn.*": {"_type": "Float8WeightOnlyConfig", "_data": {}}, "lm_head": None}}}}},
         Width(4.625, "int8", 64), Width(8), 16),
        ({"quant_method": "hqq", "quant_config": {
            **{f"self_attn.{side}_proj": {"weight_quant_params": {"nbits": 4, "group_size": 64}} for side in "qkvo"},
            **{f"mlp.{side}_proj": {"weight_quant_params": {"nbits": 3, "group_size": 32}}
               for side in ("gate", "up", "down")}}}, Width(4, "fp16", 64), Width(4.5, "fp16", 64), 16),
        # Microsoft's "v8-k65536-256": 16 and 8 bits for each eight numbers.
        ({"quant_method": "vptq", "config_for_layers": {
            f"model.layers.{n}.mlp.{side}_proj": {"vector_lens": [-1, 8], "num_centroids": [-1, 65536],
                                                  "num_res_centroids": [-1, 256]}
            for n in range(32) for side in ("gate", "up", "down")}}, Width(3), Width(16), 16),
        ({"quant_method": "quark", "exclude": ["lm_head"], "global_quant_config": {
            "weight": {"dtype": "fp4", "group_size": 32}, "input_tensors": {"dtype": "fp4"}}, "layer_quant_config": {
            "*self_attn*": {"weight": {"dtype": "fp8_e4m3"}, "input_tensors": {"dtype": "fp8_e4m3"}}}},
         Width(4.25, "fp4", 256), Width(8, "fp8"), 16),
        ({"quant_method": "quark", "global_quant_config": {
            "weight": [{"dtype": "fp8_e4m3"}, {"dtype": "int4", "qscheme": "per_channel"}],
            "input_tensors": {"dtype": "fp8_e4m3"}}}, Width(4, "fp8", 64), Width(4, "fp8", 64), 16),
        ({"quant_method": "mxfp8"}, Width(8.25, "fp8"), Width(8.25, "fp8"), 16),
        ({"quant_method": "fp_quant", "forward_dtype": "mxfp4"}, Width(4.25, "fp4", 256), Width(4.25, "fp4", 256), 16),
        ({"quant_method": "aqlm", "in_group_size": 8, "out_group_size": 1, "num_codebooks": 2, "nbits_per_codebook": 8},
         Width(2), Width(2), 16),
        ({"quant_method": "qqq", "wbits": 4, "group_size": -1}, Width(4), Width(4), 16),
        # ModelOpt's own file, copied whole into the config.
        ({"quant_method": "modelopt", "quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}},
         Width(4.5, "fp4", 256), Width(4.5, "fp4", 256), 16),
        # Of four numbers two are kept, with 2 bits each for their places (neuralmagic/Sparse-Llama-3.1-8B-…-2of4).
        ({"quant_method": "compressed-tensors", "config_groups": {},
          "sparsity_config": {"format": "sparse-24-bitmask", "ignore": ["lm_head"]}}, Width(9), Width(9), 16),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head"],
          "sparsity_config": {"format": "sparse-24-bitmask"},
          "config_groups": {"group_0": {"targets": ["Linear"], "weights": _FP8}}}, Width(5), Width(5), 16),
        ({"quant_method": "compressed-tensors", "ignore": ["lm_head"], "sparsity_config": {"format": "dense"},
          "config_groups": {"group_0": {"targets": ["Linear"], "weights": _FP8}}}, Width(8), Width(8), 16),
        ({"quant_method": "compressed-tensors", "format": "marlin-24", "ignore": ["lm_head"],
          "sparsity_config": {"format": "dense", "sparsity_structure": "2:4"}, "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 128, "type": "int"}}}},
         Width((4.125 + 2) / 2, "fp16", 64), Width((4.125 + 2) / 2, "fp16", 64), 16),
    ],
)  # fmt: skip
def test_every_common_quantiser_is_read(
    stated: dict[str, Any], feed_forward: Width, attention: Width, head: float
) -> None:
    stored = from_config(LLAMA_8B | {"quantization_config": stated}).published_format
    bits = stored.of("feed_forward"), stored.of("attention"), stored.of("head").bits
    assert bits == (feed_forward, attention, head), stored


def test_a_method_that_is_not_known_is_said() -> None:
    stored = published_format(from_config(LLAMA_8B), {"quantization_config": {"quant_method": "wonder"}})
    assert stored.of("feed_forward") == Width(16)
    assert "quant_method 'wonder' is not known" in stored.notes[0]


def test_a_quantiser_that_is_not_known_is_taken_at_its_bits_and_its_doubt_is_in_the_upper_end() -> None:
    stated = {"quantization_config": {"quant_method": "wonder", "bits": 4, "group_size": 128}}
    model = from_config(LLAMA_8B | stated, "wonder")
    assert model.published_format.of("feed_forward") == Width(4 + 16 / 128)
    assert "quant_method 'wonder' is not known here: its 4 bits are taken as stated" in model.notes[0]
    precision = precision_for(model)
    assert additional_weight_bytes(model, precision) == weight_bytes(model, precision) / 8
    assert additional_weight_bytes(model, precision_for(model, "int8")) == 0
    known = from_config(LLAMA_8B | {"quantization_config": {"quant_method": "exl3", "bits": 4.0}}, "known")
    assert not known.notes
    assert not known.published_format.doubt


def test_a_config_of_torchao_that_is_not_known_is_said() -> None:
    stated = {"quant_method": "torchao", "quant_type": {"default": {"_type": "ColdFusionConfig", "_data": {}}}}
    stored = published_format(from_config(LLAMA_8B), {"quantization_config": stated})
    assert stored.of("feed_forward") == Width(16)
    assert "ColdFusionConfig is not known" in stored.notes[0]


def test_gate_up_and_down_of_experts_may_have_widths_of_their_own() -> None:
    config = {
        "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 4, "num_attention_heads": 32,
        "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144, "moe_intermediate_size": 768,
        "num_experts": 128, "num_experts_per_tok": 8, "vocab_size": 151936,
    }  # fmt: skip
    # As mlx-lm writes its mixed recipe: down projections of some layers wider, routers at 8 bits.
    wider = {f"model.layers.{n}.mlp.switch_mlp.down_proj": {"bits": 6, "group_size": 64} for n in (0, 3)}
    routers = {f"model.layers.{n}.mlp.gate": {"bits": 8, "group_size": 64} for n in range(4)}
    stored = from_config(config | {"quantization": {"bits": 4, "group_size": 64, **wider, **routers}}).published_format
    assert stored.of("experts").bits == pytest.approx((4.5 + 4.5 + (6.5 + 4.5) / 2) / 3)
    assert stored.of("other").bits == 8.5
    stated = {"quant_method": "compressed-tensors", "ignore": ["lm_head", "re:.*down_proj"], "config_groups": {
        "group_0": {"targets": ["Linear"], "weights": _FP8}}}  # fmt: skip
    assert from_config(config | {"quantization_config": stated}).published_format.of("experts").bits == 32 / 3


def test_files_of_older_quantisers_beside_the_config_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    (tmp_path / "quantize_config.json").write_text(json.dumps({"bits": 4, "group_size": 128, "desc_act": True}))
    assert from_path(tmp_path).published_format.name == "gptq-4bit-g128"
    (tmp_path / "quantize_config.json").rename(tmp_path / "quant_config.json")
    (tmp_path / "quant_config.json").write_text(json.dumps({"w_bit": 4, "q_group_size": 64, "zero_point": True}))
    assert from_path(tmp_path).published_format.name == "awq-4bit-g64"


def test_modelopts_own_file_beside_the_config_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    quantised = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(quantised))
    assert _weights_gib(from_path(tmp_path)) == pytest.approx(8.46, abs=0.01)


def test_the_index_of_a_checkpoint_says_how_many_bytes_it_has(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    index = {"metadata": {"total_size": 16_060_522_496}, "weight_map": {}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    model = from_path(tmp_path)
    assert model.stored_bytes == 16_060_522_496
    precision = precision_for(model)
    loaded = float(weight_bytes(model, precision)) + float(additional_weight_bytes(model, precision))
    assert loaded == pytest.approx(16_060_522_496, abs=1)


def test_products_run_in_the_format_of_the_numbers_and_not_of_numbers_plus_scales() -> None:
    b200, h100, a100 = find("B200-SXM-180GB"), find("H100-SXM5-80GB"), find("A100-SXM4-80GB")
    assert product_format(b200, precision_of("nvfp4"), "feed_forward") == "fp4"
    assert product_format(h100, precision_of("mxfp8"), "feed_forward") == "fp8"
    # Where a device lacks the format, engines open the weights to 16 bits first.
    assert product_format(h100, precision_of("nvfp4"), "feed_forward") == "fp16"
    assert product_format(a100, precision_of("fp8"), "feed_forward") == "fp16"
    # Heads and routers stay at 16 bits in checkpoints of these formats, so that no device lacks products for them.
    assert {product_format(h100, precision_of("fp8"), group) for group in ("head", "other")} == {"fp16"}
    assert roof_of(find("Apple-M3-Max-40core-64GB"), precision_of("fp8")).product_format == "fp16"


def test_groups_of_weights_run_in_formats_of_their_own() -> None:
    model = load("nvidia/Qwen3.6-35B-A3B-NVFP4")
    roof = roof_of(find("B200-SXM-180GB"), precision_for(model))
    peaks = {group: roof.product_peaks[group] for group in ("experts", "attention", "other")}
    b200 = find("B200-SXM-180GB")
    assert peaks == {"experts": b200.peak("fp4"), "attention": b200.peak("fp8"), "other": b200.peak("fp16")}
    wide = estimate(model, b200, Workload(stage="prefill", context=8192, precision=Precision())).time
    narrow = estimate(model, b200, Workload(stage="prefill", context=8192, precision=precision_for(model))).time
    assert float(narrow.bound_s) < float(wide.bound_s)


@pytest.mark.parametrize(
    ("name", "bits", "compute"),
    [
        # Bits of a weight and of the scale of its group, and of a zero where it is not symmetric.
        ("w4a16", 4 + 16 / 128, "fp16"), ("W4A16-G32", 4 + 16 / 32, "fp16"), ("w4a16_g64", 4 + 16 / 64, "fp16"),
        ("w4a16-asym", 4 + 20 / 128, "fp16"), ("w4a16-g32-asym", 4 + 20 / 32, "fp16"),
        ("w8a16", 8 + 16 / 128, "fp16"), ("w4a8", 4 + 16 / 128, "int8"), ("w8a8", 8, "int8"), ("w8a8-fp8", 8, "fp8"),
        ("fp8-dynamic", 8, "fp8"), ("FP8_DYNAMIC", 8, "fp8"), ("fp8_block", 8 + 32 / 128**2, "fp8"),
    ],
)  # fmt: skip
def test_a_name_of_compressed_tensors_says_bits_group_and_products(name: str, bits: float, compute: str) -> None:
    precision = precision_for(load("llama 3.1 8b"), name)
    assert (precision.weight_bits, precision.embedding, precision.head) == (bits, 16, 16)
    assert precision.compute_of("feed_forward") == compute
    assert precision.compute_of("head") == "fp16"
    assert precision.activation_bits == (16 if compute == "fp16" else 8)
    assert product_format(find("H100-SXM"), precision, "attention") == compute


def test_names_of_files_say_these_formats_and_fp8_dynamic_is_fp8_as_published() -> None:
    named = {"Llama-3.3-70B-Instruct-FP8-dynamic": "fp8-dynamic", "Qwen3-8B-quantized.w8a8": "w8a8",
             "Qwen3-8B-W4A16-G128": "w4a16-g128", "gemma-3-27b-it-quantized.w4a16": "w4a16",
             "Qwen3-8B-FP8": "fp8", "Qwen3-8B-FP8-block": "fp8-block"}  # fmt: skip
    assert {name: format_in_name(name) for name in named} == named
    fp8 = from_config({**LLAMA_8B, "quantization_config": {"quant_method": "fp8"}})
    assert precision_for(fp8, "fp8-dynamic") == precision_for(fp8)
    with pytest.raises(UnsupportedPrecision, match="'w4a16-g0' is not a stored format known here; nearest: w4a16-g64"):
        precision_for(fp8, "w4a16-g0")


def test_a_named_format_overrides_the_published_one() -> None:
    model = from_config(QWEN_72B | {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}})
    assert _weights_gib(model, "bf16") == pytest.approx(135.43, abs=0.01)
    assert _weights_gib(model, "q4_k_m") == pytest.approx(44.2, rel=0.02)  # Qwen2.5-72B-Instruct-Q4_K_M.gguf: 47.4 GB


def test_every_matrix_of_the_catalogue_has_a_group_and_its_bytes_add_up() -> None:
    for name in ("Qwen/Qwen3.5-35B-A3B", "deepseek-ai/DeepSeek-V3.2", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"):
        model = load(name)
        groups: dict[Group, int] = {}
        for count, step in model.counted_steps():
            groups[group_of(step)] = groups.get(group_of(step), 0) + count * step.parameters
        assert sum(groups.values()) == model.parameters_total
        assert max(groups, key=lambda group: groups[group]) == "experts"
        assert float(weight_bytes(model, Precision())) == 2 * model.parameters_total


def test_published_formats_of_the_shipped_configs_are_understood() -> None:
    stated = [name for name, row in model_configs().items() if "quantization_config" in json.dumps(row["config"])]
    assert len(stated) > 30
    for name in stated:
        stored = load(name).published_format
        assert stored.name != "bf16", name
        assert min(width.bits for _, width in stored.widths) < 16, name


def test_a_copy_in_a_narrow_format_is_never_answered_at_sixteen_bits() -> None:
    narrow = re.compile(r"-(?:fp8|nvfp4|mxfp8|fp4)(?:-|$)", re.IGNORECASE)
    copies = {name: load(name) for name in catalogue() if narrow.search(name)}
    assert len(copies) > 20
    for name, model in copies.items():
        kind = "experts" if model.is_mixture_of_experts else "feed_forward"
        assert model.published_format.of(kind).bits < 9, name


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        # By the lists of modules in nvidia's hf_quant_config.json and MiniMax's own config: of Qwen3-235B attention is
        # NVFP4 as well, of Nemotron 3 Nano all but 6 layers of attention and the states before them.
        ("MiniMaxAI/MiniMax-M2", 214.23), ("nvidia/Qwen3-235B-A22B-NVFP4", 124.89),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4", 18.00),
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8", 113.77),
        # Published in 8, 4 and 16 bits (vllm-project/recipes), though the copy of their shapes that is known is not.
        ("MiniMaxAI/MiniMax-M2.7", 214.23), ("moonshotai/Kimi-K2.7-Code", 553.40),
        ("mistralai/Mistral-Small-4-119B-2603", 111.81), ("mistralai/Ministral-3-8B-Reasoning-2512", 15.81),
    ],
)  # fmt: skip
def test_copies_of_the_catalogue_are_as_wide_as_their_quantisers_say(name: str, gib: float) -> None:
    assert _weights_gib(load(name)) == pytest.approx(gib, abs=0.01)
