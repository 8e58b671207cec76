"""Families of transformers that came before today's forms, or beside them: counts, caches, and what is refused."""

from __future__ import annotations

import pytest

from profiling.errors import UnsupportedModelType
from profiling.models.architecture import Architecture
from profiling.models.sources import from_config
from profiling.roofline.operators import operators, totals
from profiling.roofline.workload import Workload

PARAMETERS = {
    # Decoders
    "openai-gpt": ("OpenAIGPTLMHeadModel", 116_534_784), "ctrl": ("CTRLLMHeadModel", 1_637_964_550),
    "biogpt": ("BioGptForCausalLM", 346_763_264), "xglm": ("XGLMForCausalLM", 564_463_616),
    "gpt_neox_japanese": ("GPTNeoXJapaneseForCausalLM", 2_598_837_760),
    "diffllama": ("DiffLlamaForCausalLM", 1_204_885_504), "jetmoe": ("JetMoeForCausalLM", 4_293_888_000),
    "modernbert-decoder": ("ModernBertDecoderForCausalLM", 149_655_232), "cpmant": ("CpmAntForCausalLM", 9_517_453_312),
    "xlnet": ("XLNetLMHeadModel", 360_300_800), "rwkv": ("RwkvForCausalLM", 7_392_649_216),
    "xlstm": ("xLSTMForCausalLM", 6_865_424_896), "zamba": ("ZambaForCausalLM", 7_232_490_496),
    # Encoders, without what is trained for a task
    "bert-generation": ("BertGenerationEncoder", 354_402_304), "megatron-bert": ("MegatronBertModel", 333_640_704),
    "xlm-roberta-xl": ("XLMRobertaXLModel", 3_482_485_760),
    "roberta-prelayernorm": ("RobertaPreLayerNormModel", 124_646_400), "big_bird": ("BigBirdModel", 127_468_800),
    "ernie": ("ErnieModel", 109_482_240), "rembert": ("RemBertModel", 575_920_384),
    "roc_bert": ("RoCBertModel", 124_482_048), "roformer": ("RoFormerModel", 123_555_840),
    "xmod": ("XmodModel", 116_573_952), "xlm": ("XLMModel", 667_088_896), "flaubert": ("FlaubertModel", 667_088_896),
    # An encoder and a decoder
    "marian": ("MarianMTModel", 414_307_328), "pegasus": ("PegasusForConditionalGeneration", 406_287_360),
    "blenderbot": ("BlenderbotForConditionalGeneration", 2_696_268_800),
    "blenderbot-small": ("BlenderbotSmallForConditionalGeneration", 85_113_344),
    "plbart": ("PLBartForConditionalGeneration", 139_220_736), "mvp": ("MvpForConditionalGeneration", 406_293_504),
    "bigbird_pegasus": ("BigBirdPegasusForConditionalGeneration", 576_891_904),
    "prophetnet": ("ProphetNetForConditionalGeneration", 391_321_600),
    "fsmt": ("FSMTForConditionalGeneration", 483_913_728), "led": ("LEDForConditionalGeneration", 459_801_600),
    "longt5": ("LongT5ForConditionalGeneration", 60_506_624),
    "nllb-moe": ("NllbMoeForConditionalGeneration", 6_880_712_704),
    "pegasus_x": ("PegasusXForConditionalGeneration", 568_568_832),
    "switch_transformers": ("SwitchTransformersForConditionalGeneration", 317_312_256),
}  # fmt: skip
"""What transformers 5.23 builds by the defaults of each family, and by which class."""


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_config_that_states_nothing_has_what_transformers_builds_by_its_defaults(kind: str) -> None:
    model = from_config({"model_type": kind})
    assert model.parameters_total == PARAMETERS[kind][1]
    assert not model.is_inferred_form


