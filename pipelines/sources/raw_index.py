"""What the raw store holds, by digest, name and statement: thousands of files come in at the cost of one look."""

import datetime as dt
from collections import defaultdict

from pipelines.sources.raw_store import SET_ASIDE, Forgotten, RawSnapshot, RawStore
from pipelines.sources.recognised import Recognised

_READ_HALF = frozenset({".csv"})
_HEAD = 512


class HalfFile(ValueError):
    """A file is the beginning of one that is stored."""


class Index:
    """An index of the store, kept up by whoever adds to it."""

    def __init__(self, store: RawStore) -> None:
        self._read: set[tuple[str, str]] = set()
        self._uris: set[str] = set()
        self._by_digest: defaultdict[str, set[tuple[str, dt.date]]] = defaultdict(set)
        self._named: defaultdict[tuple[str, str], dict[RawSnapshot, None]] = defaultdict(dict)
        # Files of which one may be the beginning of another. Of other kinds nobody can read half a file.
        self._alike: defaultdict[tuple[object, ...], dict[RawSnapshot, None]] = defaultdict(dict)
        self._forgotten = {(snapshot.sha256, snapshot.as_of): snapshot for snapshot in store.forgotten()}
        self._forgotten_digests = {snapshot.sha256 for snapshot in self._forgotten.values()}
        self._forgotten_uris = {snapshot.uri for snapshot in self._forgotten.values()}
        for source in store.sources():
            for stored in store.snapshots(source):
                self.add(stored)

    def add(self, stored: RawSnapshot) -> None:
        """Take in what was stored."""
        manifest = stored.manifest
        self._by_digest[stored.sha256].add((manifest.source, manifest.as_of))
        if manifest.source != SET_ASIDE:
            self._read.add((stored.sha256, manifest.uri))
            self._uris.add(manifest.uri)
            self._named[manifest.source, manifest.uri][stored] = None
            if stored.path.suffix in _READ_HALF:
                with stored.path.open("rb") as stream:
                    head = stream.read(_HEAD)
                for key in _keys(manifest.source, manifest.subject, manifest.as_of, manifest.uri, head):
                    self._alike[key][stored] = None

    def remove(self, stored: RawSnapshot) -> None:
        """Leave out what was forgotten."""
        manifest = stored.manifest
        self._by_digest[stored.sha256].discard((manifest.source, manifest.as_of))
        self._read.discard((stored.sha256, manifest.uri))
        self._named[manifest.source, manifest.uri].pop(stored, None)
        for alike in self._alike.values():
            alike.pop(stored, None)

    def is_read(self, sha256: str, uri: str) -> bool:
        """Whether those bytes of that name are stored for some source; what was set aside is looked at again."""
        return (sha256, uri) in self._read

    def has_fetched(self, uri: str, sha256: str | None) -> bool:
        """Whether that address, or bytes known to be the same, were stored, or forgotten, before."""
        if uri in self._uris or uri in self._forgotten_uris or sha256 in self._forgotten_digests:
            return True
        return any(source != SET_ASIDE for source, _ in self._by_digest.get(sha256 or "", ()))

    def is_set_aside(self, sha256: str) -> bool:
        """Whether those bytes are kept although no source reads them."""
        return any(source == SET_ASIDE for source, _ in self._by_digest.get(sha256, ()))

    def holds(self, sha256: str, recognised: Recognised) -> bool:
        """Whether the source has those bytes; of that date, where only the name of the file says it."""
        return any(
            source == recognised.source and (not recognised.dated_by_name or as_of == recognised.as_of)
            for source, as_of in self._by_digest.get(sha256, ())
        )

    def forgotten(self, sha256: str, as_of: dt.date) -> Forgotten | None:
        """What the record says of those bytes and that date."""
        return self._forgotten.get((sha256, as_of))

    def halves_of(self, payload: bytes, recognised: Recognised, uri: str, *, same_name: bool) -> list[RawSnapshot]:
        """Stored files that are the beginning of this one: copies that were cut short.

        Args:
            payload: Its bytes.
            recognised: What it is.
            uri: Its name.
            same_name: Whether a file of its name counts that speaks of another date, as where files are dropped; the
                states of a source that grows every day are none the halves of others.
        """
        return [
            candidate
            for candidate in self._candidates(payload, recognised, uri, same_name=same_name)
            if candidate.path.stat().st_size < len(payload) and payload.startswith(candidate.path.read_bytes())
        ]

    def others_named(self, sha256: str, recognised: Recognised, uri: str) -> list[RawSnapshot]:
        """Stored files of that name which say something else of the same subject and day."""
        identity = (recognised.subject, recognised.as_of)
        named = self._named.get((recognised.source, uri), ())
        return [
            snapshot
            for snapshot in named
            if (snapshot.manifest.subject, snapshot.manifest.as_of) == identity and snapshot.sha256 != sha256
        ]

    def refuse_partial_copy(self, payload: bytes, recognised: Recognised, uri: str, *, same_name: bool) -> None:
        """Refuse a file of which the whole is stored; arguments as of `halves_of`.

        Raises:
            HalfFile: it is the beginning of a stored file.
        """
        for candidate in self._candidates(payload, recognised, uri, same_name=same_name):
            if candidate.path.stat().st_size > len(payload):
                with candidate.path.open("rb") as stream:
                    if stream.read(len(payload)) == payload:
                        raise HalfFile(
                            f"{uri} is the beginning of {candidate.manifest.uri}, stored as {candidate.snapshot_id}"
                        )

    def _candidates(self, payload: bytes, recognised: Recognised, uri: str, *, same_name: bool) -> list[RawSnapshot]:
        keys = _keys(recognised.source, recognised.subject, recognised.as_of, uri, payload[:_HEAD])
        alike = {snapshot: None for key in keys for snapshot in self._alike.get(key, ())}
        return [snapshot for snapshot in alike if same_name or snapshot.manifest.as_of == recognised.as_of]


def _keys(source: str, subject: str, as_of: dt.date, uri: str, head: bytes) -> list[tuple[object, ...]]:
    """Under which a file is looked for: its name; and what it speaks of, where it is long enough to be compared."""
    named: tuple[object, ...] = (source, uri)
    return [named, (source, subject, as_of, head)] if len(head) == _HEAD else [named]
