"""The Advisor: the widest format that fits and is fast enough, found with few questions, and the same as by asking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl
import pytest

from profiling.answers.advise import advise
from profiling.answers.candidate import Need
from profiling.answers.door import Door, shipped_door
from profiling.answers.evidence import Evidence
from profiling.answers.question import Question
from profiling.devices.names import resolve_device
from profiling.errors import UnsupportedPrecision
from profiling.memory.need import activation_peak_bytes, activation_peak_of, memory_need
from profiling.models.architecture import Architecture
from profiling.models.sources import catalogue
from profiling.roofline.operators import operators
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import Parallelism, Precision, Workload

JUDGED = (
    "moonshotai/Kimi-K2-Instruct", "openai/gpt-oss-120b", "Qwen/Qwen3-32B", "Qwen/Qwen3-30B-A3B", "openai/gpt-oss-20b",
    "Qwen/Qwen3-14B", "meta-llama/Llama-3.1-8B-Instruct", "someone/no-such-model-8B",
)  # fmt: skip


def _evidence(names: tuple[str, ...] = JUDGED) -> Evidence:
    """Abilities that fall from the first name to the last."""
    rows = [
        {
            "model_id": name, "mode": "", "domain": "overall", "ability": 150.0 - place, "ability_low": 148.0 - place,
            "ability_high": 152.0 - place, "results": 9, "evidence_class": "measured", "sources": "a test",
            "is_headline": True, "is_open_weights": True,
        }
        for place, name in enumerate(names)
    ]  # fmt: skip
    return Evidence(pl.DataFrame(rows))


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door()


def _need(machine: str, **asked: object) -> Need:
    fleet = resolve_device(machine).fleet
    device, devices = fleet.parts[0]
    need = Need(accelerator=device.name, devices=devices, fleet=fleet if fleet.is_mixed else None)
    return replace(need, **asked)  # type: ignore[arg-type]


def test_what_is_advised_is_what_asking_answers(door: Door) -> None:
    advice = advise(door, _evidence(), _need("4090", context=8192))
    best = advice.best
    assert best is not None
    assert (best.model_id, best.weight_format) == ("Qwen/Qwen3-32B", "q4_k_m")
    assert "q5_k_m needs" in best.reason
    answer = door.answer(Question(
        model=best.model_id, accelerator="RTX-4090", context=8192, weight_format=best.weight_format
    ))  # fmt: skip
    assert answer.estimate.tokens_per_s is not None
    assert best.tokens_per_s is not None
    assert best.tokens_per_s[1] == pytest.approx(float(answer.estimate.tokens_per_s.likely_s))
    assert best.rests_on == answer.rests_on
    assert [candidate.model_id for candidate in advice.of("needs more memory")] == list(JUDGED[:2])
    # A name that nobody has shapes for is left out; one of another address has its own name.
    assert {candidate.model_id for candidate in advice.candidates} == set(JUDGED[:-1])
    assert any("1 open model ranks" in note and "someone/no-such-model-8B (143)" in note for note in advice.notes)
    assert any("as they are usually called; on the hub their publishers' names stand" in note for note in advice.notes)


@pytest.mark.parametrize(("lead", "is_noise"), [(3.3, True), (3.5, False)])
def test_a_lead_is_noise_where_both_errors_together_explain_it(door: Door, lead: float, is_noise: bool) -> None:
    advice = advise(door, _evidence(JUDGED[2:4]), _need("4090", context=8192))
    best, second = (replace(candidate, lost=None) for candidate in advice.of("runs"))
    best = replace(best, ability=150.0, ability_low=148.0, ability_high=152.0)
    second = replace(second, ability=150.0 - lead, ability_low=148.0 - lead, ability_high=152.0 - lead)
    assert (replace(advice, candidates=(best, second)).within_noise == [second]) is is_noise  # 3.37, of 2 and 2 at 90 %


def test_a_user_s_own_rows_reach_the_advice(door: Door) -> None:
    faster = replace(door.device("4090"), bandwidth_bytes_per_s=2 * door.device("4090").bandwidth_bytes_per_s)
    before, after = (
        advise(each_door, _evidence(), _need("4090")).best for each_door in (door, door.with_device(faster))
    )
    assert before is not None
    assert after is not None
    assert after.rate > 1.5 * before.rate


def test_a_device_without_a_published_rate_is_answered_by_what_can_be_asked(door: Door) -> None:
    with pytest.raises(UnsupportedPrecision, match=r'"other: (\d+ GB at 228 GB/s)"') as refused:
        advise(door, _evidence(), _need("snapdragon x2 elite extreme"))
    words = str(refused.value).split('"')[1]
    device = resolve_device(words).fleet.devices[0]
    assert advise(door.with_device(device), _evidence(), _need(words)).best is not None


def test_what_nothing_answers_is_said_at_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(model: Architecture, *rest: object, **named: object) -> object:
        asked.append(model.name)
        return memory_need(model, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("profiling.answers.split.memory_need", counted)
    names = tuple(name for name in catalogue() if "Qwen2.5" in name or "Qwen3-" in name)
    need = _need("3090 + 3060", context=32_768, users=4096)
    advice = advise(door, _evidence(names), need)
    assert advice.best is None
    # The narrowest format alone is looked at, on each of two cards, and no time is asked for.
    assert len(asked) <= 2 * len(names)


def test_what_is_started_is_the_engine_that_was_asked_for_in_the_format_that_was_advised(door: Door) -> None:
    choice_by_engine = {}
    for engine in ("ollama", "lm-studio", "mlx", "exllama", "vllm", "sglang", "tensorrt-llm", "tgi"):
        need = _need("4090", engine=engine)
        best = advise(door, _evidence(("Qwen/Qwen3-8B",)), need, ("awq-4bit-g128",) if "t" in engine[:1] else ()).best
        assert best is not None, engine
        choice_by_engine[engine] = (best.weight_format, best.run, best.check.split()[0])
    assert {engine: (form, check) for engine, (form, _, check) in choice_by_engine.items()} == {
        "ollama": ("q8_0", "ollama"), "lm-studio": ("q8_0", "llama-bench"), "mlx": ("mlx-8bit", "mlx_lm.benchmark"),
        "exllama": ("exl3-6.0bpw", "skyline"), "vllm": ("fp8", "vllm"), "sglang": ("bf16", "python"),
        "tensorrt-llm": ("awq-4bit-g128", "skyline"), "tgi": ("awq-4bit-g128", "skyline"),
    }  # fmt: skip
    assert "FROM ./Qwen3-8B-Q8_0.gguf\\nPARAMETER num_ctx 32768" in choice_by_engine["ollama"][1]
    assert "--q-bits 8 --mlx-path Qwen3-8B-8bit && mlx_lm.server --model Qwen3-8B-8bit" in choice_by_engine["mlx"][1]
    assert choice_by_engine["vllm"][1] == "vllm serve Qwen/Qwen3-8B --max-model-len 32768 --quantization fp8"
    assert choice_by_engine["tensorrt-llm"][1].startswith("trtllm-serve Qwen3-8B-AWQ --max_seq_len 32768")


def _decoders() -> Iterator[Architecture]:
    for name in list(catalogue())[::11]:
        model = catalogue()[name].architecture()
        if model.kind == "decoder":
            yield model


@pytest.mark.parametrize("split", [Parallelism(), Parallelism(1, 2)])
def test_activations_of_a_decode_step_are_those_of_its_operators(split: Parallelism) -> None:
    for model in _decoders():
        for batch, draft, bits in ((1, 0, 16), (7, 3, 8)):
            asked = Workload(
                batch=batch, context=5000, draft=draft, precision=Precision(activation_bits=bits), parallelism=split
            )
            peak_bytes = activation_peak_of(operators(model, asked, check=False), model, asked.precision)
            assert activation_peak_bytes(model, asked) == pytest.approx(float(peak_bytes))


def test_facts_of_a_model_stay_with_it_and_not_with_a_changed_copy() -> None:
    model = catalogue()["Qwen/Qwen3-8B"].architecture()
    first = precision_for(model, "q4_k_m")
    assert precision_for(model, "q4_k_m") is first
    assert model.facts
    assert replace(model, name="another").facts == {}
    assert replace(model, name=model.name) == model
