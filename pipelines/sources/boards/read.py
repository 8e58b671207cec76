"""Rows of a board by its declaration: results, what it states of models, and every row or cell set aside with why."""

import datetime as dt
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from analytics.units import counted
from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import Board, File, Score
from pipelines.sources.boards.documents import FILE_NAME, FILE_PATH, FILE_STEM, Member, Rows, plain
from pipelines.sources.boards.measured import MEASURED_SCHEMA, measured_by_tool, measured_of
from pipelines.sources.boards.names import holds_no_scores, parsed_name
from pipelines.sources.boards.prices import prices_of
from pipelines.sources.boards.results import RESULT_SCHEMA, completed, held_against_units, once
from pipelines.sources.boards.stated import Refused
from pipelines.sources.boards.templates import Facts, Template
from pipelines.sources.tables import ROW, UnreadableFile
from warehouse.contracts.boards import MODEL_FACTS, MODES, REPORTERS

FACT_SCHEMA: dict[str, Any] = {**MODEL_FACTS.polars_schema, "link": pl.String}
_FIXED = {ROW, FILE_NAME, FILE_PATH, FILE_STEM}
_MOST_REASONS = 10_000
_ALL = ("*",)
_SHORT = 3
_ALIKE = 0.85
"""How alike two names of columns are that may be one (`difflib`)."""
_SHARES = {"fraction": "share", "percent": "share"}
_COMMAS = {**_SHARES, "elo": "thousands", "usd": "thousands", "seconds": "thousands"}
"""Unit → what a comma before three digits is where no cell of the file shows it: no share is a thousand. Of an index
nobody can say."""


@dataclass
class Read:
    """What a file gave.

    Attributes:
        results: Rows by `RESULT_SCHEMA`.
        facts: Rows by `FACT_SCHEMA`.
        rejected: Row number (None for the file), member of a zip, reason.
        rows: Rows of the file.
        loaded: Rows of which something was kept.
        unread: Columns that nothing reads.
        passed_over: Why the declaration says that rows are none of the board → how many.
        notes: What of the file was left out, and is no row.
        measured: Rows by `MEASURED_SCHEMA`.
    """

    results: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=RESULT_SCHEMA))
    facts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=FACT_SCHEMA))
    rejected: list[Refused] = field(default_factory=list)
    rows: int = 0
    loaded: int = 0
    unread: set[str] = field(default_factory=set)
    passed_over: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    measured: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MEASURED_SCHEMA))

    def add(self, other: "Read") -> None:
        """Take in what another file gave."""
        self.results = pl.concat([self.results, other.results])
        self.facts = pl.concat([self.facts, other.facts])
        self.measured = pl.concat([self.measured, other.measured])
        self.rejected += other.rejected
        self.rows += other.rows
        self.loaded += other.loaded
        self.unread |= other.unread
        self.notes += [note for note in other.notes if note not in self.notes]
        for reason, count in other.passed_over.items():
            self.passed_over[reason] = self.passed_over.get(reason, 0) + count


