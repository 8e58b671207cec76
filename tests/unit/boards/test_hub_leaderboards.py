"""Leaderboards of the hub's official benchmarks: names are hub ids, what the hub ran again counts as independent."""

import datetime as dt
import json

import polars as pl

from pipelines.sources.boards.declaration import declared
from pipelines.sources.boards.documents import members
from pipelines.sources.boards.fetch import _within, packed
from pipelines.sources.boards.read import Read, read_rows
from pipelines.sources.boards.recognition import match

INDEX = "https://huggingface.co/api/datasets?filter=benchmark:official"
# The fields that the hub's guide to leaderboard data lists.
ROWS = [
    {"rank": 1, "modelId": "Qwen/Qwen3.5-397B-A17B", "value": 28.7, "verified": False, "pullRequest": 1,
     "filename": ".eval_results/hle.yaml", "author": {"name": "Qwen", "type": "org"}, "source": {"url": "https://hf.co"}},
    {"rank": 2, "modelId": "openai/gpt-oss-120b", "value": 19.0, "verified": True},
    {"rank": 3, "modelId": "org/broken", "value": 319.0, "verified": False},
]  # fmt: skip


def test_one_file_per_benchmark_is_read_with_its_benchmark_and_reporter() -> None:
    paths = {_within(f"https://huggingface.co/api/datasets/{name}/leaderboard", INDEX): name for name in (
        "cais/hle", "Idavidrein/gpqa", "somebody/new-bench")}  # fmt: skip
    assert list(paths) == [f"datasets/{name}/leaderboard.json" for name in paths.values()]
    archive = packed({path: json.dumps(ROWS).encode() for path in paths})
    board = declared(None)["hub_leaderboards"]
    found = Read()
    for member in members(archive, "hub_leaderboards_leaderboard.zip"):
        matched = match(member, [board])
        assert matched is not None
        found.add(read_rows(matched.rows, matched.board, matched.file, dt.date(2026, 11, 1)))
    rows = found.results.filter(pl.col("benchmark") == "HLE").sort("score", descending=True)
    assert rows.select("name_in_source", "score", "unit", "reporter").rows() == [
        ("Qwen/Qwen3.5-397B-A17B", 28.7, "percent", "vendor"),
        ("openai/gpt-oss-120b", 19.0, "percent", "independent"),
    ]
    assert set(found.results["benchmark"]) == {"HLE", "GPQA diamond", "new-bench"}
    assert not found.results["may_bundle"].any()
    assert len(found.rejected) == 3  # a score of 319 percent, once per benchmark
