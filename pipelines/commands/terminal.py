"""What every command shares: options, printing of rows, and errors as one sentence."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from analytics.units import counted
from warehouse.files import is_full, not_readable
from warehouse.settings import BrokenSettings, Settings

for _name in ("stdin", "stdout", "stderr"):
    if getattr(sys, _name) is None:  # closed by whoever started us; no file of ours may take its number
        setattr(sys, _name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: PTH123, SIM115 - open as long as we run
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="backslashreplace")  # not every terminal has every character
# What is piped into a file or a program is not folded to the width of a terminal.
# Sentences are printed as they are: names of files and models may hold brackets, and what is copied holds no new lines.
_AS_IT_IS: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
out = Console(width=None if sys.stdout.isatty() else 10_000, **_AS_IT_IS)
err = Console(stderr=True, **_AS_IT_IS)


def print_notes(notes: Iterable[str]) -> None:
    """Print what an answer rests on beside it, where programs that read the rows do not see it."""
    for note in notes:
        err.print(note, style="dim")


class Format(StrEnum):
    """How data is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class UserError(Exception):
    """Something the user can mend; its text is one clear sentence."""


Formatted = Annotated[Format, typer.Option("--format", help="How to print the rows.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of to the terminal.")]


def length(text: str | int) -> int:
    """A number of tokens on the command line: `4096`, `32k`, `1M`.

    Raises:
        BadParameter: It is no length.
    """
    from profiling.answers.lengths import length as asked  # noqa: PLC0415 - numpy loads only when needed
    from profiling.errors import InvalidWorkload  # noqa: PLC0415

    try:
        return asked(text)
    except InvalidWorkload as error:
        raise typer.BadParameter(str(error)) from error


def cache_bits(text: str | float) -> float:
    """Bits per number of a cache on the command line: `8`, or a format such as `q8_0`, `fp8`, `q8_0/q4_0`.

    Raises:
        BadParameter: It is no format.
    """
    from profiling.errors import UnsupportedPrecision  # noqa: PLC0415
    from profiling.models.format_names import kv_format  # noqa: PLC0415

    try:
        return float(text)  # what no width can be is refused where widths are known
    except ValueError:
        pass
    try:
        return kv_format(str(text))
    except UnsupportedPrecision as error:
        raise typer.BadParameter(str(error)) from error


def cache_format(text: str | float) -> str:
    """The same by its name, for commands that pass it on to an engine.

    Raises:
        BadParameter: It is no format.
    """
    cache_bits(text)
    return str(text)


def print_rows(frame: Any, form: Format, output: Path | None = None, shown: Sequence[str] = ()) -> None:
    """Print a frame, or write it to a file; a table on the terminal has only the columns `shown`, if any are given.

    Raises:
        UserError: Parquet would go to a terminal.
    """
    from pipelines.commands.printing import as_bytes, as_table  # noqa: PLC0415 - polars loads only when needed

    if form is Format.TABLE and output is None:
        as_table(frame.select(shown) if shown else frame, out)
        return
    payload = as_bytes(frame, form.value)
    if output is not None:
        _write(output, payload)
        err.print(f"{counted(frame.height, 'row')} written to {output}")
    elif form is Format.PARQUET and sys.stdout.isatty():
        raise UserError("Parquet is binary; write it to a file with --output FILE or > FILE.")
    else:
        sys.stdout.buffer.write(payload)
        sys.stdout.buffer.flush()


def _write(output: Path, payload: bytes) -> None:
    """Write a file; where the disk is full, half of one is not left.

    Raises:
        UserError: the disk is full.
    """
    try:
        output.write_bytes(payload)
    except OSError as error:
        if not is_full(error):
            raise
        if output.is_file():
            output.unlink()
        raise UserError(
            f"The disk is full, so {output} was not written; free some space, or name another with --output."
        ) from error


def become(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Run a module in the place of this process, so that whoever stops the command stops the server."""
    out.file.flush()
    command = [sys.executable, "-m", *arguments]
    if os.name == "nt":  # there the shell would take the command for ended
        sys.exit(subprocess.call(command, env={**os.environ, **environment}))  # noqa: S603 - our own modules
    # An ignored signal stays ignored in what takes this place: a script has SIGINT ignored in what it starts in the
    # background, and Dagster gives SIGTERM the same after every run.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execve(sys.executable, command, {**os.environ, **environment})  # noqa: S606 - our own modules


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn what users can mend into one sentence and an exit code; with `--debug` let the traceback through."""
    try:
        yield
    except (typer.Exit, KeyboardInterrupt):
        raise
    except Exception as error:
        if "--debug" in sys.argv[1:]:
            raise
        err.print(f"Error: {_sentence(error)}", style="red")
        sys.exit(1)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    library = type(error).__module__.split(".")[0]
    if library in {"_duckdb", "duckdb"}:
        return f"The query failed: {str(error).split(chr(10) + chr(10))[0].strip()}"
    if is_full(error):
        return f"The disk that this is written to is full ({text}); free some space, and run this again."
    if isinstance(error, PermissionError) and _is_of_the_home(error):
        return str(not_readable(error.filename))
    if library in {"analytics", "pipelines", "warehouse", "profiling", "dashboards"} or isinstance(error, OSError):
        return text
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        return "; ".join(
            "".join(f"SKYLINE_{str(name).upper()}: " for name in problem["loc"])
            + problem["msg"].removeprefix("Value error, ")
            for problem in error.errors()
        )
    return f"{text} ({type(error).__name__}; run again as `skyline --debug …` to see where)"


def _is_of_the_home(error: PermissionError) -> bool:
    """Whether somebody else's home closed itself to a command; what writes to it says so in its own words."""
    try:
        home = Settings().home.absolute()
    except (ValidationError, BrokenSettings):
        return False
    return Path(error.filename or "").absolute().is_relative_to(home)
