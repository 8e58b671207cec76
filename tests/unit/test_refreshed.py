"""What a refresh says of the files that it brought."""

import datetime as dt
from pathlib import Path

import polars as pl

from pipelines.runs.refresh import _rejected_files
from pipelines.sources.accounts import rejected_file, rejected_row
from pipelines.sources.raw_store import Manifest, RawStore
from pipelines.sources.source_files import Collection
from warehouse.contracts.sources import REJECTED_ROWS
from warehouse.settings import Settings


def test_a_file_that_is_recognised_and_then_not_read_counts_as_set_aside(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": str(tmp_path)})
    now = dt.datetime.now(dt.UTC)
    manifest = Manifest("kernel_tables", "gemm_perf", "x", now.date(), "x/gemm_perf.parquet", None, None, now)
    new = RawStore(settings.raw).add(b"kernels", ".parquet", manifest)
    other = rejected_row(None, "x/gemm_perf.parquet", "columns not read: Rank")
    settings.lake.write(REJECTED_ROWS, pl.concat([rejected_file(new, "no accelerator x"), other]))
    reason = "whole file set aside: no accelerator x"
    assert _rejected_files(Collection(new=[new]), settings) == [("x/gemm_perf.parquet", reason)]
    assert _rejected_files(Collection(), settings) == []
