"""Small sound files to begin from: real ones cut to a few rows, and one of each kind made here."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from profiling.measure import bundle
from profiling.models.families import FAMILIES
from profiling.models.sources import catalogue

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REFERENCE = Path(__file__).resolve().parents[2] / "warehouse" / "reference"
MEASURED = Path(__file__).resolve().parents[2] / "profiling" / "reference" / "measured"
_ROWS = 8

SCRAPE = (
    b"Model,Average,ARC (25-shot),HellaSwag (10-shot),MMLU (5-shot),TruthfulQA (0-shot),Parameters,URL\n"
    b"org/model,50,50,50,50,50,1,x\norg/other,40,40,40,40,40,1,x\n"
)
Seeds = Mapping[str, bytes]
"""Content by address; the address says what the file's name has to say."""


def _head(path: Path, rows: int = _ROWS) -> bytes:
    if path.suffix == ".csv":
        return _some(pl.read_csv(path, infer_schema=False), rows).write_csv().encode()
    if path.suffix == ".parquet":
        return as_parquet(_some(pl.read_parquet(path), rows))
    return path.read_bytes()


def _some(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    """Rows spread over the whole: kinds of rows stand together."""
    return frame.gather_every(max(frame.height // rows, 1)).head(rows)


def as_parquet(frame: pl.DataFrame) -> bytes:
    """Bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _real(*patterns: str, most: int = 40) -> dict[str, bytes]:
    paths = [path for pattern in patterns for path in sorted(SHARED.glob(pattern))]
    # Spread over the whole list: layouts changed with the years.
    chosen = paths[:: max(len(paths) // most, 1)]
    return {path.relative_to(SHARED).as_posix(): _head(path) for path in chosen}


def leaderboards() -> Seeds:
    """Tables of the boards."""
    bundled = {path.name: _head(path) for path in sorted((REFERENCE / "leaderboards").glob("*.csv"))}
    return bundled | {"2023-05-23.csv": SCRAPE} | _real("open_llm_leaderboard/v*/*", "open_llm_leaderboard/blog/*.csv")


def raw_results() -> Seeds:
    """Results of single evaluations."""
    v1 = {
        "config_general": {"model_name": "org/model", "model_sha": "abc", "model_dtype": "torch.float16",
                           "model_size": "15.08 GB", "total_evaluation_time_secondes": "123.4"},
        "results": {"harness|arc:challenge|25": {"acc": 0.5, "acc_norm": 0.5}, "harness|gsm8k|5": {"acc": 0.1},
                    "all": {"acc": 0.4}},
        "versions": {"harness|hendrycksTest-anatomy|5": 1},
    }  # fmt: skip
    v2 = {
        "results": {"leaderboard_gpqa": {"acc_norm,none": 0.3}, "leaderboard_math_hard": {"exact_match,none": 0.01},
                    "leaderboard_ifeval": {"inst_level_strict_acc,none": 0.2, "prompt_level_strict_acc,none": 0.1}},
        "config": {"model_args": "pretrained=org/model,revision=main"}, "date": 1_718_600_000.0,
        "model_name": "org/model", "total_evaluation_time_seconds": "10.5",
    }  # fmt: skip
    made = {"org/model/results_2024-01-04T10-00-00.json": v1, "results_2024-06-17.json": v2}
    return {name: json.dumps(each).encode() for name, each in made.items()} | _real("open_llm_leaderboard/raw/*.json")


def boards() -> Seeds:
    """Boards of the arena and release dates."""
    bundled = {"arena_published_ratings.csv": _head(REFERENCE / "arena_published_ratings.csv")}
    board = b"rank,model,arena_score,95_pct_ci,votes,organization,license,knowledge_cutoff,url\n"
    made = {
        "2024-07-10_lmsys_text.csv": board + b"1,gpt,1287,+3/-3,66560,OpenAI,Proprietary,2023/10,x\n",
        "release_dates.json": json.dumps([{"key": "a", "Model": "A", "Release Date": "2024-01-02"}]).encode(),
        "models.json": json.dumps({"models": {"a": {"release_date": "05/2024"}}}).encode(),
    }
    real = _real("arena/snapshots/*.csv", "arena/tables/*.csv", most=16) | _real(
        "arena/history/*", "arena/release_dates/*.csv"
    )
    small = {name: payload for name, payload in real.items() if len(payload) < 100_000}
    return bundled | made | small


_VOTES = pl.DataFrame(
    {
        "model_a": ["x", "y", "x", "z", "x", "y"], "model_b": ["y", "z", "z", "x", "y", "x"],
        "winner": ["model_a", "model_b", "tie", "model_a", "both_bad", "model_b"],
        "tstamp": [1.7e9, 1.7e9 + 1, 1.7e9 + 2, 1.71e9, 1.71e9, 1.72e9], "anony": [True] * 6,
        "language": ["English", "English", "German", "en", "de", ""], "judge": ["a", "b", "a", "b", "c", "c"],
        "turn": [1, 2, 1, 1, 3, 1],
    }
)  # fmt: skip


def votes() -> Seeds:
    """Votes in every form that is read."""
    rows = [json.dumps(row) for row in _VOTES.iter_rows(named=True)]
    nested = [
        {**row, "conv_metadata": {"sum_user_tokens": 5, "sum_assistant_a_tokens": 9, "sum_assistant_b_tokens": 7,
                                  "header_count_a": {"h1": 1, "h2": 0}, "header_count_b": {"h1": 0, "h2": 2},
                                  "list_count_a": {"ordered": 1}, "list_count_b": {"ordered": 0},
                                  "bold_count_a": {"**": 1}, "bold_count_b": {"**": 0}},
         "conversation_a": [{"role": "user", "content": "hi"}], "dedup_tag": {"sampled": True}}
        for row in _VOTES.iter_rows(named=True)
    ]  # fmt: skip
    lines = "\n".join(rows).encode() + b"\n"
    made = {
        "votes.csv": _VOTES.write_csv().encode(),
        "votes.tsv": _VOTES.write_csv(separator="\t").encode(),
        "votes.parquet": as_parquet(_VOTES),
        "votes.json": f"[{','.join(rows)}]".encode(),
        "nested.json": json.dumps(nested).encode(),
        "votes.jsonl": lines,
        "votes.ndjson": lines,
        "votes.csv.gz": gzip.compress(_VOTES.write_csv().encode(), mtime=0),
        "votes.jsonl.gz": gzip.compress(lines, mtime=0),
    }
    return made | _real("arena/votes/*.csv")


def kernels() -> Seeds:
    """Tables of measured kernels."""
    gemm = {
        "framework": ["trtllm"] * 3, "version": ["1.0"] * 3, "device": ["NVIDIA H200"] * 3, "op_name": ["gemm"] * 3,
        "kernel_source": ["x"] * 3, "gemm_dtype": ["bfloat16", "fp8", "int4"], "m": [1, 2, 3], "n": [8, 8, 8],
        "k": [16, 16, 16], "latency": [0.01, 0.02, 0.03],
    }  # fmt: skip
    return {"h200_sxm/gemm_perf.parquet": as_parquet(pl.DataFrame(gemm))} | _real("kernels/*/*.parquet")


@cache
def _files_of_bundle() -> dict[str, bytes]:
    contents = bundle.contents_of(next(MEASURED.glob("*.bundle")))
    for name in ("ceilings.jsonl", "points.jsonl"):
        contents[name] = b"".join(contents[name].splitlines(keepends=True)[:6])
    for name in ("layers.jsonl.gz", "telemetry.jsonl.gz"):
        lines = gzip.decompress(contents[name]).splitlines(keepends=True)[:12]
        contents[name] = gzip.compress(b"".join(lines), mtime=0)
    return {name: content for name, content in contents.items() if name not in {bundle.MANIFEST, bundle.COMPLETE}}


def files_of_bundle() -> dict[str, bytes]:
    """Files of a measured bundle, cut to a few rows, without its seals."""
    return dict(_files_of_bundle())


def sealed(files: Mapping[str, bytes], manifest: Mapping[str, Any] | None = None) -> bytes:
    """An archive of a bundle whose digests fit its files."""
    listed = {name: bundle.digest(content) for name, content in files.items()}
    fields = manifest if manifest is not None else {"schema": 1, "run_id": "run", "environment_id": "here"}
    text = json.dumps({**fields, "files": listed}).encode()
    whole = {**files, bundle.MANIFEST: text, bundle.COMPLETE: bundle.digest(text).encode()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in whole.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def bundles() -> Seeds:
    """One sealed bundle."""
    return {"one.tar": sealed(files_of_bundle())}


def tables() -> Seeds:
    """Tables of anybody's."""
    frame = pl.DataFrame(
        {"name": ["a", "b", "c"], "size": [1.0, 2.0, 3.0], "score": [5, 4, 9], "note": ["1", "x", None]}
    )
    return {
        "t.csv": frame.write_csv().encode(),
        "t.parquet": as_parquet(frame),
        "t.json": json.dumps(frame.to_dicts()).encode(),
        "t.ndjson": frame.write_ndjson().encode(),
    }


def configs() -> Seeds:
    """A `config.json` of every family of the catalogue, and a decoder in TOML."""
    stated = (entry.config() for entry in catalogue().values() if entry.record["model_type"] in FAMILIES)
    by_family = {config["model_type"]: config for config in stated}
    seeds = {f"{family}/config.json": json.dumps(config).encode() for family, config in by_family.items()}
    custom = (
        b'model_type = "custom"\nname = "mine"\nlayers = 2\nvocabulary_size = 100\nhidden_size = 64\nheads = 4\n'
        b'intermediate_size = 128\nnorm = "rms"\nplacement = "pre"\n'
        b"[mixture]\nexperts = 4\nper_token = 2\nintermediate_size = 32\n"
    )
    inner = json.dumps({"model_type": "llava", "text_config": by_family["llama"]}).encode()
    return seeds | {"tower/config.json": inner, "custom.toml": custom}


def grids() -> Seeds:
    """Sweeps, in the three forms."""
    config = next(e for e in catalogue().values() if e.record["model_type"] == "llama").config()
    grid = {
        "models": {"mine": config}, "stages": ["prefill", "decode"], "batches": [1, 2], "contexts": [128],
        "precisions": ["float32"], "exclude": [{"batch": 2, "stage": "prefill"}], "threads": 1, "name": "small",
    }  # fmt: skip
    text = json.dumps(grid).encode()
    toml = (
        b'name = "small"\nmodels = ["EleutherAI/pythia-70m"]\nbatches = [1]\ncontexts = [8]\nprecisions = ["float32"]\n'
    )
    # JSON is YAML, and block style is what people write.
    plain = (
        b"models:\n  - EleutherAI/pythia-70m\nbatches: [1, 2]\ncontexts: [16]\nexclude:\n  - {batch: 2}\nthreads: 1\n"
    )
    return {"grid.json": text, "flow.yaml": text, "block.yaml": plain, "grid.toml": toml}
