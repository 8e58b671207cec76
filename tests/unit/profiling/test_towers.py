"""Towers that read images and sound: counts against transformers' own modules and the hub's totals."""

from __future__ import annotations

from typing import Any

import pytest

from profiling.errors import UnsupportedModelType
from profiling.models import shapes
from profiling.models.load import load
from profiling.models.sources import from_config, model_configs

TOWERS = {
    "aria": 184_816_000, "audioflamingo3": 658_997_248, "aya_vision": 234_657_280, "blip": 86_090_496,
    "blip-2": 1_091_705_088, "cohere2_vision": 670_168_832, "cosmos3_edge": 489_342_704, "cosmos3_omni": 566_949_104,
    "deepseek_vl": 112_815_360, "deepseek_vl_hybrid": 209_696_257, "dots3_note": 7_757_476_992,
    "ernie4_5_vl_moe": 7_573_856_448, "exaone4_5": 2_671_868_672, "florence2": 91_469_824,
    "fun_asr_nano": 233_741_920, "fuyu": 11_063_296,
    "gemma3": 94_654_464, "gemma4": 477_497_632, "gemma4_unified": 45_498_624, "git": 86_391_552,
    "glm46v": 892_498_432, "glm4v": 892_498_432, "glm4v_moe": 892_498_432, "glm5_next": 460_072_448,
    "glm_ocr": 434_120_192, "glmasr": 664_415_232, "glmga": 892_498_432, "got_ocr2": 96_618_752,
    "granite4_vision": 117_760_256, "granite_docling": 156_797_696, "granite_speech": 383_097_898,
    "granite_speech_plus": 383_097_898, "hyperclovax_vision_v2": 3_097_709_312, "idefics": 328_193_536,
    "idefics2": 819_662_848, "idefics3": 171_270_144, "inkling2": 327_693_312, "instructblip": 1_172_226_816,
    "instructblipvideo": 1_172_226_816, "internvl": 337_509_376, "kimi_k25": 471_143_920, "kosmos-2": 322_195_456,
    "kosmos-2.5": 527_761_920, "lfm2_vl": 107_359_488, "lfm3_vl": 189_380_352, "lighton_ocr": 409_597_952,
    "llama4": 455_178_240, "llava": 324_487_168, "llava_next": 324_491_264, "llava_next_video": 324_491_264,
    "llava_onevision": 419_255_840, "minicpm_ocr": 157_399_552, "minicpmv4_6": 157_399_552,
    "minicpmv4_7": 157_399_552, "minimax_m3_vl": 865_567_232, "mistral3": 438_958_080, "mistral4": 0,
    "mistral_large4": 1_704_218_624, "mllama": 867_749_395, "modernvbert": 102_321_408, "molmo2": 503_342_544,
    "moss_transcribe_diarize": 312_463_360, "muse_glimmer": 1_921_845_760, "muse_spark": 2_045_977_600,
    "musicflamingo": 658_997_248,
    "nemotron_h_omni": 691_447_296, "ovis2": 351_168_502, "paddleocr_vl": 438_947_440, "paligemma": 401_858_816,
    "phi4_multimodal": 907_982_272, "pix2struct": 91_835_904, "pp_chart2table": 96_618_752,
    "qianfan_ocr": 337_583_104, "qwen2_5_omni_thinker": 3_722_672_384, "qwen2_5_vl": 3_083_025_152,
    "qwen2_audio": 642_215_936, "qwen2_vl": 675_759_104, "qwen3_5": 453_650_672, "qwen3_5_moe": 453_650_672,
    "qwen3_asr": 319_051_904, "qwen3_omni_moe_thinker": 1_216_843_888, "qwen3_vl": 566_949_104,
    "qwen3_vl_moe": 566_949_104, "shieldgemma2": 94_654_464, "smolvlm": 171_270_144, "step3p7": 1_981_014_784,
    "t5gemma2": 94_654_464, "unlimited_ocr": 400_770_048, "video_llama_3": 105_577_728, "video_llava": 627_339_264,
    "vipllava": 341_274_624, "voxtral": 662_134_784, "janus": 423_980_683, "nemo_speechlm": 783_812_815,
    "qwen2_5_omni": 10_770_749_312, "vibevoice_asr": 722_675_072,
}  # fmt: skip
"""What transformers 5.23 builds beside the text decoder by the defaults of each family."""
_SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 768, "num_hidden_layers": 3, "num_attention_heads": 12}
FIELDS: dict[str, dict[str, Any]] = {
    "granite4_vision": {"deepstack_layer_map": [[1, 2], [3, 4], [5, 6]], "downsample_rate": "4/8",
                        "vision_config": _SIGLIP},
    "aya_vision": {"alignment_intermediate_size": 28672, "vision_config": _SIGLIP},
    "gemma4": {"vision_config": {}, "audio_config": {}}, "gemma4_unified": {"vision_config": {}, "audio_config": {}},
}  # fmt: skip
"""Fields of families that transformers builds no tower of by its defaults alone."""
BUILT_BY = {
    "audioflamingo3": "AudioFlamingo3ForConditionalGeneration", "modernvbert": "ModernVBertModel",
    "musicflamingo": "MusicFlamingoForConditionalGeneration",
}  # fmt: skip
"""Classes that the usual tables of transformers leave out."""


