"""Who an arena means by a name: declared, or the same name; copies and strangers stay unknown, with the reason."""

import polars as pl

from analytics.identity.arena_identities import identify
from pipelines.sources.arena.reference import declared_identities
from profiling.models.sources import catalogue

CATALOGUE = pl.Series("model_id", list(catalogue()))
MODELS = pl.DataFrame(
    {
        "model_id": [
            "google/gemma-2-9b-it", "jebish7/gemma-2-9b-it", "Qwen/Qwen2-7B-Chat", "copy/Qwen2-7b-chat", "a/Twin",
            "b/twin", "solo/Only-One", "No-Account",
        ],
        "organisation": ["google", "jebish7", "Qwen", "copy", "a", "b", "solo", None],
        "is_official_provider": [True, False, True, False, False, False, None, True],
    }
)  # fmt: skip


def found(*names: str) -> dict[str, tuple[str | None, str]]:
    frame = identify(names, MODELS, CATALOGUE, declared_identities())
    return {row["model"]: (row["model_id"], row["rule"]) for row in frame.iter_rows(named=True)}


def test_names_differ_in_case_and_punctuation_only_and_copies_do_not_count() -> None:
    assert found("Gemma-2-9B-it", "qwen2-7b-chat", "only one") == {
        "Gemma-2-9B-it": ("google/gemma-2-9b-it", "same_name"),
        "qwen2-7b-chat": ("Qwen/Qwen2-7B-Chat", "same_name"),
        "only one": ("solo/Only-One", "same_name"),
    }


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    assert found("twin", "gpt-5-high", "no-account") == {
        "twin": (None, "ambiguous"),
        "gpt-5-high": (None, "no_such_name"),
        "no-account": (None, "no_such_name"),
    }


def test_command_r_plus_is_not_command_r() -> None:
    names = found("Command R+ (04-2024)", "Command R (04-2024)")
    assert names["Command R+ (04-2024)"][0] == "CohereForAI/c4ai-command-r-plus"
    assert names["Command R (04-2024)"][0] == "CohereForAI/c4ai-command-r-v01"


def test_declared_identities_name_architectures_of_the_catalogue_once_and_with_a_reason() -> None:
    declared = declared_identities()
    architectures_named = declared["architecture_id"].drop_nulls()
    assert set(architectures_named) <= set(CATALOGUE)
    assert declared["arena_model"].is_unique().all()
    assert declared["source"].is_not_null().all()
    assert not declared["source"].str.contains("recalled").any()
