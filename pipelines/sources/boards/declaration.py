"""What a declaration of a board says, and where declarations lie: one folder per source here, one TOML in the home."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from pipelines.sources.boards import USER_FOLDER
from pipelines.sources.boards.templates import Facts, Measured, Prices, Strict, Template, Text, require_columns
from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS
from warehouse.contracts.boards import CATEGORIES, MODES, REPORTERS, UNITS
from warehouse.files import NotReadable, listed, ordinary, reading

DECLARATION = "board.toml"


class BrokenDeclaration(ValueError):
    """A declaration does not say what it must, or says what nothing here understands."""


class Score(Strict):
    """One score of a row, or one in each of several columns.

    Attributes:
        columns: Columns that hold it, or the benchmark of each; `*` for every column that nothing else reads.
        benchmark: Name; `{column}` stands for the column's own.
        version: Definition of the benchmark; else that of the file.
        category: What it judges; else as `benchmarks.toml` knows the benchmark, else `other`.
        metric: What was counted.
        unit: Of score, error and interval.
        higher_is_better: Direction.
        lower_is_better: Cell that says the other direction, row by row.
        chance_level: Score of guessing.
        n_items: Questions.
        n_trials: Runs over them.
        standard_error: Cell of the standard error.
        interval: Cells of the bounds.
        half_interval: Cell of half the width of a symmetric interval.
        ci_level: Level of the interval.
        binomial: Whether the score is a share of `n_items`, so that its standard error follows where none is given.
        cost_usd: Cell of the cost.
        reporter: Who measured; else as the file says.
        may_bundle: Whether it may be passed on; else as the source says.
        only_rows: Column → regular expression that a row must match to have this score.
        minimum: Least that it can be; else by unit.
        maximum: Most that it can be; else by unit.
    """

    columns: tuple[str, ...]
    benchmark: Text = Template(text=("{column}",))
    version: Text | None = None
    category: Text | None = None
    metric: Text = Template(text=("accuracy",))
    unit: Literal["fraction", "percent", "elo", "index", "usd", "seconds"]
    higher_is_better: bool = True
    lower_is_better: Text | None = None
    chance_level: float | None = None
    n_items: Text | None = None
    n_trials: Text | None = None
    standard_error: Text | None = None
    interval: tuple[Text, Text] | None = None
    half_interval: Text | None = None
    ci_level: float = Field(default=0.95, gt=0, lt=1)
    binomial: bool = False
    cost_usd: Text | None = None
    reporter: Text | None = None
    may_bundle: Text | None = None
    only_rows: dict[str, str] = Field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_by_column(cls, data: Any) -> Any:
        names = data.get("columns") if isinstance(data, dict) else None
        if not isinstance(names, dict):
            return data
        if "benchmark" in data:
            raise ValueError("columns already say the benchmark of each; benchmark cannot say another")
        return {**data, "columns": tuple(names), "benchmark": {"text": "{column}", "map": names}}

    @field_validator("columns", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """What the score can be at least and at most."""
        least, most = {"fraction": (0.0, 1.0), "percent": (0.0, 100.0), "usd": (0.0, None), "seconds": (0.0, None)}.get(
            self.unit, (None, None)
        )
        return (least if self.minimum is None else self.minimum, most if self.maximum is None else self.maximum)


class Parts(Strict):
    """Files that an index lists, fetched each and kept together as one zip.

    Attributes:
        records: Where in the index they are listed.
        address: Address of one; `{value}` stands for a listed text, `{field}` for a field of a listed record.
        only: Regular expression that the address must match.
        newest: Keep only so many, the last in order of their addresses; None for all.
    """

    records: str
    address: str
    only: str | None = None
    newest: int | None = None


class File(Strict):
    """One kind of file of a source.

    Attributes:
        name: Kept with every snapshot.
        form: How it is written; a zip is read member by member, each by the kinds of the same source.
        address: Where it is published (`https://…` or `hf://datasets/OWNER/NAME/PATH`; a path that ends in `/` is a
            folder); none where it is not.
        parts: Files that the address lists.
        recognised_by: Columns that it must have.
        where: Column → text that its first row must hold there.
        file_name: Pattern of its name, as `table_*.csv`; where several kinds fit, the one so named is taken.
        only_named: Whether a file of another name is not meant.
        records: Where rows lie in JSON, YAML or TOML: keys joined by dots, `[]` for each of a list, `{name}` for each
            of an object, its key in the column `name`.
        after: Markdown: the table after this text.
        every_table: Markdown: every table that has the columns of `recognised_by`, each row with the heading above its
            table as `heading`.
        models_across: Columns of a table that hold no scores, where each other column is of the model named at its
            head; its rows have `model` and `score` in place of these.
        filled_down: Columns of a table whose empty cells mean that of the row above.
        refused: Why such files hold no results; then nothing else is said.
        name_in_source: The model's name.
        link: Cell with the address of the model, where the source links it.
        names_are_hub_ids: Whether names are those of the hub.
        only_rows: Column → regular expression that a row must match to be one of the board.
        not_rows: Column → regular expression by which a row is none of the board.
        date: Date of the state of each row. Else that of the file: `date_in_text`, the newest `date_newest`, the date
            in its name, the day it was retrieved.
        date_newest: Date whose newest is that of the file, where its name says none.
        date_in_text: Regular expression whose first group is the date, anywhere in the text.
        version: Definition of its benchmarks.
        mode: thinking, non-thinking or hybrid-unknown; else as the name says.
        effort: Effort or budget; else as the name says.
        scaffold: Agent, prompt style, edit format, user simulator.
        host: Who served it.
        precision_served: Number format; else as the name says.
        measured_on: Day of the measurement.
        reporter: Who measured; else as the source says.
        cost_basis: What costs are of.
        coverage: full or top_n.
        on_repeat: Which of several rows of one name and benchmark counts.
        scores: Scores of a row; `every_score` says what holds of each that does not say otherwise.
        by_file: Name of a file without suffix → its score, in place of `scores`.
        facts: What a row states about the model.
        prices: What a row states as a price; then nothing else is said.
        measured: Quantities that a row states as measured; then nothing else is said.
        measured_with: Column of `core.end_to_end_measurements` → what a row says of it, whatever was measured; of a
            tool's files, where cells are what it says of these columns, in place of that.
        by_tool: Whether a benchmark tool wrote such files as they are: then the readers of its files read them, and
            nothing but `measured_with` is said.
    """

    name: str
    form: Literal["csv", "json", "jsonl", "yaml", "toml", "parquet", "markdown", "zip"]
    address: str | None = None
    parts: Parts | None = None
    recognised_by: tuple[str, ...] = ()
    where: dict[str, str] = Field(default_factory=dict)
    file_name: str | None = None
    only_named: bool = False
    records: str = ""
    after: str | None = None
    every_table: bool = False
    models_across: tuple[str, ...] = ()
    filled_down: tuple[str, ...] = ()
    refused: str | None = None
    name_in_source: Text | None = None
    link: Text | None = None
    names_are_hub_ids: bool = False
    only_rows: dict[str, str] = Field(default_factory=dict)
    not_rows: dict[str, str] = Field(default_factory=dict)
    date_newest: Text | None = None
    date: Text | None = None
    date_in_text: str | None = None
    version: Text = Template(text=("1",))
    mode: Text | None = None
    effort: Text | None = None
    scaffold: Text | None = None
    host: Text | None = None
    precision_served: Text | None = None
    measured_on: Text | None = None
    reporter: Text | None = None
    cost_basis: str | None = None
    coverage: Literal["full", "top_n"] = "full"
    on_repeat: Literal["reject", "first", "latest", "best"] = "reject"
    scores: tuple[Score, ...] = ()
    by_file: dict[str, Score] = Field(default_factory=dict)
    facts: Facts | None = None
    prices: Prices | None = None
    measured: tuple[Measured, ...] = ()
    measured_with: dict[str, Text] = Field(default_factory=dict)
    by_tool: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_every_score(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "every_score" not in data:
            return data
        every, scores = data["every_score"], data.get("scores", [])
        if not isinstance(scores, list) or not all(isinstance(score, dict) for score in (every, *scores)):
            raise ValueError("every_score is a table, and scores are a list of tables")
        merged = [{**every, **score} for score in scores]
        return {name: value for name, value in data.items() if name != "every_score"} | {"scores": merged}

    @property
    def holds_measurements(self) -> bool:
        """Whether its rows are measurements of whole passes."""
        return self.by_tool or bool(self.measured)

    @model_validator(mode="after")
    def _says_something(self) -> "File":
        if self.refused or self.form == "zip" or self.prices is not None:
            return self
        if self.holds_measurements:
            return self._states_measurements()
        if self.name_in_source is None:
            raise ValueError(f"the file {self.name!r} does not say where the model's name is: name_in_source")
        if not (self.scores or self.by_file or self.facts):
            raise ValueError(f"the file {self.name!r} declares neither scores nor facts")
        return self

    def _states_measurements(self) -> "File":
        require_columns(END_TO_END_MEASUREMENTS, set(self.measured_with))
        for measurement in self.measured:
            if missing := _EVERY_MEASUREMENT - {*measurement.columns, *self.measured_with}:
                raise ValueError(f"a measurement of the file {self.name!r} does not say its {sorted(missing)}")
        return self


_EVERY_MEASUREMENT = frozenset({"stage", "metric", "value"})


class LicenceCheck(Strict):
    """Where the licence is stated, asked at each fetch.

    Attributes:
        address: Page, licence file or dataset card.
        pattern: Regular expression that it must hold.
    """

    address: str
    pattern: str


class Board(Strict):
    """A declared source.

    Attributes:
        name: Name of its folder and in tables.
        title: Name for people.
        homepage: Where people read it.
        licence: Licence of the figures; none where none is stated.
        licence_basis: Where that stands, and what was left out.
        licence_check: How a fetch makes sure of it.
        may_bundle: Whether the licence lets the figures be passed on.
        rhythm_days: How often it speaks, at most; none: it has ended.
        reporter: Who measures.
        key_variable: Environment variable with the key that the address wants.
        key_header: Header that carries it.
        files: Kinds of files.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")
    title: str
    homepage: str
    licence: str | None = None
    licence_basis: str | None = None
    licence_check: LicenceCheck | None = None
    may_bundle: bool = False
    rhythm_days: int | None = Field(default=None, ge=1)
    reporter: Literal["independent", "vendor", "community", "estimate"] = "independent"
    key_variable: str | None = None
    key_header: str | None = None
    files: tuple[File, ...] = Field(alias="file", min_length=1)

    @model_validator(mode="after")
    def _is_licensed(self) -> "Board":
        if self.may_bundle and not self.licence:
            raise ValueError("figures can be redistributed only under a licence: licence")
        return self

    def file(self, name: str) -> File | None:
        """The kind of that name."""
        return next((file for file in self.files if file.name == name), None)


