"""Who is meant by a name: told by links, whole names and review, with the evidence; never by a part of the name."""

import datetime as dt

import polars as pl
import pytest

from pipelines.defs.boards.checks import before_release
from pipelines.defs.boards.tables import Boards
from pipelines.sources.boards.aliases import Aliases, hub_id_of, reviewed
from pipelines.sources.boards.names import parsed_name

KNOWN = [
    "Qwen/Qwen3-32B", "Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen3-Next-80B-A3B-Thinking", "zai-org/GLM-5",
    "google/gemma-4-31B", "google/gemma-4-31B-it", "meta-llama/Llama-3.3-70B-Instruct",
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2", "meta-llama/Llama-3.2-3B",
    "meta-llama/Llama-3.2-3B-Instruct", "one/twin-7b", "two/twin-7b",
]  # fmt: skip


@pytest.fixture(scope="module")
def aliases() -> Aliases:
    return Aliases(KNOWN)


@pytest.mark.parametrize(
    ("name", "base", "mode", "effort", "precision"),
    [
        ("Qwen3-32B", "Qwen3-32B", None, None, None),
        ("openai/gpt-oss-120b_high", "openai/gpt-oss-120b", "thinking", "high", None),
        ("claude-opus-4-5-20251101-thinking-64k-high-effort", "claude-opus-4-5-20251101", "thinking", "high", None),
        ("GLM-5.1 (Non-reasoning)", "GLM-5.1", "non-thinking", None, None),
        ("GPT-5.6 Sol (xhigh reasoning)", "GPT-5.6 Sol", "thinking", "xhigh", None),
        ("gpt-5.4_unknown", "gpt-5.4", "hybrid-unknown", None, None),
        ("gemini-2.5-pro_16K", "gemini-2.5-pro", "thinking", "16k", None),
        ("Gemma 4 E2B [IT, Thinking mode]", "Gemma 4 E2B", "thinking", None, None),
        ("chutes/GLM-4.5-FP8", "chutes/GLM-4.5", None, None, "fp8"),
        ("Qwen3-4B-Thinking-2507", "Qwen3-4B-Thinking-2507", "thinking", None, None),
        ("Mistral Large 2 (Jul 2024)", "Mistral Large 2 (Jul 2024)", None, None, None),
        # These words belong to the names.
        ("Qwen3-Max", "Qwen3-Max", None, None, None),
        ("mistral-medium", "mistral-medium", None, None, None),
    ],
)
def test_mode_effort_and_format_are_read_off_a_name_and_what_belongs_to_it_stays(
    name: str, base: str, mode: str | None, effort: str | None, precision: str | None
) -> None:
    parsed = parsed_name(name)
    assert (parsed.base, parsed.mode, parsed.effort, parsed.precision) == (base, mode, effort, precision)


@pytest.mark.parametrize(
    ("name", "link", "model_id", "strength"),
    [
        ("qwen3-32b", None, "Qwen/Qwen3-32B", "inferred"),
        ("QWEN/QWEN3-32B", None, "Qwen/Qwen3-32B", "identical"),
        ("Qwen3 Next 80B A3B (Reasoning)", None, "Qwen/Qwen3-Next-80B-A3B-Thinking", "inferred"),
        ("Qwen3 Next 80B A3B (Non-reasoning)", None, "Qwen/Qwen3-Next-80B-A3B-Instruct", "inferred"),
        ("Gemma 4 31B [IT, Thinking mode]", None, "google/gemma-4-31B-it", "inferred"),
        ("Gemma 4 31B [Pretrained (PT)]", None, "google/gemma-4-31B", "inferred"),
        ("nvidia/nemotron-nano-9b-v2", None, "nvidia/NVIDIA-Nemotron-Nano-9B-v2", "inferred"),
        ("Llama-3.3-70B-Instruct-Turbo", None, "meta-llama/Llama-3.3-70B-Instruct", "inferred"),
        ("anything", "https://huggingface.co/org/new-model/tree/main", "org/new-model", "stated"),
        # A link to the base model beside the name of the instructed one is a slip.
        ("Llama 3.2 Instruct 3B", "https://huggingface.co/meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct",
         "inferred"),
        # So is one to the model of another size.
        ("Llama 3.2 Instruct 3B", "https://huggingface.co/meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-3B-Instruct",
         "inferred"),
        ("Gemma 3 4B Instruct", "https://huggingface.co/google/gemma-3-12b-it", "google/gemma-3-4b-it", "inferred"),
        ("two/twin-7b", None, "two/twin-7b", "identical"),
        ("twin-7b", None, None, "unmapped"),
        # Another product whose name begins with that of a model; a model within a longer name.
        ("zhipuai/glm-5-turbo", None, None, "unmapped"),
        ("Qwen3", None, None, "unmapped"),
        # The pretrained one has a name of its own; Ollama means the instructed one; folders are anything.
        ("Qwen3-32B (base)", None, None, "unmapped"),
        ("qwen2.5:7b", None, "Qwen/Qwen2.5-7B-Instruct", "inferred"),
        ("/mnt/models/Qwen3-32B", None, None, "unmapped"),
        ("my-Qwen3-32B-finetune", None, None, "unmapped"),
        ("Qwen3-32", None, None, "unmapped"),
        ("anything", "https://github.com/zai-org/GLM-4.6", None, "unmapped"),
        # The same words spelled apart, as Ollama and services do; what was reviewed for another board.
        ("gemma4:31b-it-q8_0", None, "google/gemma-4-31B-it", "inferred"),
        ("ollama/llama3.2:3b-instruct-fp16", None, "meta-llama/Llama-3.2-3B-Instruct", "inferred"),
        ("openrouter/qwen/qwen-3-32b", None, "Qwen/Qwen3-32B", "inferred"),
        ("mistral-large-2411 (Prompt)", None, "mistralai/Mistral-Large-Instruct-2411", "inferred"),
        # A preview and a model that thinks are others; a service's name without a number is another every year.
        ("qwen-3-32b-preview", None, None, "unmapped"),
        ("Command A Reasoning (FC)", None, None, "unmapped"),
        ("deepseek-chat", None, None, "unmapped"),
    ],
)  # fmt: skip
def test_a_name_means_the_one_model_of_that_whole_name_or_nobody(
    aliases: Aliases, name: str, link: str | None, model_id: str | None, strength: str
) -> None:
    meant = aliases.resolve("some_board", name, link)
    assert (meant.model_id, meant.strength) == (model_id, strength)
    assert len(meant.evidence) > 10


