"""FLOPs and parameters against PyTorch's own counters, on every family transformers can build offline."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from profiling.models.architecture import Architecture
from profiling.models.families import FAMILIES
from profiling.models.families.traits import ALIASES
from profiling.models.sound import audio_tower
from profiling.models.sources import from_config
from profiling.models.towers import tower_model
from profiling.roofline.operators import operators
from profiling.roofline.workload import Stage, Workload
from tests.unit.profiling.tiny_models import SPECIAL, WIDTHS

torch = pytest.importorskip("torch", reason="torch is in the extra 'profiling'")
transformers = pytest.importorskip("transformers", reason="transformers is a test-only dependency")

BATCH, LENGTH = 2, 64
# Containers of several towers, and other names of a family; the decoders are tested under their own names.
TOWERS = {"llama4", "gemma3", "gemma3n", "gemma4", "glm5_next", "inkling2", "inkling_mm_model", "minimax_m3_vl",
          "mllama", "molmo2", "muse_spark", "mistral_large4", "dots3_note", "qwen4_exp", *ALIASES}  # fmt: skip
# Their code lies beside their weights on the hub, so there is nothing to count here.
ON_THE_HUB = {
    "baichuan", "bailing_moe", "bailing_moe_linear", "bailing_moe_v2", "chatglm", "deepseek", "deepseek_v41",
    "deepseek_v41_text", "exaone", "exaone4_5_text", "gravity_moe", "grok-1", "grok-2", "internlm", "internlm2",
    "k2_horizon", "kimi_k2", "mimo", "minicpm", "minicpm_sala", "minicpmo", "minicpmv", "minimax_m1", "minimax_m3",
    "minimax_text_01", "molmo", "nemotron-nas", "new", "openelm", "phi3small", "plamo2", "plamo3", "qwen",
    "qwen3_8_flash_next_text", "rwkv5", "rwkv6", "rwkv7", "sarvam_mla", "sarvam_moe", "yi",
    "Klear", "Motif", "PanguEmbedded", "RefinedWeb", "RefinedWebModel", "arctic", "baichuan_m1", "btlm",
    "iquestloopcoder", "jais", "longcat_flash_ngram", "motif", "orion", "ouro", "plamo", "smallthinker", "step3_text",
    "step3_vl", "telechat",
}  # fmt: skip
# transformers has these decoders only inside a model with a vision tower.
NOT_ALONE = {"blip_text_model", "chameleon", "deepseek_ocr2_text", "kosmos_2_5_text_model", "kosmos_2_text_model",
             "mllama_text_model", "pix2struct_text_model", "step3p7", "unlimited_ocr_text"}  # fmt: skip
# Their routers or indexers look at values, which meta tensors do not have: parameters alone are compared.
# Those of the last row are given an image, or work on whole blocks and prompts of their own beside the tokens.
LOOKS_AT_VALUES = {
    "big_bird", "bigbird_pegasus", "blt", "deberta-v2", "flaubert", "glm5_next_text", "jetmoe", "led", "longcat_flash",
    "megatron-bert", "nllb-moe", "openai-gpt", "qwen4_exp_text", "rembert", "roformer",
    "switch_transformers", "xlm", "xlnet",
    "idefics", "cpmant", "longt5", "pegasus_x", "xmod",
}  # fmt: skip
# Small mixes of a token's own numbers that transformers writes as products and that count as elementwise work here.
LOOSE = {
    "deepseek_v4": 1e-2, "gemma3n_text": 1e-2, "inkling_text": 5e-3, "inkling2_text": 5e-3,
    # Zamba's narrow products are batched as recurrences are; ProphetNet's streams are said to be left out.
    "zamba": 4e-2, "prophetnet": 4e-2,
}  # fmt: skip
BROKEN = pytest.mark.xfail(raises=AttributeError, strict=True, reason="transformers 5.23 cannot build its own dbrx")
COUNTED = [
    pytest.param(name, marks=BROKEN) if name == "dbrx" else name
    for name in sorted(set(FAMILIES) - TOWERS - ON_THE_HUB - NOT_ALONE)
]
STATES = {"conv1d", "mlstm_backend"}  # what every module with a recurrence holds
# Of T5Gemma 2, IDEFICS, GIT and BLT, which are built with them; counted apart here.
TOWER_MODULES = (
    "vision_tower",
    "multi_modal_projector",
    "vision_model",
    "image_encoder",
    "visual_projection",
    "patcher",
)
MASKS_BY_KIND = {"t5gemma", "t5gemma2"}  # takes a ready mask for each kind of layer
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
            if model.model_type in MASKS_BY_KIND:
                lengths = {"attention_mask": LENGTH, "decoder_attention_mask": 1}
                arguments |= {
                    name: dict.fromkeys(("full_attention", "sliding_attention"), torch.zeros(BATCH, 1, 1, length))
                    for name, length in lengths.items()
                }
        elif model.kind == "decoder" and model.model_type not in OWN_MASK:
            arguments = ready
        with FlopCounterMode(display=False) as counter:
            if model.model_type not in LOOKS_AT_VALUES:
                module(ids, **arguments)
    own = (weights for name, weights in module.named_parameters() if not any(part in name for part in TOWER_MODULES))
    return sum(weights.numel() for weights in own), _products(module, counter)


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
    ops = [op for op in operators(model, workload) if op.name != "head" or model.kind != "decoder" or has_head(config)]
    products = [op for op in ops if op.unit != "vector" and op.operator_class != "state_update"]
    ours = sum(op.count * float(op.flops) for op in products)
    assert ours == pytest.approx(flops, rel=LOOSE.get(model_type, 1e-3)) or model_type in LOOKS_AT_VALUES
    # Families that keep the router's correction as a parameter have it in PyTorch's count already.
    buffers = int(model.count_notes[0].split(":")[0].replace(",", "")) if model.count_notes else 0
    built_with_head = has_head(config) or model.kind != "decoder"
    head = sum(n * step.parameters for n, step in model.counted_steps() if step.name == "head" and not built_with_head)
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
    ours = sum(
        operator.count * float(operator.flops) for operator in operators(model, asked) if operator.unit != "vector"
    )
    assert ours == counter.get_total_flops() - convolutions
    assert audio_tower({"model_type": "muse_spark_audio", "num_hidden_layers": 4, "hidden_sizes": [256, 512]}) is None


def test_conformers_are_timed_with_both_halves_of_their_feed_forward_block_and_the_convolution() -> None:
    fields = {"model_type": "gemma3n_audio", "hidden_size": 1536, "conf_num_hidden_layers": 12,
              "conf_num_attention_heads": 8, "conf_reduction_factor": 4, "conf_attention_chunk_size": 12}  # fmt: skip
    tower = audio_tower(fields)
    assert tower is not None
    assert (tower.patches_per_token, tower.patches_per_image) == (4, 24)
    asked = Workload(stage="encode", context=100)
    ops = [op for op in operators(tower_model(tower, "tower"), asked) if op.unit != "vector"]
    matrices = sum(op.count * float(op.flops) for op in ops if "attention" not in op.name)
    assert matrices == 2 * 100 * 12 * 23 * 1536**2  # 16 of feed-forward, 4 of attention, 3 of the convolution
