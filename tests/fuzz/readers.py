"""Every reader of foreign files: what it begins from, how it is asked, and which errors are its own."""

import contextlib
import datetime as dt
import gzip
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analytics.ratings.comparisons import UnusableComparisons
from pipelines.defs.arena.rate import rate
from pipelines.defs.arena.tables import rate_vote_files
from pipelines.defs.frontier.front_of_file import UnusableTable, front_of_file
from pipelines.defs.profiles.tables import predictions_of
from pipelines.sources.arena.recognition import BOARDS, RELEASE_DATES, VOTES
from pipelines.sources.arena.store import load_boards, vote_account, vote_sets
from pipelines.sources.kernels.read import load_kernels
from pipelines.sources.kernels.recognition import KERNELS
from pipelines.sources.leaderboards.read import load_published_fronts
from pipelines.sources.leaderboards.recognition import LEADERBOARD, PUBLISHED_FRONT, RAW_RESULTS
from pipelines.sources.measurements.read import read_measurements
from pipelines.sources.measurements.rows import UnknownMeasurements
from pipelines.sources.profiles import read as stored_bundles
from pipelines.sources.profiles.recognition import SOURCE as PROFILE_BUNDLES
from pipelines.sources.raw_store import Manifest, RawSnapshot, RawStore, digest
from pipelines.sources.recognition import UNRECOGNISED, recognise
from pipelines.sources.suffixes import SUFFIXES
from pipelines.sources.votes.files import UnreadableVotes
from pipelines.sources.votes.filters import FilterUnavailable
from pipelines.sources.votes.read import Votes
from profiling.errors import ProfilingError
from profiling.measure.importers import import_file
from profiling.measure.plan import load_plan, make_plan, read_grid
from profiling.models.sources import from_path
from profiling.roofline.operators import operators
from profiling.roofline.workload import Workload
from tests.fuzz import seeds
from tests.fuzz.mutations import break_document, mutated
from tests.leaderboards import load_snapshots
from warehouse.contracts import Table, arena, leaderboards, performance, profiles
from warehouse.contracts.violations import violations