def test_addresses_of_the_hub_that_are_no_models_name_none() -> None:
    assert hub_id_of("https://huggingface.co/Qwen/Qwen3-32B?x=1") == "Qwen/Qwen3-32B"
    for address in (
        "https://huggingface.co/datasets/a/b",
        "https://huggingface.co/spaces/a/b",
        "https://example.org/a/b",
    ):
        assert hub_id_of(address) is None


def test_rules_agree_with_what_was_reviewed_but_for_names_that_pool_base_and_instructed_models() -> None:
    review = reviewed()
    alone = Aliases([])
    alone._reviewed, alone._reviewed_elsewhere = {}, {}  # what the rules say by themselves
    agreed, differ = 0, []
    for source, name, model_id in review.select("source", "name_in_source", "model_id").iter_rows():
        resolved = alone.resolve(source, name, is_hub_id=source == "openevals").model_id
        agreed += resolved == model_id
        if resolved is not None and resolved != model_id:
            differ.append((source, name))
    assert agreed > 1_040
    assert len(differ) <= 12
    assert {source for source, _ in differ} <= {"bfcl", "epoch_eci", "helm_capabilities"}


@pytest.mark.data
def test_every_name_of_every_source_is_in_the_table_with_evidence_known_or_not(boards: Boards) -> None:
    named = pl.concat(
        [boards.results.select("source", "name_in_source"), boards.facts.select("source", "name_in_source")]
    )
    missing = named.unique().join(boards.aliases, on=["source", "name_in_source"], how="anti")
    assert missing.is_empty()
    assert boards.aliases.filter(pl.col("model_id").is_null())["strength"].unique().to_list() == ["unmapped"]
    assert boards.aliases.filter(pl.col("strength") == "unmapped")["model_id"].null_count() > 2000
    mapped = dict(
        boards.aliases.filter(pl.col("model_id").is_not_null())
        .group_by("source")
        .agg(pl.len().cast(pl.Int64))
        .iter_rows()
    )
    least = {
        "epoch_eci": 90,
        "teci": 115,
        "bfcl": 85,
        "vectara": 80,
        "lmarena": 130,
        "models_dev": 115,
        "openevals": 93,
    }
    assert {source: mapped[source] >= count for source, count in least.items()} == dict.fromkeys(least, True)


@pytest.mark.data
def test_no_name_means_a_model_that_was_not_released_when_it_was_scored(boards: Boards) -> None:
    assert before_release(boards.results, boards.facts).to_dicts() == []
    # The check sees one that is put in.
    wrong = (
        boards.results.filter(pl.col("source") == "vectara").head(1).with_columns(model_id=pl.lit("Qwen/Qwen3.6-27B"))
    )
    assert before_release(wrong, boards.facts)["model_id"].to_list() == ["Qwen/Qwen3.6-27B"]


@pytest.mark.data
def test_release_context_and_weights_come_with_the_models(boards: Boards) -> None:
    row = boards.facts.filter(pl.col("source") == "models_dev", pl.col("name_in_source") == "alibaba/qwen3.6-27b").row(
        0, named=True
    )
    stated = ("model_id", "release_date", "context_tokens", "is_open_weights", "snapshot_date")
    assert [row[name] for name in stated] == [
        "Qwen/Qwen3.6-27B", dt.date(2026, 4, 22), 262_144, True, dt.date(2026, 7, 2),
    ]  # fmt: skip
