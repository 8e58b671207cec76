"""How time and memory grow with the rows: leaderboards, votes, the roofline grid and profile points, 1×, 10× and 100×.

python benchmarks/growth.py [--factors 1 10 100] [--cases leaderboards snapshots appended votes grid points]
    [--like FILE]

Rows are generated, alike those of today's sources in number and kind, or with `--like` a real snapshot of the second
leaderboard, multiplied under made-up names; `snapshots` refreshes with one snapshot more than so many; `appended` makes
only what comes of boards then, and publishes that: both should cost the same however many there are. Each case runs
in a process of its own, which is ended after half an hour or at 8 GiB. What is printed is processor time and the most
memory that the process and those it starts had resident together: on a machine that others use too, these say more than
a clock on the wall.
docs/explanation/growth.md has a run of it.
"""

import argparse
import datetime as dt
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _processes import watch

from pipelines.defs.arena.rate import rate
from pipelines.defs.frontier import tables as front_tables
from pipelines.defs.leaderboards.tables import models_of, read_files, write_entries
from pipelines.defs.performance.tables import BATCHES, CONTEXTS, ENGINE, PRECISIONS, distinct_shapes
from pipelines.defs.statistics.tables import write_statistics
from pipelines.runs.refresh import refresh
from pipelines.sources.collect import MEASURED, collect
from profiling.devices.accelerators import grid_devices
from profiling.measure.bundle import ENVIRONMENT, PLAN, canonical_id, contents_of, load, seal, write_json
from profiling.measure.bundle import LAYERS as LAYERS_FILE
from profiling.measure.bundle import POINTS as POINTS_FILE
from profiling.roofline.grid import Grid, evaluate
from warehouse.contracts import TABLES, VIEWS
from warehouse.contracts import leaderboards as boards
from warehouse.lake import Lake
from warehouse.publish import publish
from warehouse.settings import Settings

MOST_SECONDS = 1_800
MOST_BYTES = 8 << 30
ENTRIES, VOTES, POINTS = 4_576, 140_000, 22
"""Rows at 1×: the last snapshot of the Open LLM Leaderboard, a published set of votes, our own measurements."""
BENCHMARKS = ("IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO")
FIRST = dt.date(2025, 3, 14)
_STEP_FROM_S = 0.5
_LIKE = "SKYLINE_GROWTH_LIKE"

Steps = dict[str, float]
"""Processor seconds by step."""