def test_parts_that_read_images_and_patches_of_bytes_are_counted_or_named() -> None:
    # Of transformers' whole models what is not the tower: text_model, text_decoder, decoder; layers with their gates.
    parts = {"kosmos_2_text_model": 1_342_289_920, "kosmos_2_5_text_model": 846_884_352,
             "blip_text_model": 137_881_148, "pix2struct_text_model": 190_449_792,
             "idefics": 6_738_415_616 + 5_603_852_352, "git": 176_619_066 - 86_391_552,
             "cosmos3_edge_text": 1_946_273_792, "chameleon": 7_013_666_816}  # fmt: skip
    assert {kind: from_config({"model_type": kind}).parameters_total for kind in parts} == parts
    patcher = {"hidden_size": 768, "num_hidden_layers": 14, "num_attention_heads": 12, "intermediate_size": 2048}
    model = from_config({"model_type": "blt", "patcher_config": patcher})
    assert [str(part) for part in model.not_counted] == ["patcher, which says where patches end, about 0.10 B"]
    assert model.parameters_total + sum(part.parameters or 0 for part in model.not_counted) == 4_633_127_680
    # Ten layers over bytes within a window; twenty-five whose entries stand for four bytes.
    assert model.kv_bytes_per_token() == 2 * 2 * (10 * 1024 + 25 * 2048 / 4)
    assert "layers over patches run once for about 4 of them" in model.notes[0]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "fields"), [
    *((kind, {}) for kind in PARAMETERS), ("longt5", {"encoder_attention_type": "transient-global"}),
    ("xlm", {"n_langs": 15}), ("ernie", {"use_task_id": True}), ("roc_bert", {"enable_shape": False}),
    ("xmod", {"languages": ["en", "de", "fr"], "pre_norm": True}), ("hunyuan_v1_moe", {"num_experts": 8, "moe_topk": 2,
                                                                                     "head_dim": 128}),
])  # fmt: skip
def test_transformers_builds_as_many_parameters(kind: str, fields: dict[str, object]) -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.CONFIG_MAPPING[kind](**fields)
    built_by = PARAMETERS.get(kind, ("HunYuanMoEV1ForCausalLM",))[0]
    with torch.device("meta"):
        built = getattr(transformers, built_by)(config)
    counted = sum(each.numel() for each in built.parameters())
    assert from_config(config.to_dict()).parameters_total == counted


def _published(kind: str, **fields: object) -> Architecture:
    return from_config({"model_type": kind, **fields})


def test_states_and_caches_follow_the_layers() -> None:
    # RWKV-4 keeps three numbers per channel at 32 bits and two rows; xLSTM a matrix per head and a vector beside it.
    assert _published("rwkv").state_bytes_per_sequence() == 32 * (3 * 4096 * 4 + 2 * 4096 * 2)
    assert _published("xlstm").state_bytes_per_sequence() == 32 * 8 * 256 * (512 + 1) * 4
    for kind in ("rwkv", "xlstm"):
        assert _published(kind).kv_bytes_per_token() == 0
    zamba = _published("zamba")  # a shared block in 13 of 76 layers
    assert zamba.kv_bytes_per_token() == 13 * 2 * 16 * 464 * 2
    assert zamba.state_bytes_per_sequence() == 76 * 7424 * (16 + 3) * 2
    # Every query head of JetMoE's chosen experts reads the same sixteen keys and values.
    jetmoe = _published("jetmoe")
    assert jetmoe.kv_bytes_per_token() == 12 * 2 * 16 * 128 * 2
    assert jetmoe.heads == 32
    windows = [layer.attention.window for layer in _published("modernbert-decoder").main.layers if layer.attention]
    assert windows == [None, 64]


@pytest.mark.parametrize(
    ("kind", "hidden", "layers", "billions"),
    [("rwkv5", 4096, 32, 7.5), ("rwkv6", 2048, 24, 1.6), ("rwkv6", 2560, 32, 3.1)],
    ids=["Eagle 7B", "Finch 1.6B", "Finch 3B"],
)
def test_eagle_and_finch_have_the_parameters_of_their_paper(
    kind: str, hidden: int, layers: int, billions: float
) -> None:
    """By the abstract of arXiv 2404.05892; a matrix of 64 x 64 per head, and two rows of a layer's inputs, are kept."""
    model = _published(kind, hidden_size=hidden, num_hidden_layers=layers, vocab_size=65_536, head_size=64)
    assert round(model.parameters_total / 1e9, 1) == billions
    assert model.kv_bytes_per_token() == 0
    assert model.state_bytes_per_sequence() == layers * (hidden * 64 * 4 + 2 * hidden * 2)


def test_fields_by_a_familys_own_names_are_those_by_the_usual_ones() -> None:
    # As JetMoE's first config names them, and XGLM's beside what transformers calls them now.
    usual = _published("jetmoe", num_local_experts=4, num_experts_per_tok=1, moe_intermediate_size=1024)
    assert _published("jetmoe", moe_num_experts=4, moe_top_k=1, ffn_hidden_size=1024).main == usual.main
    assert _published("xglm", attention_heads=8).main == _published("xglm", num_attention_heads=8).main


def test_bigbird_reads_the_blocks_that_its_tokens_see() -> None:
    def scores(kind: str) -> float:
        model = _published("big_bird", attention_type=kind)
        done = operators(model, Workload(stage="encode", context=4096))
        return float(totals([op for op in done if op.name == "attention"])["flops"])

    assert scores("original_full") / scores("block_sparse") == pytest.approx(4096 / (8 * 64), rel=0.02)


@pytest.mark.parametrize("kind", ["moshi", "musicgen", "trocr", "vision-encoder-decoder", "pi0", "evolla", "reformer"])
def test_what_is_no_decoder_of_text_is_refused_in_one_sentence(kind: str) -> None:
    with pytest.raises(UnsupportedModelType, match=rf"a model of model_type '{kind}' [a-z ]+; Skyline answers for"):
        from_config({"model_type": kind})
