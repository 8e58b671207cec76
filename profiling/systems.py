"""What operating systems do differently: locks, ends of process groups, peaks of memory; all in one place.

Everything here works on Linux and macOS. On Windows, what has no counterpart is left out, and each function says so.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO


def lock(file: IO[str], *, shared: bool = False) -> None:
    """Lock an open file until it is closed; the system lets go of it even if the process is killed.

    On Windows a lock is never shared, and one that was asked for as shared is none.

    Raises:
        BlockingIOError: another process holds it; one that is shared is waited for.
    """
    if sys.platform == "win32":
        if not shared:
            import msvcrt  # noqa: PLC0415

            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError as error:
                raise BlockingIOError(str(error)) from error
    else:
        import fcntl  # noqa: PLC0415

        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)


def end_group(process: int) -> None:
    """End at once a process that leads a session of its own, with its children; on Windows only the process itself.

    Raises:
        ProcessLookupError: there is none.
    """
    if hasattr(os, "killpg"):
        os.killpg(process, signal.SIGKILL)
    else:
        os.kill(process, signal.SIGTERM)


def is_alive(process: int) -> bool:
    """Whether a process of that number lives, of whichever user; one that ended and was not waited for does not."""
    if os.name == "nt":
        kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - there is none elsewhere
        may_wait = 0x00100000
        handle = kernel.OpenProcess(may_wait, False, process)
        return bool(handle and kernel.CloseHandle(handle))
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _stat(process)[:1] != ["Z"]


def began_s(process: int) -> float | None:
    """When a process began, in seconds since 1970; None where the system does not say it as Linux does."""
    try:
        ticks = int(_stat(process)[19])
    except (ValueError, IndexError):
        return None
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> list[str]:
    """What Linux says of a process, from its state on (`man 5 proc_pid_stat`); empty where it says nothing."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def was_killed(code: int) -> bool:
    """Whether that exit code says that the system ended the process with a signal that cannot be caught."""
    return code == -getattr(signal, "SIGKILL", 9)


def die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, however it ends; elsewhere nothing."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None, use_errno=True).prctl(set_parent_death_signal, signal.SIGKILL)


def limit_memory(limit_bytes: int | None) -> None:
    """Refuse allocations of this process beyond that much address space; nothing where the system has no such limit."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:
        return
    if limit_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def peak_memory_bytes() -> int | None:
    """The most memory that this process held at once, libraries and code included; None where the system keeps none."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # Linux counts in KiB, macOS in bytes


def memory_bytes() -> int | None:
    """Memory of this machine; None where the system does not say it in this way."""
    if not hasattr(os, "sysconf"):
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def load_1min() -> float | None:
    """How many processes wanted to run in the last minute, on average; None where the system does not count."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