def leaderboard(rows: int) -> pl.DataFrame:
    """A snapshot of the second leaderboard in its published layout; scores rise with size, and scatter."""
    random = np.random.default_rng(rows)
    billions = np.round(np.exp(random.normal(2.0, 1.0, rows)), 3) + 0.05
    families = max(rows // 12, 1)
    family = random.integers(0, families, rows)
    names = [f"org{number % 997}/model-{number}-{size:g}B" for number, size in enumerate(billions)]
    scores = {
        name: np.clip(8 * np.log2(billions + 1) + random.normal(shift, 6, rows), 0.0, 99.0)
        for name, shift in {"IFEval": 20, "BBH": 8, "MATH Lvl 5": 0, "GPQA": 0, "MUSR": 2, "MMLU-PRO": 6}.items()
    }
    days = np.datetime64("2024-06-12") + random.integers(0, 270, rows).astype("timedelta64[D]")
    return pl.DataFrame({
        "eval_name": [f"{name.replace('/', '_')}_bfloat16" for name in names], "Precision": "bfloat16",
        "Type": "🔶 fine-tuned on domain-specific datasets", "T": "🔶", "Weight type": "Original",
        "Architecture": random.choice(["LlamaForCausalLM", "Qwen2ForCausalLM", "MistralForCausalLM"], rows),
        "Model": names, "fullname": names, "Model sha": [f"{number:040x}" for number in range(rows)],
        "Average ⬆️": np.mean(list(scores.values()), axis=0), "Hub License": "apache-2.0",
        "Hub ❤️": random.integers(0, 500, rows), "#Params (B)": billions, "Available on the hub": True, "MoE": False,
        "Flagged": False, "Chat Template": True, "CO₂ cost (kg)": billions * 0.2,
        **{f"{name} Raw": values / 100 for name, values in scores.items()}, **scores, "Merged": False,
        "Official Providers": False, "Upload To Hub Date": days.astype(str), "Submission Date": days.astype(str),
        "Generation": 1, "Base Model": [f"base/model-{number}-7B" for number in family],
    })  # fmt: skip


def multiplied(like: Path, factor: int) -> pl.DataFrame:
    """A real snapshot again and again under made-up names: every copy has its own entries and its own jittered scores.

    Synthetic, and for this measurement alone: nothing of it is a result of anybody.
    """
    real = pl.read_parquet(like) if like.suffix == ".parquet" else pl.read_csv(like, infer_schema_length=None)
    scores = [name.removesuffix(" Raw") for name in real.columns if name.endswith(" Raw")]
    copies = [real]
    for copy in range(1, factor):
        random = np.random.default_rng(copy)
        jitter = {name: random.normal(0, 1, real.height) for name in scores}
        moved = real.with_columns(
            *(pl.format("{}-synthetic-{}", name, pl.lit(copy)).alias(name) for name in ("eval_name", "fullname")),
            *((pl.col(name) + jitter[name]).clip(0, 100) for name in scores),
        )
        copies.append(moved.with_columns(pl.mean_horizontal(scores).alias("Average ⬆️")))
    return pl.concat(copies)


def votes(rows: int, models: int = 120) -> pl.DataFrame:
    """Votes between models whose strengths are drawn once, a fifth of them ties."""
    random = np.random.default_rng(rows)
    strength = np.sort(random.normal(0, 1, models))
    first = random.integers(0, models, rows)
    second = (first + random.integers(1, models, rows)) % models
    won = random.random(rows) < 1 / (1 + np.exp(strength[second] - strength[first]))
    label = np.where(random.random(rows) < 0.2, 2, np.where(won, 0, 1))
    names = pl.Series([f"model-{number}" for number in range(models)])
    return pl.DataFrame({
        "model_a": names.gather(first), "model_b": names.gather(second),
        "winner": pl.Series(["model_a", "model_b", "tie"]).gather(label),
    })  # fmt: skip


def bundle_of(folder: Path, rows: int) -> None:
    """Our shipped measurements again and again, at contexts of their own, as one bundle."""
    shipped = load(contents_of(next(MEASURED.iterdir())))
    points: list[dict[str, Any]] = []
    layers: list[dict[str, Any]] = []
    for copy in range(-(-rows // len(shipped.points))):
        for point in shipped.points:
            moved = {**point, "context": int(point["context"]) + copy}
            moved["point_id"] = canonical_id({"copy": copy, "of": point["point_id"]})
            points.append(moved)
            layers += [
                {**row, "point_id": moved["point_id"]} for row in shipped.layers if row["point_id"] == point["point_id"]
            ]
    point_ids = {point["point_id"] for point in points[:rows]}
    folder.mkdir(parents=True)
    # A sweep writes every row to the disk before the next; here that would take longer than what is measured.
    for name, lines in (
        (POINTS_FILE, points[:rows]),
        (LAYERS_FILE, [row for row in layers if row["point_id"] in point_ids]),
    ):
        (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in lines), "utf-8")
    write_json(folder / PLAN, {**shipped.plan, "points": [{"point_id": name} for name in sorted(point_ids)]})
    write_json(folder / ENVIRONMENT, shipped.environment)
    seal(folder)


def refresh_from(source: Path, home: Path) -> dict[str, float]:
    """A whole refresh on top of the bundled facts; processor seconds up to each table that took long."""
    steps: dict[str, float] = {}
    last = time.process_time()

    def report(line: str) -> None:
        nonlocal last
        now = time.process_time()
        if now - last > _STEP_FROM_S:
            steps[line.partition(":")[0]] = round(now - last, 1)
        last = now

    refresh([str(source)], Settings.model_validate({"home": str(home)}), report)
    return steps


def _snapshot(factor: int) -> pl.DataFrame:
    like = os.environ.get(_LIKE)
    return multiplied(Path(like), factor) if like else leaderboard(ENTRIES * factor)


def prepare_leaderboards(factor: int, work: Path) -> int:
    """A snapshot of so many entries."""
    made = _snapshot(factor)
    made.write_parquet(work / "2025-03-13_contents.parquet")
    return made.height


def prepare_snapshots(factor: int, work: Path) -> int:
    """A home that has read so many snapshots of a board, and one more that it has not."""
    rows = _write_snapshots(factor, work)
    refresh([str(work / "before")], Settings.model_validate({"home": str(work / "home")}))
    return rows


def _write_snapshots(factor: int, work: Path) -> int:
    """So many snapshots of a board of which a tenth moves from one to the next, and one more beside them."""
    first = _snapshot(1)
    for number in range(factor + 1):
        random = np.random.default_rng(number)
        moved = {
            name: (pl.col(name) + random.normal(0, 1, first.height) * (random.random(first.height) < 0.1)).clip(0, 100)
            for name in BENCHMARKS
        }
        folder = work / ("before" if number < factor else "after")
        folder.mkdir(exist_ok=True)
        snapshot = first.with_columns(**moved).with_columns(pl.mean_horizontal(*BENCHMARKS).alias("Average ⬆️"))
        snapshot.write_parquet(folder / f"{FIRST + dt.timedelta(days=number)}_contents.parquet")
    return first.height * factor


def prepare_appended(factor: int, work: Path) -> int:
    """The same, but only what comes of boards was made of them."""
    rows = _write_snapshots(factor, work)
    make_of_boards(work / "before", work / "home")
    return rows


def make_of_boards(source: Path, home: Path) -> Steps:
    """From files of boards to their tables and a release of these; processor seconds of each step."""
    settings, lake = Settings.model_validate({"home": str(home)}), Lake(home / "lake")
    steps: Steps = {}
    began = time.process_time()

    def done(step: str) -> None:
        nonlocal began
        steps[step] = round(time.process_time() - began, 2)
        began = time.process_time()

    collect([str(source)], settings)
    done("storing")
    read = read_files(settings.raw, lake)
    lake.write(boards.SNAPSHOTS, read.snapshots)
    lake.write(boards.EVALUATION_RUNS, read.runs)
    done("reading files")
    models = models_of(lake)
    lake.write(boards.MODELS, models.select(boards.MODELS.column_names))
    write_entries(lake, models)
    done("resolving models")
    front_tables.write_fronts(lake)
    done("fronts")
    front_tables.write_histories(lake)
    done("fronts over time")
    write_statistics(lake)
    done("statistics")
    publish(lake, TABLES, settings.published, str(time.time_ns()), views=VIEWS)
    done("publishing")
    return steps


def prepare_votes(factor: int, work: Path) -> int:
    """A file of so many votes."""
    votes(VOTES * factor).write_parquet(work / "votes.parquet")
    return VOTES * factor


def prepare_grid(factor: int, work: Path) -> int:
    """A grid so many times as fine, in contexts and then in batches too."""
    batches = list(range(1, 21)) if factor >= 100 else list(BATCHES)
    contexts = [1024 * place for place in range(1, 21)] if factor >= 10 else list(CONTEXTS)
    (work / "grid.json").write_text(json.dumps([batches, contexts]))
    return len(batches) * len(contexts)


def prepare_points(factor: int, work: Path) -> int:
    """A bundle of so many points."""
    bundle_of(work / "grown.bundle", POINTS * factor)
    return POINTS * factor


def rate_votes(work: Path, _: Path) -> Steps:
    """Ratings with sandwich intervals, as `skyline rate` makes them."""
    began = time.process_time()
    rated = rate([work / "votes.parquet"])
    return {f"rate {rated.votes_counted:,} votes": round(time.process_time() - began, 1)}


def evaluate_grid(work: Path, _: Path) -> Steps:
    """Every shape on every accelerator, block by block into a file."""
    batches, contexts = json.loads((work / "grid.json").read_text())
    decoders = [shape.architecture for shape in distinct_shapes() if shape.architecture.kind != "encoder"]
    grid = Grid(models=decoders, accelerators=grid_devices(), batches=batches, contexts=contexts,
                precisions=tuple(PRECISIONS.values()), intervals=True, engine=ENGINE)  # fmt: skip
    began, rows = time.process_time(), 0
    for number, block in enumerate(evaluate(grid)):
        block.write_parquet(work / f"block-{number % 4}.parquet", compression="lz4")
        rows += block.height
    return {f"evaluate and write {rows:,} rows": round(time.process_time() - began, 1)}


CASES: dict[str, tuple[Callable[[int, Path], int], Callable[[Path, Path], Steps]]] = {
    "leaderboards": (prepare_leaderboards, lambda work, home: refresh_from(work / "2025-03-13_contents.parquet", home)),
    "snapshots": (prepare_snapshots, lambda work, home: refresh_from(work / "after", home)),
    "appended": (prepare_appended, lambda work, home: make_of_boards(work / "after", home)),
    "votes": (prepare_votes, rate_votes),
    "grid": (prepare_grid, evaluate_grid),
    "points": (prepare_points, lambda work, home: refresh_from(work / "grown.bundle", home)),
}


def one(case: str, work: Path, home: Path) -> None:
    """Run one case in this process and print the processor time that it and its helper took."""
    began = time.process_time()
    steps = CASES[case][1](work, home)
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "cpu_s": time.process_time() - began + helpers.ru_utime + helpers.ru_stime,
        "steps": dict(sorted(steps.items(), key=lambda step: -step[1])[:8]),
    }))  # fmt: skip


