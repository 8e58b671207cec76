"""SQL that reads one file of votes into common columns; composed from the declared layouts, nothing is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.sources.tables import DELIMITERS
from pipelines.sources.votes.layouts import BETWEEN_WORDS, FIELDS, OUTCOMES, Field, VoteLayout
from warehouse.database import literal
from warehouse.files import sql_path

_PROMPT_CHARACTERS = 10_000
_FREQUENT_PROMPT_QUANTILE = 0.9999


_CASTS = {
    "text": "CAST({} AS VARCHAR)",
    "number": "TRY_CAST({} AS DOUBLE)",
    "total": "TRY_CAST({} AS DOUBLE)",
    "epoch": "TRY_CAST({} AS DOUBLE)",
    "flag": "TRY_CAST({} AS BOOLEAN)",
    "instant": "epoch(TRY_CAST({} AS TIMESTAMP))",
}


@dataclass(frozen=True)
class Rename:
    """A model name in serving logs, what it stood for, and when (seconds since 1970; None is unbounded)."""

    name_in_votes: str
    model: str
    after_epoch_s: float | None
    until_epoch_s: float | None


def dialects(suffix: str, *, utf16: bool) -> Sequence[str]:
    """Options with which a file of that suffix may be read, without its dot: of CSV one for each delimiter.

    Every value stays text, as types sniffed from first rows fail on later ones.
    """
    if suffix not in {"csv", "tsv"}:
        return ("",)
    encoding = ", encoding='utf-16'" if utf16 else ""
    return [
        f"header=true, all_varchar=true, quote='\"', escape='\"', delim={literal(delimiter)}{encoding}"
        for delimiter in (("\t",) if suffix == "tsv" else DELIMITERS)
    ]


def reader(uri: str, suffix: str, dialect: str) -> str:
    """Table function that reads a file by its suffix, without the dot and without compression suffix."""
    match suffix:
        case "parquet":
            return f"read_parquet({sql_path(uri)})"
        case "csv" | "tsv":
            return f"read_csv({sql_path(uri)}, {dialect}, sample_size=1024)"
        case _:
            # Without this, structs whose fields vary between rows would turn into maps.
            return f"read_json({sql_path(uri)}, map_inference_threshold=-1)"


def csv_reader(uri: str, dialect: str, columns: Sequence[str]) -> str:
    """Table function that reads a CSV file whose columns are known, without looking at it first."""
    listed = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in columns)
    return f"read_csv({sql_path(uri)}, {dialect}, auto_detect=false, columns={{{listed}}})"


def field_expressions(columns: dict[str, Any]) -> dict[str, str]:
    """SQL of every field that a file has, by field name.

    Args:
        columns: DuckDB type of each column of the file.
    """
    expressions: dict[str, str] = {}
    for field in FIELDS:
        for place in field.places:
            expression = _expression(field, place.split("/"), columns)
            if expression is not None:
                expressions[field.name] = expression
                break
    for name, alternative in (("battle_at", "battle_instant"), ("prompt_text", "prompt_turns")):
        other = expressions.pop(alternative, None)
        if other is not None:
            expressions.setdefault(name, other)
    return expressions


def select_votes(
    source: str, file_number: int, layout: VoteLayout, fields: dict[str, str], renames: Sequence[Rename]
) -> str:
    """SELECT of `file_number, ordinal, model_a, model_b, label, outcome` and every field, null where absent."""
    label = "CAST(winner AS VARCHAR)"
    if layout.one_hot:
        marks = [f"coalesce(TRY_CAST({column} AS DOUBLE) = 1, false)::INT" for column in layout.one_hot]
        first, second, tie = marks
        label = (
            f"CASE WHEN {first} + {second} + {tie} <> 1 THEN 'marks: ' || concat_ws(', ', {first}, {second}, {tie})"
            f" WHEN {first} = 1 THEN 'model_a' WHEN {second} = 1 THEN 'model_b' ELSE 'tie' END"
        )
    field_names = {field.name for field in FIELDS} - {"battle_instant", "prompt_turns"}
    described = [f"{fields.get(name, 'NULL')} AS {name}" for name in sorted(field_names)]
    models = [f"{_renamed(side, renames if layout.raw_names else ())} AS {side}" for side in ("model_a", "model_b")]
    outcomes = " ".join(f"WHEN {literal(name)} THEN {value}" for name, value in OUTCOMES.items())
    plain = f"regexp_replace(lower(label), {literal(BETWEEN_WORDS)}, '', 'g')"
    # Where somebody wrote the winner's name, it is that of one of the two models of the row.
    is_named = "model_a <> model_b AND trim(label) IN (model_a, model_b)"
    named = f"CASE WHEN {is_named} THEN CASE WHEN trim(label) = model_a THEN 1.0 ELSE 0.0 END END"
    inner = (
        f"SELECT {file_number} AS file_number, nullif(trim(CAST(model_a AS VARCHAR)), '') AS model_a,"
        f" nullif(trim(CAST(model_b AS VARCHAR)), '') AS model_b, {label} AS label, {', '.join(described)}"
        f" FROM {source}"
    )
    outcome = f"coalesce(CASE {plain} {outcomes} END, {named})::DOUBLE"
    return f"SELECT * REPLACE ({', '.join(models)}), {outcome} AS outcome FROM ({inner})"


def _renamed(side: str, renames: Sequence[Rename]) -> str:
    """CASE over the declared renames; a name split by time stays as it is where the time is unknown."""
    if not renames:
        return side
    cases = []
    for rename in renames:
        conditions = [f"{side} = {literal(rename.name_in_votes)}"]
        if rename.after_epoch_s is not None:
            conditions.append(f"battle_at > {rename.after_epoch_s}")
        if rename.until_epoch_s is not None:
            conditions.append(f"battle_at <= {rename.until_epoch_s}")
        cases.append(f"WHEN {' AND '.join(conditions)} THEN {literal(rename.model)}")
    return f"CASE {' '.join(cases)} ELSE {side} END"


def _expression(field: Field, path: list[str], columns: dict[str, Any]) -> str | None:
    """SQL of a field at a path, or None where the file does not have it."""
    kind = columns.get(path[0])
    expression = _quoted(path[0])
    for part in path[1:]:
        children = _struct_fields(kind)
        if part not in children:
            return None
        kind, expression = children[part], f"{expression}.{_quoted(part)}"
    if kind is None:
        return None
    if field.reading == "turns":
        return _user_turns(expression, kind)
    children = _struct_fields(kind)
    if field.reading == "total" and children:
        parts = [f"coalesce(TRY_CAST({expression}.{_quoted(c)} AS DOUBLE), 0)" for c in children]
        return f"CASE WHEN {expression} IS NULL THEN NULL ELSE {' + '.join(parts)} END"
    return _CASTS[field.reading].format(expression)


def _user_turns(expression: str, kind: Any) -> str | None:
    """The user's turns of a conversation, joined; None where the column is not a list of turns."""
    if kind.id != "list" or not {"role", "content"} <= _struct_fields(kind.children[0][1]).keys():
        return None
    return (
        f"array_to_string(list_transform(list_filter({expression}, lambda _said: _said.role = 'user'),"
        " lambda _said: CAST(_said.content AS VARCHAR)), ' ')"
    )


