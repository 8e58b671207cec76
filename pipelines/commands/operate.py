"""`skyline sql` and `api`: questions to what is published; `versions`, `rollback` and `rebuild`: keeping it sound."""

from typing import Annotated

import typer

from pipelines.commands.terminal import Format, Formatted, Output, UserError, become, err, print_rows
from warehouse.settings import Settings


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT statement.")],
    output_format: Formatted = Format.TABLE,
    output: Output = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time limit.")] = 60,
    memory: Annotated[int, typer.Option(min=16, help="Memory limit in MiB.")] = 1024,
    rows: Annotated[int, typer.Option(min=1, help="Print at most this many rows.")] = 1_000_000,
) -> None:
    """Query the published warehouse in SQL: read-only, without files or network, within limits."""
    from warehouse.console import Console, Limits  # noqa: PLC0415 - polars loads only when needed

    limits = Limits(seconds=seconds, memory_mib=memory, rows=rows, cells=100_000_000, result_mib=1024)
    answer = Console(Settings().published, limits).ask(query)
    if answer.is_cut:
        err.print(f"Only the first {rows:,} rows; --rows takes more.", style="yellow")
    print_rows(answer.frame, output_format, output)


def api(
    address: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    pages: Annotated[bool, typer.Option("--pages", help="Serve the dashboards as well.")] = False,
) -> None:
    """Serve the HTTP interface of the published warehouse; its description is at /api/v1/openapi.json."""
    settings = Settings()
    environment = {
        "SKYLINE_ADDRESS": address or settings.address,
        "SKYLINE_API_PORT": str(port or settings.api_port),
        "SKYLINE_HOME": str(settings.home),
    }
    become(["api", *(["--pages"] if pages else [])], environment)


def versions(
    examine: Annotated[bool, typer.Option("--examine", help="Read every value and name what is broken.")] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Published versions that are kept, newest first (setting SKYLINE_KEEP_RELEASES says how many).

    With --examine, the raw files that they are made from are compared with their digests too.
    """
    import polars as pl  # noqa: PLC0415

    from pipelines.sources.raw_store import RawStore  # noqa: PLC0415
    from warehouse.versions import versions as list_versions  # noqa: PLC0415

    all_versions = list_versions(Settings().published, examine=examine)
    rows = [
        (
            version.release.path.name,
            version.release.published_at,
            version.size_bytes / (1 << 20),
            version.is_current,
            version.fault,
        )
        for version in all_versions
    ]
    columns: dict[str, pl.DataType] = {
        "version": pl.String(),
        "published_at": pl.Datetime(time_zone="UTC"),
        "size_mib": pl.Float64(),
        "is_current": pl.Boolean(),
        "fault": pl.String(),
    }
    frame = pl.DataFrame(rows, columns, orient="row")
    frame = frame if examine else frame.drop("fault")
    print_rows(frame, output_format, output)
    if any(version.fault for version in all_versions):
        raise UserError(
            "A version is broken; `skyline rollback` returns to an intact one, `skyline rebuild` makes a new one."
        )
    if examine and (broken := RawStore(Settings().raw).broken()):
        raise UserError(
            f"{len(broken)} raw files are not what was stored, first {broken[0].path}: {broken[0].reason};"
            " `skyline refresh` sets them aside, and fetches again what it can."
        )


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="A version listed by `skyline versions`.", show_default="the one before")
    ] = None,
) -> None:
    """Make an older version current again; the next refresh publishes a new one."""
    from pipelines.runs.writer_lock import only_writer  # noqa: PLC0415
    from warehouse.versions import rollback as back  # noqa: PLC0415

    settings = Settings()
    with only_writer(settings):
        release = back(settings.published, version)
    err.print(f"Current is {release.path.name}, published {release.published_at:%Y-%m-%d %H:%M} UTC.")


def rebuild() -> None:
    """Derive and publish everything again from the raw snapshots, for when a derived table is damaged."""
    from pipelines.runs.refresh import rebuild as anew  # noqa: PLC0415

    release = anew(Settings(), lambda line: err.print(line, style="dim"))
    err.print(f"Warehouse: {release.path}", style="green")
