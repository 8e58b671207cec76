"""What the commands of measured profiling do: the same from `skyline profile` and from one file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from profiling.errors import ProfilingError
from profiling.measure import bundle
from profiling.measure.arguments import parser


def main(arguments: Sequence[str] | None = None, program: str = "profile") -> None:
    """Run a command; errors that the user can mend are one sentence and exit code 1."""
    options = parser(program).parse_args(arguments)
    try:
        code = run_command(options)
    except (ProfilingError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        code = 1
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "numpy"}:
            raise
        sys.stderr.write(f"Error: {error.name} is not installed here, and `{options.command}` needs it\n")
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def run_command(options: argparse.Namespace) -> int:
    """Dispatch; the exit code."""
    handler = globals()[f"_{options.command}"]
    return int(handler(options) or 0)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _table(rows: Sequence[Sequence[object]]) -> None:
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    for row in cells:
        _print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _probe(options: argparse.Namespace) -> None:
    from profiling.measure.environment import probe  # noqa: PLC0415 - torch loads only when needed

    rows = probe(options.device)
    if options.json:
        _print(json.dumps(rows))
        return
    _table([("quantity", "value", "why not"), *((row["what"], row["value"], row["why"]) for row in rows)])


def _calibrate(options: argparse.Namespace) -> None:
    options.out.unlink(missing_ok=True)
    _ceilings(options)
    rows = bundle.read_rows(options.out)
    products = [row for row in rows if row["kind"] == "gemm"]
    _print(f"{len(rows)} ceilings in {options.out}")
    for kind in ("copy", "read"):
        for row in (row for row in rows if row["kind"] == kind):
            _print(f"{kind}: {row['bytes'] / row['time_s'] / 1e9:.4g} GB/s")
    for precision in dict.fromkeys(row["precision"] for row in products):
        best = max(2 * r["m"] * r["n"] * r["k"] / r["time_s"] for r in products if r["precision"] == precision)
        _print(f"products in {precision}: {best / 1e12:.4g} TFLOP/s at most")


def _ceilings(options: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415

    from profiling.measure.ceilings import measure_ceilings  # noqa: PLC0415
    from profiling.measure.environment import default_device, supported_precisions  # noqa: PLC0415

    if options.threads:
        torch.set_num_threads(options.threads)
    device = options.device or default_device()
    works = supported_precisions(device)
    names = [name for name in options.precisions.split(",") if name]
    for row in measure_ceilings(device, [name for name in names if name in works], options.seconds):
        bundle.append(options.out, row)
    for name in names:
        if name not in works:
            bundle.append(options.out, {"kind": "left_out", "precision": name, "why": "does not run on this device"})


def _plan(options: argparse.Namespace) -> None:
    from profiling.measure.plan import make_plan, read_grid, shards  # noqa: PLC0415

    ceilings = bundle.read_rows(options.ceilings) if options.ceilings else []
    plan = make_plan(read_grid(options.grid), ceilings)
    parts = shards(plan, options.shards) if options.shards > 1 else [plan]
    for place, part in enumerate(parts, 1):
        path = (
            options.out if len(parts) == 1 else options.out.with_name(f"{options.out.stem}-{place}{options.out.suffix}")
        )
        bundle.write_json(path, part)
        _print(f"{path}: {_points(part['points'])}")
    header = ("model", "stage", "batch", "context", "precision", "execution", "predicted GiB", "predicted ms")
    rows = [
        (
            p["model"], p["stage"], p["batch"], p["context"], p["precision"], p["execution"],
            _shown(p["predicted_peak_bytes"], 1 / (1 << 30)), _shown(p["predicted_s"], 1e3),
        )
        for p in plan["points"]
    ]  # fmt: skip
    _table([header, *rows])


def _shown(value: float | None, factor: float) -> str:
    return "unknown" if value is None else f"{value * factor:.4g}"


def _bundle_folder(path: Path) -> Path:
    if path.suffix != bundle.SUFFIX:
        raise bundle.UnusableBundle(f"{path}: the name of a bundle ends in {bundle.SUFFIX}")
    return path


def _run(options: argparse.Namespace) -> None:
    from profiling.measure.plan import load_plan, make_plan, read_grid  # noqa: PLC0415
    from profiling.measure.sweep import Options, run  # noqa: PLC0415

    grid = read_grid(options.plan)
    plan = load_plan(options.plan) if "points" in grid else make_plan(grid)
    limit = options.memory_limit_gib
    chosen = Options(
        device=options.device, timeout_s=options.timeout, budget_s=options.max_seconds,
        seal_at_end=options.seal,
        memory_limit_bytes=int(limit * (1 << 30)) if limit else None, calibrate_s=options.calibrate_seconds,
        settings={"budget_s": options.point_seconds, "layers": not options.no_layers},
        telemetry=not options.no_telemetry,
    )  # fmt: skip
    counts = run(plan, _bundle_folder(options.out), chosen, _report)
    _print(json.dumps(counts))


def _report(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _verify(options: argparse.Namespace) -> None:
    content = bundle.verify(options.bundle)
    counts: dict[str, int] = {}
    for point in content.final_points():
        counts[point["status"]] = counts.get(point["status"], 0) + 1
    run = f"run {content.run_id}, environment {content.environment_id}"
    _print(f"{options.bundle} is complete: {run}, {json.dumps(counts)}")


def _export(options: argparse.Namespace) -> None:
    from profiling.measure.export import write_table  # noqa: PLC0415

    write_table([bundle.verify(path) for path in options.bundles], options.table, options.format, sys.stdout)


def _compare(options: argparse.Namespace) -> None:
    from profiling.measure.comparison import compare  # noqa: PLC0415

    rows = compare(bundle.verify(options.first), bundle.verify(options.second))
    if options.json:
        _print(json.dumps(rows))
        return
    header = (
        "model",
        "stage",
        "batch",
        "context",
        "precision",
        "first ms",
        "second ms",
        "ratio",
        "interval",
        "verdict",
    )
    _table([header, *(
        (
            r["model"], r["stage"], r["batch"], r["context"], r["precision"], f"{r['first_s'] * 1e3:.4g}",
            f"{r['second_s'] * 1e3:.4g}", f"{r['ratio']:.3f}", f"{r['ratio_low']:.3f}–{r['ratio_high']:.3f}",
            r["verdict"],
        )
        for r in rows
    )])  # fmt: skip


def _points(rows: Sequence[object]) -> str:
    return f"{len(rows)} point{'' if len(rows) == 1 else 's'}"


def _import(options: argparse.Namespace) -> None:
    from profiling.measure.importers import import_file  # noqa: PLC0415

    rows = import_file(options.tool, options.file, _bundle_folder(options.out))
    _print(f"{_points(rows)} in {options.out}")


def _generate(options: argparse.Namespace) -> None:
    from profiling.measure.generation import generate  # noqa: PLC0415

    if options.out:
        _bundle_folder(options.out)
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    answer = generate(
        options.checkpoint, prompt, new_tokens=options.new_tokens, precision=options.precision,
        device=options.device, threads=options.threads, out=options.out,
    )  # fmt: skip
    _print(json.dumps(answer, indent=1))


def _quality(options: argparse.Namespace) -> None:
    from profiling.measure.environment import default_device  # noqa: PLC0415
    from profiling.measure.quality import quality  # noqa: PLC0415

    if options.out:
        _bundle_folder(options.out)
    rows = quality(
        options.checkpoints, options.precisions.split(","), questions=_read_text(options.questions),
        text=_read_text(options.text), new_tokens=options.new_tokens, device=options.device or default_device(),
        out=options.out,
    )  # fmt: skip
    _print(json.dumps(rows, indent=1))


def _read_text(file: Path | None) -> str | None:
    """What a file holds, or standard input where it is named -."""
    if file is None:
        return None
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ProfilingError(f"{file} is not text in UTF-8: {error}") from error


def _endpoint(options: argparse.Namespace) -> None:
    from profiling.measure.endpoint import Load, ask_endpoint, measure_endpoint  # noqa: PLC0415

    url, prompt = options.url, options.prompt
    if url == "-":  # the address in the first line, and the prompt after it
        url, _, rest = sys.stdin.read().partition("\n")
        prompt = rest if prompt == "-" else prompt
    elif prompt == "-":
        prompt = sys.stdin.read()
    load = Load(
        url=url.strip(), model=options.model, concurrency=_numbers(options.concurrency, "--concurrency"),
        prompt_lengths=_numbers(options.prompt_lengths, "--prompt-lengths"), new_tokens=options.new_tokens,
        requests=options.requests, timeout_s=options.timeout, protocol=options.protocol,
        key=_of_variable(options.key_variable),
    )  # fmt: skip
    out = _bundle_folder(options.out) if options.out else None
    if prompt is not None:
        _print(json.dumps(ask_endpoint(load, prompt, out), indent=1))
        return
    rows = measure_endpoint(load, out, _report)
    if options.json:
        _print(json.dumps(rows))
        return
    header = ("concurrency", "prompt tokens", "TTFT p50 ms", "TTFT p99 ms", "ITL p50 ms", "tokens/s", "errors")
    _table([header, *(
        (
            r["batch"], r["context"], _shown(r["ttft_p50_s"], 1e3), _shown(r["ttft_p99_s"], 1e3),
            _shown(r["inter_token_p50_s"], 1e3), _shown(r["tokens_per_s"], 1), r["errors"],
        )
        for r in rows
    )])  # fmt: skip


def _protocols(options: argparse.Namespace) -> None:
    from profiling.measure.protocols import described  # noqa: PLC0415

    rows = described()
    if options.json:
        _print(json.dumps(rows, indent=1))
        return
    for row in rows:
        _print(row["protocol"])
        for name, value in row.items():
            if name != "protocol" and value:
                _print(f"  {name:<12} {value}")


def _of_variable(name: str | None) -> str | None:
    if name is not None and not os.environ.get(name):
        raise ProfilingError(f"--key-variable {name}: no such variable is set")
    return os.environ[name] if name else None


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise ProfilingError(f"{option} {text}: expected whole numbers with commas, as 1,4,16") from error
    if min(numbers) < 1:
        raise ProfilingError(f"{option} {text}: expected positive numbers")
    return numbers


def _zipapp(options: argparse.Namespace) -> None:
    from profiling.measure.archive import build  # noqa: PLC0415

    build(options.out)
    _print(f"{options.out}: copy it to a node with Python 3.10 or newer and torch; `python {options.out.name} probe`")


def _environment(options: argparse.Namespace) -> None:
    from profiling.measure.environment import default_device, environment  # noqa: PLC0415

    device = options.device or default_device()
    _print(json.dumps({**environment(device, options.threads), "device": device}))


def _point(options: argparse.Namespace) -> None:
    from profiling.measure.point import main as measure_point  # noqa: PLC0415

    measure_point(options.result)


def _telemetry(options: argparse.Namespace) -> None:
    from profiling.measure.telemetry.sampler import (  # noqa: PLC0415
        GPU_INTERVAL_S,
        PROCESSOR_INTERVAL_S,
        sample_until_stopped,
    )

    sample_until_stopped(options.out, options.uuid, GPU_INTERVAL_S if options.uuid else PROCESSOR_INTERVAL_S)
