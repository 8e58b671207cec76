"""A bundle is whole or it is not read: torn lines, full disks, wrong digests, files too many."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import profiling
from profiling.measure import bundle
from profiling.measure.bundle import NotWritten, UnusableBundle, append, mend, read_rows
from profiling.measure.recorded import point, served_environment, write_bundle


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    folder = tmp_path / "one.bundle"
    rows = [point({"model": "m", "batch": size, "context": 8}, {"latency_s": 0.5 * size}) for size in (1, 2)]
    write_bundle(folder, "test", served_environment({"endpoint": "none"}), rows)
    return folder


def test_what_was_written_is_read_and_the_archive_holds_the_same(whole: Path) -> None:
    content = bundle.verify(whole)
    assert [row["latency_s"] for row in content.final_points()] == [0.5, 1.0]
    assert bundle.unpack(bundle.pack(whole)) == content
    before = bundle.pack(whole)
    bundle.seal(whole)
    assert bundle.pack(whole) == before


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "_COMPLETE").unlink(), "still being copied"),
        (lambda f: (f / "points.jsonl").unlink(), r"points\.jsonl is missing"),
        (lambda f: (f / "points.jsonl").write_bytes((f / "points.jsonl").read_bytes()[:-9]), "SHA-256 differs"),
        (lambda f: (f / "plan.json").write_text("{}"), r"plan\.json is not what was sealed"),
        (lambda f: (f / "manifest.json").write_text("{}"), "not the one that _COMPLETE"),
        (lambda f: (f / "extra.txt").write_text("x"), "added after sealing"),
        (lambda f: (f / "link").symlink_to("/etc/hostname"), "is a link"),
    ],
)
def test_a_bundle_that_is_not_what_was_sealed_is_refused_with_the_reason(
    whole: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(whole)
    with pytest.raises(UnusableBundle, match=words):
        bundle.verify(whole)


def test_every_prefix_of_a_copied_bundle_is_refused_until_the_last_file_is_there(whole: Path, tmp_path: Path) -> None:
    names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    copy = tmp_path / "copy.bundle"
    copy.mkdir()
    for name in names:
        with pytest.raises(UnusableBundle):
            bundle.verify(copy)
        shutil.copy(whole / name, copy / name)
    assert bundle.verify(copy)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_torn_last_line_is_dropped_and_the_rows_before_it_stay(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, {"row": 1})
    append(path, {"row": 2})
    path.write_bytes(path.read_bytes()[:-cut] if cut < 11 else path.read_bytes() + b'{"row"')
    assert mend(path) is (cut != 10)
    append(path, {"row": 3})
    assert read_rows(path)[0] == {"row": 1}
    assert read_rows(path)[-1] == {"row": 3}


def test_a_full_disk_leaves_the_file_as_it_was_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, {"row": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, before[1]))
    try:
        with pytest.raises(NotWritten, match="run the same command again"):
            append(path, {"row": 2, "long": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_rows(path) == [{"row": 1}]
    append(path, {"row": 2})
    assert read_rows(path) == [{"row": 1}, {"row": 2}]
    with pytest.raises(NotWritten, match="No space left"):
        append(Path("/dev/full"), {"row": 1})


def test_unknown_is_never_written_as_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        append(tmp_path / "rows.jsonl", {"time_s": float("nan")})


def test_the_last_attempt_counts_and_layers_of_lost_attempts_do_not(whole: Path) -> None:
    bundle.unseal(whole)
    first = read_rows(whole / "points.jsonl")[0]
    for layer in ({"attempt": 1, "path": "a"}, {"attempt": 2, "path": "a"}, {"attempt": 2, "path": "a"}):
        append(whole / "layers.jsonl", {"point_id": first["point_id"], **layer})
    append(whole / "points.jsonl", {**first, "attempt": 2, "latency_s": 9.0})
    bundle.seal(whole)
    content = bundle.verify(whole)
    assert [row["latency_s"] for row in content.final_points()] == [9.0, 1.0]
    assert [(row["attempt"], row["path"]) for row in content.final_layers()] == [(2, "a")]
    assert json.loads((whole / "manifest.json").read_text())["files"].keys() >= {"layers.jsonl.gz"}


def test_every_module_of_the_shipped_measurement_has_its_memory_and_the_model_that_of_its_point() -> None:
    shipped = Path(profiling.__file__).parent / "reference" / "measured" / "xeon-2.5ghz-one-thread.bundle"
    content = bundle.verify(shipped)
    layers = content.final_layers()
    assert len(layers) == 4987
    assert all(layer["peak_bytes"] >= layer["allocated_bytes"] >= 0 for layer in layers)
    whole = {layer["point_id"]: layer["peak_bytes"] for layer in layers if layer["path"] == "model"}
    # Measured on another machine, and equal to the byte: what a module holds follows from its shapes.
    assert whole == {point["point_id"]: point["activation_peak_bytes"] for point in content.final_points()}
