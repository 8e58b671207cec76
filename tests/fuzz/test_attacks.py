"""Files that were made to hurt: each is read within its bounds or refused by an error of ours, none half kept."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pipelines.defs.arena.rate import rate
from pipelines.defs.frontier.front_of_file import UnusableTable, front_of_file
from pipelines.defs.sources.sensors import bundles
from pipelines.lib.resources import Home
from pipelines.sources import tables
from pipelines.sources.collect import collect
from pipelines.sources.inbox import new_bundles, new_files
from pipelines.sources.raw_store import BrokenManifest, RawStore
from pipelines.sources.recognition import UNRECOGNISED, recognise
from pipelines.sources.source_files import NothingFound
from pipelines.sources.tables import UnreadableFile, read_as_text
from pipelines.sources.votes.files import UnreadableVotes
from profiling.errors import ProfilingError
from profiling.foreign import NotJson, parse_json
from profiling.measure import bundle
from profiling.measure.export import write_table
from profiling.measure.plan import InvalidPlan, make_plan, read_grid
from profiling.models.sources import from_path
from tests.fuzz import seeds
from tests.fuzz.__main__ import REPOSITORY
from tests.leaderboards import load_snapshots
from warehouse.settings import Settings

GIB = 1 << 30


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "2023-05-23.csv").write_bytes(seeds.SCRAPE)
    return folder


def sparse(path: Path, size: int) -> Path:
    """A file of so many zeros that takes no room."""
    with path.open("wb") as stream:
        stream.truncate(size)
    return path


_READ_ZEROS = f"""
import pathlib, resource, sys
import duckdb, polars
from pipelines.defs.arena import rate
from pipelines.defs.frontier import front_of_file
from pipelines.sources import collect
from profiling.models import sources
from warehouse.settings import Settings

duckdb.sql("SELECT 1").fetchall(); polars.DataFrame({{"a": [1]}}).select(polars.col("a") + 1)
now = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + {2 * GIB},) * 2)
folder = pathlib.Path(sys.argv[1])
for name, read in (
    ("votes.csv", lambda path: rate.rate([path])),
    ("votes.json", lambda path: rate.rate([path])),
    ("table.csv", lambda path: front_of_file.front_of_file(path, ["a"], [])),
    ("config.json", sources.from_path),
    ("board.csv", lambda path: collect.collect([str(path)], Settings(home=folder / "home"))),
):
    try:
        read(folder / name)
    except ValueError as error:
        print(name, type(error).__name__, *str(error).split()[:12])
    except LookupError as error:
        print(name, type(error).__name__, *str(error).split()[:16])
