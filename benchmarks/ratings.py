"""How fast votes become ratings with intervals, beside arena-rank and FastChat, measured in one run.

    python benchmarks/ratings.py [--json PATH] [--votes 1000000] [--peer-python PYTHON] [--fastchat CHECKOUT]
    python benchmarks/ratings.py --stream 100000000      # only ours: memory of the streaming aggregation

Every step runs in a process of its own, pinned to one core, BLAS and DuckDB on one thread, on the same file of
votes that it reads from disk. Times are the best of `--repeats` in that process, the first call apart: it compiles
arena-rank. Ratios are of processor time, workers included, which other people's load does not change. `--peer-
python` is an interpreter with arena-rank, pandas and scipy (this one by default). FastChat's current
`rating_systems.py` is in no release, so a checkout is named; without one a stand-in of its arithmetic (L-BFGS-B
on the aggregated votes, rounds from a multinomial draw) is measured and called so. Every library must return
our ratings within its own tolerance, or the run fails.
"""

import argparse
import importlib
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[variable] = "1"  # before numpy and polars read them
os.environ.setdefault("JAX_PLATFORMS", "cpu")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout needs no installation

MODELS = 100
ROUNDS = 100
# Points by which a library may miss the maximum of the likelihood: both peers stop early.
TOLERANCE = {"ours": 1e-6, "arena-rank": 0.5, "fastchat": 1.0, "fastchat stand-in": 1.0}
Ratings = dict[str, float]
Step = Callable[[], Ratings]


def synthesise(folder: Path, votes: int, file_votes: int = 10_000_000) -> None:
    """Write synthetic votes as Parquet, `file_votes` to a file, and as CSV where one file holds all of them.

    100 models; a model's number is 100 times the square of a uniform draw, so that the first meet most often, and
    skill falls with the number. A quarter are ties. All draws come from hashes of the vote's number.
    """
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false; SET memory_limit = '1500MiB'")
    connection.execute("CREATE MACRO uniform(i, stream) AS (hash(i, stream) % 1000000007) / 1000000007.0")
    for start in range(0, votes, file_votes):
        query = f"""
            WITH draw AS (SELECT i, floor({MODELS} * uniform(i, 1) ** 2)::INT AS a,
                                 floor({MODELS - 1} * uniform(i, 2) ** 2)::INT AS other
                          FROM range({start}, {min(start + file_votes, votes)}) AS numbers(i)),
                 pair AS (SELECT i, a, other + (other >= a)::INT AS b FROM draw)
            SELECT format('model-{{:03d}}', a) AS model_a, format('model-{{:03d}}', b) AS model_b,
                   CASE WHEN uniform(i, 4) < 0.15 THEN 'tie' WHEN uniform(i, 4) < 0.25 THEN 'both_bad'
                        WHEN uniform(i, 3) < 1 / (1 + exp((a - b) / 40.0)) THEN 'model_a'
                        ELSE 'model_b' END AS winner,
                   1.7e9 + i AS tstamp, 'English' AS language
            FROM pair"""
        connection.execute(f"COPY ({query}) TO '{folder}/votes-{start:012d}.parquet' (FORMAT parquet)")
    if votes <= file_votes:
        connection.execute(f"COPY (FROM '{folder}/votes-*.parquet') TO '{folder}/votes.csv' (HEADER)")


def ours_steps(path: Path) -> dict[str, Step]:
    """Our steps: from the file to the table, and its parts."""
    from analytics.ratings.bradley_terry import fit  # noqa: PLC0415
    from analytics.ratings.comparisons import Comparisons  # noqa: PLC0415
    from analytics.ratings.intervals import bootstrap_interval, sandwich_interval  # noqa: PLC0415
    from pipelines.defs.arena.rate import RatingOptions, rate  # noqa: PLC0415
    from pipelines.sources.votes.read import Votes  # noqa: PLC0415

    def table(options: RatingOptions, file: Path = path) -> Ratings:
        ratings = rate([file], options, threads=1).ratings
        return dict(zip(ratings["model"], ratings["rating"], strict=True))

    with Votes([path], threads=1) as votes:
        counted = votes.tally().comparisons

    def fresh() -> Comparisons:
        return Comparisons(counted.models, counted.first, counted.second, counted.outcome, counted.votes)

    def fitted(rounds: int | None) -> Ratings:
        result = fit(fresh())
        interval = sandwich_interval(result) if rounds is None else bootstrap_interval(result, rounds)
        assert (interval.upper > interval.lower).all()
        return dict(zip(result.models, result.rating.tolist(), strict=True))

    return {
        "file to ratings with interval": lambda: table(RatingOptions()),
        "Parquet file to the same": lambda: table(RatingOptions(), next(path.parent.glob("*.parquet"))),
        "fit with interval": lambda: fitted(None),
        f"bootstrap of {ROUNDS} rounds": lambda: fitted(ROUNDS),
        f"file to bootstrap of {ROUNDS} rounds": lambda: table(RatingOptions(bootstrap=ROUNDS)),
        "file to online Elo": lambda: no_ratings(table(RatingOptions(method="elo"))),
    }


