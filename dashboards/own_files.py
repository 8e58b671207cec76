"""What visitors bring to see among the rest: read in a process of its own, held in memory for that visitor alone.

A visitor is a browser, told by a cookie that it gets with its first file. When his last page is closed, all is given
back. Nothing is written but for the moments of reading, unless the operator allows it and the visitor asks for it.
"""

import asyncio
import contextlib
import functools
import json
import logging
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import polars as pl

from dashboards.data import Data
from profiling import systems
from profiling.errors import ProfilingError
from profiling.foreign import NotJson, parse_json
from profiling.models.architecture import Architecture
from profiling.models.config_text import from_config_text
from profiling.models.names import resolve_model
from profiling.models.sources import catalogue, from_hub, same_shapes
from warehouse.files import is_full, replacing
from warehouse.publish import NotPublished
from warehouse.settings import Settings

LOGGER = logging.getLogger(__name__)
COOKIE = "skyline_own"
ADDRESS = "address"
"""Name under which the address of a model on the hub arrives, in place of a file."""
OWN_MODEL = "your model"
"""By which a config without a name is asked about; no model of the hub is called so."""
STATED_FIELDS = ("device", "model", "weight_format")
"""What a visitor may say of a measurement that does not say it."""
MOST_FILES = 4
_MOST_VISITORS = 32
_READ_AT_ONCE, _MOST_WAITING = 2, 8
_MOST_BYTES_OF_VISITOR, _MOST_BYTES = 256 << 20, 1 << 30
"""What the rows of one visitor and of all together may hold: a compressed file holds many times its own bytes."""
_LARGEST_CONFIG_BYTES = 200_000
_PLACES: Mapping[str, Sequence[tuple[str, str]]] = {
    "leaderboard": (("Leaderboard", "leaderboard?snapshot={}"), ("Pareto fronts", "pareto?snapshot={}")),
    "votes": (("Arena ratings", "arena?source=votes:{}"),),
    "arena_board": (("Arena ratings", "arena?source={}"),),
    "board": (("Bring your own, below", "own"),),
    "bundle": (("Measured", "measured?run={}"),),
    "measurements": (("Measured", "measured"), ("How far off", "how-far-off")),
    "model": (("Model", "model?id={}"), ("Roofline", "roofline?model={}"), ("Which GPU?", "which-gpu?model={}")),
}
"""Where each kind is seen: the page, and its address with the key of the file."""


class NotTaken(ValueError):
    """A file is not shown; the message says why, with line and column where one is at fault."""


@dataclass(frozen=True)
class OwnFile:
    """One file of a visitor, as it was read.

    Attributes:
        name: Its name.
        kind: A key of the places where such files are seen.
        key: By which pages choose it.
        what: What it was recognised as.
        rows_read: Rows in the file.
        rows_loaded: Rows shown.
        problems: Rows that are not shown, with line and column.
        more_problems: How many more there are.
        notes: What else there is to know.
        rows: Rows by the full name of their table.
        model: The model it describes, where it is one.
        is_in_inbox: Whether it went into the inbox as well.
        held_bytes: Memory that its rows take.
    """

    name: str
    kind: str
    key: str
    what: str
    rows_read: int = 0
    rows_loaded: int = 0
    problems: Sequence[str] = ()
    more_problems: int = 0
    notes: Sequence[str] = ()
    rows: Mapping[str, pl.DataFrame] = field(default_factory=dict, repr=False)
    model: Architecture | None = None
    is_in_inbox: bool = False
    held_bytes: int = 0
    id: str = field(default_factory=lambda: secrets.token_hex(4))

    def places(self) -> list[tuple[str, str]]:
        """Title and address of the pages that show it."""
        pages = [(title, address.format(quote(self.key, safe="/:"))) for title, address in _PLACES[self.kind]]
        return [*pages, *([("SQL", "sql")] if self.rows else [])]


@dataclass
class _Visitor:
    data: Data
    files: list[OwnFile] = field(default_factory=list)
    sessions: int = 0
    seen_at: float = field(default_factory=time.monotonic)


