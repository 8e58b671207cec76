"""The `skyline` command: a thin skin over functions that live elsewhere."""

import gc
from pathlib import Path
from typing import Annotated

import typer

from analytics.units import counted
from pipelines.commands import (
    accuracy,
    advise,
    arena,
    boards,
    compare,
    describe,
    design,
    devices,
    export,
    kernels,
    measuring,
    operate,
    performance,
    plan,
    processors,
    sharing,
    stored,
    sweep,
)
from pipelines.commands.terminal import Format, Formatted, Output, UserError, become, err, one_sentence, out, print_rows
from warehouse.files import writing_to
from warehouse.settings import Settings

app = typer.Typer(
    help="Open language models compared: quality, fit, speed, cost and carbon.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        help="bundled, online, online:ORG/MODEL (raw results), board:NAME (one board, online), a file or a folder; may"
        " be repeated.",
        show_default="bundled",
    ),
]


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options before the command."""
    context.obj = {"debug": debug}


@app.command(epilog="Example: skyline refresh --source bundled --source ~/snapshots")
def refresh(source: Sources = None) -> None:
    """Read the sources, derive every table and publish the warehouse; does nothing if nothing has changed."""
    _refresh(source or ["bundled"])


def _refresh(sources: list[str]) -> None:
    from pipelines.runs.refresh import refresh as run  # noqa: PLC0415 - polars loads only when needed

    settings = Settings()
    with err.status("reading sources") as status:

        def report(line: str) -> None:
            err.print(line, style="dim")
            status.update(line.partition(":")[0])

        done = run(sources, settings, report)
    collection = done.collected
    err.print(
        f"{counted(len(collection.new), 'new file')}, {collection.known} known, {len(collection.set_aside)} set aside.",
    )
    for dataset, reason in collection.unreachable:
        err.print(f"Not reached: {dataset}: {reason}", style="yellow")
    if done.unchanged:
        err.print("Nothing changed; the published warehouse is current.", style="green")
    err.print(f"Warehouse: {done.release.path}", style="green")


@app.command(epilog="Example: skyline serve --port 5006")
def serve(
    address: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
) -> None:
    """Serve the dashboards of the published warehouse."""
    settings = Settings()
    environment = {
        "SKYLINE_ADDRESS": address or settings.address,
        "SKYLINE_PORT": str(port or settings.port),
        "SKYLINE_HOME": str(settings.home),
    }
    _serve(environment)


def _serve(environment: dict[str, str]) -> None:
    # Pages know nothing of the pipeline, so nothing of it stays in the process that serves them.
    become(["dashboards"], environment)


@app.command(epilog="Example: skyline up --source ~/snapshots")
def up(source: Sources = None) -> None:
    """Refresh, then serve: from nothing to pages in one command."""
    _refresh(source or ["bundled"])
    settings = Settings()
    _serve({"SKYLINE_HOME": str(settings.home)})


QUIET = "ignore:Function `dev_command` is superseded"
"""Dagster's advice to use another command of its maker, which needs a package that we do not."""


@app.command(name="dagster", epilog="Example: skyline dagster --port 3000")
def dagster_dev(port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 3000) -> None:
    """Dagster's web interface on this home: lineage, runs, the daily schedule and the inbox sensor."""
    from pipelines.runs.refresh import prepare_dagster_home  # noqa: PLC0415 - polars loads only when needed

    settings = Settings()
    with writing_to(settings.home):
        home = prepare_dagster_home(settings)
        settings.inbox.mkdir(parents=True, exist_ok=True)
    err.print(f"Files dropped into {settings.inbox.resolve()} are ingested.")
    workspace = Path(__file__).resolve().parents[1] / "workspace.yaml"
    environment = {
        "DAGSTER_HOME": str(home),
        "SKYLINE_HOME": str(settings.home.resolve()),
        "PYTHONWARNINGS": QUIET,
    }
    become(["dagster", "dev", "-w", str(workspace), "-p", str(port)], environment)


