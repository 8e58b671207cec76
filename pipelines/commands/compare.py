"""`skyline compare`: models in stored formats against one another, such as 32B at 3 bits or 14B at 8."""

from typing import Annotated

import typer

from pipelines.commands.performance import door_of, evidence_of_home
from pipelines.commands.terminal import Format, Formatted, Output, out, print_notes, print_rows

_SHOWN = (
    "model_id", "weight_format", "kv_format", "ability_in_format", "ability_low", "ability_high", "ahead", "ahead_low",
    "ahead_high", "is_beyond_noise", "ability_lost", "evidence_class", "file_size_gib",
)  # fmt: skip
_MOST_MEASURED = 2


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL[@FORMAT]...",
            help="Models by any common name, as MODEL@FORMAT; without a format, as published.",
        ),
    ],
    use: Annotated[str, typer.Option(help="chat, coding, agents, maths or long documents.")] = "chat",
    kv_format: Annotated[str, typer.Option(help="Format of the KV cache of all: f16, q8_0, q4_0, fp8.")] = "f16",
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Which model is more capable in the format it would run in, with intervals, and whether the lead exceeds noise."""
    import polars as pl  # noqa: PLC0415 - polars loads only when needed

    from profiling.answers.format_comparison import comparisons, notes, parse_side, sentence  # noqa: PLC0415

    evidence = evidence_of_home()
    sides = [parse_side(text, evidence.abilities, kv_format) for text in models]
    results = comparisons(door_of(), evidence, sides, use)
    rows = pl.DataFrame([result.row() for result in results], infer_schema_length=None)
    if output_format is not Format.TABLE or output is not None:
        print_rows(rows, output_format, output)
    else:
        for comparison in results[1:]:
            out.print(sentence(results[0], comparison))
        for comparison in results:
            for measured in comparison.measured[:_MOST_MEASURED]:
                out.print(f"  {comparison.side.model_id}: {measured.words}")
        print_rows(rows.select(_SHOWN), output_format, None)
    print_notes(notes(results))