def arena_rank_steps(path: Path) -> dict[str, Step]:
    """arena-rank: from the file, and the fit with its sandwich interval alone."""
    pd = importlib.import_module("pandas")
    rating = importlib.import_module("arena_rank.models.bradley_terry").BradleyTerry
    pairs = importlib.import_module("arena_rank.utils.data_utils").PairDataset

    def dataset() -> Any:
        return pairs.from_pandas(pd.read_csv(path))

    def fitted(data: Any) -> Ratings:
        result = rating(n_competitors=len(data.competitors)).compute_ratings_and_cis(data)
        result["rating_lower"].block_until_ready()
        return dict(zip(result["competitors"], map(float, result["ratings"]), strict=True))

    ready = dataset()
    return {"file to ratings with interval": lambda: fitted(dataset()), "fit with interval": lambda: fitted(ready)}


def fastchat_steps(path: Path, checkout: str) -> dict[str, Step]:
    """FastChat's current code from a checkout: fit, and its bootstrap with one worker."""
    pd = importlib.import_module("pandas")

    where = Path(checkout) / "fastchat/serve/monitor/rating_systems.py"
    spec = importlib.util.spec_from_file_location("rating_systems", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["rating_systems"] = module
    spec.loader.exec_module(module)
    frame = pd.read_csv(path)

    def bootstrap(votes: Any) -> Ratings:
        medians: Ratings = module.compute_bootstrap_bt(votes, ROUNDS, num_cpu=1).median().to_dict()
        return medians

    return {
        "file to ratings": lambda: module.compute_bt(pd.read_csv(path)).to_dict(),
        f"bootstrap of {ROUNDS} rounds": lambda: bootstrap(frame),
        f"file to bootstrap of {ROUNDS} rounds": lambda: bootstrap(pd.read_csv(path)),
        "file to online Elo": lambda: no_ratings(module.compute_elo(pd.read_csv(path))),
    }


def no_ratings(online: Ratings) -> Ratings:
    """Nothing to compare: online Elo depends on order and is no maximum of a likelihood."""
    assert online
    return {}


def stand_in_steps(path: Path) -> dict[str, Step]:
    """The arithmetic of FastChat's bootstrap, for those without a checkout; not its code."""
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import minimize  # noqa: PLC0415

    from pipelines.sources.votes.read import Votes  # noqa: PLC0415

    with Votes([path], threads=1) as votes:
        counted = votes.tally().comparisons
    size, per_point = len(counted.models), np.log(10)

    def loss(theta: Any, weight: Any) -> tuple[float, Any]:
        logit = per_point * (theta[counted.first] - theta[counted.second])
        residual = weight * (counted.outcome - 1 / (1 + np.exp(-logit)))
        gradient = np.bincount(counted.second, residual, size) - np.bincount(counted.first, residual, size)
        return float((weight * (np.logaddexp(0, logit) - counted.outcome * logit)).sum()), per_point * gradient

    def bootstrap() -> Ratings:
        total = int(counted.votes.sum())
        draws = np.random.default_rng(0).multinomial(total, counted.votes / total, size=ROUNDS) / total
        found = [
            minimize(loss, np.zeros(size), (draw,), "L-BFGS-B", jac=True, options={"maxiter": 100, "gtol": 1e-6}).x
            for draw in draws
        ]
        return dict(zip(counted.models, np.median(found, axis=0) * 400 + 1000, strict=True))

    return {f"bootstrap of {ROUNDS} rounds": bootstrap}


def child(library: str, path: Path, repeats: int, checkout: str) -> list[dict[str, Any]]:
    """Time the steps of one library in this process."""
    steps = {
        "ours": ours_steps,
        "arena-rank": arena_rank_steps,
        "fastchat": lambda file: fastchat_steps(file, checkout),
        "fastchat stand-in": stand_in_steps,
    }[library](path)
    rows = []
    for name, step in steps.items():
        seconds, ratings = [], {}
        for _ in range(repeats):
            started, processor = time.perf_counter(), processor_seconds()
            ratings = step()
            seconds.append((time.perf_counter() - started, processor_seconds() - processor))
        wall = min(seconds[1:] or seconds)[0]
        processor_s = min(used for _, used in seconds[1:] or seconds)
        rows.append(
            {
                "library": library,
                "step": name,
                "first_s": seconds[0][0],
                "best_s": wall,
                "best_processor_s": processor_s,
                "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "ratings": ratings,
            }
        )
    return rows


def processor_seconds() -> float:
    """Processor time of this process and of the workers that it waited for."""
    waited_for = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + waited_for.ru_utime + waited_for.ru_stime


def run_child(python: str, library: str, path: Path, options: argparse.Namespace) -> list[dict[str, Any]] | str:
    """Rows of one library, or why there are none."""
    command = [python, __file__, "--child", library, "--file", str(path), "--repeats", str(options.repeats)]
    command += ["--fastchat", options.fastchat] if options.fastchat else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
    rows: list[dict[str, Any]] = json.loads(done.stdout.rpartition("\n@@")[2])
    return rows


def stream(votes: int) -> dict[str, Any]:
    """Aggregate `votes` synthetic votes from Parquet and report the peak memory of a process that did only that."""
    with tempfile.TemporaryDirectory() as folder:
        synthesise(Path(folder), votes)
        code = (
            "import resource, sys, time; sys.path.insert(0, sys.argv[1]); from pipelines.defs.arena.rate import rate;"
            " t = time.perf_counter(); r = rate([sys.argv[2]], threads=int(sys.argv[3]));"
            " print(r.votes_counted, r.ratings.height, time.perf_counter() - t,"
            " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
        )
        root = str(Path(__file__).resolve().parents[1])
        output = subprocess.run(
            [sys.executable, "-c", code, root, folder, str(os.cpu_count())], capture_output=True, text=True, check=True
        ).stdout.split()
    return {
        "votes": int(output[0]),
        "models": int(output[1]),
        "seconds": float(output[2]),
        "peak_memory_mib": float(output[3]),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--fastchat", default="", help="checkout of lm-sys/FastChat")
    parser.add_argument("--stream", type=int, help="only aggregate so many votes and report the memory")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        print("\n@@" + json.dumps(child(options.child, options.file, options.repeats, options.fastchat)))
        return
    report: dict[str, Any] = {"python": platform.python_version(), "processor": platform.machine()}
    if options.stream:
        report["stream"] = stream(options.stream)
        print(json.dumps(report["stream"]))
    else:
        report |= compare(options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """All libraries on one file of votes."""
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        synthesise(Path(folder), options.votes)
        csv = Path(folder) / "votes.csv"
        for library, python in (
            ("ours", sys.executable),
            ("arena-rank", options.peer_python),
            ("fastchat", options.peer_python),
            ("fastchat stand-in", sys.executable),
        ):
            if library == "fastchat" and not options.fastchat:
                skipped[library] = "no checkout given"
                continue
            found = run_child(python, library, csv, options)
            if isinstance(found, str):
                skipped[library] = found
            else:
                rows += found
    check(rows)
    print(f"{options.votes} votes from a CSV file, {MODELS} models, one core")
    for row in rows:
        print(
            f"{row['library']:18} {row['step']:32} first {row['first_s']:7.3f} s   best {row['best_s']:7.3f} s"
            f"   processor {row['best_processor_s']:7.3f} s   peak {row['peak_memory_mib']:6.0f} MiB"
        )
    best = {(row["library"], row["step"]): row["best_processor_s"] for row in rows}
    ratios = {
        f"{library}: {step}": best[library, step] / best["ours", step]
        for library, step in best
        if library != "ours" and ("ours", step) in best
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.1f} times our processor time")
    for name, why in skipped.items():
        print(f"{name}: not run, {why}")
    return {"votes": options.votes, "rows": rows, "ratios": ratios, "skipped": skipped}


def check(rows: list[dict[str, Any]]) -> None:
    """Fail where a library's ratings are not ours; bootstrap medians are compared with a wider margin."""
    reference: Ratings = next(row["ratings"] for row in rows if row["library"] == "ours")
    for row in rows:
        margin = TOLERANCE[row["library"]] + (2.0 if "bootstrap" in row["step"] and row["library"] != "ours" else 0.0)
        mean = sum(row["ratings"].values()) / max(len(row["ratings"]), 1) - 1000
        for model, rating in row["ratings"].items():
            if abs(rating - mean - reference[model]) > margin:
                sys.exit(f"{row['library']}, {row['step']}: {model} is {rating}, ours {reference[model]}.")


if __name__ == "__main__":
    main()
