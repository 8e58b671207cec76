"""Names of one release with and without `.0`, on the lists of τ²-bench as bundled."""

from importlib import resources

import polars as pl

from pipelines.defs.ability.evidence import keyed
from warehouse.contracts.boards import MODEL_FACTS

_BOARD = resources.files("warehouse").joinpath("reference", "boards", "2026-08-18_tau2.csv")


def _rows() -> pl.DataFrame:
    rows = pl.read_csv(_BOARD.read_bytes(), infer_schema_length=None)
    return rows.with_columns(pl.lit(None, pl.String).alias("model_id")).select(
        "source", "name_in_source", "model_id", "benchmark", "benchmark_version"
    )


def test_gemini_3_0_pro_is_gemini_3_pro_and_3_1_is_another() -> None:
    # The board's repository holds both submissions as gemini-3-pro_…, announced by one page on one day.
    keys = dict(keyed(_rows(), MODEL_FACTS.empty()).select("name_in_source", "model_key").unique().iter_rows())
    assert keys["Gemini 3.0 Pro"] == keys["Gemini 3 Pro"] == "gemini-3-pro"
    assert keys["Gemini 3.1 Pro Preview"] == "gemini-3-1-pro-preview"


def test_names_that_one_board_lists_side_by_side_stay_two_models() -> None:
    rows = _rows()
    side_by_side = rows.filter(pl.col("name_in_source") == "Gemini 3 Pro").with_columns(
        pl.lit("0.1.3").alias("benchmark_version")
    )
    keys = keyed(pl.concat([rows, side_by_side]), MODEL_FACTS.empty())["model_key"].unique()
    assert {"gemini-3-pro", "gemini-3-0-pro"} <= set(keys)
