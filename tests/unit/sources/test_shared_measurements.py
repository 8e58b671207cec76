"""Measurements that are shared: anonymous, signed, checked, and collected with what lies apart set aside."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.defs.accuracy.collecting import collected
from pipelines.defs.accuracy.tables import accuracy, error_rows, identified
from pipelines.sources.measurements.read import read_measurements
from pipelines.sources.measurements.recognition import SOURCE, measurements_of, recognise
from pipelines.sources.measurements.rows import Stated, UnknownMeasurements, frame_of, measured
from pipelines.sources.measurements.shared import NotShareable, key_of, sealed, with_names
from pipelines.sources.recognised import Unread
from profiling.answers.door import shipped_door
from warehouse.spreadsheets import to_csv


def rows(*rates: float, model: str = "Meta-Llama-3.1-8B", device: str = "NVIDIA GeForce RTX 4090") -> pl.DataFrame:
    made = (
        measured(
            "tokens_per_s", rate, "decode", device_as_reported=device, device_count=1, engine="llama.cpp",
            model_as_reported=model, weight_format="q4_k_m", batch=1, context_depth=128 + place, output_tokens=128,
            source="/home/anna/bench.json", note="run on anna-desktop",
        )
        for place, rate in enumerate(rates)
    )  # fmt: skip
    return with_names(frame_of(made, Stated()), shipped_door().devices)


def test_a_shared_file_says_what_was_measured_and_nothing_of_who(tmp_path: Path) -> None:
    text = sealed(rows(125.0, 126.0), key_of(tmp_path))
    assert "anna" not in text
    assert "/home" not in text
    file = tmp_path / "shared.json"
    file.write_text(text)
    read = read_measurements(file)
    assert read["device"].to_list() == ["RTX-4090"] * 2
    assert read["value"].to_list() == [125.0, 126.0]
    assert (tmp_path / "share.key").stat().st_mode & 0o077 == 0
    assert sealed(rows(125.0, 126.0), key_of(tmp_path)) == text  # one home, one key


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document["rows"][0].update(value=999.0), "signature"),
        (lambda document: document.update(signature=document["signature"][::-1]), "signature"),
        (lambda document: document.update(rows=[]), "signature"),
        (lambda document: document.update(rows="none"), "no rows"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, change: object, message: str) -> None:
    document = json.loads(sealed(rows(125.0), key_of(tmp_path)))
    assert callable(change)
    change(document)
    file = tmp_path / "shared.json"
    file.write_text(json.dumps(document))
    with pytest.raises(UnknownMeasurements, match=message):
        read_measurements(file)


def test_what_could_name_a_person_or_means_no_model_is_not_shared(tmp_path: Path) -> None:
    key = key_of(tmp_path)
    with pytest.raises(NotShareable, match="could name a person"):
        sealed(rows(1.0).with_columns(engine_version=pl.lit("/home/anna/llama.cpp")), key)
    with pytest.raises(NotShareable, match="the device and the model"):
        sealed(rows(1.0, model="nobody-knows-this"), key)


def test_a_folder_is_collected_with_outliers_and_changed_files_set_aside(tmp_path: Path) -> None:
    folder, key = tmp_path / "shared", key_of(tmp_path)
    (folder / "more").mkdir(parents=True)
    for name, rates in (("one", (120.0, 124.0, 126.0)), ("more/two", (122.0, 4.0)), ("more/fast", (900.0,))):
        (folder / f"{name}.json").write_text(sealed(rows(*rates), key))
    (folder / "again.json").write_text((folder / "one.json").read_text())
    (folder / "changed.json").write_text((folder / "one.json").read_text().replace("120.0", "130.0"))
    door = shipped_door()
    shared = collected(folder, door, door.devices)
    assert sorted(shared.rows["value"]) == [120.0, 122.0, 124.0, 126.0]
    outliers = dict(shared.outliers.select("value", "reason").iter_rows())
    assert "outside the predicted interval" in outliers[4.0]
    assert "faster than" in outliers[900.0]
    assert shared.refused["file"].to_list() == ["changed.json"]
    assert (shared.files, shared.duplicates) == (4, 3)


def test_what_was_collected_is_a_source_by_which_the_accuracy_tables_grow(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(sealed(rows(120.0, 124.0), key_of(tmp_path)))
    door = shipped_door()
    payload = to_csv(collected(tmp_path, door, door.devices).rows)
    known = recognise(Unread(payload, ".csv", "collected.csv", {}))
    assert known is not None
    assert known.source == SOURCE
    again = measurements_of(payload, "collected.csv")
    assert again is not None
    before, both = (identified(frame) for frame in (rows(110.0), pl.concat([rows(110.0), again])))
    counts = [
        error_rows(each, accuracy(each.drop("measurement_id"), door, door.devices))["predicted"].count()
        for each in (before, both)
    ]
    assert counts == [1, 3]
