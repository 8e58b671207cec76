"""Rows of one's own on the page How far off: counted, judged, and the furthest off first."""

import polars as pl

from dashboards.pages.how_far_off import text
from profiling.accuracy.held_out import ALL_ENGINES, held_out_errors
from profiling.accuracy.table import error_table

ROWS = pl.DataFrame(
    {
        "compared_as": ["decode", "decode", "prefill", None],
        "engine": ["vllm", "vllm", "mlx", None],
        "accelerator": ["H100-SXM5-80GB", "L40S", "M3-Max", None],
        "device_as_reported": ["H100", "L40S", "M3 Max", "a toaster"],
        "device_class": ["a", "b", "c", None],
        "model_id": ["one", "one", "two", None],
        "model_as_reported": ["One", "One", "Two", "Three"],
        "weight_format": ["bf16", "bf16", "mlx-4bit", None],
        "batch": [1.0, 1.0, 1.0, None],
        "unit": ["s", "s", "s", None],
        "measured": [1.0, 1.0, 1.0, None],
        "predicted": [1.1, 0.5, 4.0, None],
        "low": [0.9, 0.4, 2.0, None],
        "high": [1.3, 0.6, 8.0, None],
        "bound": [0.5, 1.2, 0.1, None],
        "naive": [0.8, 0.8, 0.8, None],
        "source": ["a", "b", "c", "d"],
        "devices": [1, 1, 1, None],
        "known_causes": [None, "unknown", "the host is a Raspberry Pi", None],
    }
)


def test_own_rows_are_counted_and_the_furthest_off_come_first() -> None:
    rows = text.labelled(ROWS)
    predicted = text.predicted_rows(rows)
    assert text.own_sentence(rows, predicted) == (
        "Of 4 measurements 3 could be predicted: a median 50 % off, 33 % of them inside the interval that should "
        "hold 80 %, 1 below the bound."
    )
    assert text.worst(predicted)["ratio"].to_list() == [4.0, 0.5, 1.1]
    table = error_table(predicted, rows, "engine")
    assert dict(table.select("stage", "asked").iter_rows()) == {"decode": 2, "prefill": 1, "not compared": 0}
    assert "none could be predicted" in text.own_sentence(rows.tail(1), predicted.head(0))


def test_all_engines_come_first_and_every_row_of_the_picture_has_a_name() -> None:
    shipped = held_out_errors()
    chosen, named = text.rows_of(shipped, "decode")
    rows = text.dots(chosen, named)
    assert rows.names[0] == ALL_ENGINES
    assert set(rows.marks["row"]) == set(range(len(rows.names)))
    assert text.rows_of(shipped, "all")[1] == "stage"