def read_rows(rows: Rows, board: Board, file: File, as_of: dt.date) -> Read:
    """Read rows by the declaration of their kind of file.

    Args:
        rows: As `rows_of` gives them; of a zip, those of all members of one kind.
        board: The source.
        file: The kind of file.
        as_of: Date of the state where the rows say none.

    Raises:
        UnreadableFile: no column holds what is declared; the message names the columns.
    """
    frame = as_declared(rows.frame, file)
    columns = set(frame.columns)
    broken: list[Refused] = [(number, "", reason) for number, reason in rows.broken]
    if file.prices is not None:
        priced, rejected, passed_over = prices_of(frame, file, file.prices, as_of)
        return Read(
            rejected=[*broken, *((number, "", reason) for number, reason in rejected)][:_MOST_REASONS],
            rows=frame.height + len(rows.broken), loaded=priced.height, passed_over=passed_over, notes=list(rows.notes),
        )  # fmt: skip
    if file.measured:
        measured, wrong, passed_over = measured_of(frame, file)
        return Read(
            rejected=[*broken, *wrong][:_MOST_REASONS], rows=frame.height + len(rows.broken),
            loaded=measured.select(ROW, FILE_PATH).n_unique(), passed_over=passed_over, notes=list(rows.notes),
            measured=measured,
        )  # fmt: skip
    read = Read(rejected=broken, rows=frame.height + len(rows.broken), notes=list(rows.notes))
    frame, read.passed_over = values.of_the_board(frame, file.only_rows, file.not_rows, columns)
    base = _row_descriptions(frame, board, file, as_of, columns)
    nameless = base.filter(pl.col("name_in_source").is_null())
    read.rejected += [(number, member, "no model name") for number, member in nameless.select(ROW, "member").rows()]
    base = base.filter(pl.col("name_in_source").is_not_null())
    if summaries := base.filter(values.is_summary("name_in_source"))["name_in_source"].to_list():
        read.passed_over[f"none of the board: {', '.join(sorted(set(summaries)))} sums up others"] = len(summaries)
        base = base.filter(~values.is_summary("name_in_source"))
    frame = frame.join(base.select(ROW, FILE_PATH), on=[ROW, FILE_PATH], how="semi", maintain_order="left")
    used = _columns_read(file)
    if file.facts is not None:
        read.facts = _facts(frame, base, board, file.facts, columns)
    scored = _score_parts(frame, file, columns, used)
    for _, of_columns, _ in scored:
        used.update(of_columns)
    declared = sorted({c for s in (*file.scores, *file.by_file.values()) for c in s.columns})
    if not scored and declared:
        reason = f"none of the score columns {declared[:8]} is among {sorted(columns - _FIXED)[:20]}"
        if file.facts is None:
            raise UnreadableFile(f"{reason}; the declaration needs another.")
        read.notes.append(reason)
    if scored:
        cells = [_cells(part, file, score, names, columns, at) for at, (score, names, part) in enumerate(scored)]
        picked = _as_numbers(pl.concat(cells), [score for score, _, _ in scored], semicolons=rows.semicolons)
        good, wrong = held_against_units(completed(picked, base))
        read.results, repeats = once(good, file)
        read.rejected += [*wrong, *repeats]
    read.rejected = read.rejected[:_MOST_REASONS]
    # A row whose model is not yet scored loads as much as it says.
    named = set(base.select(ROW, "member").rows())
    result_rows = set(read.results.select(ROW, "member").rows())
    read.loaded = len(named) - len(named & ({(number, member) for number, member, _ in read.rejected} - result_rows))
    read.unread = columns - _FIXED - used
    read.notes += [*_misspelling_notes(file, columns, read.unread), *_date_notes(frame, file, columns)]
    if any(score.columns == _ALL for score in file.scores) and (left := read.unread - {"", *declared}):
        read.notes.append(f"columns that by their names hold no scores: {', '.join(sorted(left))}")
    return read


def _misspelling_notes(file: File, columns: set[str], unread: set[str]) -> list[str]:
    """What is nearly a column of scores that is declared and not there: it may have been renamed."""
    # Columns are benchmarks of their own where these are named after them; else any one of them will do.
    scores = () if file.by_file else file.scores
    requirements = [(score.columns, any("{column}" in text for text in score.benchmark.text)) for score in scores]
    missing = {
        name
        for names, each_counts in requirements
        for name in names
        if name not in columns and (each_counts or not columns.intersection(names))
    }
    small = {plain(name): name for name in unread}
    notes = []
    for name in sorted(missing):
        words = plain(name)
        alike = [name for name in small if len(words) > _SHORT and f" {words} " in f" {name} "]
        alike = alike or difflib.get_close_matches(words, small, n=1, cutoff=_ALIKE)
        if alike:
            notes.append(f"the declared column {name} is not there; {small[alike[0]]}, which is, is not read")
    return notes


def _date_notes(frame: pl.DataFrame, file: File, columns: set[str]) -> list[str]:
    """Dates that cannot be read, and what stands for them."""
    notes = []
    for template, instead in (
        (file.date, "rows are of the date of the file"),
        (file.measured_on, "rows have no such day"),
    ):
        if template is not None:
            text = values.text(template, columns)
            wrong = frame.select(text.alias("text"), values.day(text).alias("day")).filter(
                pl.col("text").is_not_null(), pl.col("day").is_null()
            )
            if wrong.height:
                notes.append(f"{counted(wrong.height, 'date')} not read, as '{wrong['text'][0][:40]}': {instead}")
    return notes


