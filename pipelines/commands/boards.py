"""`skyline boards`: the sources of results, what they hold, how fresh they are; adding one's own, and passing on."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analytics.units import counted
from pipelines.commands.terminal import Format, Formatted, Output, UserError, err, print_rows
from pipelines.sources.boards import USER_FOLDER
from warehouse.settings import Settings

if TYPE_CHECKING:
    import polars as pl

boards = typer.Typer(
    help="Sources of results: contents, licence, freshness, and how many of their names are resolved.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@boards.callback()
def sources(
    context: typer.Context,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """List the sources: newest state, results, names known and unknown, licence, rhythm, freshness."""
    if context.invoked_subcommand is not None:
        return
    frame = _table("meta.board_sources")
    columns = [
        "source", "newest_date", "freshness", "rhythm_days", "benchmarks", "results", "measurements", "names",
        "mapped_names", "rejected", "licence", "may_bundle", "declared_by", "last_outcome",
    ]  # fmt: skip
    print_rows(frame.select(columns) if output_format is Format.TABLE else frame, output_format, output)


@boards.command(epilog="Example: skyline boards names lmarena --unmapped")
def names(
    source: Annotated[
        str | None, typer.Argument(help="Source, as `skyline boards` lists it.", show_default="all")
    ] = None,
    unmapped: Annotated[bool, typer.Option("--unmapped", help="Only names that match no known model.")] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """List the model names of a source, each with the model it means and the evidence."""
    import polars as pl  # noqa: PLC0415 - loads only when needed

    frame = _table("core.model_aliases")
    if source is not None:
        frame = frame.filter(pl.col("source") == source)
    print_rows(frame.filter(pl.col("model_id").is_null()) if unmapped else frame, output_format, output)


@boards.command(epilog="Example: skyline boards add my_board.toml")
def add(
    file: Annotated[
        Path,
        typer.Argument(help="Declaration as TOML; or a CSV, JSON, YAML, Parquet or Markdown board to draft one from."),
    ],
) -> None:
    """Declare a board of your own: its file is then read like any other; a draft is written if you give data."""
    from pipelines.sources.boards.declaration import declared, parse  # noqa: PLC0415
    from pipelines.sources.boards.draft import draft  # noqa: PLC0415

    settings = Settings()
    is_declaration = file.suffix.lower() == ".toml"
    text = file.read_text(encoding="utf-8") if is_declaration else draft(file)
    board = parse(text, str(file))
    folder = settings.home / USER_FOLDER
    target = folder / f"{board.name}.toml"
    declaration = declared(settings.home).get(board.name)
    if declaration is not None and not declaration.by_user:
        raise UserError(f"{board.name} is declared by Skyline itself; give yours another name.")
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    err.print(f"Declared {board.name} in {target}.")
    if is_declaration:
        err.print("Run `skyline refresh --source FILE` with one of its files.")
    else:
        err.print(
            f"This is a draft: check units, categories and the licence, then run `skyline refresh --source {file}`.",
            style="yellow",
        )  # fmt: skip


@boards.command(epilog="Example: skyline boards check my_board.toml results.csv")
def check(
    declaration: Annotated[Path, typer.Argument(help="Declaration as TOML.")],
    file: Annotated[Path, typer.Argument(help="A file of the board.")],
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Read a file by a declaration and print what would be loaded, changing nothing."""
    import polars as pl  # noqa: PLC0415 - loads only when needed

    from pipelines.sources.boards.declaration import Declared, parse  # noqa: PLC0415
    from pipelines.sources.boards.documents import Member  # noqa: PLC0415
    from pipelines.sources.boards.load import read_zip  # noqa: PLC0415
    from pipelines.sources.boards.read import read_rows  # noqa: PLC0415
    from pipelines.sources.boards.recognition import dated, match, recognise_board  # noqa: PLC0415

    text = declaration.read_text(encoding="utf-8")
    board = Declared(parse(text, str(declaration)), by_user=True, text=text)
    payload = file.read_bytes()
    unknown = UserError(f"{file.name} lacks the columns that identify a file of {board.board.name}.")
    if file.suffix.lower() == ".zip":
        if (zipped := recognise_board(payload, file.name, {board.board.name: board})) is None:
            raise unknown
        kind, day, is_dated = "files of a zip", zipped.as_of, zipped.is_dated
        read = read_zip(payload, file.name, board, day)
    else:
        if (matched := match(Member(file.name, payload), [board])) is None:
            raise unknown
        if matched.file.refused:
            raise UserError(f"{file.name} {matched.file.refused}")
        kind, (day, _, is_dated) = matched.file.name, dated([matched], file.name)
        read = read_rows(matched.rows, matched.board, matched.file, day)
    when = f"of {day}" if is_dated else "undated: stored, it carries the day on which it is read"
    err.print(
        f"{read.loaded:,} of {counted(read.rows, 'row')} as {kind}, {when}; {len(read.rejected)} set aside.",
    )
    for number, _, reason in read.rejected[:10]:
        err.print(f"  row {number}: {reason}", markup=False)
    for note in (*read.passed_over, *read.notes):
        err.print(f"Left out: {note}", markup=False)
    if read.unread:
        err.print(f"Columns not read: {', '.join(sorted(read.unread))}")
    rows = read.results.drop("row_number", "member", "link")
    if not is_dated:
        # A row may say its own day; of the others nobody does.
        rows = rows.with_columns(pl.when(pl.col("snapshot_date") != day).then("snapshot_date").alias("snapshot_date"))
    print_rows(rows, output_format, output)


