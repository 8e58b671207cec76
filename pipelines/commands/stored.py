"""`skyline snapshots` and `skyline forget`: what the home has read, and taking back what should not have been."""

from typing import Annotated

import typer

from pipelines.commands.terminal import Format, Formatted, Output, err, print_rows
from warehouse.settings import Settings


def snapshots(
    forgotten: Annotated[bool, typer.Option("--forgotten", help="List what was removed, and why.")] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Every file that was read, as kept in raw/: source, date and origin."""
    import polars as pl  # noqa: PLC0415

    from pipelines.sources.raw_store import RawStore  # noqa: PLC0415 - polars loads only when needed

    store = RawStore(Settings().raw)
    text = dict.fromkeys(("snapshot", "source", "uri", "sha256"), pl.String())
    if forgotten:
        columns = text | {"as_of": pl.Date(), "forgotten_at": pl.Datetime(time_zone="UTC"), "why": pl.String()}
        gone = [
            (
                snapshot.snapshot_id,
                snapshot.source,
                snapshot.uri,
                snapshot.sha256,
                snapshot.as_of,
                snapshot.forgotten_at,
                snapshot.reason,
            )
            for snapshot in store.forgotten()
        ]
        print_rows(pl.DataFrame(gone, columns, orient="row"), output_format, output)
        return
    columns = text | {
        "as_of": pl.Date(),
        "retrieved_at": pl.Datetime(time_zone="UTC"),
        "size_kib": pl.Float64(),
        "layout": pl.String(),
    }
    rows = [
        (
            snapshot.snapshot_id, source, snapshot.manifest.uri, snapshot.sha256, snapshot.manifest.as_of,
            snapshot.manifest.retrieved_at, snapshot.path.stat().st_size / 1024, snapshot.manifest.layout,
        )
        for source in store.sources()
        for snapshot in store.snapshots(source)
    ]  # fmt: skip
    print_rows(pl.DataFrame(rows, columns, orient="row"), output_format, output)


def forget(
    snapshot: Annotated[list[str], typer.Argument(help="A snapshot listed by `skyline snapshots`, or its sha256.")],
    why: Annotated[str, typer.Option(help="The reason, written into the record.")] = "no reason was given",
    undo: Annotated[
        bool, typer.Option("--undo", help="Remove it from the record, so that its source may supply it again.")
    ] = False,
) -> None:
    """Remove a file that was read from raw/ and record what it was; then run `skyline refresh`."""
    from pipelines.runs.writer_lock import only_writer  # noqa: PLC0415
    from pipelines.sources.raw_store import RawStore  # noqa: PLC0415 - polars loads only when needed

    settings = Settings()
    store = RawStore(settings.raw)
    with only_writer(settings):
        if undo:
            for name in snapshot:
                for entry in store.remember(name):
                    err.print(f"{entry.uri} is read again with its source.")
            return
        # All are looked up before the first is removed.
        for chosen in [store.named(name) for name in snapshot]:
            store.forget(chosen, why)
            err.print(f"Forgotten: {chosen.snapshot_id}, from {chosen.manifest.uri}.")
    err.print("Run `skyline refresh` to publish without it.")
