"""Cells to values: texts put together as declared, numbers however they are written."""

import datetime as dt
import re
from collections.abc import Collection, Mapping

import polars as pl

from pipelines.sources.boards.templates import PLACEHOLDER, Template
from pipelines.sources.cells import ABSENT_TEXT
from pipelines.sources.dates import iso_day

ABSENT = (*ABSENT_TEXT, "-", "–", "—", "‒", "--", "na", "n.a.", "#n/a", "tbd", "not available")
"""Spellings, in lower case, of nothing said."""
EARLIEST = dt.date(2018, 1, 1)
"""No board of language models is older; what says so is a mistake."""
_PLUS_MINUS = (
    r"\s*(?:\(?(?:±|\+/-|\+-)\s*[\d.,]+\s*%?\)?|\+\s?[\d.,]+\s*[/ ]\s*[-\u2212]\s?[\d.,]+"
    r"|[(\[]\s*[-\u2212]?[\d.,]+\s*%?\s*(?:-|–|—|,\s|;|to|\.\.)\s*[-\u2212]?[\d.,]+\s*%?\s*[)\]])$"
)
"""An error or an interval after a number, however it is written; what it is of, only a declaration could say."""
_THOUSANDS = r"^[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$"
_THOUSANDS_BY_POINTS = r"^[-+]?\d{1,3}(?:\.\d{3})+(?:,\d+)?$"
_THOUSANDS_BY_APOSTROPHES = r"^[-+]?\d{1,3}(?:['’]\d{3})+(?:\.\d+)?$"
_DECIMAL_COMMA = r"^([-+]?\d+),(\d+)$"
_ONLY_COMMA = r"^[-+]?(?:0\d*,\d+|\d+,\d{1,2}|\d+,\d{4,}|\d{4,},\d+|\d{1,3}(?:\.\d{3})+,\d+)\s*%?$"
_ONLY_POINT = r"^[-+]?(?:0\d*\.\d+|\d+\.\d{1,2}|\d+\.\d{4,}|\d{4,}\.\d+|\d{1,3}(?:,\d{3})+\.\d+)\s*%?$"
UNCLEAR = r"^[-+]?[1-9]\d{0,2}(?:[.,]\d{3})+$"
"""A number whose separator may be a decimal one or separate thousands."""
_UNCLEAR_COMMA = r"^[-+]?[1-9]\d{0,2}(?:,\d{3})+$"
_MARKUP = r"</?[A-Za-z][^<>]*>|[\u200b\u200c\u2060\ufeff]"
_LINK = r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?:https?:|/|#)[^()\s]*\)"
_ADDRESS = r"""(?:href\s*=\s*["']?|\]\()\s*(https?://[^"'\s<>()]+)"""
_BEFORE_A_NAME = r"^[\p{So}\p{Sk}\x{FE0F}\x{200D}\s•·]+"
_AFTER_A_NAME = r"[\p{So}\x{FE0F}\x{200D}\s*†‡§¶¹²³]+$"
_SUMMARIES = r"(?i)^(?:average|avg\.?|mean|median|total|count|std\.?|stdev|std\.? ?dev\.?|standard deviation)$"
_NESTED = re.compile(r"\{([^{}]*)\{column\}([^{}]*)\}")
_BEYOND_ALL = 1e15
_DAY_FORMS = ("%Y/%m/%d", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d.%m.%Y", "%Y%m%d")
_SECONDS_SINCE_1970 = r"^(1\d{9})(?:\.\d+)?$"
_DAY_FIRST = r"^(?:1[3-9]|2\d|3[01])/\d{1,2}/\d{4}"


def names_by_column(template: Template | None) -> bool:
    """Whether the text reads a cell whose own name `{column}` is part of, so that each column needs one of its own."""
    return template is not None and any(_NESTED.search(part) for part in template.text)


def named_after(template: Template) -> list[str]:
    """Names, with `{column}` in them, of columns that a text reads beside the one of a score."""
    return [f"{before}{{column}}{after}" for part in template.text for before, after in _NESTED.findall(part)]


def for_column(name: str, column: str) -> str:
    """Such a name for one column: `{column}_stderr` of `acc,none` is `acc_stderr,none`, as the harness names it."""
    before, _, after = name.partition("{column}")
    bare, comma, filter_name = column.partition(",")
    return f"{before}{bare}{after}{comma}{filter_name}"


def text(template: Template | None, columns: Collection[str], column: str | pl.Expr | None = None) -> pl.Expr:
    """The text that a row gives, null where a cell it needs says nothing.

    Args:
        template: How it is made; None gives null.
        columns: Columns that the file has; others say nothing.
        column: What `{column}` stands for; an expression where rows are of several columns (`names_by_column`).
    """
    if template is None:
        return pl.lit(None, pl.String)
    candidates = [_filled(part, columns, column) for part in template.text]
    result = candidates[0] if len(candidates) == 1 else pl.coalesce(candidates)
    if template.pattern is not None:
        result = result.str.extract(template.pattern, 1)
    if template.map:
        small = {key.casefold(): value for key, value in template.map.items()}
        mapped = result.str.to_lowercase().replace_strict(small, default=None, return_dtype=pl.String)
        if template.other is not None:
            other = result if template.other == "{}" else pl.lit(template.other)
            mapped = pl.coalesce(mapped, other)
        return mapped
    return result


def _filled(template: str, columns: Collection[str], column: str | pl.Expr | None) -> pl.Expr:
    parts: list[pl.Expr] = []
    at = 0
    if isinstance(column, str):
        template = _NESTED.sub(lambda match: f"{{{for_column(match[0][1:-1], column)}}}", template)
    for placeholder in PLACEHOLDER.finditer(template):
        if before := template[at : placeholder.start()]:
            parts.append(pl.lit(before))
        name = placeholder.group(1)
        if name == "column" and column is not None and name not in columns:
            parts.append(pl.lit(column) if isinstance(column, str) else column)
        elif name in columns:
            parts.append(cell(name))
        else:
            return pl.lit(None, pl.String)
        at = placeholder.end()
    if not at:
        return pl.lit(template or None, pl.String)
    if after := template[at:]:
        parts.append(pl.lit(after))
    # A cell that says nothing is null, never empty.
    return parts[0] if len(parts) == 1 else pl.concat_str(parts)


def cell(name: str) -> pl.Expr:
    """A cell without outer blanks and markup, of a link its text; null where it says nothing."""
    bare = pl.col(name).str.replace_all(_MARKUP, "").str.replace_all(_LINK, "${1}")
    bare = bare.str.replace_all("&nbsp;", " ", literal=True).str.replace_all("&amp;", "&", literal=True)
    bare = bare.str.replace_all(r"\*\*([^*]+)\*\*", "${1}").str.strip_chars(" \t\r\n\u00a0")
    trimmed = bare.str.replace(r"^`(.*)`$", "${1}")
    return pl.when(~trimmed.str.to_lowercase().is_in(ABSENT)).then(trimmed)


def model_name(name: pl.Expr) -> pl.Expr:
    """A name without medals before it and marks of footnotes after it; null where nothing is left."""
    bare = name.str.replace(_BEFORE_A_NAME, "").str.replace(_AFTER_A_NAME, "")
    return pl.when(bare != "").then(bare)


def is_summary(name: str) -> pl.Expr:
    """Whether a name is that of a row that sums up others."""
    return pl.col(name).str.contains(_SUMMARIES)


def address(template: Template | None, columns: Collection[str]) -> pl.Expr:
    """The address that a link in the cells of a text leads to, in Markdown or HTML; null where there is none."""
    names = [name for name in PLACEHOLDER.findall(" ".join(template.text)) if name in columns] if template else []
    return pl.coalesce(pl.lit(None, pl.String), *(pl.col(name).str.extract(_ADDRESS, 1) for name in names))


def comma_style(cells: pl.Series, *, semicolons: bool) -> str | None:
    """What commas in the numbers of a file are: `decimal`, `thousands`, or None where its cells do not show it.

    Args:
        cells: Cells of numbers.
        semicolons: Whether semicolons separate the cells of the file, as where commas are decimal points.
    """
    bare = cells.str.replace(_PLUS_MINUS, "")
    comma, point = (bool(bare.str.contains(form).any()) for form in (_ONLY_COMMA, _ONLY_POINT))
    if comma != point:
        return "decimal" if comma else "thousands"
    return "decimal" if semicolons and not point and bool(bare.str.contains(_UNCLEAR_COMMA).any()) else None


def number(value: pl.Expr, unit: str | pl.Expr = "", *, commas: str | pl.Expr | None = "either") -> pl.Expr:
    """A number from a text: percent signs, currencies, thousands separators, a ± after it and decimal commas read.

    Args:
        value: Text.
        unit: Unit it is wanted in, of all rows or of each: a percent sign in a cell of fractions divides by 100.
        commas: `decimal`, so that points separate thousands; `thousands`; `share`: decimal like points: no share is a
            thousand; `either`: what looks like thousands is; `unclear`: a comma or point that may be either is null;
            None: a comma is.
    """
    bare = value.str.strip_chars().str.replace(_PLUS_MINUS, "").str.replace(r"^[$€£]\s*", "")
    is_percent = bare.str.ends_with("%")
    bare = bare.str.replace(r"\s*%$", "").str.replace_all("[\u00a0\u202f ]", "").str.replace("^\u2212", "-")
    style = commas if isinstance(commas, pl.Expr) else pl.lit(commas, pl.String)
    points = bare.str.contains(_THOUSANDS_BY_POINTS) & (style == "decimal")
    ungrouped = (
        pl.when(bare.str.contains(_THOUSANDS_BY_APOSTROPHES))
        .then(bare.str.replace_all("['’]", ""))
        .when(points.fill_null(value=False))
        .then(bare.str.replace_all(".", "", literal=True))
        .when(bare.str.contains(_UNCLEAR_COMMA) & style.is_null() | bare.str.contains(UNCLEAR) & (style == "unclear"))
        .then(pl.lit(None, pl.String))
        .when(bare.str.contains(_THOUSANDS) & ~style.is_in(["decimal", "share"]).fill_null(value=False))
        .then(bare.str.replace_all(",", "", literal=True))
        .otherwise(bare)
    )
    parsed = ungrouped.str.replace(_DECIMAL_COMMA, "${1}.${2}").cast(pl.Float64, strict=False)
    parsed = pl.when(parsed.abs() < _BEYOND_ALL).then(parsed)
    if isinstance(unit, str):
        return pl.when(is_percent).then(parsed / 100).otherwise(parsed) if unit == "fraction" else parsed
    return pl.when(is_percent & (unit == "fraction")).then(parsed / 100).otherwise(parsed)


def integer(value: pl.Expr, *, by_points: bool = False) -> pl.Expr:
    """A whole number from a text such as `1,234` or `1000.0`; null where it is none, or not positive.

    Args:
        value: Text.
        by_points: Whether points separate thousands, as in files whose decimals stand after commas.
    """
    counted = value.str.replace_all(".", "", literal=True) if by_points else value
    parsed = number(pl.when(value.str.contains(_THOUSANDS_BY_POINTS)).then(counted).otherwise(value)).round(0)
    return pl.when(parsed >= 1).then(parsed).cast(pl.Int64, strict=False)


def flag(value: pl.Expr) -> pl.Expr:
    """True or False from a text; null for any other."""
    small = value.str.to_lowercase()
    return (
        pl.when(small.is_in(["true", "yes", "1", "✓"]))
        .then(pl.lit(value=True))
        .when(small.is_in(["false", "no", "0"]))
        .then(pl.lit(value=False))
    )


def day(value: pl.Expr) -> pl.Expr:
    """A date from a text: ISO, with or without time, a month alone (its first day), written out, or seconds since 1970.

    Between slashes the month comes first, unless a date of the column shows that the day does.
    """
    start = value.str.strip_chars()
    months = pl.when(start.str.contains(r"^\d{4}-\d{2}$")).then(start + "-01").otherwise(start)
    day_first = start.str.contains(_DAY_FIRST).any()
    slashes = start.str.extract(r"^(\d{1,2}/\d{1,2}/\d{4})", 1)
    dated = [iso_day(months)]
    dated += [
        start.str.replace(r"\s+\d{1,2}:\d{2}.*$", "").str.replace("^_", "").str.to_date(form, strict=False)
        for form in _DAY_FORMS
    ]
    dated += [
        pl.when(day_first == first).then(slashes.str.to_date(form, strict=False))
        for first, form in ((True, "%d/%m/%Y"), (False, "%m/%d/%Y"))
    ]
    seconds = start.str.extract(_SECONDS_SINCE_1970, 1).cast(pl.Int64)
    parsed = pl.coalesce(*dated, pl.from_epoch(seconds).dt.date())
    return pl.when(parsed >= EARLIEST).then(parsed)


def matching(patterns: Mapping[str, str], columns: Collection[str]) -> pl.Expr:
    """Whether a row's cells match all patterns; a cell that says nothing is the empty text."""
    return pl.all_horizontal(
        pl.lit(value=True),
        *(
            (cell(column) if column in columns else pl.lit(None, pl.String)).fill_null("").str.contains(pattern)
            for column, pattern in patterns.items()
        ),
    )


def of_the_board(
    frame: pl.DataFrame, only: Mapping[str, str], without: Mapping[str, str], columns: Collection[str]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows that a declaration counts as the board's, and how many it passes over for which reason.

    Args:
        frame: Rows.
        only: Column → regular expression that a row must match.
        without: Column → regular expression by which a row is none of the board.
        columns: Columns that the file has.
    """
    wanted = [(matching({name: condition}, columns), f"{name} is not {condition}") for name, condition in only.items()]
    wanted += [(~matching({name: condition}, columns), f"{name} is {condition}") for name, condition in without.items()]
    passed_over = {}
    for is_wanted, reason in wanted:
        remaining = frame.filter(is_wanted)
        if count := frame.height - remaining.height:
            passed_over[f"none of the board, as its declaration says: {reason}"] = count
        frame = remaining
    return frame, passed_over
