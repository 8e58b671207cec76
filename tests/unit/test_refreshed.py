"""What a refresh says of the files that it brought."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from pipelines.runs.fingerprint import digest_of
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


@pytest.mark.parametrize("name", ["model_configs.jsonl", "public_domain.txt", "grid.py"])
def test_facts_of_whatever_kind_that_change_make_another_fingerprint(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes
    before = digest_of.__wrapped__("profiling")
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b" " if path.name == name else b""))
    assert digest_of.__wrapped__("profiling") != before
