"""`skyline sql`: questions to what is published, within limits."""

from typing import Annotated

import typer

from pipelines.terminal import Format, Formatted, Output, err, print_rows
from warehouse.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(epilog='Example: skyline sql "FROM marts.pareto_front LIMIT 5" --format csv')(sql)


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
