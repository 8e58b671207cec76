"""Energy per token in its parts: devices, host and idle time, against metered machines."""

from __future__ import annotations

import pytest

from profiling.answers.door import shipped_door
from profiling.answers.energy import INCLUDES, Spread, energy_per_token, host_draw, host_of, idle_draw
from profiling.answers.question import Question
from profiling.devices.accelerators import find, table
from profiling.engines.time import shipped_times
from profiling.errors import InvalidWorkload
from profiling.serving.alternatives import energy, plan_rows
from profiling.serving.plan import Promise, fleet
from profiling.serving.replica import Options
from profiling.serving.simulate import Traffic

RATE = Spread(80.0, 100.0, 120.0)


def test_a_server_of_eight_draws_at_the_wall_what_metered_ones_do() -> None:
    # 8,993 to 10,496 W at the wall under load (MLPerf Inference 5.1, 8x B200); 8.4 kW at most (Latif et al., 8x H100).
    for name, least, most in (("B200-SXM-180GB", 8_993, 10_496), ("H100-SXM5-80GB", 6_500, 8_400)):
        spent = energy_per_token(find(name), 8, Spread(1.0, 1.0, 1.0))
        assert spent is not None
        whole = spent.total
        assert whole.low < least < most < whole.high
        assert 0.9 * least < whole.likely < 1.1 * most


def test_with_a_card_in_it_a_desktop_draws_what_was_metered() -> None:
    # RTX 4090 in a desktop: 464.2 W on a dense model (geerlingguy/ai-benchmarks, DeepSeek R1 14B).
    spent = energy_per_token(find("RTX-4090"), 1, Spread(1.0, 1.0, 1.0))
    assert spent is not None
    assert spent.total.low < 464.2 < spent.total.high
    assert spent.total.likely == pytest.approx(464.2, rel=0.15)


def test_parts_add_up_and_time_without_work_is_a_part() -> None:
    h100 = find("H100-SXM5-80GB")
    busy, half = (energy_per_token(h100, 4, RATE, share) for share in (1.0, 0.5))
    assert busy is not None
    assert half is not None
    assert busy.idle == Spread(0.0, 0.0, 0.0)
    idle = idle_draw(h100)
    assert half.idle is not None
    assert idle is not None
    # 121.7 W per idle H100 with a program on it (arXiv:2605.23918), and 194 W of the idle host.
    assert idle.watts.likely == 121.7
    assert half.idle.likely == pytest.approx(4 * 0.5 * (121.7 + 1554 / 8) / 100)
    assert half.devices.likely == pytest.approx(busy.devices.likely / 2)
    assert half.total.likely == pytest.approx(half.devices.likely + half.host.likely + half.idle.likely)
    assert half.total.low < half.total.likely < half.total.high
    with pytest.raises(InvalidWorkload):
        energy_per_token(h100, 4, RATE, 0.0)


def test_what_is_not_known_is_said_and_not_counted() -> None:
    card = find("RTX-5080")
    assert idle_draw(card) is None
    spent = energy_per_token(card, 1, RATE, 0.5)
    assert spent is not None
    assert spent.idle is None
    assert "the idle power of RTX-5080-16GB is not known, so it is left out" in spent.explanation
    assert energy_per_token(find("TPU-v5e"), 1, RATE) is None, "its power is not published"


def test_every_device_with_a_published_power_has_a_host() -> None:
    devices = table().values()
    assert all(host_draw(device) is not None for device in devices if device.power_w)
    kinds = {device.name: host_of(device) for device in devices}
    assert kinds["H200-SXM-141GB"] == "server of eight linked devices"
    assert kinds["L40S"] == "server of another kind"
    assert kinds["RTX-3090"] == "desktop of one card"
    assert kinds["Ryzen-AI-Max+-395-128GB"] == kinds["Apple-M4-Max-40core-64GB"] == "machine of one chip"


def test_every_answer_says_once_what_per_token_includes() -> None:
    door = shipped_door()
    answer = door.answer(Question(model="Qwen/Qwen3-8B", accelerator="H100-SXM5-80GB", stage="decode", batch=8))
    assert sum(note.count(INCLUDES) for note in answer.notes) == 1
    row, share = answer.row(), shipped_times().power_share(door.device("H100-SXM5-80GB"))
    assert row["host_joules_per_token"] / row["joules_per_token"] == pytest.approx(350 / (share * 700), rel=0.01)


def test_a_plan_counts_the_time_in_which_nothing_runs() -> None:
    door, model = shipped_door(), "Qwen/Qwen3-8B"
    options = Options(engine="vllm-v1")

    def asked(traffic: Traffic) -> tuple[float, float]:
        promise = Promise(traffic=traffic)
        plan = fleet(door, model, promise, options, "H100-SXM5-80GB", 1)
        spent = energy(door, plan)
        assert spent is not None
        assert spent.idle is not None
        row = plan_rows(door, model, promise, [plan], options).row(0, named=True)
        assert row["running_share"] == plan.served.running_share
        assert row["kwh_per_million_output_tokens"] == pytest.approx(spent.total.likely / 3.6)
        return plan.served.running_share, spent.idle.likely / spent.total.likely

    seldom, share_seldom = asked(Traffic(input_tokens=1000, output_tokens=200, requests_per_s=0.1))
    often, share_often = asked(Traffic(input_tokens=1000, output_tokens=200, requests_per_s=2.0))
    always, none = asked(Traffic(input_tokens=1000, output_tokens=200, users=8))
    assert seldom < 0.3 < often < always == 1.0
    assert share_seldom > 0.3 > share_often > none == 0.0
