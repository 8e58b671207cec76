"""Everything stored of arena boards, release dates and votes, as rows of the tables it fills."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from analytics.units import counted
from pipelines.sources.accounts import account, rejected_file, rejected_row
from pipelines.sources.arena.layouts import BOARD_LAYOUTS, UnknownBoardLayout
from pipelines.sources.arena.read import UnnamedBoard, parse_board
from pipelines.sources.arena.recognition import BOARDS, RELEASE_DATES, VOTES
from pipelines.sources.arena.reference import (
    UnreadableEvidence,
    evidence_of,
    release_evidence,
    release_statements,
    unusable_statements,
)
from pipelines.sources.raw_store import RawSnapshot, RawStore
from pipelines.sources.tables import UnreadableFile
from warehouse.contracts.arena import (
    ARENA_BOARD,
    BOARD_KEY,
    REJECTED_ROWS,
    RELEASE_EVIDENCE,
    SNAPSHOTS,
    VOTE_REJECTED_ROWS,
    VOTE_SNAPSHOTS,
)

_LAYOUTS = {layout.name: layout for layout in BOARD_LAYOUTS}
_REVISION = re.compile(r"^(hf://datasets/[^@]+)@[^/]+")
_REPLACED = "a state of the same file that was retrieved later is read instead"


@dataclass(frozen=True)
class LoadedBoards:
    """Rows of the tables that stored boards and release dates fill."""

    snapshots: pl.DataFrame
    rejected: pl.DataFrame
    board: pl.DataFrame
    evidence: pl.DataFrame


def load_boards(store: RawStore) -> LoadedBoards:
    """Read every stored board and list of release dates; what is not loaded is rejected with the reason.

    A history that was retrieved again replaces its earlier state. Where two files hold the same board, that of the
    file retrieved later counts.
    """
    snapshots: list[dict[str, Any]] = []
    boards: list[pl.DataFrame] = []
    rejected: list[pl.DataFrame] = []
    current, replaced = _newest(store.snapshots(BOARDS), _board_name)
    for stored in current:
        try:
            parsed = parse_board(stored.path.read_bytes(), stored.path.suffix, stored.manifest.uri, stored.snapshot_id)
        except (UnreadableFile, UnknownBoardLayout, UnnamedBoard) as error:
            rejected.append(rejected_file(stored, str(error)))
            continue
        boards.append(parsed.rows)
        rejected.append(parsed.rejected)
        snapshots.append(account(stored, parsed.layout.coverage, parsed.rows_read, parsed.rows.height))
    board, repeated = _latest_boards(ARENA_BOARD.concat(boards), current)
    rejected += [rejected_file(stored, _REPLACED) for stored in replaced]
    for row in snapshots:
        if rows := repeated.get(row["snapshot_id"]):
            row["rows_loaded"] -= rows
            row["rows_rejected"] += rows
            reason = f"{rows:,} rows are of boards that a file retrieved later holds too"
            rejected.append(rejected_row(row["snapshot_id"], row["uri"], reason))
    evidence = [release_evidence()]
    current, replaced = _newest(store.snapshots(RELEASE_DATES), lambda stored: stored.manifest.layout)
    for stored in current:
        name = f"{stored.manifest.uri}{'' if stored.manifest.uri.endswith(stored.path.suffix) else stored.path.suffix}"
        try:
            statements = release_statements(stored.path.read_bytes(), name)
        except (UnreadableEvidence, OSError) as error:
            rejected.append(rejected_file(stored, str(error)))
            continue
        unusable = unusable_statements(statements)
        evidence.append(evidence_of(statements))
        rejected += [
            rejected_row(
                stored.snapshot_id,
                stored.manifest.uri,
                f"{row['stated']!r} is not a date of a named model",
                json.dumps(row, ensure_ascii=False)[:2000],
            )
            for row in unusable.iter_rows(named=True)
        ]
        snapshots.append(account(stored, "reference", statements.height, statements.height - unusable.height))
    rejected += [rejected_file(stored, _REPLACED) for stored in replaced]
    return LoadedBoards(
        SNAPSHOTS.frame(snapshots),
        REJECTED_ROWS.concat(rejected),
        board,
        RELEASE_EVIDENCE.conform(pl.concat(evidence).unique(maintain_order=True)),
    )


@dataclass(frozen=True)
class VoteSet:
    """One stored file of votes and the name its ratings carry."""

    votes_id: str
    stored: RawSnapshot


def vote_sets(store: RawStore) -> tuple[list[VoteSet], pl.DataFrame]:
    """The newest state of every stored file of votes, and earlier states as rejected files.

    A set is named as its file without folder and suffix; files of one name in several folders keep the folder.
    """
    current, replaced = _newest(store.snapshots(VOTES), _name)
    stems = pl.Series([PurePosixPath(stored.manifest.uri).stem for stored in current], dtype=pl.String)
    shared = set(stems.filter(stems.is_duplicated()))
    sets = [
        VoteSet(str(PurePosixPath(_name(stored)).with_suffix("")) if stem in shared else stem, stored)
        for stem, stored in zip(stems, current, strict=True)
    ]
    rejected = VOTE_REJECTED_ROWS.concat(rejected_file(stored, _REPLACED) for stored in replaced)
    return sorted(sets, key=lambda each: each.votes_id), rejected


def vote_account(stored: RawSnapshot, votes_read: int, rejected: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of `raw.arena_vote_snapshots` and `raw.arena_vote_rejected_rows` of one file.

    Args:
        stored: The file.
        votes_read: Votes in it.
        rejected: `reason, content, votes`: votes that say nothing, by offending value.
    """
    loaded = votes_read - int(rejected["votes"].sum())
    rows = [
        rejected_row(
            stored.snapshot_id,
            stored.manifest.uri,
            f"{row['reason']} ({counted(row['votes'], 'vote')})",
            row["content"],
        )
        for row in rejected.iter_rows(named=True)
    ]
    return VOTE_SNAPSHOTS.frame([account(stored, "full", votes_read, loaded)]), VOTE_REJECTED_ROWS.concat(rows)


