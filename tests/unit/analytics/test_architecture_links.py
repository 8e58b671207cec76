"""Which architecture a model runs as: its own, its base's, or the only one of its class and count."""

from functools import cache

import polars as pl

from analytics.identity.architecture_links import link_architectures
from pipelines.sources.catalogue.read import architectures

LLAMA_8B = 8_030_000_000
known = cache(architectures)


def links(*models: tuple[str, str | None, str | None, str, int | None]) -> dict[str, tuple[str, str]]:
    columns = {"model_id": pl.String, "base_model": pl.String, "architecture": pl.String, "family": pl.String,
               "parameters_total": pl.Int64}  # fmt: skip
    link = link_architectures(pl.DataFrame(models, schema=columns, orient="row"), known())
    return {row["model_id"]: (row["architecture_id"], row["link"]) for row in link.iter_rows(named=True)}


def test_a_fine_tune_runs_as_the_base_model_up_its_chain_if_it_is_as_large() -> None:
    link = links(
        ("org/tuned-twice", "org/tuned", None, "llama-3.1", LLAMA_8B),
        ("org/tuned", "meta-llama/Meta-Llama-3.1-8B", None, "llama-3.1", LLAMA_8B),
        ("org/pruned", "meta-llama/Meta-Llama-3.1-8B", None, "llama-3.1", 4_000_000_000),
    )
    assert link["org/tuned-twice"] == ("meta-llama/Meta-Llama-3.1-8B", "base_model")
    assert "org/pruned" not in link


def test_class_and_count_tell_the_architecture_and_the_family_tells_llama_3_from_3_1() -> None:
    link = links(
        ("org/a", None, "LlamaForCausalLM", "llama-3.1", LLAMA_8B),
        ("org/b", None, "LlamaForCausalLM", "unknown", LLAMA_8B),
        ("org/c", None, "Qwen2ForCausalLM", "unknown", LLAMA_8B),
    )
    by_name = {row["model_id"]: row for row in known().iter_rows(named=True)}
    assert by_name[link["org/a"][0]]["max_position"] == 131072
    assert by_name[link["org/b"][0]]["max_position"] == 8192, "of two contexts, the one that is surely there"
    assert link["org/b"][1] == "same_class_and_count"
    assert "org/c" not in link, "another class is another architecture"


def test_a_rounded_count_and_an_untied_head_give_no_architecture() -> None:
    assert links(
        ("org/rounded", None, "LlamaForCausalLM", "llama-2", 7_000_000_000),
        ("org/unsized", None, "LlamaForCausalLM", "llama-2", None),
        ("org/untied", None, "Gemma2ForCausalLM", "gemma-2", 10_159_000_000),
        ("org/unknown-class", None, "XGLMForCausalLM", "unknown", LLAMA_8B),
    ) == {}  # fmt: skip


def test_of_windowed_and_full_attention_of_one_count_the_one_that_keeps_the_whole_cache_is_taken() -> None:
    link = links(("org/merge", None, "MistralForCausalLM", "mistral", 7_242_000_000))
    by_name = {row["model_id"]: row for row in known().iter_rows(named=True)}
    assert by_name[link["org/merge"][0]]["sliding_window"] is None


def test_every_model_of_the_catalogue_has_its_own() -> None:
    own = [(name, None, None, "unknown", None) for name in known()["model_id"]]
    assert links(*own) == {name: (name, "itself") for name in known()["model_id"]}
