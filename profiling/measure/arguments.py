"""The commands of measured profiling and their options, with nothing but argparse."""

from __future__ import annotations

import argparse
from pathlib import Path

from profiling.measure import bundle
from profiling.measure.protocols import PROTOCOLS

_INTERNAL = ("environment", "ceilings", "point", "telemetry")
# Name → what it does, and an example.
COMMANDS = {
    "probe": ("What can be measured here, and why the rest cannot.", "probe"),
    "calibrate": ("Measure this device's ceilings: copy, read, products, attention.", "calibrate --out ceilings.jsonl"),
    "plan": (
        "Turn a grid into an ordered plan with predicted times and memory.",
        "plan sweep.yaml --out plan.json --shards 4",
    ),
    "run": (
        "Measure a plan into a bundle; the same command resumes after a crash.",
        "run plan.json --out laptop.bundle",
    ),
    "verify": ("Check that a bundle is complete and show its manifest.", "verify laptop.bundle"),
    "export": ("Export the points of bundles as CSV or JSON lines.", "export laptop.bundle --format csv"),
    "compare": ("Compare the points of two bundles, with the noise of both.", "compare before.bundle after.bundle"),
    "import": (
        "Import results of vllm bench, AIPerf or optimum-benchmark as a bundle.",
        "import vllm result.json --out served.bundle",
    ),
    "generate": ("Run a checkpoint on a prompt (needs transformers).", 'generate ./checkpoint --prompt "Hello"'),
    "quality": (
        "Perplexity of checkpoints per number format, and their answers to your questions.",
        "quality ./checkpoint ./checkpoint-GPTQ --precisions bfloat16,int8_emulated --questions mine.jsonl",
    ),
    "endpoint": (
        "Measure a server: OpenAI-compatible, TGI, Triton, or one of Vertex AI, SageMaker, Bedrock, Azure.",
        "endpoint http://localhost:8000/v1 --model m --concurrency 1,4,16 --prompt-lengths 128,1024",
    ),
    "protocols": ("Servers and clouds that `endpoint` can ask: address, secret, what is measured.", "protocols"),
    "zipapp": ("This package as one file, to copy to a node that has torch.", "zipapp --out profiling.pyz"),
}


