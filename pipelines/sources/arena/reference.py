"""The arena facts that ship: licence classes, evidence of release dates, and published ratings of known models."""

from functools import cache

import polars as pl

from analytics.identity.licences import normalised
from pipelines.sources.tables import UnreadableFile, read_as_text
from profiling.foreign import NotJson, parse_json
from warehouse.contracts.arena import RATING_REFERENCE
from warehouse.reference_files import reference_table

EVIDENCE_SCHEMA = {"name": pl.String, "source": pl.String, "stated": pl.String}
EVIDENCE_COLUMNS = {
    "models_dev": frozenset({"model_id", "release_date"}),
    "epoch": frozenset({"Model", "Publication date"}),
}
"""Columns by which tables of release dates are recognised; they may have more."""


class UnreadableEvidence(ValueError):
    """A file of release dates does not have the columns or keys of its kind."""


@cache
def licence_rules() -> pl.DataFrame:
    """Class of each spelling of a licence, and corrections of single models: `licence, model, licence_class, ...`."""
    return reference_table("licence_classes").with_columns(
        pl.col("licence", "model").fill_null(""), pl.col("is_specific") == "true"
    )


@cache
def release_evidence() -> pl.DataFrame:
    """What sources state about release dates: `name, source, stated`, names normalised.

    A model appears under its key and under its shown name, as boards use one or the other.
    """
    stated = reference_table("model_release_dates")
    names = pl.concat(
        stated.select(normalised(pl.col(name)).alias("name"), "source", "stated")
        for name in ("model_key", "display_name")
    )
    return names.filter(pl.col("name").is_not_null()).unique().sort("name", "source").cast(EVIDENCE_SCHEMA)  # type: ignore[arg-type]


@cache
def model_parameters() -> pl.DataFrame:
    """Sizes of open models: `name, parameters_total, published_bits`, names normalised, under key and shown name."""
    sizes = reference_table("arena_model_parameters").with_columns(
        parameters_total=(pl.col("parameters_billions").cast(pl.Float64) * 1e9).round().cast(pl.Int64),
        published_bits=pl.col("published_bits").cast(pl.Int64),
    )
    names = pl.concat(
        sizes.select(normalised(pl.col(name)).alias("name"), "parameters_total", "published_bits")
        for name in ("model_key", "display_name")
    )
    return names.filter(pl.col("name").is_not_null()).unique("name", keep="first", maintain_order=True).sort("name")


@cache
def declared_identities() -> pl.DataFrame:
    """Models of the hub that arenas show under another name: `arena_model, model_id, architecture_id, source`."""
    return reference_table("arena_model_identities")


@cache
def published_ratings() -> pl.DataFrame:
    """Rows of `core.arena_published_ratings`: some sixty well-known models at three dates."""
    frame = reference_table("arena_published_ratings").with_columns(pl.col("as_of_date").str.to_date())
    return RATING_REFERENCE.conform(frame.cast({name: pl.Float64 for name in frame.columns if "rating" in name}))


def release_statements(payload: bytes, name: str) -> pl.DataFrame:
    """What a file says of release dates, as it says it: `name, source, stated`, one row per model with any date.

    Read are the release date mapping (JSON list with `key` and `Release Date`), the table of models.dev (CSV with
    `model_id` and `release_date`), Epoch's notable models (CSV with `Model` and `Publication date`), and the model
    list of compar:IA (JSON with `models`, of which the month in `release_date` counts).

    Raises:
        UnreadableEvidence: the file is none of these.
    """
    try:
        rows = _json_evidence(parse_json(payload), name) if name.endswith(".json") else _csv_evidence(payload, name)
    except UnreadableEvidence:
        raise
    except (NotJson, UnreadableFile) as error:
        raise UnreadableEvidence(f"{name}: cannot be read: {error}") from error
    statements = pl.DataFrame(rows, schema=EVIDENCE_SCHEMA, orient="row")
    return statements.filter(pl.col("stated").str.strip_chars() != "")


def unusable_statements(statements: pl.DataFrame) -> pl.DataFrame:
    """Statements that name no model or no day or month."""
    return statements.filter(~_usable())


def evidence_of(statements: pl.DataFrame) -> pl.DataFrame:
    """Evidence of statements, names normalised; the earliest and most precise where a source lists a model twice."""
    return (
        statements.filter(_usable())
        .with_columns(normalised(pl.col("name")))
        # A model listed by several providers was released when the first listed it.
        .group_by("name", "source")
        .agg(pl.col("stated").filter(pl.col("stated").str.len_chars() == pl.col("stated").str.len_chars().max()).min())
        .sort("name", "source")
        .select(EVIDENCE_SCHEMA.keys())
    )


def _usable() -> pl.Expr:
    stated = pl.col("stated")
    day = pl.when(stated.str.len_chars() == 7).then(stated + "-01").otherwise(stated)
    is_date = stated.str.contains(r"^\d{4}-\d{2}(-\d{2})?$") & day.str.to_date("%Y-%m-%d", strict=False).is_not_null()
    return is_date & (normalised(pl.col("name")) != "")


def _json_evidence(document: object, name: str) -> list[tuple[str, str, str]]:
    if isinstance(document, list) and all(isinstance(row, dict) and "Release Date" in row for row in document):
        pairs = [(row.get("key"), row.get("Model"), row["Release Date"]) for row in document]
        return [
            (str(each), "graphes_livre", str(day))
            for key, model, day in pairs
            for each in dict.fromkeys(name for name in (key, model) if isinstance(name, str))
            if each and day
        ]
    if isinstance(document, dict) and isinstance(document.get("models"), dict):
        evidence = []
        for model, facts in document["models"].items():
            stated = facts.get("release_date") if isinstance(facts, dict) else None
            if isinstance(stated, str) and stated:
                month = "/".join(reversed(stated.split("/")))
                evidence.append((model, "comparia", month.replace("/", "-")[:7]))
        return evidence
    raise UnreadableEvidence(f"{name}: neither a list with 'Release Date' nor an object with 'models'.")


def _csv_evidence(payload: bytes, name: str) -> list[tuple[str, str, str]]:
    frame = read_as_text(payload, ".csv", name)
    if EVIDENCE_COLUMNS["models_dev"] <= set(frame.columns):
        rows = frame.select(pl.col("model_id").str.split("/").list.last(), pl.lit("models.dev"), "release_date")
    elif EVIDENCE_COLUMNS["epoch"] <= set(frame.columns):
        rows = frame.select("Model", pl.lit("epoch"), "Publication date")
    else:
        raise UnreadableEvidence(f"{name}: no known file of release dates has the columns {', '.join(frame.columns)}.")
    return [row for row in rows.iter_rows() if None not in row]
