"""`skyline accuracy`: predictions held against what benchmark tools measured, and engines fitted to it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.terminal import Format, Formatted, Output, UserError, err, print_notes, print_rows


class By(StrEnum):
    """What rows are grouped by, within each stage."""

    STAGE = "stage"
    ENGINE = "engine"
    DEVICE = "device"
    DEVICE_CLASS = "device_class"
    FORMAT = "format"
    BATCH = "batch"
    MODEL = "model"


def accuracy(  # noqa: PLR0913, PLR0917 - one parameter an option
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="What llama-bench, vLLM, SGLang, Ollama, … wrote; our own CSV; a bundle; a folder of them. "
            "Without any: the errors that ship, on devices and on models left out of the fit."
        ),
    ] = None,
    by: Annotated[By, typer.Option(help="How to group rows within each stage.")] = By.STAGE,
    rows: Annotated[bool, typer.Option("--rows", help="One line per measurement instead of the summary.")] = False,
    worst: Annotated[
        int | None,
        typer.Option(min=1, help="List this many of the largest errors instead, each with possible causes."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Device, if the file does not say.")] = None,
    devices: Annotated[int | None, typer.Option(help="Number of devices, if the file does not say.")] = None,
    parallelism: Annotated[str | None, typer.Option(help="TP8, EP8 DP8, …, if the file does not say.")] = None,
    engine: Annotated[str | None, typer.Option(help="Engine, if the file does not say.")] = None,
    model: Annotated[str | None, typer.Option(help="Model, if the file does not say.")] = None,
    weight_format: Annotated[str | None, typer.Option(help="Stored format, if the file does not say.")] = None,
    input_tokens: Annotated[float | None, typer.Option(help="Prompt length, if the file does not say.")] = None,
    output_tokens: Annotated[float | None, typer.Option(help="Tokens generated, if the file does not say.")] = None,
    batch: Annotated[float | None, typer.Option(help="Sequences in flight, if the file does not say.")] = None,
    accelerators: Annotated[
        Path | None, typer.Option("--accelerators", help="TOML or CSV file with devices that the table lacks.")
    ] = None,
    fit: Annotated[
        Path | None, typer.Option("--fit", help="Fit engines to these rows first and write the fit here.")
    ] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Errors of the simulation behind `skyline plan`, on measured serving.")
    ] = False,
    gates: Annotated[
        bool,
        typer.Option(
            "--gates",
            help="Fit anew, each device and each model of these rows left out in turn, and fail if an error exceeds "
            "its limit, an interval does not hold, or what ships is not that fit. A minute or two.",
        ),
    ] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """How far predictions are from measurements: error, bias, and whether intervals and bounds hold."""
    from pipelines.commands.performance import door_of  # noqa: PLC0415 - polars loads only when needed
    from pipelines.defs.accuracy import tables  # noqa: PLC0415
    from pipelines.defs.accuracy.gates import broken  # noqa: PLC0415
    from pipelines.sources.measurements.rows import Stated  # noqa: PLC0415
    from profiling.accuracy.held_out import held_out_errors  # noqa: PLC0415
    from profiling.engines.time import shipped_times  # noqa: PLC0415

    if not files:
        print_rows(held_out_errors(), output_format, output)
        return
    stated = Stated(
        device=device, device_count=devices, parallelism=parallelism, engine=engine, model=model,
        weight_format=weight_format, input_tokens=input_tokens, output_tokens=output_tokens, batch=batch,
    )  # fmt: skip
    door = door_of()
    with err.status("reading measurements") as status:
        measured = tables.read_all(files, stated)
        known = tables.devices_with(door, accelerators)
        times = None
        if fit is not None or gates:
            status.update("fitting engines, and testing the fit on devices and models left out")
            refitted = tables.fitted(measured, door, known, ", ".join(sorted(path.name for path in files)))
        if fit is not None:
            times = refitted
            fit.write_text(times.to_json(), "utf-8")
        status.update("predicting")
        result = tables.accuracy(measured, door, known, times)
        if simulated:
            status.update("simulating")
            table = tables.simulation(result, door, known)
    if simulated:
        print_rows(table, output_format, output)
        return
    if worst is not None:
        table = tables.furthest_off(result, worst)
    else:
        table = tables.one_line_each(result) if rows else result.comparison.table(by.value)
    print_rows(table, output_format, output)
    print_notes(result.notes())
    if gates and (notes_of := broken(result, refitted, times or shipped_times())):
        raise UserError("; ".join(notes_of))
