"""Measuring for a visitor: only what the operator named, one at a time, and never longer than allowed."""

import asyncio
from pathlib import Path

import polars as pl
import pytest

from dashboards.charts.measured_layers import LayerBars
from dashboards.measuring import CannotMeasure, Measuring
from dashboards.pages.measured import form_text
from tests.answering import answering
from warehouse.settings import Settings

LOAD = {"concurrency": "1", "prompt-lengths": "8", "new-tokens": "2", "requests": "1"}


def measuring(home: Path, **more: object) -> Measuring:
    return Measuring(Settings.model_validate({"home": str(home), **more}))


def test_what_a_server_took_is_told_by_load_with_what_failed() -> None:
    row = {
        "batch": 4, "context": 128, "ttft_p50_s": 0.1, "ttft_p99_s": 0.25, "inter_token_p50_s": None,
        "tokens_per_s": 30.0, "requests_per_s": 1.5, "errors": 1, "requests": 4, "error_reasons": {"HTTP 500 <x>": 1},
    }  # fmt: skip
    text = form_text.served([row], "mine.bundle")
    cells = ("4", "128", "100 ms", "250 ms", "–", "30.0", "1.50", "1 of 4: 1 × HTTP 500 &lt;x&gt;")
    assert "".join(f"<td>{cell}</td>" for cell in cells) in text.replace(" class=number", "")
    assert "mine.bundle is in the inbox" in text


def test_nothing_is_offered_unless_it_was_named(tmp_path: Path) -> None:
    off = measuring(tmp_path)
    assert (off.checkpoints, off.endpoints) == ({}, {})
    with pytest.raises(CannotMeasure, match="no server that may be measured"):
        asyncio.run(off.endpoint("http://10.0.0.1/v1", "model", LOAD, lambda _: None))
    with pytest.raises(CannotMeasure, match="no checkpoint of this server"):
        asyncio.run(off.generate("../../etc", "hello", 1, "float32"))
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_are_found_with_and_without_an_organisation(tmp_path: Path) -> None:
    for name in ("plain", "org/model", "too/deep/model"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "config.json").write_text("{}")
    offered = measuring(tmp_path, measure_checkpoints=tmp_path / "models").checkpoints
    assert list(offered) == ["org/model", "plain"]


def test_an_address_is_shown_with_its_protocol_and_without_its_password(tmp_path: Path) -> None:
    address = "https://user:secret@models.example:8443/v1"
    endpoints = measuring(tmp_path, measure_endpoints=[address, f"tgi={address}?api-version=1"]).endpoints
    assert endpoints == {
        "https://models.example:8443/v1": (address, "openai"),
        "https://models.example:8443/v1?api-version=1 (tgi)": (f"{address}?api-version=1", "tgi"),
    }


def test_two_do_not_measure_at_once_and_none_longer_than_allowed(tmp_path: Path) -> None:
    async def both() -> list[object]:
        with answering() as server:
            address = f"http://127.0.0.1:{server.server_address[1]}/v1"
            here = measuring(tmp_path, measure_endpoints=[address], measure_seconds=3)
            asked = [here.endpoint(address, "hanging", LOAD, lambda _: None) for _ in range(2)]
            return await asyncio.gather(*asked, return_exceptions=True)

    first, second = asyncio.run(both())
    assert isinstance(first, CannotMeasure)
    assert "ended after 3 s" in str(first)
    assert isinstance(second, CannotMeasure)
    assert "Another measurement is running" in str(second)
    assert list((tmp_path / "inbox").iterdir()) == []


def test_bars_of_layers_show_the_time_by_kind_or_the_most_that_a_layer_held_at_once() -> None:
    rows = [
        ("model", "between", None, 0.001, 900.0), ("embed", "embedding", None, 0.002, 10e6),
        ("layers.0", "between", 0, 0.001, 30e6), ("layers.0.up", "linear", 0, 0.004, 20e6),
        ("lm_head", "head", None, 0.008, 5e6),
    ]  # fmt: skip
    layers = pl.DataFrame(rows, ["path", "kind", "layer", "time_s", "peak_bytes"], orient="row")
    bars = LayerBars()
    bars.show(layers)
    heights = dict(zip(bars.bars.data["x"], bars.bars.data["top"], strict=True))
    assert heights == pytest.approx({-1: 2.0, 0: 5.0, 1: 9.0})
    assert "whole layer" in bars.show(layers, "memory")
    data = bars.bars.data
    assert sorted(zip(data["x"], data["top"], data["name"], strict=True)) == [
        (-1, 10.0, "embedding"), (0, 30.0, "whole layer"), (1, 5.0, "head"),
    ]  # fmt: skip
    assert bars.figure.yaxis.axis_label == "Peak memory held (MB)"
