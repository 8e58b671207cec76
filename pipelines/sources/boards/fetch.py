"""Asking declared sources for their newest state: each address once, only if changed, after a look at the licence."""

import datetime as dt
import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pipelines.sources.boards import fetch_state
from pipelines.sources.boards.declaration import Board, File, Parts
from pipelines.sources.boards.documents import Member, records_of
from pipelines.sources.boards.fetch_state import LastFetch
from pipelines.sources.boards.templates import PLACEHOLDER
from pipelines.sources.boards.web import Answer, NotReached, Web
from pipelines.sources.hub.client import Hub, HubFile, HubUnavailable, NotOnHub
from pipelines.sources.suffixes import SUFFIX_FORMS
from pipelines.sources.tables import UnreadableFile
from warehouse.settings import Settings

HUB = "hf://datasets/"
_FAILURES = (NotReached, HubUnavailable, NotOnHub, UnreadableFile)
_LISTED_BY = "listed_by"
"""Mark of a part: the index that lists it."""
_MOST_LOST = 0.5
"""Share of an index's files that may be gone: some boards list what needs a token of its own."""
_EPOCH = (2020, 1, 1, 0, 0, 0)
"""Date of members of a zip that we pack, so that the same files give the same bytes."""


class SourceDown(ConnectionError):
    """None of a source's addresses gave a file; the message says why of each."""


@dataclass(frozen=True)
class Fetched:
    """A file that a source published.

    Attributes:
        name: Name to keep it under.
        payload: Bytes.
        address: Where it is from.
        revision: What the server calls this state.
        is_licensed: Whether the licence was found where it is declared to stand.
    """

    name: str
    payload: bytes
    address: str
    revision: str | None
    is_licensed: bool = True


@dataclass
class _Asking:
    settings: Settings
    web: Web
    hub: Hub
    holds: Callable[[HubFile], bool]
    before: Mapping[str, Mapping[str, str]]
    marks: dict[str, Mapping[str, str]]
    unchanged: int = 0


def fetch(
    board: Board, settings: Settings, holds: Callable[[HubFile], bool], report_unchanged: Callable[[int], None]
) -> Iterator[Fetched]:
    """Every file of a source that changed since it was last asked; what came of asking is kept in the home.

    Args:
        board: The source.
        settings: The home, and patience.
        holds: Whether a file of the hub is stored already.
        report_unchanged: Told how many addresses had nothing new.

    Raises:
        SourceDown: no address gave anything, and one failed.
    """
    files = [file for file in board.files if file.address]
    before = fetch_state.read(fetch_state.path_of(settings, board.name))
    # What an address gave counts as known only once it is stored: marks are kept after the last file was taken.
    failures: list[str] = []
    new_files = 0
    with Web(settings) as web, Hub(settings) as hub:
        asking = _Asking(settings, web, hub, holds, before.marks if before else {}, {})
        if (reason := _lacks_key(board)) is not None:
            failures.append(reason)
            files = []
        is_licensed = _is_licensed(board, asking) if files else True
        for file in files:
            try:
                for part in _files(board, file, asking):
                    new_files += 1
                    yield replace(part, is_licensed=is_licensed)
            except _FAILURES as error:
                failures.append(str(error))
    marks = {**asking.before, **asking.marks} if not failures else {**asking.before}
    outcome = "; ".join(failures) if failures else f"{new_files} new" if new_files else "unchanged"
    if not is_licensed:
        outcome += (
            f"; licence {board.licence} not found at {board.licence_check.address if board.licence_check else '?'}"
        )
    now = dt.datetime.now(dt.UTC)
    fetch_state.write(settings, board.name, LastFetch(now, outcome, bool(failures), marks))
    report_unchanged(asking.unchanged)
    if failures and not new_files and not asking.unchanged:
        raise SourceDown(f"{board.title}: {'; '.join(failures)}")


def _lacks_key(board: Board) -> str | None:
    if board.key_variable and not os.environ.get(board.key_variable):
        return f"{board.title} needs a key; set {board.key_variable} to yours"
    return None


def _key(board: Board) -> dict[str, str]:
    key = os.environ.get(board.key_variable or "")
    return {board.key_header or "Authorization": key} if key else {}


def _is_licensed(board: Board, asking: _Asking) -> bool:
    """Whether the licence stands where it is declared to; what cannot be looked at is not confirmed."""
    check = board.licence_check
    if check is None:
        return True
    try:
        if check.address.startswith(HUB):
            dataset = check.address.removeprefix(HUB).strip("/")
            page = asking.web.get(f"{asking.settings.hub_url}/datasets/{dataset}/raw/main/README.md").payload
        else:
            page = asking.web.get(check.address).payload
    except _FAILURES:
        return False
    return re.search(check.pattern, (page or b"").decode("utf-8", "replace")) is not None