def _struct_fields(kind: Any) -> dict[str, Any]:
    return dict(kind.children) if kind is not None and kind.id == "struct" else {}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def thinned(query: str) -> str:
    """Keep, of each prompt above the 99.99th percentile of frequency, as many votes as that percentile.

    The Arena's rule (prompts cut at 10,000 characters); which of the repeats stay is fixed by a hash here and by a
    random draw there.
    """
    thin = "excluded IS NULL AND sampled IS NULL AND prompt_text IS NOT NULL"
    return (
        f"WITH hashed AS (SELECT *, hash(left(prompt_text, {_PROMPT_CHARACTERS})) AS prompt FROM ({query})),"
        f" frequent AS (SELECT prompt, count(*) AS times FROM hashed WHERE {thin} GROUP BY prompt),"
        f" cut AS (SELECT floor(quantile_cont(times, {_FREQUENT_PROMPT_QUANTILE})) AS allowed FROM frequent)"
        f" SELECT * EXCLUDE (prompt, place, allowed) REPLACE (CASE WHEN {thin} AND place > allowed"
        " THEN 'repeated prompt' ELSE excluded END AS excluded) FROM (SELECT *, row_number() OVER (PARTITION BY prompt,"
        f" {thin} ORDER BY hash(file_number, ordinal)) AS place FROM hashed), cut"
    )