def test_a_catalogued_model_has_the_parameters_of_its_checkpoint_to_the_last() -> None:
    whole = []
    for name, row in model_configs().items():
        model = load(name)
        towers = sum(part.parameters or 0 for part in model.not_counted if part.is_tower)
        ahead = sum(part.parameters or 0 for part in model.not_counted if not part.is_tower)
        if towers and row.get("parameters_on_hub") == model.parameters_total + towers + ahead:
            whole.append(name)
        if towers and "parameters_towers" in row and "Muse-Spark" not in name:  # whose audio tower is not sized
            assert towers == row["parameters_towers"], name
    assert len(whole) > 50
    kinds = {str(model_configs()[name]["config"]["model_type"]) for name in whole}
    assert kinds >= {
        "exaone4_5", "glm4v", "idefics3", "internvl_chat", "kimi_k25", "lfm2_vl", "llama4", "llava",
        "llava_next", "minicpmv", "mistral3", "molmo", "muse_glimmer", "paligemma", "phi3_v", "qwen2_5_vl", "qwen2_vl",
        "qwen3_5", "qwen3_5_moe", "qwen3_vl", "qwen3_vl_moe", "smolvlm", "t5gemma2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        # Published totals: model cards of Phi-4-multimodal, Llama 3.2 Vision, DeepSeek-OCR and Voxtral Mini.
        ("microsoft/Phi-4-multimodal-instruct", 5.574), ("meta-llama/Llama-3.2-11B-Vision-Instruct", 10.67),
        ("deepseek-ai/DeepSeek-OCR", 3.336), ("mistralai/Voxtral-Mini-3B-2507", 4.676),
    ],
)  # fmt: skip
def test_a_model_whose_config_says_little_of_its_towers_has_its_published_size(name: str, billions: float) -> None:
    model = load(name)
    whole = model.parameters_total + sum(part.parameters or 0 for part in model.not_counted)
    assert whole / 1e9 == pytest.approx(billions, rel=2e-4)


