"""`skyline sql` and `skyline api`: questions to what is published, by people and by programs."""

from typing import Annotated

import typer

from pipelines.terminal import Format, Formatted, Output, err, print_rows, run_module
from warehouse.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(epilog='Example: skyline sql "FROM marts.pareto_front LIMIT 5" --format csv')(sql)
    app.command(epilog="Example: SKYLINE_API_TOKEN=… skyline api --port 5007 --pages")(api)


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT statement.")],
    format: Formatted = Format.TABLE,  # noqa: A002 - the option's name
    output: Output = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Give up after so long.")] = 60,
    memory: Annotated[int, typer.Option(min=16, help="MiB that the query may take.")] = 1024,
    rows: Annotated[int, typer.Option(min=1, help="Print so many rows at most.")] = 1_000_000,
) -> None:
    """Ask the published warehouse: read-only, without files or network, within limits."""
    from warehouse.console import Console, Limits  # noqa: PLC0415 - polars loads only when needed

    limits = Limits(seconds=seconds, memory_mib=memory, rows=rows, result_mib=1024)
    answer = Console(Settings().published, limits).ask(query)
    if answer.is_cut:
        err.print(f"Only the first {rows:,} rows; --rows takes more.", style="yellow", highlight=False)
    print_rows(answer.frame, format, output)


def api(
    address: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    pages: Annotated[bool, typer.Option("--pages", help="Serve the dashboards beside it.")] = False,
) -> None:
    """Serve the HTTP interface of the published warehouse; its description is at /api/v1/openapi.json."""
    settings = Settings()
    environment = {
        "SKYLINE_ADDRESS": address or settings.address,
        "SKYLINE_API_PORT": str(port or settings.api_port),
        "SKYLINE_HOME": str(settings.home),
    }
    run_module("The interface", ["api", *(["--pages"] if pages else [])], environment)