def read_by_tool(member: Member, file: File) -> Read:
    """Read a file as a benchmark tool wrote it.

    Raises:
        UnreadableFile: no tool known here writes such a file.
    """
    measured = measured_by_tool(member, file)
    return Read(measured=measured, rows=measured.height, loaded=measured.height)


def as_declared(frame: pl.DataFrame, file: File) -> pl.DataFrame:
    """Columns spelled as declared where case, what is between words or what they are nested in differs.

    Only where nothing else is so spelled.
    """
    scores = (*file.scores, *file.by_file.values())
    declared_names = _columns_read(file) | {column for score in scores for column in score.columns}
    declared_names |= {
        values.for_column(template, column)
        for score in scores
        for column in score.columns
        for template in _error_columns(score)
    }
    existing = set(frame.columns)
    by_plain: dict[str, list[str]] = {}
    by_last: dict[str, list[str]] = {}
    for name in set(frame.columns) - _FIXED:
        by_plain.setdefault(plain(name), []).append(name)
        if "." in name:
            by_last.setdefault(plain(name.rpartition(".")[2]), []).append(name)
    renamed = {}
    for name in declared_names - existing - {*_ALL, "column"}:
        alike = by_plain.get(plain(name)) or by_last.get(plain(name), [])
        if len(alike) == 1 and alike[0] not in declared_names:
            renamed[alike[0]] = name
    return frame.rename(renamed)


def _error_columns(score: Score) -> list[str]:
    """Templates of columns that stand beside one of scores, named after it."""
    templates = (score.standard_error, score.half_interval, *(score.interval or ()), score.n_items, score.n_trials)
    return [name for template in templates if template is not None for name in values.named_after(template)]


def _templates_of(file: File) -> list[Template | None]:
    templates: list[Template | None] = [
        file.name_in_source, file.link, file.date, file.date_newest, file.version, file.mode, file.effort,
        file.scaffold, file.host, file.precision_served, file.measured_on, file.reporter,
    ]  # fmt: skip
    for score in (*file.scores, *file.by_file.values()):
        templates += [score.benchmark, score.version, score.category, score.metric, score.n_items, score.n_trials]
        templates += [score.standard_error, score.half_interval, score.cost_usd, score.reporter, score.may_bundle]
        templates.append(score.lower_is_better)
        templates += list(score.interval or ())
    if file.prices is not None:
        templates += file.prices.columns.values()
    templates += file.measured_with.values()
    for measurement in file.measured:
        templates += measurement.columns.values()
    if file.facts is not None:
        templates += [getattr(file.facts, name) for name in type(file.facts).model_fields]
    return templates


def _columns_read(file: File) -> set[str]:
    filters = [file.only_rows, file.not_rows, *(score.only_rows for score in file.scores)]
    filters += [measurement.only_rows for measurement in file.measured]
    columns = {column for template in _templates_of(file) if template is not None for column in template.columns}
    return columns.union(*filters)


