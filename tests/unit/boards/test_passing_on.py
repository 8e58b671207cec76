"""What is passed on: only what licences let, in a form that others read; what ships is what sources published."""

import json
from importlib import resources
from pathlib import Path

import jsonschema_rs
import polars as pl
import pytest

from pipelines.defs.accuracy.tables import not_fetched
from pipelines.defs.boards.tables import Boards, read_boards
from pipelines.sources.boards.bundle import SHIPPED, SHIPPED_FACTS, SHIPPED_MEASUREMENTS, shipped
from pipelines.sources.boards.declaration import USER_FOLDER
from pipelines.sources.boards.every_eval_ever_records import records
from pipelines.sources.collect import collect
from pipelines.sources.measurements.recognition import measurements_of
from warehouse.settings import Settings

FOLDER = resources.files("warehouse").joinpath("reference", "boards")


def test_what_ships_is_licensed_row_by_row_and_small() -> None:
    files = [file for file in FOLDER.iterdir() if file.name.endswith(".csv")]
    assert len(files) == len(SHIPPED) + len(SHIPPED_FACTS)
    for file in files:
        rows = pl.read_csv(file.read_bytes(), infer_schema=False)
        assert rows["licence"].null_count() == 0
        assert rows["may_bundle"].unique().to_list() == ["true"]
        assert len(file.read_bytes()) < 1 << 20


def test_measurements_that_ship_are_licensed_row_by_row_and_give_way_to_what_is_fetched() -> None:
    (file,) = resources.files("warehouse").joinpath("reference", "measurements").iterdir()
    shipped_rows = measurements_of(file.read_bytes(), f"bundled/{file.name}")
    assert shipped_rows is not None
    assert len(file.read_bytes()) < 1 << 20
    assert set(shipped_rows["source"]) == set(SHIPPED_MEASUREMENTS)
    assert set(shipped_rows["licence"]) == {"MIT", "Apache-2.0"}
    assert shipped_rows["evidence"].str.contains(r"^https://github\.com/[\w./-]+/blob/[0-9a-f]{40}/").all()
    left = not_fetched(shipped_rows, pl.DataFrame({"source": ["llmfit"]}))
    assert set(left["source"]) == set(SHIPPED_MEASUREMENTS) - {"llmfit"}


@pytest.mark.data
def test_what_ships_is_what_the_sources_published(boards: Boards) -> None:
    assert {name: FOLDER.joinpath(name).read_bytes() for name in shipped(boards.results, boards.facts)} == shipped(
        boards.results, boards.facts
    )


def test_without_a_network_a_home_knows_models_of_this_year(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": str(tmp_path)})
    collected = collect(["bundled"], settings)
    assert {s.manifest.subject for s in collected.new} >= {"epoch", "epoch_eci", "teci", "lmarena", "bfcl", "vectara"}
    boards = read_boards(tmp_path)
    assert boards.rejected.filter(pl.col("uri").str.contains("boards")).is_empty()
    known = set(boards.results["model_id"].drop_nulls())
    assert known >= {"Qwen/Qwen3.6-27B", "google/gemma-4-31B-it", "moonshotai/Kimi-K3", "zai-org/GLM-5"}
    released = boards.facts.filter(pl.col("is_open_weights"), pl.col("release_date").dt.year() == 2026)
    assert released.height > 30


@pytest.mark.data
def test_the_real_file_of_a_day_counts_before_what_ships_of_it(board_files: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": str(tmp_path)})
    collect(["bundled", str(board_files / "bfcl")], settings)
    boards = read_boards(tmp_path)
    rows = boards.results.filter(pl.col("source") == "bfcl", pl.col("benchmark_version") == "v4")
    overall = rows.filter(pl.col("benchmark") == "BFCL", pl.col("snapshot_date").cast(pl.String) == "2025-12-16")
    assert overall.height == 109
    real = boards.snapshots.filter(pl.col("layout") == "overall_v4")["snapshot_id"]
    assert overall["snapshot_id"].is_in(real.implode()).all()


@pytest.mark.data
@pytest.mark.slow
def test_records_of_every_eval_ever_keep_its_schema_and_come_back_as_they_went(
    board_files: Path, boards: Boards, tmp_path: Path
) -> None:
    schema = json.loads((board_files / "every_eval_ever" / "2026-08-13_eval.schema.json").read_bytes())
    checked = jsonschema_rs.Draft7Validator(schema)
    chosen = boards.results.filter(pl.col("source").is_in(["bfcl", "tau2", "epoch_eci", "aider"]), "is_newest")
    inbox = tmp_path / "records"
    count = 0
    for path, record in records(chosen):
        assert [error.message for error in checked.iter_errors(record)] == []
        target = inbox / path
        assert not target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(record), encoding="utf-8")
        count += len(record["evaluation_results"])
    assert count == chosen.height
    home = tmp_path / "home"
    collect([str(inbox / "data" / "tau2")], Settings.model_validate({"home": str(home)}))
    back = read_boards(home).results
    sent = chosen.filter(pl.col("source") == "tau2")
    columns = [
        "score",
        "unit",
        "higher_is_better",
        "mode",
        "effort",
        "scaffold",
        "n_items",
        "category",
        "reporter",
        "metric",
    ]
    versioned = [*columns, "benchmark_version"]
    assert sorted(back.select(versioned).rows(), key=str) == sorted(sent.select(versioned).rows(), key=str)


@pytest.mark.data
def test_a_user_declares_a_board_and_sees_it_among_the_rest(board_files: Path, tmp_path: Path) -> None:
    (tmp_path / USER_FOLDER).mkdir()
    (tmp_path / USER_FOLDER / "ours.toml").write_text(
        'name = "ours"\ntitle = "Ours"\nhomepage = "https://example.org"\n[[file]]\nname = "r"\nform = "csv"\n'
        'recognised_by = ["who", "passed"]\nname_in_source = "{who}"\n'
        '[[file.scores]]\ncolumns = "passed"\nbenchmark = "Our tickets"\ncategory = "agents"\nunit = "percent"\n',
        encoding="utf-8",
    )
    inbox = tmp_path / "files"
    inbox.mkdir()
    (inbox / "2026-11-20_ours.csv").write_text("who,passed,seen\nQwen3-32B,71%,5\nQwen/Qwen3.6-27B,88%,9\n", "utf-8")
    (inbox / "README.md").write_text("# no board\n", "utf-8")
    settings = Settings.model_validate({"home": str(tmp_path)})
    collected = collect([str(inbox), str(board_files / "vectara")], settings)
    assert collected.set_aside == []
    boards = read_boards(tmp_path)
    ours = boards.results.filter(pl.col("source") == "ours")
    assert ours.select("model_id", "score", "snapshot_date").rows() == [
        ("Qwen/Qwen3.6-27B", 88.0, ours["snapshot_date"][0]), ("Qwen/Qwen3-32B", 71.0, ours["snapshot_date"][0]),
    ]  # fmt: skip
    assert not ours["may_bundle"].any()
    reasons = boards.rejected.filter(pl.col("uri").str.contains("ours"))["reason"].to_list()
    assert reasons == ["columns not read: seen"]
    row = boards.sources.filter(pl.col("source") == "ours").row(0, named=True)
    assert (row["declared_by"], row["results"], row["names"], row["mapped_names"]) == ("user", 2, 2, 2)