def _too_much(most_bytes: int, seconds: float) -> str | None:
    if most_bytes > MOST_BYTES:
        return f"stopped: {MOST_BYTES >> 30} GiB"
    return f"stopped: {MOST_SECONDS:,} s on the wall" if seconds > MOST_SECONDS else None


def bounded(case: str, factor: int, base: Path) -> dict[str, Any]:
    """Run one case in a process of its own, within the bounds."""
    with tempfile.TemporaryDirectory(prefix="skyline-growth-") as folder:
        home = Path(folder) / "home"
        shutil.copytree(base, home, symlinks=True)
        command = [sys.executable, __file__]
        made = subprocess.run([*command, "--prepare", case, str(factor), folder], check=True, capture_output=True)
        with subprocess.Popen(
            [*command, "--one", case, folder, str(home)], stdout=subprocess.PIPE, text=True
        ) as process:
            most, stopped = watch(process, _too_much)
            assert process.stdout is not None
            lines = process.stdout.read().strip().splitlines()
        found = {"rows": int(made.stdout), "peak_mib": most / (1 << 20)}
        if process.returncode:
            return {**found, "stopped": stopped or f"exit code {process.returncode}"}
        return {**found, **json.loads(lines[-1])}


def main() -> None:
    """Print a table, row by row as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--like", help="a real snapshot of the second leaderboard to multiply")
    parser.add_argument("--prepare", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        case, factor, work = options.prepare
        print(CASES[case][0](int(factor), Path(work)))
        return
    if options.one:
        case, work, home = options.one
        one(case, Path(work), Path(home))
        return
    if options.like:
        os.environ[_LIKE] = options.like
    with tempfile.TemporaryDirectory(prefix="skyline-growth-") as folder:
        base = Path(folder) / "base"
        refresh(["bundled"], Settings.model_validate({"home": str(base)}))
        print("| case | factor | rows | processor s | to the first | peak MiB | most of it |", flush=True)
        print("|---|---|---|---|---|---|---|", flush=True)
        for case in options.cases:
            least = None
            for factor in options.factors:
                found = bounded(case, factor, base)
                size, peak = f"{found['rows']:,}", f"{found['peak_mib']:,.0f}"
                if "stopped" in found:
                    print(f"| {case} | {factor}× | {size} | | | {peak} | {found['stopped']} |", flush=True)
                    continue
                steps = ", ".join(f"{name} {seconds:g}" for name, seconds in found["steps"].items())
                least = least or found["cpu_s"]
                taken = f"{found['cpu_s']:,.1f} | {found['cpu_s'] / least:.2f}"
                print(f"| {case} | {factor}× | {size} | {taken} | {peak} | {steps} |", flush=True)


if __name__ == "__main__":
    main()
