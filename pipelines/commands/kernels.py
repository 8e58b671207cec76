"""`skyline profile kernels`: how far off surfaces of engines' kernels are, as shipped or fitted to a folder."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.terminal import Format, Formatted, Output, err, print_rows


def kernels(  # noqa: PLR0913, PLR0917 - one parameter an option
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of <accelerator>/<engine>/<kind>/<table>_perf.parquet; by default the kernels that ship."
        ),
    ] = None,
    device: Annotated[list[str] | None, typer.Option(help="Device; may be repeated.", show_default="all")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Kind; may be repeated.", show_default="all")] = None,
    variants: Annotated[bool, typer.Option("--variants", help="One row per kernel instead of per kind.")] = False,
    left_out: Annotated[
        bool, typer.Option("--left-out", help="Errors on devices whose kernels were left out of the fit.")
    ] = False,
    save: Annotated[Path | None, typer.Option(help="Write the surfaces into this folder.")] = None,
    source: Annotated[str, typer.Option(help="Origin of the kernels, recorded in the files.")] = "not stated",
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Held-out errors of kernels by device, engine and kind (experts, latent attention, collectives and others)."""
    import polars as pl  # noqa: PLC0415 - numpy and polars load only when needed

    from profiling.kernels import shipped  # noqa: PLC0415
    from profiling.kernels.folder import calibrated_folder  # noqa: PLC0415

    if folder is None:
        surfaces = [surface for of_device in shipped.shipped_surfaces().values() for surface in of_device]
        transfers = list(shipped.shipped_transfers())
    else:
        with err.status("fitting") as status:
            surfaces, transfers = calibrated_folder(folder, kind or (), status.update)
        if save is not None:
            shipped.save(save, surfaces, transfers, source)
    if left_out:
        table = shipped.transfer_table(transfers)
    else:
        table = shipped.variant_table(surfaces) if variants else shipped.summary(surfaces)
    for column, chosen in (("device", device), ("kind", kind)):
        table = table.filter(pl.col(column).is_in(chosen)) if chosen else table
    print_rows(table, output_format, output)
