"""The raw store: every retrieved file once, under the digest of its bytes, with a manifest of where it is from.

`raw/<source>/<as_of>/<sha256>.<ext>` beside `<sha256>.manifest`; nothing there is ever edited.
"""

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from warehouse.files import (
    ASIDE_PREFIX,
    TEMPORARY_PREFIX,
    listed,
    not_readable,
    ordinary,
    read_object,
    reading,
    remove,
    replacing,
    set_aside,
    write_text,
)

SET_ASIDE = "set_aside"
_FORGOTTEN = "forgotten.jsonl"
_SEEN = "seen.json"


class NoSuchSnapshot(LookupError):
    """A snapshot was named that is not stored."""


class BrokenManifest(ValueError):
    """What says where a stored file is from cannot be read."""


BUNDLED = "bundled"
"""What ships, as a source of files."""


@dataclass(frozen=True)
class Manifest:
    """Where a stored file is from and how it is to be read.

    Attributes:
        source: Capability that reads it, as `open_llm_leaderboard`.
        layout: Declared layout that its header matched; for a file set aside, the reason.
        subject: What within the source it speaks of: the board.
        as_of: Date at which the source said this.
        uri: File name or address it came from.
        revision: Commit of the source, where there is one.
        licence: What the publisher states; None where nothing is.
        retrieved_at: When it entered the store.
        is_dated: Whether the source says the date; else it is the day of retrieval.
    """

    source: str
    layout: str
    subject: str
    as_of: dt.date
    uri: str
    revision: str | None
    licence: str | None
    retrieved_at: dt.datetime
    is_dated: bool = True

    @property
    def is_shipped(self) -> bool:
        """Whether it came with Skyline."""
        return self.uri.startswith(f"{BUNDLED}/")


@dataclass(frozen=True)
class RawSnapshot:
    """A file of the store."""

    path: Path
    sha256: str
    manifest: Manifest

    @property
    def snapshot_id(self) -> str:
        """Name that tables carry: subject, date and the start of the digest."""
        return f"{self.manifest.subject}:{self.manifest.as_of.isoformat()}:{self.sha256[:10]}"


@dataclass(frozen=True)
class Broken:
    """A stored file that is not what was stored, or no longer what is meant.

    Attributes:
        path: The file or its manifest.
        reason: What is wrong with it.
        manifest: Where it is from; None where that cannot be read.
    """

    path: Path
    reason: str
    manifest: Manifest | None


@dataclass(frozen=True)
class Forgotten:
    """What the record says of a snapshot that was taken back."""

    snapshot_id: str
    sha256: str
    source: str
    as_of: dt.date
    uri: str
    reason: str
    forgotten_at: dt.datetime


def digest(payload: bytes) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