def parser(program: str = "profile") -> argparse.ArgumentParser:  # noqa: PLR0915 - one statement an option
    """Every command with its options."""
    top = argparse.ArgumentParser(prog=program, description="Measure models on this device.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str) -> argparse.ArgumentParser:
        text, example = COMMANDS[name]
        return commands.add_parser(name, help=text, description=text, epilog=f"Example: {program} {example}")

    command = add("probe")
    _device(command)
    command.add_argument("--json", action="store_true", help="one JSON object instead of a table")

    command = add("calibrate")
    _device(command)
    _threads(command)
    command.add_argument("--out", type=Path, default=Path(bundle.CEILINGS), help="file of rows (default: %(default)s)")
    command.add_argument("--precisions", default="bfloat16", help="comma-separated (default: %(default)s)")
    command.add_argument("--seconds", type=float, default=60.0, help="budget (default: %(default)s)")

    command = add("plan")
    command.add_argument("grid", type=Path, help="YAML, JSON or TOML")
    command.add_argument(
        "--out", type=Path, default=Path(bundle.PLAN), help="plan to write; shards get numbers (default: %(default)s)"
    )
    command.add_argument("--ceilings", type=Path, help="rows of calibrate, to predict times")
    command.add_argument("--shards", type=int, default=1, help="split the points into this many plans")

    command = add("run")
    command.add_argument("plan", type=Path, help="plan, or a grid")
    command.add_argument("--out", type=Path, required=True, help=f"folder, its name ending in {bundle.SUFFIX}")
    _device(command)
    command.add_argument("--timeout", type=float, default=600.0, help="seconds for one point (default: %(default)s)")
    command.add_argument("--max-seconds", type=float, help="start no new point after this time")
    command.add_argument("--seal", action="store_true", help="when the time is up, seal what has been measured")
    command.add_argument(
        "--memory-limit-gib", type=float, help="limit on the address space of a point, which fails beyond it"
    )
    command.add_argument(
        "--calibrate-seconds", type=float, default=60.0, help="0 for no ceilings (default: %(default)s)"
    )
    command.add_argument(
        "--point-seconds", type=float, default=10.0, help="maximum seconds of a latency pass (default: %(default)s)"
    )
    command.add_argument("--no-telemetry", action="store_true", help="do not sample the device during the run")
    command.add_argument("--no-layers", action="store_true", help="skip the pass over modules")

    command = add("verify")
    command.add_argument("bundle", type=Path)

    command = add("export")
    command.add_argument("bundles", type=Path, nargs="+")
    command.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    command.add_argument("--table", choices=("points", "layers", "ceilings", "telemetry"), default="points")

    command = add("compare")
    command.add_argument("first", type=Path)
    command.add_argument("second", type=Path)
    command.add_argument("--json", action="store_true")

    command = add("import")
    command.add_argument("tool", choices=("vllm", "aiperf", "optimum"))
    command.add_argument("file", type=Path)
    command.add_argument("--out", type=Path, required=True)

    command = add("generate")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("--prompt", required=True, help="text, or - to read it from standard input")
    command.add_argument("--new-tokens", type=int, default=32)
    command.add_argument("--precision", choices=("float32", "bfloat16", "float16"), default="bfloat16")
    command.add_argument("--out", type=Path, help=f"also write a bundle; a name ending in {bundle.SUFFIX}")
    _device(command)
    _threads(command)

    command = add("quality")
    command.add_argument(
        "checkpoints", type=Path, nargs="+", metavar="CHECKPOINT",
        help="folders or GGUF files; quantised ones are read as stored; the first is the reference",
    )  # fmt: skip
    command.add_argument("--precisions", default="bfloat16", help="comma-separated; the first is the reference")
    command.add_argument("--text", type=Path, help="your own text (default: a bundled one in the public domain)")
    command.add_argument(
        "--questions", type=Path, help="JSON lines of prompt and answer, or -: exact match, BLEU, ROUGE-L"
    )
    command.add_argument(
        "--new-tokens", type=int, default=32, help="maximum tokens of an answer (default: %(default)s)"
    )
    command.add_argument("--out", type=Path, help=f"also write a bundle; a name ending in {bundle.SUFFIX}")
    _device(command)

    command = add("endpoint")
    command.add_argument("url", help="base address, as http://localhost:8000/v1, or - to read it from standard input")
    command.add_argument("--model", required=True)
    command.add_argument("--concurrency", default="1", help="comma-separated (default: %(default)s)")
    command.add_argument("--prompt-lengths", default="128", help="tokens, comma-separated (default: %(default)s)")
    command.add_argument("--prompt", help="send this once and show the answer, or - to read it from standard input")
    command.add_argument(
        "--new-tokens", type=int, default=64, help="maximum tokens of an answer (default: %(default)s)"
    )
    command.add_argument("--requests", type=int, default=16, help="requests per point (default: %(default)s)")
    command.add_argument("--timeout", type=float, default=120.0, help="seconds for one request (default: %(default)s)")
    command.add_argument(
        "--protocol", choices=PROTOCOLS, default="openai", metavar="NAME",
        help=f"{', '.join(PROTOCOLS)} (default: %(default)s)",
    )  # fmt: skip
    command.add_argument("--key-variable", help="variable that holds the secret (default: those of the protocol)")
    command.add_argument("--out", type=Path, help=f"bundle to write; a name ending in {bundle.SUFFIX}")
    command.add_argument("--json", action="store_true")

    command = add("protocols")
    command.add_argument("--json", action="store_true")

    command = add("zipapp")
    command.add_argument("--out", type=Path, default=Path("profiling.pyz"))

    for name in _INTERNAL:  # processes of a sweep
        command = commands.add_parser(name)
        command.add_argument("--out", type=Path)
        command.add_argument("--result", type=Path)
        command.add_argument("--uuid")
        command.add_argument("--precisions", default="")
        command.add_argument("--seconds", type=float, default=60.0)
        _device(command)
        _threads(command)
    return top


def _device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", help="cpu, cuda or cuda:1 (default: cuda where torch sees it)")


def _threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=int, help="threads of the processor")