@boards.command(epilog="Example: skyline boards export results --source bfcl")
def export(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    source: Annotated[list[str] | None, typer.Option(help="Source; may be repeated.", show_default="all")] = None,
    every_eval_ever: Annotated[
        bool, typer.Option("--every-eval-ever", help="As records of Every Eval Ever (schema 0.3.0), not as CSV.")
    ] = False,
    all_states: Annotated[bool, typer.Option("--all-states", help="Every snapshot, not only the newest.")] = False,
    keep_private: Annotated[
        bool, typer.Option("--keep-private", help="Also results that may not be redistributed; for your own use only.")
    ] = False,
) -> None:
    """Write redistributable results: one CSV per source, for another home to read, or Every Eval Ever records."""
    import polars as pl  # noqa: PLC0415 - loads only when needed

    frame = _table("core.benchmark_results")
    chosen = frame.filter(pl.col("source").is_in(source)) if source else frame
    chosen = chosen if all_states else chosen.filter("is_newest")
    passed = chosen if keep_private else chosen.filter("may_bundle")
    if private_count := chosen.height - passed.height:
        err.print(f"{private_count:,} results were left out: their licence does not allow redistribution.")
    folder.mkdir(parents=True, exist_ok=True)
    written = _as_records(passed, folder) if every_eval_ever else _as_csv(passed, folder)
    err.print(f"{passed.height:,} results in {written} files below {folder}")


def _as_records(results: "pl.DataFrame", folder: Path) -> int:
    from pipelines.sources.boards.every_eval_ever_records import records  # noqa: PLC0415

    count = 0
    for path, record in records(results):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
        count += 1
    return count


def _as_csv(results: "pl.DataFrame", folder: Path) -> int:
    from pipelines.sources.boards.own_form import name_of, written  # noqa: PLC0415

    parts = results.partition_by("source", as_dict=True)
    for (name,), rows in parts.items():
        (folder / name_of(rows, name)).write_bytes(written(rows))
    return len(parts)


def _table(relation: str) -> "pl.DataFrame":
    """A table of the published warehouse.

    Raises:
        NotPublished: nothing is published yet.
    """
    from warehouse.reader import Reader  # noqa: PLC0415 - polars loads only when needed

    return Reader(Settings().published).query(f"FROM {relation}")