DOTS_OCR = {
    "architectures": ["DotsOCRForCausalLM"], "model_type": "dots_ocr", "hidden_size": 1536, "intermediate_size": 8960,
    "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936,
    "use_sliding_window": False, "tie_word_embeddings": False,
    "vision_config": {"embed_dim": 1536, "hidden_size": 1536, "intermediate_size": 4224, "num_hidden_layers": 42,
                      "num_attention_heads": 12, "patch_size": 14, "post_norm": True, "spatial_merge_size": 2,
                      "use_bias": False},
}  # fmt: skip
OVIS25 = {
    "model_type": "ovis2_5", "visual_vocab_size": 65536,
    "llm_config": {"model_type": "qwen3", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
                   "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151936, "head_dim": 128,
                   "tie_word_embeddings": True},
    "vit_config": {"model_type": "siglip2_navit", "hidden_size": 1152, "intermediate_size": 4304, "num_patches": -1,
                   "num_hidden_layers": 27, "num_attention_heads": 16, "image_size": 512, "patch_size": 16,
                   "hidden_stride": 2},
}  # fmt: skip
KIMI_VL = {
    "model_type": "kimi_vl",
    "text_config": {
        "model_type": "deepseek_v3", "hidden_size": 2048, "intermediate_size": 11264, "moe_intermediate_size": 1408,
        "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "kv_lora_rank": 512,
        "q_lora_rank": None, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "vocab_size": 163840,
        "tie_word_embeddings": False,
    },
    "vision_config": {"model_type": "moonvit", "hidden_size": 1152, "init_pos_emb_height": 64,
                      "init_pos_emb_width": 64, "intermediate_size": 4304, "merge_kernel_size": [2, 2],
                      "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14},
}  # fmt: skip

DEEPSEEK_VL2_TINY = {
    "architectures": ["DeepseekVLV2ForCausalLM"], "model_type": "deepseek_vl_v2",
    "language_config": {
        "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "hidden_size": 1280,
        "intermediate_size": 6848, "moe_intermediate_size": 896, "num_hidden_layers": 12, "num_attention_heads": 10,
        "num_key_value_heads": 10, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
        "first_k_dense_replace": 1, "kv_lora_rank": None, "q_lora_rank": None, "qk_nope_head_dim": 0,
        "qk_rope_head_dim": 0, "v_head_dim": 0, "use_mla": False, "vocab_size": 129280,
    },
    "projector_config": {"model_type": "mlp_projector", "n_embed": 1280},
    "vision_config": {"layers": 27, "mlp_ratio": 3.7362, "model_name": "siglip_so400m_patch14_384",
                      "model_type": "vision", "patch_size": 14, "width": 1152},
}  # fmt: skip
QWEN25_VL = {
    "model_type": "qwen2_5_vl", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
    "vision_config": {"depth": 32, "hidden_act": "silu", "hidden_size": 1280, "intermediate_size": 3420,
                      "num_heads": 16, "in_chans": 3, "out_hidden_size": 3584, "patch_size": 14,
                      "spatial_merge_size": 2, "spatial_patch_size": 14, "window_size": 112, "temporal_patch_size": 2},
}  # fmt: skip
"""As published: without the vision part's `model_type`."""
GRANITE_VISION_33 = {
    "model_type": "llava_next", "vision_feature_layer": [-24, -20, -12, -1], "tie_word_embeddings": True,
    "text_config": {"model_type": "granite", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 40,
                    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 49156,
                    "tie_word_embeddings": True},
    "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
                      "num_hidden_layers": 27, "num_attention_heads": 16, "image_size": 384, "patch_size": 14,
                      "vision_use_head": False},
}  # fmt: skip
"""Its projector reads four layers of the tower side by side."""


@pytest.mark.parametrize(
    ("config", "billions", "tower", "patches_per_token"),
    [
        (DOTS_OCR, 3.04, 1_262_091_264, 4), (OVIS25, 2.57, 849_854_696, 4), (KIMI_VL, 16.41, 447_545_840, 4),
        (DEEPSEEK_VL2_TINY, 3.37, 435_767_360, 4), (QWEN25_VL, 8.292_166_656, 676_550_144, 4),
        (GRANITE_VISION_33, 2.960_158_576, 426_624_880, 1),
    ],
    ids=["dots.ocr", "Ovis2.5-2B", "Kimi-VL-A3B", "DeepSeek-VL2-tiny", "Qwen2.5-VL-7B", "granite-vision-3.3-2b"],
)  # fmt: skip
def test_towers_of_code_beside_a_checkpoint_make_up_its_published_size(
    config: dict[str, Any], billions: float, tower: int, patches_per_token: float
) -> None:
    model = from_config(config)
    (part,) = model.not_counted
    assert not model.is_inferred_form
    assert (part.name, part.parameters) == ("vision tower", tower)
    assert part.tower is not None
    assert part.tower.patches_per_token == patches_per_token
    assert (model.parameters_total + tower) / 1e9 == pytest.approx(billions, rel=2e-3)


def test_ernie_as_published_lists_its_experts_for_text_and_for_images() -> None:
    model = from_config({
        "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"], "model_type": "ernie4_5_moe_vl",
        "hidden_size": 2560, "intermediate_size": 12288, "num_hidden_layers": 28, "num_attention_heads": 20,
        "num_key_value_heads": 4, "vocab_size": 103424, "moe_num_experts": [64, 64], "moe_k": 6,
        "moe_intermediate_size": [1536, 512], "moe_num_shared_experts": 2, "moe_layer_start_index": [1, 1],
        "moe_layer_end_index": [29, 28], "moe_layer_interval": 1, "spatial_conv_size": 2, "temporal_conv_size": 2,
        "vision_config": {"model_type": "DFNRope_vision_transformer", "depth": 32, "embed_dim": 1280, "mlp_ratio": 4,
                          "hidden_size": 1280, "num_heads": 16, "patch_size": 14, "spatial_merge_size": 2},
    })  # fmt: skip
    parts = {part.name: part.parameters or 0 for part in model.not_counted}
    assert parts == {"vision tower": 774_658_560, "experts for images": 6_799_197_888}
    built = 29_399_294_336  # Ernie4_5_VLMoeForConditionalGeneration of transformers 5.23
    assert model.parameters_total + sum(parts.values()) == built


