"""`skyline profile share` and `skyline profile collect`: measurements from one home to many, and back."""

from pathlib import Path
from typing import Annotated

import typer

from analytics.units import counted
from pipelines.commands.performance import door_of
from pipelines.commands.terminal import Format, Formatted, Output, err, print_rows
from warehouse.settings import Settings


def share(
    files: Annotated[list[Path], typer.Argument(help="Bundles, or the output of a benchmark tool, as for `accuracy`.")],
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("shared.json"),
    device: Annotated[str | None, typer.Option(help="Device, where a file does not say.")] = None,
    engine: Annotated[str | None, typer.Option(help="Engine, where a file does not say.")] = None,
    model: Annotated[str | None, typer.Option(help="Model, where a file does not say.")] = None,
    weight_format: Annotated[str | None, typer.Option(help="Stored format, where a file does not say.")] = None,
) -> None:
    """Make one anonymous, signed file of measurements: what was measured, nothing of who or where."""
    from pipelines.defs.accuracy.tables import read_all  # noqa: PLC0415 - polars loads only when needed
    from pipelines.sources.measurements.rows import Stated  # noqa: PLC0415
    from pipelines.sources.measurements.shared import SHARED, key_of, sealed, with_names  # noqa: PLC0415

    stated = Stated(device=device, engine=engine, model=model, weight_format=weight_format)
    rows = with_names(read_all(files, stated), door_of().devices)
    text = sealed(rows, key_of(Settings().home))
    out.write_text(text, "utf-8")
    err.print(f"{out}: signed; it holds {', '.join(SHARED)}, and nothing else.")


def collect(
    folder: Annotated[Path, typer.Argument(help="Folder of shared files, with those below it.")],
    out: Annotated[
        Path | None, typer.Option(help="CSV for the rows that may be used; `skyline refresh --source` takes it.")
    ] = None,
    outliers: Annotated[bool, typer.Option("--outliers", help="One line per outlier instead of the errors.")] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Read shared files: check signatures, set outliers aside, and print how far predictions lie from the rest."""
    from pipelines.defs.accuracy.collecting import collected  # noqa: PLC0415
    from pipelines.defs.accuracy.tables import accuracy  # noqa: PLC0415
    from warehouse.spreadsheets import to_csv  # noqa: PLC0415

    door = door_of()
    collection = collected(folder, door, door.devices)
    if out is not None:
        out.write_bytes(to_csv(collection.rows))
    errors = accuracy(collection.rows, door, door.devices).comparison.table()
    print_rows(collection.outliers if outliers else errors, output_format, output)
    err.print(
        f"{counted(collection.files, 'file')}: {counted(collection.rows.height, 'row')} to use, "
        f"{counted(collection.outliers.height, 'outlier')}, {counted(collection.duplicates, 'row')} there before, "
        f"{counted(collection.refused.height, 'file')} refused.",
    )  # fmt: skip
    for name, reason in collection.refused.head(5).iter_rows():
        err.print(f"  {name}: {reason}", style="yellow")
    if out is not None:
        err.print(f"skyline refresh --source {out} adds them to the accuracy tables.")