def _row_descriptions(frame: pl.DataFrame, board: Board, file: File, as_of: dt.date, columns: set[str]) -> pl.DataFrame:
    """What each row says of itself, whatever it scores: who, in which mode, when, measured by whom."""
    templates = {
        "mode": file.mode, "effort": file.effort,
        "scaffold": file.scaffold, "host": file.host, "precision_served": file.precision_served,
        "reporter": file.reporter,
    }  # fmt: skip
    base = frame.select(
        ROW,
        FILE_PATH,
        pl.when(pl.col(FILE_PATH).n_unique() > 1).then(FILE_PATH).otherwise(pl.lit("")).alias("member"),
        values.model_name(values.text(file.name_in_source, columns)).alias("name_in_source"),
        pl.coalesce(
            values.address(file.link, columns),
            values.text(file.link, columns),
            values.address(file.name_in_source, columns),
        ).alias("link"),
        *(values.text(template, columns).alias(name) for name, template in templates.items()),
        pl.coalesce(_day(file.date, columns), pl.lit(as_of)).alias("snapshot_date"),
        _day(file.measured_on, columns).alias("measured_on"),
    )
    names = base["name_in_source"].drop_nulls().unique()
    from_names = pl.DataFrame(
        [(name, parts.mode, parts.effort, parts.precision) for name in names for parts in (parsed_name(name),)],
        schema=dict.fromkeys(("name_in_source", "named_mode", "named_effort", "named_precision"), pl.String),
        orient="row",
    )
    stated_mode = pl.col("mode").is_in(MODES)
    return base.join(from_names, on="name_in_source", how="left", maintain_order="left").select(
        *(pl.col(name) for name in base.columns if name not in {"mode", "effort", "precision_served", "reporter"}),
        pl.lit(board.name).alias("source"),
        pl.when(stated_mode).then("mode").otherwise("named_mode").alias("mode"),
        pl.coalesce("effort", "named_effort").str.to_lowercase().alias("effort"),
        pl.coalesce("precision_served", "named_precision")
        .str.to_lowercase()
        .replace({"bfloat16": "bf16", "float16": "fp16"})
        .alias("precision_served"),
        pl.when(pl.col("reporter").is_in(REPORTERS))
        .then("reporter")
        .otherwise(pl.lit(board.reporter))
        .alias("reporter"),
        pl.lit(board.licence, pl.String).alias("licence"),
        pl.lit(board.may_bundle).alias("may_bundle"),
        pl.lit(board.homepage).alias("source_url"),
        pl.lit(file.cost_basis, pl.String).alias("cost_basis"),
    )


def _day(template: Template | None, columns: set[str]) -> pl.Expr:
    return pl.lit(None, pl.Date) if template is None else values.day(values.text(template, columns))


def _score_parts(
    frame: pl.DataFrame, file: File, columns: set[str], used: set[str]
) -> list[tuple[Score, list[str], pl.DataFrame]]:
    """Each declared score with the columns of it that are there and the rows that it is of."""
    scored = []
    if file.by_file:
        stems = frame[FILE_STEM].unique(maintain_order=True).to_list()
        for stem in stems:
            rows = frame.filter(pl.col(FILE_STEM) == stem)
            own = file.by_file.get(stem)
            for score in [own] if own is not None else file.scores:
                # The first column that says something: another file of the zip may have another.
                column = next((c for c in score.columns if c in columns and rows[c].is_not_null().any()), None)
                if column is not None:
                    scored.append((score, [column], rows))
        return scored
    named = {column for score in file.scores for column in score.columns}
    for score in file.scores:
        score_columns: Sequence[str] = score.columns
        if score_columns == _ALL:
            score_columns = sorted(name for name in columns - _FIXED - used - named if not holds_no_scores(name))
        rows = frame.filter(values.matching(score.only_rows, columns)) if score.only_rows else frame
        if existing := [column for column in score_columns if column in columns]:
            scored.append((score, existing, rows))
    return scored


_CELL, _COLUMN, _SCORE = "score.cell", "score.column", "score.number"
_PARTS = ("benchmark", "benchmark_version", "category", "metric", "n_items", "n_trials", "standard_error", "ci_low",
          "ci_high", "half", "cost_usd", "own_reporter", "own_may_bundle", "lower_is_better")  # fmt: skip


def _cells(
    frame: pl.DataFrame, file: File, score: Score, of_columns: list[str], columns: set[str], number: int
) -> pl.DataFrame:
    """Cells of the columns of one score with what their declaration says of them, all as text, column by column."""
    low, high = score.interval or (None, None)
    templates = dict(zip(_PARTS, (
        score.benchmark, score.version if score.version is not None else file.version, score.category, score.metric,
        score.n_items, score.n_trials, score.standard_error, low, high, score.half_interval, score.cost_usd,
        score.reporter, score.may_bundle, score.lower_is_better,
    ), strict=True))  # fmt: skip
    if len(of_columns) > 1 and any(values.names_by_column(template) for template in templates.values()):
        return pl.concat([_cells(frame, file, score, [column], columns, number) for column in of_columns])
    read = sorted(
        {column for template in templates.values() if template is not None for column in template.columns} & columns
    )
    if len(of_columns) == 1:
        column_name: str | pl.Expr = of_columns[0]
        rows = frame.with_columns(pl.col(of_columns[0]).alias(_CELL), pl.lit(of_columns[0]).alias(_COLUMN))
    else:
        column_name = pl.col(_COLUMN)
        rows = frame.unpivot(of_columns, index=[ROW, FILE_PATH, *read], variable_name=_COLUMN, value_name=_CELL)
    return rows.select(
        ROW,
        FILE_PATH,
        values.cell(_CELL).alias("cell"),
        pl.col(_COLUMN).alias("column"),
        pl.lit(number).alias(_SCORE),
        *(values.text(template, columns, column_name).alias(name) for name, template in templates.items()),
    ).filter(pl.col("cell").is_not_null())


