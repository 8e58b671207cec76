"""How an engine is started, chosen on a page: the numbers are those of the same options on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dashboards.data import Data
from dashboards.pages.advisor.page import Advisor
from dashboards.pages.roofline.page import Roofline
from dashboards.pages.serve.page import Serve
from dashboards.pages.which_gpu.page import WhichGpu
from pipelines.commands.app import app
from profiling.answers.commands import commands, unset_options
from profiling.answers.question import Question
from profiling.devices.accelerators import GIB
from warehouse.settings import Settings

from .served_pages import Visit

pytestmark = [
    pytest.mark.page,
    # Bokeh calls pandas so; it is theirs to mend.
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index"),
    pytest.mark.filterwarnings("ignore:Widget.name is deprecated:PendingDeprecationWarning"),
]

MODEL, DEVICE = "meta-llama/Meta-Llama-3.1-8B-Instruct", "RTX-4090"
ADDRESS = "kv=fp8&gpu_memory_utilization=0.8&batched_tokens=4096&eager=yes"
OPTIONS = ["--kv-format", "fp8", "--gpu-memory-utilization", "0.8", "--batched-tokens", "4096", "--eager"]


@pytest.fixture(scope="module")
def data(bundled_home: Path) -> Data:
    return Data(Settings.model_validate({"home": str(bundled_home)}))


def said(home: Path, *arguments: str) -> list[dict[str, Any]]:
    """Rows that the command line prints."""
    done = CliRunner().invoke(app, [*arguments, "--format", "json"], env={"SKYLINE_HOME": str(home)})
    assert done.exit_code == 0, done.output
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_roofline_counts_them_and_sound_as_the_command_does(data: Data, bundled_home: Path) -> None:
    page = Roofline(data, f"?model={MODEL}&accelerator={DEVICE}&engine=vllm-v1&batch=8&{ADDRESS}")
    answer, plain = page.sides[""].answer, Roofline(data, f"?model={MODEL}&accelerator={DEVICE}&engine=vllm-v1&batch=8")
    assert answer is not None
    (row,) = said(
        bundled_home, "roofline", MODEL, DEVICE, "--engine", "vllm-v1", "--batch", "8", "--ignore-memory", *OPTIONS
    )
    shown = json.loads(json.dumps(answer.row()))
    assert shown == {name: pytest.approx(value) if isinstance(value, float) else value for name, value in row.items()}
    before = plain.sides[""].answer
    assert before is not None
    assert float(answer.estimate.need.budget) == pytest.approx(float(before.estimate.need.budget) * 0.8 / 0.9)
    assert float(answer.estimate.need.kv_cache.high) == pytest.approx(float(before.estimate.need.kv_cache.high) / 2)


def test_which_gpu_finds_as_many_devices_and_sequences_as_fit_does(data: Data, bundled_home: Path) -> None:
    chosen = f"?models={MODEL}&weights=bf16&accelerators={DEVICE}&engine=vllm-v1&concurrency=16&context=8192&{ADDRESS}"
    page = WhichGpu(data, chosen)
    (row,) = said(
        bundled_home, "fit", MODEL, "--accelerator", DEVICE, "--engine", "vllm-v1", "--batch", "16", "--seq", "8192",
        "--weight-format", "bf16", *OPTIONS,
    )  # fmt: skip
    cell = page.cells.row(0, named=True)
    assert (cell["devices"], cell["max_batch"]) == (row["devices"], row["max_batch"])
    assert page.state.address().count("gpu_memory_utilization=0.8") == 1


def test_serve_plans_as_plan_does(data: Data, bundled_home: Path) -> None:
    page = Serve(data, f"?model={MODEL}&users=32&first=2x{DEVICE}&second=&{ADDRESS}")
    parts = page.state.command.split()[1:]
    assert parts[-len(OPTIONS) :] == OPTIONS
    rows = said(bundled_home, *parts)
    assert page.rows["accelerator"].to_list() == [row["accelerator"] for row in rows]
    for name in ("devices", "usd_per_hour", "output_tokens_per_s", "time_to_first_token_p90_s"):
        assert page.rows[name].to_list() == pytest.approx([row[name] for row in rows])


def test_the_advisor_advises_as_advise_does_and_its_commands_start_the_engine_so(
    data: Data, bundled_home: Path
) -> None:
    page = Advisor(data, f"?machine=4090&engine=vllm-v1&{ADDRESS}")
    rows = said(bundled_home, "advise", "4090", "--engine", "vllm-v1", *OPTIONS)
    for name in ("model_id", "weight_format", "longest_context", "tokens_per_s", "memory_high_gib", "run"):
        assert page.table.rows[name].to_list() == [
            pytest.approx(row[name]) if isinstance(row[name], float) else row[name] for row in rows
        ]
    best = page.table.rows.row(0, named=True)
    assert best["run"].endswith(
        "--kv-cache-dtype fp8 --gpu-memory-utilization 0.8 --max-num-batched-tokens 4096 --enforce-eager"
    )
    model = data.door().judged_model(best["model_id"])
    assert model is not None
    asked = Question(
        model=model.name, accelerator=DEVICE, context=32_768, weight_format=best["weight_format"], engine="vllm-v1",
        kv_bits=8, gpu_memory_utilization=0.8, batched_tokens=4096, eager=True,
    )  # fmt: skip
    rate = data.door().with_model(model).answer(asked).estimate.tokens_per_s
    assert rate is not None
    assert best["tokens_per_s"] == pytest.approx(float(rate.likely_s))
    assert best["memory_budget_gib"] == pytest.approx(0.8 * data.door().device(DEVICE).usable_memory_bytes / GIB)


def test_a_command_says_them_or_the_answer_that_it_does_not(data: Data) -> None:
    model, device = data.door().model(MODEL), data.door().device(DEVICE)
    run, check = commands(
        model, "gguf-q4_k_m", "llama.cpp", device, context=8192, kv="q8_0", options={"batched_tokens": 1024}
    )
    assert "-ctk q8_0 -ctv q8_0" in run
    assert "-ctk q8_0 -ctv q8_0" in check
    assert run.endswith(" -ub 1024")
    assert check.endswith(" -ub 1024")
    assert unset_options("llama.cpp", {"batched_tokens": 1024}) == unset_options("vllm", {"eager": True}) == []
    assert unset_options("ollama", {"eager": True}) == [
        "The commands do not set running without captured graphs: no flag of ollama for it is known here."
    ]


@pytest.mark.slow
def test_they_are_folded_until_asked_for_and_stand_in_the_address(visit: Visit) -> None:
    page = visit.open("roofline")
    share = page.get_by_label("GPU memory utilization (0: default)", exact=True)
    assert not share.is_visible()
    page.get_by_role("button", name="More options").press("Enter")
    share.wait_for()
    share.fill("0.5")
    share.press("Enter")
    page.wait_for_function("location.search.includes('gpu_memory_utilization=0.5')")
    visit.settle()
    page = visit.open(visit.address())
    assert share.is_visible()
    assert share.input_value() == "0.5"
    assert visit.errors == []
