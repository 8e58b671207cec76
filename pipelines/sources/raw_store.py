"""The raw store: every retrieved file once, under the digest of its bytes, with a manifest of where it is from.

`raw/<source>/<as_of>/<sha256>.<ext>` beside `<sha256>.manifest`; nothing there is ever edited.
"""

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from warehouse.files import TEMPORARY_PREFIX, replacing, write_text

SET_ASIDE = "set_aside"


class BrokenManifest(ValueError):
    """What says where a stored file is from cannot be read."""


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
    """

    source: str
    layout: str
    subject: str
    as_of: dt.date
    uri: str
    revision: str | None
    licence: str | None
    retrieved_at: dt.datetime


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


def digest(payload: bytes) -> str:
    """SHA-256 of the bytes, in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


class RawStore:
    """The immutable files below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def holds(self, sha256: str, source: str | None = None, as_of: dt.date | None = None) -> bool:
        """Whether a file with that digest is stored (by that source and of that date, if given)."""
        return any(self._folder.glob(f"{source or '*'}/{as_of or '*'}/{sha256}.manifest"))

    def add(self, payload: bytes, suffix: str, manifest: Manifest) -> RawSnapshot:
        """Store the bytes; storing the same bytes for the same source and date again changes nothing.

        The manifest is written last: a file without one was never stored.
        """
        sha256 = digest(payload)
        folder = self._folder / manifest.source / manifest.as_of.isoformat()
        path = folder / f"{sha256}{suffix}"
        known = folder / f"{sha256}.manifest"
        if known.exists() and path.exists():
            return RawSnapshot(path, sha256, _read_manifest(known))
        with replacing(path) as temporary:
            temporary.write_bytes(payload)
        write_text(known, json.dumps(asdict(manifest), default=str, indent=1, ensure_ascii=False))
        return RawSnapshot(path, sha256, manifest)

    def snapshots(self, source: str) -> list[RawSnapshot]:
        """Stored files of the source, oldest first.

        Raises:
            BrokenManifest: a disk or a copy lost bytes; the message names the file.
        """
        found = []
        for known in self._folder.glob(f"{source}/*/*.manifest"):
            if known.name.startswith(TEMPORARY_PREFIX):
                continue
            stored = [p for p in known.parent.glob(f"{known.stem}.*") if p != known]
            if stored:
                found.append(RawSnapshot(stored[0], known.stem, _read_manifest(known)))
        return sorted(found, key=lambda snapshot: (snapshot.manifest.as_of, snapshot.manifest.subject, snapshot.sha256))

    def broken(self) -> list[Path]:
        """Stored files whose bytes are not those that their names say, and manifests that cannot be read."""
        unreadable = []
        for known in sorted(self._folder.glob("*/*/*.manifest")):
            try:
                _read_manifest(known)
            except BrokenManifest:
                unreadable.append(known)
        stored = [
            path
            for path in self._folder.glob("*/*/*")
            if path.suffix != ".manifest" and not path.name.startswith(TEMPORARY_PREFIX)
        ]
        return unreadable + [path for path in sorted(stored) if not path.name.startswith(digest(path.read_bytes()))]

    def sources(self) -> list[str]:
        """Sources that have stored something."""
        return sorted(path.name for path in self._folder.glob("*") if path.is_dir())

    def forget_set_aside(self, sha256: str) -> None:
        """Drop a file that was set aside, once a layout for it is known."""
        for path in self._folder.glob(f"{SET_ASIDE}/*/{sha256}.*"):
            path.unlink(missing_ok=True)

    def fingerprint(self) -> str:
        """Digest over everything stored, which changes exactly when something is added."""
        names = sorted(str(path.relative_to(self._folder)) for path in self._folder.glob("*/*/*.manifest"))
        return digest("\n".join(names).encode())


def _read_manifest(path: Path) -> Manifest:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["as_of"] = dt.date.fromisoformat(fields["as_of"])
        fields["retrieved_at"] = dt.datetime.fromisoformat(fields["retrieved_at"])
        return Manifest(**fields)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BrokenManifest(
            f"{path} cannot be read ({error}); restore it from a backup, or delete it with the file beside it and run"
            " `skyline refresh`."
        ) from error