@app.command(
    epilog="Example: skyline front models.csv --minimise size_gib --maximise score --format csv",
)
def front(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON with one row per candidate.")],
    minimise: Annotated[list[str] | None, typer.Option(help="Column to minimise; may be repeated.")] = None,
    maximise: Annotated[list[str] | None, typer.Option(help="Column to maximise; may be repeated.")] = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """The Pareto front of any table: the rows that no other row beats on every objective."""
    from pipelines.defs.frontier.front_of_file import front_of_file  # noqa: PLC0415

    rows, left_out = front_of_file(file, minimise or [], maximise or [])
    if left_out:
        err.print(f"{counted(left_out, 'row')} left out: an objective is missing or not a finite number.")
    print_rows(rows, output_format, output)


@app.command(epilog="Example: skyline doctor")
def doctor(
    examine: Annotated[
        bool, typer.Option("--examine", help="Compare every stored byte, and read every published value.")
    ] = False,
) -> None:
    """What is installed, what can run here, what is damaged in the home, and the command that repairs it."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from pipelines.commands.doctor import examine as look  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    for head in ("", "What", "Finding", "What to do"):
        table.add_column(head, overflow="fold")
    findings = look(Settings(), thorough=examine)
    for finding in findings:
        mark = ("ok", "green") if finding.fine else ("no", "red") if finding.needed else ("--", "yellow")
        table.add_row(Text(*mark), *map(Text, (finding.what, finding.detail, "" if finding.fine else finding.advice)))
    out.print(table, soft_wrap=False)
    if any(finding.needed and not finding.fine for finding in findings):
        raise UserError("Something that Skyline needs is missing; see the lines marked `no`.")


for command, example in (
    (accuracy.accuracy, "skyline accuracy llama-bench.json --device RTX-4090 --by engine"),
    (advise.advise, 'skyline advise "rtx 4090" --use coding --context 32k'),
    (compare.compare, "skyline compare Qwen2.5-32B-Instruct@q3_k_m Qwen2.5-14B-Instruct@q8_0"),
    (arena.rate, "skyline rate votes.csv --anchor mixtral-8x7b=1114 --category math --format csv"),
    (describe.describe, "skyline describe gpt-oss-120b qwen3.5-27b ./my-model --format csv"),
    (design.design, "skyline design --params 3B --device RTX-4090 --ttft 1s --context 32k"),
    (devices.devices, 'skyline devices "3090 + 3060"'),
    (devices.models, "skyline models qwen2.5:14b"),
    (devices.hardware, "skyline hardware --measure"),
    (operate.sql, 'skyline sql "FROM marts.pareto_front LIMIT 5" --format csv'),
    (operate.api, "skyline api --port 5007 --pages"),
    (operate.versions, "skyline versions --examine"),
    (operate.rollback, "skyline rollback"),
    (operate.rebuild, "skyline rebuild"),
    (performance.roofline, "skyline roofline Meta-Llama-3-8B H200 --stage decode --batch 32 --seq 4096"),
    (performance.fit, "skyline fit Meta-Llama-3-70B A100-SXM4-80GB --weight-bits 8"),
    (
        plan.plan,
        "skyline plan Llama-3.3-70B-Instruct --users 50 --input-tokens 2k --output-tokens 500 --ttft 2s --tpot 50ms",
    ),
    (processors.processors, "skyline processors llama3.2:1b cpu rtx-4090 tpu-v5e --batch 1 --seq 2k"),
    (stored.snapshots, "skyline snapshots --format csv"),
    (stored.forget, "skyline forget open_llm_v2:2099-12-31:0a1b2c3d4e --why 'the date is wrong'"),
    (sweep.sweep, "skyline sweep bert-base-uncased H100-SXM5 --over batch=1,8,32 --over pruning"),
    (sweep.improve, "skyline improve Meta-Llama-3.1-8B RTX-4090 --seq 8k"),
):
    app.command(epilog=f"Example: {example}")(command)
profile = typer.Typer(
    help="Measure models on this device, and fit predictions to the measurements.", no_args_is_help=True
)
for measured, example in (
    (performance.calibrate, "skyline profile calibrate --out ceilings.jsonl"),
    (kernels.kernels, "skyline profile kernels --device H200-SXM-141GB"),
    (sharing.share, "skyline profile share llama-bench.json --device RTX-4090"),
    (sharing.collect, "skyline profile collect ~/shared --out collected.csv"),
):
    profile.command(epilog=f"Example: {example}")(measured)
measuring.register(profile)
app.add_typer(boards.boards, name="boards", epilog="Example: skyline boards --format csv")
app.add_typer(export.export, name="export", epilog="Example: skyline export site ./skyline-site")
app.add_typer(profile, name="profile", epilog="Example: skyline profile run sweep.yaml --out laptop.bundle")


def main() -> None:
    """Entry point of the `skyline` command."""
    # Little of what commands make is garbage in cycles: looking for it as often as usual takes 4 % of a refresh.
    gc.set_threshold(50_000)
    with one_sentence():
        app()


if __name__ == "__main__":
    main()