@dataclass(frozen=True)
class Declared:
    """A declaration with where it is from.

    Attributes:
        board: What it says.
        by_user: Whether it lies in the home.
        text: As written; part of what a parsed file depends on.
    """

    board: Board
    by_user: bool
    text: str


def parse(text: str, where: str) -> Board:
    """A declaration.

    Raises:
        BrokenDeclaration: it is no TOML, lacks something or says something unknown; the message names it.
    """
    try:
        return Board.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BrokenDeclaration(f"{where} is no TOML: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'declaration'}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()[:5]
        )
        raise BrokenDeclaration(
            f"{where} is not a declaration of a board: {problems}. Units are {', '.join(UNITS)}; categories"
            f" {', '.join(CATEGORIES)}; modes {', '.join(MODES)}; reporters {', '.join(REPORTERS)}."
        ) from error


def declared(home: Path | None = None) -> dict[str, Declared]:
    """Every declared source by name: those that ship, and those in the home's folder `boards`.

    Raises:
        BrokenDeclaration: one of the home cannot be read, or takes the name of one that ships.
        NotReadable: this user may not read one of the home.
    """
    boards = dict(_shipped())
    entries = listed(home / USER_FOLDER) if home else []
    for path in (path for path in entries if path.suffix == ".toml"):
        try:
            with reading():
                text = ordinary(path).read_text(encoding="utf-8", errors="replace")
        except NotReadable:
            raise
        except OSError as error:
            raise BrokenDeclaration(f"{path} cannot be read ({error.strerror}); mend it, or take it away.") from error
        board = parse(text, str(path))
        if board.name in boards:
            raise BrokenDeclaration(f"{path} declares {board.name}, which exists already; give it another name.")
        boards[board.name] = Declared(board, by_user=True, text=text)
    return boards


@cache
def _shipped() -> dict[str, Declared]:
    folder = resources.files("pipelines").joinpath("sources", "boards")
    boards = {}
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir() and (file := each.joinpath(DECLARATION)).is_file():
            text = file.read_text(encoding="utf-8")
            board = parse(text, f"{each.name}/{DECLARATION}")
            if board.name != each.name:
                raise BrokenDeclaration(f"{each.name}/{DECLARATION} declares {board.name}.")
            boards[board.name] = Declared(board, by_user=False, text=text)
    return boards


def files_of(boards: Iterable[Declared]) -> list[tuple[Board, File]]:
    """Every kind of file of the sources; what a user declared comes first, as he means his own."""
    ordered = sorted(boards, key=lambda each: not each.by_user)
    return [(each.board, file) for each in ordered for file in each.board.files]
