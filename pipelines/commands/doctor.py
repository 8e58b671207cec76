"""What is installed, what can run here, and why not."""

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pipelines.runs.writer_lock import UNFINISHED
from pipelines.sources.boards.declaration import BrokenDeclaration, declared
from pipelines.sources.raw_store import BrokenManifest, RawStore
from warehouse.files import NotReadable, listed
from warehouse.format import misplaced
from warehouse.publish import LINK, NotPublished, current
from warehouse.settings import Settings
from warehouse.versions import fault, fault_of_current, link_fault

_LIBRARIES = ("dagster", "duckdb", "polars", "panel", "holoviews", "hvplot", "bokeh", "moocore", "httpx")
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""What page tests drive, the lightest first: the same engine without windows is done a sixth sooner."""
PROFILING = '"torch>=2.6,<3" "nvidia-ml-py>=12" "transformers>=5" "gguf>=0.19" "accelerate>=1.10"'
"""What the extra of that name installs. By their own names: an extra asked of a wrong name is a stranger's package."""
_NEEDED_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is fine, whether Skyline needs it, and what to do if it is not."""

    what: str
    fine: bool
    detail: str
    advice: str = ""
    needed: bool = True


def examine(settings: Settings, *, thorough: bool = False) -> list[Finding]:
    """Look at everything that Skyline uses, without changing anything.

    Args:
        settings: The home.
        thorough: Whether every byte that is stored is compared, and every value that is published is read.
    """
    return [
        Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or newer"),
        *_libraries(),
        *_storage(settings),
        *_warehouse(settings, thorough=thorough),
        _port(settings),
        *_profiling(),
        _browser(),
    ]


def _libraries() -> Iterator[Finding]:
    for name in _LIBRARIES:
        try:
            yield Finding(name, fine=True, detail=metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, fine=False, detail="not installed", advice="make setup")


def _storage(settings: Settings) -> Iterator[Finding]:
    home = Path(os.path.realpath(settings.home))  # a link may lead in a circle
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    yield Finding(
        "home", os.access(existing, os.W_OK), str(home), f"make {existing} writable, or set SKYLINE_HOME elsewhere"
    )
    free = shutil.disk_usage(existing).free
    yield Finding("free disk", free >= _NEEDED_FREE_BYTES, f"{free / (1 << 30):.1f} GiB", "free at least 1 GiB")


def _warehouse(settings: Settings, *, thorough: bool) -> Iterator[Finding]:
    try:
        yield from _damage(settings, thorough=thorough)
    except NotReadable as error:
        yield Finding("warehouse", fine=False, detail="this user may not read all of the home", advice=str(error))


def _damage(settings: Settings, *, thorough: bool) -> Iterator[Finding]:
    """What the next refresh would mend, without mending it."""
    listed(settings.home)
    if (settings.home / UNFINISHED).exists():
        yield _mended_by_refresh("last writer", "was killed; what it left is swept by the next")
    for path in misplaced(settings.home):
        yield _mended_by_refresh("home", f"{path} is no file; it is kept under another name")
    try:
        declared(settings.home)
    except BrokenDeclaration as error:
        yield Finding("declared boards", fine=False, detail="not readable", advice=str(error))
    store = RawStore(settings.raw)
    try:
        store.forgotten()
    except BrokenManifest as error:
        yield Finding("record of what was forgotten", fine=False, detail="not readable", advice=str(error))
    broken = store.broken(thorough=thorough)
    if broken:
        more = f" and {len(broken) - 1} more" if broken[1:] else ""
        yield _mended_by_refresh("raw files", f"{broken[0].path}: {broken[0].reason}{more}")
    else:
        yield Finding("raw files", fine=True, detail="as they were stored")
    try:
        release = current(settings.published)
    except NotPublished as error:
        yield Finding("warehouse", fine=False, detail="not published", advice=str(error), needed=False)
        return
    yield Finding("warehouse", fine=True, detail=f"{release.path.name}, {release.published_at:%Y-%m-%d %H:%M} UTC")
    if reason := fault(release.path) if thorough else fault_of_current(release):
        yield _mended_by_refresh("release", reason)
    if reason := link_fault(settings.published, release):
        yield _mended_by_refresh("link", reason)
    else:
        yield Finding("link", fine=True, detail=LINK)


def _mended_by_refresh(what: str, detail: str) -> Finding:
    return Finding(what, fine=False, detail=detail, advice="skyline refresh", needed=False)


def _port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            detail = f"{settings.address}:{settings.port} {error.strerror}"
            return Finding("port", fine=False, detail=detail, advice="serve with --port", needed=False)
    return Finding("port", fine=True, detail=f"{settings.address}:{settings.port} is free")


def _profiling() -> Iterator[Finding]:
    torch = importlib.util.find_spec("torch") is not None
    advice = "" if torch else f"pip install {PROFILING} to profile models here"
    detail = metadata.version("torch") if torch else "not installed"
    yield Finding("torch", torch, detail, advice, needed=False)
    devices = sorted(Path("/dev").glob("nvidia[0-9]*"))
    yield Finding(
        "NVIDIA GPU",
        bool(devices),
        f"{len(devices)} found" if devices else "none found",
        "" if devices else "GPU profiling runs on a machine that has one; everything else runs here",
        needed=False,
    )


def _browser() -> Finding:
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    return Finding(
        "Chromium",
        browser is not None,
        browser or "not found",
        "" if browser else "install the package `chromium` to run the page tests",
        needed=False,
    )
