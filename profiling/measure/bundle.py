"""A bundle: the folder that carries measurements from a node to whoever reads them, and the only contract between.

`NAME.bundle/` holds `plan.json`, `environment.json`, `ceilings.jsonl`, `points.jsonl`, `layers.jsonl.gz`,
`telemetry.jsonl.gz`, `logs/`, then `manifest.json` with the digest of each file, and `_COMPLETE` last of all. Rows are
lines of JSON, appended and synchronised one by one; a line that was torn by a crash is dropped when writing resumes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiling.errors import ProfilingError
from profiling.foreign import json_object

SCHEMA = 1
SUFFIX = ".bundle"
COMPLETE, MANIFEST = "_COMPLETE", "manifest.json"
PLAN, ENVIRONMENT = "plan.json", "environment.json"
CEILINGS, POINTS, LAYERS = "ceilings.jsonl", "points.jsonl", "layers.jsonl"
TELEMETRY = "telemetry.jsonl"
PACKED = ".gz"
_PACKED_FILES = (LAYERS, TELEMETRY)
_REQUIRED = (PLAN, ENVIRONMENT, POINTS)
# A bundle is read into memory whole; one that is larger was not made by a sweep.
LARGEST_BYTES = 256 << 20

Row = dict[str, Any]


class UnusableBundle(ProfilingError):
    """A bundle that is not whole or not what its manifest says; the message names the file and the reason."""


class NotWritten(ProfilingError):
    """A row could not be stored; the file is as it was before."""


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row and return when it is on the disk.

    Raises:
        NotWritten: The disk is full or the file cannot be written; nothing of the row is left behind.
    """
    line = json.dumps(row, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    try:
        with path.open("ab", buffering=0) as stream:
            before = stream.tell()
            try:
                written = 0
                while written < len(line):
                    written += stream.write(line[written:]) or 0
                os.fsync(stream.fileno())
            except OSError:
                with suppress(OSError):
                    stream.truncate(before)
                raise
    except OSError as error:
        raise NotWritten(
            f"{path} cannot be written: {error.strerror}; free some room and run the same command again"
        ) from error


def mend(path: Path) -> bool:
    """Cut off a last line that a crash left unfinished; tell whether there was one."""
    if not path.exists():
        return False
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return False
    with path.open("r+b") as stream:
        stream.truncate(whole)
        os.fsync(stream.fileno())
    return True


def rows(content: bytes, name: str) -> list[Row]:
    """Rows of a file of lines; a last line without its end is not one.

    Raises:
        UnusableBundle: A line is not a JSON object.
    """
    *lines, _ = content.split(b"\n")
    return [json_object(line, f"{name}: line {number}", UnusableBundle) for number, line in enumerate(lines, 1)]


def read_rows(path: Path) -> list[Row]:
    """Rows of a file; none where there is no file."""
    return rows(path.read_bytes(), path.name) if path.exists() else []


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file so that it is either whole or not there."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1, allow_nan=False, sort_keys=True)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def canonical_id(content: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that name this content, whatever the order of its keys."""
    return digest(json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())[:16]


def seal(folder: Path) -> None:
    """Pack layers and telemetry, write the manifest, and mark the bundle complete; sealing twice changes nothing."""
    for name in _PACKED_FILES:
        _pack_rows(folder / name)
    files = {
        path.relative_to(folder).as_posix(): digest(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {MANIFEST, COMPLETE} and not path.name.startswith(".")
    }
    plan = json.loads((folder / PLAN).read_text("utf-8"))
    environment = json.loads((folder / ENVIRONMENT).read_text("utf-8"))
    write_json(
        folder / MANIFEST,
        {
            "schema": SCHEMA, "run_id": plan["run_id"], "environment_id": environment["environment_id"],
            "sealed_at": environment["measured_at"], "files": files,
        },
    )  # fmt: skip
    (folder / COMPLETE).write_text(digest((folder / MANIFEST).read_bytes()) + "\n", "utf-8")


def _pack_rows(plain: Path) -> None:
    """Compress a file of rows, behind those that were compressed before."""
    if not plain.exists():
        return
    mend(plain)
    packed = plain.with_name(plain.name + PACKED)
    before = gzip.decompress(packed.read_bytes()) if packed.exists() else b""
    temporary = packed.with_name(f".{packed.name}.part")
    # No time in the header: the same rows make the same bytes.
    temporary.write_bytes(gzip.compress(before + plain.read_bytes(), mtime=0))
    temporary.replace(packed)
    plain.unlink()


def unseal(folder: Path) -> None:
    """Take the mark away before anything is added."""
    (folder / COMPLETE).unlink(missing_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)


def is_complete(folder: Path) -> bool:
    """Whether whoever copied the bundle has reached its end; says nothing of what it holds."""
    return (folder / COMPLETE).is_file()


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory."""

    manifest: Row
    plan: Row
    environment: Row
    ceilings: tuple[Row, ...]
    points: tuple[Row, ...]
    layers: tuple[Row, ...]
    telemetry: tuple[Row, ...]

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return str(self.manifest["run_id"])

    @property
    def environment_id(self) -> str:
        """Name of the hardware and software it ran on."""
        return str(self.manifest["environment_id"])

    def final_points(self) -> list[Row]:
        """The last attempt at each point, in the order of their first."""
        last: dict[str, Row] = {}
        for point in self.points:
            last[str(point["point_id"])] = point
        return list(last.values())

    def final_layers(self) -> list[Row]:
        """Layers of those attempts, each once."""
        wanted = {(point["point_id"], point["attempt"]) for point in self.final_points()}
        once: dict[tuple[object, ...], Row] = {}
        for layer in self.layers:
            if (layer["point_id"], layer["attempt"]) in wanted:
                once[layer["point_id"], layer["path"]] = layer
        return list(once.values())


def load(contents: Mapping[str, bytes]) -> Bundle:
    """A bundle from its files by name.

    Raises:
        UnusableBundle: It is incomplete, a file is missing, one too many, or not the one that was sealed.
    """
    if COMPLETE not in contents or MANIFEST not in contents:
        raise UnusableBundle(
            f"the bundle has no {COMPLETE if MANIFEST in contents else MANIFEST}; it is still being copied or written"
        )
    if contents[COMPLETE].decode("utf-8", "replace").strip() != digest(contents[MANIFEST]):
        raise UnusableBundle(f"{MANIFEST} is not the one that {COMPLETE} was written for")
    manifest = json_object(contents[MANIFEST], MANIFEST, UnusableBundle)
    if manifest.get("schema") != SCHEMA:
        raise UnusableBundle(f"{MANIFEST} has schema {manifest.get('schema')!r}; this version reads {SCHEMA}")
    listed = manifest.get("files")
    if not isinstance(listed, dict) or not all(isinstance(manifest.get(n), str) for n in ("run_id", "environment_id")):
        raise UnusableBundle(f"{MANIFEST} does not say `files`, `run_id` and `environment_id`")
    for name in _REQUIRED:
        if name not in listed:
            raise UnusableBundle(f"{MANIFEST} lists no {name}")
    for name, expected in listed.items():
        if name not in contents:
            raise UnusableBundle(f"{name} is missing")
        if digest(contents[name]) != expected:
            raise UnusableBundle(f"{name} is not what was sealed: its SHA-256 differs")
    for name in contents:
        if name not in listed and name not in {MANIFEST, COMPLETE}:
            raise UnusableBundle(f"{name} was added after sealing")
    return Bundle(
        manifest=manifest,
        plan=json_object(contents[PLAN], PLAN, UnusableBundle),
        environment=json_object(contents[ENVIRONMENT], ENVIRONMENT, UnusableBundle),
        ceilings=tuple(rows(contents.get(CEILINGS, b""), CEILINGS)),
        points=tuple(rows(contents[POINTS], POINTS)),
        layers=tuple(_packed_rows(contents, LAYERS)),
        telemetry=tuple(_packed_rows(contents, TELEMETRY)),
    )


def _packed_rows(contents: Mapping[str, bytes], name: str) -> list[Row]:
    packed = contents.get(name + PACKED)
    if packed is None:
        return []
    try:
        with gzip.open(io.BytesIO(packed)) as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnusableBundle(f"{name}{PACKED} cannot be unpacked: {error}") from error
    if len(content) > LARGEST_BYTES:
        raise UnusableBundle(f"{name}{PACKED} unpacks to more than {LARGEST_BYTES >> 20} MiB")
    return rows(content, name)


def contents_of(folder: Path) -> dict[str, bytes]:
    """Files of a bundle folder by name, but for hidden ones.

    Raises:
        UnusableBundle: There is no such folder, it links elsewhere, or it is far too large.
    """
    if not folder.is_dir():
        raise UnusableBundle(f"{folder} is not a folder")
    contents: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise UnusableBundle(f"{path.relative_to(folder)} is a link; a bundle holds files only")
        if path.is_file() and not path.name.startswith("."):
            total += path.stat().st_size
            if total > LARGEST_BYTES:
                raise UnusableBundle(f"{folder.name} has more than {LARGEST_BYTES >> 20} MiB")
            contents[path.relative_to(folder).as_posix()] = path.read_bytes()
    return contents


def verify(folder: Path) -> Bundle:
    """The bundle, if it is whole.

    Raises:
        UnusableBundle: As `load` and `contents_of`.
    """
    return load(contents_of(folder))


def pack(folder: Path) -> bytes:
    """The bundle as one tar archive; the same files make the same bytes.

    Raises:
        UnusableBundle: As `contents_of`, or a name is too long or not text.
    """
    buffer = io.BytesIO()
    contents = contents_of(folder)
    try:
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in sorted(contents.items()):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    except ValueError as error:
        raise UnusableBundle(f"{folder.name} holds a name that no archive can hold: {error}") from error
    return buffer.getvalue()


def unpack(payload: bytes) -> Bundle:
    """The bundle in an archive of `pack`, or of `tar -C mine.bundle .`.

    Raises:
        UnusableBundle: The bytes are no such archive, or as `load`.
    """
    return load(dict(_archived(payload)))


def _archived(payload: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(payload), mode="r:") as archive:
            for entry in archive:
                if entry.isdir():  # as `tar -C mine.bundle .` writes them; names say the folders
                    continue
                if not entry.isfile():
                    raise UnusableBundle(f"{entry.name} is no file; a bundle holds files only")
                # A sparse entry, which claims more than there is, would fill the memory with zeros.
                stream = archive.extractfile(entry) if 0 <= entry.size <= len(payload) else None
                if stream is None:
                    raise UnusableBundle(f"{entry.name} claims {entry.size:,} bytes in an archive of {len(payload):,}")
                yield entry.name.removeprefix("./"), stream.read()
    except (tarfile.TarError, OSError, EOFError, ValueError, ArithmeticError, LookupError) as error:
        if isinstance(error, UnusableBundle):
            raise
        raise UnusableBundle(f"not an archive of a bundle: {error}") from error
