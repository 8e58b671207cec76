"""The plain-torch models against transformers: the same weights give the same logits, from memory and from disk."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from profiling.errors import InvalidConfig, UnsupportedModelType
from profiling.models.sources import from_config

torch = pytest.importorskip("torch", reason="torch is in the extra 'profiling'")
transformers = pytest.importorskip("transformers", reason="transformers is a test-only dependency")

from profiling.measure.model.shape import built_model_types, shape_of  # noqa: E402 - after the skip
from profiling.measure.model.transformer import Transformer, random_model  # noqa: E402
from profiling.measure.model.weights import load_checkpoint, load_tensors  # noqa: E402

CPU = torch.device("cpu")
GATED = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "vocab_size": 130, "max_position_embeddings": 128, "pad_token_id": 0,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
ENCODER = {**GATED, "num_key_value_heads": 4, "type_vocab_size": 2}
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama tied, rotations of Llama 3": ("llama", {"tie_word_embeddings": True, "rope_parameters": LLAMA3}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "mistral, heads wider than the model, a window": ("mistral", {"head_dim": 32, "sliding_window": 6}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "gemma": ("gemma", {"head_dim": 32}),
    "stablelm": ("stablelm", {"use_qkv_bias": True}),
    "starcoder2": ("starcoder2", {"sliding_window": 6}),
    "mixtral": ("mixtral", {"num_local_experts": 4}),
    "qwen2_moe": ("qwen2_moe", {"num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 32,
                                "shared_expert_intermediate_size": 48, "decoder_sparse_step": 2}),
    "qwen3_moe": ("qwen3_moe", {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
                                "head_dim": 16, "norm_topk_prob": True}),
    "gpt2": ("gpt2", {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 130, "n_positions": 128}),
    "gpt_neox": ("gpt_neox", {"num_key_value_heads": 4}),
    "gpt_neox in sequence": ("gpt_neox", {"num_key_value_heads": 4, "use_parallel_residual": False}),
    "opt": ("opt", {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 96,
                    "vocab_size": 130, "word_embed_proj_dim": 64, "max_position_embeddings": 128}),
    "bert": ("bert", ENCODER),
    "roberta": ("roberta", {**ENCODER, "pad_token_id": 1}),
    "xlm-roberta": ("xlm-roberta", {**ENCODER, "pad_token_id": 1}),
}  # fmt: skip


def reference(name: str) -> tuple[Any, dict[str, Any]]:
    """A small model of transformers with random weights, norms and biases among them, and its config."""
    model_type, special = TINY[name]
    kind = transformers.CONFIG_MAPPING[model_type]
    known = set(kind().to_dict()) | set(getattr(kind, "attribute_map", {}))
    fields = special if model_type in {"gpt2", "opt"} else {**GATED, **special}
    config = kind(**{key: value for key, value in fields.items() if key in known or key in special})
    is_encoder = model_type in {"bert", "roberta", "xlm-roberta"}
    auto = transformers.AutoModel if is_encoder else transformers.AutoModelForCausalLM
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = auto.from_config(config, attn_implementation="sdpa").eval().float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.1)
    return model, config.to_dict()


def stored(model: Any) -> Any:
    return ((name, lambda tensor=tensor: tensor) for name, tensor in model.state_dict().items())


def ours(model: Any, config: dict[str, Any]) -> Transformer:
    built = random_model(shape_of(config), CPU, torch.float32, seed=0)
    return load_tensors(built, stored(model))


TOKENS = torch.randint(2, 130, (2, 12), generator=torch.Generator().manual_seed(3))


def test_every_family_that_is_built_is_held_against_transformers() -> None:
    assert {model_type for model_type, _ in TINY.values()} == set(built_model_types())


@pytest.mark.parametrize("name", TINY)
@torch.no_grad()
def test_prefill_gives_the_logits_of_transformers(name: str) -> None:
    theirs, config = reference(name)
    model = ours(theirs, config)
    answer = theirs(TOKENS)
    if model.shape.is_encoder:
        states = model(TOKENS)
        torch.testing.assert_close(states, answer.last_hidden_state, atol=2e-5, rtol=2e-4)
        torch.testing.assert_close(model.pooled(states), answer.pooler_output, atol=2e-5, rtol=2e-4)
    else:
        torch.testing.assert_close(model(TOKENS), answer.logits, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", [name for name in TINY if "bert" not in name])
@torch.no_grad()
def test_decoding_over_the_cache_gives_what_a_whole_pass_gives(name: str) -> None:
    model = ours(*reference(name))
    whole = model(TOKENS)
    cache = model.cache(2, TOKENS.shape[1])
    torch.testing.assert_close(model(TOKENS[:, :5], cache, last_only=True), whole[:, 4:5], atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(model(TOKENS[:, 5:8], cache, 5), whole[:, 5:8], atol=2e-4, rtol=2e-4)
    for place in range(8, TOKENS.shape[1]):
        step = model(TOKENS[:, place : place + 1], cache, place)
        torch.testing.assert_close(step, whole[:, place : place + 1], atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", ["mixtral", "qwen2_moe"])
@torch.no_grad()
def test_experts_in_fixed_shapes_for_graphs_compute_the_same(name: str) -> None:
    model = ours(*reference(name))
    before = model(TOKENS)
    model.use_fixed_shapes()
    torch.testing.assert_close(model(TOKENS), before, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", TINY)
def test_parameters_are_as_many_as_the_architecture_counts(name: str) -> None:
    _, config = reference(name)
    with torch.device("meta"):
        model = Transformer(shape_of(config))
    assert sum(parameter.numel() for parameter in model.parameters()) == from_config(config).parameters_total


@pytest.mark.parametrize("name", ["llama", "mixtral", "qwen2_moe", "gpt2", "gpt_neox", "opt", "bert"])
@torch.no_grad()
def test_a_checkpoint_on_disk_is_read_with_torch_alone(name: str, tmp_path: Path) -> None:
    theirs, _ = reference(name)
    theirs.save_pretrained(tmp_path)
    model = load_checkpoint(tmp_path, CPU, torch.float32)
    answer = theirs(TOKENS)
    expected = answer.last_hidden_state if model.shape.is_encoder else answer.logits
    torch.testing.assert_close(model(TOKENS), expected, atol=2e-4, rtol=2e-4)


def test_random_weights_are_never_zero_and_the_same_for_the_same_seed() -> None:
    shape = shape_of({"model_type": "llama", **GATED})
    first, second = (random_model(shape, CPU, torch.bfloat16, seed=5) for _ in range(2))
    for (name, tensor), (_, other) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(tensor, other)
        assert tensor.float().std() > 0.01, name


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"model_type": "lama"}, UnsupportedModelType, "nearest: llama"),
        ({"model_type": "llama", "hidden_size": 64}, InvalidConfig, "num_attention_heads"),
        ({"model_type": "llama", **GATED, "hidden_act": "cube"}, InvalidConfig, "activation 'cube'"),
        ({"model_type": "llama", **GATED, "rope_scaling": {"rope_type": "yarn"}}, InvalidConfig, "'yarn' is not built"),
        ({"model_type": "opt", "hidden_size": 64, "word_embed_proj_dim": 32}, InvalidConfig, "proj_dim = 32"),
    ],
)
def test_what_would_change_the_logits_and_is_not_built_is_refused(
    fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        shape_of(fields)


def test_a_checkpoint_that_lacks_a_tensor_or_has_one_too_many_is_refused(tmp_path: Path) -> None:
    theirs, config = reference("llama")
    tensors = dict(theirs.state_dict())
    model = random_model(shape_of(config), CPU, torch.float32, seed=0)
    short = {name: tensor for name, tensor in tensors.items() if name != "model.norm.weight"}
    with pytest.raises(InvalidConfig, match=r"lacks 1 tensors, norm\.weight"):
        load_tensors(model, iter([(name, lambda t=tensor: t) for name, tensor in short.items()]))
    with pytest.raises(InvalidConfig, match="has no place"):
        load_tensors(model, iter([("model.extra.weight", lambda: torch.zeros(1))]))
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"not at all")
    with pytest.raises(InvalidConfig, match="not a safetensors file"):
        load_checkpoint(tmp_path, CPU, torch.float32)
