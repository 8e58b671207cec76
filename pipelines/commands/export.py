"""`skyline export`: copies of what is published, to be handed on."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.terminal import become
from warehouse.settings import Settings

export = typer.Typer(help="Copies of the published data, to share.", no_args_is_help=True)


@export.callback()
def _group_help() -> None:
    """Copies of the published data, to share."""


@export.command(epilog="Example: skyline export site ./skyline-site")
def site(folder: Annotated[Path, typer.Argument(help="Empty folder, or one that holds an earlier copy.")]) -> None:
    """Write the pages as static HTML with their charts, and the data as Parquet and CSV, for any static host.

    Rows whose licence does not allow redistribution are left out and counted.
    """
    # Pages know nothing of the pipeline, so nothing of it stays in the process that writes them.
    become(["dashboards.site", str(folder.resolve())], {"SKYLINE_HOME": str(Settings().home)})
