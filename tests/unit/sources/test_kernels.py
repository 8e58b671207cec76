"""Of which accelerator a table of kernels is, where its file does not lie in a folder that says so."""

import io

import polars as pl
import pytest

from pipelines.sources.recognition import recognise


def table(device: str) -> bytes:
    row = {"framework": "x", "version": "1", "device": device, "op_name": "gemm", "latency": 1.0}
    out = io.BytesIO()
    pl.DataFrame([row]).write_parquet(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("uri", "folder", "subject"),
    [
        ("h100_sxm/gemm_perf.parquet", "downloads", "h100_sxm"),
        ("gemm_perf.parquet", "h100_sxm", "h100_sxm"),  # the folder itself was named as the source
        ("gemm_perf.parquet", "downloads", "some_card"),
        ("gemm_perf.parquet", "", "some_card"),
    ],
)
def test_the_folder_counts_if_it_is_named_for_an_accelerator_and_else_the_device(
    uri: str, folder: str, subject: str
) -> None:
    assert recognise(table("NVIDIA Some Card"), ".parquet", uri, folder=folder).subject == subject
