"""`skyline sweep` and `skyline improve`: what changes memory and time of a model, and what would make it faster."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.performance import (
    Accelerators,
    Batch,
    Engine,
    KvBits,
    Length,
    Model,
    Online,
    WeightFormat,
    door_of,
)
from pipelines.commands.terminal import Format, Formatted, Output, UserError, err, print_notes, print_rows

if TYPE_CHECKING:
    from profiling.answers.door import Door
    from profiling.answers.question import Question

Accelerator = Annotated[str, typer.Argument(help="Accelerator, as RTX-A6000 or H200.")]
Stage = Annotated[
    str | None, typer.Option(help="prefill, decode or encode.", show_default="decode; encode for encoders")
]
Tensor = Annotated[int, typer.Option(help="Devices that share every layer.")]
_SHOWN = (
    "axis", "value", "verdict", "weights_bytes", "kv_cache_bytes", "activations_bytes", "memory_high_gib",
    "memory_change_pct", "flops", "predicted_low_s", "predicted_likely_s", "predicted_high_s", "time_change_pct",
    "reason",
)  # fmt: skip


def sweep(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Model,
    accelerator: Accelerator,
    over: Annotated[
        list[str] | None,
        typer.Option(
            help="What to vary: weights, cache, pruning, vocabulary, batch, context, attention or split, as "
            "batch=1,8,32 or the name alone; may be repeated.",
            show_default="all of them",
        ),
    ] = None,
    stage: Stage = None,
    batch: Batch = 1,
    seq: Length = 4096,
    weight_format: WeightFormat = None,
    kv_bits: KvBits = 16,
    tp: Tensor = 1,
    engine: Engine = None,
    online: Online = False,
    accelerators: Accelerators = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Memory by part, work and time of a model while one thing is changed: formats, pruning, batch, length and more."""
    from profiling.answers.sweep import sweep as rows_of  # noqa: PLC0415 - numpy and polars load only when needed

    door = door_of(accelerators, online=online)
    question = _question(
        door, model, stage, seq, accelerator=accelerator, batch=batch, weight_format=weight_format, kv_bits=kv_bits,
        tensor=tp, engine=engine,
    )  # fmt: skip
    rows = rows_of(door, question, _axes(over))
    print_rows(rows, output_format, output, _SHOWN)
    print_notes(door.answer(question).notes)


def improve(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Model,
    accelerator: Accelerator,
    stage: Stage = None,
    batch: Batch = 1,
    seq: Length = 4096,
    weight_format: WeightFormat = None,
    kv_bits: KvBits = 16,
    tp: Tensor = 1,
    engine: Engine = None,
    operators: Annotated[bool, typer.Option("--operators", help="One row per operator instead.")] = False,
    online: Online = False,
    accelerators: Accelerators = None,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """What would make a model faster on a device, and by how much: each change of the time with its interval."""
    from profiling.answers.improve import improvement_rows, operator_improvement_rows  # noqa: PLC0415

    door = door_of(accelerators, online=online)
    question = _question(
        door, model, stage, seq, accelerator=accelerator, batch=batch, weight_format=weight_format, kv_bits=kv_bits,
        tensor=tp, engine=engine,
    )  # fmt: skip
    rows = operator_improvement_rows(door, question) if operators else improvement_rows(door, question)
    print_rows(rows, output_format, output)
    note = (
        "Changes are in the time per token (of a pass: per sequence), negative where it gets "
        "faster; savings are taken to be as uncertain as the predictions."
    )
    print_notes((note, *door.answer(question).notes))


def _question(door: "Door", model: str, stage: str | None, seq: int, **more: Any) -> "Question":
    """What is asked of a model: without a stage an encoder encodes and others take a step; no longer than it reads."""
    from profiling.answers.question import Question  # noqa: PLC0415

    architecture = door.model(model)
    usual = "encode" if architecture.kind == "encoder" else "decode"
    return Question(model=model, stage=stage or usual, context=_length(architecture.max_position, seq), **more)


def _length(longest: int | None, length: int) -> int:
    """The length asked for; the usual one is cut to what the model was made for, and that is said."""
    usual = 4096
    if longest is None or length != usual or longest >= usual:
        return length
    err.print(f"Length {longest:,}: the model was made for no more.", style="dim")
    return longest


def _axes(over: list[str] | None) -> dict[str, tuple[str, ...]] | None:
    if not over:
        return None
    axes: dict[str, tuple[str, ...]] = {}
    for text in over:
        name, _, values = text.partition("=")
        named = tuple(part.strip() for part in values.split(",") if part.strip())
        if "=" in text and not named:
            raise UserError(f"{text!r} names no values; write batch=1,8,32")
        axes[name.strip()] = named
    return axes
