"""Mending the raw store: what changed after it was retrieved is set aside, and fetched again where it can be."""

import re
from collections.abc import Callable
from dataclasses import replace

from pipelines.sources.collect import collect
from pipelines.sources.inbox import Marks
from pipelines.sources.raw_store import BUNDLED, Manifest, RawStore, digest
from warehouse.settings import Settings

_ON_HUB = re.compile(r"hf://datasets/([^/@]+/[^/@]+)@([^/]+)/(.+)")


def mend(settings: Settings, report: Callable[[str], None]) -> None:
    """Set aside what is no longer what was stored, fetch it again where its source can be asked, and say both.

    Read are files whose size or time has changed since they were last found whole; all others were compared then.

    Args:
        settings: The home, which the caller holds for writing.
        report: Called with one line per file.
    """
    store = RawStore(settings.raw)
    broken = store.broken(thorough=False)
    marks = Marks(settings)
    for file in broken:
        if file.path.suffix != ".manifest" or file.manifest is None:
            store.set_aside(replace(file, reason=f"changed in the store after it was retrieved: {file.reason}"))
            report(f"set aside {file.path}: {file.reason}")
    # Fetching reads every manifest, so none may be left that cannot be read.
    for file in broken:
        if file.manifest is None:
            continue
        marks.drop(file.manifest.uri)
        sha256 = file.path.name.partition(".")[0]
        if why_not := _refetch(file.manifest, sha256, store, settings):
            report(f"lost {file.manifest.uri}: {why_not}")
        else:
            report(f"fetched {file.manifest.uri} again")
    if broken:
        marks.save()
    store.remember_files()


def _refetch(manifest: Manifest, sha256: str, store: RawStore, settings: Settings) -> str | None:
    """Store the file anew from where it came; else why it could not be."""
    if manifest.is_shipped:
        collect([BUNDLED], settings)
        return None if store.holds(sha256) else "it belongs to another version of Skyline"
    match = _ON_HUB.fullmatch(manifest.uri)
    if match is None:
        return "name its file or folder with --source, or restore raw/ from a backup"
    from pipelines.sources.hub.client import Hub, HubFile, HubUnavailable, NotOnHub  # noqa: PLC0415 - httpx, for this

    try:
        with Hub(settings) as hub:
            payload = hub.download(HubFile(match[1], match[3], match[2]))
    except (NotOnHub, HubUnavailable) as error:
        return str(error)
    if digest(payload) != sha256:
        return "the hub returns different bytes for that commit"
    store.add(payload, "." + manifest.uri.rpartition(".")[2], manifest)
    return None
