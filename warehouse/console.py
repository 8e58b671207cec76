"""SQL of strangers: one read-only statement against the published release, locked in, limited, and cancellable.

Pages, the command line and the HTTP interface all ask through `Console.ask`, so what one refuses all refuse.
"""

import contextlib
import dataclasses
import io
import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from warehouse.publish import NotPublished, Release, current

_WORKER = Path(__file__).with_name("console_worker.py")
# Allocators reserve arenas for threads, 1.6 GiB of addresses before anything is asked: a busy machine, where they take
# one more, refused a count of a hundred rows for want of memory. With these a worker reserves 0.5 GiB.
_FEW_ARENAS = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
_LONGEST_SQL_BYTES = 100_000
_LOOK_FOR_CANCEL_S = 0.05
_CHUNK_BYTES = 1 << 18
_ATTEMPTS = 5


class QueryRefused(ValueError):
    """A statement is not one that may be asked, or went beyond a limit; the text says which."""


class QueryFailed(ValueError):
    """DuckDB cannot answer the statement; the text is what it says."""


class QueryCancelled(RuntimeError):
    """The one who asked does not want the answer any more."""


class ConsoleBusy(RuntimeError):
    """As many statements are being answered as may be at one time."""


@dataclass(frozen=True)
class Limits:
    """What one statement may take.

    Attributes:
        seconds: From asking to the last row.
        memory_mib: Of DuckDB; nothing is spilled to disk.
        rows: Rows returned; of more, so many are returned and said to be cut.
        cells: Of rows times columns; of more, so many rows are returned as have no more.
        result_mib: Size of the rows returned.
        own_mib: Size of the asker's own rows, as they are handed over.
        threads: Of DuckDB.
    """

    seconds: float = 15.0
    memory_mib: int = 512
    rows: int = 10_000
    cells: int = 500_000
    result_mib: int = 64
    own_mib: int = 64
    threads: int = 2


@dataclass(frozen=True)
class Result:
    """Answer to one statement.

    Attributes:
        frame: The rows.
        is_cut: Whether there were more rows than the limit.
        elapsed_s: Wall time, the start of the process included.
        release: What was asked.
    """

    frame: pl.DataFrame
    is_cut: bool
    elapsed_s: float
    release: Release