class OwnFiles:
    """Files of all visitors of a process."""

    def __init__(self, settings: Settings, data: Data) -> None:
        """Hold none yet.

        Args:
            settings: Limits, and the home beside whose release files are seen.
            data: What is published.
        """
        self.settings = settings
        self._shared = data
        self._visitors: dict[str, _Visitor] = {}
        self._turns = asyncio.Semaphore(_READ_AT_ONCE)
        self._waiting = 0

    def __len__(self) -> int:
        return len(self._visitors)

    def data_of(self, token: str) -> Data:
        """The data as a visitor sees it; what is published where he brought nothing."""
        visitor = self._visitors.get(token)
        return self._shared if visitor is None else visitor.data

    def enter(self, token: str) -> bool:
        """Count a page that a visitor opened; return whether he has files."""
        self._sweep()
        if (visitor := self._visitors.get(token)) is None:
            return False
        visitor.sessions += 1
        return True

    def leave(self, token: str) -> None:
        """Count a page that was closed; with the last one all is given back."""
        if (visitor := self._visitors.get(token)) is None:
            return
        visitor.sessions -= 1
        visitor.seen_at = time.monotonic()
        if visitor.sessions <= 0:
            self._give_back(token)

    def _give_back(self, token: str) -> None:
        if visitor := self._visitors.pop(token, None):
            visitor.data.close()

    def _sweep(self) -> None:
        """Give back what was brought and never looked at: its page did not come back."""
        patience = max(self.settings.unused_session_s, 60)
        for token, visitor in list(self._visitors.items()):
            if visitor.sessions <= 0 and time.monotonic() - visitor.seen_at > patience:
                self._give_back(token)

    async def take(
        self, token: str, name: str, payload: bytes, stated: Mapping[str, str], *, is_for_inbox: bool = False
    ) -> tuple[str, OwnFile]:
        """Read a file and show it to a visitor from now on.

        Args:
            token: The visitor's, empty where he has none yet.
            name: The file's name, or `ADDRESS` for that of a model on the hub.
            payload: Its bytes.
            stated: What the visitor says of a measurement, by `STATED_FIELDS`.
            is_for_inbox: Whether it is to be kept as well.

        Returns:
            The visitor's token, and what was read.

        Raises:
            NotTaken: It is too large, takes too long, or cannot be shown.
        """
        self._sweep()
        visitor = self._visitors.get(token)
        if not payload.strip():
            raise NotTaken("There is nothing in it.")
        if len(payload) > self.settings.own_file_mib << 20:
            raise NotTaken(f"{name} has {len(payload):,} bytes; the most is {self.settings.own_file_mib} MiB.")
        if visitor is None and len(self._visitors) >= _MOST_VISITORS:
            raise NotTaken("This server already holds files of as many visitors as it allows; try again later.")
        if visitor is not None and len(visitor.files) >= MOST_FILES:
            raise NotTaken(f"{MOST_FILES} files are the most; remove one first.")
        own_file = await self._read(name, payload, stated, visitor)
        if is_for_inbox and self.settings.own_files_kept and own_file.model is None:
            own_file = OwnFile(**{**own_file.__dict__, "is_in_inbox": True})
            _keep(self.settings.inbox, name, payload)
        if visitor is None or token not in self._visitors:
            token = secrets.token_urlsafe(24)
            visitor = self._visitors[token] = _Visitor(self._shared)
        others = [file for file in visitor.files if (file.kind, file.key) != (own_file.kind, own_file.key)]
        visitor.files = [*others, own_file]
        self._show(visitor)
        return token, own_file

    def remove(self, token: str, file_id: str) -> None:
        """Show a file no more."""
        if (visitor := self._visitors.get(token)) is None:
            return
        visitor.files = [file for file in visitor.files if file.id != file_id]
        self._show(visitor)

    def _show(self, visitor: _Visitor) -> None:
        before = visitor.data
        tables: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
        for file in visitor.files:
            for relation, rows in file.rows.items():
                tables[relation].append(rows)
        models = {file.key: file.model for file in visitor.files if file.model is not None}
        visitor.data = self._shared.with_own({name: pl.concat(rows) for name, rows in tables.items()}, models)
        visitor.data.own_files = tuple(visitor.files)
        visitor.seen_at = time.monotonic()
        if before is not self._shared:
            before.close()

    def _require_room(self, name: str, held_bytes: int, visitor: _Visitor | None) -> None:
        """Nothing, if rows that take so much memory may be shown to a visitor beside what is shown to him and others.

        Raises:
            NotTaken: They may not; the message says whose files are too much.
        """
        own = sum(file.held_bytes for file in visitor.files) if visitor else 0
        if own + held_bytes > _MOST_BYTES_OF_VISITOR:
            raise NotTaken(
                f"The rows of {name} take {held_bytes >> 20:,} MiB of memory; the most of all your files together is"
                f" {_MOST_BYTES_OF_VISITOR >> 20} MiB."
            )
        if sum(file.held_bytes for each in self._visitors.values() for file in each.files) + held_bytes > _MOST_BYTES:
            raise NotTaken("This server already holds as much of its visitors' files as it allows; try again later.")

    async def _read(self, name: str, payload: bytes, stated: Mapping[str, str], visitor: _Visitor | None) -> OwnFile:
        if name == ADDRESS:
            return await self._of_hub(payload.decode("utf-8", "replace").strip())
        if (model := _config(name, payload)) is not None:
            return model
        if self._waiting >= _MOST_WAITING:
            raise NotTaken("Many files are being read right now; try again in a minute.")
        self._waiting += 1
        try:
            async with self._turns:
                return await self._in_a_process(name, payload, stated, visitor)
        except OSError as error:
            if not is_full(error):
                raise
            LOGGER.warning("no file can be read: the disk of %s is full", tempfile.gettempdir())
            raise NotTaken(
                "The disk of this server is full, so that it can read no file; tell whoever runs it."
            ) from error
        finally:
            self._waiting -= 1

    async def _of_hub(self, address: str) -> OwnFile:
        known = list(catalogue())
        with contextlib.suppress(NotPublished):
            known += self._shared.door().own_models
        model_id = resolve_model(address, known).model_id
        if model_id is None or model_id.count("/") != 1:
            raise NotTaken(f"“{address[:100]}” is no address of a model on the hub; these are owner/name.")
        if model_id in {*known, *same_shapes()}:
            return OwnFile(model_id, "model", model_id, "a model that has a page here already", 1, 1)
        if not self.settings.own_models_online:
            raise NotTaken(
                f"{model_id} is not known here, and this server asks the hub for no models (SKYLINE_OWN_MODELS_ONLINE);"
                " paste the text of its config.json."
            )
        try:
            request = asyncio.to_thread(from_hub, model_id, timeout_s=self.settings.own_file_seconds)
            return _as_model(model_id, await request, f"config.json of {model_id} on the hub")
        except ProfilingError as error:
            raise NotTaken(str(error)) from error

    async def _in_a_process(
        self, name: str, payload: bytes, stated: Mapping[str, str], visitor: _Visitor | None
    ) -> OwnFile:
        """Read by what reads files for a refresh, ended with its children when it takes too long."""
        with tempfile.TemporaryDirectory(prefix="skyline-own-") as folder:
            file, out = Path(folder) / "file", Path(folder) / "out"
            file.write_bytes(payload)
            out.mkdir()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "pipelines.own", str(file), str(out),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            try:
                async with asyncio.timeout(self.settings.own_file_seconds):
                    answer, complaint = await process.communicate(
                        json.dumps({"name": name, "stated": dict(stated)}).encode()
                    )
            except TimeoutError:
                limit = self.settings.own_file_seconds
                raise NotTaken(f"Reading {name} takes longer than {limit:g} s, the most here.") from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    systems.end_group(process.pid)
                await process.wait()
            try:
                fields: dict[str, Any] = json.loads(answer.splitlines()[-1])
            except (ValueError, IndexError):
                LOGGER.warning("the reader of %s ended: %s", name, complaint[-2000:].decode("utf-8", "replace"))
                raise NotTaken(
                    f"{name} cannot be read: its reader ended without a word, or ran out of memory or disk."
                ) from None
            if "problem" in fields:
                raise NotTaken(fields["problem"])
            self._require_room(name, int(fields["held_bytes"]), visitor)
            read = functools.partial(pl.read_parquet, glob=False)
            rows = {path.stem: await asyncio.to_thread(read, path) for path in sorted(out.glob("*.parquet"))}
        return OwnFile(name, rows=rows, **fields)


