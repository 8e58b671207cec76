"""From one file to rows of the tables that pages ask: what a refresh would make of it, beside what is published."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import polars as pl

from pipelines.defs.accuracy.tables import accuracy, error_rows, identified
from pipelines.defs.arena.tables import rate_vote_files
from pipelines.defs.boards.tables import read_boards
from pipelines.defs.efficiency.tables import with_ratios
from pipelines.defs.frontier import tables as front_tables
from pipelines.defs.leaderboards.tables import models_of, read_files, write_entries
from pipelines.defs.profiles.tables import prediction_errors, predictions_of
from pipelines.lib.door import published_door
from pipelines.own.problems import measurement_problems, rejected_rows, rejected_votes, summary
from pipelines.sources.accounts import by_its_name
from pipelines.sources.arena.recognition import BOARDS, VOTES
from pipelines.sources.arena.store import load_boards
from pipelines.sources.boards.declaration import declared
from pipelines.sources.boards.load import load_measured
from pipelines.sources.boards.recognition import PREFIX as BOARD_PREFIX
from pipelines.sources.dates import UndatedFile, today
from pipelines.sources.leaderboards.recognition import LEADERBOARD, RAW_RESULTS
from pipelines.sources.measurements.read import rows_of
from pipelines.sources.measurements.recognition import SOURCE as MEASUREMENTS
from pipelines.sources.measurements.rows import Stated, UnknownMeasurements, frame_of
from pipelines.sources.profiles import read as profile_bundles
from pipelines.sources.profiles.recognition import SOURCE as PROFILE_BUNDLES
from pipelines.sources.raw_store import Manifest, RawSnapshot, RawStore
from pipelines.sources.recognition import UNRECOGNISED, recognise
from pipelines.sources.votes.files import UnreadableVotes
from warehouse.contracts import arena as arena_tables
from warehouse.contracts import profiles as profile_tables
from warehouse.contracts.accuracy import END_TO_END_ERROR, END_TO_END_MEASUREMENTS
from warehouse.contracts.boards import BENCHMARK_RESULTS
from warehouse.contracts.frontier import EFFICIENCY
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, MODELS, REJECTED_ROWS, SNAPSHOTS
from warehouse.contracts.sources import SNAPSHOTS as ALL_SNAPSHOTS
from warehouse.files import NotReadable
from warehouse.lake import Lake
from warehouse.publish import NotPublished
from warehouse.reader import Reader
from warehouse.settings import Settings
from warehouse.yours import COVERAGE, MARK

_NAMED = 8  # digits of a digest in the name of a snapshot


class NotUsable(ValueError):
    """A file of which pages can show nothing; the message names line and column where one is at fault."""


@dataclass(frozen=True)
class OwnFile:
    """What a file holds.

    Attributes:
        kind: `leaderboard`, `votes`, `measurements`, `arena_board`, `board` or `bundle`.
        key: By which pages choose it: a snapshot, a set of votes, a publication, a run; empty for measurements.
        what: What it was recognised as, in words.
        rows_read: Rows in the file.
        rows_loaded: Rows shown.
        problems: Rows that are not shown, each with its line and column.
        notes: What else the visitor should know, in sentences.
        tables: Rows beside the published ones, by the full name of the table.
    """

    kind: str
    key: str
    what: str
    rows_read: int
    rows_loaded: int
    problems: list[str]
    notes: list[str] = field(default_factory=list)
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)


def read_own_file(
    payload: bytes, name: str, settings: Settings, scratch: Path, stated: Stated | None = None
) -> OwnFile:
    """Recognise and read one file, and derive from it what a refresh would.

    Args:
        payload: Its bytes.
        name: Its name; its suffix says how it is written.
        settings: Of the home whose release it is seen beside.
        scratch: An empty folder for what is only needed meanwhile.
        stated: What the visitor says where a measurement is silent.

    Raises:
        NotUsable: No source knows it, none of its rows can be used, or no page shows such files.
    """
    suffix = PurePosixPath(name).suffix.lower()
    boards = declared(settings.home)
    try:
        try:
            recognised = recognise(payload, suffix, name, boards)
        except UndatedFile:  # its visitor sees it today
            recognised = recognise(payload, suffix, f"{today().isoformat()}_{name}", boards)
    except UNRECOGNISED as error:
        problems = measurement_problems(payload.decode("utf-8-sig", "replace"))
        raise (_without_rows(name, problems) if problems else NotUsable(str(error))) from error
    read = _board if recognised.source.startswith(BOARD_PREFIX) else _READERS.get(recognised.source)
    if read is None:
        raise NotUsable(
            f"{name} is of {recognised.subject} ({recognised.layout}). Pages show such files once they are loaded: "
            f"skyline refresh --source {name}"
        )
    now = dt.datetime.now(dt.UTC)
    manifest = Manifest(
        recognised.source, recognised.layout, recognised.subject, recognised.as_of, name, None, recognised.licence, now,
        recognised.is_dated,
    )  # fmt: skip
    stored = RawStore(scratch / "raw").add(payload, suffix, manifest)
    try:
        return read(stored, settings, scratch, stated or Stated())
    except (UnreadableVotes, UnknownMeasurements, *UNRECOGNISED) as error:
        raise NotUsable(by_its_name(stored, str(error))) from error


def _without_rows(name: str, problems: list[str]) -> NotUsable:
    return NotUsable(f"No row of {name} can be used. {summary(problems) or 'There is none in it.'}")


def _leaderboard(stored: RawSnapshot, settings: Settings, scratch: Path, _stated: Stated) -> OwnFile:
    """Its entries among those of the newest published state of the same board, and the fronts over all of them."""
    lake = Lake(scratch / "lake")
    snapshots = read_files(scratch / "raw", lake).snapshots
    models = models_of(lake)
    write_entries(lake, models)
    own = lake.read(LEADERBOARD_ENTRIES)
    problems = rejected_rows(lake.read(REJECTED_ROWS), stored)
    if own.is_empty():
        raise _without_rows(stored.manifest.uri, problems)
    account = snapshots.row(0, named=True)
    base = _published_board(settings, str(account["board"]), str(account["metric_version"]))
    snapshot_id = f"yours-{stored.sha256[:_NAMED]}"
    as_of = max(filter(None, (account["as_of_date"], base.as_of)))
    place = (pl.lit(snapshot_id).alias("snapshot_id"), pl.lit(as_of).alias("as_of_date"))
    mark = (pl.format(f"{MARK}{{}}", "entry_id").alias("entry_id"), _marked_name("model_id").alias("model_id"))
    entries = pl.concat([base.entries, own.with_columns(mark)])
    scores = pl.concat([base.scores, lake.read(BENCHMARK_SCORES).with_columns(mark)])
    snapshot = snapshots.with_columns(*place, pl.lit(COVERAGE).alias("coverage"))
    lake.write(SNAPSHOTS, snapshot)
    entries = lake.write(LEADERBOARD_ENTRIES, entries.with_columns(place))
    scores = lake.write(BENCHMARK_SCORES, scores.with_columns(place))
    front_tables.write_fronts(lake)
    front_tables.write_histories(lake)
    notes = []
    if base.entries.height:
        notes.append(f"Shown among {base.entries.height:,} entries of {base.name}.")
    if own["size_gib"].is_null().all():
        notes.append("No entry has a size: say `precision`, and `parameters_total` where the name does not.")
    return OwnFile(
        "leaderboard", snapshot_id, f"{account['board']}, layout {account['layout']}", account["rows_read"],
        own.height, problems, notes,
        {
            ALL_SNAPSHOTS.relation: ALL_SNAPSHOTS.conform(snapshot.select(ALL_SNAPSHOTS.column_names)),
            LEADERBOARD_ENTRIES.relation: entries,
            BENCHMARK_SCORES.relation: scores,
            MODELS.relation: MODELS.conform(models.select(MODELS.column_names).with_columns(_marked_name("model_id"))),
            **{table.relation: lake.read(table) for table in (*front_tables.FRONTS, *front_tables.HISTORIES)},
            EFFICIENCY.relation: EFFICIENCY.conform(with_ratios(entries).select(EFFICIENCY.column_names)),
        },
    )  # fmt: skip


@dataclass(frozen=True)
class _Board:
    """A published state of a board: its entries and scores."""

    entries: pl.DataFrame
    scores: pl.DataFrame
    name: str = ""
    as_of: dt.date | None = None


def _published_board(settings: Settings, board: str, metric_version: str) -> _Board:
    """The newest whole state of a board by the same version of its scores, else the largest; empty without one."""
    nothing = _Board(LEADERBOARD_ENTRIES.empty(), BENCHMARK_SCORES.empty())
    reader = Reader(settings.published)
    try:
        newest = reader.query(
            "SELECT s.snapshot_id, s.as_of_date, s.uri FROM meta.snapshots AS s"
            " JOIN core.leaderboard_entries AS e USING (snapshot_id)"
            " WHERE s.board = $board AND s.metric_version = $version AND s.coverage <> 'run' GROUP BY ALL"
            " ORDER BY (any_value(s.coverage) = 'full') DESC, s.as_of_date DESC, count(*) DESC LIMIT 1",
            {"board": board, "version": metric_version},
        )
    except NotReadable:
        raise
    except NotPublished:
        return nothing
    if newest.is_empty():
        return nothing
    row = newest.row(0, named=True)
    whole = "SELECT {} FROM {} WHERE snapshot_id = $snapshot_id"
    entries, scores = (
        table.conform(reader.query(whole.format(", ".join(table.column_names), table.relation),
                                   {"snapshot_id": row["snapshot_id"]}))
        for table in (LEADERBOARD_ENTRIES, BENCHMARK_SCORES)
    )  # fmt: skip
    return _Board(entries, scores, f"{board} of {row['as_of_date']}", row["as_of_date"])


def _votes(stored: RawSnapshot, _settings: Settings, _scratch: Path, _stated: Stated) -> OwnFile:
    """Its votes, rated in every category that they tell apart, as votes of a home are."""
    votes_id = _source_name(stored)
    rated = rate_vote_files([stored.path], votes_id, threads=1)
    notes = [by_its_name(stored, note) for note in rated.notes]
    problems = rejected_votes(stored.path) if rated.rejected.height else []
    if rated.tables[arena_tables.ARENA_RATINGS]["rating"].is_null().all():
        raise NotUsable(
            f"No model of {stored.manifest.uri} can be rated. {summary(problems) or ' '.join(notes)}".strip()
        )
    refused = int(rated.rejected["votes"].sum())
    return OwnFile(
        "votes", votes_id, f"votes, layout {stored.manifest.layout}", rated.votes_read, rated.votes_read - refused,
        problems, notes,
        {table.relation: rows for table, rows in rated.tables.items()},
    )  # fmt: skip


def _arena_board(stored: RawSnapshot, _settings: Settings, scratch: Path, _stated: Stated) -> OwnFile:
    """Its boards as a publication of their own."""
    loaded = load_boards(RawStore(scratch / "raw"))
    problems = rejected_rows(loaded.rejected, stored)
    if loaded.board.is_empty():
        raise _without_rows(stored.manifest.uri, problems)
    publication = _source_name(stored)
    board = loaded.board.with_columns(pl.lit(publication).alias("publication"))
    return OwnFile(
        "arena_board", publication, f"arena board, layout {stored.manifest.layout}",
        int(loaded.snapshots["rows_read"].sum()), board.height, problems, [],
        {arena_tables.ARENA_BOARD.relation: board},
    )  # fmt: skip


def _measurements(stored: RawSnapshot, settings: Settings, _scratch: Path, stated: Stated) -> OwnFile:
    """Its measurements, each beside what is predicted for it."""
    text = stored.path.read_bytes().decode("utf-8-sig")
    rows = frame_of(rows_of(text, stored.manifest.uri) or (), stated)
    return _predicted(rows, measurement_problems(text), stored, settings)


def _predicted(rows: pl.DataFrame, problems: list[str], stored: RawSnapshot, settings: Settings) -> OwnFile:
    """Measurements, each beside what is predicted for it."""
    rows = identified(rows.with_columns(pl.lit(_source_name(stored)).alias("source")))
    door = published_door(Reader(settings.published))()
    errors = error_rows(rows, accuracy(rows, door, door.devices))
    predicted_count = errors.filter(pl.col("predicted").is_not_null()).height
    notes = [f"{predicted_count:,} of {rows.height:,} can be predicted."]
    notes += errors["not_asked"].drop_nulls().unique(maintain_order=True).head(5).to_list()
    return OwnFile(
        "measurements", "", "measurements of whole passes", rows.height + len(problems), rows.height, problems, notes,
        {END_TO_END_MEASUREMENTS.relation: rows, END_TO_END_ERROR.relation: errors},
    )  # fmt: skip


def _board(stored: RawSnapshot, settings: Settings, scratch: Path, _stated: Stated) -> OwnFile:
    """Its results, under the models that its names mean; names that mean none known here stand for themselves."""
    read = read_boards(scratch, declared(settings.home))
    problems = rejected_rows(read.rejected, stored)
    if (measured := load_measured(RawStore(scratch / "raw"), declared(settings.home), scratch / "parsed")).height:
        return _predicted(measured, problems, stored, settings)
    if read.results.is_empty():
        raise _without_rows(stored.manifest.uri, problems)
    results = read.results.with_columns(
        pl.lit(_source_name(stored)).alias("source"),
        pl.coalesce("model_id", _marked_name("name_in_source")).alias("model_id"),
    )
    identified = read.results.filter(pl.col("model_id").is_not_null())
    on_hub, names = identified["name_in_source"].n_unique(), read.results["name_in_source"].n_unique()
    notes = [
        f"{on_hub:,} of {names:,} names are of models on the hub; the others stand for themselves, marked “(yours)”.",
        "Only a refresh moves abilities.",
    ]
    return OwnFile(
        "board", _source_name(stored), f"{stored.manifest.subject}, layout {stored.manifest.layout}",
        int(read.snapshots["rows_read"].sum()), results.height, problems, notes,
        {BENCHMARK_RESULTS.relation: BENCHMARK_RESULTS.conform(results)},
    )  # fmt: skip


def _bundle(stored: RawSnapshot, settings: Settings, scratch: Path, _stated: Stated) -> OwnFile:
    """Its points, modules and telemetry, each point beside what the ceilings of its device predict."""
    bundles = profile_bundles.load_bundles(RawStore(scratch / "raw"))
    if not bundles.bundles:
        raise NotUsable(f"{stored.manifest.uri}: {summary(rejected_rows(pl.concat(bundles.rejected), stored))}")
    run_id = bundles.bundles[0][1].run_id
    if _is_published(settings, run_id):
        raise NotUsable(f"The run {run_id} is published here already; the page Measured shows it.")
    points = profile_bundles.points(bundles, predictions_of(bundles))
    environments = profile_bundles.environments(bundles).with_columns(_marked_name("name"))
    tables = {
        profile_tables.ENVIRONMENTS: environments,
        profile_tables.POINTS: points,
        profile_tables.LAYERS: profile_bundles.layers(bundles),
        profile_tables.TELEMETRY: profile_bundles.telemetry(bundles),
        profile_tables.PREDICTION_ERROR: prediction_errors(points),
    }
    return OwnFile(
        "bundle", run_id, "a bundle of measurements", len(bundles.bundles[0][1].points), points.height, [], [],
        {table.relation: table.conform(rows) for table, rows in tables.items()},
    )  # fmt: skip


def _is_published(settings: Settings, run_id: str) -> bool:
    try:
        rows = Reader(settings.published).query(
            f"SELECT 1 FROM {profile_tables.ENVIRONMENTS.relation} WHERE run_id = $run_id", {"run_id": run_id}
        )
    except NotReadable:
        raise
    except NotPublished:
        return False
    return not rows.is_empty()


def _marked_name(column: str) -> pl.Expr:
    return pl.format("{} (yours)", column)


def _source_name(stored: RawSnapshot) -> str:
    return f"{MARK}{PurePosixPath(stored.manifest.uri).name}"


_READERS: Mapping[str, Callable[[RawSnapshot, Settings, Path, Stated], OwnFile]] = {
    LEADERBOARD: _leaderboard,
    RAW_RESULTS: _leaderboard,
    VOTES: _votes,
    BOARDS: _arena_board,
    MEASUREMENTS: _measurements,
    PROFILE_BUNDLES: _bundle,
}
"""What pages can show, by the source that recognised it; boards are read as they are declared."""
