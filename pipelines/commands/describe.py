"""`skyline describe`: what models are, one row each."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.terminal import Format, Formatted, Output, err, print_notes, print_rows
from warehouse.settings import Settings

if TYPE_CHECKING:
    from profiling.models.architecture import Architecture

Models = Annotated[
    list[str],
    typer.Argument(
        help="Names of the catalogue or the hub, Ollama tags, GGUF files, config.json files or their folders, TOML.",
        show_default=False,
    ),
]


def describe(
    model: Models,
    weight_format: Annotated[
        str | None, typer.Option(help="A stored format, such as q4_k_m or awq-4bit-g128; by default as published.")
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Look up unknown models on the hub, and keep them.")] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Parameters, stored format, weights, cache and fixed state of models; those that fail are named and skipped."""
    import polars as pl  # noqa: PLC0415 - polars loads only when needed

    from pipelines.sources.hub.models import architectures_of, fetched_models, keep  # noqa: PLC0415
    from profiling.answers.describe import describe as of  # noqa: PLC0415
    from profiling.errors import ProfilingError  # noqa: PLC0415

    settings = Settings()
    own_models = dict(architectures_of(fetched_models(settings)))

    def look_up(model_id: str) -> "Architecture":
        return keep(model_id, settings).architecture()

    rows, failed = [], False
    for text in model:
        try:
            description = of(text, weight_format, own_models=own_models, look_up=look_up if online else None)
        except ProfilingError as error:
            failed = True
            err.print(f"{text}: {error}", style="red")
            continue
        rows.append(description.row())
        print_notes(description.notes)
    if rows:
        print_rows(pl.DataFrame(rows, infer_schema_length=None), output_format, output)
    if failed:
        raise typer.Exit(1)
