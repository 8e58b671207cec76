"""Parameter and cache counts, against PyTorch's own and published numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiling.errors import InvalidConfig, ProfilingError, UnknownModel, UnsupportedModelType
from profiling.models.config_text import from_config_text
from profiling.models.families.assembly import STATES_ALL, family_defaults
from profiling.models.load import load
from profiling.models.sources import catalogue, from_config, from_path, from_toml, supported_model_types

# transformers keeps DeepSeek's router correction biases as buffers, which its parameter count leaves out:
# 58 layers of 256 experts, 60 layers of 384.
ROUTER_BIASES = {"deepseek-ai/DeepSeek-V3": 58 * 256, "moonshotai/Kimi-K2-Instruct": 60 * 384}
# The source of the catalogue's totals left out the pooler that the checkpoint holds.
POOLERS = {"google-bert/bert-base-uncased": 768 * 769, "google-bert/bert-large-uncased": 1024 * 1025}

LLAMA_3_1_8B = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
}  # fmt: skip


def test_every_count_equals_pytorchs_but_for_router_biases_kept_as_buffers() -> None:
    counted = {
        entry.model_id: int(entry.record["transformers_count"])
        for entry in catalogue().values()
        if entry.row and entry.row["transformers_count"]
    }
    assert len(counted) == 75
    differences = {name: load(name).parameters_total - count for name, count in counted.items()}
    assert {name: extra for name, extra in differences.items() if extra} == ROUTER_BIASES
    assert "14,848" in load("deepseek-ai/DeepSeek-V3").count_notes[0]


def test_the_294_models_of_the_table_are_counted_as_their_sources_count_them() -> None:
    entries = [entry for entry in catalogue().values() if entry.is_tabulated]
    assert len(entries) == 294
    for entry in entries:
        row, ours = entry.record, entry.architecture()
        assert ours.parameters_total - int(row["parameters_total"]) == POOLERS.get(entry.model_id, 0)
        assert ours.kv_bytes_per_token(16) == float(row["kv_bytes_per_token_16bit"])
        stated = row["parameters_non_embedding_active_billions"]
        if stated and entry.model_id not in POOLERS:
            assert ours.parameters_non_embedding_active / 1e9 == pytest.approx(float(stated), abs=6e-5)


@pytest.mark.parametrize(
    ("model", "bytes_per_token"),
    [
        ("meta-llama/Meta-Llama-3.1-8B", 131_072),
        ("deepseek-ai/DeepSeek-V3", 70_272),
        ("openai/gpt-oss-120b", 73_728),
        ("Qwen/Qwen2.5-1.5B", 28_672),
        ("meta-llama/Llama-2-7b-hf", 524_288),
    ],
)
def test_kv_bytes_per_token_are_those_that_engines_report(model: str, bytes_per_token: int) -> None:
    assert load(model).kv_bytes_per_token(16) == bytes_per_token


def test_beyond_its_windows_gemma_3_grows_only_in_its_global_layers() -> None:
    gemma = load("google/gemma-3-27b-it")
    assert gemma.kv_bytes_per_token(16) == 507_904
    assert gemma.kv_bytes_per_token(16, beyond_window=True) == 81_920
    assert {layer.name: layer.count for layer in gemma.main.layers} == {"local": 52, "global": 10}
    assert [index for index, kind in enumerate(gemma.main.order) if kind == 1][:2] == [5, 11]


def test_sizes_of_the_memory3_table_are_non_embedding_parameters() -> None:
    printed = {"meta-llama/Llama-2-7b-chat-hf": 6.5, "google/gemma-7b": 7.8, "microsoft/phi-2": 2.5,
               "openbmb/MiniCPM-2B-sft-bf16": 2.4, "THUDM/chatglm3-6b": 5.7, "tiiuae/falcon-40b": 41}  # fmt: skip
    for model, billions in printed.items():
        assert load(model).parameters_non_embedding / 1e9 == pytest.approx(billions, abs=0.5 * 10 ** -(billions < 41))


def test_a_config_is_read_from_a_file_a_folder_and_toml_alike(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_3_1_8B))
    (tmp_path / "mine.toml").write_text("\n".join(f"{k} = {v!r}" for k, v in LLAMA_3_1_8B.items()))
    described = """
        model_type = "custom"
        layers = 32
        vocabulary_size = 128256
        hidden_size = 4096
        heads = 32
        kv_heads = 8
        intermediate_size = 14336
    """
    models = [
        from_path(tmp_path),
        from_path(tmp_path / "config.json"),
        from_path(tmp_path / "mine.toml"),
        from_toml(described),
        load("meta-llama/Meta-Llama-3.1-8B"),
    ]
    assert {model.parameters_total for model in models} == {8_030_261_248}
    assert {model.attention_kind for model in models} == {"GQA"}


def test_a_model_of_several_towers_is_taken_by_its_text_decoder() -> None:
    model = from_config({"model_type": "mistral3", "text_config": {**LLAMA_3_1_8B, "model_type": "mistral"}})
    assert model.parameters_total == 8_030_261_248


def test_published_configs_with_their_own_spellings_and_omissions_are_read() -> None:
    dbrx = {
        "model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "vocab_size": 100352,
        "attn_config": {"kv_n_heads": 8}, "tie_word_embeddings": False,
        "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
    }  # fmt: skip
    assert from_config(dbrx).parameters_total == 131_596_523_520
    gemma = {"model_type": "gemma3", "text_config": {
        "model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34, "intermediate_size": 10240,
        "sliding_window": 1024,
    }}  # fmt: skip
    # 64 rows more than the catalogue's table: image tokens.
    assert from_config(gemma).parameters_total == load("google/gemma-3-4b-it").parameters_total + 64 * 2560
    chatglm = {
        "model_type": "chatglm", "hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32,
        "kv_channels": 128, "multi_query_attention": True, "multi_query_group_num": 2, "add_qkv_bias": True,
        "ffn_hidden_size": 13696, "padded_vocab_size": 65024,
    }  # fmt: skip
    assert from_config(chatglm).parameters_total == load("THUDM/chatglm3-6b").parameters_total


def test_widths_that_a_config_leaves_out_are_transformers_own_and_said() -> None:
    # The text part of LLaVA-1.5 states its vocabulary and no width.
    llava = from_config({"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064}})
    assert llava.parameters_total == 6_738_415_616 + 2 * 64 * 4096
    assert "hidden_size 4,096, num_hidden_layers 32" in llava.notes[0]
    assert not from_config(LLAMA_3_1_8B).notes
    transformers = pytest.importorskip("transformers", reason="transformers is a test-only dependency")
    for model_type in ("llama", "gemma3_text", "mistral", "gpt2", "deepseek_v3", "gpt_oss", "qwen3_moe"):
        own = transformers.CONFIG_MAPPING[model_type]()
        assert {name: getattr(own, name) for name in family_defaults(model_type)} == family_defaults(model_type)
    # A row of a table states what applies; nothing is filled in for it.
    with pytest.raises(InvalidConfig, match="lacks num_attention_heads"):
        from_config({"model_type": "llama", "hidden_size": 64, STATES_ALL: True})


@pytest.mark.parametrize("change", [
    {"hidden_size": "4096", "num_attention_heads": 32.0}, {"model_type": None, "architectures": ["LlamaForCausalLM"]},
    {"quantization_config": None, "attention_bias": None, "head_dim": None, "sliding_window": None},
])  # fmt: skip
def test_numbers_as_words_or_floats_nulls_and_classes_alone_are_read(change: dict[str, Any]) -> None:
    assert from_config({**LLAMA_3_1_8B, **change}).parameters_total == 8_030_261_248


@pytest.mark.parametrize(("version", "whole", "inner", "tied"), [
    ("5.2.0", True, False, True), ("5.2.0", False, True, False), ("4.57.1", False, True, True),
    ("4.57.1", False, None, False), (None, True, None, True), (None, None, None, False),
])  # fmt: skip
def test_tied_tables_are_read_as_the_version_that_wrote_the_config_reads_them(
    version: str | None, whole: bool | None, inner: bool | None, tied: bool
) -> None:
    # Up to version 4 the decoder's own word counts (LLaVA-OneVision 0.5B), from 5 on the whole model's (Qwen3-VL-MoE).
    stated = {"transformers_version": version, "tie_word_embeddings": whole}
    text = {**LLAMA_3_1_8B, "tie_word_embeddings": inner}
    whole_config = {"model_type": "internvl", **{k: v for k, v in stated.items() if v is not None},
                    "text_config": {k: v for k, v in text.items() if v is not None}}  # fmt: skip
    assert from_config(whole_config).parameters_total == 8_030_261_248 - (128_256 * 4096 if tied else 0)


def test_an_unsupported_family_is_refused_with_the_fields_that_it_lacks() -> None:
    with pytest.raises(
        UnsupportedModelType, match=r"'surely_new' is not one of the .* supported, and its config lacks .*TOML"
    ):
        from_config({"model_type": "surely_new"})
    required = "bert distilbert mobilebert t5 gpt2 gptj gpt_neox opt bloom falcon mpt llama llama4 mistral mixtral"
    required += " qwen2 qwen2_moe qwen3 qwen3_moe gemma gemma2 gemma3 phi phi3 deepseek_v2 deepseek_v3 olmo olmo2"
    required += " dbrx grok-1 cohere chatglm glm baichuan internlm internlm2 minicpm stablelm yi gpt_oss kimi_k2"
    assert set(required.split()) <= set(supported_model_types())


def test_a_missing_or_absurd_field_is_named() -> None:
    with pytest.raises(InvalidConfig, match="lacks intermediate_size"):
        from_config({**{key: value for key, value in LLAMA_3_1_8B.items() if key != "intermediate_size"},
                     "model_type": "baichuan"})  # fmt: skip
    with pytest.raises(InvalidConfig, match="num_hidden_layers must be a positive whole number, got -3"):
        from_config({**LLAMA_3_1_8B, "num_hidden_layers": -3})
    with pytest.raises(InvalidConfig, match="unknown field 'hiden_size'; nearest: hidden_size"):
        from_toml('model_type = "custom"\nlayers = 2\nvocabulary_size = 10\nhiden_size = 8')


def test_an_unknown_model_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(UnknownModel, match="meta-llama/Llama-2-7b-hf"):
        load("meta-llama/Llama-2-9b-hf")
    assert load("llama-2-7b-hf").parameters_total == 6_738_415_616


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"model_type": "llama",\n "hidden_size": "many"}', "line 2, column 2: your model: hidden_size must be"),
        (
            '{\n  "model_type": "nonesuch", "hidden_size": 12}',
            "line 2, column 3: model_type 'nonesuch' is not",
        ),
        ('{"model_type": "kimi_k2"}', "your model: config.json of model_type 'kimi_k2' lacks hidden_size"),
        ('{"model_type": "llama",\n "hidden_size": }', "config.json is not JSON: Expecting value: line 2 column 17"),
    ],
)
def test_what_is_wrong_with_the_text_of_a_config_is_said_by_line_and_column(text: str, place: str) -> None:
    with pytest.raises(ProfilingError) as refused:
        from_config_text(text, "your model")
    assert str(refused.value).startswith(place)