def _latest_boards(board: pl.DataFrame, stored: Iterable[RawSnapshot]) -> tuple[pl.DataFrame, Mapping[str, int]]:
    """Each board from one file only, that retrieved last; and how many rows of each file that leaves out."""
    ordered = sorted(stored, key=lambda each: (each.manifest.retrieved_at, each.snapshot_id))
    place = {each.snapshot_id: position for position, each in enumerate(ordered)}
    order = pl.col("snapshot_id").replace_strict(place, return_dtype=pl.Int64)
    last = board.with_columns(_last=order == order.max().over(BOARD_KEY)) if place else board.with_columns(_last=True)
    repeated = last.filter(~pl.col("_last")).group_by("snapshot_id").len()
    return last.filter("_last").drop("_last"), dict(repeated.iter_rows())


def _newest(
    stored: Iterable[RawSnapshot], name: Callable[[RawSnapshot], str]
) -> tuple[list[RawSnapshot], list[RawSnapshot]]:
    """Of files with one name the one retrieved last, and the others."""
    newest: dict[str, RawSnapshot] = {}
    replaced = []
    for each in sorted(stored, key=lambda each: (each.manifest.retrieved_at, each.sha256)):
        if before := newest.pop(name(each), None):
            replaced.append(before)
        newest[name(each)] = each
    return list(newest.values()), replaced


def _board_name(stored: RawSnapshot) -> str:
    """What states of one history share; a file of one date, or of whatever is latest, stands for itself."""
    layout = _LAYOUTS.get(stored.manifest.layout)
    is_history = layout is not None and layout.dates is not None and "/latest-" not in stored.manifest.uri
    return _name(stored) if is_history else f"{stored.snapshot_id} {stored.manifest.uri}"


def _name(stored: RawSnapshot) -> str:
    """Address without the commit."""
    return _REVISION.sub(r"\1", stored.manifest.uri)
