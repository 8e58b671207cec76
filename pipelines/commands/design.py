"""`skyline design`: shapes of models that nobody has trained, which of a size are fast and small on a device."""

from typing import Annotated

import typer

from pipelines.commands.performance import Batch, Engine, Length, WeightFormat, door_of
from pipelines.commands.plan import seconds
from pipelines.commands.terminal import Format, Formatted, Output, err, print_notes, print_rows
from warehouse.settings import Settings

_SHOWN = (
    "mixing", "window", "windowed_layers", "state_layers", "layers", "hidden_size", "heads", "kv_heads", "head_dim",
    "intermediate_size", "experts", "experts_per_token", "shared_experts", "parameters_active", "memory_high_gib",
    "time_to_first_token_s", "time_per_output_token_low_s", "time_per_output_token_s", "time_per_output_token_high_s",
    "expected_ability",
)  # fmt: skip


def design(  # noqa: PLR0913, PLR0917 - one parameter an option
    params: Annotated[str, typer.Option(help="Total parameters, such as 3B or 700M.")],
    device: Annotated[str, typer.Option("--device", "--accelerator", help="Device, by any common name.")],
    context: Length = 4096,
    batch: Batch = 1,
    ttft: Annotated[
        float | None,
        typer.Option(parser=seconds, metavar="TIME", help="Longest acceptable time for the prompt: 1s, 500ms."),
    ] = None,
    tpot: Annotated[
        float | None, typer.Option(parser=seconds, metavar="TIME", help="Longest acceptable time per token: 20ms.")
    ] = None,
    weight_format: WeightFormat = None,
    vocabulary: Annotated[int, typer.Option(help="Tokens of the vocabulary.", min=256)] = 128_256,
    engine: Engine = None,
    trials: Annotated[
        int, typer.Option(help="Number of shapes to try; a larger number finds better ones.", min=1, max=5000)
    ] = 300,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Model shapes of one size that no other beats on predicted speed, memory and ability (layers, width, experts).

    Everything is a prediction: nothing here was trained or measured.
    """
    from profiling.answers.design import ScalingFit, Wish, parameters_of  # noqa: PLC0415 - loads only when needed
    from profiling.answers.design import design as front_of  # noqa: PLC0415
    from warehouse.reader import Reader  # noqa: PLC0415

    door = door_of()
    wish = Wish(
        parameters=parameters_of(params), accelerator=door.device(device).name, context=context, batch=batch,
        time_to_first_token_s=ttft, time_per_output_token_s=tpot, weight_format=weight_format, vocabulary=vocabulary,
        engine=engine,
    )  # fmt: skip
    with err.status("trying shapes"):
        rows, notes = front_of(door, wish, ScalingFit.newest(Reader(Settings().published).query), trials)
    shown = [name for name in _SHOWN if name in rows.columns and not rows[name].is_null().all()]
    print_rows(rows, output_format, output, shown)
    print_notes(notes)
