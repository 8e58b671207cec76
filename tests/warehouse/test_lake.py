"""A table in the lake is whole, is what its contract says, and is replaced at once or not at all."""

from pathlib import Path

import polars as pl
import pytest

from warehouse.contracts import ContractBroken
from warehouse.files import replacing, write_text
from warehouse.lake import Lake, MissingTable, read_cached

from .small_tables import POINTS, VERSIONS, write_version


def test_columns_are_taken_by_name_in_the_order_and_types_of_the_contract(lake: Lake) -> None:
    lake.write(VERSIONS, pl.DataFrame({"version": [1], "row": [7]}, schema={"version": pl.Int8, "row": pl.UInt32}))
    assert lake.read(VERSIONS).schema == pl.Schema({"row": pl.Int64, "version": pl.Int64})
    assert lake.read(VERSIONS).rows() == [(7, 1)]
    assert lake.read(VERSIONS, ["version"]).rows() == [(1,)]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"row": [1]}),
        pl.DataFrame({"row": [1], "version": [1], "extra": [1]}),
        pl.DataFrame({"row": ["seven"], "version": [1]}),
    ],
)
def test_a_frame_that_breaks_the_contract_is_refused_and_the_table_stays_as_it_was(
    lake: Lake, frame: pl.DataFrame
) -> None:
    write_version(lake, 1)
    before = lake.path(VERSIONS).read_bytes()
    with pytest.raises(ContractBroken, match=r"^marts\.versions: "):
        lake.write(VERSIONS, frame)
    assert lake.path(VERSIONS).read_bytes() == before
    assert [path.name for path in lake.path(VERSIONS).parent.iterdir()] == ["versions.parquet"]


def test_a_table_that_was_never_written_says_what_to_do(lake: Lake) -> None:
    assert not lake.has(POINTS)
    with pytest.raises(MissingTable, match=r"core\.points is not in .*; run `skyline refresh` first"):
        lake.read(POINTS)


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file.txt"
    write_text(target, "whole")
    with pytest.raises(TypeError), replacing(target) as temporary:
        temporary.write_text("half", newline=7)  # type: ignore[arg-type]
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("file.txt", "whole")]


def test_a_reader_of_the_old_file_keeps_reading_it_while_it_is_replaced(lake: Lake) -> None:
    write_version(lake, 1)
    with lake.path(VERSIONS).open("rb") as held:
        write_version(lake, 2)
        assert set(pl.read_parquet(held)["version"]) == {1}
    assert set(lake.read(VERSIONS)["version"]) == {2}


@pytest.mark.parametrize("damage", ["lost", "empty", "cut", "head", "text", "folder"])
def test_what_is_kept_and_was_damaged_is_as_if_it_were_lost(tmp_path: Path, damage: str) -> None:
    cached = tmp_path / "kept.parquet"
    pl.DataFrame({"a": range(1000)}).write_parquet(cached)
    assert read_cached(cached) is not None
    whole = cached.read_bytes()
    cached.unlink()
    if damage == "folder":
        cached.mkdir()
    elif damage != "lost":
        cached.write_bytes(
            {"empty": b"", "cut": whole[: len(whole) // 2], "head": whole[:8], "text": b"PAR1 no more"}[damage]
        )
    assert read_cached(cached) is None
