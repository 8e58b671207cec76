"""`skyline rate`: ratings of anybody's votes, printed."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analytics.units import counted
from pipelines.commands.terminal import Format, Formatted, Output, UserError, print_notes, print_rows

if TYPE_CHECKING:
    from pipelines.defs.arena.rate import RatedVotes

COLUMNS = ("model", "rating", "rating_lower", "rating_upper", "rank_upper_bound", "battles")
"""What is printed; further columns only where they are asked for."""


class Method(StrEnum):
    """How votes become ratings."""

    BRADLEY_TERRY = "bradley-terry"
    ELO = "elo"


def rate(  # noqa: PLR0913, PLR0917 - one parameter an option
    votes: Annotated[
        list[Path],
        typer.Argument(help="Files or folders of votes: model_a, model_b and winner, as CSV, Parquet or JSON."),
    ],
    method: Annotated[Method, typer.Option(help="Maximum likelihood, or online Elo in the order of the votes.")] = (
        Method.BRADLEY_TERRY
    ),
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL=RATING",
            help="Model whose rating is fixed, and that rating.",
            show_default="mean of all is 1000",
        ),
    ] = None,
    bootstrap: Annotated[
        int | None,
        typer.Option(metavar="ROUNDS", help="Bootstrap rounds for the intervals.", show_default="sandwich"),
    ] = None,
    category: Annotated[
        str, typer.Option(help="Only votes on prompts of this category: math, coding, hard_6, ...")
    ] = "overall",
    language: Annotated[str | None, typer.Option(help="Only votes in this language.")] = None,
    style_control: Annotated[
        bool, typer.Option("--style-control", help="Control for style: length, headers, lists and bold.")
    ] = False,
    votes_per_judge: Annotated[
        int | None,
        typer.Option(min=1, help="Count at most this many votes per judge, the earliest ones.", show_default="all"),
    ] = None,
    minimum_battles: Annotated[int, typer.Option(min=0, help="List only models with at least this many votes.")] = 0,
    all_columns: Annotated[
        bool,
        typer.Option("--all-columns", help="Also print rank spread, average win rate and why a rating is missing."),
    ] = False,
    output_format: Formatted = Format.TABLE,
    output: Output = None,
) -> None:
    """Rate the models in files of pairwise votes, with intervals and ranks."""
    # polars, duckdb and scipy load only when needed
    from pipelines.defs.arena.rate import RatingOptions  # noqa: PLC0415
    from pipelines.defs.arena.rate import rate as rated_votes  # noqa: PLC0415
    from pipelines.sources.votes.filters import VoteFilter  # noqa: PLC0415

    options = RatingOptions(
        method=method.value,
        anchor=None if anchor is None else read_anchor(anchor),
        bootstrap=bootstrap,
        style_control=style_control,
        minimum_battles=minimum_battles,
    )
    rated = rated_votes(
        votes, options, VoteFilter(category=category, language=language, votes_per_judge=votes_per_judge)
    )
    _account(rated)
    print_rows(rated.ratings if all_columns else rated.ratings.select(COLUMNS), output_format, output)


def read_anchor(text: str) -> tuple[str, float]:
    """Model and rating of `MODEL=RATING`; the name itself may hold equals signs.

    Raises:
        UserError: there is no equals sign, no name, or no finite number.
    """
    model, _, rating = text.rpartition("=")
    try:
        value = float(rating)
    except ValueError:
        value = float("nan")
    if not model or not abs(value) < float("inf"):
        raise UserError(f"--anchor takes MODEL=RATING, as mixtral-8x7b-instruct-v0.1=1114; {text!r} is not that.")
    return model, value


def _account(rated: "RatedVotes") -> None:
    """Say which votes count and what the reader should know, where it does not mix with the rows."""
    lines = [f"{rated.votes_counted:,} of {rated.votes_read:,} votes count."]
    lines += [f"left out: {reason}: {counted(votes, 'vote')}" for reason, votes in rated.filtered.iter_rows()]
    for (reason, *_), votes in rated.rejected.group_by("reason", maintain_order=True):
        example = votes.row(0, named=True)["content"]
        lines.append(f"rejected: {reason}: {counted(int(votes['votes'].sum()), 'vote')}, as {example}")
    lines += list(rated.notes)
    if rated.ratings.is_empty():
        lines.append("No model has the number of votes that --minimum-battles asks for.")
    for feature, value, lower, upper in rated.coefficients.iter_rows():
        lines.append(f"style: {feature} {value:+.3f} ({lower:+.3f} to {upper:+.3f})")
    print_notes(lines)
