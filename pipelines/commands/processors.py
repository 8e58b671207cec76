"""`skyline processors`: CPUs, GPUs, TPUs and NPUs under one load, in one table."""

from typing import Annotated

import typer

from pipelines.commands.performance import Batch, ByOption, Length, Model, WeightFormat, door_of
from pipelines.commands.terminal import Format, Formatted, Output, err, print_rows

_SHOWN = (
    "accelerator", "kind", "verdict", "bound_by", "predicted_s", "predicted_low_s", "predicted_high_s", "tokens_per_s",
    "kwh_per_million_tokens", "usd_per_million_tokens", "engine", "reason",
)  # fmt: skip


def processors(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Model,
    accelerators: Annotated[
        list[str] | None,
        typer.Argument(help="Devices, or kinds: cpu, gpu, igpu, tpu, npu, edge, all.", show_default="some of each"),
    ] = None,
    device: ByOption = None,
    stage: Annotated[str, typer.Option(help="prefill, decode (one step), generate (both) or encode.")] = "decode",
    batch: Batch = 1,
    seq: Length = 4096,
    weight_format: WeightFormat = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """CPUs, GPUs, TPUs and NPUs under one load: time, energy, cost, and what limits each."""
    from profiling.answers.energy import INCLUDES  # noqa: PLC0415 - numpy loads only when needed
    from profiling.answers.processors import compare_processors, warned, what_binds  # noqa: PLC0415
    from profiling.answers.question import Question  # noqa: PLC0415

    door = door_of()
    question = Question(
        model=model, accelerator="", stage=stage, batch=batch, context=seq, weight_format=weight_format
    )  # fmt: skip
    rows = compare_processors(door, question, [*(accelerators or ()), *(device or ())])
    for line in (*warned(door, question, rows), what_binds(rows), INCLUDES):
        err.print(line)
    print_rows(rows, output_format, output, _SHOWN)