class RawStore:
    """The immutable files below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holds(self, sha256: str, source: str | None = None) -> bool:
        """Whether a file with that digest is stored (by that source, if given)."""
        return any(self._folder.glob(f"{source or '*'}/*/{sha256}.manifest"))

    def add(self, payload: bytes, suffix: str, manifest: Manifest) -> RawSnapshot:
        """Store the bytes; storing the same bytes for the same source and date again changes nothing.

        The manifest is written last: a file without one was never stored.
        """
        sha256 = digest(payload)
        folder = self._folder / manifest.source / manifest.as_of.isoformat()
        path = folder / f"{sha256}{suffix}"
        manifest_path = folder / f"{sha256}.manifest"
        if manifest_path.exists() and path.exists():
            return RawSnapshot(path, sha256, _read_manifest(manifest_path))
        with replacing(path) as temporary:
            temporary.write_bytes(payload)
        write_text(manifest_path, json.dumps(asdict(manifest), default=str, indent=1, ensure_ascii=False))
        return RawSnapshot(path, sha256, manifest)

    def snapshots(self, source: str) -> list[RawSnapshot]:
        """Stored files of the source, oldest first.

        Raises:
            BrokenManifest: a disk or a copy lost bytes; the message names the file.
            NotReadable: this user may not read one of them.
        """
        stored_files = [
            RawSnapshot(stored, manifest_path.stem, _read_manifest(manifest_path))
            for manifest_path, stored in self._pairs(source)
            if stored is not None
        ]
        return sorted(
            stored_files, key=lambda snapshot: (snapshot.manifest.as_of, snapshot.manifest.subject, snapshot.sha256)
        )

    def _pairs(self, source: str = "*") -> Iterator[tuple[Path, Path | None]]:
        """Every manifest with its file, or None where that is lost; every folder is listed once."""
        for folder in (
            each for name in self.sources() if source in ("*", name) for each in listed(self._folder / name)
        ):
            files: defaultdict[str, list[Path]] = defaultdict(list)
            manifests = []
            for path in listed(folder):
                if path.name.startswith((TEMPORARY_PREFIX, ASIDE_PREFIX)):
                    continue
                if path.suffix == ".manifest":
                    manifests.append(path)
                else:
                    files[path.name.partition(".")[0]].append(path)
            for manifest_path in manifests:
                yield manifest_path, next(iter(files[manifest_path.stem]), None)

    def broken(self, *, thorough: bool = True) -> list[Broken]:
        """Stored files whose bytes are not those that their names say, and manifests that cannot be read.

        Args:
            thorough: Whether every byte is read; else those of files whose size or time is another than when they were
                last found whole, see `remember_files`.
        """
        seen = {} if thorough else self._known_states()
        faults = []
        for manifest_path, stored in self._pairs():
            try:
                manifest = _read_manifest(manifest_path)
            except BrokenManifest as error:
                faults.append(Broken(manifest_path, str(error), None))
                continue
            if stored is None:
                faults.append(Broken(manifest_path, "the file that it describes is lost", manifest))
            elif reason := self._fault(stored, manifest_path.stem, seen):
                faults.append(Broken(stored, reason, manifest))
        return faults

    def _fault(self, stored: Path, sha256: str, seen: dict[str, list[int]]) -> str | None:
        """Why a stored file is not what was stored, or None; what has not changed since it was seen is not read."""
        try:
            if seen.get(self._name(stored)) == _state(stored):
                return None
            actual = digest(stored.read_bytes())
        except PermissionError as error:
            raise not_readable(stored) from error
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return None if actual == sha256 else f"its bytes have the digest {actual[:10]}…"

    def remember_files(self) -> None:
        """Remember size and time of every file, so that only what changes after this is read again to compare it.

        The caller has found all of them whole.
        """
        state = {self._name(stored): _state(stored) for _, stored in self._pairs() if stored is not None}
        if state != self._known_states():
            write_text(self._folder / _SEEN, json.dumps(state))

    def _known_states(self) -> dict[str, list[int]]:
        return read_object(self._folder / _SEEN)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def set_aside(self, broken: Broken) -> None:
        """Keep the bytes of a file, with the reason, where no source reads them."""
        manifest, manifest_path = broken.manifest, broken.path.with_suffix(".manifest")
        stored = [path for path in manifest_path.parent.glob(f"{manifest_path.stem}.*") if path != manifest_path]
        uri = manifest.uri if manifest else manifest_path.relative_to(self._folder).as_posix()
        revision, licence = (manifest.revision, manifest.licence) if manifest else (None, None)
        now = dt.datetime.now(dt.UTC)
        manifest_fields = (SET_ASIDE, broken.reason, "unknown", now.date(), uri, revision, licence, now)
        for path in stored:
            if path.is_file():
                self.add(path.read_bytes(), path.suffix, Manifest(*manifest_fields, is_dated=False))
            _clear(path)
        _clear(manifest_path)

    def named(self, snapshot_id: str) -> RawSnapshot:
        """The stored file of that name, or of that digest.

        Raises:
            NoSuchSnapshot: none, or more than one, is called so.
        """
        named = [
            snapshot
            for source in self.sources()
            for snapshot in self.snapshots(source)
            if snapshot_id in (snapshot.snapshot_id, snapshot.sha256)
        ]
        if len(named) != 1:
            how_many = "No snapshot is" if not named else f"{len(named)} snapshots are"
            raise NoSuchSnapshot(
                f"{how_many} called {snapshot_id}; `skyline snapshots` lists them, with their digests."
            )
        return named[0]

    def forget(self, chosen: RawSnapshot, reason: str) -> None:
        """Remove a stored file, and write down that it was; the same bytes of that date are not stored again."""
        manifest = chosen.manifest
        line = Forgotten(
            chosen.snapshot_id,
            chosen.sha256,
            manifest.source,
            manifest.as_of,
            manifest.uri,
            reason,
            dt.datetime.now(dt.UTC),
        )
        self._write_forgotten([*self.forgotten(), line])
        # The record comes first: a file that is gone without one could not be explained.
        chosen.path.with_suffix(".manifest").unlink()
        chosen.path.unlink()

    def remember(self, snapshot_id: str) -> list[Forgotten]:
        """Strike a snapshot from the record, so that it is stored again when its source is read again.

        Raises:
            NoSuchSnapshot: it was not forgotten.
        """
        record = self.forgotten()
        struck = [snapshot for snapshot in record if snapshot_id in (snapshot.snapshot_id, snapshot.sha256)]
        if not struck:
            raise NoSuchSnapshot(f"{snapshot_id} was not forgotten; `skyline snapshots --forgotten` lists what was.")
        self._write_forgotten([snapshot for snapshot in record if snapshot not in struck])
        return struck

    def forgotten(self) -> list[Forgotten]:
        """The record of what was taken back, oldest first."""
        record = self._folder / _FORGOTTEN
        try:
            return [
                Forgotten(
                    **fields
                    | {
                        "as_of": dt.date.fromisoformat(fields["as_of"]),
                        "forgotten_at": dt.datetime.fromisoformat(fields["forgotten_at"]),
                    }
                )
                for fields in map(json.loads, ordinary(record).read_text(encoding="utf-8").splitlines())
            ]
        except FileNotFoundError:
            return []
        except PermissionError as error:
            raise not_readable(record) from error
        except (OSError, ValueError, LookupError, TypeError) as error:
            # Taken for empty, it would bring back what somebody took out.
            raise BrokenManifest(
                f"{record} cannot be read ({error}); restore it from a backup, or delete it: what was forgotten is then"
                " read again where its source still has it."
            ) from error

    def _write_forgotten(self, record: list[Forgotten]) -> None:
        text = "".join(json.dumps(asdict(snapshot), default=str, ensure_ascii=False) + "\n" for snapshot in record)
        write_text(self._folder / _FORGOTTEN, text)

    def sources(self) -> list[str]:
        """Sources that have stored something.

        Raises:
            NotReadable: this user may not look.
        """
        with reading():
            return [path.name for path in listed(self._folder) if path.is_dir()]

    def forget_set_aside(self, sha256: str) -> None:
        """Drop a file that was set aside, once a layout for it is known."""
        for path in self._folder.glob(f"{SET_ASIDE}/*/{sha256}.*"):
            path.unlink(missing_ok=True)

    def fingerprint(self) -> str:
        """Digest over everything stored, which changes exactly when something is added."""
        names = sorted(str(path.relative_to(self._folder)) for path in self._folder.glob("*/*/*.manifest"))
        return digest("\n".join(names).encode())


def _clear(path: Path) -> None:
    """Remove what stands where a file belongs; a folder is kept under another name, for who knows what lies in it."""
    if path.is_dir() and not path.is_symlink():
        set_aside(path)
    else:
        remove(path)


def _state(path: Path) -> list[int]:
    stat = ordinary(path).stat()
    return [stat.st_size, stat.st_mtime_ns]


def _read_manifest(path: Path) -> Manifest:
    try:
        fields = json.loads(ordinary(path).read_text(encoding="utf-8"))
        fields["as_of"] = dt.date.fromisoformat(fields["as_of"])
        fields["retrieved_at"] = dt.datetime.fromisoformat(fields["retrieved_at"])
        # Older versions did not say it; a date that is the day of retrieval is then none of the source.
        fields.setdefault("is_dated", fields["as_of"] != fields["retrieved_at"].date())
        return Manifest(**fields)
    except PermissionError as error:
        raise not_readable(path) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BrokenManifest(
            f"{path} cannot be read ({error}); restore it from a backup, or delete both it and its data file and run"
            " `skyline refresh`."
        ) from error