class Places:
    """At most so many statements at one time, of which nobody has more than half, nor the last one beside another."""

    _MOST_WAITING, _PATIENCE_S = 12, 3.0

    def __init__(self, at_once: int) -> None:
        """Make that many places."""
        self._at_once = at_once
        self._changed = threading.Condition()
        self._taken: Counter[str] = Counter()
        self._waiting = 0

    @contextlib.contextmanager
    def place(self, asker: str, cancel: threading.Event | None = None) -> Iterator[None]:
        """Have a place during the block; who has none yet waits a little for one.

        Raises:
            ConsoleBusy: there is none.
            QueryCancelled: `cancel` was set.
        """
        with self._changed:
            self._wait(asker, cancel)
            self._taken[asker] += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken[asker] -= 1
                if not self._taken[asker]:
                    del self._taken[asker]
                self._changed.notify_all()

    def _wait(self, asker: str, cancel: threading.Event | None) -> None:
        own, free = self._taken[asker], self._at_once - self._taken.total()
        if own:
            # The last place is for whoever has none.
            if own >= max(self._at_once // 2, 1) or free <= 1 or self._waiting:
                raise ConsoleBusy(f"{own} of your statements are being answered; try again when one is done.")
            return
        until = time.monotonic() + self._PATIENCE_S
        self._waiting += 1
        try:
            while self._taken.total() >= self._at_once:
                if time.monotonic() >= until or self._waiting > self._MOST_WAITING:
                    raise ConsoleBusy("Too many statements are being answered just now; try again in a few seconds.")
                if cancel is not None and cancel.is_set():
                    raise QueryCancelled("The query was cancelled.")
                self._changed.wait(_LOOK_FOR_CANCEL_S)
        finally:
            self._waiting -= 1


class Console:
    """Answers statements on the current release of a published folder, each in a process of its own."""

    def __init__(self, published: Path, limits: Limits | None = None, at_once: int = 4) -> None:
        """Make a console.

        Args:
            published: Folder of releases.
            limits: What a statement may take where the asker names nothing else.
            at_once: Statements answered at one time.
        """
        self.limits = limits or Limits()
        self._published = published
        self._places = Places(at_once)

    def ask(
        self,
        sql: str,
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
        asker: str = "",
        own: Mapping[str, pl.DataFrame] | None = None,
    ) -> Result:
        """Rows of one SELECT statement.

        Args:
            sql: The statement.
            limits: Other limits than the console's.
            cancel: When set, from any thread, the statement is given up.
            asker: Who asks, as an address; nobody has a second place while somebody waits for a first.
            own: Rows of the asker's own by the full name of their table; the statement reads those of
                `core.models` as `yours.core.models`.

        Raises:
            QueryRefused: it is not one SELECT, calls what may not be called, or went beyond a limit.
            QueryFailed: it is wrong.
            QueryCancelled: `cancel` was set.
            ConsoleBusy: too many statements are being answered.
            NotPublished: nothing is published.
        """
        try:
            size = len(sql.encode())
        except UnicodeEncodeError:
            raise QueryRefused("Refused: the statement holds half a character, which is no text.") from None
        if size > _LONGEST_SQL_BYTES:
            raise QueryRefused(f"Refused: a statement may have {_LONGEST_SQL_BYTES:,} bytes.")
        with self._places.place(asker, cancel):
            return self._ask(sql, limits or self.limits, cancel, own or {})

    def _ask(self, sql: str, limits: Limits, cancel: threading.Event | None, own: Mapping[str, pl.DataFrame]) -> Result:
        if os.name == "nt":
            raise QueryRefused(
                "Refused: Windows cannot tie a process down as the SQL of strangers needs. Use WSL, or open"
                f" {current(self._published).path} with a DuckDB client."
            )
        began = time.monotonic()
        handed = {relation: _streamed(rows) for relation, rows in own.items()}
        if sum(map(len, handed.values())) > limits.own_mib << 20:
            raise QueryRefused(f"Refused: your own rows are more than {limits.own_mib} MiB; remove a file.")
        release, database = _open(self._published)
        with database:
            request = {"sql": sql, "database": database.fileno(), **dataclasses.asdict(limits)}
            header, payload = _run(request, handed, limits, began + limits.seconds, cancel)
        if header["status"] == "refused":
            raise QueryRefused(f"Refused: {header['reason']}.")
        if header["status"] == "error":
            raise QueryFailed(f"The query failed: {_without_wrapping(header['reason'])}")
        frame, most = pl.read_ipc_stream(payload), int(header["rows"])
        return Result(frame.head(most), frame.height > most, time.monotonic() - began, release)


def _open(published: Path) -> tuple[Release, IO[bytes]]:
    """The current release and its open file, which stays readable when the release is swept."""
    for _ in range(_ATTEMPTS):
        release = current(published)
        # Swept between reading the pointer and opening the file, the pointer names a newer one by now.
        with contextlib.suppress(FileNotFoundError):
            return release, release.path.open("rb")
    raise NotPublished(f"{published} changes faster than it can be read; try again.")


def _streamed(rows: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    rows.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
    return stream.getvalue()


def _run(
    query: Mapping[str, object],
    own: Mapping[str, bytes],
    limits: Limits,
    deadline: float,
    cancel: threading.Event | None,
) -> tuple[dict[str, str], bytes]:
    """What the worker says: its header and the bytes after it.

    Raises:
        QueryRefused: it did not end in time, or died, or says too much.
        QueryCancelled: `cancel` was set.
    """
    line = json.dumps({**query, "own": {relation: len(stream) for relation, stream in own.items()}}).encode()
    request = b"".join((line, b"\n", *own.values()))
    # Nothing of our environment is told to it: not where the home is, no keys.
    worker = subprocess.Popen(  # noqa: S603 - our own file, the statement goes through a pipe
        [sys.executable, "-I", str(_WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **_FEW_ARENAS},
        cwd="/",
        pass_fds=(int(str(query["database"])),),
        start_new_session=True,
    )
    try:
        assert worker.stdin is not None and worker.stdout is not None  # noqa: S101, PT018 - pipes were asked for
        _send(worker.stdin, request)
        output = _receive(worker.stdout, (limits.result_mib + 16) << 20, deadline, cancel, limits)
    finally:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                pipe.close()
    line, _, payload = output.partition(b"\n")
    try:
        header: dict[str, str] = json.loads(line)
    except ValueError:
        raise QueryRefused(
            f"Refused: it needs more than {limits.memory_mib} MiB of memory, more time than there is, or is nested"
            " too deeply; its process was ended."
        ) from None
    return header, payload


def _send(pipe: IO[bytes], request: bytes) -> None:
    # If it died before it read, that it says nothing is met where its answer is read.
    with contextlib.suppress(BrokenPipeError):
        pipe.write(request)
        pipe.close()


def _receive(
    pipe: IO[bytes], most_bytes: int, deadline: float, cancel: threading.Event | None, limits: Limits
) -> bytes:
    chunks: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if cancel is not None and cancel.is_set():
                raise QueryCancelled("The query was cancelled.")
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                raise QueryRefused(f"Refused: it takes longer than {limits.seconds:g} s.")
            if not selector.select(min(seconds_left, _LOOK_FOR_CANCEL_S)):
                continue
            chunk = pipe.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)
            size += len(chunk)
            if size > most_bytes:
                raise QueryRefused(f"Refused: the result is larger than {limits.result_mib} MiB.")


def _without_wrapping(reason: str) -> str:
    """DuckDB's message, without the line that shows our wrapping around the statement."""
    return reason.split("\n\nLINE ", maxsplit=1)[0].strip()
