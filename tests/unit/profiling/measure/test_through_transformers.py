"""Points that the transformers library runs: chosen where plain torch is not built, counted alike, repeatable."""

from __future__ import annotations

from typing import Any

import pytest

from profiling.measure.plan import InvalidPlan, make_plan

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 64, "vocab_size": 97, "head_dim": 8, "max_position_embeddings": 64,
}  # fmt: skip
LLAMA = {"model_type": "llama", **SIZES}
GEMMA2 = {"model_type": "gemma2", **SIZES, "sliding_window": 32}


def points(config: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    grid = {"models": {"tiny": config}, "contexts": [16], "batches": [2], "precisions": ["float32"], **more}
    found: list[dict[str, Any]] = make_plan(grid)["points"]
    return found


def subject(config: dict[str, Any], stage: str, **more: Any) -> Any:
    from profiling.measure.backends import subject_of  # noqa: PLC0415 - after the skip

    (point,) = points(config, stages=[stage], **more)
    return subject_of(point, config, "cpu")


def test_plain_torch_is_taken_where_it_is_built_unless_the_grid_says_otherwise() -> None:
    assert {point["backend"] for point in points(LLAMA)} == {"plain"}
    assert {point["backend"] for point in points(GEMMA2)} == {"transformers"}
    assert {point["backend"] for point in points(LLAMA, backend="transformers")} == {"transformers"}
    with pytest.raises(InvalidPlan, match="none of auto, plain, transformers"):
        points(LLAMA, backend="vllm")


@pytest.mark.parametrize("stage", ["prefill", "decode"])
def test_a_step_can_be_repeated_and_leaves_the_cache_as_it_was(stage: str) -> None:
    made = subject(GEMMA2, stage)
    first, second = made.run(), made.run()
    assert first.shape == (2, 1, 97)
    assert torch.equal(first, second)
    assert made.cache_bytes() == 2 * 16 * 2 * 2 * 2 * 8 * 4  # batch, tokens, layers, keys and values, heads, width


@pytest.mark.parametrize("stage", ["prefill", "decode"])
def test_both_ways_do_the_same_products(stage: str) -> None:
    plain, library = (subject(LLAMA, stage, backend=name).module_flops() for name in ("plain", "transformers"))
    products = {path: count for path, count in plain.items() if path.endswith("_proj")}
    assert len(products) == 2 * 7
    assert {f"model.{path}": count for path, count in products.items()}.items() <= library.items()


def test_what_it_cannot_run_is_refused_with_the_reason() -> None:
    from profiling.measure.subject import CannotRun  # noqa: PLC0415 - after the skip

    for config, more, words in (
        (LLAMA, {"executions": ["graph"]}, "graphs are captured of plain models only"),
        (LLAMA, {"precisions": ["int8"]}, "not int8"),
        ({**LLAMA, "model_type": "nobodys"}, {}, "no code of its own for nobodys"),
    ):
        with pytest.raises(CannotRun, match=words):
            subject(config, "decode", backend="transformers", **more)
