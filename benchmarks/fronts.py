"""How fast `front_mask` is beside the libraries that do the same, measured in one run.

    python benchmarks/fronts.py [--json PATH] [--repeats 7] [--quick]

Every time is the median of `--repeats` calls after one that is not counted (it compiles paretoset). Peers
are called in turn with ours, so that a busy machine slows all alike. Every peer must return our front, or
the run fails; equal rows are kept by all. One thread each.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy and numba read them

import numpy as np  # noqa: E402 - after the thread settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout needs no installation

from analytics.fronts.nondominated import front_mask  # noqa: E402 - after the path

Search = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One set of points, all columns minimised."""

    shape: str
    rows: int
    objectives: int

    def points(self) -> np.ndarray:
        """The same points every time, as an array of rows × objectives."""
        rng = np.random.default_rng(20231204)
        n, d = self.rows, self.objectives
        if self.shape == "uniform":
            return rng.random((n, d))
        if self.shape == "anti-correlated":  # a band along the plane where all columns sum to one
            plane: np.ndarray = rng.dirichlet(np.ones(d), n)
            return plane + rng.normal(0, 0.05, (n, 1))
        directions = np.abs(rng.normal(size=(n, d)))  # "sphere": every point is on the front
        points: np.ndarray = 1 - directions / np.linalg.norm(directions, axis=1, keepdims=True)
        return points


CASES = [
    Case("uniform", 1_000_000, 2),
    Case("anti-correlated", 1_000_000, 2),
    Case("sphere", 1_000_000, 2),
    Case("uniform", 100_000, 3),
    Case("anti-correlated", 100_000, 3),
    Case("sphere", 10_000, 3),
    Case("uniform", 100_000, 4),
    Case("anti-correlated", 100_000, 4),
    Case("sphere", 10_000, 4),
]
QUICK = [Case("uniform", 100_000, 2), Case("anti-correlated", 10_000, 3), Case("uniform", 10_000, 4)]


@dataclass(frozen=True)
class Result:
    """Time of one library on one case; `skipped` says why there is none."""

    shape: str
    rows: int
    objectives: int
    front: int
    library: str
    median_ms: float | None
    times_ours: float | None
    skipped: str | None


def peers(case: Case) -> dict[str, Search | str]:
    """Name → search, or the reason why it is not run on this case."""
    found: dict[str, Search | str] = {}
    for name in ("paretoset", "moocore", "pygmo"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            found[name] = "not installed"
            continue
        if name == "paretoset":
            found[name] = _paretoset(case, module.paretoset)
        elif name == "moocore":
            found[name] = partial(module.is_nondominated, keep_weakly=True)
        else:
            found[name] = _pygmo(case, module.non_dominated_front_2d)
    return found


def _paretoset(case: Case, search: Callable[..., np.ndarray]) -> Search | str:
    try:
        importlib.import_module("numba")
    except ImportError:
        return "numba not installed, so not its compiled version"
    if case.shape == "sphere" and case.rows > 10_000:
        return "compares every row with every front member: rows² on a front of all rows"
    return partial(search, distinct=False, use_numba=True)


def _pygmo(case: Case, search: Callable[[np.ndarray], np.ndarray]) -> Search | str:
    if case.objectives != 2:
        return "beyond two objectives it only sorts all fronts, in rows²"
    if case.shape == "sphere" and case.rows > 10_000:
        return "no answer after minutes where all rows are on the front"

    def mask(values: np.ndarray) -> np.ndarray:
        found = np.zeros(len(values), dtype=bool)
        found[search(values)] = True
        return found

    return mask


def measure(case: Case, repeats: int) -> list[Result]:
    """Times of ours and of every peer, taken in turn."""
    values = case.points()
    searches: dict[str, Search] = {"skyline": front_mask}
    skipped: dict[str, str] = {}
    for name, search in peers(case).items():
        if isinstance(search, str):
            skipped[name] = search
        else:
            searches[name] = search
    expected = front_mask(values)
    for name, search in searches.items():  # warms up, compiles, and compares
        if not np.array_equal(search(values), expected):
            sys.exit(f"{name} finds another front than ours on {case}")
    times: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(repeats):
        for name, search in searches.items():
            start = time.perf_counter()
            search(values)
            times[name].append((time.perf_counter() - start) * 1000)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    identity = (case.shape, case.rows, case.objectives, int(expected.sum()))
    timed = [Result(*identity, name, ms, ms / medians["skyline"], None) for name, ms in medians.items()]
    return timed + [Result(*identity, name, None, None, why) for name, why in skipped.items()]


def environment() -> dict[str, str]:
    """What the numbers depend on."""
    versions = {}
    for package in ("numpy", "paretoset", "numba", "moocore", "pygmo"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {"python": platform.python_version(), "machine": platform.machine(), **versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the results there")
    parser.add_argument("--repeats", type=int, default=7, help="counted calls per library (at least 5)")
    parser.add_argument("--quick", action="store_true", help="three small cases, in seconds")
    arguments = parser.parse_args()
    if arguments.repeats < 5:
        parser.error("--repeats must be at least 5: a median of fewer says little")
    print("  ".join(f"{name} {version}" for name, version in environment().items()))
    print(f"{'points':<34}{'front':>9}  {'library':<11}{'median ms':>10}{'x ours':>8}")
    results = []
    for case in QUICK if arguments.quick else CASES:
        for result in measure(case, arguments.repeats):
            results.append(result)
            label = f"{case.rows:>9,} x {case.objectives} {case.shape}" if result.library == "skyline" else ""
            front = f"{result.front:,}" if label else ""
            outcome = (
                f"{result.median_ms:>10.2f}{result.times_ours:>8.2f}"
                if result.median_ms is not None
                else f"  not run: {result.skipped}"
            )
            print(f"{label:<34}{front:>9}  {result.library:<11}{outcome}", flush=True)
    if arguments.json:
        payload = {"environment": environment(), "results": [asdict(result) for result in results]}
        arguments.json.write_text(json.dumps(payload, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
