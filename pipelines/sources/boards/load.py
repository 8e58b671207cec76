"""Everything stored of living boards, as rows of the tables it fills; what was read once is not read again."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from analytics.units import counted
from pipelines.sources.accounts import MOST_CHARACTERS, account, rejected_file, rejected_row, unread_columns
from pipelines.sources.arena.recognition import BOARDS as ARENA_BOARDS
from pipelines.sources.boards import own_form
from pipelines.sources.boards.declaration import Declared, File
from pipelines.sources.boards.documents import DOCUMENTS, FILE_PATH, Member, Rows, members, rows_together
from pipelines.sources.boards.measured import PUBLISHED_SCHEMA, published
from pipelines.sources.boards.read import FACT_SCHEMA, Read, read_by_tool, read_rows
from pipelines.sources.boards.recognition import OWN_FACTS, OWN_FORM, OWN_FORMS, PREFIX, Matched, match
from pipelines.sources.boards.results import RESULT_SCHEMA
from pipelines.sources.raw_store import RawSnapshot, RawStore
from pipelines.sources.tables import UnreadableFile
from warehouse.contracts.boards import REJECTED_ROWS, SNAPSHOTS
from warehouse.files import read_object, replacing
from warehouse.lake import read_cached


@dataclass
class Loaded:
    """What all stored files of boards say.

    Attributes:
        results: Rows by `RESULT_SCHEMA` with `snapshot_id` and `retrieved_at`.
        facts: Rows by `FACT_SCHEMA`.
        measured: Measurements of the newest state of every kind of file; rows of the contract without identifiers.
        snapshots: Rows of the contract.
        rejected: Rows of the contract.
        boards: Declarations by source.
    """

    results: pl.DataFrame
    facts: pl.DataFrame
    measured: pl.DataFrame
    snapshots: pl.DataFrame
    rejected: pl.DataFrame
    boards: Mapping[str, Declared]


@dataclass
class _Rows:
    results: list[pl.DataFrame] = field(default_factory=list)
    facts: list[pl.DataFrame] = field(default_factory=list)
    measured: dict[tuple[str, str], tuple[tuple[dt.date, dt.datetime], pl.DataFrame]] = field(default_factory=dict)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[pl.DataFrame] = field(default_factory=list)

    def all_measured(self) -> pl.DataFrame:
        """Measurements of the newest states."""
        return pl.concat([pl.DataFrame(schema=PUBLISHED_SCHEMA), *(frame for _, frame in self.measured.values())])


def load_boards(store: RawStore, boards: Mapping[str, Declared], parsed: Path) -> Loaded:
    """Read every stored file of a board.

    Args:
        store: Raw snapshots.
        boards: Declarations by source.
        parsed: Folder of what was read before, by digest of file, declaration and code.
    """
    rows = _Rows()
    code = _code()
    for source in store.sources():
        name = source.removeprefix(PREFIX)
        stored_files = store.snapshots(source) if source.startswith(PREFIX) else []
        if source == ARENA_BOARDS:
            # One file serves the arena and this table.
            name = "lmarena"
            stored_files = [snapshot for snapshot in store.snapshots(source) if _is_newest_of_dataset(snapshot)]
        for stored in stored_files:
            if (declared := boards.get(name)) is None and stored.manifest.layout not in OWN_FORMS:
                rows.rejected.append(
                    rejected_file(stored, f"the declaration of {name} is missing; add it with `skyline boards add`")
                )
                continue
            _add_file(stored, declared, parsed, code, rows)
    schema: dict[str, Any] = {**RESULT_SCHEMA, "snapshot_id": pl.String, "retrieved_at": pl.Datetime("us", "UTC")}
    return Loaded(
        pl.concat([pl.DataFrame(schema=schema), *rows.results]),
        pl.concat([pl.DataFrame(schema=FACT_SCHEMA), *rows.facts]),
        rows.all_measured(),
        SNAPSHOTS.frame(rows.snapshots),
        REJECTED_ROWS.concat(rows.rejected),
        boards,
    )


def load_measured(store: RawStore, boards: Mapping[str, Declared], parsed: Path) -> pl.DataFrame:
    """Measurements, by `PUBLISHED_SCHEMA`, of the newest stored state of every declared source of them.

    Args:
        store: Raw snapshots.
        boards: Declarations by source.
        parsed: As of `load_boards`.
    """
    rows, code = _Rows(), _code()
    for name, declared in boards.items():
        if any(file.holds_measurements for file in declared.board.files):
            for stored in store.snapshots(f"{PREFIX}{name}"):
                _add_file(stored, declared, parsed, code, rows)
    return rows.all_measured()


def _is_newest_of_dataset(stored: RawSnapshot) -> bool:
    return stored.manifest.layout.startswith("leaderboard_dataset") and "/latest-" in stored.manifest.uri


def _add_file(stored: RawSnapshot, declared: Declared | None, parsed: Path, code: str, rows: _Rows) -> None:
    uri = stored.manifest.uri
    try:
        read = _cached_read(stored, declared, parsed, code)
    except UnreadableFile as error:
        rows.rejected.append(rejected_file(stored, str(error)))
        return
    rejected = [
        rejected_row(stored.snapshot_id, uri, f"{member}: {reason}" if member else reason, row_number=number)
        for number, member, reason in read.rejected
    ]
    rejected += [
        rejected_row(stored.snapshot_id, uri, f"{counted(count, 'row')} {reason}"[:MOST_CHARACTERS])
        for reason, count in read.passed_over.items()
    ]
    rejected += [rejected_row(stored.snapshot_id, uri, note[:MOST_CHARACTERS]) for note in read.notes]
    if declared is not None and declared.by_user:
        # Who declared a board wants to know what was left; of ours it is known.
        rejected.append(unread_columns(read.unread, stored.snapshot_id, uri))
    rows.rejected += rejected
    if stored.manifest.source != ARENA_BOARDS:  # which accounts for its own
        rejected_count = len({(number, member) for number, member, _ in read.rejected})
        rows.snapshots.append(account(stored, _coverage(stored, declared), read.rows, read.loaded, rejected_count))
    licensed = stored.manifest.licence is not None or stored.manifest.layout in OWN_FORMS
    results = read.results.with_columns(
        pl.lit(stored.snapshot_id).alias("snapshot_id"),
        pl.lit(stored.manifest.retrieved_at, pl.Datetime("us", "UTC")).alias("retrieved_at"),
    )
    if not licensed:
        # The licence was not confirmed when it was fetched: nothing of it is passed on.
        results = results.with_columns(pl.lit(value=False).alias("may_bundle"))
    rows.results.append(results)
    rows.facts.append(read.facts)
    if read.measured.height and declared is not None:
        # What a source no longer says of its measurements it has taken back.
        kind, newest = (
            (declared.board.name, stored.manifest.layout),
            (stored.manifest.as_of, stored.manifest.retrieved_at),
        )
        if kind not in rows.measured or rows.measured[kind][0] < newest:
            rows.measured[kind] = (newest, published(read.measured, stored.manifest, declared.board))


def _coverage(stored: RawSnapshot, declared: Declared | None) -> str:
    if stored.manifest.layout in OWN_FORMS:
        return "reference"
    file = declared.board.file(stored.manifest.layout) if declared else None
    return file.coverage if file else "full"


def _cached_read(stored: RawSnapshot, declared: Declared | None, parsed: Path, code: str) -> Read:
    """What a stored file says, from what was kept of an earlier reading where nothing that decides it has changed."""
    decided_by = [stored.sha256, stored.manifest.uri, stored.manifest.as_of.isoformat(), code]
    key = hashlib.sha256("|".join([*decided_by, declared.text if declared else ""]).encode()).hexdigest()
    paths = [parsed / f"{key[:40]}{suffix}" for suffix in (".parquet", ".facts.parquet", ".measured.parquet")]
    entry_path = paths[0].with_suffix(".json")
    results, facts, measured = map(read_cached, paths)
    entry = read_object(entry_path)
    if results is not None and facts is not None and measured is not None and entry:
        return Read(
            results, facts, [tuple(rejection) for rejection in entry["rejected"]],
            entry["rows"], entry["loaded"], set(entry["unread"]), entry["passed_over"], entry["notes"], measured,
        )  # fmt: skip
    read = read_stored(stored, declared)
    for path, frame in zip(paths, (read.results, read.facts, read.measured), strict=True):
        with replacing(path) as temporary:
            frame.write_parquet(temporary)
    entry = {
        "rejected": read.rejected, "rows": read.rows, "loaded": read.loaded, "unread": sorted(read.unread),
        "passed_over": read.passed_over, "notes": read.notes,
    }  # fmt: skip
    with replacing(entry_path) as temporary:
        temporary.write_text(json.dumps(entry), encoding="utf-8")
    return read


def _code() -> str:
    """Digest of what decides how a stored file is read, beside its declaration."""
    folder = Path(__file__).parent
    read_by = [*folder.glob("*.py"), folder / "benchmarks.toml", *folder.with_name("measurements").glob("*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(read_by))).hexdigest()


def read_stored(stored: RawSnapshot, declared: Declared | None) -> Read:
    """Read a stored file by the declaration of its source.

    Raises:
        UnreadableFile: it is not what it was recognised as, or nothing of it can be read; the message says why.
    """
    manifest = stored.manifest
    payload = stored.path.read_bytes()
    member = Member(manifest.uri.rsplit("/", 1)[-1], payload)
    if manifest.layout == OWN_FACTS:
        return own_form.read_facts(member)
    if manifest.layout == OWN_FORM or declared is None:
        return own_form.read(member)
    if manifest.source == ARENA_BOARDS:
        member = Member(manifest.uri.replace("/", "_"), payload)
    if stored.path.suffix == ".zip":
        return read_zip(payload, manifest.uri, declared, manifest.as_of)
    matched = match(member, [declared], is_asked=True)
    if matched is None:
        raise UnreadableFile(f"{manifest.uri} is no longer any file that {declared.board.name} declares.")
    if matched.file.by_tool:
        return read_by_tool(member, matched.file)
    return read_rows(matched.rows, matched.board, matched.file, manifest.as_of)


def read_zip(payload: bytes, uri: str, declared: Declared, as_of: dt.date) -> Read:
    """Read a zip; members of one kind together: hundreds of records of one row each would take long one by one.

    Raises:
        UnreadableFile: it is no zip, or none of its members is any file of the source.
    """
    by_kind: dict[str, list[Matched]] = {}
    total = Read()
    for member in members(payload, uri):
        try:
            matched = match(member, [declared], is_asked=True)
        except UnreadableFile as error:
            total.rejected.append((None, member.path, str(error)))
            continue
        if matched is not None and not matched.file.refused:
            by_kind.setdefault(matched.file.name, []).append(matched)
    for group in by_kind.values():
        file = group[0].file
        if file.by_tool:
            for member_match in group:
                total.add(read_by_tool(member_match.member, file))
            continue
        for part in _row_groups(group, file):
            try:
                read = read_rows(part, declared.board, file, as_of)
                only = part.frame[FILE_PATH][0] if part.frame.height else ""
                # Rows of a member that was read by itself are told with its name too.
                read.rejected = [(number, member or only, reason) for number, member, reason in read.rejected]
                total.add(read)
            except UnreadableFile as error:
                total.rejected.append((None, part.frame[FILE_PATH][0], str(error)))
    if not by_kind:
        raise UnreadableFile(f"{uri} holds no file that {declared.board.name} declares.")
    return total


def _row_groups(group: list[Matched], file: File) -> list[Rows]:
    if file.form in DOCUMENTS and not file.by_file and not any(matched.as_table for matched in group):
        return [rows_together([matched.member for matched in group], file)]
    return [matched.rows for matched in group]
