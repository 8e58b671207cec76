"""Writing files so that a reader, or a machine that dies, only ever meets a whole one; and reading what are files."""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEMPORARY_PREFIX = ".partial-"
ASIDE_PREFIX = ".set-aside-"
"""Before the name of what stood where a file of ours belongs."""


def sync_folder(folder: Path) -> None:
    """Make the names in the folder durable; Windows opens no folders, and writes their names through."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target`, of a file that the block makes; it takes its place, durably, when the block ends well.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # Made by whoever writes to it, so that it may be read by those whom the umask admits, as a release may.
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{target.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        put(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def put(source: Path, target: Path) -> None:
    """Give a file or a link that was made beside it a name, durably.

    A file of that name gives way; a folder, which nothing of ours is made as, is kept under another name.
    """
    if target.is_dir() and not target.is_symlink():
        set_aside(target)
    source.replace(target)
    sync_folder(target.parent)


def set_aside(path: Path) -> None:
    """Keep what stands where a file of ours belongs under another name beside it."""
    path.rename(path.with_name(f"{ASIDE_PREFIX}{time.time_ns()}-{path.name}"))


def remove(path: Path) -> None:
    """Remove a file, a link or a folder; what is gone already is no matter."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


class NotWritable(OSError):
    """A home cannot be written: its disk is full, or it is not ours to write. The text says what to do."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_OF_SQLITE = {"database or disk is full": errno.ENOSPC, "attempt to write a readonly database": errno.EACCES}
# All that Polars says where a disk has no room for the end of a Parquet file; of one that was cut short it says so too.
_OF_PARQUET, _NEARLY_FULL_BYTES = "Invalid thrift: transport error", 64 << 20


def is_full(error: BaseException) -> bool:
    """Whether an error of the system says that a disk, or what one user may take of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextlib.contextmanager
def writing_to(home: Path) -> Iterator[None]:
    """Have the block say what to do where a disk is full, is mounted read-only, or lets somebody else write only.

    Raises:
        NotWritable: in the place of any error that comes of it, whichever library met it.
    """
    try:
        yield
    except (NotWritable, NotReadable):
        raise
    except Exception as error:
        if (advice := _advice(error, home)) is None:
            raise
        raise NotWritable(f"{advice} ({' '.join(str(error).split())})") from error


def _advice(error: Exception, home: Path) -> str | None:
    """What to do about an error, if it comes of a disk; libraries and steps of a run hand on no more than its text."""
    text = str(error)
    error_code = next((code for code in (*_FULL, *_CLOSED) if os.strerror(code) in text), None)
    error_code = error_code or next((code for message, code in _OF_SQLITE.items() if message in text), None)
    if error_code is None and _OF_PARQUET in text and shutil.disk_usage(home).free < _NEARLY_FULL_BYTES:
        error_code = errno.ENOSPC
    if error_code in _FULL:
        return (
            f"The disk of {home} is full. Nothing is lost, and readers keep the release that they have; free some space"
            " there, as docs/how-to/operate.md says, and run this again."
        )
    if error_code is None or not any(str(folder) in text for folder in (home, home.resolve())):
        return None
    if error_code == errno.EROFS:
        return f"{home} lies on a disk that is mounted read-only: it can be read; to write, mount it otherwise."
    return (
        f"This user may not write to all of {home}; run this as the owner of that folder, or set"
        " SKYLINE_HOME to one of your own. Reading needs no more than to read it."
    )


class NotReadable(OSError):
    """A home, or a part of it, may not be read by this user. The text says what, and what to do."""


def not_readable(path: Path | str) -> NotReadable:
    """The error of what this user may not read."""
    return NotReadable(
        f"This user may not read {path}; run this as its owner, have the owner make the home readable"
        " (chmod -R a+rX), or set SKYLINE_HOME to a home of your own."
    )


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Have the block say what to do where somebody else alone may read.

    Raises:
        NotReadable: in the place of the system's own error.
    """
    try:
        yield
    except PermissionError as error:
        raise not_readable(error.filename or "a file") from error


def listed(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name; nothing where it is none. Globs take what may not be read for empty.

    Raises:
        NotReadable: this user may not look into it.
    """
    with reading():
        try:
            return sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []


class NotAFile(OSError):
    """Something lies where a file belongs, and is none."""


def ordinary(path: Path) -> Path:
    """The path, where an ordinary file lies: a folder has no bytes, and those of a pipe are waited for without end.

    Raises:
        NotAFile: something else lies there.
        OSError: nothing does.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise NotAFile(errno.EINVAL, "It is no ordinary file", str(path))
    return path


def vacated(path: Path) -> Path:
    """The path, where a file of ours may be made or opened: what lies there and is none is kept under another name."""
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        set_aside(path)
    return path


def printable(name: str) -> str:
    """A file's name as text that can be stored and printed, another one for every name.

    Bytes that are no text, and characters that would steer a terminal or turn the order of what is read around, stand
    as their escapes.
    """
    if name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def sql_path(path: Path | str) -> str:
    """The path as SQL text for DuckDB's readers, to which `[`, `*` and `?` would stand for other names."""
    exact = re.sub(r"[\[*?]", r"[\g<0>]", str(path)).replace("'", "''")
    return f"'{exact}'"


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(target: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_object(path: Path) -> dict[str, Any]:
    """What a file of JSON says by name; nothing where it is lost, or holds no object."""
    try:
        content = json.loads(ordinary(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
