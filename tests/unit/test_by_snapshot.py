"""Rows of a snapshot are made once, until what they are made from, the code, or what is asked for changes."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from pipelines.lib import by_snapshot
from pipelines.lib.by_snapshot import Rows, Snapshots, Wanted, write_parts
from warehouse.contracts import Column, ContractBroken, Table
from warehouse.lake import REST, Lake, MissingTable


def table(name: str, value: type[pl.DataType]) -> Table:
    columns = (
        Column("snapshot_id", pl.String, "Snapshot.", required=True),
        Column("value", value, "Value.", minimum=0),
    )
    return Table(f"marts.{name}", "Test.", columns, (), "test", by_snapshot=True)


SUMS, COUNTS = table("sums", pl.Float64), table("counts", pl.Int64)


def rows_of(name: str, *values: float) -> pl.DataFrame:
    return pl.DataFrame({"snapshot_id": [name] * len(values), "value": values}, schema_overrides={"value": pl.Float64})


class Maker:
    """Makes sums and counts of snapshots, and counts how often it was asked to."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.made = lake, 0

    def __call__(self, state: str = "", **snapshots: tuple[float, ...]) -> list[tuple[object, ...]]:
        """Sums of every snapshot."""

        def make(name: str, values: tuple[float, ...]) -> list[Rows]:
            self.made += 1
            return [Rows(rows_of(name, sum(values))), Rows(rows_of(name, len(values)), {"count": len(values)})]

        wanted = [
            Wanted(name, (state, values), lambda name=name, values=values: make(name, values))
            for name, values in snapshots.items()
        ]
        write_parts(self.lake, (SUMS, COUNTS), wanted)
        return self.lake.read(SUMS).rows()


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(Lake(tmp_path))


MONDAY, TUESDAY = (1.0, 2.0), (1.0, 3.0)


def test_one_more_snapshot_costs_one_and_leaves_the_files_of_the_others_alone(maker: Maker) -> None:
    assert maker(monday=MONDAY) == [("monday", 3.0)]
    before = {path: path.stat().st_ino for path in maker.lake.files(SUMS)}
    assert maker(monday=MONDAY, tuesday=TUESDAY) == [("monday", 3.0), ("tuesday", 4.0)]
    assert maker.made == 2
    after = {path: path.stat().st_ino for path in maker.lake.files(SUMS)}
    assert before.items() <= after.items()


def test_other_state_or_code_makes_anew(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    maker(monday=MONDAY)
    assert maker("another", monday=MONDAY) == [("monday", 3.0)]
    monkeypatch.setattr(by_snapshot, "code", lambda: "another")
    assert maker("another", monday=MONDAY) == [("monday", 3.0)]
    assert maker.made == 3


def test_what_is_not_asked_for_any_more_is_gone_and_so_is_its_file(maker: Maker) -> None:
    maker(monday=MONDAY, tuesday=TUESDAY)
    assert maker(tuesday=TUESDAY) == [("tuesday", 4.0)]
    assert {path.name for path in (maker.lake.folder / "marts" / "sums").iterdir()} == {
        path.name for path in maker.lake.files(SUMS)
    }
    assert maker(monday=MONDAY) == [("monday", 3.0)]
    assert maker.made == 3


@pytest.mark.parametrize("loss", ["gone", "cut", "touched", "a list lost", "a list cut", "no list"])
def test_what_was_lost_or_is_not_as_it_was_written_is_made_again(maker: Maker, loss: str) -> None:
    maker(monday=MONDAY)
    file = maker.lake.files(COUNTS, ["monday"])[0]
    if loss == "gone":
        file.unlink()
    elif loss == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    elif loss == "touched":
        bytes_of = bytearray(file.read_bytes())
        bytes_of[len(bytes_of) // 2] ^= 1
        file.write_bytes(bytes_of)
    elif loss == "a list lost":
        maker.lake.path(COUNTS).unlink()
    else:
        listed = maker.lake.path(COUNTS)
        listed.write_text("[1]" if loss == "no list" else listed.read_text()[:-9])
        with pytest.raises(MissingTable, match="cannot be read"):
            maker.lake.read(COUNTS)
    assert maker(monday=MONDAY) == [("monday", 3.0)]
    assert maker.lake.read(COUNTS).rows() == [("monday", 2)]
    assert maker.made == 2
    maker(monday=MONDAY)
    assert maker.made == 2


def test_a_part_that_breaks_its_contract_is_told_every_time_though_it_is_read_once(maker: Maker) -> None:
    for _ in range(2):
        maker(monday=(-1.0, -2.0))
        part, rest = maker.lake.parts(SUMS)
        assert (part.violations, rest.violations) == ({"value below 0": 1}, {})
    assert maker.made == 1


def test_rows_of_another_snapshot_are_refused_and_the_table_stays(maker: Maker) -> None:
    maker(monday=MONDAY)
    wrong = Wanted("tuesday", "x", lambda: [Rows(rows_of("monday", 1.0)), Rows(rows_of("tuesday", 1.0))])
    with pytest.raises(ContractBroken, match=r"marts\.sums: rows of other snapshots among those of tuesday"):
        write_parts(maker.lake, (SUMS, COUNTS), [wrong])
    assert maker.lake.read(SUMS).rows() == [("monday", 3.0)]


def test_what_one_killed_between_files_and_list_left_is_not_in_the_table_and_is_swept(maker: Maker) -> None:
    maker(monday=MONDAY)
    maker.lake.add_part(SUMS, "tuesday", rows_of("tuesday", 9.0))
    assert maker.lake.read(SUMS).rows() == [("monday", 3.0)]
    assert len(list((maker.lake.folder / "marts" / "sums").iterdir())) == 3
    maker(monday=MONDAY)
    assert len(list((maker.lake.folder / "marts" / "sums").iterdir())) == 2


def test_snapshots_that_share_a_part_are_read_from_it(maker: Maker) -> None:
    def rest() -> Iterator[pl.DataFrame]:
        yield pl.concat([rows_of("small", 7.0), rows_of("tiny", 8.0)])
        yield COUNTS.empty()

    write_parts(
        maker.lake, (SUMS, COUNTS), [Wanted("monday", 1, lambda: [Rows(rows_of("monday", 3.0)), Rows(COUNTS.empty())])],
        lambda: list(rest()),
    )  # fmt: skip
    stored = Snapshots(maker.lake, (SUMS,))
    assert [stored.rows(name)[0]["value"].to_list() for name in ("monday", "small", "tiny", "none")] == [
        [3.0], [7.0], [8.0], []
    ]  # fmt: skip
    assert stored.made_from("small") == stored.made_from("tiny") != stored.made_from("monday")
    assert [part.name for part in maker.lake.parts(SUMS)] == ["monday", REST]


def test_a_table_that_was_one_file_becomes_parts(maker: Maker) -> None:
    old = maker.lake.folder / "marts" / "sums.parquet"
    old.parent.mkdir()
    rows_of("monday", 1.0).write_parquet(old)
    assert not maker.lake.has(SUMS)
    assert maker(monday=MONDAY) == [("monday", 3.0)]
    assert not old.exists()
