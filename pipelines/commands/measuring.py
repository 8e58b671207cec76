"""`skyline profile probe | plan | run | …`: the commands of `profiling.measure`, whose own parser they keep."""

import typer

from profiling.measure.arguments import COMMANDS
from profiling.measure.command import main

# `calibrate` has a form that fits kernel tables, and stands beside it.
_ELSEWHERE = frozenset({"calibrate"})
_AS_WRITTEN = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(profile: typer.Typer) -> None:
    """Add the commands; options and help are those of the single file that is copied to nodes."""
    for name, (text, _) in COMMANDS.items():
        if name not in _ELSEWHERE:
            _add(profile, name, text)


def _add(profile: typer.Typer, name: str, text: str) -> None:
    @profile.command(name, help=text, context_settings=_AS_WRITTEN)
    def command(context: typer.Context) -> None:
        forward([name, *context.args])


def forward(arguments: list[str]) -> None:
    """Run a command of `profiling.measure` in this process; its exit code becomes ours."""
    main(arguments, program="skyline profile")
