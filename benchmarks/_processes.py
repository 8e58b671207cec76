"""What a program and the processes it starts hold and take together."""

import subprocess
import time
from collections.abc import Callable

import psutil

_SAMPLE_S = 0.2


def resident_bytes(process: psutil.Process) -> int:
    """Bytes of a process and all below it; pages that they share count once for each."""
    try:
        return sum(member.memory_info().rss for member in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def watch(process: "subprocess.Popen[str]", stop: Callable[[int, float], str | None] | None = None) -> tuple[int, str]:
    """Wait for a program to end.

    Args:
        process: It, just started.
        stop: Given the most bytes so far and the seconds since the start, why it and all below it are to be killed.

    Returns:
        The most bytes that were resident together, and why it was killed, empty if it was not.
    """
    family, began, most = psutil.Process(process.pid), time.monotonic(), 0
    while process.poll() is None:
        most = max(most, resident_bytes(family))
        if stop and (why := stop(most, time.monotonic() - began)):
            for member in (*family.children(recursive=True), family):
                member.kill()
            process.wait()
            return most, why
        time.sleep(_SAMPLE_S)
    return most, ""
