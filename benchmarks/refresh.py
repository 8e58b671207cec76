"""Time and memory of a refresh from a folder of leaderboard snapshots: everything new, and nothing changed.

python benchmarks/refresh.py [FOLDER] [--runs 3]    FOLDER defaults to ../shared/data/open_llm_leaderboard
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _processes import watch

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "open_llm_leaderboard"


def timed_refresh(home: Path, folder: Path) -> tuple[float, float]:
    """Wall seconds of one refresh, and MiB that its processes had resident together at most."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "pipelines.commands.app", "refresh", "--source", str(folder)]
    with subprocess.Popen(
        command,
        env={**os.environ, "SKYLINE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        most, _ = watch(process)
    if process.returncode:
        raise RuntimeError(f"the refresh failed: {' '.join(command)}")
    return time.perf_counter() - started, most / 2**20


def main() -> int:
    """Print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(f"{options.folder} is not on this machine; name a folder of snapshots.")
        return 0
    fresh, unchanged, memory = [], [], []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as home:
            seconds, most = timed_refresh(Path(home), options.folder)
            fresh.append(seconds)
            memory.append(most)
            unchanged.append(timed_refresh(Path(home), options.folder)[0])
    files = sum(path.is_file() for path in options.folder.rglob("*.*"))
    print(f"{files} files, median of {options.runs} runs")
    print(f"everything new    {statistics.median(fresh):6.2f} s   (goal 30 s)")
    print(f"nothing changed   {statistics.median(unchanged):6.2f} s   (goal 5 s)")
    print(f"peak memory       {max(memory):6.0f} MiB (goal 1024 MiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
