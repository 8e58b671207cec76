"""What was made once is kept until its inputs, its code or what is asked for change."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.lib.kept import Kept, by_snapshot
from warehouse.lake import Lake

MONDAY = pl.DataFrame({"entry": ["a", "b"], "score": [1.0, 2.0]})
TUESDAY = pl.DataFrame({"entry": ["a", "b"], "score": [1.0, 3.0]})


class Maker:
    """Makes a sum, and counts how often it was asked to."""

    def __init__(self, lake: Lake) -> None:
        self._lake, self.made = lake, 0

    def sums(self, *snapshots: pl.DataFrame, code: str = "1", state: str = "") -> list[float]:
        """Of every snapshot."""

        def make(snapshot: pl.DataFrame) -> dict[str, pl.DataFrame]:
            self.made += 1
            return {"sum": snapshot.select(pl.col("score").sum())}

        with Kept(self._lake, "sums", code) as kept:
            return [kept.frames(state, [one], lambda one=one: make(one))["sum"].item() for one in snapshots]


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(Lake(tmp_path))


def test_one_more_snapshot_costs_one(maker: Maker) -> None:
    assert maker.sums(MONDAY) == [3.0]
    assert maker.sums(MONDAY, TUESDAY) == [3.0, 4.0]
    assert maker.made == 2


@pytest.mark.parametrize("change", [{"code": "2"}, {"state": "another"}])
def test_other_code_or_state_makes_anew(maker: Maker, change: dict[str, str]) -> None:
    maker.sums(MONDAY)
    assert maker.sums(MONDAY, **change) == [3.0]
    assert maker.made == 2


def test_the_same_values_under_another_name_or_type_are_other_inputs(maker: Maker) -> None:
    maker.sums(MONDAY)
    maker.sums(MONDAY.rename({"entry": "name"}))
    maker.sums(MONDAY.with_columns(pl.col("score").cast(pl.Float32)))
    assert maker.made == 3


def test_what_is_not_asked_for_any_more_is_swept(maker: Maker, tmp_path: Path) -> None:
    maker.sums(MONDAY, TUESDAY)
    maker.sums(TUESDAY)
    assert len({path.name.partition(".")[0] for path in (tmp_path / "kept" / "sums").iterdir()}) == 1
    maker.sums(MONDAY)
    assert maker.made == 3


def test_what_a_killed_process_left_half_is_made_again(maker: Maker, tmp_path: Path) -> None:
    maker.sums(MONDAY)
    next((tmp_path / "kept" / "sums").glob("*.names.parquet")).unlink()
    assert maker.sums(MONDAY) == [3.0]
    assert maker.made == 2


def test_what_was_half_thrown_away_is_made_again(maker: Maker, tmp_path: Path) -> None:
    maker.sums(MONDAY)
    (frame,) = tmp_path.rglob("*.sum.parquet")
    frame.unlink()
    assert maker.sums(MONDAY) == [3.0]
    assert maker.sums(MONDAY) == [3.0]
    assert maker.made == 2


@pytest.mark.parametrize("order", [["a", "a", "b"], ["a", "b", "a"]])
def test_rows_of_a_snapshot_are_found_whether_or_not_they_stand_together(order: list[str]) -> None:
    found = by_snapshot(pl.DataFrame({"snapshot_id": order, "row": [0, 1, 2]}))
    assert {name: rows["row"].to_list() for name, rows in found.items()} == {
        name: [row for row, of in enumerate(order) if of == name] for name in ("a", "b")
    }