"""


def test_ten_gigabytes_of_nothing_are_refused_within_the_memory(tmp_path: Path) -> None:
    for name in ("votes.csv", "votes.json", "table.csv", "config.json", "board.csv"):
        sparse(tmp_path / name, 10 * GIB)
    done = subprocess.run(
        [sys.executable, "-c", _READ_ZEROS, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"PYTHONPATH": REPOSITORY},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["votes.csv", "UnreadableVotes"],
        ["votes.json", "UnreadableVotes"],
        ["table.csv", "UnusableTable"],
        ["config.json", "UnreadableText"],
        ["board.csv", "NothingFound"],
    ], done.stderr[-2000:]
    assert all("10,737,418,240 bytes" in line for line in lines[2:])
    assert not (tmp_path / "home" / "raw" / "open_llm_leaderboard").exists()


def test_a_small_file_that_unpacks_beyond_its_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = tmp_path / "votes.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as stream:
        for _ in range(64):
            stream.write(bytes(1 << 20))
    with pytest.raises(UnreadableVotes):
        rate([bomb], threads=1)
    monkeypatch.setattr(bundle, "LARGEST_BYTES", 8 << 20)
    files = seeds.files_of_bundle()
    files["layers.jsonl.gz"] = gzip.compress(bytes(bundle.LARGEST_BYTES + 1), 1)
    with pytest.raises(bundle.UnusableBundle, match=r"layers\.jsonl\.gz unpacks to more than 8 MiB"):
        bundle.unpack(seeds.sealed(files))


def test_an_entry_of_an_archive_that_claims_more_than_there_is_is_refused() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        entry = tarfile.TarInfo("plan.json")
        entry.type, entry.size = tarfile.GNUTYPE_SPARSE, 0
        archive.addfile(entry)
    payload = bytearray(buffer.getvalue())
    payload[483:495] = b"100000000000"  # the real size of a sparse entry, in octal: 8 GiB
    payload[148:156] = b"%06o\0 " % sum(payload[:148] + b" " * 8 + payload[156:512])
    with pytest.raises(bundle.UnusableBundle, match="claims 8,589,934,592 bytes"):
        bundle.unpack(bytes(payload))


def test_parquet_that_promises_more_than_fits_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_CELLS", 1_000_000)
    frame = pl.select(pl.repeat(0, 400_000, dtype=pl.Int8).alias("a")).with_columns(b="a", c="a")
    payload = seeds.as_parquet(frame)
    assert len(payload) < 50_000
    with pytest.raises(UnreadableFile, match=r"has 3 columns and 400,000 rows; the most are"):
        read_as_text(payload, ".parquet", "bomb.parquet")
    monkeypatch.setattr(tables, "MOST_TEXT_BYTES", 64 << 20)
    long = pl.DataFrame({"a": ["x" * (1 << 20)]}).select(pl.col("a").repeat_by(65).explode())
    packed = seeds.as_parquet(long)
    assert len(packed) < 2 << 20
    with pytest.raises(UnreadableFile, match="bytes of text"):
        read_as_text(packed, ".parquet", "text.parquet")


def test_parquet_whose_footer_lies_is_refused() -> None:
    sound = seeds.as_parquet(pl.DataFrame({"a": list(range(100)), "b": ["x"] * 100}))
    refused = 0
    for place in range(len(sound) - 8 - int.from_bytes(sound[-8:-4], "little"), len(sound)):
        lying = bytearray(sound)
        lying[place] ^= 0x7F
        try:
            read_as_text(bytes(lying), ".parquet", "lying.parquet")
        except UnreadableFile:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_json_nested_beyond_all_use_is_refused(tmp_path: Path, depth: int) -> None:
    for deep in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(NotJson):
            parse_json(deep)
        for name in ("config.json", "grid.json", "grid.yaml", "votes.json", "t.json", "t.ndjson"):
            (tmp_path / name).write_text(deep)
        with pytest.raises(ProfilingError):
            from_path(tmp_path / "config.json")
        with pytest.raises(ProfilingError):
            read_grid(tmp_path / "grid.json")
        with pytest.raises(UnreadableVotes):
            rate([tmp_path / "votes.json"])
        for name in ("t.json", "t.ndjson"):
            with pytest.raises(UnusableTable):
                front_of_file(tmp_path / name, ["a"], [])
        with pytest.raises(UNRECOGNISED):
            recognise(deep.encode(), ".json", "results_2024-01-01.json")


def test_what_json_does_not_have_is_null_and_what_no_text_can_hold_is_replaced() -> None:
    document = (
        b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1%b, "e": "\\ud800x", "\\udfff": 1, "f": "\\ud83d\\ude00"}'
        % (b"0" * 30)
    )
    assert parse_json(document) == {"a": None, "b": None, "c": None, "d": 1e30, "e": "�x", "�": 1, "f": "😀"}
    assert parse_json("9" * 5_000) is None
    assert parse_json(str(2**63 - 1)) == 2**63 - 1
    for no_text in (b'"\xed\xa0\x80"', b"\xff\xfe{}", b""):
        with pytest.raises(NotJson):
            parse_json(no_text)


@pytest.mark.parametrize("header", ["a,b," * 500_000, '"' + "x" * 200_000, "\x00" * 1000, "a\nb"])
def test_headers_without_end_are_refused_at_once(header: str, tmp_path: Path) -> None:
    with pytest.raises(UNRECOGNISED):
        recognise(f"{header}\n1,2\n".encode(), ".csv", "2024-01-01.csv")
    (tmp_path / "t.csv").write_text(f"{header}\n1,2\n")
    with pytest.raises(UnusableTable):
        front_of_file(tmp_path / "t.csv", ["size"], [])


def test_a_column_that_is_there_twice_is_named() -> None:
    text = seeds.SCRAPE.decode().splitlines()
    doubled = "\n".join(f"{line},{line.split(',')[1]}" for line in text)
    with pytest.raises(UNRECOGNISED, match="names 'Average' more than once"):
        recognise(doubled.encode(), ".csv", "2023-05-23.csv")


def test_what_is_no_file_of_ours_in_a_folder_is_passed_over_and_the_rest_is_read(
    inbox: Path, home: Settings, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("user,password\nroot,hunter2\n")
    (inbox / "linked.csv").symlink_to(secret)
    (inbox / "device.csv").symlink_to("/dev/zero")
    (inbox / "lost.csv").symlink_to(inbox / "nowhere.csv")
    (inbox / "circle.csv").symlink_to("circle.csv")
    (inbox / "folder.csv").mkdir()
    (inbox / "elsewhere").symlink_to(tmp_path)
    (inbox / "measured.bundle").symlink_to(next(seeds.MEASURED.glob("*.bundle")))
    os.mkfifo(inbox / "pipe.csv")
    (inbox / "2023-05-23-again.csv").symlink_to(inbox / "2023-05-23.csv")
    (inbox / os.fsdecode(b"\xff-2023-05-26.csv")).write_bytes(seeds.SCRAPE.replace(b"50", b"51"))
    collection = collect([str(inbox)], home)
    reasons = dict(collection.set_aside)
    assert set(reasons) == {"linked.csv", "device.csv", "lost.csv", "circle.csv", "pipe.csv", "measured.bundle"}
    assert "link that leads outside the folder" in reasons["linked.csv"]
    assert "link that leads outside the folder" in reasons["measured.bundle"]
    assert reasons["pipe.csv"] == "pipe.csv is no ordinary file"
    assert {stored.manifest.uri for stored in collection.new} == {"2023-05-23-again.csv", r"\xff-2023-05-26.csv"}
    assert collection.known == 1  # what the link within the folder leads to
    assert not any(b"hunter2" in path.read_bytes() for path in home.raw.rglob("*") if path.is_file())
    with pytest.raises(NothingFound, match="no ordinary file"):
        collect([str(inbox / "pipe.csv")], home)


ODD_NAMES = {
    b"\xff 2023-06-01.csv": r"\xff 2023-06-01.csv",
    b"\xfe 2023-06-01.csv": r"\xfe 2023-06-01.csv",
    b"line\nbreak 2023-06-01.csv": r"line\nbreak 2023-06-01.csv",
    b"\x1b[2Jsteers 2023-06-01.csv": r"\x1b[2Jsteers 2023-06-01.csv",
    "\u202evsc.gnp 2023-06-01.csv".encode(): r"\u202evsc.gnp 2023-06-01.csv",
    "e\u0301 2023-06-01.csv".encode(): "e\u0301 2023-06-01.csv",
    "\u00e9 2023-06-01.csv".encode(): "\u00e9 2023-06-01.csv",
    b"[red] 2023-06-01.csv": "[red] 2023-06-01.csv",
    b"*?'\" 2023-06-01.csv": "*?'\" 2023-06-01.csv",
    b"CLASH 2023-06-01.csv": "CLASH 2023-06-01.csv",
    b"clash 2023-06-01.CSV": "clash 2023-06-01.CSV",
    b"x" * 240 + b" 2023-06-01.csv"[-15:]: "x" * 240 + " 2023-06-01.csv",
}


def test_every_name_that_a_file_can_have_is_read_once_and_is_told_from_every_other(home: Settings) -> None:
    home.inbox.mkdir(parents=True)
    for number, name in enumerate(ODD_NAMES):
        path = home.inbox / os.fsdecode(name)
        path.write_bytes(seeds.SCRAPE.replace(b"50", b"%d" % (51 + number)))
        os.utime(path, (1e9, 1e9))
    lines: list[str] = []
    assert len(new_files(home)) == len(ODD_NAMES)
    collection = collect([str(home.inbox)], home, lines.append)
    assert {stored.manifest.uri for stored in collection.new} == set(ODD_NAMES.values())
    assert all(line.isprintable() for line in lines)
    assert new_files(home) == []
    assert collect([str(home.inbox)], home).known == len(ODD_NAMES)
    accounts = load_snapshots(RawStore(home.raw)).snapshots
    assert set(accounts["uri"]) == set(ODD_NAMES.values())


def test_bundles_of_any_name_keep_no_other_from_being_loaded(home: Settings) -> None:
    names = [b"mine.bundle", b"a...b.bundle", b"line\nbreak.bundle", b"\xff.bundle", "\u00e9.bundle".encode()]
    for name in names:
        folder = Path(shutil.copytree(next(seeds.MEASURED.glob("*.bundle")), home.inbox / os.fsdecode(name)))
        for path in folder.rglob("*"):
            os.utime(path, (1e9, 1e9))
    arrived, waiting = new_bundles(home)
    assert (len(arrived), waiting) == (len(names), [])
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        tick = bundles(context, home=Home(folder=str(home.home)))
        assert isinstance(tick, dg.SensorResult)
        assert {request.partition_key for request in tick.run_requests or []} == {"mine.bundle", "\u00e9.bundle"}
        for added in tick.dynamic_partitions_requests or []:
            instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
    # Whoever reads the folder itself takes them all.
    collection = collect([str(home.inbox)], home)
    assert (len(collection.new), collection.known) == (1, len(names) - 1)
    assert new_bundles(home) == ([], [])


def test_names_lead_nowhere_but_into_the_store(home: Settings, tmp_path: Path) -> None:
    kernels = seeds.kernels()["h200_sxm/gemm_perf.parquet"]
    for uri in ("../gemm_perf.parquet", "../../etc/gemm_perf.parquet", "/gemm_perf.parquet", "..\\..\\gemm.parquet"):
        assert recognise(kernels, ".parquet", uri).subject in {"h200", "etc"}
    files = seeds.files_of_bundle() | {"../../escaped.json": b"{}", "/etc/escaped.json": b"{}"}
    payload = seeds.sealed(files, {"schema": 1, "run_id": "../../../escaped", "environment_id": "x"})
    assert recognise(payload, ".tar", "one.bundle").subject == "../../../escaped"
    before = {path for path in tmp_path.rglob("*") if "escaped" in path.name}
    folder = tmp_path / "one.bundle"
    folder.mkdir()
    (folder / ("n" * 250)).write_text("x")
    (folder / "_COMPLETE").write_text("x")
    with pytest.raises(NothingFound):
        collect([str(folder)], home)
    assert {path for path in tmp_path.rglob("*") if "escaped" in path.name} == before == set()


def test_a_name_with_brackets_is_that_file_and_no_other(tmp_path: Path) -> None:
    for name, model in (("v[1].csv", "wanted"), ("v1.csv", "other")):
        lines = "\n".join([f"{model},second,model_a", f"second,{model},model_a"] * 3)
        (tmp_path / name).write_text(f"model_a,model_b,winner\n{lines}\n")
        (tmp_path / name).with_suffix(".t.csv").write_text(f"name,size\n{model},1\n")
    assert "wanted" in rate([tmp_path / "v[1].csv"]).ratings["model"].to_list()
    assert front_of_file(tmp_path / "v[1].t.csv", ["size"], [])[0]["name"].item() == "wanted"


def test_yaml_that_unfolds_without_end_is_refused(tmp_path: Path) -> None:
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for name, text in (
        ("laughs.yaml", laughs),
        ("circle.yaml", "models: &m [*m]\n"),
        ("day.yaml", "name: 2024-01-02\n"),
        ("run.yaml", "name: !!python/object/apply:os.system ['true']\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InvalidPlan):
            read_grid(tmp_path / name)
    with pytest.raises(InvalidPlan, match="the most is 100,000"):
        make_plan(
            {"models": ["EleutherAI/pythia-70m"], "batches": list(range(1, 1001)), "contexts": list(range(1, 1001))}
        )


def test_a_config_of_a_billion_layers_is_no_model(tmp_path: Path) -> None:
    config = json.loads(seeds.configs()["llama/config.json"])
    for field, value in (("num_hidden_layers", 10**9), ("hidden_size", 10**30), ("num_attention_heads", -1)):
        (tmp_path / "config.json").write_text(json.dumps(config | {field: value}))
        with pytest.raises(ProfilingError, match=field):
            from_path(tmp_path / "config.json")


@pytest.mark.parametrize("spoil", [lambda text: text[: len(text) // 2], lambda _: "", lambda _: "[]", lambda _: "{}"])
def test_a_manifest_that_a_disk_lost_is_named(inbox: Path, home: Settings, spoil: Callable[[str], str]) -> None:
    collect([str(inbox)], home)
    manifest = next(home.raw.rglob("*.manifest"))
    manifest.write_text(spoil(manifest.read_text()))
    store = RawStore(home.raw)
    assert [file.path for file in store.broken()] == [manifest]
    with pytest.raises(BrokenManifest, match="restore it from a backup"):
        store.snapshots("open_llm_leaderboard")


def test_csv_of_measurements_runs_nothing_in_a_spreadsheet() -> None:
    files = seeds.files_of_bundle()
    rows = [
        json.loads(line) | {"model": "=cmd()", "@x": 1, "latency_s": -1.5}
        for line in files["points.jsonl"].splitlines()
    ]
    files["points.jsonl"] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    out = io.StringIO()
    write_table([bundle.unpack(seeds.sealed(files))], "points", "csv", out)
    assert "'=cmd()" in out.getvalue()
    assert ",=cmd()" not in out.getvalue()
    assert "'@x" in out.getvalue().splitlines()[0]
    assert ",-1.5," in out.getvalue()


def test_all_csv_that_is_handed_out_is_disarmed() -> None:
    """Whoever writes CSV goes through one of the two places that disarm it."""
    writers = {
        path.relative_to(REPOSITORY).as_posix()
        for room in ("api", "dashboards", "pipelines", "profiling", "warehouse")
        for path in Path(REPOSITORY, room).rglob("*.py")
        if "write_csv(" in path.read_text("utf-8") or "csv.writer(" in path.read_text("utf-8")
    }
    # These write into memory or the raw store, to read it again.
    ours = {f"pipelines/sources/{name}.py" for name in ("tables", "boards/own_form", "catalogue/read")}
    assert writers - ours == {"warehouse/spreadsheets.py", "profiling/measure/export.py"}