def test_towers_of_gemma_3n_leave_of_the_hubs_total_what_its_sharing_layers_store() -> None:
    model = load("google/gemma-3n-E2B-it")
    assert [part.name for part in model.not_counted] == ["vision tower", "audio tower"]
    whole = model.parameters_total + sum(part.parameters or 0 for part in model.not_counted)
    unused = 10 * (2 * 2048 * 2 * 256 + 256)  # keys, values and a norm of ten layers that read those of others
    assert whole + unused == model_configs()["google/gemma-3n-E2B-it"]["parameters_on_hub"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOWERS)
def test_towers_have_the_parameters_that_transformers_builds(kind: str) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.CONFIG_MAPPING[kind](**FIELDS.get(kind, {}))
    auto = transformers.models.auto.modeling_auto
    names = {
        **BUILT_BY,
        **auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
        **auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    }
    with torch.device("meta"):
        built = getattr(transformers, names[kind])(config)
    counted = sum(each.numel() for each in {id(each): each for each in built.parameters()}.values())
    model = from_config(config.to_dict())
    towers = [part.parameters for part in model.not_counted if part.is_tower]
    corrections = sum(layer.count * layer.experts.count for layer in model.main.layers if layer.experts)
    assert None not in towers
    assert sum(each or 0 for each in towers) == TOWERS[kind]
    assert model.parameters_total + TOWERS[kind] - counted in {0, corrections}  # buffers of routers there


def test_florence_2_as_published_has_its_published_size() -> None:
    # microsoft/Florence-2-large, 0.77 B, names widths of stages and its decoder otherwise than transformers does.
    text = {"model_type": "florence2_language", "vocab_size": 51289, "d_model": 1024, "encoder_layers": 12,
            "decoder_layers": 12, "encoder_attention_heads": 16, "decoder_attention_heads": 16,
            "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "max_position_embeddings": 4096}  # fmt: skip
    vision = {"model_type": "davit", "patch_size": [7, 3, 3, 3], "patch_prenorm": [False, True, True, True],
              "dim_embed": [256, 512, 1024, 2048], "depths": [1, 1, 9, 1], "projection_dim": 1024}  # fmt: skip
    model = from_config({"model_type": "florence2", "text_config": text, "vision_config": vision})
    (tower,) = model.not_counted
    assert model.parameters_total + (tower.parameters or 0) == pytest.approx(0.77e9, rel=0.01)


_LLAMA_8B = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
             "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256}  # fmt: skip
_SMALL_DEEPSEEK = {
    "model_type": "deepseek_v2", "hidden_size": 1280, "intermediate_size": 6848, "moe_intermediate_size": 896,
    "num_hidden_layers": 12, "num_attention_heads": 10, "n_routed_experts": 64, "n_shared_experts": 2,
    "num_experts_per_tok": 6, "first_k_dense_replace": 1, "use_mla": False, "vocab_size": 129280,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "billions"),
    [
        # DeepSeek-OCR 2, Janus-Pro-7B as published, Llama-3.1-Nemotron-Nano-VL-8B-V1, Step 3: "321 B".
        ({"model_type": "deepseek_vl_v2", "language_config": _SMALL_DEEPSEEK,
          "projector_config": {"input_dim": 896, "n_embed": 1280, "projector_type": "linear"},
          "vision_config": {"model_name": "deepencoderv2", "model_type": "vision", "width": {
              "qwen2-0-5b": {"dim": 896}, "sam_vit_b": {"layers": 12, "width": 768, "heads": 12}}}}, 3.39),
        ({"model_type": "multi_modality", "vision_config": {"model_type": "vision", "cls": "CLIPVisionTower"},
          "gen_vision_config": {"cls": "VQ-16", "params": {"image_token_size": 16384, "n_embed": 8}},
          "language_config": {"model_type": "llama", "num_hidden_layers": 30, "vocab_size": 102400}}, 7.42),
        ({"model_type": "Llama_Nemotron_Nano_VL", "llm_config": _LLAMA_8B, "vision_config": {"args": {}},
          "projector_hidden_size": 4096}, 8.72),
        ({"model_type": "step3_vl", "text_config": {
            "model_type": "step3_text", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 64,
            "num_attention_groups": 1, "head_dim": 256, "share_q_dim": 2048, "intermediate_size": 18432,
            "moe_num_experts": 48, "moe_top_k": 3, "moe_intermediate_size": 5120, "share_expert_dim": 5120,
            "moe_layers_enum": ",".join(map(str, range(4, 60))), "vocab_size": 128815},
          "vision_config": {"hidden_size": 1792, "output_hidden_size": 4096, "image_size": 728,
                            "intermediate_size": 15360, "num_attention_heads": 16, "num_hidden_layers": 63,
                            "patch_size": 14}}, 321),
    ],
    ids=["DeepSeek-OCR-2", "Janus-Pro-7B", "Llama-3.1-Nemotron-Nano-VL-8B", "Step-3"],
)  # fmt: skip
def test_towers_whose_widths_no_words_describe_make_up_the_published_size(
    config: dict[str, Any], billions: float
) -> None:
    model = from_config(config)
    whole = model.parameters_total + sum(part.parameters or 0 for part in model.not_counted)
    assert whole / 1e9 == pytest.approx(billions, rel=1e-3)