def _config(name: str, payload: bytes) -> OwnFile | None:
    """The model that a config.json describes; None where a file is no such thing.

    Raises:
        NotTaken: It is one, and describes no model that is understood.
    """
    if PurePosixPath(name).suffix.lower() != ".json" or len(payload) > _LARGEST_CONFIG_BYTES:
        return None
    try:
        config = parse_json(payload)
    except NotJson:  # lines of JSON, or broken: whoever reads measurements says which
        return None
    if not isinstance(config, dict) or not ({"model_type", "architectures"} & config.keys()) or "n_prompt" in config:
        return None
    named = config.get("_name_or_path")
    key = named if isinstance(named, str) and named.count("/") == 1 and len(named) < 100 else OWN_MODEL
    try:
        return _as_model(key, from_config_text(payload.decode("utf-8-sig"), key), "config.json of a model", name)
    except ProfilingError as error:
        raise NotTaken(f"{name}: {error}") from error


def _as_model(key: str, model: Architecture, what: str, name: str = "") -> OwnFile:
    return OwnFile(name or key, "model", key, what, 1, 1, notes=tuple(model.notes), model=model)


def _keep(inbox: Path, name: str, payload: bytes) -> None:
    """Put a file into the inbox, whole or not at all, under a name that is its own.

    Raises:
        NotTaken: This server may not write there.
    """
    # The name is a stranger's: it names a file in this folder and nothing else.
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in PurePosixPath(name).name)[-80:]
    target = inbox / f"{secrets.token_hex(3)}-{plain.lstrip('.')}"
    try:
        with replacing(target) as temporary:
            temporary.write_bytes(payload)
    except OSError as error:
        raise NotTaken(f"It cannot be kept: {error.strerror}.") from error
