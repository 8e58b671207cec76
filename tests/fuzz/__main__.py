"""`python -m tests.fuzz --cases 10000`: break files by chance, read them in bounded processes, count outcomes.

Exit code 0 only where every case of every reader ended in rows, rejected rows or an error of the reader's own.
"""

import argparse
import collections
import faulthandler
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

SEED = int(os.environ.get("SKYLINE_FUZZ_SEED", "4711"))
_MOST_SECONDS = 30
REPOSITORY = str(Path(__file__).resolve().parents[2])
_ROOM_BYTES = 3 << 30
"""What a case may take beyond what the process has mapped once everything is imported."""


def main() -> int:
    """Read the arguments and run."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz")
    arguments.add_argument("--cases", type=int, default=10_000, help="per reader")
    arguments.add_argument("--seed", type=int, default=SEED)
    arguments.add_argument("--reader", action="append", help="may be repeated; default: all")
    arguments.add_argument("--case", type=int, help="only this one, with its traceback")
    arguments.add_argument("--from", dest="first", type=int, default=0, help=argparse.SUPPRESS)
    arguments.add_argument("--child", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.child:
        return _child(asked)
    from tests.fuzz.readers import READERS  # noqa: PLC0415 - a child that says its state first is imported slowly

    if asked.case is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(outcome(READERS[asked.reader[0]], asked.reader[0], asked.seed, asked.case, Path(folder), keep=True))
        return 0
    bad = 0
    for name in asked.reader or READERS:
        bad += _supervised(name, asked.cases, asked.seed)
    return 1 if bad else 0


def _supervised(name: str, cases: int, seed: int) -> int:
    """Run the cases of one reader in a child; where it dies, note the case and go on behind it."""
    counts: collections.Counter[str] = collections.Counter()
    failures: dict[str, list[int]] = {}
    begin, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while begin < cases:
            state = Path(folder, "state.json")
            command = [sys.executable, "-m", "tests.fuzz", "--reader", name, "--cases", str(cases), "--seed", str(seed)]
            child = subprocess.run(
                [*command, "--from", str(begin), "--child", str(state)], check=False, capture_output=True, text=True
            )
            report: dict[str, Any] = (
                json.loads(state.read_text()) if state.exists() else {"counts": {}, "failures": {}, "case": begin}
            )
            counts.update(report["counts"])
            for what, where in report["failures"].items():
                failures.setdefault(what, []).extend(where)
            if child.returncode == 0:
                break
            last = child.stderr.strip().splitlines()[-1:] or ["no word"]
            failures.setdefault(f"the process ended with {child.returncode}: {last[0][:200]}", []).append(
                report["case"]
            )
            counts["died"] += 1
            begin = report["case"] + 1
    words = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
    print(f"{name:<20} {sum(counts.values()):>7,} cases in {time.monotonic() - began:,.0f} s: {words}", flush=True)
    for what, where in failures.items():
        print(f"    {len(where)}× {what}\n        cases {where[:8]} of seed {seed}", flush=True)
    return len(failures)


def _child(asked: argparse.Namespace) -> int:
    from tests.fuzz.readers import READERS  # noqa: PLC0415

    name = asked.reader[0]
    reader = READERS[name]
    state, counts, failures = Path(asked.child), collections.Counter[str](), dict[str, list[int]]()
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + _ROOM_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30,) * 2)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        for case in range(asked.first, asked.cases):
            state.write_text(json.dumps({"counts": counts, "failures": failures, "case": case}))
            faulthandler.dump_traceback_later(_MOST_SECONDS, exit=True)
            end = outcome(reader, name, asked.seed, case, Path(folder))
            faulthandler.cancel_dump_traceback_later()
            counts[end.partition(":")[0]] += 1
            if end.startswith("failed"):
                # One defect has many messages: told by the place, shown with the first.
                place = end.split(": ", 2)[1]
                failure = next((failure for failure in failures if failure.split(": ", 2)[1] == place), end)
                failures.setdefault(failure, []).append(case)
    state.write_text(json.dumps({"counts": counts, "failures": failures, "case": asked.cases}))
    return 0


_SEEDS: dict[str, dict[str, bytes]] = {}


def outcome(reader: Any, name: str, seed: int, case: int, folder: Path, *, keep: bool = False) -> str:
    """What came of one case: rows, rejected, refused, or failed and why."""
    if name not in _SEEDS:
        _SEEDS[name] = dict(reader.seeds())
    seeds = _SEEDS[name]
    chance = random.Random(f"{seed} {name} {case}")  # noqa: S311 - to be repeated, not secret
    uri = chance.choice(sorted(seeds))
    payload = reader.spoil(seeds[uri], uri, list(seeds.values()), chance)
    if keep:
        Path("/tmp/case" + Path(uri).suffix).write_bytes(payload)  # noqa: S108 - for whoever looks into it
    try:
        return str(reader.read(payload, uri, folder))
    except reader.refusals as error:
        return "refused" if not keep else f"refused {type(error).__name__}: {error}"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever else it is, it is a finding
        if keep:
            traceback.print_exc()
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(REPOSITORY)]
        where = next((frame for frame in reversed(ours) if "/tests/" not in frame.filename), ours[-1])
        return f"failed: {type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {str(error)[:160]!r}"


if __name__ == "__main__":
    sys.exit(main())