def _files(board: Board, file: File, asking: _Asking) -> Iterator[Fetched]:
    address = file.address or ""
    if address.startswith(HUB):
        yield from _of_hub(board, file, address.removeprefix(HUB), asking)
        return
    answer = asking.web.get(address, asking.before.get(address), _key(board))
    if file.parts is not None:
        yield from _of_parts(board, file.parts, f"{board.name}_{file.name}.zip", address, answer, asking)
        return
    if answer.payload is None:
        asking.unchanged += 1
        return
    asking.marks[address] = answer.marks
    revision = answer.marks.get("etag") or answer.marks.get("last_modified")
    name = PurePosixPath(address.split("?", 1)[0]).name
    suffix = next((suffix for suffix, form in SUFFIX_FORMS.items() if form == file.form), "")
    yield Fetched(name if PurePosixPath(name).suffix else f"{name}{suffix}", answer.payload, address, revision)


def _of_parts(board: Board, parts: Parts, name: str, address: str, index: Answer, asking: _Asking) -> Iterator[Fetched]:
    """The files that an index lists, as one zip; each is asked for by itself, as it may change under the same index.

    A file that cannot be had is left to the next day; the rest is taken, unless most are gone.
    """
    key = _key(board)
    if index.payload is None:
        listed = [part for part, marks in asking.before.items() if marks.get(_LISTED_BY) == address]
    else:
        listed = _listed_addresses(parts, index.payload)
        asking.marks[address] = index.marks
    if not listed:
        raise NotReached(f"{address} lists no file of {board.title}.")
    before = {part: asking.before.get(part) for part in listed}
    answers, lost = {}, []
    for path in listed:
        try:
            answers[path] = asking.web.get(path, before[path], key)
        except NotReached as error:
            lost.append(str(error))
    if len(lost) > len(listed) * _MOST_LOST:
        raise NotReached(f"{len(lost)} of {len(listed)} files that {address} lists: {lost[0]}")
    if all(answer.payload is None for answer in answers.values()) and set(answers) == {
        part for part, marks in asking.before.items() if marks.get(_LISTED_BY) == address
    }:
        asking.unchanged += 1
        return
    # What did not change is needed all the same: a state is kept whole.
    whole = {
        part: answer if answer.payload is not None else asking.web.get(part, headers=key)
        for part, answer in answers.items()
    }
    asking.marks |= {part: {**answer.marks, _LISTED_BY: address} for part, answer in whole.items()}
    names = _names(list(whole), address)
    payloads = {names[part]: answer.payload for part, answer in whole.items() if answer.payload is not None}
    yield Fetched(name, packed(payloads), address, index.marks.get("etag") or index.marks.get("last_modified"))


def _listed_addresses(parts: Parts, index: bytes) -> list[str]:
    """Addresses that an index lists, in order, each once."""
    listed = set()
    for record in records_of(Member("index.json", index), "json", parts.records):
        part_address = parts.address
        for name in PLACEHOLDER.findall(parts.address):
            part_address = part_address.replace(f"{{{name}}}", record.get(name) or "")
        if part_address and (parts.only is None or re.search(parts.only, part_address)):
            listed.add(part_address)
    return sorted(listed)[-parts.newest :] if parts.newest else sorted(listed)


def _names(parts: list[str], address: str) -> dict[str, str]:
    """Names of the parts within the zip: their path below the folder of the index, else their bare name.

    Where bare names do not tell them apart, it is the path below the folder that all have in common. What an interface
    answers is JSON by default.
    """
    folder = address.split("?", 1)[0].rsplit("/", 1)[0] + "/"
    names = {part: part.removeprefix(folder) if part.startswith(folder) else part.rsplit("/", 1)[-1] for part in parts}
    if len(set(names.values())) < len(parts):
        steps = [part.split("/") for part in parts]
        shared = next((at for at, step in enumerate(zip(*steps, strict=False)) if len(set(step)) > 1), 0)
        names = {part: "/".join(part.split("/")[shared:]) for part in parts}
    return {
        part: name if PurePosixPath(name).suffix in SUFFIX_FORMS else f"{name}.json" for part, name in names.items()
    }


def packed(parts: Mapping[str, bytes]) -> bytes:
    """A zip of the files, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, payload in sorted(parts.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), payload, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _of_hub(board: Board, file: File, rest: str, asking: _Asking) -> Iterator[Fetched]:
    owner, name, path = rest.split("/", 2)
    dataset = f"{owner}/{name}"
    revision = asking.hub.commit(dataset)
    address = f"{HUB}{rest}"
    if asking.before.get(address, {}).get("revision") == revision:
        asking.unchanged += 1
        return
    if path.endswith("/"):
        listed = list(asking.hub.files(dataset, revision, ".json", path.rstrip("/")))
        parts = {file.path: asking.hub.download(file) for file in listed}
        if not parts:
            raise NotReached(f"{address} holds no file.")
        download = Fetched(f"{board.name}_{file.name}.zip", packed(parts), f"{address}@{revision}", revision)
    else:
        hub_file = HubFile(dataset, path, revision)
        if asking.holds(hub_file):
            asking.unchanged += 1
            asking.marks[address] = {"revision": revision}
            return
        download = Fetched(path, asking.hub.download(hub_file), hub_file.uri, revision)
    asking.marks[address] = {"revision": revision}
    yield download