def test_a_tower_that_is_counted_for_some_widths_is_of_unknown_size_for_others() -> None:
    published = {"model_type": "janus", "text_config": _LLAMA_8B, "vq_config": {"embed_dim": 8}}
    other = {**published, "vq_config": {"embed_dim": 16}}
    sizes = [[part.parameters for part in from_config(config).not_counted] for config in (published, other)]
    assert sizes[0] == [113_996_427]
    assert sizes[1] == [None]
    older = from_config({**_LLAMA_8B, "model_type": "llava", "mm_vision_tower": "openai/clip-vit-large-patch14-336"})
    assert [str(part) for part in older.not_counted] == ["vision tower clip-vit-large-patch14-336, size unknown"]
    with pytest.raises(UnsupportedModelType, match=r"its decoder is meta-llama/Llama-3\.2-1B-Instruct"):
        from_config({"model_type": "ultravox", "text_model_id": "meta-llama/Llama-3.2-1B-Instruct"}, "ultravox")


def test_what_a_config_leaves_out_is_as_transformers_fills_it_in_and_what_nobody_states_is_unknown() -> None:
    text = {"model_type": "gemma3_text", "hidden_size": 2560}
    stated = {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "patch_size": 14,
              "num_hidden_layers": 27, "num_attention_heads": 16, "image_size": 896,
              "vision_use_head": False}  # fmt: skip

    def tower(**changes: Any) -> int:
        model = from_config({"model_type": "gemma3", "text_config": text, "vision_config": {**stated, **changes}})
        return model.not_counted[0].parameters or 0

    assert tower() == 419_816_304
    assert tower(model_type=None) == tower()
    assert tower(image_size=224) == tower() - (64**2 - 16**2) * 1152
    assert tower(vision_use_head=None) == tower(vision_use_head=True)  # SigLIP has its pooling unless it is left out
    assert from_config({"model_type": "gemma3", "text_config": text}).not_counted == ()
    unknown = from_config(
        {"model_type": "aya_vision", "text_config": {"model_type": "cohere2"}, "vision_config": stated}
    )
    assert [str(part) for part in unknown.not_counted] == ["vision tower, size unknown"]  # no width of its alignment


def test_shapes_are_matrices_and_vectors_by_the_words_they_are_written_in() -> None:
    sizes = {"h": 4, "w": 10, "l": 3, "bias": 0}.__getitem__
    assert shapes.parameters({"l": "2:h>w+ |h ||2*h -1:h/2>1"}, sizes) == 3 * (2 * (40 + 10) + 4 + 16 - 2)
    assert shapes.parameters({"bias": "missing>h", "1": "h>w"}, sizes) == 40
    assert list(shapes.matrices({"1": "2:h>w |h", "bias": "w>h"}, sizes)) == [(4, 10), (4, 10)]
    with pytest.raises(ValueError, match="no shape: h>>w"):
        shapes.parameters({"1": "h>>w"}, sizes)