def _as_numbers(cells: pl.DataFrame, scores: list[Score], *, semicolons: bool) -> pl.DataFrame:
    """The cells with the texts that are numbers read as such, each in the unit of its score, and what holds for all."""
    same = pl.DataFrame(
        [
            (at, score.unit, score.higher_is_better, score.chance_level, score.ci_level, score.binomial, *score.bounds)
            for at, score in enumerate(scores)
        ],
        schema={
            _SCORE: pl.Int32, "unit": pl.String, "higher_is_better": pl.Boolean, "chance_level": pl.Float64,
            "ci_level": pl.Float64, "binomial": pl.Boolean, "least": pl.Float64, "most": pl.Float64,
        },
        orient="row",
    )  # fmt: skip

    def optional(name: str, read: Callable[[pl.Expr], pl.Expr], dtype: type[pl.DataType] = pl.Float64) -> pl.Expr:
        # Most files say none of most of these.
        has_values = cells[name].null_count() < cells.height
        return (read(pl.col(name)) if has_values else pl.lit(None, dtype)).alias(name)

    def in_unit(value: pl.Expr) -> pl.Expr:
        return values.number(value, pl.col("unit"), commas=commas)

    def count(value: pl.Expr) -> pl.Expr:
        return values.integer(value, by_points=style == "decimal")

    joined = cells.join(same, on=_SCORE, how="left", maintain_order="left").drop(_SCORE)
    style = values.comma_style(joined["cell"], semicolons=semicolons)
    by_unit = (
        pl.col("unit").replace_strict(_SHARES, default="unclear", return_dtype=pl.String)
        if semicolons
        else pl.col("unit").replace_strict(_COMMAS, default=None, return_dtype=pl.String)
    )
    commas = by_unit if style is None else pl.lit(style)
    return joined.with_columns(
        in_unit(pl.col("cell")).alias("score"),
        *(optional(name, in_unit) for name in ("standard_error", "ci_low", "ci_high")),
        optional("half", in_unit).abs(),
        optional("cost_usd", lambda cost: values.number(cost, commas="decimal" if style == "decimal" else "either")),
        *(optional(name, count, pl.Int64) for name in ("n_items", "n_trials")),
        optional("own_may_bundle", values.flag, pl.Boolean),
    ).with_columns(
        pl.coalesce(~optional("lower_is_better", values.flag, pl.Boolean), "higher_is_better").alias("higher_is_better")
    )


def _facts(frame: pl.DataFrame, base: pl.DataFrame, board: Board, facts: Facts, columns: set[str]) -> pl.DataFrame:
    templates: Mapping[str, Template | None] = {name: getattr(facts, name) for name in type(facts).model_fields}
    readers = {
        "release_date": values.day,
        "context_tokens": values.integer,
        "output_tokens": values.integer,
        "is_open_weights": values.flag,
        "is_reasoning": values.flag,
    }

    def read(name: str, template: Template | None) -> pl.Expr:
        if template is None:
            return pl.lit(None, FACT_SCHEMA[name])
        text = values.text(template, columns)
        return readers[name](text) if name in readers else text

    picked = frame.select(ROW, FILE_PATH, *(read(name, template).alias(name) for name, template in templates.items()))
    joined = picked.join(base, on=[ROW, FILE_PATH], how="inner", maintain_order="left")
    return (
        joined.with_columns(pl.lit(None, pl.String).alias("model_id"), pl.lit(board.may_bundle).alias("may_bundle"))
        .select(list(FACT_SCHEMA))
        .unique(["source", "name_in_source"], keep="first", maintain_order=True)
    )