ROWS, REJECTED = "rows", "rejected"


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        seeds: Sound files.
        read: Reads a file below a folder; says whether it gave rows, or only rejected ones.
        refusals: Errors of its own.
        spoil: Breaks a file, with chance.
    """

    seeds: Callable[[], seeds.Seeds]
    read: Callable[[bytes, str, Path], str]
    refusals: tuple[type[Exception], ...]
    spoil: Callable[[bytes, str, list[bytes], random.Random], bytes] = mutated


class BrokenContract(AssertionError):
    """Rows left a reader that their table does not allow; a check would stop the whole refresh."""


def hold(table: Table, frame: pl.DataFrame) -> bool:
    """Whether there are rows.

    Raises:
        BrokenContract: they break the contract.
    """
    conforming = table.conform(frame)
    if conforming.is_empty():
        return False
    if broken := violations(table, conforming):
        raise BrokenContract(f"{table.relation}: {broken}")
    return True


class OneFile(RawStore):
    """A store of one file, as collecting leaves it."""

    def __init__(self, stored: RawSnapshot) -> None:
        super().__init__(stored.path.parent)
        self._stored = stored

    def snapshots(self, source: str) -> list[RawSnapshot]:
        """The file, if it is of that source."""
        return [self._stored] if self._stored.manifest.source == source else []


def ingest(payload: bytes, uri: str, folder: Path) -> str:
    """As a refresh does: tell what it is, store it, read it back, and hold every table to its contract."""
    suffix = Path(uri).suffix
    what = recognise(payload, suffix, uri)
    path = folder / f"stored{suffix}"
    path.write_bytes(payload)
    manifest = Manifest(
        what.source, what.layout, what.subject, what.as_of, uri, None, what.licence, dt.datetime.now(dt.UTC)
    )
    json.dumps(manifest.__dict__, default=str, ensure_ascii=False).encode()
    store = OneFile(RawSnapshot(path, digest(payload), manifest))
    return ROWS if _LOADERS[what.source](store) else REJECTED


def _leaderboards(store: RawStore) -> bool:
    loaded = load_snapshots(store)
    hold(leaderboards.SNAPSHOTS, loaded.snapshots)
    hold(leaderboards.BENCHMARK_SCORES, loaded.scores)
    hold(leaderboards.EVALUATION_RUNS, loaded.runs)
    rejected = hold(leaderboards.REJECTED_ROWS, loaded.rejected)
    rows = hold(leaderboards.REPORTED_ENTRIES, loaded.entries)
    _accounted(loaded.snapshots, rejected=rejected)
    return rows


def _accounted(snapshots: pl.DataFrame, *, rejected: bool) -> None:
    for row in snapshots.iter_rows(named=True):
        if row["rows_read"] != row["rows_loaded"] + row["rows_rejected"]:
            raise BrokenContract(
                f"{row['rows_read']} rows were read, {row['rows_loaded']} loaded and {row['rows_rejected']} rejected"
            )
        if row["rows_rejected"] and not rejected:
            raise BrokenContract("rows were rejected without a reason")


def _boards(store: RawStore) -> bool:
    loaded = load_boards(store)
    hold(arena.SNAPSHOTS, loaded.snapshots)
    rejected = hold(arena.REJECTED_ROWS, loaded.rejected)
    _accounted(loaded.snapshots, rejected=rejected)
    hold(arena.RELEASE_EVIDENCE, loaded.evidence)
    return hold(arena.ARENA_BOARD, loaded.board)


def _votes(store: RawStore) -> bool:
    is_known = False
    for votes in vote_sets(store)[0]:
        with contextlib.suppress(UnreadableVotes), Votes([votes.stored.path], threads=1) as read:
            tally = read.tally()
            snapshot, rejected = vote_account(votes.stored, tally.votes_read, tally.rejected)
            hold(arena.VOTE_SNAPSHOTS, snapshot)
            hold(arena.VOTE_REJECTED_ROWS, rejected)
            _accounted(snapshot, rejected=not rejected.is_empty())
            is_known |= bool(tally.votes_counted)
            # Ratings in every category take seconds: of one file in sixty-four.
            if int(votes.stored.sha256[:2], 16) < 4:
                rated = rate_vote_files([votes.stored.path], votes.votes_id, threads=1)
                for table, rows in rated.tables.items():
                    hold(table, rows)
    return is_known


def _kernels(store: RawStore) -> bool:
    loaded = load_kernels(store)
    for table, frames in (
        (performance.SNAPSHOTS, loaded.snapshots),
        (performance.REJECTED_ROWS, loaded.rejected),
        (performance.KERNEL_MEASUREMENTS, loaded.measurements),
    ):
        hold(table, table.concat(frames))
    _accounted(
        performance.SNAPSHOTS.concat(loaded.snapshots), rejected=any(not frame.is_empty() for frame in loaded.rejected)
    )
    return bool(loaded.measured)


def _bundles(store: RawStore) -> bool:
    stored = stored_bundles.load_bundles(store)
    hold(profiles.SNAPSHOTS, stored_bundles.snapshots(stored))
    hold(profiles.ENVIRONMENTS, stored_bundles.environments(stored))
    hold(profiles.CEILINGS, stored_bundles.ceilings(stored))
    hold(profiles.LAYERS, stored_bundles.layers(stored))
    hold(profiles.TELEMETRY, stored_bundles.telemetry(stored))
    return hold(profiles.POINTS, stored_bundles.points(stored, predictions_of(stored)))


_LOADERS: Mapping[str, Callable[[RawStore], bool]] = {
    LEADERBOARD: _leaderboards,
    RAW_RESULTS: _leaderboards,
    PUBLISHED_FRONT: lambda store: hold(leaderboards.PUBLISHED_FRONTS, load_published_fronts(store)),
    BOARDS: _boards,
    RELEASE_DATES: _boards,
    VOTES: _votes,
    KERNELS: _kernels,
    PROFILE_BUNDLES: _bundles,
}


def _spoil_bundle(payload: bytes, name: str, others: list[bytes], chance: random.Random) -> bytes:
    """Bytes of the archive, or a file within it and seals that fit again."""
    if chance.random() < 0.3:
        return mutated(payload, name, others, chance)
    files = seeds.files_of_bundle()
    manifest = {"schema": 1, "run_id": "run", "environment_id": "here"}
    if chance.random() < 0.1:
        manifest = break_document(manifest, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        inner = chance.choice([each for each in files if not each.startswith("logs/")])
        plain = gzip.decompress(files[inner]) if inner.endswith(".gz") else files[inner]
        broken = mutated(plain, inner.removesuffix(".gz"), [plain], chance)
        files[inner] = gzip.compress(broken, mtime=0) if inner.endswith(".gz") else broken
    return seeds.sealed(files, manifest)


def _named(payload: bytes, name: str, folder: Path) -> Path:
    path = folder / Path(name).name
    path.write_bytes(payload)
    return path


def _read_votes(payload: bytes, name: str, folder: Path) -> str:
    path = _named(payload, name, folder)
    with Votes([path], threads=1) as votes:
        tally = votes.tally()
        models = tally.comparisons.models
        if sum(len(battles.outcome) for battles in votes.battles(models)) != tally.votes_counted:
            raise BrokenContract("in order there are other votes than in the tally")
        with contextlib.suppress(FilterUnavailable):
            votes.windows()
        with contextlib.suppress(FilterUnavailable):
            votes.styled(models)
    if len(payload) % 64 == 0:
        rate([path], threads=1)
    return ROWS if tally.votes_counted else REJECTED


def _front(payload: bytes, name: str, folder: Path) -> str:
    rows, _ = front_of_file(_named(payload, name, folder), ["size"], ["score"])
    return ROWS if rows.height else REJECTED


def _config(payload: bytes, name: str, folder: Path) -> str:
    architecture = from_path(_named(payload, name, folder))
    stage = "encode" if architecture.kind == "encoder" else "decode"
    return ROWS if operators(architecture, Workload(stage=stage, batch=1, context=16)) else REJECTED


def _grid(payload: bytes, name: str, folder: Path) -> str:
    plan = make_plan(read_grid(_named(payload, name, folder)))
    path = folder / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    return ROWS if load_plan(path)["points"] else REJECTED


def _imported(payload: bytes, name: str, folder: Path) -> str:
    out = folder / "out.bundle"
    shutil.rmtree(out, ignore_errors=True)
    return ROWS if import_file(name.partition(".")[0], _named(payload, name, folder), out) else REJECTED


def _results() -> seeds.Seeds:
    from tests.unit.profiling.measure import test_other_sources as sample  # noqa: PLC0415

    samples = {"vllm.json": sample.VLLM, "aiperf.json": sample.AIPERF, "optimum.json": sample.OPTIMUM}
    return {name: json.dumps(each).encode() for name, each in samples.items()} | {
        "aiperf.jsonl": "\n".join([json.dumps(sample.RECORD)] * 3).encode()
    }


def _measured(payload: bytes, name: str, folder: Path) -> str:
    return ROWS if read_measurements(_named(payload, name, folder)).height else REJECTED


def _whole_passes() -> seeds.Seeds:
    from tests.unit.sources import test_llama_bench, test_measurements  # noqa: PLC0415

    documents = {
        "vllm.json": test_measurements.VLLM,
        "sglang.jsonl": test_measurements.SGLANG_AT_A_RATE,
        "llama-bench.json": [test_llama_bench.LLAMA_BENCH],
    }
    printed = {
        "llama-bench.md": test_llama_bench.MARKDOWN,
        "ollama.txt": test_measurements.OLLAMA,
        "mlperf.txt": test_measurements.MLPERF,
    }
    return {name: json.dumps(each).encode() for name, each in documents.items()} | {
        name: text.encode() for name, text in printed.items()
    }


def _stored_votes() -> seeds.Seeds:
    return {name: payload for name, payload in seeds.votes().items() if Path(name).suffix in SUFFIXES}


READERS: Mapping[str, Reader] = {
    "leaderboards": Reader(seeds.leaderboards, ingest, UNRECOGNISED),
    "raw results": Reader(seeds.raw_results, ingest, UNRECOGNISED),
    "arena boards": Reader(seeds.boards, ingest, UNRECOGNISED),
    "stored votes": Reader(_stored_votes, ingest, UNRECOGNISED),
    "kernel tables": Reader(seeds.kernels, ingest, UNRECOGNISED),
    "profile bundles": Reader(seeds.bundles, ingest, UNRECOGNISED, _spoil_bundle),
    "votes to rate": Reader(seeds.votes, _read_votes, (UnreadableVotes, FilterUnavailable, UnusableComparisons)),
    "tables for a front": Reader(seeds.tables, _front, (UnusableTable,)),
    "model descriptions": Reader(seeds.configs, _config, (ProfilingError,)),
    "sweep grids": Reader(seeds.grids, _grid, (ProfilingError,)),
    "results of tools": Reader(_results, _imported, (ProfilingError,)),
    "whole passes": Reader(_whole_passes, _measured, (UnknownMeasurements,)),
}  # fmt: skip
