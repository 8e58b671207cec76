"""Predictions on pages lead to the error of their own class."""

import datetime as dt

import polars as pl
import pytest

from dashboards.pages.roofline.text import headline
from dashboards.pages.which_gpu.text import PURCHASE, details, with_purchase
from dashboards.parts.how_far_off import address_of_error
from profiling.accuracy.held_out import held_out_errors
from profiling.answers.door import shipped_door
from profiling.answers.matrix import matrix
from profiling.answers.question import Question
from profiling.engines.time import shipped_times


@pytest.mark.parametrize(
    ("engine", "device", "stage"),
    [
        ("vllm-v1", "H100-SXM5-80GB", "time per token under load"), ("llama.cpp", "RTX-4090", "decode"),
        ("mlx", "Apple-M3-Max-40core-64GB", "decode"), ("sglang", "L40S", "decode"),
    ],
)  # fmt: skip
def test_a_prediction_leads_to_the_error_of_what_it_was_timed_as(engine: str, device: str, stage: str) -> None:
    door = shipped_door()
    answer = door.answer(Question(model="Qwen/Qwen3-8B", accelerator=device, stage="decode", engine=engine))
    assert answer.estimate.basis.stage == stage
    assert stage in held_out_errors()["stage"]
    assert f'href="{address_of_error(stage)}"' in headline(answer)


def test_a_cell_of_which_gpu_leads_there_too_and_says_what_the_device_draws() -> None:
    world = {"country_code": "WLD", "country": "World", "codecarbon_g_co2e_per_kwh": "475"}
    door = shipped_door((), (world,))
    model, device = "Qwen/Qwen3-8B", "H100-SXM5-80GB"
    shared = Question(model=model, accelerator=device, stage="decode", engine="vllm-v1")
    listed = pl.DataFrame([(device, 27_500.0, "new", dt.date(2026, 5, 25))], PURCHASE, orient="row")
    cells = with_purchase(matrix(door, (model,), (device,), ("bf16",), shared), listed)
    text = details(door, cells.row(0, named=True), shared, "world", 475.0)
    assert "$27,500: 1 × $27,500 (new, 2026-05-25)" in text
    assert address_of_error("time per token under load") in text
    likely = shipped_times().power_share(door.device(device))
    assert 0.8 < likely < 0.9  # of the metered B200, the only one of its class
    assert f"draw 50 %, {100 * likely:.0f} %, 100 % of it" in text
