"""What living boards cost: a refresh with all board files more than without them, an idle one, and the fit of ability.

python benchmarks/boards.py [FOLDER] [--runs 1]    FOLDER defaults to ../shared/data/boards

Wall seconds depend on who else uses the machine, so processor seconds of all processes stand beside them.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from _processes import watch

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "boards"
MORE_S, IDLE_S, FIT_S, FIT_MIB = 25, 3, 20, 1024
_FIT = """
import sys
from warehouse.contracts.boards import BENCHMARK_RESULTS, MODEL_FACTS
from warehouse.settings import Settings
from pipelines.defs.ability.tables import abilities
lake = Settings.model_validate({"home": sys.argv[1]}).lake
made = abilities(lake.read(BENCHMARK_RESULTS), lake.read(MODEL_FACTS))
print(made.ability.height, made.benchmarks["models"].sum())
"""


@dataclass(frozen=True)
class Took:
    """One process with all its children: wall and processor seconds, MiB resident at most, what it printed."""

    wall_s: float
    processor_s: float
    mib: float
    output: str


def timed(arguments: list[str], home: Path) -> Took:
    """Run Python with these arguments on a home.

    Raises:
        RuntimeError: it failed.
    """
    before, started = _children_s(), time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        environment = {**os.environ, "SKYLINE_HOME": str(home), "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        with subprocess.Popen([sys.executable, *arguments], env=environment, stdout=output, stderr=output) as process:
            most, _ = watch(process)
        output.seek(0)
        text = output.read().strip()
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments[:4])} failed: {text[-500:]}")
    return Took(time.perf_counter() - started, _children_s() - before, most / 2**20, text)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def refreshed(home: Path, *sources: str) -> Took:
    """One refresh from these sources."""
    named = [word for source in sources for word in ("--source", source)]
    return timed(["-m", "pipelines.commands.app", "refresh", *named], home)


def report(name: str, found: list[Took], goal: str = "") -> None:
    """One line of medians."""
    wall, processor = (statistics.median(getattr(run, unit) for run in found) for unit in ("wall_s", "processor_s"))
    memory = max(run.mib for run in found)
    print(f"{name:<34} {wall:7.1f} s wall {processor:7.1f} s of processors {memory:6.0f} MiB  {goal}", flush=True)


def main() -> int:
    """Print medians and what the boards add."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(f"{options.folder} is not on this machine; name a folder of board files.")
        return 0
    without, both, idle, fits = [], [], [], []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            without.append(refreshed(Path(first), "bundled"))
            both.append(refreshed(Path(second), "bundled", str(options.folder)))
            idle.append(refreshed(Path(second), "bundled", str(options.folder)))
            fits.append(timed(["-c", _FIT, second], Path(second)))
    report("cold, bundled alone", without)
    report("cold, with all board files", both)
    more = [statistics.median(getattr(run, unit) for run in both) for unit in ("wall_s", "processor_s")]
    less = [statistics.median(getattr(run, unit) for run in without) for unit in ("wall_s", "processor_s")]
    wall, processor = more[0] - less[0], more[1] - less[1]
    print(f"{'more for the boards':<34} {wall:7.1f} s wall {processor:7.1f} s of processors  (goal {MORE_S} s)")
    report("nothing changed", idle, f"(goal {IDLE_S} s)")
    models, results = fits[0].output.split()[-2:]
    report("ability, 1,000 rounds", fits, f"(goal {FIT_S} s, {FIT_MIB} MiB): {models} rows, {results} results")
    return 0


if __name__ == "__main__":
    sys.exit(main())
